/*
 * Preloaded into a server, this has requests for memory fail, whoever makes them.
 * Which one is in the plan.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <sys/syscall.h>

#include "plan.h"


/* glibc's own; dlsym() could not find them without asking for memory. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *data, size_t size);
void *__libc_memalign(size_t alignment, size_t size);


static int
fails(const char *name, size_t size)
{
    return plan != NULL && size >= plan->least && plan_fails(name);
}


void *
malloc(size_t size)
{
    if (fails("malloc", size)) {
        errno = ENOMEM;
        return NULL;
    }

    return __libc_malloc(size);
}


void *
calloc(size_t count, size_t size)
{
    if (fails("calloc", count * size)) {
        errno = ENOMEM;
        return NULL;
    }

    return __libc_calloc(count, size);
}


void *
realloc(void *data, size_t size)
{
    /* With 0 it frees. */
    if (size > 0 && fails("realloc", size)) {
        errno = ENOMEM;
        return NULL;
    }

    return __libc_realloc(data, size);
}


int
posix_memalign(void **data, size_t alignment, size_t size)
{
    if (fails("posix_memalign", size)) {
        return ENOMEM;
    }

    *data = __libc_memalign(alignment, size);

    return *data == NULL ? ENOMEM : 0;
}


/* Debian's APR takes the blocks of its pools from the kernel itself. */
void *
mmap(void *address, size_t size, int access, int flags, int fd, off_t from)
{
    if ((flags & MAP_ANONYMOUS) && fails("mmap", size)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }

    return (void *) syscall(SYS_mmap, address, size, access, flags, fd, from);
}


void *
mmap64(void *address, size_t size, int access, int flags, int fd, off_t from)
{
    return mmap(address, size, access, flags, fd, from);
}
