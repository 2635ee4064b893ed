/*
 * Preloaded into httpd, this takes each piece of memory that is asked of a pool
 * from malloc, and gives it back when the pool ends. Valgrind and the sanitizers
 * then see what is written beyond a piece, or used after the pool's end, which
 * they cannot within the blocks that a pool has itself.
 *
 * What apr_psprintf() writes stays in the pool, which it knows from within.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#include <apr_pools.h>


#define BUCKETS  4096


typedef struct pieces pieces;

/* What one pool has handed out. */
struct pieces {
    pieces      *next;
    apr_pool_t  *pool;
    void       **piece;
    size_t       count;
    size_t       room;
};


static void (*real_clear)(apr_pool_t *);
static void (*real_destroy)(apr_pool_t *);

static pthread_mutex_t  lock = PTHREAD_MUTEX_INITIALIZER;
static pieces          *table[BUCKETS];

/* Of pools that are about to end in this thread, the innermost first. */
static __thread pieces  *ending;


static pieces **
place_of(apr_pool_t *pool)
{
    pieces  **at;

    at = &table[(size_t) pool / 64 % BUCKETS];
    while (*at != NULL && (*at)->pool != pool) {
        at = &(*at)->next;
    }

    return at;
}


/*
 * The pool's last cleanup. What follows may still look at the memory: the list of
 * its subprocesses does. After that, the address may be another pool's.
 */
static apr_status_t
pool_ends(void *data)
{
    pieces  *own, **at;

    pthread_mutex_lock(&lock);
    at = place_of(data);
    own = *at;
    *at = own->next;
    pthread_mutex_unlock(&lock);

    own->next = ending;
    ending = own;

    return APR_SUCCESS;
}


static void
give_back(pieces *until)
{
    pieces  *own;

    while (ending != until) {
        own = ending;
        ending = own->next;
        while (own->count > 0) {
            free(own->piece[--own->count]);
        }
        free(own->piece);
        free(own);
    }
}


/* Returns whether these are the first pieces of the pool. */
static int
keep(apr_pool_t *pool, void *piece)
{
    int       first;
    pieces  **at, *own;

    pthread_mutex_lock(&lock);

    at = place_of(pool);
    first = *at == NULL;
    if (first) {
        *at = calloc(1, sizeof(pieces));
        if (*at == NULL) {
            abort();
        }
        (*at)->pool = pool;
    }

    own = *at;
    if (own->count == own->room) {
        own->room = own->room * 2 + 8;
        own->piece = realloc(own->piece, own->room * sizeof(void *));
        if (own->piece == NULL) {
            abort();
        }
    }
    own->piece[own->count++] = piece;

    pthread_mutex_unlock(&lock);

    return first;
}


void *
apr_palloc(apr_pool_t *pool, apr_size_t size)
{
    void  *piece;

    piece = malloc(size > 0 ? size : 1);
    if (piece == NULL) {
        abort();
    }

    /*
     * Cleanups are called in the reverse order of their registration. Each has
     * to be allocated before it is registered, so this is the first.
     */
    if (keep(pool, piece)) {
        apr_pool_cleanup_register(pool, pool, pool_ends, apr_pool_cleanup_null);
    }

    return piece;
}


void
apr_pool_clear(apr_pool_t *pool)
{
    pieces  *before = ending;

    real_clear(pool);
    give_back(before);
}


void
apr_pool_destroy(apr_pool_t *pool)
{
    pieces  *before = ending;

    real_destroy(pool);
    give_back(before);
}


__attribute__((constructor))
static void
find_the_real_ones(void)
{
    *(void **) &real_clear = dlsym(RTLD_NEXT, "apr_pool_clear");
    *(void **) &real_destroy = dlsym(RTLD_NEXT, "apr_pool_destroy");
    if (real_clear == NULL || real_destroy == NULL) {
        abort();
    }
}
