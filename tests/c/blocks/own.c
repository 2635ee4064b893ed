/*
 * The client for a program that knows IPv4 only: its function client_ipv4().
 */

#include "blocks.h"
#include BLOCK


static int32_t
over(int family, const char *line, struct sockaddr_in *client)
{
    int                fd[2];
    int32_t            rc;
    uint8_t            buffer[REALPEER_V1_MAX];
    realpeer_decision  d;
    realpeer_receiver  r;

    connect_both(family, fd);
    send_bytes(fd[1], line, strlen(line));
    memset(&r, 0, sizeof(r));
    r.fd = fd[0];
    r.policy = REALPEER_POLICY_REQUIRE;
    r.buffer = buffer;
    r.buffer_size = sizeof(buffer);
    must(realpeer_receive(&r, sizeof(r), &d, sizeof(d))
         == REALPEER_ACTION_ACCEPT);

    memset(client, 0, sizeof(*client));
    rc = client_ipv4(fd[0], &d, client);
    close(fd[0]);
    close(fd[1]);

    return rc;
}


int
main(void)
{
    struct sockaddr_in  client;

    must(over(AF_INET, LINE, &client) == 0);
    must(client.sin_family == AF_INET && client.sin_port == htons(56324));
    must(client.sin_addr.s_addr == inet_addr("192.0.2.1"));

    must(over(AF_INET, "PROXY TCP6 ::ffff:192.0.2.1 ::1 56324 443\r\n",
              &client) == 0);
    must(client.sin_addr.s_addr == inet_addr("192.0.2.1"));

    must(over(AF_INET, "PROXY UNKNOWN\r\n", &client) == 0);
    must(client.sin_addr.s_addr == htonl(INADDR_LOOPBACK));

    /* not the balancer, and nothing at all */
    must(over(AF_INET, "PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n",
              &client) == REALPEER_ERROR_OTHER_FAMILY);
    must(client.sin_family == 0);

    return 0;
}
