/*
 * An echo server for UDP behind a balancer that puts the header in front of
 * each datagram, as dnsdist does with `useProxyProtocol=true`. Says who sent
 * what, and sends it back without the header, by way of the balancer.
 *
 *     cc udp-echo.c $(pkg-config --cflags --libs realpeer) -o udp-echo
 *     ./udp-echo 0.0.0.0 5300 10.0.1.0/24 [dns]
 *
 * The third argument says where the balancer is. It should be on a network
 * where nobody else can use its address: in UDP nothing but the sender's word
 * says where a datagram comes from. With "dns", questions are sent back as
 * answers, as dnsdist throws away what is none.
 */

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <realpeer.h>

static void
answer(int fd, const realpeer_rule *rule, int dns)
{
    char                     client[REALPEER_ADDRESS_TEXT] = "the balancer";
    ssize_t                  n;
    int32_t                  policy;
    socklen_t                len = sizeof(struct sockaddr_storage);
    uint8_t                 *payload;
    static uint8_t           datagram[65536];
    realpeer_decision        decision;
    struct sockaddr_storage  balancer;

    n = recvfrom(fd, datagram, sizeof(datagram), 0,
                 (struct sockaddr *) &balancer, &len);
    if (n == -1) {
        return;
    }

    policy = realpeer_rules_find(rule, 1, (struct sockaddr *) &balancer, len);

    if (realpeer_decide_datagram(policy, NULL, 0, datagram, (size_t) n,
                                 &decision, sizeof(decision)) < 0)
    {
        printf("refused: %s\n", realpeer_strerror(decision.result));
        return;
    }

    payload = datagram + decision.consumed;
    n -= decision.consumed;

    /* Without an address it is the balancer's own, a health check. */
    realpeer_address_text(&decision.client, client, sizeof(client));
    printf("%s, port %u: %zd bytes\n", client, decision.client.port, n);

    if (dns && n >= 3) {
        payload[2] |= 0x80;
    }

    sendto(fd, payload, (size_t) n, 0, (struct sockaddr *) &balancer, len);
}

int
main(int argc, char **argv)
{
    int              fd, rc;
    realpeer_rule    rule;
    struct addrinfo  hints, *found;

    if (argc < 4
        || realpeer_rule_parse(argv[3], strlen(argv[3]),
                               REALPEER_POLICY_REQUIRE, 0, &rule,
                               sizeof(rule)) < 0
        || realpeer_rules_prepare(&rule, 1, NULL) < 0)
    {
        fprintf(stderr, "usage: %s ADDRESS PORT BALANCER [dns]\n", argv[0]);
        return 2;
    }

    memset(&hints, 0, sizeof(hints));
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
    hints.ai_socktype = SOCK_DGRAM;

    rc = getaddrinfo(argv[1], argv[2], &hints, &found);
    if (rc != 0) {
        fprintf(stderr, "%s, port %s: %s\n", argv[1], argv[2],
                gai_strerror(rc));
        return 2;
    }

    fd = socket(found->ai_family, SOCK_DGRAM, 0);
    if (bind(fd, found->ai_addr, found->ai_addrlen) != 0) {
        perror("bind");
        return 1;
    }
    freeaddrinfo(found);

    setvbuf(stdout, NULL, _IOLBF, 0);

    for ( ;; ) {
        answer(fd, &rule, argc > 4 && strcmp(argv[4], "dns") == 0);
    }
}
