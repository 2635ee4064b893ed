/*
 * The vectors, one a line, from tests/c_api.rs.  Their bytes end where a page
 * begins that may not be read, so that reading one byte too many is a crash and
 * not a matter of luck.
 */

#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>


/* Prefixes of long vectors are not all tried. */
#define EACH    1200
#define STEP    1009

/* Room for the longest header there is, and what follows it. */
#define LONGEST  (REALPEER_MAX_HEADER + 8192)


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


/* The end of the memory that may be read. */
static uint8_t  *fence;
static size_t    before_fence;


uint8_t *
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

    return (uint8_t *) memory + size;
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


unsigned
check_vectors(void)
{
    char         *line;
    size_t        room, len;
    unsigned      count;
    test_vector   v;

    fence = build_fence(LONGEST);
    before_fence = LONGEST;

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
