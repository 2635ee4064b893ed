
/*
 * realpeer for http: finds the listening sockets, checks that servers which
 * share an address agree, and gives requests their variables.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_realpeer.h"


static ngx_int_t ngx_http_realpeer_add_variables(ngx_conf_t *cf);
static ngx_int_t ngx_http_realpeer_get_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_realpeer_get_tlv(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

static char *ngx_http_realpeer_init_conf(ngx_cycle_t *cycle, void *conf);
static ngx_int_t ngx_http_realpeer_listen(ngx_cycle_t *cycle,
    ngx_http_core_main_conf_t *cmcf);
static ngx_int_t ngx_http_realpeer_check_servers(ngx_cycle_t *cycle,
    ngx_http_core_main_conf_t *cmcf);
static void ngx_http_realpeer_describe(ngx_http_core_srv_conf_t *cscf,
    ngx_realpeer_server_t *server);
static ngx_uint_t ngx_http_realpeer_is_http(ngx_cycle_t *cycle,
    ngx_http_core_main_conf_t *cmcf, ngx_listening_t *ls);
static ngx_uint_t ngx_http_realpeer_is_quic(ngx_http_conf_port_t *port);
static void *ngx_http_realpeer_get_addr(ngx_listening_t *ls, ngx_uint_t n,
    ngx_realpeer_addr_t *addr);
static ngx_realpeer_conf_t *ngx_http_realpeer_server_conf(
    ngx_http_core_srv_conf_t *cscf);


static ngx_command_t  ngx_http_realpeer_commands[] = {

    ngx_realpeer_commands(NGX_HTTP_MAIN_CONF, NGX_HTTP_SRV_CONF,
                          NGX_HTTP_SRV_CONF_OFFSET),

    { ngx_string("realpeer_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_realpeer_status,
      NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_realpeer_module_ctx = {
    ngx_http_realpeer_add_variables,       /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    ngx_realpeer_create_conf,              /* create server configuration */
    ngx_realpeer_merge_conf,               /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_realpeer_module = {
    NGX_MODULE_V1,
    &ngx_http_realpeer_module_ctx,         /* module context */
    ngx_http_realpeer_commands,            /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_realpeer_log_exit_process,         /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/*
 * The listening sockets are complete only when the whole http{} block has been
 * read, and later than any hook of an http module.  A core module's init_conf
 * sees them, can still refuse the configuration, and runs under "nginx -t".
 */

static ngx_core_module_t  ngx_http_realpeer_core_module_ctx = {
    ngx_string("http_realpeer_core"),
    NULL,
    ngx_http_realpeer_init_conf
};


ngx_module_t  ngx_http_realpeer_core_module = {
    NGX_MODULE_V1,
    &ngx_http_realpeer_core_module_ctx,    /* module context */
    NULL,                                  /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_realpeer_init_module,              /* init module */
    ngx_realpeer_init_process,             /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_realpeer_exit_process,             /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_realpeer_add_variables(ngx_conf_t *cf)
{
    ngx_str_t            *name;
    ngx_http_variable_t  *var;

    for (name = ngx_realpeer_variable_names; name->len; name++) {
        var = ngx_http_add_variable(cf, name, 0);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = ngx_http_realpeer_get_variable;
        var->data = name - ngx_realpeer_variable_names;
    }

    var = ngx_http_add_variable(cf, &ngx_realpeer_tlv_prefix,
                                NGX_HTTP_VAR_PREFIX);
    if (var == NULL) {
        return NGX_ERROR;
    }

    var->get_handler = ngx_http_realpeer_get_tlv;

    return NGX_OK;
}


static ngx_int_t
ngx_http_realpeer_get_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    return ngx_realpeer_variable(r->connection, r->pool, v, data);
}


static ngx_int_t
ngx_http_realpeer_get_tlv(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    return ngx_realpeer_tlv_variable(r->connection, r->pool, v, data);
}


static char *
ngx_http_realpeer_init_conf(ngx_cycle_t *cycle, void *conf)
{
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module);

    if (cmcf && cmcf->ports && ngx_http_realpeer_listen(cycle, cmcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_realpeer_zone_measure(cycle) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_realpeer_listen(ngx_cycle_t *cycle, ngx_http_core_main_conf_t *cmcf)
{
    ngx_uint_t        i;
    ngx_listening_t  *ls;

    if (ngx_realpeer_check_variables(cycle->log, &cmcf->variables) != NGX_OK
        || ngx_http_realpeer_check_servers(cycle, cmcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ls = cycle->listening.elts;
    for (i = 0; i < cycle->listening.nelts; i++) {

        if (ngx_http_realpeer_is_http(cycle, cmcf, &ls[i])
            && ngx_realpeer_wrap(cycle, &ls[i], ngx_http_realpeer_get_addr)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_realpeer_check_servers(ngx_cycle_t *cycle,
    ngx_http_core_main_conf_t *cmcf)
{
    ngx_uint_t                   p, a, s;
    ngx_http_conf_addr_t        *addr;
    ngx_http_conf_port_t        *port;
    ngx_realpeer_server_t        server, ruling;
    ngx_http_core_srv_conf_t   **cscf;

    port = cmcf->ports->elts;
    for (p = 0; p < cmcf->ports->nelts; p++) {

        if (ngx_http_realpeer_is_quic(&port[p])) {
            continue;
        }

        addr = port[p].addrs.elts;
        for (a = 0; a < port[p].addrs.nelts; a++) {

            ngx_http_realpeer_describe(addr[a].default_server, &ruling);

            cscf = addr[a].servers.elts;
            for (s = 0; s < addr[a].servers.nelts; s++) {

                if (cscf[s] == addr[a].default_server) {
                    continue;
                }

                ngx_http_realpeer_describe(cscf[s], &server);

                if (ngx_realpeer_check_server(cycle->log,
                                              &addr[a].opt.addr_text,
                                              &server, &ruling)
                    != NGX_OK)
                {
                    return NGX_ERROR;
                }
            }
        }
    }

    return NGX_OK;
}


static void
ngx_http_realpeer_describe(ngx_http_core_srv_conf_t *cscf,
    ngx_realpeer_server_t *server)
{
    server->name = &cscf->server_name;
    server->file = cscf->file_name;
    server->line = cscf->line;
    server->conf = ngx_http_realpeer_server_conf(cscf);
}


/*
 * A listening socket of http has http's handler.  Where another module has put
 * its own in front, the address tells, unless a socket of http's own has it.
 */

static ngx_uint_t
ngx_http_realpeer_is_http(ngx_cycle_t *cycle, ngx_http_core_main_conf_t *cmcf,
    ngx_listening_t *ls)
{
    ngx_uint_t             i, p, a, last;
    ngx_listening_t       *other;
    ngx_http_conf_addr_t  *addr;
    ngx_http_conf_port_t  *port;

    if (ls->handler == ngx_http_init_connection) {
        return 1;
    }

    if (ls->handler == ngx_realpeer_init_connection
        || ls->type != SOCK_STREAM)
    {
        return 0;
    }

    other = cycle->listening.elts;
    for (i = 0; i < cycle->listening.nelts; i++) {

        if ((other[i].handler == ngx_http_init_connection
             || other[i].handler == ngx_realpeer_init_connection)
            && ngx_cmp_sockaddr(other[i].sockaddr, other[i].socklen,
                                ls->sockaddr, ls->socklen, 1)
               == NGX_OK)
        {
            return 0;
        }
    }

    port = cmcf->ports->elts;
    for (p = 0; p < cmcf->ports->nelts; p++) {

        if (ngx_http_realpeer_is_quic(&port[p])) {
            continue;
        }

        addr = port[p].addrs.elts;
        last = port[p].addrs.nelts - 1;

        for (a = 0; a <= last; a++) {

            if (addr[last].opt.wildcard && !addr[a].opt.bind) {
                /* served by the socket of "*" */
                continue;
            }

            if (ngx_cmp_sockaddr(addr[a].opt.sockaddr, addr[a].opt.socklen,
                                 ls->sockaddr, ls->socklen, 1)
                == NGX_OK)
            {
                return 1;
            }
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_realpeer_is_quic(ngx_http_conf_port_t *port)
{
#if (NGX_REALPEER_QUIC)
    return port->type != SOCK_STREAM;
#else
    return 0;
#endif
}


static void *
ngx_http_realpeer_get_addr(ngx_listening_t *ls, ngx_uint_t n,
    ngx_realpeer_addr_t *addr)
{
    void                     *ip;
    ngx_http_port_t          *port;
    ngx_http_in_addr_t       *in;
    ngx_http_addr_conf_t     *conf;
#if (NGX_HAVE_INET6)
    ngx_http_in6_addr_t      *in6;
#endif
#if (NGX_REALPEER_SSL_ON && NGX_HTTP_SSL)
    ngx_http_ssl_srv_conf_t  *sscf;
#endif

    ngx_str_set(&addr->subsystem, "http");

    port = ls->servers;

#if (NGX_HAVE_INET6)
    if (ls->sockaddr->sa_family == AF_INET6) {
        in6 = port->addrs;
        ip = &in6[n].addr6;
        conf = &in6[n].conf;

    } else
#endif
    {
        in = port->addrs;
        ip = &in[n].addr;
        conf = &in[n].conf;
    }

    addr->conf = ngx_http_realpeer_server_conf(conf->default_server);
    addr->native = conf->proxy_protocol;

    /*
     * OpenSSL reads the descriptor itself.  Whether this module was built with
     * TLS says nothing about the server it is loaded into.
     */

    addr->exact = conf->ssl;

#if (NGX_REALPEER_SSL_ON)
#if (NGX_HTTP_SSL)
    sscf = conf->default_server->ctx->srv_conf[ngx_http_ssl_module.ctx_index];
    addr->exact |= sscf->enable == 1;
#else
    addr->exact = 1;
#endif
#endif

    return ip;
}


static ngx_realpeer_conf_t *
ngx_http_realpeer_server_conf(ngx_http_core_srv_conf_t *cscf)
{
    return cscf->ctx->srv_conf[ngx_http_realpeer_module.ctx_index];
}
