/*
 * A program that parses without a policy: its function print_source().
 */

#include "blocks.h"
#include BLOCK


int
main(void)
{
    size_t          i;
    const uint8_t  *line;

    line = (const uint8_t *) LINE REQUEST;

    for (i = 0; i < sizeof(LINE) - 1; i++) {
        must(print_source(line, i) == 0);
    }
    must(print_source(line, i) == (int32_t) i);
    must(print_source(line, sizeof(LINE REQUEST) - 1) == (int32_t) i);
    must(print_source((const uint8_t *) REQUEST, 5)
         == REALPEER_RESULT_NO_HEADER);

    return 0;
}
