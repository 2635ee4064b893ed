/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * The deadline of a connection that the MPM waits for.
 *
 * The MPM knows one time for all its connections, and calls back at another
 * one if asked, but then without a connection: that may be gone by then, with
 * its pool.  So what is called back with belongs to the child process, and is
 * given up by both sides.  It wakes the connection by the end of its input,
 * on a descriptor of its own: the number of the other one may be another
 * connection's by then.
 */

#include "mod_realpeer.h"

#include <apr_thread_mutex.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>


/* A header has seconds; some of a second more does not matter. */
#define MOD_REALPEER_LATER  apr_time_from_msec(20)


struct mod_realpeer_watch_t {
    mod_realpeer_watch_t *next;   /* of those that nobody uses */
    int fd;                       /* -1: nobody waits any more */
    int armed;                    /* to wake it when the time has passed */
    int fired;
    int users;                    /* the connection, the MPM */
};


/* Of this child process. */

static struct {
    apr_pool_t *pool;
    apr_thread_mutex_t *mutex;
    mod_realpeer_watch_t *unused;
    int can_wait;
} mod_realpeer_child;


#if MOD_REALPEER_HAVE_WAITIO

static mod_realpeer_watch_t *mod_realpeer_new_watch(int fd);
static void mod_realpeer_late(void *data);
static apr_status_t mod_realpeer_end_watch(void *data);
static void mod_realpeer_leave(mod_realpeer_watch_t *watch);


void mod_realpeer_watch_init(apr_pool_t *pchild)
{
    int can_wait = 0;

    memset(&mod_realpeer_child, 0, sizeof(mod_realpeer_child));

    if (ap_mpm_query(AP_MPMQ_CAN_WAITIO, &can_wait) != APR_SUCCESS
        || !can_wait
        || apr_thread_mutex_create(&mod_realpeer_child.mutex,
                                   APR_THREAD_MUTEX_DEFAULT, pchild)
           != APR_SUCCESS) {
        return;
    }

    /* Used by all threads, under the mutex: with memory of its own. */

    if (apr_pool_create_unmanaged(&mod_realpeer_child.pool) != APR_SUCCESS) {
        return;
    }

    mod_realpeer_child.can_wait = 1;
}


int mod_realpeer_can_watch(conn_rec *c)
{
    return mod_realpeer_child.can_wait && c->cs;
}


/* NULL: the MPM will not call back. */

mod_realpeer_watch_t *mod_realpeer_watch(conn_rec *c, int fd,
                                         apr_interval_time_t timeout)
{
    mod_realpeer_watch_t *watch;

    fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (fd < 0) {
        return NULL;
    }

    watch = mod_realpeer_new_watch(fd);

    if (timeout < 0) {
        timeout = 0;
    }

    if (ap_mpm_register_timed_callback(timeout + MOD_REALPEER_LATER,
                                       mod_realpeer_late, watch)
        != APR_SUCCESS) {
        watch->users = 1;
        (void) mod_realpeer_end_watch(watch);
        return NULL;
    }

    apr_pool_cleanup_register(c->pool, watch, mod_realpeer_end_watch,
                              apr_pool_cleanup_null);

    return watch;
}


static mod_realpeer_watch_t *mod_realpeer_new_watch(int fd)
{
    mod_realpeer_watch_t *watch;

    apr_thread_mutex_lock(mod_realpeer_child.mutex);

    watch = mod_realpeer_child.unused;

    if (watch) {
        mod_realpeer_child.unused = watch->next;
    }
    else {
        watch = apr_palloc(mod_realpeer_child.pool, sizeof(*watch));
    }

    apr_thread_mutex_unlock(mod_realpeer_child.mutex);

    watch->next = NULL;
    watch->fd = fd;
    watch->armed = 0;
    watch->fired = 0;
    watch->users = 2;

    return watch;
}


void mod_realpeer_watch_arm(mod_realpeer_watch_t *watch, int armed)
{
    apr_thread_mutex_lock(mod_realpeer_child.mutex);

    watch->armed = armed;

    /* It was late when it was not to be woken yet. */

    if (armed && watch->fired) {
        (void) shutdown(watch->fd, SHUT_RD);
    }

    apr_thread_mutex_unlock(mod_realpeer_child.mutex);
}


int mod_realpeer_watch_fired(mod_realpeer_watch_t *watch)
{
    int fired;

    apr_thread_mutex_lock(mod_realpeer_child.mutex);
    fired = watch->fired;
    apr_thread_mutex_unlock(mod_realpeer_child.mutex);

    return fired;
}


void mod_realpeer_unwatch(conn_rec *c, mod_realpeer_watch_t *watch)
{
    apr_pool_cleanup_run(c->pool, watch, mod_realpeer_end_watch);
}


/* The MPM calls back, in any thread. */

static void mod_realpeer_late(void *data)
{
    mod_realpeer_watch_t *watch = data;

    apr_thread_mutex_lock(mod_realpeer_child.mutex);

    watch->fired = 1;

    if (watch->fd >= 0 && watch->armed) {
        (void) shutdown(watch->fd, SHUT_RD);
    }

    mod_realpeer_leave(watch);

    apr_thread_mutex_unlock(mod_realpeer_child.mutex);
}


/* The connection is decided, or gone. */

static apr_status_t mod_realpeer_end_watch(void *data)
{
    mod_realpeer_watch_t *watch = data;

    apr_thread_mutex_lock(mod_realpeer_child.mutex);

    (void) close(watch->fd);
    watch->fd = -1;

    mod_realpeer_leave(watch);

    apr_thread_mutex_unlock(mod_realpeer_child.mutex);

    return APR_SUCCESS;
}


static void mod_realpeer_leave(mod_realpeer_watch_t *watch)
{
    watch->users--;

    if (watch->users == 0) {
        watch->next = mod_realpeer_child.unused;
        mod_realpeer_child.unused = watch;
    }
}

#else

/* An MPM that waits for nobody: the thread that has a connection does. */

void mod_realpeer_watch_init(apr_pool_t *pchild)
{
    (void) pchild;
}


int mod_realpeer_watch_fired(mod_realpeer_watch_t *watch)
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
