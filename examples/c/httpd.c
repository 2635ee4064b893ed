/*
 * A web server behind a balancer, with libmicrohttpd: shows its visitors their
 * address, and that of the balancer that relayed them.
 *
 *     cc httpd.c $(pkg-config --cflags --libs realpeer libmicrohttpd) -o httpd
 *     ./httpd 0.0.0.0 8080 require 10.0.1.0/24 direct 127.0.0.1
 *
 * Policies and sources follow the port. SIGTERM or SIGINT ends it.
 *
 * libmicrohttpd does not listen: connections are accepted here, their header
 * is taken off, and they are handed over under the visitor's address. From
 * there on libmicrohttpd knows them by that, in its limits and log as well.
 */

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>
#include <realpeer.h>

#define MAX_RULES  16

/*
 * As many connections can wait for their header at once, each for 5 seconds at
 * most. Where that is not enough, epoll.c shows how to wait without threads.
 */
#define THREADS    16

static int                 listener;
static uint32_t            rule_count;
static realpeer_rule       rules[MAX_RULES];
static struct MHD_Daemon  *web;

static const char page[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>realpeer: %s</title>\n"
    "<style>\n"
    "  body { margin: 2rem auto; padding: 0 1rem; max-width: 52rem;\n"
    "         font: 1rem/1.5 system-ui, sans-serif; }\n"
    "  ul { display: flex; flex-wrap: wrap; gap: 1rem; padding: 0;\n"
    "       list-style: none; }\n"
    "  li { flex: 1; padding: .8rem 1rem; border: 1px solid #ccd3dd;\n"
    "       border-radius: .6rem; }\n"
    "  b { display: block; font: 1.35rem monospace; }\n"
    "</style>\n"
    "<h1>Who is there, seen from libmicrohttpd behind a load balancer</h1>\n"
    "<ul>\n"
    "<li>Visitor <b id=\"visitor\">%s</b> port %s\n"
    "<li>Balancer <b id=\"balancer\">%s</b> port %s\n"
    "<li>This server <b id=\"server\">%s</b> port %s\n"
    "</ul>\n"
    "</html>\n";

/* An address as text, or two words that say that there is none. */
typedef struct {
    char  host[NI_MAXHOST];
    char  port[NI_MAXSERV];
} endpoint;

static void
show(const struct sockaddr *address, socklen_t len, endpoint *out)
{
    if (getnameinfo(address, len, out->host, sizeof(out->host), out->port,
                    sizeof(out->port), NI_NUMERICHOST | NI_NUMERICSERV))
    {
        strcpy(out->host, "unknown");
        strcpy(out->port, "unknown");
    }
}

/* --- a request ----------------------------------------------------------- */

static enum MHD_Result
reply(struct MHD_Connection *connection, unsigned int status,
    const char *name, const char *value, const char *text)
{
    enum MHD_Result       rc;
    struct MHD_Response  *response;

    response = MHD_create_response_from_buffer(strlen(text), (void *) text,
                                               MHD_RESPMEM_MUST_COPY);
    if (response == NULL) {
        return MHD_NO;
    }

    MHD_add_response_header(response, name, value);
    rc = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);

    return rc;
}

static enum MHD_Result
answer(void *cls, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *upload_data,
    size_t *upload_data_size, void **request)
{
    int                              fd;
    char                             html[sizeof(page) + 7 * sizeof(endpoint)];
    endpoint                         visitor, balancer, here;
    socklen_t                        len;
    const struct sockaddr           *client;
    struct sockaddr_storage          address;
    const union MHD_ConnectionInfo  *info;

    (void) cls; (void) url; (void) version; (void) upload_data;

    /* An answer to the first call, with the headers, would end keep-alive. */
    if (*request == NULL) {
        *request = connection;
        return MHD_YES;
    }

    /* Whatever comes with the request is of no interest. */
    if (*upload_data_size != 0) {
        *upload_data_size = 0;
        return MHD_YES;
    }

    /* libmicrohttpd leaves out the page itself where HEAD asks. */
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0
        && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
    {
        return reply(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
                     MHD_HTTP_HEADER_ALLOW, "GET, HEAD", "");
    }

    /* What MHD_add_connection() was told: the visitor. */
    info = MHD_get_connection_info(connection,
                                   MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    client = info->client_addr;
    show(client, client->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                               : sizeof(struct sockaddr_in),
         &visitor);

    /* What the socket knows: the balancer. */
    info = MHD_get_connection_info(connection,
                                   MHD_CONNECTION_INFO_CONNECTION_FD);
    fd = info->connect_fd;

    len = sizeof(address);
    if (getpeername(fd, (struct sockaddr *) &address, &len) != 0) {
        return MHD_NO;
    }
    show((struct sockaddr *) &address, len, &balancer);

    if (strcmp(balancer.host, visitor.host) == 0
        && strcmp(balancer.port, visitor.port) == 0)
    {
        strcpy(balancer.host, "none");
        strcpy(balancer.port, "none");
    }

    len = sizeof(address);
    if (getsockname(fd, (struct sockaddr *) &address, &len) != 0) {
        return MHD_NO;
    }
    show((struct sockaddr *) &address, len, &here);

    /* Addresses are made here from their binary form, so nothing to escape. */
    snprintf(html, sizeof(html), page, visitor.host, visitor.host,
             visitor.port, balancer.host, balancer.port, here.host, here.port);

    return reply(connection, MHD_HTTP_OK, MHD_HTTP_HEADER_CONTENT_TYPE,
                 "text/html; charset=utf-8", html);
}

/* --- a connection -------------------------------------------------------- */

static void
hand_over(int fd)
{
    uint8_t                  header[REALPEER_DEFAULT_MAX_HEADER];
    int32_t                  rc;
    socklen_t                len = sizeof(struct sockaddr_storage);
    realpeer_receiver        receiver;
    realpeer_decision        decision;
    struct sockaddr_storage  visitor;

    memset(&receiver, 0, sizeof(receiver));
    receiver.fd = fd;
    receiver.rules = rules;
    receiver.rule_count = rule_count;
    receiver.buffer = header;
    receiver.buffer_size = sizeof(header);

    rc = realpeer_receive(&receiver, sizeof(receiver), &decision,
                          sizeof(decision));
    if (rc < 0) {
        if (rc == REALPEER_ACTION_REFUSE) {
            rc = decision.result;
        }
        if (!realpeer_result_is_quiet(rc)) {
            fprintf(stderr, "refused: %s\n", realpeer_strerror(rc));
        }
        close(fd);
        return;
    }

    if (realpeer_getpeername(fd, &decision, sizeof(decision),
                             (struct sockaddr *) &visitor, &len) != 0)
    {
        close(fd);
        return;
    }

    /* From here on the socket is libmicrohttpd's, whatever this returns. */
    MHD_add_connection(web, fd, (struct sockaddr *) &visitor, len);
}

static void *
accept_all(void *unused)
{
    int  fd;

    for ( ;; ) {
        fd = accept(listener, NULL, NULL);

        if (fd != -1) {
            hand_over(fd);

        } else if (errno == EINVAL) {
            /* main() has shut the listener down. */
            return unused;

        } else {
            /* Too many open files, for example, which passes. */
            usleep(10000);
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

    fd = socket(found->ai_family, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));

    if (bind(fd, found->ai_addr, found->ai_addrlen) != 0
        || listen(fd, SOMAXCONN) != 0)
    {
        perror("listen");
        exit(1);
    }

    freeaddrinfo(found);

    return fd;
}

int
main(int argc, char **argv)
{
    int        i, signal_number;
    sigset_t   ends;
    pthread_t  threads[THREADS];

    if (argc < 5 || read_rules(argv + 3) != 0) {
        fprintf(stderr,
                "usage: %s ADDRESS PORT POLICY SOURCE [POLICY SOURCE ...]\n",
                argv[0]);
        return 2;
    }

    /* For all threads, so that sigwait() gets them. */
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);

    web = MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ITC
                           | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, &answer,
                           NULL, MHD_OPTION_CONNECTION_TIMEOUT, 60u,
                           MHD_OPTION_END);
    if (web == NULL) {
        fprintf(stderr, "libmicrohttpd does not start\n");
        return 1;
    }

    listener = listen_on(argv[1], argv[2]);

    for (i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, accept_all, NULL) != 0) {
            fprintf(stderr, "no threads\n");
            exit(1);
        }
    }

    sigwait(&ends, &signal_number);

    shutdown(listener, SHUT_RDWR);

    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }

    MHD_stop_daemon(web);
    close(listener);

    return 0;
}
