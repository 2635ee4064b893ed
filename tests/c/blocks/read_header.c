/*
 * A server that reads by itself, on sockets that do not block: its function
 * read_header() of a struct connection.
 */

#include "blocks.h"

#define recv  interrupted_recv
#include BLOCK
#undef recv


static const char  v2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1"
                          "\xc6\x33\x64\x07\xdc\x04\x01\xbb";

static struct connection  c;
static int                fd[2];


static void
begin(int32_t policy)
{
    connect_both(AF_INET, fd);
    do_not_block(fd[0]);
    memset(&c, 0xaa, sizeof(c));
    c.fd = fd[0];
    c.policy = policy;
    c.have = 0;
    must(read_header(&c, 0) == REALPEER_ACTION_MORE);
}


static void
send_and_read(const char *bytes, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        must(read_header(&c, 0) == REALPEER_ACTION_MORE);
        send_bytes(fd[1], bytes + i, 1);
        await(fd[0]);
    }
}


static void
in_pieces(const char *header, size_t len, int32_t policy)
{
    begin(policy);
    send_and_read(header, len);

    must(read_header(&c, 0) == REALPEER_ACTION_ACCEPT);
    must(c.decision.result == REALPEER_RESULT_PROXY);
    must(c.have == len && c.decision.consumed == len);
    must(memcmp(c.buf, header, len) == 0);
    must_be(&c.decision.client, "192.0.2.1");

    send_bytes(fd[1], REQUEST, sizeof(REQUEST) - 1);
    close(fd[1]);
    must_be_left(fd[0], REQUEST);
    close(fd[0]);
}


/* What was read goes to the application, and then the rest. */
static void
without_a_header(void)
{
    size_t  rest;

    begin(REALPEER_POLICY_OPTIONAL);
    send_and_read("PR", 2);
    must(read_header(&c, 0) == REALPEER_ACTION_MORE);
    send_bytes(fd[1], "I * HTTP/2.0\r\n", 14);
    await(fd[0]);
    must(read_header(&c, 0) == REALPEER_ACTION_PASS);
    must(c.decision.consumed == 0 && c.have >= 2);
    rest = c.have;
    must(memcmp(c.buf, "PRI * HTTP/2.0\r\n", rest) == 0);
    close(fd[1]);
    must_be_left(fd[0], &"PRI * HTTP/2.0\r\n"[rest]);
    close(fd[0]);
}


static void
that_ends(const char *bytes, int is_reset, int32_t result)
{
    begin(REALPEER_POLICY_REQUIRE);
    send_and_read(bytes, strlen(bytes));
    must(read_header(&c, 0) == REALPEER_ACTION_MORE);

    if (is_reset) {
        reset(fd[1]);
    } else {
        close(fd[1]);
    }

    await(fd[0]);
    must(read_header(&c, 0) == REALPEER_ACTION_REFUSE);
    must(c.decision.result == result);
    close(fd[0]);
}


static void
that_is_late(const char *bytes, size_t len, int32_t result)
{
    begin(REALPEER_POLICY_REQUIRE);
    send_bytes(fd[1], bytes, len);
    if (len > 0) {
        await(fd[0]);
    }
    must((read_header(&c, 1) > 0) == (result > 0));
    must(c.decision.result == result);
    close(fd[0]);
    close(fd[1]);
}


int
main(void)
{
    in_pieces(LINE, sizeof(LINE) - 1, REALPEER_POLICY_REQUIRE);
    in_pieces(LINE, sizeof(LINE) - 1, REALPEER_POLICY_OPTIONAL);
    in_pieces(v2, sizeof(v2) - 1, REALPEER_POLICY_REQUIRE);
    in_pieces(v2, sizeof(v2) - 1, REALPEER_POLICY_OPTIONAL);
    without_a_header();

    that_ends("", 0, REALPEER_RESULT_SILENT);
    that_ends("", 1, REALPEER_RESULT_SILENT);
    that_ends("PROXY TCP4 192.0.2.1 ", 0, REALPEER_RESULT_TRUNCATED);
    that_ends("PROXY TCP4 192.0.2.1 ", 1, REALPEER_RESULT_TRUNCATED);

    that_is_late("", 0, REALPEER_RESULT_TIMEOUT);
    that_is_late(LINE, 20, REALPEER_RESULT_TIMEOUT);
    /* what is there when the time is over counts */
    that_is_late(LINE, sizeof(LINE) - 1, REALPEER_RESULT_PROXY);

    must(receptions > 0);

    return 0;
}
