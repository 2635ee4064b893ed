/*
 * What the contenders that are written in C give: both socket addresses, in the
 * form that the sockets API has for them.
 */

#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

typedef union {
    struct sockaddr      any;
    struct sockaddr_in   v4;
    struct sockaddr_in6  v6;
} bench_sockaddr;

/* AF_UNSPEC in both where the header has no addresses to be used. */
typedef struct {
    bench_sockaddr  source;
    bench_sockaddr  destination;
} bench_answer;

/* A job returns the length of the header, or one of these. */
enum { BENCH_MORE = 0, BENCH_REFUSED = -1 };

#endif
