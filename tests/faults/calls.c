/*
 * Preloaded into nginx or httpd, this has calls of a realpeer module fail, and
 * those of nobody else: of memory, of descriptors, of a thread, of reading. Which
 * one is in the plan.
 *
 * A module's calls of its server cannot be taken over by a library, as the program
 * itself comes first wherever a name is looked up. So the module's own table of
 * the functions it calls is changed when it has been loaded.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "plan.h"

#if defined(__x86_64__)
#define IS_CALL(type)  ((type) == R_X86_64_JUMP_SLOT \
                        || (type) == R_X86_64_GLOB_DAT)
#elif defined(__aarch64__)
#define IS_CALL(type)  ((type) == R_AARCH64_JUMP_SLOT \
                        || (type) == R_AARCH64_GLOB_DAT)
#else
#error "say how this machine calls a function of another library"
#endif

#define NGX_ERROR       -1
#define NO_MEMORY       12      /* as APR has it, too */


/*
 * --- the functions: what is returned where it fails, and errno --------------
 *
 * Some have a second name, for compilers that know how much room there is.
 */

#define FUNCTION(type, name, parameters, arguments, failed, error)             \
    FUNCTION_AS(#name, type, name, parameters, arguments, failed, error)

#define FUNCTION_AS(text, type, name, parameters, arguments, failed, error)    \
    static type (*real_##name) parameters;                                    \
                                                                              \
    static type                                                               \
    our_##name parameters                                                     \
    {                                                                         \
        if (plan_fails(text)) {                                               \
            errno = (error) ? (error) : errno;                                \
            return failed;                                                    \
        }                                                                     \
        return real_##name arguments;                                         \
    }

/* nginx */

FUNCTION(void *, ngx_palloc, (void *pool, size_t size), (pool, size),
         NULL, ENOMEM)
FUNCTION(void *, ngx_pnalloc, (void *pool, size_t size), (pool, size),
         NULL, ENOMEM)
FUNCTION(void *, ngx_pcalloc, (void *pool, size_t size), (pool, size),
         NULL, ENOMEM)
FUNCTION(void *, ngx_pool_cleanup_add, (void *pool, size_t size), (pool, size),
         NULL, ENOMEM)
FUNCTION(intptr_t, ngx_handle_read_event, (void *event, uintptr_t flags),
         (event, flags), NGX_ERROR, ENOSPC)
FUNCTION(intptr_t, ngx_connection_local_sockaddr,
         (void *c, void *text, uintptr_t port), (c, text, port),
         NGX_ERROR, ENOBUFS)

/* httpd: no memory of a pool, which is httpd's own end, see memory.c */

FUNCTION(int, apr_os_sock_get, (int *fd, void *socket), (fd, socket),
         NO_MEMORY, 0)
FUNCTION(int, ap_get_brigade,
         (void *f, void *bb, int mode, int block, off_t bytes),
         (f, bb, mode, block, bytes), NO_MEMORY, 0)
FUNCTION(int, apr_brigade_flatten, (void *bb, char *data, size_t *len),
         (bb, data, len), NO_MEMORY, 0)
FUNCTION(int, apr_brigade_length, (void *bb, int all, off_t *len),
         (bb, all, len), NO_MEMORY, 0)
FUNCTION(int, pthread_create,
         (pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
          void *data),
         (thread, attr, run, data), EAGAIN, 0)
FUNCTION(int, pthread_mutex_init,
         (pthread_mutex_t *mutex, const pthread_mutexattr_t *attr),
         (mutex, attr), ENOMEM, 0)
FUNCTION(int, pthread_cond_init,
         (pthread_cond_t *cond, const pthread_condattr_t *attr),
         (cond, attr), ENOMEM, 0)
FUNCTION(int, pthread_condattr_init, (pthread_condattr_t *attr), (attr),
         ENOMEM, 0)
FUNCTION(int, pthread_condattr_setclock,
         (pthread_condattr_t *attr, clockid_t clock), (attr, clock), EINVAL, 0)
FUNCTION(int, poll, (struct pollfd *fds, nfds_t n, int timeout),
         (fds, n, timeout), -1, ENOMEM)
FUNCTION_AS("poll", int, __poll_chk,
            (struct pollfd *fds, nfds_t n, int timeout, size_t room),
            (fds, n, timeout, room), -1, ENOMEM)

/* both */

FUNCTION(ssize_t, recv, (int fd, void *data, size_t size, int flags),
         (fd, data, size, flags), -1, ENOMEM)
FUNCTION_AS("recv", ssize_t, __recv_chk,
            (int fd, void *data, size_t size, size_t room, int flags),
            (fd, data, size, room, flags), -1, ENOMEM)


/* Only to duplicate a descriptor; everything else is no business of ours. */

static int (*real_fcntl)(int fd, int command, ...);

static int
our_fcntl(int fd, int command, ...)
{
    long     value;
    va_list  arguments;

    va_start(arguments, command);
    value = va_arg(arguments, long);
    va_end(arguments);

    if (command == F_DUPFD_CLOEXEC && plan_fails("fcntl")) {
        errno = EMFILE;
        return -1;
    }

    return real_fcntl(fd, command, value);
}


#define OURS(name)  { #name, (void *) our_##name, (void **) &real_##name }

static const struct {
    const char  *name;
    void        *ours;
    void       **real;
} functions[] = {
    OURS(ngx_palloc),
    OURS(ngx_pnalloc),
    OURS(ngx_pcalloc),
    OURS(ngx_pool_cleanup_add),
    OURS(ngx_handle_read_event),
    OURS(ngx_connection_local_sockaddr),
    OURS(apr_os_sock_get),
    OURS(ap_get_brigade),
    OURS(apr_brigade_flatten),
    OURS(apr_brigade_length),
    OURS(pthread_create),
    OURS(pthread_mutex_init),
    OURS(pthread_cond_init),
    OURS(pthread_condattr_init),
    OURS(pthread_condattr_setclock),
    OURS(poll),
    OURS(__poll_chk),
    OURS(recv),
    OURS(__recv_chk),
    OURS(fcntl),
};


/* --- the table of a module -------------------------------------------------- */

/* Has `*slot`, which leads to a function of that name, lead to ours. */
static void
take_over(const char *name, void **slot)
{
    long    page;
    size_t  i;

    for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (strcmp(functions[i].name, name) != 0
            || *slot == functions[i].ours)
        {
            continue;
        }

        /* The dynamic linker has made it read-only. */
        page = sysconf(_SC_PAGESIZE);
        if (mprotect((void *) ((uintptr_t) slot & ~(uintptr_t) (page - 1)),
                     (size_t) page, PROT_READ | PROT_WRITE)
            != 0)
        {
            abort();
        }

        *functions[i].real = *slot;
        *slot = functions[i].ours;
    }
}


static void
take_over_all(const struct link_map *module, const ElfW(Rela) *entry,
    size_t size, const ElfW(Sym) *symbols, const char *names)
{
    size_t             i;
    const ElfW(Sym)   *symbol;

    for (i = 0; i < size / sizeof(*entry); i++) {
        if (IS_CALL(ELF64_R_TYPE(entry[i].r_info))) {
            symbol = &symbols[ELF64_R_SYM(entry[i].r_info)];
            take_over(names + symbol->st_name,
                      (void **) (module->l_addr + entry[i].r_offset));
        }
    }
}


static void
take_over_module(const struct link_map *module)
{
    size_t             plt_size = 0, size = 0;
    const char        *names = NULL;
    const ElfW(Dyn)   *dyn;
    const ElfW(Sym)   *symbols = NULL;
    const ElfW(Rela)  *plt = NULL, *other = NULL;

    for (dyn = module->l_ld; dyn->d_tag != DT_NULL; dyn++) {
        switch (dyn->d_tag) {
        case DT_STRTAB:
            names = (const char *) dyn->d_un.d_ptr;
            break;
        case DT_SYMTAB:
            symbols = (const ElfW(Sym) *) dyn->d_un.d_ptr;
            break;
        case DT_JMPREL:
            plt = (const ElfW(Rela) *) dyn->d_un.d_ptr;
            break;
        case DT_PLTRELSZ:
            plt_size = dyn->d_un.d_val;
            break;
        case DT_RELA:
            other = (const ElfW(Rela) *) dyn->d_un.d_ptr;
            break;
        case DT_RELASZ:
            size = dyn->d_un.d_val;
            break;
        default:
            break;
        }
    }

    take_over_all(module, plt, plt_size, symbols, names);
    take_over_all(module, other, size, symbols, names);
}


/* Both servers load modules with all their functions looked up at once. */
void *
dlopen(const char *file, int flags)
{
    void                    *handle;
    struct link_map         *module;
    static void           *(*real)(const char *, int);

    if (real == NULL) {
        *(void **) &real = dlsym(RTLD_NEXT, "dlopen");
    }

    handle = real(file, flags);

    if (handle != NULL && file != NULL && strstr(file, "_realpeer") != NULL
        && dlinfo(handle, RTLD_DI_LINKMAP, &module) == 0)
    {
        take_over_module(module);
    }

    return handle;
}
