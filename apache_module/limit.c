/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * How many lines refused connections get in the error log.
 *
 * What has been written is counted in memory that all processes share, so that
 * the limit is that of the listener however many they are. The parent, which
 * outlives them, tells what was held back when no more refusals come, every
 * ten seconds and in the end. A child that is left of a configuration that the
 * parent has forgotten tells it itself.
 */

#include "mod_realpeer.h"

#include <ap_listen.h>
#include <ap_mpm.h>
#include <scoreboard.h>

#include <apr_shm.h>


/* What is listened on, and a server that rules there. */

typedef struct {
    server_rec *server;
    const ap_listen_rec *listener;
    const char *text;
    realpeer_log_limit *limit;
} mod_realpeer_limited_t;


/* Of the configuration at work. */

static apr_array_header_t *mod_realpeer_limits;
static int mod_realpeer_generation;


static void mod_realpeer_add_limits(apr_pool_t *p, server_rec *s,
                                    int is_main);
static mod_realpeer_limited_t *mod_realpeer_limited(const conn_rec *c);
static void mod_realpeer_tell(int all);
static void mod_realpeer_log_held_back(const mod_realpeer_limited_t *limited,
                                       int32_t result, int quiet,
                                       uint32_t count);
static apr_status_t mod_realpeer_end_limits(void *data);
static apr_status_t mod_realpeer_end_child(void *data);


int mod_realpeer_init_limits(apr_pool_t *pconf, server_rec *main_server)
{
    server_rec *s;
    apr_shm_t *shm;
    apr_size_t size;
    realpeer_log_limit *limits;
    apr_status_t rv;
    int i;

    mod_realpeer_limits = apr_array_make(pconf, 4,
                                         sizeof(mod_realpeer_limited_t));

    for (s = main_server; s; s = s->next) {
        mod_realpeer_add_limits(pconf, s, s == main_server);
    }

    if (mod_realpeer_limits->nelts == 0) {
        return OK;
    }

    size = (apr_size_t) mod_realpeer_limits->nelts * sizeof(*limits);
    rv = apr_shm_create(&shm, size, NULL, pconf);

    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, main_server,
                     "realpeer: no memory for %d listeners' log limits",
                     mod_realpeer_limits->nelts);
        return HTTP_INTERNAL_SERVER_ERROR;
    }

    limits = apr_shm_baseaddr_get(shm);
    memset(limits, 0, size);

    for (i = 0; i < mod_realpeer_limits->nelts; i++) {
        APR_ARRAY_IDX(mod_realpeer_limits, i, mod_realpeer_limited_t).limit =
            &limits[i];
    }

    apr_pool_pre_cleanup_register(pconf, NULL, mod_realpeer_end_limits);

    return OK;
}


static void mod_realpeer_add_limits(apr_pool_t *p, server_rec *s, int is_main)
{
    mod_realpeer_limited_t *limited;
    ap_listen_rec *lr;

    if (mod_realpeer_get_conf(s)->rules == NULL) {
        return;
    }

    for (lr = ap_listeners; lr; lr = lr->next) {
        if (!is_main && !mod_realpeer_is_for(s, lr)) {
            continue;
        }

        limited = apr_array_push(mod_realpeer_limits);
        limited->server = s;
        limited->listener = lr;
        limited->text = mod_realpeer_listener(p, lr->bind_addr,
                                              lr->bind_addr->port);
    }
}


/* A virtual host rules on the listeners of its ports. */

int mod_realpeer_is_for(const server_rec *s, const ap_listen_rec *listener)
{
    const server_addr_rec *addr;

    for (addr = s->addrs; addr; addr = addr->next) {
        if (addr->host_port == 0
            || addr->host_port == listener->bind_addr->port) {
            return 1;
        }
    }

    return 0;
}


/* Of the listener with the very address, or else with any: NULL if none. */

static mod_realpeer_limited_t *mod_realpeer_limited(const conn_rec *c)
{
    mod_realpeer_limited_t *limited, *found = NULL;
    const apr_sockaddr_t *bound;
    int i;

    for (i = 0; i < mod_realpeer_limits->nelts; i++) {
        limited = &APR_ARRAY_IDX(mod_realpeer_limits, i,
                                 mod_realpeer_limited_t);
        bound = limited->listener->bind_addr;

        if (limited->server != c->base_server
            || bound->port != c->local_addr->port) {
            continue;
        }

        if (apr_sockaddr_equal(bound, c->local_addr)) {
            return limited;
        }

        found = limited;
    }

    return found;
}


/* Whether a refused connection gets its line. */

int mod_realpeer_may_log(const conn_rec *c, const mod_realpeer_conf_t *conf,
                         int32_t result, int quiet)
{
    mod_realpeer_limited_t *limited = mod_realpeer_limited(c);
    uint32_t held_back = 0;

    if (limited == NULL) {
        return 1;
    }

    if (realpeer_log_refused(limited->limit,
                             conf->log_rate_set ? &conf->log_rate : NULL,
                             sizeof(conf->log_rate), result, quiet,
                             (uint64_t) apr_time_as_msec(mod_realpeer_now()),
                             &held_back) == 0) {
        return 0;
    }

    if (held_back) {
        mod_realpeer_log_held_back(limited, result, quiet, held_back);
    }

    return 1;
}


/* Whether the line about another header after the first is written. */

int mod_realpeer_may_log_another(const conn_rec *c,
                                 const mod_realpeer_conf_t *conf)
{
    mod_realpeer_limited_t *limited = mod_realpeer_limited(c);
    uint32_t held_back = 0;

    if (limited == NULL) {
        return 1;
    }

    if (realpeer_log_another(limited->limit,
                             conf->log_rate_set ? &conf->log_rate : NULL,
                             sizeof(conf->log_rate),
                             (uint64_t) apr_time_as_msec(mod_realpeer_now()),
                             &held_back) == 0) {
        return 0;
    }

    if (held_back) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, limited->server,
                     "realpeer: held back %u lines about another PROXY "
                     "header, listener: %s", (unsigned) held_back,
                     limited->text);
    }

    return 1;
}


/* Called in the parent, every ten seconds. */

int mod_realpeer_monitor(apr_pool_t *p, server_rec *s)
{
    (void) p;
    (void) s;

    mod_realpeer_tell(0);

    return DECLINED;
}


void mod_realpeer_limits_init_child(apr_pool_t *pchild)
{
    if (ap_mpm_query(AP_MPMQ_GENERATION, &mod_realpeer_generation)
        == APR_SUCCESS) {
        apr_pool_cleanup_register(pchild, NULL, mod_realpeer_end_child,
                                  apr_pool_cleanup_null);
    }
}


static apr_status_t mod_realpeer_end_child(void *data)
{
    const global_score *global = ap_get_scoreboard_global();

    (void) data;

    if (global && global->running_generation != mod_realpeer_generation) {
        mod_realpeer_tell(1);
    }

    return APR_SUCCESS;
}


static apr_status_t mod_realpeer_end_limits(void *data)
{
    (void) data;

    mod_realpeer_tell(1);
    mod_realpeer_limits = NULL;

    return APR_SUCCESS;
}


static void mod_realpeer_tell(int all)
{
    uint64_t now = (uint64_t) apr_time_as_msec(mod_realpeer_now());
    mod_realpeer_limited_t *limited;
    mod_realpeer_conf_t *conf;
    realpeer_log_rate rate;
    uint32_t held_back;
    int32_t result, quiet;
    int i;

    if (mod_realpeer_limits == NULL) {
        return;
    }

    for (i = 0; i < mod_realpeer_limits->nelts; i++) {
        limited = &APR_ARRAY_IDX(mod_realpeer_limits, i,
                                 mod_realpeer_limited_t);
        conf = mod_realpeer_get_conf(limited->server);

        if (conf->log_rate_set) {
            rate = conf->log_rate;
        }
        else {
            (void) realpeer_log_rate_parse(NULL, 0, NULL, 0, &rate,
                                           sizeof(rate));
        }

        while (realpeer_log_held_back(limited->limit, all ? NULL : &rate,
                                      sizeof(rate), now, &result, &quiet,
                                      &held_back) == 1) {
            mod_realpeer_log_held_back(limited, result, quiet, held_back);
        }
    }
}


static void mod_realpeer_log_held_back(const mod_realpeer_limited_t *limited,
                                       int32_t result, int quiet,
                                       uint32_t count)
{
    ap_log_error(APLOG_MARK, quiet ? APLOG_INFO : APLOG_ERR, 0,
                 limited->server,
                 "realpeer: held back %u lines of refused %s, listener: %s",
                 (unsigned) count, realpeer_result_name(result),
                 limited->text);
}
