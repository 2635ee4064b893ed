/*
 * Tells callgrind where to begin to count and where to stop. Without valgrind
 * these are a few instructions that do nothing.
 */

#include <valgrind/callgrind.h>

void
bench_count_from_here(void)
{
    CALLGRIND_ZERO_STATS;
}

void
bench_count_to_here(const char *name)
{
    CALLGRIND_DUMP_STATS_AT(name);
}
