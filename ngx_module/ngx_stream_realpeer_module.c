
/*
 * realpeer for stream: finds the listening sockets, checks that servers which
 * share an address agree, and gives sessions their variables.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_stream.h>
#include "ngx_realpeer.h"


#if (NGX_REALPEER_STREAM_NAMES)
typedef ngx_stream_listen_opt_t  ngx_stream_realpeer_opt_t;
#else
typedef ngx_stream_listen_t      ngx_stream_realpeer_opt_t;
#endif


static ngx_int_t ngx_stream_realpeer_add_variables(ngx_conf_t *cf);
static ngx_int_t ngx_stream_realpeer_get_variable(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_stream_realpeer_get_tlv(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data);

static char *ngx_stream_realpeer_init_conf(ngx_cycle_t *cycle, void *conf);
static ngx_int_t ngx_stream_realpeer_listen(ngx_cycle_t *cycle,
    ngx_stream_core_main_conf_t *cmcf);
#if (NGX_REALPEER_STREAM_NAMES)
static ngx_int_t ngx_stream_realpeer_check_servers(ngx_cycle_t *cycle,
    ngx_stream_core_main_conf_t *cmcf);
static void ngx_stream_realpeer_describe(ngx_stream_core_srv_conf_t *cscf,
    ngx_realpeer_server_t *server);
#endif
static ngx_int_t ngx_stream_realpeer_add_listen(ngx_array_t *listens,
    ngx_stream_conf_ctx_t *ctx, ngx_stream_realpeer_opt_t *opt);


static ngx_command_t  ngx_stream_realpeer_commands[] = {

    ngx_realpeer_commands(NGX_STREAM_MAIN_CONF, NGX_STREAM_SRV_CONF,
                          NGX_STREAM_SRV_CONF_OFFSET),

      ngx_null_command
};


static ngx_stream_module_t  ngx_stream_realpeer_module_ctx = {
    ngx_stream_realpeer_add_variables,     /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    ngx_realpeer_create_conf,              /* create server configuration */
    ngx_realpeer_merge_conf                /* merge server configuration */
};


ngx_module_t  ngx_stream_realpeer_module = {
    NGX_MODULE_V1,
    &ngx_stream_realpeer_module_ctx,       /* module context */
    ngx_stream_realpeer_commands,          /* module directives */
    NGX_STREAM_MODULE,                     /* module type */
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
 * The listening sockets are complete only when the whole stream{} block has
 * been read, and later than any hook of a stream module.  A core module's
 * init_conf sees them, can still refuse the configuration, and runs under
 * "nginx -t".
 */

static ngx_core_module_t  ngx_stream_realpeer_core_module_ctx = {
    ngx_string("stream_realpeer_core"),
    NULL,
    ngx_stream_realpeer_init_conf
};


ngx_module_t  ngx_stream_realpeer_core_module = {
    NGX_MODULE_V1,
    &ngx_stream_realpeer_core_module_ctx,  /* module context */
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
ngx_stream_realpeer_add_variables(ngx_conf_t *cf)
{
    ngx_str_t            *name;
    ngx_stream_variable_t  *var;

    for (name = ngx_realpeer_variable_names; name->len; name++) {
        var = ngx_stream_add_variable(cf, name, 0);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = ngx_stream_realpeer_get_variable;
        var->data = name - ngx_realpeer_variable_names;
    }

    var = ngx_stream_add_variable(cf, &ngx_realpeer_tlv_prefix,
                                NGX_STREAM_VAR_PREFIX);
    if (var == NULL) {
        return NGX_ERROR;
    }

    var->get_handler = ngx_stream_realpeer_get_tlv;

    return NGX_OK;
}


static ngx_int_t
ngx_stream_realpeer_get_variable(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data)
{
    return ngx_realpeer_variable(s->connection, s->connection->pool, v, data);
}


static ngx_int_t
ngx_stream_realpeer_get_tlv(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data)
{
    return ngx_realpeer_tlv_variable(s->connection, s->connection->pool, v,
                                     data);
}


static char *
ngx_stream_realpeer_init_conf(ngx_cycle_t *cycle, void *conf)
{
    ngx_stream_core_main_conf_t  *cmcf;

    cmcf = ngx_stream_cycle_get_module_main_conf(cycle,
                                                 ngx_stream_core_module);
    if (cmcf && ngx_stream_realpeer_listen(cycle, cmcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_realpeer_zone_measure(cycle) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_stream_realpeer_listen(ngx_cycle_t *cycle,
    ngx_stream_core_main_conf_t *cmcf)
{
    ngx_uint_t               i;
    ngx_array_t              listens;
#if (NGX_REALPEER_STREAM_NAMES)
    ngx_uint_t               a;
    ngx_stream_conf_addr_t  *addr;
    ngx_stream_conf_port_t  *port;
#else
    ngx_stream_listen_t     *opt;
#endif

    if (ngx_realpeer_check_variables(cycle->log, &cmcf->variables) != NGX_OK
        || ngx_array_init(&listens, cycle->pool, 4,
                          sizeof(ngx_realpeer_listen_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

#if (NGX_REALPEER_STREAM_NAMES)

    if (cmcf->ports == NULL) {
        return NGX_OK;
    }

    if (ngx_stream_realpeer_check_servers(cycle, cmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    port = cmcf->ports->elts;
    for (i = 0; i < cmcf->ports->nelts; i++) {

        addr = port[i].addrs.elts;
        for (a = 0; a < port[i].addrs.nelts; a++) {

            if (ngx_stream_realpeer_add_listen(&listens,
                                               addr[a].default_server->ctx,
                                               &addr[a].opt)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

#else

    opt = cmcf->listen.elts;
    for (i = 0; i < cmcf->listen.nelts; i++) {

        if (ngx_stream_realpeer_add_listen(&listens, opt[i].ctx, &opt[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

#endif

    return ngx_realpeer_wrap_all(cycle, &listens, ngx_stream_init_connection);
}


static ngx_int_t
ngx_stream_realpeer_add_listen(ngx_array_t *listens,
    ngx_stream_conf_ctx_t *ctx, ngx_stream_realpeer_opt_t *opt)
{
    ngx_realpeer_listen_t  *listen;

    listen = ngx_array_push(listens);
    if (listen == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(listen, sizeof(ngx_realpeer_listen_t));

    listen->sockaddr = opt->sockaddr;
    listen->socklen = opt->socklen;
    listen->type = opt->type;
    listen->bind = opt->bind;
    listen->wildcard = opt->wildcard;

    ngx_str_set(&listen->addr.subsystem, "stream");
    listen->addr.conf = ctx->srv_conf[ngx_stream_realpeer_module.ctx_index];
    listen->addr.native = opt->proxy_protocol;

    /* "ssl", "ssl_preread" and "pass" look at the socket */
    listen->addr.exact = 1;

    return NGX_OK;
}


#if (NGX_REALPEER_STREAM_NAMES)

static ngx_int_t
ngx_stream_realpeer_check_servers(ngx_cycle_t *cycle,
    ngx_stream_core_main_conf_t *cmcf)
{
    ngx_uint_t                     p, a, s;
    ngx_stream_conf_addr_t        *addr;
    ngx_stream_conf_port_t        *port;
    ngx_realpeer_server_t          server, ruling;
    ngx_stream_core_srv_conf_t   **cscf;

    port = cmcf->ports->elts;
    for (p = 0; p < cmcf->ports->nelts; p++) {

        if (port[p].type != SOCK_STREAM) {
            continue;
        }

        addr = port[p].addrs.elts;
        for (a = 0; a < port[p].addrs.nelts; a++) {

            ngx_stream_realpeer_describe(addr[a].default_server, &ruling);

            cscf = addr[a].servers.elts;
            for (s = 0; s < addr[a].servers.nelts; s++) {

                if (cscf[s] == addr[a].default_server) {
                    continue;
                }

                ngx_stream_realpeer_describe(cscf[s], &server);

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
ngx_stream_realpeer_describe(ngx_stream_core_srv_conf_t *cscf,
    ngx_realpeer_server_t *server)
{
    server->name = &cscf->server_name;
    server->file = cscf->file_name;
    server->line = cscf->line;
    server->conf = cscf->ctx->srv_conf[ngx_stream_realpeer_module.ctx_index];
}

#endif
