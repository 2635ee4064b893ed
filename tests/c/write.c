/*
 * Headers that are written.  They end where a page begins that may not be
 * touched, so that writing one byte too many is a crash.
 */

#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/un.h>


/* Room in front of the page that may not be touched. */
#define ROOM  4096


static uint8_t  *fence;


static realpeer_address
address(const char *text, unsigned port)
{
    int32_t              result;
    socklen_t            len;
    realpeer_address     out;
    struct sockaddr_in   in;
    struct sockaddr_in6  in6;
    struct sockaddr_un   un;
    struct sockaddr     *sa;

    memset(&in, 0, sizeof(in));
    memset(&in6, 0, sizeof(in6));
    memset(&un, 0, sizeof(un));
    memset(&out, 0, sizeof(out));

    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        in.sin_family = AF_INET;
        in.sin_port = htons((uint16_t) port);
        sa = (struct sockaddr *) &in;
        len = sizeof(in);

    } else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
        in6.sin6_family = AF_INET6;
        in6.sin6_port = htons((uint16_t) port);
        sa = (struct sockaddr *) &in6;
        len = sizeof(in6);

    } else {
        un.sun_family = AF_UNIX;
        sa = (struct sockaddr *) &un;
        len = sizeof(sa_family_t);
    }

    result = realpeer_address_from_sockaddr(sa, len, &out, sizeof(out));
    check(result == 0, "%s: %d", text, result);

    return out;
}


static void
check_line(const realpeer_address *source, const realpeer_address *destination,
    const char *wanted)
{
    size_t   len;
    int32_t  result;

    len = strlen(wanted);

    check(realpeer_write_v1(source, destination, NULL, 0) == (int32_t) len,
          "%s", wanted);

    result = realpeer_write_v1(source, destination, fence - len, len);
    check(result == (int32_t) len && memcmp(fence - len, wanted, len) == 0,
          "%s", wanted);

    memset(fence - len, 0x55, len);
    result = realpeer_write_v1(source, destination, fence - len + 1, len - 1);
    check(result == REALPEER_ERROR_NO_ROOM && fence[-1] == 0x55, "%s", wanted);
}


static void
check_relayed(const realpeer_address *client, const realpeer_address *server,
    const realpeer_address *local, const char *wanted)
{
    realpeer_address  source, destination;

    check(realpeer_relayed(client, server, local, &source, &destination,
                           sizeof(source)) == 0, "%s", wanted);
    check_line(&source, &destination, wanted);
}


static void
check_lines(void)
{
    realpeer_address  v4, v6, mapped, un;

    v4 = address("192.0.2.1", 56324);
    v6 = address("2001:db8::1", 443);
    mapped = address("::ffff:192.0.2.1", 56324);
    un = address("unix:", 0);

    check_line(&v4, &v4,
               "PROXY TCP4 192.0.2.1 192.0.2.1 56324 56324\r\n");
    check_line(&mapped, &v4,
               "PROXY TCP4 192.0.2.1 192.0.2.1 56324 56324\r\n");
    check_line(&v6, &v6, "PROXY TCP6 2001:db8::1 2001:db8::1 443 443\r\n");
    check_line(&un, &un, "PROXY UNKNOWN\r\n");
    check_line(NULL, NULL, "PROXY UNKNOWN\r\n");

    check(realpeer_write_v1(&v4, &v6, fence - ROOM, ROOM)
          == REALPEER_ERROR_MIXED_FAMILIES, "mixed");
    check(realpeer_write_v1(&v4, NULL, fence - ROOM, ROOM)
          == REALPEER_ERROR_BAD_ADDRESS, "one");

    check_relayed(&v6, &v6, &un,
                  "PROXY TCP6 2001:db8::1 2001:db8::1 443 443\r\n");
    check_relayed(&v4, &v6, &mapped,
                  "PROXY TCP4 192.0.2.1 192.0.2.1 56324 56324\r\n");
    check_relayed(&v4, &v6, NULL,
                  "PROXY TCP6 ::ffff:c000:201 2001:db8::1 56324 443\r\n");
}


/* Writes the header at the fence, and reads it back. */
static const uint8_t *
check_header(const realpeer_outgoing *header, int32_t wanted,
    realpeer_header *read)
{
    int32_t             len, result;
    realpeer_settings   settings;

    memset(read, 0, sizeof(*read));
    memset(&settings, 0, sizeof(settings));
    settings.max_header = REALPEER_MAX_HEADER;

    len = realpeer_write_v2(header, sizeof(*header), NULL, 0);
    check(len > 0 && len <= ROOM, "%s", realpeer_strerror(len));
    if (len <= 0 || len > ROOM) {
        return fence;
    }

    memset(fence - len, 0x55, (size_t) len);
    result = realpeer_write_v2(header, sizeof(*header), fence - len + 1,
                               (size_t) len - 1);
    check(result == REALPEER_ERROR_NO_ROOM && fence[-1] == 0x55, "%d", result);

    result = realpeer_write_v2(header, sizeof(*header), fence - len,
                               (size_t) len);
    check(result == len, "%d, not %d", result, len);

    result = realpeer_parse(fence - len, (size_t) len, &settings,
                            sizeof(settings), read, sizeof(*read));
    check(result == wanted, "%s", realpeer_strerror(result));
    check(read->length == (uint32_t) len, "%u", (unsigned) read->length);

    return fence - len;
}


static void
check_tlvs(void)
{
    size_t             position;
    int32_t            len;
    uint8_t            value[64];
    const uint8_t     *at;
    realpeer_tlv       tlvs[3], within[2], tlv;
    realpeer_ssl       ssl;
    realpeer_header    read;
    realpeer_outgoing  header;

    static const uint8_t  version[] = "TLSv1.3";
    static const uint8_t  name[] = "the visitor";
    static const uint8_t  host[] = "www.example.com";
    static const uint8_t  id[129] = "0123456789abcdef";

    memset(within, 0, sizeof(within));
    within[0].kind = REALPEER_TLV_SSL_VERSION;
    within[0].value = version;
    within[0].length = sizeof(version) - 1;
    within[1].kind = REALPEER_TLV_SSL_CN;
    within[1].value = name;
    within[1].length = sizeof(name) - 1;

    len = realpeer_write_ssl(REALPEER_CLIENT_SSL | REALPEER_CLIENT_CERT_CONN, 0,
                             within, 2, value, sizeof(value));
    check(len == 5 + 3 + 7 + 3 + 11, "%d", len);

    memset(tlvs, 0, sizeof(tlvs));
    tlvs[0].kind = REALPEER_TLV_AUTHORITY;
    tlvs[0].value = host;
    tlvs[0].length = sizeof(host) - 1;
    tlvs[1].kind = REALPEER_TLV_SSL;
    tlvs[1].value = value;
    tlvs[1].length = (uint32_t) len;
    tlvs[2].kind = REALPEER_TLV_UNIQUE_ID;
    tlvs[2].value = id;
    tlvs[2].length = 128;

    memset(&header, 0, sizeof(header));
    header.command = REALPEER_COMMAND_PROXY;
    header.transport = REALPEER_TRANSPORT_STREAM;
    header.source = address("192.0.2.1", 56324);
    header.destination = address("2001:db8::1", 443);
    header.tlvs = tlvs;
    header.tlv_count = 3;
    header.checksum = 1;
    header.pad_to_multiple = 256;

    at = check_header(&header, REALPEER_RESULT_PROXY, &read);
    check(read.length == 256 && read.checksum_verified == 1, "%u bytes",
          (unsigned) read.length);
    check_address(&read.source, "::ffff:192.0.2.1 56324");
    check_address(&read.destination, "2001:db8::1 443");

    position = 0;
    check(realpeer_tlv_next(at + read.tlv_offset, read.tlv_length, &position,
                            &tlv, sizeof(tlv)) == 1
          && tlv.kind == REALPEER_TLV_CRC32C, "the checksum");
    check(realpeer_tlv_next(at + read.tlv_offset, read.tlv_length, &position,
                            &tlv, sizeof(tlv)) == 1
          && tlv.kind == REALPEER_TLV_AUTHORITY
          && tlv.length == sizeof(host) - 1
          && memcmp(tlv.value, host, tlv.length) == 0, "the host");
    check(realpeer_tlv_ssl(at + read.tlv_offset, read.tlv_length, &ssl,
                           sizeof(ssl)) == 1
          && ssl.verified == 1 && ssl.tlvs_length == 24, "SSL");

    tlvs[2].length = 129;
    check(realpeer_write_v2(&header, sizeof(header), fence - ROOM, ROOM)
          == REALPEER_ERROR_INVALID_TLV, "a long unique id");
    tlvs[2].length = 65536;
    tlvs[2].kind = REALPEER_TLV_NOOP;
    check(realpeer_write_v2(&header, sizeof(header), fence - ROOM, ROOM)
          == REALPEER_ERROR_TOO_MUCH, "too much");
    tlvs[2].value = NULL;
    check(realpeer_write_v2(&header, sizeof(header), fence - ROOM, ROOM)
          == REALPEER_ERROR_INVALID_ARGUMENT, "NULL");
}


void
check_write(void)
{
    realpeer_header       read;
    realpeer_outgoing     header;
    const uint8_t        *at;

    static const uint8_t  path[] = "/run/server.sock";

    fence = build_fence(ROOM);

    check_lines();
    check_tlvs();

    memset(&header, 0, sizeof(header));
    (void) check_header(&header, REALPEER_RESULT_LOCAL, &read);
    check(realpeer_write_v2(NULL, 0, NULL, 0) == 16, "NULL");

    header.command = REALPEER_COMMAND_PROXY;
    (void) check_header(&header, REALPEER_RESULT_NO_ADDRESS, &read);
    check(read.length == 16, "%u", (unsigned) read.length);

    header.transport = REALPEER_TRANSPORT_STREAM;
    header.source = address("unix:", 0);
    header.destination = address("unix:", 0);
    header.destination_path = path;
    header.destination_path_length = sizeof(path) - 1;
    at = check_header(&header, REALPEER_RESULT_NO_ADDRESS, &read);
    check(read.family == REALPEER_FAMILY_UNIX && read.length == 232
          && strcmp((const char *) at + 124, "/run/server.sock") == 0,
          "%u bytes", (unsigned) read.length);

    header.transport = REALPEER_TRANSPORT_UNSPEC;
    check(realpeer_write_v2(&header, sizeof(header), NULL, 0)
          == REALPEER_ERROR_BAD_ADDRESS, "no transport");
    check(realpeer_write_v2(&header, sizeof(header) - 1, NULL, 0)
          == REALPEER_ERROR_INVALID_ARGUMENT, "a smaller struct");
}
