/*
 * The header taken off sockets.  What is read into ends where a page begins
 * that may not be touched.
 */

#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>


#define LINE     "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"
#define REQUEST  "GET / HTTP/1.1\r\n\r\n"


static uint8_t  *fence;


static void
give_up(const char *what)
{
    perror(what);
    exit(2);
}


/* A connection over the loopback: ours, and the balancer's. */
static void
connect_both(int fd[2])
{
    int                 listener;
    socklen_t           len;
    struct sockaddr_in  sin;

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    len = sizeof(sin);

    listener = socket(AF_INET, SOCK_STREAM, 0);
    fd[1] = socket(AF_INET, SOCK_STREAM, 0);

    if (listener < 0 || fd[1] < 0
        || bind(listener, (struct sockaddr *) &sin, sizeof(sin)) != 0
        || listen(listener, 1) != 0
        || getsockname(listener, (struct sockaddr *) &sin, &len) != 0
        || connect(fd[1], (struct sockaddr *) &sin, sizeof(sin)) != 0)
    {
        give_up("a connection");
    }

    fd[0] = accept(listener, NULL, NULL);
    if (fd[0] < 0) {
        give_up("accept");
    }
    close(listener);
}


static void
send_all(int fd, const void *bytes, size_t len)
{
    check(send(fd, bytes, len, 0) == (ssize_t) len, "send");
}


static void
check_rest(int fd, const char *wanted)
{
    char     rest[256];
    size_t   have;
    ssize_t  n;

    have = 0;

    while ((n = recv(fd, rest + have, sizeof(rest) - have, 0)) > 0) {
        have += (size_t) n;
    }

    check(n == 0 && have == strlen(wanted) && memcmp(rest, wanted, have) == 0,
          "%lu bytes are left, not %lu", (unsigned long) have,
          (unsigned long) strlen(wanted));
}


static void
prepare(realpeer_receiver *receiver, int fd, int32_t policy, size_t size)
{
    memset(receiver, 0, sizeof(*receiver));
    receiver->fd = fd;
    receiver->policy = policy;
    receiver->timeout_ms = 60000;
    receiver->buffer = fence - size;
    receiver->buffer_size = (uint32_t) size;
}


/* The lines at the head of realpeer.h. */
static void
check_example(int fd[2])
{
    socklen_t                len;
    realpeer_rule            rule;
    realpeer_decision        d;
    realpeer_receiver        r;
    struct sockaddr_in      *sin;
    struct sockaddr_storage  storage;

    check(realpeer_rule_parse("127.0.0.1", 9, REALPEER_POLICY_REQUIRE, 0,
                              &rule, sizeof(rule)) == 0, "rule");
    check(realpeer_rules_prepare(&rule, 1, NULL) == 0, "prepare");

    send_all(fd[1], LINE REQUEST, sizeof(LINE REQUEST) - 1);
    shutdown(fd[1], SHUT_WR);

    memset(&r, 0, sizeof(r));
    r.fd = fd[0];
    r.rules = &rule;
    r.rule_count = 1;
    r.buffer = fence - REALPEER_V1_MAX;
    r.buffer_size = REALPEER_V1_MAX;

    check(realpeer_receive(&r, sizeof(r), &d, sizeof(d))
          == REALPEER_ACTION_ACCEPT, "%s", realpeer_strerror(d.result));
    check(d.policy == REALPEER_POLICY_REQUIRE && d.consumed == sizeof(LINE) - 1,
          "%u bytes", (unsigned) d.consumed);
    check(r.policy == REALPEER_POLICY_NONE && r.have == 0 && r.socket == 0,
          "something is left of it");

    len = sizeof(storage);
    sin = (struct sockaddr_in *) &storage;
    check(realpeer_getpeername(fd[0], &d, sizeof(d),
                               (struct sockaddr *) &storage, &len) == 0
          && len == sizeof(*sin) && sin->sin_family == AF_INET
          && ntohs(sin->sin_port) == 56324
          && sin->sin_addr.s_addr == inet_addr("192.0.2.1"), "the client");

    len = sizeof(storage);
    check(realpeer_getsockname(fd[0], &d, sizeof(d),
                               (struct sockaddr *) &storage, &len) == 0
          && sin->sin_addr.s_addr == inet_addr("198.51.100.7"), "the server");

    len = sizeof(storage);
    check(realpeer_getpeername(fd[0], NULL, 0, (struct sockaddr *) &storage,
                               &len) == 0
          && sin->sin_addr.s_addr == htonl(INADDR_LOOPBACK), "the balancer");

    check_rest(fd[0], REQUEST);
}


/* A byte, and a call; the last byte of the header brings the answer. */
static void
check_bytes(int fd[2], int32_t policy)
{
    char               one;
    size_t             i;
    int32_t            action;
    realpeer_decision  d;
    realpeer_receiver  r;

    action = REALPEER_ACTION_MORE;
    prepare(&r, fd[0], policy, REALPEER_V1_MAX);
    check(realpeer_receive_nowait(&r, sizeof(r), &d, sizeof(d))
          == REALPEER_ACTION_MORE, "nothing");

    for (i = 0; i < sizeof(LINE) - 1; i++) {
        send_all(fd[1], &LINE[i], 1);

        /* Until it has arrived; others may be in front of it if optional. */
        while (recv(fd[0], &one, 1, MSG_PEEK) != 1) {}

        action = realpeer_receive_nowait(&r, sizeof(r), &d, sizeof(d));
        check(action == (i < sizeof(LINE) - 2 ? REALPEER_ACTION_MORE
                                              : REALPEER_ACTION_ACCEPT)
              || policy == REALPEER_POLICY_OPTIONAL,
              "%d at byte %lu", action, (unsigned long) i);
    }

    if (action == REALPEER_ACTION_MORE) {
        action = realpeer_receive(&r, sizeof(r), &d, sizeof(d));
    }
    check(action == REALPEER_ACTION_ACCEPT
          && memcmp(r.buffer, LINE, sizeof(LINE) - 1) == 0, "%d", action);

    send_all(fd[1], REQUEST, sizeof(REQUEST) - 1);
    shutdown(fd[1], SHUT_WR);
    check_rest(fd[0], REQUEST);
}


static void
check_absent(int fd[2])
{
    realpeer_decision  d;
    realpeer_receiver  r;

    send_all(fd[1], "PROX", 4);
    shutdown(fd[1], SHUT_WR);

    prepare(&r, fd[0], REALPEER_POLICY_OPTIONAL, REALPEER_V1_MAX);
    check(realpeer_receive(&r, sizeof(r), &d, sizeof(d))
          == REALPEER_ACTION_PASS && d.result == REALPEER_RESULT_ABSENT
          && r.have == 0, "%s", realpeer_strerror(d.result));
    check_rest(fd[0], "PROX");
}


static void
check_timeout(int fd[2])
{
    realpeer_decision  d;
    realpeer_receiver  r;

    send_all(fd[1], LINE, 20);

    prepare(&r, fd[0], REALPEER_POLICY_REQUIRE, REALPEER_V1_MAX);
    r.timeout_ms = 10;
    check(realpeer_receive(&r, sizeof(r), &d, sizeof(d))
          == REALPEER_ACTION_REFUSE && d.result == REALPEER_RESULT_TIMEOUT,
          "%s", realpeer_strerror(d.result));
}


static void
check_arguments(void)
{
    realpeer_decision  d;
    realpeer_receiver  r;

    prepare(&r, -1, REALPEER_POLICY_REQUIRE, REALPEER_V1_MAX);
    errno = 0;
    check(realpeer_receive(&r, sizeof(r), &d, sizeof(d))
          == REALPEER_ERROR_SOCKET && errno == EBADF, "errno %d", errno);

    prepare(&r, -1, REALPEER_POLICY_DIRECT, REALPEER_V1_MAX);
    check(realpeer_receive_nowait(&r, sizeof(r), &d, sizeof(d))
          == REALPEER_ACTION_PASS, "direct");

    prepare(&r, -1, REALPEER_POLICY_DIRECT, REALPEER_V1_MAX - 1);
    check(realpeer_receive(&r, sizeof(r), &d, sizeof(d))
          == REALPEER_ERROR_INVALID_ARGUMENT, "a small buffer");
    check(realpeer_receive(NULL, sizeof(r), &d, sizeof(d))
          == REALPEER_ERROR_INVALID_ARGUMENT, "NULL");
    check(realpeer_receive(&r, sizeof(r), NULL, sizeof(d))
          == REALPEER_ERROR_INVALID_ARGUMENT, "NULL");
}


static void
check_datagrams(void)
{
    size_t             i;
    int32_t            len;
    uint8_t           *at;
    realpeer_decision  d;
    realpeer_outgoing  header;

    memset(&header, 0, sizeof(header));
    header.command = REALPEER_COMMAND_PROXY;
    header.transport = REALPEER_TRANSPORT_DATAGRAM;
    header.source.family = REALPEER_FAMILY_INET;
    header.source.port = 5353;
    memcpy(header.source.ip, "\300\000\002\001", 4);
    header.destination = header.source;

    /* The datagram ends at the fence, whole and in all its parts. */
    at = fence - 33;
    len = realpeer_write_v2(&header, sizeof(header), at, 33);
    check(len == 28, "%d", len);
    memcpy(at + len, "query", 5);

    check(realpeer_decide_datagram(REALPEER_POLICY_REQUIRE, NULL, 0, at, 33,
                                   &d, sizeof(d)) == REALPEER_ACTION_ACCEPT
          && d.consumed == 28, "%s", realpeer_strerror(d.result));
    check_address(&d.client, "192.0.2.1 5353");

    for (i = 0; i < 28; i++) {
        memmove(fence - i, at, i);
        check(realpeer_decide_datagram(REALPEER_POLICY_REQUIRE, NULL, 0,
                                       fence - i, i, &d, sizeof(d))
              == REALPEER_ACTION_REFUSE
              && d.result == (i == 0 ? REALPEER_RESULT_NO_HEADER
                                     : REALPEER_RESULT_TRUNCATED),
              "%lu bytes: %s", (unsigned long) i, realpeer_strerror(d.result));
        (void) realpeer_write_v2(&header, sizeof(header), at, 33);
    }
}


/* Each check on TCP, and on a pair of Unix sockets. */
static void
on_both(void (*run)(int fd[2]))
{
    int  fd[2];

    connect_both(fd);
    run(fd);
    close(fd[0]);
    close(fd[1]);

    if (run == check_example) {
        return;
    }

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0) {
        give_up("socketpair");
    }
    run(fd);
    close(fd[0]);
    close(fd[1]);
}


static void
check_bytes_required(int fd[2])
{
    check_bytes(fd, REALPEER_POLICY_REQUIRE);
}


static void
check_bytes_optional(int fd[2])
{
    check_bytes(fd, REALPEER_POLICY_OPTIONAL);
}


void
check_socket(void)
{
    fence = build_fence(4096);

    on_both(check_example);
    on_both(check_bytes_required);
    on_both(check_bytes_optional);
    on_both(check_absent);
    on_both(check_timeout);
    check_arguments();
    check_datagrams();
}
