/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * A connection whose header is not whole.
 *
 * Where the MPM can wait for many connections at once (event), it is given
 * back to it after each look; otherwise the thread that has it waits, as it
 * would for the request.
 *
 * Bytes are read through the filters below, with those that count or limit
 * them, but for one rule: no byte is taken that may not be a header's.  What
 * is not one stays with the core's filter, where the protocol finds it.
 */

#include "mod_realpeer.h"

#include <util_filter.h>

#include <poll.h>


/*
 * Bytes after the header that are looked at with it, as many as begin another.
 * Looking takes no byte, and no call of its own.
 */
#define MOD_REALPEER_AFTER  16


struct mod_realpeer_wait_t {
    int fd;
    ap_filter_t *filter;
    apr_bucket_brigade *bb;
    mod_realpeer_watch_t *watch;  /* NULL: a thread waits, or nobody yet */
    apr_time_t watched;           /* its deadline */
    apr_time_t deadline;          /* of the header */
    uint8_t *data;
    apr_size_t size;              /* of the room there is */
    apr_size_t len;               /* of what has been seen */
    apr_size_t taken;             /* of that, off the stream already */
};


static ap_filter_rec_t *mod_realpeer_filter_rec;


static apr_status_t mod_realpeer_filter(ap_filter_t *f,
                                        apr_bucket_brigade *bb,
                                        ap_input_mode_t mode,
                                        apr_read_type_e block,
                                        apr_off_t bytes);
static int mod_realpeer_read(conn_rec *c, mod_realpeer_conn_t *rc);
static apr_status_t mod_realpeer_see(mod_realpeer_conn_t *rc, apr_size_t upto,
                                     apr_size_t *n);
static apr_status_t mod_realpeer_take_seen(mod_realpeer_conn_t *rc);
static int mod_realpeer_is_closed(int fd);
static void mod_realpeer_make_room(conn_rec *c, mod_realpeer_wait_t *wait,
                                   apr_size_t need);
static int mod_realpeer_suspend(conn_rec *c, mod_realpeer_conn_t *rc);
static int mod_realpeer_refuses_late(const mod_realpeer_conn_t *rc);
static void mod_realpeer_poll(const mod_realpeer_wait_t *wait);


void mod_realpeer_register_filter(apr_pool_t *p)
{
    (void) p;

    mod_realpeer_filter_rec = ap_register_input_filter("REALPEER",
                                                       mod_realpeer_filter,
                                                       NULL,
                                                   MOD_REALPEER_FILTER_TYPE);
}


/* A place in the chain to read from; until it is removed, nobody else may. */

static apr_status_t mod_realpeer_filter(ap_filter_t *f,
                                        apr_bucket_brigade *bb,
                                        ap_input_mode_t mode,
                                        apr_read_type_e block,
                                        apr_off_t bytes)
{
    const mod_realpeer_conn_t *rc = f->ctx;

    if (rc->wait) {
        return APR_ECONNABORTED;
    }

    return ap_get_brigade(f->next, bb, mode, block, bytes);
}


void mod_realpeer_wait(conn_rec *c, mod_realpeer_conn_t *rc, int fd)
{
    mod_realpeer_wait_t *wait = apr_pcalloc(c->pool, sizeof(*wait));

    wait->fd = fd;
    wait->bb = apr_brigade_create(c->pool, c->bucket_alloc);
    wait->deadline = rc->start + mod_realpeer_timeout(rc->conf);
    wait->filter = ap_add_input_filter_handle(mod_realpeer_filter_rec, rc,
                                              NULL, c);
    rc->wait = wait;

    mod_realpeer_count_waiting(c, rc);
}


/*
 * DECLINED: it is decided, the protocol may begin; OK: not so, or closed.  This
 * runs for every request of a connection that is kept alive, too: those have
 * long been decided.
 */

int mod_realpeer_process_connection(conn_rec *c)
{
    mod_realpeer_conn_t *rc;
    mod_realpeer_wait_t *wait;
    apr_status_t rv;
    apr_size_t n;

    if (c->master) {
        return DECLINED;
    }

    rc = mod_realpeer_get_conn(c);

    if (rc == NULL || rc->wait == NULL) {
        return DECLINED;
    }

    wait = rc->wait;

    while (mod_realpeer_read(c, rc) == REALPEER_ACTION_MORE) {
        if (mod_realpeer_suspend(c, rc)) {
            return OK;
        }

        mod_realpeer_poll(wait);
    }

    if (wait->watch) {
        mod_realpeer_unwatch(c, wait->watch);
    }

    if (rc->decision.action == REALPEER_ACTION_REFUSE
        && wait->len < MOD_REALPEER_LOG_BYTES) {
        mod_realpeer_make_room(c, wait, MOD_REALPEER_LOG_BYTES);
        (void) mod_realpeer_see(rc, MOD_REALPEER_LOG_BYTES, &n);
    }

    rv = mod_realpeer_finish(c, rc, wait->data, wait->len);

    rc->wait = NULL;
    ap_remove_input_filter(wait->filter);

    return rv == APR_SUCCESS ? DECLINED : OK;
}


/* Reads what there is, and decides. */

static int mod_realpeer_read(conn_rec *c, mod_realpeer_conn_t *rc)
{
    mod_realpeer_wait_t *wait = rc->wait;
    apr_size_t n, want;
    int ended = wait->watch && mod_realpeer_watch_hold(wait->watch);
    int late = ended || mod_realpeer_now() >= wait->deadline;

    /* What goes on without a header when it is late is not asked for one. */

    if (ended || (late && !mod_realpeer_refuses_late(rc))) {
        return mod_realpeer_decide(rc, wait->data, wait->len,
                                   REALPEER_EVENT_TIMEOUT);
    }

    do {
        want = rc->decision.need;

        if (want < REALPEER_V1_MAX) {
            want = REALPEER_V1_MAX;
        }

        want += MOD_REALPEER_AFTER;
        mod_realpeer_make_room(c, wait, want);

        if (mod_realpeer_see(rc, want, &n) != APR_SUCCESS
            || (n == 0 && mod_realpeer_is_closed(wait->fd))) {
            return mod_realpeer_decide(rc, wait->data, wait->len,
                                       late ? REALPEER_EVENT_TIMEOUT
                                            : REALPEER_EVENT_CLOSED);
        }

        if (n == 0) {
            return late ? mod_realpeer_decide(rc, wait->data, wait->len,
                                              REALPEER_EVENT_TIMEOUT)
                        : REALPEER_ACTION_MORE;
        }

        (void) mod_realpeer_decide(rc, wait->data, wait->len,
                                   REALPEER_EVENT_DATA);

        if (rc->decision.action != REALPEER_ACTION_REFUSE
            && mod_realpeer_take_seen(rc) != APR_SUCCESS) {

            /* However good the header is, its rest would be the request. */

            rc->decision.action = REALPEER_ACTION_REFUSE;
            rc->decision.result = REALPEER_RESULT_TRUNCATED;
        }

    } while (rc->decision.action == REALPEER_ACTION_MORE);

    return rc->decision.action;
}


/* Adds what has come to what has been seen; nothing is no error. */

static apr_status_t mod_realpeer_see(mod_realpeer_conn_t *rc, apr_size_t upto,
                                     apr_size_t *n)
{
    mod_realpeer_wait_t *wait = rc->wait;
    apr_size_t want = upto - wait->taken;
    apr_size_t seen = want;
    apr_status_t rv;

    rv = ap_get_brigade(wait->filter->next, wait->bb, AP_MODE_SPECULATIVE,
                        APR_NONBLOCK_READ, (apr_off_t) want);

    if (rv == APR_SUCCESS) {
        rv = apr_brigade_flatten(wait->bb,
                                 (char *) wait->data + wait->taken, &seen);
    }

    if (rv != APR_SUCCESS) {
        seen = 0;
    }

    apr_brigade_cleanup(wait->bb);

    /* Of what is not taken, nothing gets lost: it is seen again. */

    *n = wait->taken + seen > wait->len ? wait->taken + seen - wait->len : 0;
    wait->len += *n;

    if (APR_STATUS_IS_EAGAIN(rv)) {
        return APR_SUCCESS;
    }

    return *n ? APR_SUCCESS : rv;
}


/* Takes off what certainly is a header's, so that it need not be seen again. */

static apr_status_t mod_realpeer_take_seen(mod_realpeer_conn_t *rc)
{
    mod_realpeer_wait_t *wait = rc->wait;
    apr_size_t len = rc->decision.consumed;
    apr_status_t rv;
    apr_off_t taken;

    while (wait->taken < len) {
        rv = ap_get_brigade(wait->filter->next, wait->bb, AP_MODE_READBYTES,
                            APR_NONBLOCK_READ,
                            (apr_off_t) (len - wait->taken));

        taken = 0;

        if (rv == APR_SUCCESS) {
            rv = apr_brigade_length(wait->bb, 1, &taken);
        }

        apr_brigade_cleanup(wait->bb);

        if (rv != APR_SUCCESS || taken <= 0) {
            return APR_ECONNABORTED;
        }

        wait->taken += (apr_size_t) taken;
    }

    return APR_SUCCESS;
}


/*
 * Whether nothing will come any more.  The filters do not tell while they hold
 * bytes that nobody has taken.
 */

static int mod_realpeer_is_closed(int fd)
{
    uint8_t byte;

    return mod_realpeer_peek(fd, &byte, 1) < 0;
}


/* For what is looked at; of the header that is within max_header. */

static void mod_realpeer_make_room(conn_rec *c, mod_realpeer_wait_t *wait,
                                   apr_size_t need)
{
    uint8_t *data;

    if (need <= wait->size) {
        return;
    }

    if (need < REALPEER_V1_MAX) {
        need = REALPEER_V1_MAX;
    }

    data = apr_palloc(c->pool, need);

    if (wait->len) {
        memcpy(data, wait->data, wait->len);
    }

    wait->data = data;
    wait->size = need;
}


/* Gives the connection back to the MPM; 0: this thread has to wait. */

static int mod_realpeer_suspend(conn_rec *c, mod_realpeer_conn_t *rc)
{
    mod_realpeer_wait_t *wait = rc->wait;
    int refuses = mod_realpeer_refuses_late(rc);
    apr_time_t deadline;
    const char *protocol;

    if (!mod_realpeer_can_watch(c)) {
        return 0;
    }

    /*
     * The end of its input cannot wake a connection that is to go on: so that
     * does when its client says something, and ends when that has not said
     * anything for as long as httpd waits for a request on an idle connection.
     * Where the server speaks first, it has to wait here.
     */

    deadline = wait->deadline;

    if (!refuses) {
        protocol = ap_get_server_protocol(c->base_server);

        if (protocol && strcmp(protocol, "http") != 0
            && strcmp(protocol, "https") != 0) {
            return 0;
        }

        deadline += c->base_server->keep_alive_timeout;
    }

    if (wait->watch && wait->watched != deadline) {
        mod_realpeer_unwatch(c, wait->watch);
        wait->watch = NULL;
    }

    if (wait->watch == NULL) {
        wait->watch = mod_realpeer_watch(c, wait->fd, deadline);
        wait->watched = deadline;

        if (wait->watch == NULL) {
            return 0;
        }
    }

    mod_realpeer_watch_arm(wait->watch);

    MOD_REALPEER_GIVE_BACK(c);

    return 1;
}


/* Whether the connection would be closed if the time had passed. */

static int mod_realpeer_refuses_late(const mod_realpeer_conn_t *rc)
{
    mod_realpeer_conn_t late = *rc;

    return mod_realpeer_decide(&late, rc->wait->data, rc->wait->len,
                               REALPEER_EVENT_TIMEOUT)
           == REALPEER_ACTION_REFUSE;
}


/* Returns when there may be something to read, or the time has passed. */

static void mod_realpeer_poll(const mod_realpeer_wait_t *wait)
{
    struct pollfd pfd = { .fd = wait->fd, .events = POLLIN };
    apr_interval_time_t rest = wait->deadline - mod_realpeer_now();

    if (rest > 0) {
        (void) poll(&pfd, 1, (int) (rest / 1000 + 1));
    }
}
