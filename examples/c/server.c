/*
 * The shortest server behind a balancer: tells each client who it is.
 *
 *     cc server.c $(pkg-config --cflags --libs realpeer) -o server
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <realpeer.h>

static void
serve(int fd, const realpeer_rule *balancer)
{
    char               line[128];
    char               client[REALPEER_ADDRESS_TEXT] = "the balancer";
    uint8_t            header[REALPEER_DEFAULT_MAX_HEADER];
    realpeer_decision  decision;
    realpeer_receiver  receiver = {
        .fd = fd, .rules = balancer, .rule_count = 1,
        .buffer = header, .buffer_size = sizeof(header),
    };

    if (realpeer_receive(&receiver, sizeof(receiver), &decision,
                         sizeof(decision)) < 0)
    {
        return;     /* decision.result says why */
    }

    /* From here on the socket is as if nothing had been in front. */

    realpeer_address_text(&decision.client, client, sizeof(client));
    snprintf(line, sizeof(line), "You are %s, port %u.\n", client,
             decision.client.port);
    send(fd, line, strlen(line), MSG_NOSIGNAL);
}

int
main(int argc, char **argv)
{
    int                 fd, on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    realpeer_rule       balancer;
    struct sockaddr_in  address = { .sin_family = AF_INET };

    if (argc != 4 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1
        || realpeer_rule_parse(argv[3], strlen(argv[3]),
                               REALPEER_POLICY_REQUIRE, 0, &balancer,
                               sizeof(balancer)) < 0
        || realpeer_rules_prepare(&balancer, 1, NULL) < 0)
    {
        fprintf(stderr, "usage: %s ADDRESS PORT BALANCER\n", argv[0]);
        return 2;
    }

    address.sin_port = htons((uint16_t) atoi(argv[2]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *) &address, sizeof(address)) != 0
        || listen(listener, SOMAXCONN) != 0)
    {
        perror("listen");
        return 1;
    }

    for ( ;; ) {
        fd = accept(listener, NULL, NULL);
        if (fd != -1) {
            serve(fd, &balancer);
            close(fd);
        }
    }
}
