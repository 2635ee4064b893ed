
/*
 * How many lines refused connections get in the error log.
 *
 * What has been written is counted in memory that all workers share, so that
 * the limit is that of the listener however many they are, and so that what a
 * worker has held back is told by another one if it dies.
 */


#include "ngx_realpeer.h"


/* How often to look whether what was held back can be told by now. */
#define NGX_REALPEER_TELL        1000


static ngx_realpeer_port_t *ngx_realpeer_shared_by(ngx_realpeer_port_t *port);
static void ngx_realpeer_forget(void *data);
static void ngx_realpeer_tell_later(void);
static void ngx_realpeer_tell_handler(ngx_event_t *ev);
static ngx_uint_t ngx_realpeer_tell(ngx_realpeer_port_t *port,
    ngx_uint_t all);
static void ngx_realpeer_log_held_back(ngx_realpeer_port_t *port,
    ngx_realpeer_addr_t *addr, ngx_uint_t level, int32_t result,
    uint32_t count);
static ngx_uint_t ngx_realpeer_level(int32_t quiet);


/* of this subsystem: of the configuration at work, and of one being read */
ngx_queue_t              ngx_realpeer_ports;

static ngx_event_t       ngx_realpeer_tell_event;
static ngx_connection_t  ngx_realpeer_tell_connection;


char *
ngx_realpeer_log_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_realpeer_conf_t *rcf = conf;

    int32_t     rc;
    ngx_str_t  *value;

    if (rcf->log_rate_set) {
        return "is duplicate";
    }

    value = cf->args->elts;

    rc = realpeer_log_rate_parse((char *) value[1].data, value[1].len,
                                 cf->args->nelts == 3
                                     ? (char *) value[2].data : NULL,
                                 cf->args->nelts == 3 ? value[2].len : 0,
                                 &rcf->log_rate, sizeof(realpeer_log_rate));

    if (rc == REALPEER_ERROR_BAD_BURST) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid burst \"%V\" in \"realpeer_log_limit\", "
                           "%s", &value[2], realpeer_strerror(rc));
        return NGX_CONF_ERROR;
    }

    if (rc < 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid rate \"%V\" in \"realpeer_log_limit\", "
                           "%s", &value[1], realpeer_strerror(rc));
        return NGX_CONF_ERROR;
    }

    ngx_realpeer_mark(cf, rcf);
    rcf->log_rate_set = 1;

    return NGX_CONF_OK;
}


void
ngx_realpeer_merge_log_limit(ngx_realpeer_conf_t *prev,
    ngx_realpeer_conf_t *conf)
{
    if (conf->log_rate_set) {
        return;
    }

    if (prev->log_rate_set) {
        conf->log_rate = prev->log_rate;
        conf->log_rate_set = 1;
        return;
    }

    (void) realpeer_log_rate_parse(NULL, 0, NULL, 0, &conf->log_rate,
                                   sizeof(realpeer_log_rate));
}


/* the memory for a listening socket with a policy */

ngx_int_t
ngx_realpeer_limit_port(ngx_cycle_t *cycle, ngx_listening_t *ls,
    ngx_realpeer_port_t *port)
{
    ngx_uint_t            n;
    ngx_shm_t            *shm;
    ngx_pool_cleanup_t   *cln;
    realpeer_log_limit   *limits;
    ngx_realpeer_port_t  *other;

    if (ngx_realpeer_ports.next == NULL) {
        ngx_queue_init(&ngx_realpeer_ports);
    }

    port->cycle = cycle;
    port->log = ls->logp;

    cln = ngx_pool_cleanup_add(cycle->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    other = ngx_realpeer_shared_by(port);

    if (other) {
        limits = other->policies[0].limit;

    } else {
        shm = &port->shm;
        shm->size = port->naddrs * sizeof(realpeer_log_limit);
        ngx_str_set(&shm->name, "realpeer_log_limit");
        shm->log = cycle->log;

        if (ngx_shm_alloc(shm) != NGX_OK) {
            return NGX_ERROR;
        }

        limits = (realpeer_log_limit *) shm->addr;
    }

    for (n = 0; n < port->naddrs; n++) {
        port->policies[n].limit = &limits[n];
    }

    ngx_queue_insert_tail(&ngx_realpeer_ports, &port->queue);

    cln->handler = ngx_realpeer_forget;
    cln->data = port;

    return NGX_OK;
}


/*
 * With "reuseport" each worker has a socket of its own for the same addresses,
 * which have one limit.
 */

static ngx_realpeer_port_t *
ngx_realpeer_shared_by(ngx_realpeer_port_t *port)
{
    ngx_queue_t          *q;
    ngx_realpeer_port_t  *other;

    for (q = ngx_queue_head(&ngx_realpeer_ports);
         q != ngx_queue_sentinel(&ngx_realpeer_ports);
         q = ngx_queue_next(q))
    {
        other = ngx_queue_data(q, ngx_realpeer_port_t, queue);

        if (other->cycle == port->cycle && other->native == port->native) {
            return other;
        }
    }

    return NULL;
}


/* a configuration goes, or has an error and does not come */

static void
ngx_realpeer_forget(void *data)
{
    ngx_realpeer_port_t *port = data;

    if (ngx_process == NGX_PROCESS_SINGLE) {
        /* of a master's configuration its workers tell */
        (void) ngx_realpeer_tell(port, 1);
    }

    ngx_queue_remove(&port->queue);

    if (ngx_queue_empty(&ngx_realpeer_ports)
        && ngx_realpeer_tell_event.timer_set)
    {
        /* there is nothing to tell, and this module may be about to go */
        ngx_del_timer(&ngx_realpeer_tell_event);
    }

    if (port->shm.addr) {
        ngx_shm_free(&port->shm);
    }
}


/* the line of a refused connection, if it gets one */

void
ngx_realpeer_log_refused(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx)
{
    int32_t              quiet, result;
    uint32_t             held_back;
    ngx_uint_t           level;
    ngx_realpeer_addr_t  *addr;
    ngx_realpeer_port_t  *port;

    addr = ctx->addr;
    result = ctx->decision.result;
    quiet = realpeer_rule_is_quiet(ctx->rule, result);
    level = ngx_realpeer_level(quiet);

    if (c->log->log_level < level) {
        return;
    }

    held_back = 0;

    if (realpeer_log_refused(addr->limit, &addr->conf->log_rate,
                             sizeof(realpeer_log_rate), result, quiet,
                             ngx_current_msec, &held_back)
        == 0)
    {
        ngx_realpeer_count_held(ctx);
        ngx_realpeer_tell_later();
        return;
    }

    if (held_back) {
        port = ngx_realpeer_port(c->listening);
        ngx_realpeer_log_held_back(port, addr, level, result, held_back);
    }

    c->log->action = NULL;

    ngx_log_error(level, c->log, 0, "realpeer: refused %s (%s)",
                  realpeer_result_name(result), realpeer_strerror(result));
}


static void
ngx_realpeer_tell_later(void)
{
    ngx_event_t  *ev;

    ev = &ngx_realpeer_tell_event;

    if (ev->timer_set || ngx_exiting) {
        return;
    }

    ngx_realpeer_tell_connection.fd = (ngx_socket_t) -1;

    ev->handler = ngx_realpeer_tell_handler;
    ev->data = &ngx_realpeer_tell_connection;
    ev->log = ngx_cycle->log;

    /* a worker does not stay for it: see ngx_realpeer_log_exit_process() */
    ev->cancelable = 1;

    ngx_add_timer(ev, NGX_REALPEER_TELL);
}


static void
ngx_realpeer_tell_handler(ngx_event_t *ev)
{
    ngx_uint_t            later;
    ngx_queue_t          *q;
    ngx_realpeer_port_t  *port;

    later = 0;

    for (q = ngx_queue_head(&ngx_realpeer_ports);
         q != ngx_queue_sentinel(&ngx_realpeer_ports);
         q = ngx_queue_next(q))
    {
        port = ngx_queue_data(q, ngx_realpeer_port_t, queue);
        later |= ngx_realpeer_tell(port, 0);
    }

    if (later) {
        ngx_realpeer_tell_later();
    }
}


/* a worker ends: what nobody else may tell */

void
ngx_realpeer_log_exit_process(ngx_cycle_t *cycle)
{
    ngx_queue_t          *q;
    ngx_realpeer_port_t  *port;

    if (ngx_realpeer_ports.next == NULL) {
        return;
    }

    for (q = ngx_queue_head(&ngx_realpeer_ports);
         q != ngx_queue_sentinel(&ngx_realpeer_ports);
         q = ngx_queue_next(q))
    {
        port = ngx_queue_data(q, ngx_realpeer_port_t, queue);
        (void) ngx_realpeer_tell(port, 1);
    }
}


/* tells what may be told; returns whether there is more, for later */

static ngx_uint_t
ngx_realpeer_tell(ngx_realpeer_port_t *port, ngx_uint_t all)
{
    int32_t               rc, quiet, result;
    uint32_t              held_back;
    ngx_uint_t            n, later;
    ngx_realpeer_addr_t  *addr;

    later = 0;

    for (n = 0; n < port->naddrs; n++) {
        addr = &port->policies[n];

        if (!ngx_realpeer_has_policy(addr->conf)) {
            continue;
        }

        for ( ;; ) {
            rc = realpeer_log_held_back(addr->limit,
                                        all ? NULL : &addr->conf->log_rate,
                                        sizeof(realpeer_log_rate),
                                        ngx_current_msec, &result, &quiet,
                                        &held_back);
            if (rc != 1) {
                break;
            }

            ngx_realpeer_log_held_back(port, addr, ngx_realpeer_level(quiet),
                                       result, held_back);
        }

        later |= rc == 2;
    }

    return later;
}


static void
ngx_realpeer_log_held_back(ngx_realpeer_port_t *port,
    ngx_realpeer_addr_t *addr, ngx_uint_t level, int32_t result,
    uint32_t count)
{
    ngx_log_t  *log;

    /* without a master the files of an old configuration have been closed */

    log = port->cycle == ngx_cycle ? port->log : ngx_cycle->log;

    ngx_log_error(level, log, 0,
                  "realpeer: held back %uD lines of refused %s, listener: %V",
                  count, realpeer_result_name(result), &addr->text);
}


static ngx_uint_t
ngx_realpeer_level(int32_t quiet)
{
    return quiet ? NGX_LOG_INFO : NGX_LOG_ERR;
}
