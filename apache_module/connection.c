/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * A connection, until it is decided whose it is.
 *
 * As a rule the header has come together with the connection: servers are told
 * of a connection when its first bytes are there.  It is looked at and taken
 * off before any other module sees the connection.  One that is not whole yet
 * is waited for, see wait.c.
 */

#include "mod_realpeer.h"

#include <apr_portable.h>

#include <sys/socket.h>
#include <time.h>


/* As much of a header as is looked for at first; longer ones are waited for. */
#define MOD_REALPEER_PEEK  4096

static void mod_realpeer_look(mod_realpeer_conn_t *rc, int fd,
                              uint8_t *data, apr_size_t *len);
static apr_status_t mod_realpeer_take(int fd, apr_size_t len);
static void mod_realpeer_look_after(conn_rec *c, mod_realpeer_conn_t *rc,
                                     const uint8_t *data, apr_size_t len);
static void mod_realpeer_refuse(conn_rec *c, mod_realpeer_conn_t *rc,
                                const uint8_t *data, apr_size_t len);


int mod_realpeer_pre_connection(conn_rec *c, void *csd)
{
    const mod_realpeer_conf_t *conf;
    mod_realpeer_conn_t *rc;
    uint8_t data[MOD_REALPEER_PEEK];
    apr_size_t len = 0;
    apr_os_sock_t fd;

    if (c->master || MOD_REALPEER_IS_OUTGOING(c)) {
        return DECLINED;
    }

    conf = mod_realpeer_get_conf(c->base_server);

    if (conf->rules == NULL) {
        return DECLINED;
    }

    rc = apr_pcalloc(c->pool, sizeof(*rc));
    rc->conf = conf;
    rc->proxy_addr = c->client_addr;
    rc->proxy_ip = c->client_ip;
    rc->policy = realpeer_rules_match(
                             (const realpeer_rule *) conf->rules->rules->elts,
                             (size_t) conf->rules->rules->nelts,
                             (const struct sockaddr *) &c->client_addr->sa,
                             c->client_addr->salen, &rc->rule);

    ap_set_module_config(c->conn_config, &realpeer_module, rc);
    mod_realpeer_count_for(c, rc);

    if (mod_realpeer_decide(rc, NULL, 0, REALPEER_EVENT_DATA)
        == REALPEER_ACTION_MORE) {

        if (apr_os_sock_get(&fd, csd) != APR_SUCCESS) {
            mod_realpeer_count_dropped(rc);
            return HTTP_INTERNAL_SERVER_ERROR;
        }

        rc->start = mod_realpeer_now();
        mod_realpeer_look(rc, fd, data, &len);

        if (rc->decision.action == REALPEER_ACTION_MORE) {
            mod_realpeer_wait(c, rc, fd);
            return OK;
        }

        if (rc->decision.action >= REALPEER_ACTION_PASS
            && mod_realpeer_take(fd, rc->decision.consumed) != APR_SUCCESS) {
            mod_realpeer_count_dropped(rc);
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return mod_realpeer_finish(c, rc, data, len) == APR_SUCCESS
           ? OK : HTTP_FORBIDDEN;
}


mod_realpeer_conn_t *mod_realpeer_get_conn(conn_rec *c)
{
    if (c->master) {
        c = c->master;
    }

    return ap_get_module_config(c->conn_config, &realpeer_module);
}


int32_t mod_realpeer_decide(mod_realpeer_conn_t *rc, const uint8_t *data,
                            apr_size_t len, int32_t event)
{
    return realpeer_decide(rc->policy, &rc->conf->settings,
                           sizeof(rc->conf->settings), data, len, event,
                           &rc->decision, sizeof(rc->decision));
}


/* What has come so far, which stays in the socket. */

static void mod_realpeer_look(mod_realpeer_conn_t *rc, int fd,
                              uint8_t *data, apr_size_t *len)
{
    ssize_t n = mod_realpeer_peek(fd, data, MOD_REALPEER_PEEK);

    if (n > 0) {
        *len = (apr_size_t) n;
        (void) mod_realpeer_decide(rc, data, *len, REALPEER_EVENT_DATA);
    }
    else if (n < 0) {
        (void) mod_realpeer_decide(rc, NULL, 0, REALPEER_EVENT_CLOSED);
    }
}


/* How many bytes have come; 0: none yet; -1: none will. */

ssize_t mod_realpeer_peek(int fd, uint8_t *data, apr_size_t size)
{
    ssize_t n;

    do {
        n = recv(fd, data, size, MSG_PEEK | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);

    if (n > 0) {
        return n;
    }

    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : -1;
}


/* Takes the header off, which has been looked at: it is there. */

static apr_status_t mod_realpeer_take(int fd, apr_size_t len)
{
    uint8_t data[MOD_REALPEER_PEEK];
    ssize_t n;

    while (len > 0) {
        n = recv(fd, data, len, MSG_DONTWAIT);

        if (n > 0) {
            len -= (apr_size_t) n;
        }
        else if (n == 0 || errno != EINTR) {
            return APR_ECONNABORTED;
        }
    }

    return APR_SUCCESS;
}


/* Does what has been decided; an error means: close the connection. */

apr_status_t mod_realpeer_finish(conn_rec *c, mod_realpeer_conn_t *rc,
                                 const uint8_t *data, apr_size_t len)
{
    const realpeer_header *header = &rc->decision.header;

    /*
     * A client never gets the balancer's address for want of its own, and a
     * connection that cannot go on has not been accepted.
     */

    if (rc->decision.action == REALPEER_ACTION_ACCEPT
        && rc->decision.client.family != REALPEER_FAMILY_UNSPEC
        && mod_realpeer_set_client(c, &rc->decision.client) != APR_SUCCESS) {
        ap_log_cerror(APLOG_MARK, APLOG_ERR, 0, c,
                      "realpeer: dropped a connection that cannot go on");
        mod_realpeer_count_dropped(rc);
        c->aborted = 1;
        return APR_ECONNABORTED;
    }

    mod_realpeer_count_decided(rc);

    switch (rc->decision.action) {

    case REALPEER_ACTION_ACCEPT:
        mod_realpeer_look_after(c, rc, data, len);
        mod_realpeer_make_env(c, rc, data + header->tlv_offset,
                              header->tlv_length);
        return APR_SUCCESS;

    case REALPEER_ACTION_PASS:
        mod_realpeer_make_env(c, rc, NULL, 0);
        return APR_SUCCESS;

    default:
        mod_realpeer_refuse(c, rc, data, len);
        return APR_ECONNABORTED;
    }
}


/*
 * Counts and logs another header after the first, where it has been seen with
 * that.  Not refused: the bytes may be the application's own.  Most often they
 * are the header of a balancer that sends through another one, and end as a
 * bad request that does not say why.
 */

static void mod_realpeer_look_after(conn_rec *c, mod_realpeer_conn_t *rc,
                                     const uint8_t *data, apr_size_t len)
{
    apr_size_t consumed = rc->decision.consumed;

    if (len <= consumed
        || realpeer_another_header(data + consumed, len - consumed) != 1) {
        return;
    }

    mod_realpeer_count_another(rc);

    if (!APLOG_C_IS_LEVEL(c, APLOG_ERR)
        || !mod_realpeer_may_log_another(c, rc->conf)) {
        return;
    }

    ap_log_cerror(APLOG_MARK, APLOG_ERR, 0, c,
                  "realpeer: another PROXY header follows the first (as when "
                  "each of two load balancers in a row adds one), peer: %s, "
                  "listener: %s",
                  mod_realpeer_sockaddr_text(c->pool, rc->proxy_addr,
                                             rc->proxy_ip),
                  mod_realpeer_sockaddr_text(c->pool, c->local_addr,
                                             c->local_ip));
}


static void mod_realpeer_refuse(conn_rec *c, mod_realpeer_conn_t *rc,
                                const uint8_t *data, apr_size_t len)
{
    const char *kind = realpeer_looks_like(data, len);
    char text[4 * MOD_REALPEER_LOG_BYTES];
    int32_t result = rc->decision.result;
    int32_t n;
    int level, quiet;
    int state = AP_MPMQ_RUNNING;

    if (len > MOD_REALPEER_LOG_BYTES) {
        len = MOD_REALPEER_LOG_BYTES;
    }

    /* It may not have been the peer: httpd that stops closes what waits. */

    if (result == REALPEER_RESULT_TRUNCATED) {
        (void) ap_mpm_query(AP_MPMQ_MPM_STATE, &state);
    }

    quiet = realpeer_rule_is_quiet(rc->rule, result)
            || state == AP_MPMQ_STOPPING;
    level = quiet ? APLOG_INFO : APLOG_ERR;

    c->aborted = 1;

    if (!APLOG_C_IS_LEVEL(c, level)) {
        return;
    }

    if (!mod_realpeer_may_log(c, rc->conf, result, quiet)) {
        mod_realpeer_count_held(rc);
        return;
    }

    n = realpeer_escape(data, len, text, sizeof(text));

    ap_log_cerror(APLOG_MARK, level, 0, c,
                  "realpeer: refused %s (%s), peer: %s, listener: "
                  "%s%s%.*s%s%s%s%s",
                  realpeer_result_name(result),
                  realpeer_strerror(result),
                  mod_realpeer_sockaddr_text(c->pool, rc->proxy_addr,
                                             rc->proxy_ip),
                  mod_realpeer_sockaddr_text(c->pool, c->local_addr,
                                             c->local_ip),
                  n > 0 ? ", first bytes: \"" : "", (int) n, text,
                  n > 0 ? "\"" : "",
                  *kind ? " (looks like " : "", kind, *kind ? ")" : "");
}


/* A clock that nobody sets. */

apr_time_t mod_realpeer_now(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);

    return apr_time_from_sec(now.tv_sec) + now.tv_nsec / 1000;
}
