/*
 * Which call is to fail, as a test has written it into a file, and which calls
 * there have been, for the test to read.
 *
 * The file is named by REALPEER_FAULTS and mapped before main(), so that all the
 * processes of a server share it, whoever they have become.
 */

#ifndef PLAN_H
#define PLAN_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>


#define PLAN_CALLS  1024
#define PLAN_NAME   32

typedef struct {
    uint32_t  fails;        /* this call from now on, the first is 1; 0: none */
    uint32_t  and_on;       /* and those that come after it */
    uint32_t  least;        /* only memory of so many bytes and more counts */
    uint32_t  calls;        /* so far */
    char      only[PLAN_NAME];  /* calls of this function; or of all */
    char      name[PLAN_CALLS][PLAN_NAME];
} plan_t;


static plan_t *plan;


/* Counts a call, and returns whether it has to fail. */
static inline int
plan_fails(const char *name)
{
    uint32_t  fails, number;

    if (plan == NULL) {
        return 0;
    }

    fails = __atomic_load_n(&plan->fails, __ATOMIC_ACQUIRE);
    if (fails == 0
        || (plan->only[0] != '\0' && strcmp(plan->only, name) != 0))
    {
        return 0;
    }

    number = __atomic_add_fetch(&plan->calls, 1, __ATOMIC_ACQ_REL);
    if (number <= PLAN_CALLS) {
        strncpy(plan->name[number - 1], name, PLAN_NAME - 1);
    }

    return number == fails || (number > fails && plan->and_on);
}


__attribute__((constructor))
static void
plan_begins(void)
{
    int          fd;
    void        *map;
    const char  *file;

    file = getenv("REALPEER_FAULTS");
    if (file == NULL) {
        return;
    }

    fd = open(file, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        abort();
    }

    map = mmap(NULL, sizeof(plan_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        abort();
    }

    close(fd);
    plan = map;
}

#endif
