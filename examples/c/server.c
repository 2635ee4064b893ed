/*
 * The shortest server behind a balancer: tells each client who it is.
 *
 *     cc server.c $(pkg-config --cflags --libs realpeer) -o server
 *     ./server 0.0.0.0 8080 10.0.1.0/24
 *
 * The last argument says where the balancer is: from there a header must come,
 * and nobody else may connect.
 */

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <realpeer.h>

static void
serve(int fd, const realpeer_rule *rule)
{
    uint8_t                  header[REALPEER_DEFAULT_MAX_HEADER];
    char                     host[NI_MAXHOST], port[NI_MAXSERV], line[1200];
    int                      n;
    int32_t                  rc;
    socklen_t                len = sizeof(struct sockaddr_storage);
    realpeer_receiver        receiver;
    realpeer_decision        decision;
    struct sockaddr_storage  client;

    memset(&receiver, 0, sizeof(receiver));
    receiver.fd = fd;
    receiver.rules = rule;
    receiver.rule_count = 1;
    receiver.buffer = header;
    receiver.buffer_size = sizeof(header);

    rc = realpeer_receive(&receiver, sizeof(receiver), &decision,
                          sizeof(decision));
    if (rc < 0) {
        if (rc == REALPEER_ACTION_REFUSE) {
            rc = decision.result;
        }
        fprintf(stderr, "refused: %s\n", realpeer_strerror(rc));
        return;
    }

    /* From here on all is as if the client had connected itself. */

    if (realpeer_getpeername(fd, &decision, sizeof(decision),
                             (struct sockaddr *) &client, &len) != 0
        || getnameinfo((struct sockaddr *) &client, len, host, sizeof(host),
                       port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
    {
        return;
    }

    n = snprintf(line, sizeof(line), "You are %s, port %s.\n", host, port);
    send(fd, line, (size_t) n, MSG_NOSIGNAL);
}

int
main(int argc, char **argv)
{
    int                 fd, listener, on = 1;
    realpeer_rule       rule;
    struct sockaddr_in  address;

    if (argc != 4
        || realpeer_rule_parse(argv[3], strlen(argv[3]),
                               REALPEER_POLICY_REQUIRE, 0, &rule,
                               sizeof(rule)) < 0
        || realpeer_rules_prepare(&rule, 1, NULL) < 0)
    {
        fprintf(stderr, "usage: %s ADDRESS PORT BALANCER\n", argv[0]);
        return 2;
    }

    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = inet_addr(argv[1]);
    address.sin_port = htons((uint16_t) atoi(argv[2]));

    listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));

    if (bind(listener, (struct sockaddr *) &address, sizeof(address)) != 0
        || listen(listener, 128) != 0)
    {
        perror("listen");
        return 1;
    }

    /* One after the other; epoll.c has thousands of them at once. */

    for ( ;; ) {
        fd = accept(listener, NULL, NULL);
        if (fd != -1) {
            serve(fd, &rule);
            close(fd);
        }
    }
}
