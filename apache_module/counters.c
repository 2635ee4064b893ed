/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * Counts what becomes of connections, in the memory of zone.c. The library does
 * so without a lock.
 */

#include "mod_realpeer.h"


static void mod_realpeer_count_no_longer(mod_realpeer_conn_t *rc);
static apr_status_t mod_realpeer_count_gone(void *data);


void mod_realpeer_count_waiting(conn_rec *c, mod_realpeer_conn_t *rc)
{
    if (rc->counters == NULL) {
        return;
    }

    rc->counted = 1;
    (void) realpeer_counters_waiting(rc->counters, rc->slot,
                                     mod_realpeer_place(), 1);

    apr_pool_cleanup_register(c->pool, rc, mod_realpeer_count_gone,
                              apr_pool_cleanup_null);
}


static void mod_realpeer_count_no_longer(mod_realpeer_conn_t *rc)
{
    if (rc->counted) {
        rc->counted = 0;
        (void) realpeer_counters_waiting(rc->counters, rc->slot,
                                         mod_realpeer_place(), 0);
    }
}


void mod_realpeer_count_decided(mod_realpeer_conn_t *rc)
{
    apr_time_t microseconds;

    if (rc->counters == NULL) {
        return;
    }

    mod_realpeer_count_no_longer(rc);

    /* Where nothing was looked for, nobody has looked at the clock. */

    microseconds = rc->start ? mod_realpeer_now() - rc->start : 0;

    (void) realpeer_counters_decided(rc->counters, rc->slot, &rc->decision,
                                     sizeof(rc->decision),
                                     (uint64_t) microseconds);

    if (rc->decision.action == REALPEER_ACTION_REFUSE) {
        (void) realpeer_counters_refused(rc->counters, rc->slot,
                             rc->decision.result,
                             (const struct sockaddr *) &rc->proxy_addr->sa,
                             rc->proxy_addr->salen,
                             (uint64_t) apr_time_sec(apr_time_now()));
    }
}


/* Closed by httpd before anything was decided. */

void mod_realpeer_count_dropped(mod_realpeer_conn_t *rc)
{
    if (rc->counters) {
        mod_realpeer_count_no_longer(rc);
        (void) realpeer_counters_dropped(rc->counters, rc->slot);
    }
}


static apr_status_t mod_realpeer_count_gone(void *data)
{
    mod_realpeer_conn_t *rc = data;

    if (rc->counted) {
        mod_realpeer_count_dropped(rc);
    }

    return APR_SUCCESS;
}


/* The line of a refused connection was held back. */

void mod_realpeer_count_held(const mod_realpeer_conn_t *rc)
{
    if (rc->counters) {
        (void) realpeer_counters_held(rc->counters, rc->slot,
                                      rc->decision.result);
    }
}


/* Another header follows that of an accepted connection. */

void mod_realpeer_count_another(const mod_realpeer_conn_t *rc)
{
    if (rc->counters) {
        (void) realpeer_counters_another(rc->counters, rc->slot);
    }
}
