/*
 * The C functions, called from C99 or C++11 (the file is both).
 *
 * The vectors come on stdin, one a line, from tests/c_api.rs.  Their bytes end
 * where a page begins that may not be read, so that reading one byte too many
 * is a crash and not a matter of luck.
 */

#define _DEFAULT_SOURCE 1

#include "realpeer.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>


#define LINE     "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"
#define REQUEST  "GET / HTTP/1.1\r\n\r\n"

/* Prefixes of long vectors are not all tried. */
#define EACH     1200
#define STEP     1009

/* Goes on after a fault: one run tells all. */
#define check(condition, ...)                                                 \
    do {                                                                      \
        checks++;                                                             \
        if (!(condition)) {                                                   \
            fault(__LINE__, #condition, __VA_ARGS__);                         \
        }                                                                     \
    } while (0)


typedef struct {
    int32_t   result;
    size_t    at;
    uint32_t  max_header;
    unsigned  versions;
    unsigned  tlvs;
    char      source[80];
    char      destination[80];
    size_t    len;
    uint8_t  *bytes;
} test_vector;


static unsigned long  checks;
static unsigned long  faults;

/* The end of the memory that may be read. */
static uint8_t       *fence;
static size_t         before_fence;


static void
fault(int line, const char *condition, const char *format, ...)
{
    va_list  args;

    faults++;

    printf("api.c:%d: %s: ", line, condition);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}


static void
build_fence(size_t size)
{
    char    *memory;
    size_t   page;

    page = (size_t) sysconf(_SC_PAGESIZE);
    size = (size + page - 1) / page * page;

    memory = (char *) mmap(NULL, size + page, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory + size, page, PROT_NONE)) {
        perror("a page that may not be read");
        exit(2);
    }

    fence = (uint8_t *) memory + size;
    before_fence = size;
}


/* The bytes again, the last of them in front of the fence. */
static const uint8_t *
fenced(const uint8_t *bytes, size_t len)
{
    if (len > before_fence) {
        printf("a vector of %lu bytes does not fit\n", (unsigned long) len);
        exit(2);
    }

    if (len != 0) {
        memmove(fence - len, bytes, len);
    }

    return fence - len;
}


static void
check_address(const realpeer_address *address, const char *wanted)
{
    char     text[REALPEER_ADDRESS_TEXT + 8];
    int32_t  len;

    if (address->family == REALPEER_FAMILY_UNSPEC) {
        strcpy(text, "-");

    } else {
        len = realpeer_address_text(address, text, REALPEER_ADDRESS_TEXT);
        check(len > 0 && (size_t) len == strlen(text), "length %d", len);
        sprintf(text + len, " %u", (unsigned) address->port);
    }

    check(strcmp(text, wanted) == 0, "is %s, not %s", text, wanted);
}


static void
check_tlvs(const uint8_t *tlvs, size_t len, unsigned wanted)
{
    char          room[64], *text;
    size_t        position, sum;
    int32_t       result, field;
    unsigned      count;
    realpeer_tlv  tlv;
    realpeer_ssl  ssl;

    static const char *const  names[] = {
        "alpn", "authority", "unique_id", "netns", "ssl_version", "ssl_cn",
        "ssl_cipher", "ssl_sig_alg", "ssl_key_alg", "ssl_group",
        "ssl_sig_scheme", "ssl_client_cert", "ssl_verified", "aws_vpce_id",
        "azure_link_id", "gcp_psc_id", "0xE4"
    };

    position = 0;
    count = 0;
    sum = 0;

    while ((result = realpeer_tlv_next(tlvs, len, &position, &tlv,
                                       sizeof(tlv)))
           == 1)
    {
        count++;
        sum += 3 + tlv.length;
        check(tlv.value + tlv.length <= tlvs + len, "beyond the header");
        check(position == sum, "position");
    }

    check(result == 0 && sum == len, "TLVs of %lu bytes in %lu",
          (unsigned long) sum, (unsigned long) len);
    check(count == wanted, "%u TLVs, not %u", count, wanted);

    result = realpeer_tlv_ssl(tlvs, len, &ssl, sizeof(ssl));
    check(result == 0 || result == 1, "%d", result);

    text = (char *) malloc(4 * len + 32);

    for (count = 0; count < sizeof(names) / sizeof(names[0]); count++) {
        field = realpeer_tlv_field(names[count], strlen(names[count]));
        check(field > 0, "%s", names[count]);

        result = realpeer_tlv_text(tlvs, len, field, text, 4 * len + 32);
        check(result >= 0 || result == REALPEER_ERROR_NOT_FOUND, "%d", result);
        check(realpeer_tlv_text(tlvs, len, field, room, 0) == result,
              "the length is another when there is no room");

        result = realpeer_tlv_hex(tlvs, len, field, text, 4 * len + 32);
        check(result >= 0 || result == REALPEER_ERROR_NOT_FOUND, "%d", result);
    }

    free(text);
}


static void
check_accepted(const test_vector *v, const uint8_t *data, size_t len,
    const realpeer_header *header)
{
    const uint8_t  *tlvs;

    check(header->length == v->at, "length %" PRIu32, header->length);
    check(header->length <= len, "longer than what is there");
    check_address(&header->source, v->source);
    check_address(&header->destination, v->destination);

    tlvs = header->tlv_length ? data + header->tlv_offset : NULL;
    check(tlvs == NULL
          || header->tlv_offset + header->tlv_length == header->length,
          "TLVs are not the end of the header");

    check_tlvs(tlvs, header->tlv_length, v->tlvs);
}


static void
check_decision(int32_t result, const uint8_t *data, size_t len,
    const realpeer_settings *settings)
{
    int32_t            action, wanted;
    realpeer_decision  decision;

    wanted = result > 0 ? REALPEER_ACTION_ACCEPT
                        : result == 0 ? REALPEER_ACTION_MORE
                                      : REALPEER_ACTION_REFUSE;

    action = realpeer_decide(REALPEER_POLICY_REQUIRE, settings,
                             sizeof(*settings), data, len,
                             REALPEER_EVENT_DATA, &decision, sizeof(decision));

    check(action == wanted && decision.action == wanted, "%d", action);
    check(decision.result == result, "%s",
          realpeer_result_name(decision.result));
    check(action != REALPEER_ACTION_ACCEPT
          || decision.consumed == decision.header.length, "consumed");
    check(action != REALPEER_ACTION_MORE || decision.need > len, "need");
}


static void
check_prefix(const test_vector *v, size_t len)
{
    int32_t            result, wanted;
    const uint8_t     *data;
    realpeer_header    header;
    realpeer_settings  settings;

    memset(&settings, 0, sizeof(settings));
    settings.max_header = v->max_header;
    settings.versions = (uint8_t) v->versions;

    data = fenced(v->bytes, len);
    wanted = len < v->at ? (int32_t) REALPEER_RESULT_MORE : v->result;

    result = realpeer_parse(data, len, &settings, sizeof(settings), &header,
                            sizeof(header));

    check(result == wanted, "%lu bytes give %s, not %s", (unsigned long) len,
          realpeer_result_name(result), realpeer_result_name(wanted));

    if (result > 0) {
        check_accepted(v, data, len, &header);
    }

    check_decision(wanted, data, len, &settings);
}


static void
check_escaped(const test_vector *v)
{
    char     *text;
    int32_t   len;

    text = (char *) malloc(4 * v->len + 1);

    len = realpeer_escape(fenced(v->bytes, v->len), v->len, text, 4 * v->len);
    check(len >= 0 && (size_t) len <= 4 * v->len, "%d", len);

    while (len-- > 0) {
        check(text[len] >= ' ' && text[len] <= '~' && text[len] != '"',
              "byte %d", text[len]);
    }

    free(text);
}


static int
hex_digit(int c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}


/* RESULT AT MAX VERSIONS TLVS/SOURCE/DESTINATION/HEX */
static int
read_vector(test_vector *v, char *line)
{
    char    *part;
    size_t   i;

    part = strtok(line, "/");
    if (part == NULL
        || sscanf(part, "%" SCNd32 " %zu %" SCNu32 " %u %u", &v->result,
                  &v->at, &v->max_header, &v->versions, &v->tlvs)
           != 5)
    {
        return 0;
    }

    part = strtok(NULL, "/");
    if (part == NULL || strlen(part) >= sizeof(v->source)) {
        return 0;
    }
    strcpy(v->source, part);

    part = strtok(NULL, "/");
    if (part == NULL || strlen(part) >= sizeof(v->destination)) {
        return 0;
    }
    strcpy(v->destination, part);

    part = strtok(NULL, "/\n");
    v->len = part == NULL ? 0 : strlen(part) / 2;
    v->bytes = (uint8_t *) malloc(v->len + 1);

    for (i = 0; i < v->len; i++) {
        v->bytes[i] = (uint8_t) (hex_digit(part[2 * i]) << 4
                                 | hex_digit(part[2 * i + 1]));
    }

    return 1;
}


static unsigned
check_vectors(void)
{
    char         *line;
    size_t        room, len;
    unsigned      count;
    test_vector   v;

    line = NULL;
    room = 0;
    count = 0;

    while (getline(&line, &room, stdin) > 0) {
        if (!read_vector(&v, line)) {
            printf("vector %u cannot be read\n", count + 1);
            exit(2);
        }

        for (len = 0; len <= v.len; len++) {
            if (len < EACH || len % STEP == 0 || len == v.len
                || len + 1 == v.at || len == v.at)
            {
                check_prefix(&v, len);
            }
        }

        check_escaped(&v);
        free(v.bytes);
        count++;
    }

    free(line);

    return count;
}


static void
check_version(void)
{
    char  text[32];

    sprintf(text, "%d.%d.%d", REALPEER_VERSION_MAJOR, REALPEER_VERSION_MINOR,
            REALPEER_VERSION_PATCH);

    check(strcmp(text, REALPEER_VERSION) == 0, "%s", text);
    check(strcmp(realpeer_version(), REALPEER_VERSION) == 0, "%s",
          realpeer_version());
    check(realpeer_version_number() == REALPEER_VERSION_NUMBER, "%" PRIx32,
          realpeer_version_number());
    check(REALPEER_VERSION_NUMBER
          == (REALPEER_VERSION_MAJOR << 16 | REALPEER_VERSION_MINOR << 8
              | REALPEER_VERSION_PATCH),
          "the composed number");
}


static void
check_words(void)
{
    int32_t  number;

    for (number = -300; number < 300; number++) {
        check(realpeer_result_name(number)[0] != '\0', "%d", number);
        check(realpeer_strerror(number)[0] != '\0', "%d", number);
        check(realpeer_policy_name(number)[0] != '\0', "%d", number);
    }

    check(strcmp(realpeer_result_name(REALPEER_RESULT_BAD_CHECKSUM),
                 "bad_checksum") == 0, "name");
    check(strcmp(realpeer_result_name(REALPEER_ERROR_INVALID_ARGUMENT),
                 "invalid_argument") == 0, "name");
    check(realpeer_policy_parse("strip", 5) == REALPEER_POLICY_STRIP, "strip");
    check(realpeer_policy_parse("Strip", 5) == REALPEER_ERROR_BAD_POLICY,
          "Strip");
    check(realpeer_result_is_quiet(REALPEER_RESULT_SILENT) == 1, "silent");
    check(realpeer_result_is_quiet(REALPEER_RESULT_BAD_V1) == 0, "bad_v1");
}


static int32_t
find(const realpeer_rule *rules, size_t count, const char *text)
{
    struct sockaddr_in   in;
    struct sockaddr_in6  in6;

    memset(&in, 0, sizeof(in));
    memset(&in6, 0, sizeof(in6));

    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        in.sin_family = AF_INET;
        return realpeer_rules_find(rules, count, (struct sockaddr *) &in,
                                   sizeof(in));
    }

    if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
        in6.sin6_family = AF_INET6;
        return realpeer_rules_find(rules, count, (struct sockaddr *) &in6,
                                   sizeof(in6));
    }

    return REALPEER_ERROR_INVALID_ARGUMENT;
}


static void
check_rules(void)
{
    size_t              i, count;
    uint32_t            tags[2];
    realpeer_rule       rules[6];
    struct sockaddr_un  un;

    static const struct {
        const char  *source;
        int32_t      policy;
        int32_t      result;
    } list[] = {
        { "10.1.2.3", REALPEER_POLICY_DIRECT, 0 },
        { "10.0.0.0/8", REALPEER_POLICY_REQUIRE, 0 },
        { "2001:db8::1/32", REALPEER_POLICY_OPTIONAL, 1 },
        { "unix:", REALPEER_POLICY_STRIP, 0 },
        { "203.0.113.0/24", REALPEER_POLICY_REFUSE, 0 }
    };

    count = sizeof(list) / sizeof(list[0]);

    for (i = 0; i < count; i++) {
        check(realpeer_rule_parse(list[i].source, strlen(list[i].source),
                                  list[i].policy, (uint32_t) i, &rules[i],
                                  sizeof(rules[i]))
              == list[i].result, "%s", list[i].source);
    }

    check(realpeer_rules_prepare(rules, count, tags) == 0, "prepare");

    check(find(rules, count, "10.1.2.3") == REALPEER_POLICY_DIRECT, "one");
    check(find(rules, count, "::ffff:10.1.2.4") == REALPEER_POLICY_REQUIRE,
          "mapped");
    check(find(rules, count, "2001:db8:ffff::") == REALPEER_POLICY_OPTIONAL,
          "IPv6");
    check(find(rules, count, "203.0.113.255") == REALPEER_POLICY_REFUSE, "5");
    check(find(rules, count, "192.0.2.1") == REALPEER_POLICY_NONE, "none");

    memset(&un, 0, sizeof(un));
    un.sun_family = AF_UNIX;
    check(realpeer_rules_find(rules, count, (struct sockaddr *) &un,
                              sizeof(un)) == REALPEER_POLICY_STRIP, "unix:");

    check(realpeer_rule_parse("010.0.0.1", 9, REALPEER_POLICY_DIRECT, 9,
                              &rules[count], sizeof(rules[count]))
          == REALPEER_ERROR_BAD_SOURCE, "a heading zero");
    check(realpeer_rule_parse("10.9.9.9/8", 10, REALPEER_POLICY_DIRECT, 9,
                              &rules[count], sizeof(rules[count]))
          == 1, "bits behind the prefix");
    check(realpeer_rules_prepare(rules, count + 1, tags)
          == REALPEER_ERROR_DUPLICATE_SOURCE && tags[0] == 1 && tags[1] == 9,
          "%" PRIu32 " and %" PRIu32, tags[0], tags[1]);
}


static void
check_null(void)
{
    realpeer_decision  decision;

    check(realpeer_parse(NULL, 1, NULL, 0, NULL, 0)
          == REALPEER_ERROR_INVALID_ARGUMENT, "parse");
    check(realpeer_decide(REALPEER_POLICY_REQUIRE, NULL, 0, NULL, 0,
                          REALPEER_EVENT_CLOSED, &decision, sizeof(decision))
          == REALPEER_ACTION_REFUSE
          && decision.result == REALPEER_RESULT_SILENT, "decide");
    check(realpeer_rules_find(NULL, 0, NULL, 0)
          == REALPEER_ERROR_INVALID_ARGUMENT, "find");
    check(realpeer_tlv_next(NULL, 0, NULL, NULL, 0)
          == REALPEER_ERROR_INVALID_ARGUMENT, "next");
    check(realpeer_address_text(NULL, NULL, 0)
          == REALPEER_ERROR_INVALID_ARGUMENT, "text");
}


/* The example at the head of realpeer.h, on a socket that gives few bytes. */
static void
check_example(void)
{
    int                      fd[2];
    char                     rest[sizeof(REQUEST)];
    size_t                   have;
    uint8_t                  buf[REALPEER_DEFAULT_MAX_HEADER];
    int32_t                  event, policy;
    ssize_t                  n;
    socklen_t                len;
    realpeer_rule            rule;
    realpeer_decision        d;
    struct sockaddr_in      *sin;
    struct sockaddr_storage  storage;

    check(realpeer_rule_parse("unix:", 5, REALPEER_POLICY_REQUIRE, 0, &rule,
                              sizeof(rule)) == 0, "unix:");
    check(realpeer_rules_prepare(&rule, 1, NULL) == 0, "prepare");

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0) {
        perror("socketpair");
        exit(2);
    }
    check(send(fd[1], LINE REQUEST, sizeof(LINE REQUEST) - 1, 0) > 0, "send");
    shutdown(fd[1], SHUT_WR);

    memset(&storage, 0, sizeof(storage));
    storage.ss_family = AF_UNIX;
    policy = realpeer_rules_find(&rule, 1, (struct sockaddr *) &storage,
                                 sizeof(sa_family_t));
    have = 0;
    event = REALPEER_EVENT_DATA;

    while (realpeer_decide(policy, NULL, 0, buf, have, event, &d, sizeof(d))
           == REALPEER_ACTION_MORE)
    {
        n = recv(fd[0], buf + have, d.need - have, 0);
        if (n > 0) {
            have += (size_t) n;
        } else {
            event = REALPEER_EVENT_CLOSED;
        }
    }

    check(d.action == REALPEER_ACTION_ACCEPT, "%s",
          realpeer_strerror(d.result));
    check(d.consumed == have && have == sizeof(LINE) - 1, "%lu bytes",
          (unsigned long) have);
    check_address(&d.client, "192.0.2.1 56324");
    check_address(&d.server, "198.51.100.7 443");

    n = recv(fd[0], rest, sizeof(rest), 0);
    check(n == (ssize_t) sizeof(REQUEST) - 1
          && memcmp(rest, REQUEST, (size_t) n) == 0, "the request");

    len = sizeof(storage);
    sin = (struct sockaddr_in *) &storage;
    check(realpeer_address_to_sockaddr(&d.client, (struct sockaddr *) sin,
                                       &len) == 0, "sockaddr");
    check(len == sizeof(*sin) && sin->sin_family == AF_INET
          && ntohs(sin->sin_port) == 56324
          && sin->sin_addr.s_addr == inet_addr("192.0.2.1"), "sockaddr");

    close(fd[0]);
    close(fd[1]);
}


int
main(void)
{
    unsigned  vectors;

    build_fence(70000);

    check_version();
    check_words();
    check_rules();
    check_null();
    check_example();
    vectors = check_vectors();

    printf("%u vectors, %lu checks, %lu faults\n", vectors, checks, faults);

    return faults != 0 || vectors == 0;
}
