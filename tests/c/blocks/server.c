/*
 * The shortest server: its function serve(), with signals all the time.
 */

#include "blocks.h"

#define main  program
#include BLOCK
#undef main


static void
visit(int blocks, const char *bytes, int then_reset, const char *answer)
{
    int            fd[2];
    char           line[256];
    size_t         have;
    ssize_t        n;
    pid_t          child;
    realpeer_rule  rule;

    must_prepare(&rule, "127.0.0.1", REALPEER_POLICY_REQUIRE);
    connect_both(AF_INET, fd);
    if (!blocks) {
        do_not_block(fd[0]);
    }

    /* the server is a process of its own, without the other end */
    child = fork();
    must(child != -1);
    if (child == 0) {
        close(fd[1]);
        interrupt_everything();
        serve(fd[0], &rule);
        _exit(0);
    }
    close(fd[0]);

    for ( ; *bytes != '\0'; bytes++) {
        send_bytes(fd[1], bytes, 1);
        sched_yield();
    }

    if (then_reset) {
        reset(fd[1]);
        must_end_well(child);
        return;
    }

    have = 0;
    while ((n = recv(fd[1], line + have, sizeof(line) - have, 0)) > 0) {
        have += (size_t) n;
    }
    must(have == strlen(answer) && memcmp(line, answer, have) == 0);
    close(fd[1]);
    must_end_well(child);
}


int
main(void)
{
    int  blocks;

    (void) program;

    for (blocks = 0; blocks < 2; blocks++) {
        visit(blocks, LINE, 0, "You are 192.0.2.1, port 56324.\n");
        visit(blocks, "PROXY UNKNOWN\r\n", 0, "You are the balancer, port 0.\n");
        visit(blocks, "PROXY TCP4 192.0.2.1 ", 1, "");
        visit(blocks, "", 1, "");
    }

    return 0;
}
