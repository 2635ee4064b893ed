/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * The deadlines of connections that the MPM waits for.
 *
 * The MPM has one time for all its connections, and its timed callbacks come
 * late on a quiet server: up to 2.4.71 at least, its listener looks at them
 * only when something else wakes it.  So each child process that has such
 * connections has one thread, which sleeps until the next deadline.
 *
 * It wakes a connection by the end of its input, on a descriptor of its own:
 * the number of the other one may be another connection's by then, as the MPM
 * closes it without asking.
 */

#include "mod_realpeer.h"

#if MOD_REALPEER_HAVE_WAITIO

#include <apr_ring.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>


struct mod_realpeer_watch_t {
    APR_RING_ENTRY(mod_realpeer_watch_t) link;
    int fd;
    apr_time_t deadline;
    int armed;                    /* the MPM has it */
    int fired;
};

APR_RING_HEAD(mod_realpeer_watches_t, mod_realpeer_watch_t);


/* Of this child process; all but can_wait under the mutex. */

static struct {
    int can_wait;
    int has_thread;
    int stops;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct mod_realpeer_watches_t watches;  /* by deadline */
} mod_realpeer_child;


static int mod_realpeer_start_thread(void);
static void *mod_realpeer_run(void *data);
static apr_time_t mod_realpeer_wake_late(void);
static void mod_realpeer_insert(mod_realpeer_watch_t *watch);
static apr_status_t mod_realpeer_end_watch(void *data);
static apr_status_t mod_realpeer_end_child(void *data);


void mod_realpeer_watch_init(apr_pool_t *pchild)
{
    pthread_condattr_t attr;
    int can_wait = 0;

    memset(&mod_realpeer_child, 0, sizeof(mod_realpeer_child));
    APR_RING_INIT(&mod_realpeer_child.watches, mod_realpeer_watch_t, link);

    if (ap_mpm_query(AP_MPMQ_CAN_WAITIO, &can_wait) != APR_SUCCESS
        || !can_wait) {
        return;
    }

    if (pthread_mutex_init(&mod_realpeer_child.mutex, NULL) != 0) {
        return;
    }

    if (pthread_condattr_init(&attr) != 0) {
        return;
    }

    if (pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0
        && pthread_cond_init(&mod_realpeer_child.changed, &attr) == 0) {
        mod_realpeer_child.can_wait = 1;
        apr_pool_cleanup_register(pchild, NULL, mod_realpeer_end_child,
                                  apr_pool_cleanup_null);
    }

    pthread_condattr_destroy(&attr);
}


int mod_realpeer_can_watch(conn_rec *c)
{
    return mod_realpeer_child.can_wait && c->cs;
}


/* NULL: nobody could wake it. */

mod_realpeer_watch_t *mod_realpeer_watch(conn_rec *c, int fd,
                                         apr_time_t deadline)
{
    mod_realpeer_watch_t *watch;

    fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (fd < 0) {
        return NULL;
    }

    watch = apr_pcalloc(c->pool, sizeof(*watch));
    watch->fd = fd;
    watch->deadline = deadline;

    pthread_mutex_lock(&mod_realpeer_child.mutex);

    if (!mod_realpeer_start_thread()) {
        pthread_mutex_unlock(&mod_realpeer_child.mutex);
        (void) close(fd);
        return NULL;
    }

    mod_realpeer_insert(watch);

    pthread_mutex_unlock(&mod_realpeer_child.mutex);

    apr_pool_cleanup_register(c->pool, watch, mod_realpeer_end_watch,
                              apr_pool_cleanup_null);

    return watch;
}


/* The connection is given to the MPM. */

void mod_realpeer_watch_arm(mod_realpeer_watch_t *watch)
{
    pthread_mutex_lock(&mod_realpeer_child.mutex);

    watch->armed = 1;

    if (watch->fired) {
        (void) shutdown(watch->fd, SHUT_RD);
    }

    pthread_mutex_unlock(&mod_realpeer_child.mutex);
}


/*
 * A thread has the connection again, and until it arms it nobody ends its
 * input.  Returns whether somebody has.
 */

int mod_realpeer_watch_hold(mod_realpeer_watch_t *watch)
{
    int ended;

    pthread_mutex_lock(&mod_realpeer_child.mutex);

    ended = watch->armed && watch->fired;
    watch->armed = 0;

    pthread_mutex_unlock(&mod_realpeer_child.mutex);

    return ended;
}


void mod_realpeer_unwatch(conn_rec *c, mod_realpeer_watch_t *watch)
{
    apr_pool_cleanup_run(c->pool, watch, mod_realpeer_end_watch);
}


/* The connection is decided, or gone. */

static apr_status_t mod_realpeer_end_watch(void *data)
{
    mod_realpeer_watch_t *watch = data;

    pthread_mutex_lock(&mod_realpeer_child.mutex);

    if (!watch->fired) {
        APR_RING_REMOVE(watch, link);
    }

    (void) close(watch->fd);

    pthread_mutex_unlock(&mod_realpeer_child.mutex);

    return APR_SUCCESS;
}


/* Signals are for the threads of the MPM. */

static int mod_realpeer_start_thread(void)
{
    sigset_t all, before;

    if (mod_realpeer_child.has_thread) {
        return 1;
    }

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);

    mod_realpeer_child.has_thread =
        pthread_create(&mod_realpeer_child.thread, NULL, mod_realpeer_run,
                       NULL) == 0;

    pthread_sigmask(SIG_SETMASK, &before, NULL);

    return mod_realpeer_child.has_thread;
}


static void *mod_realpeer_run(void *data)
{
    struct timespec until;
    apr_time_t next;

    (void) data;

    pthread_mutex_lock(&mod_realpeer_child.mutex);

    while (!mod_realpeer_child.stops) {
        next = mod_realpeer_wake_late();

        if (next == 0) {
            pthread_cond_wait(&mod_realpeer_child.changed,
                              &mod_realpeer_child.mutex);
            continue;
        }

        until.tv_sec = apr_time_sec(next);
        until.tv_nsec = apr_time_usec(next) * 1000;

        pthread_cond_timedwait(&mod_realpeer_child.changed,
                               &mod_realpeer_child.mutex, &until);
    }

    pthread_mutex_unlock(&mod_realpeer_child.mutex);

    return NULL;
}


/* The next deadline; 0: there is none. */

static apr_time_t mod_realpeer_wake_late(void)
{
    struct mod_realpeer_watches_t *watches = &mod_realpeer_child.watches;
    mod_realpeer_watch_t *watch;
    apr_time_t now = mod_realpeer_now();

    while (!APR_RING_EMPTY(watches, mod_realpeer_watch_t, link)) {
        watch = APR_RING_FIRST(watches);

        if (watch->deadline > now) {
            return watch->deadline;
        }

        APR_RING_REMOVE(watch, link);
        watch->fired = 1;

        if (watch->armed) {
            (void) shutdown(watch->fd, SHUT_RD);
        }
    }

    return 0;
}


/* From the end: where all have the same time, the new one is the last. */

static void mod_realpeer_insert(mod_realpeer_watch_t *watch)
{
    struct mod_realpeer_watches_t *watches = &mod_realpeer_child.watches;
    mod_realpeer_watch_t *before = APR_RING_LAST(watches);

    while (before != APR_RING_SENTINEL(watches, mod_realpeer_watch_t, link)
           && before->deadline > watch->deadline) {
        before = APR_RING_PREV(before, link);
    }

    APR_RING_INSERT_AFTER(before, watch, link);

    if (APR_RING_FIRST(watches) == watch) {
        pthread_cond_signal(&mod_realpeer_child.changed);
    }
}


static apr_status_t mod_realpeer_end_child(void *data)
{
    int has_thread;

    (void) data;

    pthread_mutex_lock(&mod_realpeer_child.mutex);

    has_thread = mod_realpeer_child.has_thread;
    mod_realpeer_child.stops = 1;
    pthread_cond_signal(&mod_realpeer_child.changed);

    pthread_mutex_unlock(&mod_realpeer_child.mutex);

    if (has_thread) {
        (void) pthread_join(mod_realpeer_child.thread, NULL);
    }

    return APR_SUCCESS;
}

#else

/* An MPM that waits for nobody: the thread that has a connection does. */

void mod_realpeer_watch_init(apr_pool_t *pchild)
{
    (void) pchild;
}


int mod_realpeer_can_watch(conn_rec *c)
{
    (void) c;

    return 0;
}


mod_realpeer_watch_t *mod_realpeer_watch(conn_rec *c, int fd,
                                         apr_time_t deadline)
{
    (void) c;
    (void) fd;
    (void) deadline;

    return NULL;
}


void mod_realpeer_watch_arm(mod_realpeer_watch_t *watch)
{
    (void) watch;
}


int mod_realpeer_watch_hold(mod_realpeer_watch_t *watch)
{
    (void) watch;

    return 0;
}


void mod_realpeer_unwatch(conn_rec *c, mod_realpeer_watch_t *watch)
{
    (void) c;
    (void) watch;
}

#endif
