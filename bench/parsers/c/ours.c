/*
 * realpeer through its C interface, as a program in C calls it. Linked, with
 * librealpeer.a, into a shared object of its own, as nginx's module is.
 */

#include <string.h>

#include "answer.h"
#include "realpeer.h"

/* 64 KiB, so that every header of the benchmark is within the limit. */
static const realpeer_settings settings = { REALPEER_MAX_HEADER, 0, 0, { 0 } };

/* To realpeer's own struct: family, port and address. */
int64_t
bench_ours(const uint8_t *data, size_t len, realpeer_header *header)
{
    int32_t result = realpeer_parse(data, len, &settings, sizeof(settings),
                                    header, sizeof(*header));

    if (result < REALPEER_RESULT_MORE) {
        return BENCH_REFUSED;
    }

    return result == REALPEER_RESULT_MORE ? BENCH_MORE : header->length;
}

/* And on to the sockets API's. */
int64_t
bench_ours_sockaddr(const uint8_t *data, size_t len, bench_answer *answer)
{
    int64_t          length;
    socklen_t        size;
    realpeer_header  header;

    length = bench_ours(data, len, &header);

    if (length > 0) {
        size = sizeof(bench_sockaddr);
        if (realpeer_address_to_sockaddr(&header.source,
                                         &answer->source.any, &size) != 0)
        {
            answer->source.any.sa_family = AF_UNSPEC;
            answer->destination.any.sa_family = AF_UNSPEC;
            return length;
        }

        size = sizeof(bench_sockaddr);
        realpeer_address_to_sockaddr(&header.destination,
                                     &answer->destination.any, &size);
    }

    return length;
}

_Static_assert(sizeof(realpeer_header) <= 96, "Place in src/lib.rs is too small");

/* For the comparison of answers only. */
void
bench_ours_read(const realpeer_header *header, bench_answer *answer)
{
    socklen_t  size = sizeof(bench_sockaddr);

    memset(answer, 0, sizeof(*answer));
    realpeer_address_to_sockaddr(&header->source, &answer->source.any, &size);
    size = sizeof(bench_sockaddr);
    realpeer_address_to_sockaddr(&header->destination,
                                 &answer->destination.any, &size);
}
