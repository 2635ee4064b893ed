/*
 * The lines for a server that has a connected socket, with signals all the
 * time.
 */

#include "blocks.h"


static int32_t
receive_header(int fd, const realpeer_rule *rules, uint32_t count,
    realpeer_decision *out)
{
#include BLOCK

    *out = d;

    return d.action;
}


static int
is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}


int
main(void)
{
    int                fd[2], blocks;
    pid_t              child;
    realpeer_rule      rule;
    realpeer_decision  d;

    must_prepare(&rule, "127.0.0.1", REALPEER_POLICY_REQUIRE);
    interrupt_everything();

    for (blocks = 0; blocks < 2; blocks++) {
        connect_both(AF_INET, fd);
        if (!blocks) {
            do_not_block(fd[0]);
        }
        child = send_one_by_one(fd, LINE REQUEST, 0);
        must(receive_header(fd[0], &rule, 1, &d) == REALPEER_ACTION_ACCEPT);
        must_be(&d.client, "192.0.2.1");
        must(is_open(fd[0]));
        must_end_well(child);
        must(fcntl(fd[0], F_SETFL, 0) == 0);
        must(recv(fd[0], &d, sizeof(d), MSG_WAITALL) == sizeof(REQUEST) - 1);
        must(memcmp(&d, REQUEST, sizeof(REQUEST) - 1) == 0);
        close(fd[0]);

        connect_both(AF_INET, fd);
        if (!blocks) {
            do_not_block(fd[0]);
        }
        child = send_one_by_one(fd, "PROXY TCP4 192.0.2.1 ", 1);
        must(receive_header(fd[0], &rule, 1, &d) == REALPEER_ACTION_REFUSE);
        must(d.result == REALPEER_RESULT_TRUNCATED
             || d.result == REALPEER_RESULT_SILENT);
        must(!is_open(fd[0]));
        must_end_well(child);
    }

    return 0;
}
