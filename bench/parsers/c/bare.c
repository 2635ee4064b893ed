/*
 * The yardstick: how fast a decoder can be that checks nothing but where the
 * bytes end. It reads valid headers right, and of others says anything at all;
 * no server should use it.
 */

#include <string.h>

#ifdef __x86_64__
#include <nmmintrin.h>
#endif

#include "answer.h"

typedef struct {
    const uint8_t  *at;
    const uint8_t  *end;
} cursor;

static const uint8_t  signature[12] = "\r\n\r\n\0\r\nQUIT\n";

static int64_t
none(bench_answer *answer, size_t len)
{
    answer->source.any.sa_family = AF_UNSPEC;
    answer->destination.any.sa_family = AF_UNSPEC;

    return len;
}

/* --- version 2 --------------------------------------------------------- */

static void
address_v4(bench_sockaddr *to, const uint8_t *ip, const uint8_t *port)
{
    to->v4.sin_family = AF_INET;
    memcpy(&to->v4.sin_port, port, 2);
    memcpy(&to->v4.sin_addr, ip, 4);
}

static void
address_v6(bench_sockaddr *to, const uint8_t *ip, const uint8_t *port)
{
    to->v6.sin6_family = AF_INET6;
    memcpy(&to->v6.sin6_port, port, 2);
    memcpy(&to->v6.sin6_addr, ip, 16);
}

#ifdef __x86_64__

__attribute__((target("sse4.2"))) static uint32_t
crc32c(uint32_t crc, const uint8_t *data, size_t len)
{
    uint64_t  word, wide = crc;

    for (; len >= 8; data += 8, len -= 8) {
        memcpy(&word, data, 8);
        wide = _mm_crc32_u64(wide, word);
    }

    for (crc = wide; len > 0; data++, len--) {
        crc = _mm_crc32_u8(crc, *data);
    }

    return crc;
}

#else

/* Right, and not worth being compared with. */
static uint32_t
crc32c(uint32_t crc, const uint8_t *data, size_t len)
{
    for (; len > 0; data++, len--) {
        crc ^= *data;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
        }
    }

    return crc;
}

#endif

static int
checksum_is_right(const uint8_t *header, const uint8_t *field,
    const uint8_t *end)
{
    uint32_t       crc, stated;
    const uint8_t  zeroes[4] = { 0 };

    crc = crc32c(~0u, header, field - header);
    crc = crc32c(crc, zeroes, 4);
    crc = crc32c(crc, field + 4, end - field - 4);

    memcpy(&stated, field, 4);

    return ~crc == __builtin_bswap32(stated);
}

/* Walks the TLVs to their end, and verifies the checksum among them. */
static int
tlvs_are_right(const uint8_t *header, const uint8_t *at, const uint8_t *end)
{
    size_t          len;
    const uint8_t  *checksum = NULL;

    while (end - at >= 3) {
        len = at[1] << 8 | at[2];
        if ((size_t) (end - at) - 3 < len) {
            return 0;
        }

        if (at[0] == 3 && len == 4) {
            checksum = at + 3;
        }

        at += 3 + len;
    }

    return at == end
        && (checksum == NULL || checksum_is_right(header, checksum, end));
}

static int64_t
version_2(const uint8_t *data, size_t len, bench_answer *answer)
{
    size_t          block;
    const uint8_t  *tlvs, *end;

    if (len < 16) {
        return BENCH_MORE;
    }

    block = data[14] << 8 | data[15];
    if (len - 16 < block) {
        return BENCH_MORE;
    }

    tlvs = data + 16;
    end = tlvs + block;

    if (data[12] != 0x21) {
        none(answer, 0);

    } else if (data[13] >> 4 == 1 && block >= 12) {
        address_v4(&answer->source, tlvs, tlvs + 8);
        address_v4(&answer->destination, tlvs + 4, tlvs + 10);
        tlvs += 12;

    } else if (data[13] >> 4 == 2 && block >= 36) {
        address_v6(&answer->source, tlvs, tlvs + 32);
        address_v6(&answer->destination, tlvs + 16, tlvs + 34);
        tlvs += 36;

    } else {
        return none(answer, 16 + block);
    }

    return tlvs_are_right(data, tlvs, end) ? 16 + (int64_t) block
                                           : BENCH_REFUSED;
}

/* --- version 1 --------------------------------------------------------- */

static unsigned
decimal(cursor *c)
{
    unsigned  digit, value = 0;

    while (c->at < c->end && (digit = *c->at - '0') < 10) {
        value = value * 10 + digit;
        c->at++;
    }

    /* The byte that ended it. */
    c->at += c->at < c->end;

    return value;
}

static void
text_v4(cursor *c, bench_sockaddr *to)
{
    uint8_t  *ip = (uint8_t *) &to->v4.sin_addr;

    to->v4.sin_family = AF_INET;
    for (int i = 0; i < 4; i++) {
        ip[i] = decimal(c);
    }
}

/* One more than the digit, and 0 for what is none. */
static const uint8_t  hex_digits[256] = {
    ['0'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ['A'] = 11, 12, 13, 14, 15, 16,
    ['a'] = 11, 12, 13, 14, 15, 16,
};

static void
text_v6(cursor *c, bench_sockaddr *to)
{
    int        count = 0, gap = -1;
    unsigned   digit, value;
    uint16_t  *ip = to->v6.sin6_addr.s6_addr16;

    to->v6.sin6_family = AF_INET6;

    while (c->at < c->end && *c->at != ' ' && count < 8) {
        if (*c->at == ':') {
            /* The second of two, or both in front of everything. */
            c->at += 1 + (count == 0);
            gap = count;
            continue;
        }

        value = 0;
        while (c->at < c->end && (digit = hex_digits[*c->at]) != 0) {
            value = value << 4 | (digit - 1);
            c->at++;
        }

        ip[count++] = __builtin_bswap16(value);
        c->at += c->at < c->end && *c->at == ':';
    }

    if (gap >= 0) {
        memmove(ip + 8 - (count - gap), ip + gap, 2 * (count - gap));
        memset(ip + gap, 0, 2 * (8 - count));
    }

    c->at += c->at < c->end;
}

static int64_t
version_1(const uint8_t *data, size_t len, bench_answer *answer)
{
    cursor          c;
    const uint8_t  *lf;

    if (len < 12) {
        return BENCH_MORE;
    }

    c.at = data + 11;
    c.end = data + len;

    if (data[6] == 'U') {
        lf = memchr(data, '\n', len);
        return lf == NULL ? BENCH_MORE : none(answer, lf + 1 - data);
    }

    if (data[9] == '4') {
        text_v4(&c, &answer->source);
        text_v4(&c, &answer->destination);

    } else {
        text_v6(&c, &answer->source);
        text_v6(&c, &answer->destination);
    }

    /* The port is at the same place in both. */
    answer->source.v4.sin_port = __builtin_bswap16(decimal(&c));
    answer->destination.v4.sin_port = __builtin_bswap16(decimal(&c));

    return c.at == c.end ? BENCH_MORE : c.at + 1 - data;
}

/* --- which of them ----------------------------------------------------- */

int64_t
bench_bare(const uint8_t *data, size_t len, bench_answer *answer)
{
    if (len == 0) {
        return BENCH_MORE;
    }

    if (memcmp(data, signature, len < 12 ? len : 12) == 0) {
        return version_2(data, len, answer);
    }

    if (memcmp(data, "PROXY ", len < 6 ? len : 6) == 0) {
        return version_1(data, len, answer);
    }

    return BENCH_REFUSED;
}
