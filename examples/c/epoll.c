/*
 * A server that waits for thousands of headers at once, and for none too long:
 * one thread, epoll, no buffer for a connection that has sent nothing yet.
 * Tells each client who it is, then closes.
 *
 *     cc epoll.c $(pkg-config --cflags --libs realpeer) -o epoll
 *     ./epoll 0.0.0.0 8080 5000 require 10.0.1.0/24 direct 127.0.0.1
 *
 * The number behind the port is the time for the header in milliseconds;
 * policies and sources follow. SIGTERM or SIGINT ends it, and it says what
 * there was.
 */

#define _GNU_SOURCE  /* accept4 */

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <realpeer.h>

#define MAX_RULES  16

/* All that a waiting connection needs here. */
typedef struct connection {
    realpeer_receiver   receiver;
    uint8_t            *part;        /* of a header, that has come already */
    uint32_t            part_len;
    struct connection  *older;
    struct connection  *newer;
} connection;

static int            epoll, listener, signals, timeout;
static realpeer_rule  rules[MAX_RULES];
static uint32_t       rule_count;
/* In the order they came, which is that of their deadlines. */
static connection    *oldest, *newest;
/* Where every header is read to. */
static uint8_t        shared[REALPEER_DEFAULT_MAX_HEADER];
static struct {
    unsigned  served, refused, timed_out;
    unsigned  waiting, most_waiting;
    size_t    memory, most_memory;   /* of all that wait */
    int64_t   latest;                /* milliseconds behind a deadline */
} seen;

static void
give_up(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t
now(void)
{
    struct timespec  t;

    clock_gettime(CLOCK_MONOTONIC, &t);

    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- connections --------------------------------------------------------- */

static void
put_in_line(connection *c)
{
    c->older = newest;

    if (newest != NULL) {
        newest->newer = c;
    } else {
        oldest = c;
    }

    newest = c;

    if (++seen.waiting > seen.most_waiting) {
        seen.most_waiting = seen.waiting;
    }
}

static void
count_memory(size_t bytes)
{
    seen.memory += bytes;

    if (seen.memory > seen.most_memory) {
        seen.most_memory = seen.memory;
    }
}

static void
finish(connection *c)
{
    if (c->older != NULL) {
        c->older->newer = c->newer;
    } else {
        oldest = c->newer;
    }

    if (c->newer != NULL) {
        c->newer->older = c->older;
    } else {
        newest = c->older;
    }

    seen.waiting--;
    seen.memory -= sizeof(connection) + c->part_len;

    /* This takes it out of epoll as well. */
    close(c->receiver.fd);
    free(c->part);
    free(c);
}

static void
serve(int fd, const realpeer_decision *decision)
{
    int                      n;
    char                     host[NI_MAXHOST], port[NI_MAXSERV], line[1200];
    socklen_t                len = sizeof(struct sockaddr_storage);
    struct sockaddr_storage  client;

    if (realpeer_getpeername(fd, decision, sizeof(*decision),
                             (struct sockaddr *) &client, &len) != 0
        || getnameinfo((struct sockaddr *) &client, len, host, sizeof(host),
                       port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
    {
        return;
    }

    n = snprintf(line, sizeof(line), "You are %s, port %s.\n", host, port);
    send(fd, line, (size_t) n, MSG_NOSIGNAL);
}

/*
 * Keeps what has come of a header until the rest is there. Most headers come
 * whole, and most connections that wait have sent nothing: they need nothing.
 */
static int
keep_part(connection *c)
{
    uint8_t  *part;

    if (c->receiver.have == c->part_len) {
        return 0;
    }

    part = realloc(c->part, c->receiver.have);
    if (part == NULL) {
        return -1;
    }

    memcpy(part, shared, c->receiver.have);
    count_memory(c->receiver.have - c->part_len);
    c->part = part;
    c->part_len = c->receiver.have;

    return 0;
}

/*
 * Something has come, or the time is over: which, the library finds out.
 * Returns 1 if the connection still waits, 0 if it is gone.
 */
static int
go_on(connection *c)
{
    int32_t            rc;
    realpeer_decision  decision;

    if (c->part != NULL) {
        memcpy(shared, c->part, c->part_len);
    }

    rc = realpeer_receive_nowait(&c->receiver, sizeof(c->receiver), &decision,
                                 sizeof(decision));

    if (rc == REALPEER_ACTION_MORE && keep_part(c) == 0) {
        return 1;
    }

    if (rc == REALPEER_ACTION_ACCEPT || rc == REALPEER_ACTION_PASS) {
        serve(c->receiver.fd, &decision);
        seen.served++;

    } else if (rc == REALPEER_ACTION_REFUSE
               && decision.result == REALPEER_RESULT_TIMEOUT)
    {
        seen.timed_out++;

    } else {
        seen.refused++;
    }

    finish(c);

    return 0;
}

static void
begin(int fd)
{
    connection          *c;
    struct epoll_event   event;

    c = calloc(1, sizeof(connection));
    if (c == NULL) {
        close(fd);
        return;
    }

    c->receiver.fd = fd;
    c->receiver.rules = rules;
    c->receiver.rule_count = rule_count;
    c->receiver.timeout_ms = timeout;
    c->receiver.buffer = shared;
    c->receiver.buffer_size = sizeof(shared);

    put_in_line(c);
    count_memory(sizeof(connection));

    /* Edges: bytes that may yet be the application's stay on the socket. */
    event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
    event.data.ptr = c;

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        finish(c);
        return;
    }

    /* The time for the header runs from here on. */
    go_on(c);
}

/* --- events -------------------------------------------------------------- */

static void
accept_all(void)
{
    int  fd;

    for ( ;; ) {
        fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd != -1) {
            begin(fd);

        } else if ((errno == EMFILE || errno == ENFILE) && oldest != NULL) {
            /* Who has waited longest makes room. */
            seen.refused++;
            finish(oldest);

        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

/* Ends what has waited too long, and says how long the next one may wait. */
static int
end_late_ones(void)
{
    int64_t      late;
    connection  *c;

    while ((c = oldest) != NULL) {
        late = now() - (int64_t) c->receiver.ends;
        if (late < 0) {
            return (int) -late;
        }
        if (late > seen.latest) {
            seen.latest = late;
        }
        go_on(c);
    }

    return -1;
}

/* Until somebody wants us to stop. */
static void
serve_all(void)
{
    int                 i, n, somebody_came;
    struct epoll_event  events[256];

    for ( ;; ) {
        n = epoll_wait(epoll, events, 256, end_late_ones());
        somebody_came = 0;

        for (i = 0; i < n; i++) {
            if (events[i].data.ptr == &signals) {
                return;
            }
            if (events[i].data.ptr == &listener) {
                somebody_came = 1;
            } else {
                go_on(events[i].data.ptr);
            }
        }

        /* Last: what has just been closed must not be taken for a new one. */
        if (somebody_came) {
            accept_all();
        }
    }
}

/* --- beginning ----------------------------------------------------------- */

static int
read_rules(char **words)
{
    int32_t  policy, n;

    for (n = 0; words[0] && words[1] && n < MAX_RULES; words += 2, n++) {
        policy = realpeer_policy_parse(words[0], strlen(words[0]));

        if (policy < 0
            || realpeer_rule_parse(words[1], strlen(words[1]), policy, 0,
                                   &rules[n], sizeof(rules[n])) < 0)
        {
            return -1;
        }
    }

    rule_count = (uint32_t) n;

    return words[0] == NULL ? realpeer_rules_prepare(rules, rule_count, NULL)
                            : -1;
}

/* What is no connection is known by where its descriptor is kept. */
static void
watch(int *fd)
{
    struct epoll_event  event;

    event.events = EPOLLIN;
    event.data.ptr = fd;

    if (*fd == -1 || epoll_ctl(epoll, EPOLL_CTL_ADD, *fd, &event) != 0) {
        give_up("epoll");
    }
}

static int
listen_on(const char *host, const char *port)
{
    int              fd, rc, on = 1;
    struct addrinfo  hints, *found;

    memset(&hints, 0, sizeof(hints));
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
    hints.ai_socktype = SOCK_STREAM;

    rc = getaddrinfo(host, port, &hints, &found);
    if (rc != 0) {
        fprintf(stderr, "%s, port %s: %s\n", host, port, gai_strerror(rc));
        exit(2);
    }

    fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));

    if (bind(fd, found->ai_addr, found->ai_addrlen) != 0
        || listen(fd, SOMAXCONN) != 0)
    {
        give_up("listen");
    }

    freeaddrinfo(found);

    return fd;
}

int
main(int argc, char **argv)
{
    sigset_t       ends;
    struct rlimit  files;

    timeout = argc > 3 ? atoi(argv[3]) : 0;

    if (argc < 6 || timeout <= 0 || read_rules(argv + 4) != 0) {
        fprintf(stderr, "usage: %s ADDRESS PORT MILLISECONDS POLICY SOURCE"
                        " [POLICY SOURCE ...]\n", argv[0]);
        return 2;
    }

    /* As many connections as the system lets us have. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }

    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);

    epoll = epoll_create1(EPOLL_CLOEXEC);
    signals = signalfd(-1, &ends, SFD_CLOEXEC);
    listener = listen_on(argv[1], argv[2]);
    watch(&signals);
    watch(&listener);

    serve_all();

    printf("served %u, refused %u, timed out %u (%lld ms late at most)\n"
           "at most %u waited at once, in %zu bytes\n",
           seen.served, seen.refused, seen.timed_out,
           (long long) seen.latest, seen.most_waiting, seen.most_memory);

    while (oldest != NULL) {
        finish(oldest);
    }
    close(listener);
    close(signals);
    close(epoll);

    return 0;
}
