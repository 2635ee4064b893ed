/*
 * A loop around poll(): its function wait_for_header().
 */

#include "blocks.h"

static unsigned  polls;

static int
counted_poll(struct pollfd *p, nfds_t n, int timeout)
{
    /* every other one is interrupted */
    if (polls++ % 2 == 0) {
        errno = EINTR;
        return -1;
    }

    return poll(p, n, timeout);
}

#define poll  counted_poll
#include BLOCK
#undef poll

static uint8_t  buffer[REALPEER_DEFAULT_MAX_HEADER];


static void
prepare(realpeer_receiver *r, int fd, int32_t policy)
{
    memset(r, 0, sizeof(*r));
    r->fd = fd;
    r->policy = policy;
    r->buffer = buffer;
    r->buffer_size = sizeof(buffer);
    do_not_block(fd);
    polls = 0;
}


static void
check(int family)
{
    int                fd[2];
    pid_t              child;
    realpeer_decision  d;
    realpeer_receiver  r;

#define connect_them()                                                        \
    if (family == AF_UNIX) {                                                  \
        must(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);                   \
    } else {                                                                  \
        connect_both(family, fd);                                             \
    }

    connect_them();
    prepare(&r, fd[0], REALPEER_POLICY_OPTIONAL);
    child = send_one_by_one(fd, LINE REQUEST, 0);
    must(wait_for_header(&r, &d) == REALPEER_ACTION_ACCEPT);
    must_be(&d.client, "192.0.2.1");
    must_end_well(child);
    must_be_left(fd[0], REQUEST);
    close(fd[0]);

    /* half a signature until the time is over: 10, 20, 40, 80, 160, 190 ms */
    connect_them();
    prepare(&r, fd[0], REALPEER_POLICY_OPTIONAL);
    r.timeout_ms = 500;
    send_bytes(fd[1], "PRO", 3);
    must(wait_for_header(&r, &d) == REALPEER_ACTION_PASS);
    must(d.result == REALPEER_RESULT_ABSENT);
    must(polls < 40);
    close(fd[1]);
    must_be_left(fd[0], "PRO");
    close(fd[0]);

    /* and until the end, without an end of the time */
    connect_them();
    prepare(&r, fd[0], REALPEER_POLICY_STRIP);
    r.timeout_ms = -1;
    send_bytes(fd[1], "PRO", 3);
    must(realpeer_receive_nowait(&r, sizeof(r), &d, sizeof(d))
         == REALPEER_ACTION_MORE);
    close(fd[1]);
    must(wait_for_header(&r, &d) == REALPEER_ACTION_PASS);
    must_be_left(fd[0], "PRO");
    close(fd[0]);

    if (family == AF_UNIX) {
        return;
    }

    connect_them();
    prepare(&r, fd[0], REALPEER_POLICY_REQUIRE);
    child = send_one_by_one(fd, "PROXY TCP4", 1);
    must(wait_for_header(&r, &d) == REALPEER_ACTION_REFUSE);
    must(d.result == REALPEER_RESULT_TRUNCATED
         || d.result == REALPEER_RESULT_SILENT);
    must_end_well(child);
    close(fd[0]);
}


int
main(void)
{
    check(AF_INET);
    check(AF_UNIX);

    return 0;
}
