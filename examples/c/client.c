/*
 * Connects on behalf of somebody else, as a balancer does: writes a header of
 * version 2 that names him, then sends what is on standard input, and shows
 * the answer.
 *
 *     cc client.c $(pkg-config --cflags --libs realpeer) -o client
 *     echo hello | ./client 127.0.0.1 8080 192.0.2.7 40000 www.example.com
 *
 * The name at the end is the one he asked for.
 */

#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <realpeer.h>

static int connect_to(const char *host, const char *port);
static int numeric(const char *host, const char *port, realpeer_address *out);
static int32_t write_header(int fd, const realpeer_address *client,
    const char *name, uint8_t *out, size_t size);
static int send_all(int fd, const void *data, size_t len);

int
main(int argc, char **argv)
{
    int               fd;
    char              buf[4096];
    size_t            len;
    ssize_t           n;
    int32_t           header_len;
    uint8_t           header[1024];
    realpeer_address  client;

    if (argc != 6 || numeric(argv[3], argv[4], &client) != 0) {
        fprintf(stderr, "usage: %s HOST PORT CLIENT-ADDRESS CLIENT-PORT NAME\n",
                argv[0]);
        return 2;
    }

    signal(SIGPIPE, SIG_IGN);

    fd = connect_to(argv[1], argv[2]);
    if (fd == -1) {
        fprintf(stderr, "cannot connect to %s, port %s\n", argv[1], argv[2]);
        return 1;
    }

    header_len = write_header(fd, &client, argv[5], header, sizeof(header));
    if (header_len < 0) {
        fprintf(stderr, "no header: %s\n", realpeer_strerror(header_len));
        close(fd);
        return 1;
    }

    /*
     * In one piece: some receivers take a header that comes in two for none.
     * Nothing may come before it.
     */

    if (send_all(fd, header, (size_t) header_len) != 0) {
        perror("send");
        close(fd);
        return 1;
    }

    while ((len = fread(buf, 1, sizeof(buf), stdin)) > 0) {
        if (send_all(fd, buf, len) != 0) {
            break;
        }
    }

    shutdown(fd, SHUT_WR);

    while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
        fwrite(buf, 1, (size_t) n, stdout);
    }

    close(fd);

    return n == 0 ? 0 : 1;
}

/* From the client to the address it seems to have connected to: the server. */
static int32_t
write_header(int fd, const realpeer_address *client, const char *name,
    uint8_t *out, size_t size)
{
    socklen_t                len = sizeof(struct sockaddr_storage);
    realpeer_tlv             tlv;
    realpeer_outgoing        header;
    struct sockaddr_storage  server;

    memset(&tlv, 0, sizeof(tlv));
    tlv.kind = REALPEER_TLV_AUTHORITY;
    tlv.value = (const uint8_t *) name;
    tlv.length = (uint32_t) strlen(name);

    memset(&header, 0, sizeof(header));
    header.command = REALPEER_COMMAND_PROXY;
    header.transport = REALPEER_TRANSPORT_STREAM;
    header.source = *client;
    header.checksum = 1;
    header.tlvs = &tlv;
    header.tlv_count = 1;

    if (getpeername(fd, (struct sockaddr *) &server, &len) != 0
        || realpeer_address_from_sockaddr((struct sockaddr *) &server, len,
                                          &header.destination,
                                          sizeof(header.destination)) != 0)
    {
        return REALPEER_ERROR_SOCKET;
    }

    return realpeer_write_v2(&header, sizeof(header), out, size);
}

static int
numeric(const char *host, const char *port, realpeer_address *out)
{
    int              rc;
    struct addrinfo  hints, *found;

    memset(&hints, 0, sizeof(hints));
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;

    if (getaddrinfo(host, port, &hints, &found) != 0) {
        return -1;
    }

    rc = realpeer_address_from_sockaddr(found->ai_addr, found->ai_addrlen, out,
                                        sizeof(*out));
    freeaddrinfo(found);

    return rc;
}

static int
connect_to(const char *host, const char *port)
{
    int              fd = -1;
    struct addrinfo  hints, *found, *to;

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;

    if (getaddrinfo(host, port, &hints, &found) != 0) {
        return -1;
    }

    for (to = found; to != NULL && fd == -1; to = to->ai_next) {
        fd = socket(to->ai_family, to->ai_socktype, to->ai_protocol);

        if (fd != -1 && connect(fd, to->ai_addr, to->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }

    freeaddrinfo(found);

    return fd;
}

static int
send_all(int fd, const void *data, size_t len)
{
    ssize_t      n;
    const char  *at = data;

    while (len > 0) {
        n = send(fd, at, len, 0);
        if (n == -1) {
            return -1;
        }
        at += n;
        len -= (size_t) n;
    }

    return 0;
}
