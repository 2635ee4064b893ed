/*
 * What the programs share that run the C of the documents.  BLOCK is the file
 * with the lines of a document, to be included after this one.
 */

#ifndef BLOCKS_H
#define BLOCKS_H

#define _DEFAULT_SOURCE  1
#define _POSIX_C_SOURCE  200809L

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <realpeer.h>

/* The document has it for itself. */
#undef _POSIX_C_SOURCE

#define LINE     "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"
#define REQUEST  "GET / HTTP/1.1\r\n\r\n"

#define must(condition)                                                       \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);   \
            exit(1);                                                          \
        }                                                                     \
    } while (0)

#if defined(__GNUC__)
#define MAY_BE_UNUSED  __attribute__((unused))
#else
#define MAY_BE_UNUSED
#endif


/* A connection over the loopback, from 127.0.0.1: ours, and the balancer's. */
MAY_BE_UNUSED static void
connect_both(int family, int fd[2])
{
    int                      on, listener;
    sigset_t                 alarm_signal, before;
    socklen_t                len;
    struct sockaddr_in      *sin;
    struct sockaddr_in6     *sin6;
    struct sockaddr_storage  name;

    /* it is the block that is to be interrupted, and not this */
    sigemptyset(&alarm_signal);
    sigaddset(&alarm_signal, SIGALRM);
    must(sigprocmask(SIG_BLOCK, &alarm_signal, &before) == 0);

    on = 1;
    memset(&name, 0, sizeof(name));
    name.ss_family = (sa_family_t) family;
    sin = (struct sockaddr_in *) &name;
    sin6 = (struct sockaddr_in6 *) &name;
    if (family == AF_INET) {
        sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        len = sizeof(*sin);
    } else {
        sin6->sin6_addr = in6addr_loopback;
        len = sizeof(*sin6);
    }

    listener = socket(family, SOCK_STREAM, 0);
    fd[1] = socket(family, SOCK_STREAM, 0);
    must(listener != -1 && fd[1] != -1);
    must(bind(listener, (struct sockaddr *) &name, len) == 0);
    must(listen(listener, 1) == 0);
    must(getsockname(listener, (struct sockaddr *) &name, &len) == 0);
    must(connect(fd[1], (struct sockaddr *) &name, len) == 0);
    must(setsockopt(fd[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
    fd[0] = accept(listener, NULL, NULL);
    must(fd[0] != -1);
    close(listener);
    must(sigprocmask(SIG_SETMASK, &before, NULL) == 0);
}


MAY_BE_UNUSED static void
do_not_block(int fd)
{
    must(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
}


MAY_BE_UNUSED static void
send_bytes(int fd, const void *bytes, size_t len)
{
    must(send(fd, bytes, len, 0) == (ssize_t) len);
}


/* A connection that is broken, instead of closed. */
MAY_BE_UNUSED static void
reset(int fd)
{
    struct linger  linger;

    linger.l_onoff = 1;
    linger.l_linger = 0;
    must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
    must(close(fd) == 0);
}


/* Until there is something, the end included. */
MAY_BE_UNUSED static void
await(int fd)
{
    struct pollfd  p;

    p.fd = fd;
    p.events = POLLIN;
    must(poll(&p, 1, -1) == 1);
}


/* All that is left, up to the end, has to be this. */
MAY_BE_UNUSED static void
must_be_left(int fd, const char *wanted)
{
    char     rest[256];
    size_t   have;
    ssize_t  n;

    have = 0;

    for ( ;; ) {
        await(fd);
        n = recv(fd, rest + have, sizeof(rest) - have, 0);
        if (n <= 0) {
            break;
        }
        have += (size_t) n;
    }

    must(n == 0);
    must(have == strlen(wanted) && memcmp(rest, wanted, have) == 0);
}


MAY_BE_UNUSED static void
must_be(const realpeer_address *address, const char *wanted)
{
    char  text[REALPEER_ADDRESS_TEXT];

    must(realpeer_address_text(address, text, sizeof(text)) > 0);
    must(strcmp(text, wanted) == 0);
}


MAY_BE_UNUSED static void
must_prepare(realpeer_rule *rule, const char *source, int32_t policy)
{
    must(realpeer_rule_parse(source, strlen(source), policy, 0, rule,
                             sizeof(*rule)) == 0);
    must(realpeer_rules_prepare(rule, 1, NULL) == 0);
}


/* Every other call is interrupted. */
static unsigned  receptions;


MAY_BE_UNUSED static ssize_t
interrupted_recv(int fd, void *to, size_t len, int flags)
{
    if (receptions++ % 2 == 0) {
        errno = EINTR;
        return -1;
    }

    return recv(fd, to, len, flags);
}


MAY_BE_UNUSED static void
notice(int signal_number)
{
    (void) signal_number;
}


/* Signals all the time, whose handler does not restart system calls. */
MAY_BE_UNUSED static void
interrupt_everything(void)
{
    struct itimerval  often;
    struct sigaction  action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = notice;
    must(sigaction(SIGALRM, &action, NULL) == 0);
    memset(&often, 0, sizeof(often));
    often.it_value.tv_usec = 1000;
    often.it_interval.tv_usec = 1000;
    must(setitimer(ITIMER_REAL, &often, NULL) == 0);
}


/* A process that sends these bytes one by one, then breaks the connection. */
MAY_BE_UNUSED static pid_t
send_one_by_one(int fd[2], const char *bytes, int then_reset)
{
    pid_t  child;

    child = fork();
    must(child != -1);

    if (child == 0) {
        /* no signals here: timers are not inherited */
        close(fd[0]);
        for ( ; *bytes != '\0'; bytes++) {
            send_bytes(fd[1], bytes, 1);
            sched_yield();
        }
        if (then_reset) {
            reset(fd[1]);
        } else {
            close(fd[1]);
        }
        _exit(0);
    }

    close(fd[1]);

    return child;
}


MAY_BE_UNUSED static void
must_end_well(pid_t child)
{
    int    status;
    pid_t  pid;

    do {
        pid = waitpid(child, &status, 0);
    } while (pid == -1 && errno == EINTR);

    must(pid == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#endif
