/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * What can be wrong with the configuration as a whole: rules for one source,
 * virtual hosts that share an address, and mod_remoteip on the same listener.
 * Runs at `apachectl configtest` too.
 */

#include "mod_realpeer.h"

#include <ap_listen.h>
#include <http_vhost.h>
#include <util_cfgtree.h>


/* "RemoteIPProxyProtocol On" or "Off", and the server it stands in. */

typedef struct {
    mod_realpeer_place_t place;
    server_rec *server;
    int on;
} mod_realpeer_native_t;


static int mod_realpeer_prepare(server_rec *s, mod_realpeer_rules_t *rules);
static int mod_realpeer_check_server(apr_pool_t *ptemp, server_rec *s,
                                     server_addr_rec *addr,
                                     server_rec *first,
                                     server_rec *main_server);
static int mod_realpeer_states(server_rec *s, server_rec *main_server);
static void mod_realpeer_warn(server_rec *s, const mod_realpeer_conf_t *conf,
                              int inherited);
static int mod_realpeer_same_policy(const mod_realpeer_conf_t *one,
                                    const mod_realpeer_conf_t *two);
static uint32_t mod_realpeer_max_header(const mod_realpeer_conf_t *conf);
static int mod_realpeer_versions(const mod_realpeer_conf_t *conf);
static int mod_realpeer_same_log_rate(const mod_realpeer_conf_t *one,
                                      const mod_realpeer_conf_t *two);
static int mod_realpeer_same_tlvs(const apr_array_header_t *one,
                                  const apr_array_header_t *two);
static int mod_realpeer_check_native(apr_pool_t *ptemp, server_rec *first,
                                     apr_sockaddr_t *addr, apr_port_t port,
                                     apr_array_header_t *natives);
static void mod_realpeer_find_natives(apr_pool_t *ptemp,
                                      apr_array_header_t *natives,
                                      server_rec *main_server,
                                      server_rec *server,
                                      const ap_directive_t *node);
static server_rec *mod_realpeer_defined_at(server_rec *main_server,
                                           const ap_directive_t *node);
static int mod_realpeer_covers(server_addr_rec *one, apr_sockaddr_t *addr,
                               apr_port_t port);
static int mod_realpeer_is_wildcard(const apr_sockaddr_t *sa);
static const char *mod_realpeer_server_name(server_rec *s);


int mod_realpeer_check_config(apr_pool_t *pconf, apr_pool_t *plog,
                              apr_pool_t *ptemp, server_rec *main_server)
{
    mod_realpeer_conf_t *conf;
    apr_array_header_t *natives;
    server_addr_rec *addr;
    ap_listen_rec *lr;
    server_rec *s, *first;
    int any_rules = 0;

    (void) pconf;
    (void) plog;

    for (s = main_server; s; s = s->next) {
        conf = mod_realpeer_get_conf(s);

        if (conf->rules && mod_realpeer_prepare(s, conf->rules) != OK) {
            return HTTP_INTERNAL_SERVER_ERROR;
        }

        any_rules |= conf->rules != NULL;
    }

    for (s = main_server; s; s = s->next) {
        if (mod_realpeer_states(s, main_server)) {
            mod_realpeer_warn(s, mod_realpeer_get_conf(s),
                              !s->is_virtual && any_rules);
        }
    }

    natives = apr_array_make(ptemp, 1, sizeof(mod_realpeer_native_t));
    mod_realpeer_find_natives(ptemp, natives, main_server, main_server,
                              ap_conftree);

    /* The address of the main server is none, see its listeners below. */

    for (s = main_server->next; s; s = s->next) {
        for (addr = s->addrs; addr; addr = addr->next) {
            first = mod_realpeer_ruling(main_server, addr->host_addr,
                                        addr->host_port);

            if (mod_realpeer_check_server(ptemp, s, addr, first, main_server)
                   != OK
                || mod_realpeer_check_native(ptemp, first, addr->host_addr,
                                             addr->host_port, natives)
                   != OK) {
                return HTTP_INTERNAL_SERVER_ERROR;
            }
        }
    }

    for (lr = ap_listeners; lr; lr = lr->next) {
        first = mod_realpeer_ruling(main_server, lr->bind_addr,
                                    lr->bind_addr->port);

        if (mod_realpeer_check_native(ptemp, first, lr->bind_addr,
                                      lr->bind_addr->port, natives)
            != OK) {
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return OK;
}


/* Sorts the rules of a level, once; others share them. */

static int mod_realpeer_prepare(server_rec *s, mod_realpeer_rules_t *rules)
{
    const mod_realpeer_origin_t *origins, *one, *two;
    uint32_t tags[2];

    if (rules->prepared) {
        return OK;
    }

    if (realpeer_rules_prepare((realpeer_rule *) rules->rules->elts,
                               (size_t) rules->rules->nelts, tags)
        == 0) {
        rules->prepared = 1;
        return OK;
    }

    origins = (const mod_realpeer_origin_t *) rules->origins->elts;
    one = &origins[tags[0]];
    two = &origins[tags[1]];

    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, s,
                 "realpeer: source \"%s\" in RealPeer is the same as \"%s\" "
                 "in %s:%u, remove one of them in %s:%u", two->source,
                 one->source, one->place.file, one->place.line,
                 two->place.file, two->place.line);

    return HTTP_INTERNAL_SERVER_ERROR;
}


/*
 * Whether a server has directives of ours.  A virtual host without any is given
 * the configuration of the main server itself, and not one that is merged.
 */

static int mod_realpeer_states(server_rec *s, server_rec *main_server)
{
    const mod_realpeer_conf_t *conf = mod_realpeer_get_conf(s);

    return conf->place.file
           && (s == main_server || conf != mod_realpeer_get_conf(main_server));
}


/* What is not wrong, but does not do what it seems to. */

static void mod_realpeer_warn(server_rec *s, const mod_realpeer_conf_t *conf,
                              int inherited)
{
    if (conf->rules == NULL) {
        if (!conf->off && !inherited) {
            ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, s,
                         "realpeer: RealPeer directives have no effect "
                         "without RealPeer itself, which says who may send "
                         "the header in %s:%u", conf->place.file,
                         conf->place.line);
        }

        return;
    }

    if (s->timeout < mod_realpeer_timeout(conf)) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, s,
                     "realpeer: RealPeerTimeout is longer than Timeout, which "
                     "may end the wait for a header first, and without a "
                     "word, for server %s", mod_realpeer_server_name(s));
    }
}


/*
 * The header is read before anything says which virtual host is asked for, so
 * that only the default one of an address can have a say; another one may
 * state the same, or nothing.
 */

static int mod_realpeer_check_server(apr_pool_t *ptemp, server_rec *s,
                                     server_addr_rec *addr,
                                     server_rec *first,
                                     server_rec *main_server)
{
    mod_realpeer_conf_t *conf = mod_realpeer_get_conf(s);
    mod_realpeer_conf_t *ruling = mod_realpeer_get_conf(first);

    if (!mod_realpeer_states(s, main_server)
        || mod_realpeer_same_policy(conf, ruling)) {
        return OK;
    }

    if (ruling->rules) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, s,
                     "realpeer: virtual host \"%s\" states another policy for "
                     "%s than the default virtual host \"%s\" in %s:%u, which "
                     "rules there: state the same, or nothing in %s:%u",
                     mod_realpeer_server_name(s),
                     mod_realpeer_listener(ptemp, addr->host_addr,
                                           addr->host_port),
                     mod_realpeer_server_name(first), first->defn_name,
                     first->defn_line_number, conf->place.file,
                     conf->place.line);
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, s,
                     "realpeer: virtual host \"%s\" states a policy for %s, "
                     "where the default virtual host \"%s\" in %s:%u rules "
                     "and has none: move it there in %s:%u",
                     mod_realpeer_server_name(s),
                     mod_realpeer_listener(ptemp, addr->host_addr,
                                           addr->host_port),
                     mod_realpeer_server_name(first), first->defn_name,
                     first->defn_line_number, conf->place.file,
                     conf->place.line);
    }

    return HTTP_INTERNAL_SERVER_ERROR;
}


/* The server that httpd gives connections to this address at first. */

server_rec *mod_realpeer_ruling(server_rec *main_server,
                                const apr_sockaddr_t *addr, apr_port_t port)
{
    apr_sockaddr_t local = *addr;
    conn_rec c;

    local.port = port;

    memset(&c, 0, sizeof(c));
    c.base_server = main_server;
    c.local_addr = &local;

    ap_update_vhost_given_ip(&c);

    return c.base_server;
}


/* Whether two configurations treat every connection alike. */

static int mod_realpeer_same_policy(const mod_realpeer_conf_t *one,
                                    const mod_realpeer_conf_t *two)
{
    if (one->rules == NULL || two->rules == NULL) {
        return one->rules == two->rules;
    }

    return mod_realpeer_timeout(one) == mod_realpeer_timeout(two)
           && mod_realpeer_max_header(one) == mod_realpeer_max_header(two)
           && mod_realpeer_versions(one) == mod_realpeer_versions(two)
           && one->settings.no_address == two->settings.no_address
           && mod_realpeer_same_log_rate(one, two)
           && mod_realpeer_same_tlvs(one->tlvs, two->tlvs)
           && realpeer_rules_equal(
                      (const realpeer_rule *) one->rules->rules->elts,
                      (size_t) one->rules->rules->nelts,
                      (const realpeer_rule *) two->rules->rules->elts,
                      (size_t) two->rules->rules->nelts) == 1;
}


static uint32_t mod_realpeer_max_header(const mod_realpeer_conf_t *conf)
{
    return conf->settings.max_header ? conf->settings.max_header
                                     : REALPEER_DEFAULT_MAX_HEADER;
}


static int mod_realpeer_versions(const mod_realpeer_conf_t *conf)
{
    return conf->settings.versions ? conf->settings.versions
                                   : REALPEER_VERSION_1 | REALPEER_VERSION_2;
}


static int mod_realpeer_same_log_rate(const mod_realpeer_conf_t *one,
                                      const mod_realpeer_conf_t *two)
{
    realpeer_log_rate rate[2];

    (void) realpeer_log_rate_parse(NULL, 0, NULL, 0, &rate[0],
                                   sizeof(rate[0]));
    rate[1] = one->log_rate_set ? one->log_rate : rate[0];
    rate[0] = two->log_rate_set ? two->log_rate : rate[0];

    return rate[0].interval == rate[1].interval
           && rate[0].burst == rate[1].burst;
}


static int mod_realpeer_same_tlvs(const apr_array_header_t *one,
                                  const apr_array_header_t *two)
{
    int i;

    if (one == NULL || two == NULL || one->nelts != two->nelts) {
        return one == two;
    }

    for (i = 0; i < one->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(one, i, mod_realpeer_tlv_t).variable,
                   APR_ARRAY_IDX(two, i, mod_realpeer_tlv_t).variable) != 0) {
            return 0;
        }
    }

    return 1;
}


/* Two modules that each take a header off the same connection. */

static int mod_realpeer_check_native(apr_pool_t *ptemp, server_rec *first,
                                     apr_sockaddr_t *addr, apr_port_t port,
                                     apr_array_header_t *natives)
{
    const mod_realpeer_conf_t *ruling = mod_realpeer_get_conf(first);
    const mod_realpeer_native_t *native, *on = NULL;
    const mod_realpeer_origin_t *origin;
    server_addr_rec *other;
    int i;

    if (ruling->rules == NULL) {
        return OK;
    }

    for (i = 0; i < natives->nelts; i++) {
        native = &APR_ARRAY_IDX(natives, i, mod_realpeer_native_t);

        for (other = native->server->addrs; other; other = other->next) {
            if (!mod_realpeer_covers(other, addr, port)) {
                continue;
            }

            if (!native->on) {
                return OK;
            }

            on = native;
        }
    }

    if (on == NULL) {
        return OK;
    }

    origin = (const mod_realpeer_origin_t *) ruling->rules->origins->elts;

    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, first,
                 "realpeer: both RealPeer in %s:%u and RemoteIPProxyProtocol "
                 "would take the header off connections to %s, remove one of "
                 "them in %s:%u", origin->place.file, origin->place.line,
                 mod_realpeer_listener(ptemp, addr, port), on->place.file,
                 on->place.line);

    return HTTP_INTERNAL_SERVER_ERROR;
}


static void mod_realpeer_find_natives(apr_pool_t *ptemp,
                                      apr_array_header_t *natives,
                                      server_rec *main_server,
                                      server_rec *server,
                                      const ap_directive_t *node)
{
    mod_realpeer_native_t *native;
    server_rec *inner;
    const char *args;

    for ( /* void */ ; node; node = node->next) {

        if (strcasecmp(node->directive, "RemoteIPProxyProtocol") == 0) {
            native = apr_array_push(natives);
            native->place.file = node->filename;
            native->place.line = (unsigned) node->line_num;
            native->server = server;
            args = node->args;
            native->on = strcasecmp(ap_getword_conf(ptemp, &args), "on") == 0;
        }

        inner = server;

        if (strcasecmp(node->directive, "<VirtualHost") == 0) {
            inner = mod_realpeer_defined_at(main_server, node);
        }

        mod_realpeer_find_natives(ptemp, natives, main_server, inner,
                                  node->first_child);
    }
}


static server_rec *mod_realpeer_defined_at(server_rec *main_server,
                                           const ap_directive_t *node)
{
    server_rec *s;

    for (s = main_server->next; s; s = s->next) {
        if (s->defn_line_number == (unsigned) node->line_num
            && strcmp(s->defn_name, node->filename) == 0) {
            return s;
        }
    }

    return main_server;
}


/*
 * Whether what is stated for "one" concerns connections to an address, which
 * no more specific virtual host has taken.
 */

static int mod_realpeer_covers(server_addr_rec *one, apr_sockaddr_t *addr,
                               apr_port_t port)
{
    return (mod_realpeer_is_wildcard(one->host_addr)
            || apr_sockaddr_equal(one->host_addr, addr))
           && (one->host_port == port || one->host_port == 0 || port == 0);
}


static int mod_realpeer_is_wildcard(const apr_sockaddr_t *sa)
{
    static const char any[sizeof(struct in6_addr)];

    return memcmp(sa->ipaddr_ptr, any, (size_t) sa->ipaddr_len) == 0;
}


static const char *mod_realpeer_server_name(server_rec *s)
{
    return s->server_hostname ? s->server_hostname : "(no name)";
}


/* An address that is listened on, as text. */

const char *mod_realpeer_listener(apr_pool_t *p, apr_sockaddr_t *addr,
                                  apr_port_t port)
{
    char ip[REALPEER_ADDRESS_TEXT + 16];
    const char *text = ip;

    if (mod_realpeer_is_wildcard(addr)) {
        text = "*";
    }
    else if (apr_sockaddr_ip_getbuf(ip, sizeof(ip), addr) != APR_SUCCESS) {
        text = "?";
    }

    return apr_psprintf(p, strchr(text, ':') ? "[%s]:%u" : "%s:%u", text,
                        (unsigned) port);
}
