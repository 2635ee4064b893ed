
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
static int ngx_http_realpeer_type(ngx_http_conf_port_t *port);
static ngx_uint_t ngx_http_realpeer_is_tls(ngx_http_conf_addr_t *addr);
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
    ngx_realpeer_listen_init_module,       /* init module */
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
    ngx_uint_t              p, a;
    ngx_array_t             listens;
    ngx_http_conf_addr_t   *addr;
    ngx_http_conf_port_t   *port;
    ngx_realpeer_listen_t  *listen;

    if (ngx_realpeer_check_variables(cycle->log, &cmcf->variables) != NGX_OK
        || ngx_http_realpeer_check_servers(cycle, cmcf) != NGX_OK
        || ngx_array_init(&listens, cycle->pool, 4,
                          sizeof(ngx_realpeer_listen_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    port = cmcf->ports->elts;
    for (p = 0; p < cmcf->ports->nelts; p++) {

        addr = port[p].addrs.elts;
        for (a = 0; a < port[p].addrs.nelts; a++) {

            listen = ngx_array_push(&listens);
            if (listen == NULL) {
                return NGX_ERROR;
            }

            ngx_memzero(listen, sizeof(ngx_realpeer_listen_t));

            listen->sockaddr = addr[a].opt.sockaddr;
            listen->socklen = addr[a].opt.socklen;
            listen->type = ngx_http_realpeer_type(&port[p]);
            listen->bind = addr[a].opt.bind;
            listen->wildcard = addr[a].opt.wildcard;

            ngx_str_set(&listen->addr.subsystem, "http");
            listen->addr.conf =
                          ngx_http_realpeer_server_conf(addr[a].default_server);
            listen->addr.native = addr[a].opt.proxy_protocol;

            /* OpenSSL reads the descriptor itself */
            listen->addr.exact = ngx_http_realpeer_is_tls(&addr[a]);
        }
    }

    return ngx_realpeer_wrap_all(cycle, &listens, ngx_http_init_connection);
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

        if (ngx_http_realpeer_type(&port[p]) != SOCK_STREAM) {
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


static int
ngx_http_realpeer_type(ngx_http_conf_port_t *port)
{
#if (NGX_REALPEER_QUIC)
    return port->type;
#else
    return SOCK_STREAM;
#endif
}


/*
 * Whether this module was built with TLS says nothing about the server that it
 * is loaded into.
 */

static ngx_uint_t
ngx_http_realpeer_is_tls(ngx_http_conf_addr_t *addr)
{
#if (NGX_REALPEER_SSL_ON && NGX_HTTP_SSL)

    ngx_http_core_srv_conf_t  *cscf;
    ngx_http_ssl_srv_conf_t   *sscf;

    cscf = addr->default_server;
    sscf = cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

    return addr->opt.ssl || sscf->enable == 1;

#elif (NGX_REALPEER_SSL_ON)

    return 1;

#else

    return addr->opt.ssl;

#endif
}


static ngx_realpeer_conf_t *
ngx_http_realpeer_server_conf(ngx_http_core_srv_conf_t *cscf)
{
    return cscf->ctx->srv_conf[ngx_http_realpeer_module.ctx_index];
}
