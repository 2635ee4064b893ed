/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/**
 * @file realpeer.h
 *
 * The real peer of a connection: reads the PROXY protocol header, versions 1
 * and 2, that load balancers put in front of a stream, and decides by the
 * source of the connection what to make of it.
 *
 * All names begin with realpeer_ or REALPEER_.
 *
 * - Results are int32_t: 0 or positive is fine, negative is refused or
 *   failed. realpeer_result_name() and realpeer_strerror() have words for
 *   every number. Numbers keep their meaning for ever; one that is retired
 *   is not given out again.
 * - Structs are the caller's. Their size goes with them (`out_size`, always
 *   sizeof), because they may grow at their end in later versions: a program
 *   compiled with this header keeps working with a newer library.
 * - Enumerators are passed and stored as integers; a number that is none is
 *   refused with REALPEER_ERROR_INVALID_ARGUMENT.
 * - Every pointer may be NULL: the call is refused, or the argument is
 *   optional and says so. NULL with length 0 is an empty buffer. Any other
 *   pointer has to be valid for the size given with it.
 * - Nothing is written unless the call succeeds, but for what belongs to a
 *   realpeer_receiver. Texts are written whole or not at all, and their length
 *   is returned either way.
 * - What a call writes to need not be initialised, and must not overlap
 *   anything else that is passed to the same call.
 * - The library takes no memory, keeps no state, starts no threads. System
 *   calls are made by realpeer_receive, realpeer_receive_nowait,
 *   realpeer_getpeername and realpeer_getsockname, the latter two with _own as
 *   well, and by no other function. Any function may be called from any
 *   thread; what is passed as const may be in use by several calls at once,
 *   such as one array of rules by all connections.
 * - What points into a header points into the caller's buffer.
 *
 * A server that has a connected socket leaves it to realpeer_receive:
 *
 *     realpeer_decision d;
 *     uint8_t buf[REALPEER_DEFAULT_MAX_HEADER];
 *     realpeer_receiver r;
 *     memset(&r, 0, sizeof(r));
 *     r.fd = fd;
 *     r.rules = rules;
 *     r.rule_count = count;
 *     r.buffer = buf;
 *     r.buffer_size = sizeof(buf);
 *     if (realpeer_receive(&r, sizeof(r), &d, sizeof(d)) < 0) close(fd);
 *
 * Nothing of one connection is left in r: the next one needs its own fd there,
 * and nothing else. realpeer_getpeername says who is there; a program for IPv4
 * alone calls realpeer_getpeername_own, which refuses an IPv6 client by name.
 *
 * One that reads by itself calls realpeer_decide with the first bytes of a
 * connection, again and again with more of them until it has decided. This
 * one is to be called whenever fd is readable, and when the time is over:
 *
 *     struct connection {
 *         int fd;
 *         int32_t policy;
 *         size_t have;
 *         uint8_t buf[REALPEER_DEFAULT_MAX_HEADER];
 *         realpeer_decision decision;
 *     };
 *
 *     int32_t read_header(struct connection *c, int time_is_over)
 *     {
 *         ssize_t n;
 *         int32_t action, event = REALPEER_EVENT_DATA;
 *
 *         while ((action = realpeer_decide(c->policy, NULL, 0,
 *                                          c->buf, c->have,
 *                                          event, &c->decision,
 *                                          sizeof(c->decision)))
 *                == REALPEER_ACTION_MORE)
 *         {
 *             n = recv(c->fd, c->buf + c->have,
 *                      c->decision.need - c->have, 0);
 *             if (n > 0) {
 *                 c->have += (size_t) n;
 *             } else if (n == -1 && errno == EINTR) {
 *                 continue;
 *             } else if (n == -1
 *                        && (errno == EAGAIN || errno == EWOULDBLOCK)) {
 *                 if (!time_is_over) {
 *                     return action;
 *                 }
 *                 event = REALPEER_EVENT_TIMEOUT;
 *             } else {
 *                 event = REALPEER_EVENT_CLOSED;
 *             }
 *         }
 *
 *         return action;
 *     }
 *
 * have is 0 at first, and policy what realpeer_rules_find said of the peer.
 * REALPEER_ACTION_MORE means: wait. What is negative means: close the
 * connection; decision.result says why. Else decision.client says who is
 * there, and the application's data are the bytes of buf from
 * decision.consumed to have, which are none if a header came, and then what is
 * read from fd: no more than decision.need bytes are ever asked for. A server
 * that reads more at once has more there.
 */

#ifndef REALPEER_H
#define REALPEER_H

/* Made by `cargo run -p realpeer-header` from src/ffi. Do not edit. */

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/**
 * The version of this header; realpeer_version() gives the library's.
 */
#define REALPEER_VERSION "0.1.0"
#define REALPEER_VERSION_MAJOR 0
#define REALPEER_VERSION_MINOR 1
#define REALPEER_VERSION_PATCH 0
/**
 * The same as 0x00MMmmpp, to be compared.
 */
#define REALPEER_VERSION_NUMBER 0x00000100

/**
 * Application protocol, such as `h2` (2.2.1).
 */
#define REALPEER_TLV_ALPN 0x01

/**
 * Host name the client asked for, as a copy of TLS SNI (2.2.2).
 */
#define REALPEER_TLV_AUTHORITY 0x02

/**
 * Checksum of the whole header (2.2.3).
 */
#define REALPEER_TLV_CRC32C 0x03

/**
 * Padding (2.2.4).
 */
#define REALPEER_TLV_NOOP 0x04

/**
 * Opaque identifier of the connection, up to 128 bytes (2.2.5).
 */
#define REALPEER_TLV_UNIQUE_ID 0x05

/**
 * TLS of the client's connection, with TLVs of its own (2.2.6).
 */
#define REALPEER_TLV_SSL 0x20

/**
 * Within SSL: version, such as `TLSv1.3`.
 */
#define REALPEER_TLV_SSL_VERSION 0x21

/**
 * Within SSL: common name of the client's certificate.
 */
#define REALPEER_TLV_SSL_CN 0x22

/**
 * Within SSL: cipher.
 */
#define REALPEER_TLV_SSL_CIPHER 0x23

/**
 * Within SSL: signature algorithm of the server's certificate.
 */
#define REALPEER_TLV_SSL_SIG_ALG 0x24

/**
 * Within SSL: key algorithm of the server's certificate.
 */
#define REALPEER_TLV_SSL_KEY_ALG 0x25

/**
 * Within SSL: key exchange group.
 */
#define REALPEER_TLV_SSL_GROUP 0x26

/**
 * Within SSL: signature scheme of the handshake.
 */
#define REALPEER_TLV_SSL_SIG_SCHEME 0x27

/**
 * Within SSL: the client's certificate in DER.
 */
#define REALPEER_TLV_SSL_CLIENT_CERT 0x28

/**
 * Name of the network namespace (2.2.7).
 */
#define REALPEER_TLV_NETNS 0x30

/**
 * Google Cloud Private Service Connect (0xE0 to 0xEF are the senders' own).
 */
#define REALPEER_TLV_GCP 0xE0

/**
 * AWS VPC endpoint.
 */
#define REALPEER_TLV_AWS 0xEA

/**
 * Azure Private Link.
 */
#define REALPEER_TLV_AZURE 0xEE

/**
 * Bytes that realpeer_address_text needs at most, the NUL included.
 */
#define REALPEER_ADDRESS_TEXT 46

/**
 * Bytes of the shortest version 2 header, and the least `max_header`.
 */
#define REALPEER_MIN_HEADER 16

/**
 * Bytes of the longest version 2 header there can be.
 */
#define REALPEER_MAX_HEADER 65551

/**
 * Bytes of a version 2 header that are accepted where nothing is set.
 */
#define REALPEER_DEFAULT_MAX_HEADER 4096

/**
 * Bytes of the longest version 1 line, CR and LF included.
 */
#define REALPEER_V1_MAX 107

/**
 * For `versions`: version 1 is accepted.
 */
#define REALPEER_VERSION_1 1

/**
 * For `versions`: version 2 is accepted.
 */
#define REALPEER_VERSION_2 2

/**
 * In the `client` field of the SSL TLV: the client came over TLS.
 */
#define REALPEER_CLIENT_SSL 1

/**
 * In the `client` field: it showed a certificate in this connection.
 */
#define REALPEER_CLIENT_CERT_CONN 2

/**
 * In the `client` field: it showed one in the session it resumed.
 */
#define REALPEER_CLIENT_CERT_SESS 4

/**
 * For realpeer_decide: no rule matched the source, which is to be refused.
 */
#define REALPEER_POLICY_NONE 0

/**
 * Milliseconds for the whole header where nothing is set.
 */
#define REALPEER_DEFAULT_TIMEOUT 5000

/**
 * What the memory of counters has to be aligned to.
 */
#define REALPEER_COUNTERS_ALIGNMENT 64

/**
 * Changes with how counters lie in memory. Processes that share memory have to
 * agree on it: it may stand in the name under which they find the memory.
 */
#define REALPEER_COUNTERS_LAYOUT 2

/**
 * What is made of connections from a source.
 */
enum realpeer_policy
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * A valid header must come; its address replaces the peer's.
     */
    REALPEER_POLICY_REQUIRE = 1,
    /**
     * A header may come. Breaks the rule not to guess (section 2): a trusted
     * proxy that forgets the header lets its client write one.
     */
    REALPEER_POLICY_OPTIONAL = 2,
    /**
     * A header may come and is thrown away.
     */
    REALPEER_POLICY_STRIP = 3,
    /**
     * No header is looked for; not a byte is read.
     */
    REALPEER_POLICY_DIRECT = 4,
    /**
     * The connection is closed before a byte is read.
     */
    REALPEER_POLICY_REFUSE = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum realpeer_policy realpeer_policy;
#else
typedef uint8_t realpeer_policy;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What became of a connection, or of the bytes at its beginning.
 *
 * The same words stand in logs, variables, counters and the C enum. Numbers
 * never change: 0 asks for more, positive ones let the connection go on,
 * negative ones do not.
 */
enum realpeer_result
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The header is not whole yet.
     */
    REALPEER_RESULT_MORE = 0,
    /**
     * Accepted: the address in the header replaces the peer's.
     */
    REALPEER_RESULT_PROXY = 1,
    /**
     * Accepted: v2 LOCAL, the sender speaks for itself (section 2.2).
     */
    REALPEER_RESULT_LOCAL = 2,
    /**
     * A valid header without an address that could replace the peer: UNKNOWN,
     * UNSPEC, UNIX, a datagram's in a stream, a stream's in a datagram.
     */
    REALPEER_RESULT_NO_ADDRESS = 3,
    /**
     * Passed: the source's policy is not to look for a header.
     */
    REALPEER_RESULT_DIRECT = 4,
    /**
     * Passed: policy `optional` or `strip`, and no header came.
     */
    REALPEER_RESULT_ABSENT = 5,
    /**
     * Passed: policy `strip`, the header was read and thrown away.
     */
    REALPEER_RESULT_STRIPPED = 6,
    /**
     * No rule allows this source, or one refuses it.
     */
    REALPEER_RESULT_UNTRUSTED = -1,
    /**
     * The bytes begin with neither signature (section 2.2, end).
     */
    REALPEER_RESULT_NO_HEADER = -2,
    /**
     * The v1 line breaks the grammar of section 2.1.
     */
    REALPEER_RESULT_BAD_V1 = -3,
    /**
     * The v2 signature is followed by a version other than 2.
     */
    REALPEER_RESULT_BAD_VERSION = -4,
    /**
     * A v2 command other than LOCAL and PROXY.
     */
    REALPEER_RESULT_BAD_COMMAND = -5,
    /**
     * A v2 address family or transport that the specification does not have.
     */
    REALPEER_RESULT_BAD_FAMILY = -6,
    /**
     * The v2 length is too small for the addresses of its family.
     */
    REALPEER_RESULT_SHORT_ADDRESS = -7,
    /**
     * The TLVs do not fit their block, or one breaks its own format.
     */
    REALPEER_RESULT_BAD_TLV = -8,
    /**
     * The CRC32c does not match the header (section 2.2.3).
     */
    REALPEER_RESULT_BAD_CHECKSUM = -9,
    /**
     * The v2 header is longer than the limit that is set here.
     */
    REALPEER_RESULT_TOO_LONG = -10,
    /**
     * A version of the protocol that is switched off here.
     */
    REALPEER_RESULT_VERSION_DISALLOWED = -11,
    /**
     * The peer closed the connection inside the header, or the datagram ends
     * there.
     */
    REALPEER_RESULT_TRUNCATED = -12,
    /**
     * The header was not whole in time.
     */
    REALPEER_RESULT_TIMEOUT = -13,
    /**
     * The peer closed the connection before it sent a single byte.
     */
    REALPEER_RESULT_SILENT = -14,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum realpeer_result realpeer_result;
#else
typedef int32_t realpeer_result;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Why a call was refused, or found nothing. Results of a connection are
 * realpeer_result; the two never share a number.
 */
enum realpeer_error
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * A pointer is NULL, a size too small, or a number no enumerator.
     */
    REALPEER_ERROR_INVALID_ARGUMENT = -64,
    /**
     * The word is no policy.
     */
    REALPEER_ERROR_BAD_POLICY = -65,
    /**
     * The text is no source.
     */
    REALPEER_ERROR_BAD_SOURCE = -66,
    /**
     * The prefix length does not fit its address.
     */
    REALPEER_ERROR_BAD_PREFIX = -67,
    /**
     * A source is named twice.
     */
    REALPEER_ERROR_DUPLICATE_SOURCE = -68,
    /**
     * The name is no field of a TLV.
     */
    REALPEER_ERROR_BAD_FIELD = -69,
    /**
     * The header does not carry it.
     */
    REALPEER_ERROR_NOT_FOUND = -70,
    /**
     * The buffer is too small for the header.
     */
    REALPEER_ERROR_NO_ROOM = -71,
    /**
     * A header or a TLV cannot be that long.
     */
    REALPEER_ERROR_TOO_MUCH = -72,
    /**
     * Version 1 has no form for an IPv4 and an IPv6 address in one line.
     */
    REALPEER_ERROR_MIXED_FAMILIES = -73,
    /**
     * Addresses that a header cannot say.
     */
    REALPEER_ERROR_BAD_ADDRESS = -74,
    /**
     * The value of a TLV is not of the form that its type demands.
     */
    REALPEER_ERROR_INVALID_TLV = -75,
    /**
     * A system call failed, and errno says why.
     */
    REALPEER_ERROR_SOCKET = -76,
    /**
     * The text is no rate of lines.
     */
    REALPEER_ERROR_BAD_RATE = -77,
    /**
     * The text is no burst of lines.
     */
    REALPEER_ERROR_BAD_BURST = -78,
    /**
     * Nothing is connected to the socket, such as one that listens. The
     * program has a mistake.
     */
    REALPEER_ERROR_NOT_CONNECTED = -79,
    /**
     * The address has no form in this family: an IPv6 client on a socket of
     * AF_INET. Close the connection.
     */
    REALPEER_ERROR_OTHER_FAMILY = -80,
    /**
     * The text names no results that refuse.
     */
    REALPEER_ERROR_BAD_QUIET = -81,
    /**
     * The policy never refuses with such a result.
     */
    REALPEER_ERROR_NEVER_REFUSED = -82,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum realpeer_error realpeer_error;
#else
typedef int32_t realpeer_error;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What to do.
 */
enum realpeer_action
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Close the connection; nothing of it may reach the protocol above.
     */
    REALPEER_ACTION_REFUSE = -1,
    /**
     * Wait for more bytes, the peer's end, or the timeout, and ask again.
     */
    REALPEER_ACTION_MORE = 0,
    /**
     * Go on with the connection's own address.
     */
    REALPEER_ACTION_PASS = 1,
    /**
     * Go on as the header says: with `client` as the peer, or with
     * the connection's own address where the header names none.
     */
    REALPEER_ACTION_ACCEPT = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum realpeer_action realpeer_action;
#else
typedef int32_t realpeer_action;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Why a decision is asked for.
 */
enum realpeer_event
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Bytes came, or may still come.
     */
    REALPEER_EVENT_DATA = 0,
    /**
     * The peer closed its side: no more bytes will come.
     */
    REALPEER_EVENT_CLOSED = 1,
    /**
     * The time for the header has passed.
     */
    REALPEER_EVENT_TIMEOUT = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum realpeer_event realpeer_event;
#else
typedef int32_t realpeer_event;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The family of the addresses in a header (upper half of byte 14 in v2).
 */
enum realpeer_family
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * None, or one the sender could not name.
     */
    REALPEER_FAMILY_UNSPEC = 0,
    /**
     * IPv4.
     */
    REALPEER_FAMILY_INET = 1,
    /**
     * IPv6.
     */
    REALPEER_FAMILY_INET6 = 2,
    /**
     * Unix domain socket.
     */
    REALPEER_FAMILY_UNIX = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum realpeer_family realpeer_family;
#else
typedef uint8_t realpeer_family;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The transport of the relayed connection (lower half of byte 14 in v2).
 */
enum realpeer_transport
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * None, or one the sender could not name.
     */
    REALPEER_TRANSPORT_UNSPEC = 0,
    /**
     * TCP or a Unix stream.
     */
    REALPEER_TRANSPORT_STREAM = 1,
    /**
     * UDP or a Unix datagram.
     */
    REALPEER_TRANSPORT_DATAGRAM = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum realpeer_transport realpeer_transport;
#else
typedef uint8_t realpeer_transport;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The command of a header.
 */
enum realpeer_command
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The sender speaks for itself, for example a health check.
     */
    REALPEER_COMMAND_LOCAL = 0,
    /**
     * The connection is relayed for somebody else. Version 1 has only this.
     */
    REALPEER_COMMAND_PROXY = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum realpeer_command realpeer_command;
#else
typedef uint8_t realpeer_command;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What happens to a valid header that names no TCP address.
 */
enum realpeer_no_address
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The connection goes on with its own address.
     */
    REALPEER_NO_ADDRESS_ACCEPT = 0,
    /**
     * It is refused.
     */
    REALPEER_NO_ADDRESS_REFUSE = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum realpeer_no_address realpeer_no_address;
#else
typedef uint8_t realpeer_no_address;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * In what the counters are shown.
 */
enum realpeer_format
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The text format of Prometheus, version 0.0.4.
     */
    REALPEER_FORMAT_PROMETHEUS = 1,
    /**
     * JSON.
     */
    REALPEER_FORMAT_JSON = 2,
    /**
     * A page for people.
     */
    REALPEER_FORMAT_HTML = 3,
    /**
     * A line for each number, `name: value`. No request can ask for it.
     */
    REALPEER_FORMAT_LINES = 4,
    /**
     * HTML without a beginning or an end, for the page of another. No request
     * can ask for it.
     */
    REALPEER_FORMAT_SECTION = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum realpeer_format realpeer_format;
#else
typedef int32_t realpeer_format;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * An IP address and port.
 */
typedef struct realpeer_address {
    /**
     * REALPEER_FAMILY_INET, REALPEER_FAMILY_INET6, or REALPEER_FAMILY_UNSPEC:
     * no address. In what is to be written REALPEER_FAMILY_UNIX, too.
     */
    uint8_t family;
    /**
     * Zero.
     */
    uint8_t reserved;
    /**
     * Port in the byte order of the host.
     */
    uint16_t port;
    /**
     * The address as on the wire, IPv4 in the first 4 bytes.
     */
    uint8_t ip[16];
} realpeer_address;

/**
 * What a header may be like. All zeroes are the defaults.
 */
typedef struct realpeer_settings {
    /**
     * Bytes of a version 2 header in all, REALPEER_MIN_HEADER to
     * REALPEER_MAX_HEADER; 0 for 4096.
     */
    uint32_t max_header;
    /**
     * REALPEER_VERSION_1, REALPEER_VERSION_2, or both added; 0 for both.
     */
    uint8_t versions;
    /**
     * What becomes of a header without a TCP address:
     * REALPEER_NO_ADDRESS_ACCEPT or REALPEER_NO_ADDRESS_REFUSE.
     */
    uint8_t no_address;
    /**
     * Zero.
     */
    uint8_t reserved[2];
} realpeer_settings;

/**
 * A valid header. Offsets are counted from its first byte.
 */
typedef struct realpeer_header {
    /**
     * Bytes of the header: exactly these precede the application's data.
     */
    uint32_t length;
    /**
     * Where the TLVs begin; 0 where there are none.
     */
    uint32_t tlv_offset;
    /**
     * Bytes of the TLVs.
     */
    uint32_t tlv_length;
    /**
     * 1 or 2; 0 where there is no header.
     */
    uint8_t version;
    /**
     * REALPEER_COMMAND_LOCAL or REALPEER_COMMAND_PROXY.
     */
    uint8_t command;
    /**
     * REALPEER_FAMILY_*. For REALPEER_FAMILY_UNIX the two paths of 108 bytes
     * each begin at byte 16 and 124, not always NUL-terminated.
     */
    uint8_t family;
    /**
     * REALPEER_TRANSPORT_*.
     */
    uint8_t transport;
    /**
     * 1 where the header carried a CRC32c, which was right.
     */
    uint8_t checksum_verified;
    /**
     * Zero.
     */
    uint8_t reserved[3];
    /**
     * The client, as it stands in the header.
     */
    struct realpeer_address source;
    /**
     * What the client connected to, as it stands in the header.
     */
    struct realpeer_address destination;
} realpeer_header;

/**
 * One TLV. The value lies in the caller's buffer. This struct does not grow:
 * arrays of it are passed.
 */
typedef struct realpeer_tlv {
    /**
     * The value; never NULL in what was read.
     */
    const uint8_t *value;
    /**
     * Bytes of the value, up to 65,535.
     */
    uint32_t length;
    /**
     * Its type, see REALPEER_TLV_*.
     */
    uint8_t kind;
    /**
     * Zero.
     */
    uint8_t reserved[3];
} realpeer_tlv;

/**
 * What the sender says of the client's TLS connection (section 2.2.6).
 */
typedef struct realpeer_ssl {
    /**
     * The TLVs within, for realpeer_tlv_next.
     */
    const uint8_t *tlvs;
    /**
     * Bytes of the TLVs within.
     */
    uint32_t tlvs_length;
    /**
     * The `verify` field. On its own it says nothing: senders set it to 0
     * where there was no certificate.
     */
    uint32_t verify;
    /**
     * The bits of the `client` field, REALPEER_CLIENT_*.
     */
    uint8_t client;
    /**
     * 1 where the client showed a certificate and the sender verified it.
     */
    uint8_t verified;
    /**
     * Zero.
     */
    uint8_t reserved[6];
} realpeer_ssl;

/**
 * A version 2 header to be written. All zeroes are a LOCAL header.
 */
typedef struct realpeer_outgoing {
    /**
     * The TLVs in their order. One of type REALPEER_TLV_CRC32C says where the
     * checksum goes: its value is not looked at. So what was read can be sent
     * on.
     */
    const struct realpeer_tlv *tlvs;
    /**
     * For REALPEER_FAMILY_UNIX: the path, up to 108 bytes; an abstract name
     * begins with NUL, an unnamed socket has none.
     */
    const uint8_t *source_path;
    /**
     * The same for the destination.
     */
    const uint8_t *destination_path;
    /**
     * How many TLVs there are.
     */
    uint32_t tlv_count;
    /**
     * Bytes of `source_path`.
     */
    uint16_t source_path_length;
    /**
     * Bytes of `destination_path`.
     */
    uint16_t destination_path_length;
    /**
     * Pads the header at its end with a NOOP TLV to a multiple of this many
     * bytes, as AWS does with 100; 0 leaves it as it is. As a TLV has no less
     * than three bytes, the next multiple is taken where one or two are
     * missing.
     */
    uint16_t pad_to_multiple;
    /**
     * REALPEER_COMMAND_LOCAL or REALPEER_COMMAND_PROXY.
     */
    uint8_t command;
    /**
     * REALPEER_TRANSPORT_STREAM or REALPEER_TRANSPORT_DATAGRAM;
     * REALPEER_TRANSPORT_UNSPEC where there are no addresses.
     */
    uint8_t transport;
    /**
     * 1 to add a CRC32c: as the first TLV, or where the TLVs say.
     */
    uint8_t checksum;
    /**
     * Zero.
     */
    uint8_t reserved[3];
    /**
     * The client. If one is an IPv4 and the other an IPv6 address, the former
     * is mapped into IPv6. REALPEER_FAMILY_UNSPEC in both: no addresses.
     */
    struct realpeer_address source;
    /**
     * What the client connected to.
     */
    struct realpeer_address destination;
} realpeer_outgoing;

/**
 * A source and its policy. Put them into an array and prepare
 * that; how it is laid out inside is not part of the interface.
 */
typedef struct realpeer_rule {
    /**
     * First address of the prefix, IPv4 in the first four bytes.
     */
    uint8_t ip[16];
    /**
     * The smallest rule that contains this one, by its place in the array.
     */
    uint32_t parent;
    /**
     * A number of the caller's, for example a line of a configuration file.
     */
    uint32_t tag;
    uint8_t kind;
    uint8_t prefix;
    uint8_t policy;
    uint8_t reserved;
    /**
     * Results whose lines are not for the error log, a bit for each.
     */
    uint32_t quiet;
} realpeer_rule;

/**
 * What to do with a connection, and why.
 */
typedef struct realpeer_decision {
    /**
     * What realpeer_decide returned: REALPEER_ACTION_*.
     */
    int32_t action;
    /**
     * Why: REALPEER_RESULT_*. With REALPEER_ACTION_REFUSE this is negative,
     * but for REALPEER_RESULT_NO_ADDRESS where the settings refuse that.
     */
    int32_t result;
    /**
     * Bytes to take off the stream before the protocol above may see it. With
     * REALPEER_ACTION_MORE: those that are certainly a header's and may be
     * taken off already, to be given again with the next call.
     */
    uint32_t consumed;
    /**
     * With REALPEER_ACTION_MORE: bytes the header has at least, those that are
     * here included. Whoever reads up to this many cannot read past the
     * header.
     */
    uint32_t need;
    /**
     * With REALPEER_ACTION_ACCEPT: the address that replaces the peer's, IPv4
     * where it came mapped into IPv6. REALPEER_FAMILY_UNSPEC: the connection
     * keeps its own.
     */
    struct realpeer_address client;
    /**
     * What the client connected to, for information.
     */
    struct realpeer_address server;
    /**
     * The header, where a valid one came (`version` is not 0). Of one that is
     * thrown away only the version is here: nothing that it says may count.
     */
    struct realpeer_header header;
    /**
     * The policy it was made with, REALPEER_POLICY_*: what the caller set, or
     * what the rules said. REALPEER_POLICY_NONE: no rule matched, or the peer
     * was gone before its address could be asked for.
     */
    int32_t policy;
} realpeer_decision;

/**
 * A connection whose header is to be taken off its socket. All zeroes, but for
 * what is said here.
 *
 * What is above `have` is the caller's, and is never written to. What is below
 * is the library's: it remembers there what it knows of a connection as long
 * as it returns REALPEER_ACTION_MORE. With every other answer, errors
 * included, all of that is 0 again, and nothing but `fd` has to be set for the
 * next connection.
 *
 * A connection may be given up at any time while it waits, and another one
 * take its place. On Linux this is noticed, even where the descriptor has the
 * same number; elsewhere only where it has another, so set all from `have` on
 * to 0 there.
 *
 * While it waits it needs no more memory than this: see `have`.
 */
typedef struct realpeer_receiver {
    /**
     * Where the header goes. What is longer is REALPEER_RESULT_TOO_LONG. It
     * need not be initialised, and must not overlap the receiver, the
     * decision, the rules or the settings.
     */
    uint8_t *buffer;
    /**
     * Rules that realpeer_rules_prepare has prepared, to find the policy with,
     * where `policy` is REALPEER_POLICY_NONE.
     */
    const struct realpeer_rule *rules;
    /**
     * NULL for the defaults.
     */
    const struct realpeer_settings *settings;
    /**
     * When the time is over, in milliseconds of CLOCK_MONOTONIC; 0:
     * `timeout_ms` after the first call that has to wait.
     */
    uint64_t deadline;
    /**
     * Bytes of `buffer`, REALPEER_V1_MAX at least.
     */
    uint32_t buffer_size;
    /**
     * How many rules there are.
     */
    uint32_t rule_count;
    /**
     * sizeof(realpeer_settings)
     */
    uint32_t settings_size;
    /**
     * The socket: connected, TCP or a Unix stream, blocking or not. Nothing
     * else may read from it meanwhile.
     */
    int32_t fd;
    /**
     * REALPEER_POLICY_*, or REALPEER_POLICY_NONE to ask the rules. What they
     * said is in the decision.
     */
    int32_t policy;
    /**
     * Milliseconds for the whole header, if `deadline` is not set; 0 for
     * REALPEER_DEFAULT_TIMEOUT, negative for no end, whatever `deadline` says.
     */
    int32_t timeout_ms;
    /**
     * Bytes of the header that are off the socket, and in `buffer`. They have
     * to be there again at the next call. While this is 0 nothing in `buffer`
     * is needed: all waiting connections may share one.
     */
    uint32_t have;
    /**
     * 0: call again when the socket is readable. Else bytes have to be left on
     * a socket that has no option to wait for more of them, and is readable
     * all the time: call again after so many milliseconds, and wait until then
     * for nothing but the end (poll() with POLLRDHUP alone). A program that
     * waits for edges (EPOLLET) need not look at this.
     */
    int32_t retry_ms;
    /**
     * Bytes that have to be there before the socket is readable, 0 where that
     * was left as it was.
     */
    int32_t low_water;
    /**
     * What the rules said, 0 where they have not been asked.
     */
    int32_t found_policy;
    /**
     * When the time is over, in milliseconds of CLOCK_MONOTONIC; 0 where there
     * is no end.
     */
    uint64_t ends;
    /**
     * Which socket all this is about.
     */
    uint64_t socket;
} realpeer_receiver;

/**
 * Counters in memory of the caller's that processes may share: all is counted
 * with atomic operations, and nobody waits for anybody. Each process may have
 * a struct of its own, as the memory may lie elsewhere there.
 */
typedef struct realpeer_counters {
    /**
     * Where they are, aligned to REALPEER_COUNTERS_ALIGNMENT.
     */
    void *memory;
    /**
     * Bytes there.
     */
    size_t size;
    /**
     * Listeners that there is room for. The last one stands for all those that
     * found none.
     */
    uint32_t listeners;
    /**
     * Processes that there is room for. The last one stands for all those that
     * found none.
     */
    uint32_t workers;
} realpeer_counters;

/**
 * A listener of a configuration.
 */
typedef struct realpeer_counters_name {
    /**
     * What listens, such as "http", at most 8 bytes.
     */
    const char *subsystem;
    /**
     * Bytes of it.
     */
    size_t subsystem_len;
    /**
     * Where, such as "192.0.2.1:443", at most 128 bytes.
     */
    const char *name;
    /**
     * Bytes of it.
     */
    size_t name_len;
} realpeer_counters_name;

/**
 * Whether a configuration has room in the counters there are, and what others
 * it would take.
 */
typedef struct realpeer_counters_room {
    /**
     * Bytes of new counters.
     */
    size_t size;
    /**
     * Bytes in which all listeners and workers have room.
     */
    size_t enough;
    /**
     * Processes that new counters have room for, as realpeer_counters_create
     * wants it.
     */
    uint32_t workers;
    /**
     * Listeners of the configuration, each counted once.
     */
    uint32_t names;
    /**
     * How many of them have room in the counters there are.
     */
    uint32_t placed;
    /**
     * How many of the workers have.
     */
    uint32_t seated;
    /**
     * 1: the counters there are should be kept; 0: new ones should be made,
     * which then take over what was counted.
     */
    int32_t keep;
} realpeer_counters_room;

/**
 * Takes a piece of text that realpeer_counters_write has written.
 *
 * @param context what was given to realpeer_counters_write
 * @param text not followed by a NUL
 * @param len its length, never 0
 * @return 0; any other number ends the writing
 */
typedef int32_t (*realpeer_write_fn)(void *context,
                                     const char *text,
                                     size_t len);

/**
 * How many lines about one result and listener there may be in a log.
 */
typedef struct realpeer_log_rate {
    /**
     * Milliseconds from one line to the next; 0: a line for each.
     */
    uint32_t interval;
    /**
     * So many may come at once.
     */
    uint32_t burst;
} realpeer_log_rate;

/**
 * What the refusals of a listener have taken of the log, to be zeroed before
 * it is used. It may be in memory that threads or processes share, and be in
 * use by several calls at once.
 */
typedef struct realpeer_log_limit {
    /**
     * The library's own.
     */
    uint32_t state[64];
} realpeer_log_limit;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library that is linked, such as "0.1.0".
 */
const char *realpeer_version(void);

/**
 * The version of the library that is linked, as 0x00MMmmpp; compare with
 * REALPEER_VERSION_NUMBER.
 */
uint32_t realpeer_version_number(void);

/**
 * The word for a realpeer_result or realpeer_error, such as "bad_checksum",
 * for logs and metrics; "unknown" for any other number. Static, never NULL.
 */
const char *realpeer_result_name(int32_t result);

/**
 * A phrase for people that says what a realpeer_result or realpeer_error
 * means, fit to follow a colon. Static, never NULL.
 */
const char *realpeer_strerror(int32_t result);

/**
 * Whether a refusal for this reason is ordinary and nothing for the error log:
 * a connection closed before it sent a byte, as TCP health checks do. Where
 * there are rules, realpeer_rule_is_quiet knows what is so for the source.
 *
 * @return 1 or 0
 */
int32_t realpeer_result_is_quiet(int32_t result);

/**
 * Writes the address, without the port, as text: dotted IPv4, or IPv6 as
 * RFC 5952 has it. The text is followed by a NUL; REALPEER_ADDRESS_TEXT bytes
 * are always enough.
 *
 * @return the length of the text without the NUL, or REALPEER_ERROR_NOT_FOUND
 *   where there is no address; nothing is written if `size` is too small
 */
int32_t realpeer_address_text(const struct realpeer_address *address,
                              char *out,
                              size_t size);

/**
 * Writes the address as a `struct sockaddr_in` or `struct sockaddr_in6`.
 *
 * @param out at least `*out_len` bytes, at most a `struct sockaddr_storage`
 * @param out_len in: the size of `out`; out: the size of what was written
 * @return 0; REALPEER_ERROR_NOT_FOUND where there is no address;
 *   REALPEER_ERROR_INVALID_ARGUMENT where `out` is NULL or too small
 */
int32_t realpeer_address_to_sockaddr(const struct realpeer_address *address,
                                     struct sockaddr *out,
                                     socklen_t *out_len);

/**
 * The same in a family of the caller's choice, such as that of its socket: for
 * AF_INET6 an IPv4 address is mapped into IPv6 (`::ffff:192.0.2.1`), as the
 * system does it on such sockets.
 *
 * @param family AF_INET or AF_INET6
 * @param out at least `*out_len` bytes, at most a `struct sockaddr_storage`
 * @param out_len in: the size of `out`; out: the size of what was written
 * @return as realpeer_address_to_sockaddr; REALPEER_ERROR_OTHER_FAMILY where
 *   the address has no form in that family: an IPv6 one for AF_INET, and any
 *   for another family. Close the connection then: what is left is the
 *   balancer's address, with the rights of the client.
 */
int32_t realpeer_address_to_family(const struct realpeer_address *address,
                                   int family,
                                   struct sockaddr *out,
                                   socklen_t *out_len);

/**
 * The address of a `struct sockaddr`, as getpeername() gives it: an IPv4 or
 * IPv6 address and its port, or REALPEER_FAMILY_UNIX without the path. IPv4
 * mapped into IPv6 becomes IPv4.
 *
 * @param out_size sizeof(realpeer_address)
 * @return 0; REALPEER_ERROR_NOT_FOUND where it is of another family or cut
 *   off; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_address_from_sockaddr(const struct sockaddr *address,
                                       socklen_t len,
                                       struct realpeer_address *out,
                                       size_t out_size);

/**
 * Writes bytes for a log line: printable ASCII stays, quotes, backslashes and
 * all other bytes become `\xHH`. No NUL is added.
 *
 * @return the length of the text, at most 4 times `len`; nothing is written if
 *   `size` is smaller; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_escape(const uint8_t *data,
                        size_t len,
                        char *out,
                        size_t size);

/**
 * Writes bytes as lower-case hex digits. No NUL is added.
 *
 * @return the length of the text, twice `len`; nothing is written if `size` is
 *   smaller; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_hex(const uint8_t *data, size_t len, char *out, size_t size);

/**
 * Reads a header at the beginning of `data`.
 *
 * Keeps no state: while it returns REALPEER_RESULT_MORE, call it again with
 * the same bytes and those that have come since. It decides at the first byte
 * that no valid header can have.
 *
 * @param data the first bytes of the connection; NULL with length 0 is fine
 * @param settings NULL for the defaults; `no_address` does not count here
 * @param settings_size sizeof(realpeer_settings)
 * @param out filled in where the header is whole, else left alone
 * @param out_size sizeof(realpeer_header)
 * @return REALPEER_RESULT_PROXY, REALPEER_RESULT_LOCAL or
 *   REALPEER_RESULT_NO_ADDRESS; REALPEER_RESULT_MORE; a negative
 *   realpeer_result from REALPEER_RESULT_NO_HEADER to
 *   REALPEER_RESULT_VERSION_DISALLOWED; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_parse(const uint8_t *data,
                       size_t len,
                       const struct realpeer_settings *settings,
                       size_t settings_size,
                       struct realpeer_header *out,
                       size_t out_size);

/**
 * The TLV at `*position` of a run of TLVs, as at `tlv_offset` of a header, or
 * within a realpeer_ssl.
 *
 * @param position in: where to look, 0 at first; out: where to look next
 * @return 1; 0 at the end, or where the bytes are no TLV (those of a header
 *   that realpeer_parse accepted always are); REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_tlv_next(const uint8_t *tlvs,
                          size_t len,
                          size_t *position,
                          struct realpeer_tlv *out,
                          size_t out_size);

/**
 * Takes the first SSL TLV of a header apart.
 *
 * @return 1, or 0 where there is none; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_tlv_ssl(const uint8_t *tlvs,
                         size_t len,
                         struct realpeer_ssl *out,
                         size_t out_size);

/**
 * The number of a named field: `alpn`, `authority`, `unique_id`, `netns`,
 * `ssl_version`, `ssl_cn`, `ssl_cipher`, `ssl_sig_alg`, `ssl_key_alg`,
 * `ssl_group`, `ssl_sig_scheme`, `ssl_client_cert`, `ssl_verified`,
 * `aws_vpce_id`, `azure_link_id`, `gcp_psc_id`, or `0x` and two hex digits for
 * a type.
 *
 * @return a number for realpeer_tlv_text and realpeer_tlv_hex;
 *   REALPEER_ERROR_BAD_FIELD; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_tlv_field(const char *name,
                           size_t len);

/**
 * The names that realpeer_tlv_field knows, one by one, but for `0x` and two
 * hex digits.
 *
 * @param place 0 for the first one
 * @return static; NULL behind the last one
 */
const char *realpeer_tlv_field_name(size_t place);

/**
 * Writes a field as text: UTF-8 without control characters (those, backslashes
 * and what is not UTF-8 become `\xHH`); numbers in decimal, `ssl_verified` as
 * 1 or 0, `ssl_client_cert` in base64. `ssl_cn` is found only where it was
 * verified. No NUL is added.
 *
 * @return the length of the text, at most 4 times that of the TLVs; nothing is
 *   written if `size` is smaller; REALPEER_ERROR_NOT_FOUND;
 *   REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_tlv_text(const uint8_t *tlvs,
                          size_t len,
                          int32_t field,
                          char *out,
                          size_t size);

/**
 * Writes the bytes of a field as lower-case hex digits; for `ssl_verified` the
 * five bytes it is read from. No NUL is added.
 *
 * @return as realpeer_tlv_text
 */
int32_t realpeer_tlv_hex(const uint8_t *tlvs,
                         size_t len,
                         int32_t field,
                         char *out,
                         size_t size);

/**
 * Writes a version 1 line. No NUL is added.
 *
 * @param source NULL or without an IP address, and `destination` as well, for
 *   `PROXY UNKNOWN`
 * @param out NULL with size 0 to learn how long it is; REALPEER_V1_MAX bytes
 *   are always enough
 * @return the length of the line; REALPEER_ERROR_NO_ROOM,
 *   REALPEER_ERROR_MIXED_FAMILIES; REALPEER_ERROR_BAD_ADDRESS where only one
 *   of the two is an IP address; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_write_v1(const struct realpeer_address *source,
                          const struct realpeer_address *destination,
                          uint8_t *out,
                          size_t size);

/**
 * Writes a version 2 header.
 *
 * @param header NULL for a LOCAL header without TLVs
 * @param header_size sizeof(realpeer_outgoing)
 * @param out NULL with size 0 to learn how long it is
 * @return the length of the header; REALPEER_ERROR_NO_ROOM,
 *   REALPEER_ERROR_TOO_MUCH, REALPEER_ERROR_INVALID_TLV;
 *   REALPEER_ERROR_BAD_ADDRESS for addresses in a LOCAL header or without a
 *   transport, for one of the two alone, two of them of which one is a Unix
 *   socket's, or a path that is too long; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_write_v2(const struct realpeer_outgoing *header,
                          size_t header_size,
                          uint8_t *out,
                          size_t size);

/**
 * Writes the value of an SSL TLV, for an array of TLVs to be written.
 *
 * @param client a sum of REALPEER_CLIENT_*
 * @param verify 0 only where the client showed a certificate that was found
 *   good
 * @param tlvs the TLVs within, of which the specification wants
 *   REALPEER_TLV_SSL_VERSION
 * @param out NULL with size 0 to learn how long it is
 * @return the length of the value; REALPEER_ERROR_NO_ROOM,
 *   REALPEER_ERROR_TOO_MUCH, REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_write_ssl(uint8_t client,
                           uint32_t verify,
                           const struct realpeer_tlv *tlvs,
                           uint32_t tlv_count,
                           uint8_t *out,
                           size_t size);

/**
 * Chooses source and destination for a header to the next server in a row.
 * They are of one family, whatever the addresses given are of: version 1 has
 * no other lines.
 *
 * The destination is the first of `server` and `local` that is of the client's
 * family and an address at all (0.0.0.0 and :: are none). Where neither is,
 * both become IPv6, with the IPv4 ones among them mapped, and ::ffff:0.0.0.0
 * stands for one that is not known: the client is never left out.
 *
 * @param client `client` of a realpeer_decision
 * @param server `server` of a realpeer_decision; NULL or without an IP address
 *   where it is not known
 * @param local our own end of the connection; NULL or without an IP address
 *   where it has none, as on a Unix socket
 * @param source,destination filled in
 * @param out_size sizeof(realpeer_address)
 * @return 0; REALPEER_ERROR_NOT_FOUND where `client` has no IP address;
 *   REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_relayed(const struct realpeer_address *client,
                         const struct realpeer_address *server,
                         const struct realpeer_address *local,
                         struct realpeer_address *source,
                         struct realpeer_address *destination,
                         size_t out_size);

/**
 * The policy of a word.
 *
 * @return REALPEER_POLICY_*; REALPEER_ERROR_BAD_POLICY;
 *   REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_policy_parse(const char *word, size_t len);

/**
 * The word of a policy, "none" for REALPEER_POLICY_NONE, "unknown" for any
 * other number. Static, never NULL.
 */
const char *realpeer_policy_name(int32_t policy);

/**
 * Reads a source: an IPv4 or IPv6 address, a CIDR block, `unix:` or `all`.
 *
 * @param policy REALPEER_POLICY_*
 * @param tag a number of the caller's, given back in the rule
 * @param out filled in where the text is a source, else left alone
 * @param out_size sizeof(realpeer_rule)
 * @return 0; 1 where bits behind the prefix were set, which are ignored: worth
 *   a warning; REALPEER_ERROR_BAD_SOURCE, REALPEER_ERROR_BAD_PREFIX,
 *   REALPEER_ERROR_BAD_POLICY, REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_rule_parse(const char *source,
                            size_t len,
                            int32_t policy,
                            uint32_t tag,
                            struct realpeer_rule *out,
                            size_t out_size);

/**
 * Says with which results refusals are ordinary for the source of a rule, such
 * as those of health checks that send no header: "quiet=no_header,timeout".
 *
 * @param rule that realpeer_rule_parse has filled in; left alone unless the
 *   text is right
 * @return 0; REALPEER_ERROR_BAD_QUIET, REALPEER_ERROR_NEVER_REFUSED,
 *   REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_rule_set_quiet(struct realpeer_rule *rule,
                                const char *parameter,
                                size_t len);

/**
 * Prepares an array of rules for realpeer_rules_find: sorts it in place. The
 * longest prefix that matches decides, whatever the order was.
 *
 * @param duplicate NULL, or room for the tags of two rules for one source, the
 *   smaller first; written only with REALPEER_ERROR_DUPLICATE_SOURCE
 * @return 0; REALPEER_ERROR_DUPLICATE_SOURCE, even where the policies agree;
 *   REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_rules_prepare(struct realpeer_rule *rules,
                               size_t count,
                               uint32_t *duplicate);

/**
 * The policy for whoever connected. IPv4 addresses mapped into IPv6 match the
 * rules for IPv4; Unix sockets match `unix:` or `all`.
 *
 * @param rules an array that realpeer_rules_prepare has prepared
 * @return REALPEER_POLICY_*; REALPEER_POLICY_NONE where no rule matches or the
 *   address is of another family: refuse it; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_rules_find(const struct realpeer_rule *rules,
                            size_t count,
                            const struct sockaddr *peer,
                            socklen_t peer_len);

/**
 * As realpeer_rules_find, and says which rule it is.
 *
 * @param rule the rule that matches, within the array, or NULL where none
 *   does; written unless an argument is invalid
 * @return as realpeer_rules_find
 */
int32_t realpeer_rules_match(const struct realpeer_rule *rules,
                             size_t count,
                             const struct sockaddr *peer,
                             socklen_t peer_len,
                             const struct realpeer_rule **rule);

/**
 * The number that was given to realpeer_rule_parse: which of the caller's
 * rules this is, as preparing has sorted them.
 *
 * @param rule of realpeer_rules_match
 * @return its tag; 0 for NULL
 */
uint32_t realpeer_rule_tag(const struct realpeer_rule *rule);

/**
 * Whether a refusal for this reason is ordinary for the source of a rule, and
 * nothing for the error log, by realpeer_rule_set_quiet or for every source
 * (realpeer_result_is_quiet).
 *
 * @param rule of realpeer_rules_match; NULL where none matches
 * @param result REALPEER_RESULT_*
 * @return 1 or 0
 */
int32_t realpeer_rule_is_quiet(const struct realpeer_rule *rule,
                               int32_t result);

/**
 * Whether two prepared arrays hold the same rules, quiet about the same
 * results, whatever their tags.
 *
 * @return 1 or 0; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_rules_equal(const struct realpeer_rule *a,
                             size_t a_count,
                             const struct realpeer_rule *b,
                             size_t b_count);

/**
 * Decides about a connection by the policy for its source and the bytes that
 * have come so far.
 *
 * Keeps no state: while it returns REALPEER_ACTION_MORE, ask again with the
 * same bytes and those that have come since, or with the event that ends the
 * wait. With REALPEER_POLICY_DIRECT, REALPEER_POLICY_REFUSE and
 * REALPEER_POLICY_NONE no byte has to be read.
 *
 * @param policy what realpeer_rules_find returned
 * @param settings NULL for the defaults
 * @param settings_size sizeof(realpeer_settings)
 * @param data the first bytes of the connection; NULL with length 0 is fine
 * @param event REALPEER_EVENT_*
 * @param out filled in unless an argument is invalid
 * @param out_size sizeof(realpeer_decision)
 * @return REALPEER_ACTION_ACCEPT, REALPEER_ACTION_PASS, REALPEER_ACTION_MORE;
 *   REALPEER_ACTION_REFUSE; REALPEER_ERROR_INVALID_ARGUMENT. All that is
 *   negative means: close the connection.
 */
int32_t realpeer_decide(int32_t policy,
                        const struct realpeer_settings *settings,
                        size_t settings_size,
                        const uint8_t *data,
                        size_t len,
                        int32_t event,
                        struct realpeer_decision *out,
                        size_t out_size);

/**
 * Decides about one datagram, which has its header in front of its payload.
 * The payload begins at `consumed` bytes.
 *
 * There is nothing to wait for: a part of a header is
 * REALPEER_RESULT_TRUNCATED. Only the address of a header with
 * REALPEER_TRANSPORT_DATAGRAM replaces the peer here, as only that of a stream
 * does in realpeer_decide.
 *
 * @param policy what realpeer_rules_find returned
 * @param settings NULL for the defaults
 * @param settings_size sizeof(realpeer_settings)
 * @param data the datagram; NULL with length 0 is an empty one
 * @param out filled in unless an argument is invalid
 * @param out_size sizeof(realpeer_decision)
 * @return REALPEER_ACTION_ACCEPT, REALPEER_ACTION_PASS;
 *   REALPEER_ACTION_REFUSE; REALPEER_ERROR_INVALID_ARGUMENT. All that is
 *   negative means: throw the datagram away.
 */
int32_t realpeer_decide_datagram(int32_t policy,
                                 const struct realpeer_settings *settings,
                                 size_t settings_size,
                                 const uint8_t *data,
                                 size_t len,
                                 struct realpeer_decision *out,
                                 size_t out_size);

/**
 * What the first bytes of a refused connection look like: "a TLS client
 * hello", "an HTTP request" and the like, for a log line, after "looks like".
 * It says only what is certain from the bytes, which of most bytes is nothing.
 *
 * @param data the more of what came, the better; NULL with length 0 is fine
 * @return the phrase, which is static; "" where there is nothing to be said;
 *   never NULL
 */
const char *realpeer_looks_like(const uint8_t *data,
                                size_t len);

/**
 * Whether the bytes that follow a header are another one, as two load
 * balancers in a row send it where each adds a header. The first one names the
 * other balancer as the client then, and the second one is taken for the
 * beginning of the request. It is something to log, and nothing to refuse: an
 * application's own bytes may look like this.
 *
 * @param data what has come after the header; NULL with length 0 is fine
 * @return 1: they begin a header; 0: they do not, or are too few to say so;
 *   REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_another_header(const uint8_t *data,
                                size_t len);

/**
 * Takes the header off a connected socket, and waits for it.
 *
 * Not a byte behind the header is taken: what follows is read from the socket
 * as if nothing had been in front of it. If no header comes where none has to,
 * nothing is taken. The flags of the socket stay as they are and do not count.
 *
 * The header, with its TLVs, is at the beginning of `buffer` afterwards: the
 * first `consumed` bytes, as the decision says. Where the peer breaks the
 * connection, it is as if it had closed it.
 *
 * Once there is an answer the receiver knows nothing of the connection any
 * more. Do not call it again for the same one: what comes then is the
 * application's, which would be looked at for another header.
 *
 * If SO_RCVLOWAT is more than 1 here, set it afterwards: with it the system
 * says that there is nothing as long as there is less, and the header may seem
 * to be late. Where bytes have to be left on the socket for a while, it is 1
 * afterwards. SO_PEEK_OFF does not hide the header, and goes on to count from
 * the same byte.
 *
 * What has messages (SOCK_SEQPACKET) will do only where the header is one of
 * its own: the system takes off whole messages. Where one goes on behind the
 * header, that is lost, and the result is REALPEER_ERROR_INVALID_ARGUMENT.
 *
 * `receiver` and `buffer` are written to whatever the result is.
 *
 * @param receiver as described there
 * @param receiver_size sizeof(realpeer_receiver)
 * @param out filled in unless an argument is invalid or a system call failed
 * @param out_size sizeof(realpeer_decision)
 * @return REALPEER_ACTION_ACCEPT, REALPEER_ACTION_PASS;
 *   REALPEER_ACTION_REFUSE; REALPEER_ERROR_SOCKET, and errno says why;
 *   REALPEER_ERROR_NOT_CONNECTED for a socket that listens or was never
 *   connected; REALPEER_ERROR_INVALID_ARGUMENT. All that is negative means:
 *   close the connection.
 */
int32_t realpeer_receive(struct realpeer_receiver *receiver,
                         size_t receiver_size,
                         struct realpeer_decision *out,
                         size_t out_size);

/**
 * The same, without waiting: returns REALPEER_ACTION_MORE as long as the
 * header is not whole. Call it again when the socket is readable, and when the
 * time is over, which it finds out by itself.
 *
 * Where the policy is REALPEER_POLICY_OPTIONAL or REALPEER_POLICY_STRIP, bytes
 * that may turn out to be the application's stay on the socket, and so it
 * stays readable. For TCP this function prevents that, with SO_RCVLOWAT, which
 * is 1 again afterwards. For Unix sockets Linux has nothing like it: wait for
 * edges (EPOLLET) there, or as `retry_ms` says. Bytes that can be the
 * beginning of a header, and are followed by an urgent one (MSG_OOB), are
 * taken for none.
 *
 * @return as realpeer_receive, or REALPEER_ACTION_MORE
 */
int32_t realpeer_receive_nowait(struct realpeer_receiver *receiver,
                                size_t receiver_size,
                                struct realpeer_decision *out,
                                size_t out_size);

/**
 * The real peer of a connection: the client that the decision names, or the
 * peer of the socket itself. As getpeername().
 *
 * The client may be of another family than the socket: an IPv6 one comes over
 * a socket for IPv4 where the balancer has both. A program that cannot do with
 * that calls realpeer_getpeername_own.
 *
 * @param decision NULL for the socket's own
 * @param decision_size sizeof(realpeer_decision)
 * @param out room for a `struct sockaddr_storage`
 * @param out_len in: the size of `out`; out: the size of what was written
 * @return 0; REALPEER_ERROR_SOCKET, and errno says why;
 *   REALPEER_ERROR_INVALID_ARGUMENT, also where `out` is too small
 */
int32_t realpeer_getpeername(int fd,
                             const struct realpeer_decision *decision,
                             size_t decision_size,
                             struct sockaddr *out,
                             socklen_t *out_len);

/**
 * What the client connected to: the address that the decision names as the
 * server, or the socket's own. As getsockname().
 *
 * @return as realpeer_getpeername
 */
int32_t realpeer_getsockname(int fd,
                             const struct realpeer_decision *decision,
                             size_t decision_size,
                             struct sockaddr *out,
                             socklen_t *out_len);

/**
 * The real peer in the family of the socket: for programs that have room for a
 * `struct sockaddr_in` only, or go by one form of an address. Over a socket of
 * AF_INET6 an IPv4 client is mapped (`::ffff:192.0.2.1`), as the system does
 * it.
 *
 * @param out room for an address of the socket's family
 * @return as realpeer_getpeername; REALPEER_ERROR_OTHER_FAMILY where the
 *   client has no address in that family: an IPv6 client over AF_INET, any
 *   client that a header names over a Unix socket. Close the connection then:
 *   what is left is the balancer's address, with the rights of the client.
 */
int32_t realpeer_getpeername_own(int fd,
                                 const struct realpeer_decision *decision,
                                 size_t decision_size,
                                 struct sockaddr *out,
                                 socklen_t *out_len);

/**
 * What the client connected to, in the family of the socket.
 *
 * @return as realpeer_getpeername_own
 */
int32_t realpeer_getsockname_own(int fd,
                                 const struct realpeer_decision *decision,
                                 size_t decision_size,
                                 struct sockaddr *out,
                                 socklen_t *out_len);

/**
 * Bytes that counters take.
 *
 * @param listeners one more than there will be
 * @param workers one more than there will be processes at a time, those that
 *   are about to end included
 */
size_t realpeer_counters_size(uint32_t listeners,
                              uint32_t workers);

/**
 * Makes counters in memory, with room for as many listeners as fit. All of
 * them are 0. Nobody may use the memory meanwhile.
 *
 * @param memory aligned to REALPEER_COUNTERS_ALIGNMENT
 * @param workers see realpeer_counters_size
 * @param now seconds since 1970
 * @param out filled in where counters were made
 * @param out_size sizeof(realpeer_counters)
 * @return 0; REALPEER_ERROR_NO_ROOM where not even two listeners fit, or
 *   workers is 0; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_counters_create(void *memory,
                                 size_t size,
                                 uint32_t workers,
                                 uint64_t now,
                                 struct realpeer_counters *out,
                                 size_t out_size);

/**
 * Finds counters that somebody has made in this memory.
 *
 * @param out filled in where there are some
 * @param out_size sizeof(realpeer_counters)
 * @return 0; REALPEER_ERROR_NOT_FOUND where there are none, or those of a
 *   library with another REALPEER_COUNTERS_LAYOUT;
 *   REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_counters_open(void *memory,
                               size_t size,
                               struct realpeer_counters *out,
                               size_t out_size);

/**
 * Whether a configuration goes on with the counters there are, and how large
 * new ones have to be. Counters are kept where all listeners and workers have
 * room in them, whatever their size, and where new ones would have room for no
 * more of them. Nothing is changed.
 *
 * @param old the counters of now; NULL: there are none
 * @param names the listeners of the configuration; the same one may come again
 * @param workers processes that the configuration has at a time
 * @param among 1: processes that are about to end are among these, as the
 *   server never has more; 0: they come on top
 * @param size bytes that new counters are to have; 0: as many as it takes,
 *   with room for twice as many listeners
 * @param out filled in
 * @param out_size sizeof(realpeer_counters_room)
 * @return 0; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_counters_plan(const struct realpeer_counters *old,
                               const struct realpeer_counters_name *names,
                               size_t count,
                               uint32_t workers,
                               int32_t among,
                               size_t size,
                               struct realpeer_counters_room *out,
                               size_t out_size);

/**
 * A new configuration comes, with these listeners. Those that have a place
 * keep it, and the others get one before realpeer_counters_take_over gives any
 * to listeners that are gone. Listeners that the configuration has no longer
 * keep their counts for as long as no other needs their place; then the last
 * one has them. One process at a time may do this.
 *
 * @param names the listeners; the same one may come again
 * @return how many have no place of their own; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_counters_configure(const struct realpeer_counters *counters,
                                    const struct realpeer_counters_name *names,
                                    size_t count);

/**
 * The number of a listener: the one that it had, or the place of one that
 * neither this configuration nor the one before has. Where there is no room it
 * is the last one, which stands for all of these. One process at a time may
 * ask.
 *
 * @param subsystem what listens, such as "http", at most 8 bytes
 * @param name where, such as "192.0.2.1:443", at most 128 bytes
 * @return the number; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_counters_listener(const struct realpeer_counters *counters,
                                   const char *subsystem,
                                   size_t subsystem_len,
                                   const char *name,
                                   size_t name_len);

/**
 * Takes over what was counted elsewhere, into new counters, once those have
 * been configured: listeners that are gone get places that are left, and what
 * was counted for others is added to the last one. Who waits stays where it
 * is.
 *
 * @return 0; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_counters_take_over(const struct realpeer_counters *counters,
                                    const struct realpeer_counters *from);

/**
 * A place for a process, which says there how many of its connections wait. To
 * be asked for once, when the process begins.
 *
 * @param process its number, as getpid() has it
 * @return the number of the place, the last one where there is no other;
 *   REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_counters_worker(const struct realpeer_counters *counters,
                                 int32_t process);

/**
 * Whose place it is. Whoever shows the counters, or begins to count, should
 * ask the system whether that process still is, and else call
 * realpeer_counters_ended: a process that was killed could not.
 *
 * @param worker 0 and up
 * @return the process; 0 where it is nobody's; REALPEER_ERROR_NOT_FOUND where
 *   there is no such place; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_counters_process(const struct realpeer_counters *counters,
                                  uint32_t worker);

/**
 * A process has ended: none of its connections waits any more. It counts only
 * where the place is still that of this process.
 *
 * @return 0; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_counters_ended(const struct realpeer_counters *counters,
                                uint32_t worker,
                                int32_t process);

/**
 * A connection begins to wait for its header, or ceases to.
 *
 * @param listener what realpeer_counters_listener returned
 * @param worker what realpeer_counters_worker returned
 * @param begins 1 or 0
 * @return 0; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_counters_waiting(const struct realpeer_counters *counters,
                                  uint32_t listener,
                                  uint32_t worker,
                                  int32_t begins);

/**
 * A connection has been decided about: counts its result, and its header where
 * a valid one came.
 *
 * @param listener what realpeer_counters_listener returned
 * @param decision what realpeer_decide has filled in
 * @param decision_size sizeof(realpeer_decision)
 * @param microseconds from accept until now
 * @return 0; REALPEER_ERROR_INVALID_ARGUMENT, also where nothing is decided
 *   yet
 */
int32_t realpeer_counters_decided(const struct realpeer_counters *counters,
                                  uint32_t listener,
                                  const struct realpeer_decision *decision,
                                  size_t decision_size,
                                  uint64_t microseconds);

/**
 * Another header follows that of an accepted connection, as
 * realpeer_another_header has found.
 *
 * @param listener what realpeer_counters_listener returned
 * @return 0; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_counters_another(const struct realpeer_counters *counters,
                                  uint32_t listener);

/**
 * A connection was closed before anything was decided, for a reason of the
 * server's own.
 *
 * @return 0; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_counters_dropped(const struct realpeer_counters *counters,
                                  uint32_t listener);

/**
 * Remembers who was refused. There is room for the last 64; whoever is refused
 * again and again has one place, and so have all IPv6 addresses that agree in
 * their first 64 bits.
 *
 * @param listener what realpeer_counters_listener returned
 * @param result why
 * @param address who connected
 * @param now seconds since 1970
 * @return 0; REALPEER_ERROR_NOT_FOUND where the address is of another family;
 *   REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_counters_refused(const struct realpeer_counters *counters,
                                  uint32_t listener,
                                  int32_t result,
                                  const struct sockaddr *address,
                                  socklen_t address_len,
                                  uint64_t now);

/**
 * Where a listener's realpeer_log_limit is, in the memory of the counters.
 *
 * @param listener what realpeer_counters_listener returned
 * @return it; NULL where an argument is invalid
 */
void *realpeer_counters_log(const struct realpeer_counters *counters,
                            uint32_t listener);

/**
 * The line of a refused connection was held back.
 *
 * @param listener what realpeer_counters_listener returned
 * @param result why it was refused
 * @return 0; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_counters_held(const struct realpeer_counters *counters,
                               uint32_t listener,
                               int32_t result);

/**
 * Chooses the format for a request: the one that its query names, else the one
 * that it likes best of those it accepts, else REALPEER_FORMAT_PROMETHEUS.
 *
 * @param query such as "format=json", without the question mark
 * @param accept the value of the header "Accept"
 * @return REALPEER_FORMAT_*; REALPEER_ERROR_NOT_FOUND where the query names
 *   one that does not exist; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_counters_format(const char *query,
                                 size_t query_len,
                                 const char *accept,
                                 size_t accept_len);

/**
 * The value of the header "Content-Type" for a format; "text/plain" for a
 * number that is none. Static, never NULL.
 */
const char *realpeer_counters_content_type(int32_t format);

/**
 * Writes the counters as text, in pieces. They go on counting meanwhile.
 *
 * @param format REALPEER_FORMAT_*
 * @param now seconds since 1970
 * @param write called with one piece after another
 * @param context for `write`
 * @return 0; REALPEER_ERROR_NO_ROOM where `write` has ended it;
 *   REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_counters_write(const struct realpeer_counters *counters,
                                int32_t format,
                                uint64_t now,
                                realpeer_write_fn write,
                                void *context);

/**
 * Reads a rate as it stands in configurations: "10r/s", "30r/m" or "off", and
 * behind a rate "burst=100".
 *
 * @param rate NULL for the default, which is 10r/s burst=100
 * @param burst NULL where nothing is said
 * @param out filled in where both are right, else left alone
 * @param out_size sizeof(realpeer_log_rate)
 * @return 0; REALPEER_ERROR_BAD_RATE, REALPEER_ERROR_BAD_BURST,
 *   REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_log_rate_parse(const char *rate,
                                size_t rate_len,
                                const char *burst,
                                size_t burst_len,
                                struct realpeer_log_rate *out,
                                size_t out_size);

/**
 * Whether the line of a refused connection is to be written.
 *
 * @param limit of the listener
 * @param rate NULL for the default
 * @param rate_size sizeof(realpeer_log_rate)
 * @param result why it was refused
 * @param quiet what realpeer_rule_is_quiet said of it. What is quiet takes no
 *   line from what is not.
 * @param now milliseconds of a clock that is the same for all who share the
 *   limit
 * @param held_back with 1: how many lines about this result were held back
 *   until now. Unless it is 0, a line that says so is to be written, too.
 * @return 1: it is to be written; 0: it is held back, which has been counted;
 *   REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_log_refused(struct realpeer_log_limit *limit,
                             const struct realpeer_log_rate *rate,
                             size_t rate_size,
                             int32_t result,
                             int32_t quiet,
                             uint64_t now,
                             uint32_t *held_back);

/**
 * Whether the line about another header on an accepted connection is to be
 * written, see realpeer_another_header. These lines have a limit of their own,
 * of the same rate; realpeer_log_held_back does not report them.
 *
 * @param limit of the listener
 * @param rate NULL for the default
 * @param rate_size sizeof(realpeer_log_rate)
 * @param now as for realpeer_log_refused
 * @param held_back with 1: how many of these lines were held back until now.
 *   Unless it is 0, a line that says so is to be written, too.
 * @return 1: it is to be written; 0: it is held back, which has been counted;
 *   REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_log_another(struct realpeer_log_limit *limit,
                             const struct realpeer_log_rate *rate,
                             size_t rate_size,
                             uint64_t now,
                             uint32_t *held_back);

/**
 * What there is to say of lines that were held back, one result at a time: to
 * be called until it does not return 1. After the end of a flood there may be
 * no refusal that says it, so this is to be called now and then.
 *
 * @param limit of the listener
 * @param rate NULL when nobody will ask again: all there is to say
 * @param rate_size sizeof(realpeer_log_rate)
 * @param now as for realpeer_log_refused
 * @param result with 1: why they were refused
 * @param quiet with 1: 1 if they were quiet, as the line is to be; or else 0
 * @param held_back with 1: how many, since this was said last
 * @return 1: a line that says so is to be written; 0: there is nothing to say;
 *   2: not yet; REALPEER_ERROR_INVALID_ARGUMENT
 */
int32_t realpeer_log_held_back(struct realpeer_log_limit *limit,
                               const struct realpeer_log_rate *rate,
                               size_t rate_size,
                               uint64_t now,
                               int32_t *result,
                               int32_t *quiet,
                               uint32_t *held_back);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* REALPEER_H */
