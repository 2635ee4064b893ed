
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

static void ngx_stream_realpeer_wrap_own(ngx_stream_core_main_conf_t *cmcf);
static ngx_int_t ngx_stream_realpeer_get_own(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data);

static char *ngx_stream_realpeer_init_conf(ngx_cycle_t *cycle, void *conf);
static ngx_int_t ngx_stream_realpeer_listen(ngx_cycle_t *cycle,
    ngx_stream_core_main_conf_t *cmcf);
static void ngx_stream_realpeer_wrap_senders(ngx_cycle_t *cycle,
    ngx_stream_core_main_conf_t *cmcf);
static void ngx_stream_realpeer_send(ngx_stream_session_t *s);
static void ngx_stream_realpeer_check_senders(ngx_cycle_t *cycle,
    ngx_stream_core_main_conf_t *cmcf);
static void ngx_stream_realpeer_check_sender(ngx_cycle_t *cycle,
    struct sockaddr *sockaddr, ngx_str_t *listen, ngx_stream_conf_ctx_t *ctx,
    ngx_stream_conf_ctx_t *ruling);
#if (NGX_REALPEER_STREAM_NAMES)
static ngx_int_t ngx_stream_realpeer_check_servers(ngx_cycle_t *cycle,
    ngx_stream_core_main_conf_t *cmcf);
static void ngx_stream_realpeer_describe(ngx_stream_core_srv_conf_t *cscf,
    ngx_realpeer_server_t *server);
#endif
static ngx_int_t ngx_stream_realpeer_add_listen(ngx_array_t *listens,
    ngx_stream_conf_ctx_t *ctx, ngx_stream_realpeer_opt_t *opt);

static char *ngx_stream_realpeer_access_log(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static void ngx_stream_realpeer_log_session(ngx_connection_t *c,
    ngx_realpeer_ctx_t *ctx);


static ngx_command_t  ngx_stream_realpeer_commands[] = {

    ngx_realpeer_commands(NGX_STREAM_MAIN_CONF, NGX_STREAM_SRV_CONF,
                          NGX_STREAM_SRV_CONF_OFFSET),

    { ngx_string("realpeer_access_log"),
      NGX_STREAM_MAIN_CONF|NGX_STREAM_SRV_CONF|NGX_CONF_TAKE1,
      ngx_stream_realpeer_access_log,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      NULL },

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


/* what ngx_stream_realpeer_get_own() stands in for */

static ngx_stream_variable_t  ngx_stream_realpeer_own[] = {

    { ngx_string("binary_remote_addr"), NULL, NULL, 0, 0, 0 },
    { ngx_string("server_addr"), NULL, NULL, 0, 0, 0 },
    { ngx_string("server_port"), NULL, NULL, 0, 0, 0 },

      ngx_stream_null_variable
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

    ngx_stream_realpeer_wrap_own(ngx_stream_conf_get_module_main_conf(cf,
                                                    ngx_stream_core_module));

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


/* variables of nginx that read what is changed for its senders */

static void
ngx_stream_realpeer_wrap_own(ngx_stream_core_main_conf_t *cmcf)
{
    ngx_uint_t              i, n;
    ngx_hash_key_t         *key;
    ngx_stream_variable_t  *own, *var;

    key = cmcf->variables_keys->keys.elts;
    for (i = 0; i < cmcf->variables_keys->keys.nelts; i++) {
        var = key[i].value;

        for (n = 0; ngx_stream_realpeer_own[n].name.len; n++) {
            own = &ngx_stream_realpeer_own[n];

            if (key[i].key.len != own->name.len
                || ngx_strncmp(key[i].key.data, own->name.data, own->name.len)
                   != 0)
            {
                continue;
            }

            own->get_handler = var->get_handler;
            own->data = var->data;

            var->get_handler = ngx_stream_realpeer_get_own;
            var->data = n;
        }
    }
}


/* as it is without us */

static ngx_int_t
ngx_stream_realpeer_get_own(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data)
{
    socklen_t               socklen, local_socklen;
    ngx_int_t               rc;
    struct sockaddr        *sockaddr, *local_sockaddr;
    ngx_connection_t       *c;
    ngx_realpeer_ctx_t     *ctx;
    ngx_stream_variable_t  *own;

    c = s->connection;
    ctx = ngx_realpeer_get_ctx(c, NGX_REALPEER_CLIENT);
    own = &ngx_stream_realpeer_own[data];

    if (ctx == NULL || c->local_sockaddr != ctx->relayed) {
        return own->get_handler(s, v, own->data);
    }

    sockaddr = c->sockaddr;
    socklen = c->socklen;
    local_sockaddr = c->local_sockaddr;
    local_socklen = c->local_socklen;

    c->sockaddr = ctx->client_sockaddr;
    c->socklen = ctx->client_socklen;
    c->local_sockaddr = ctx->local_sockaddr;
    c->local_socklen = ctx->local_socklen;

    rc = own->get_handler(s, v, own->data);

    /* for a wildcard address nginx has asked the socket */

    ctx->local_sockaddr = c->local_sockaddr;
    ctx->local_socklen = c->local_socklen;

    c->sockaddr = sockaddr;
    c->socklen = socklen;
    c->local_sockaddr = local_sockaddr;
    c->local_socklen = local_socklen;

    return rc;
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

    if (ngx_realpeer_wrap_all(cycle, &listens, ngx_stream_init_connection)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_stream_realpeer_wrap_senders(cycle, cmcf);
    ngx_stream_realpeer_check_senders(cycle, cmcf);

    return NGX_OK;
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

    if (listen->addr.conf->access_log) {
        listen->addr.refused = ngx_stream_realpeer_log_session;
        listen->addr.servers = ctx;
    }

    /* "ssl", "ssl_preread" and "pass" look at the socket */
    listen->addr.exact = 1;

    return NGX_OK;
}


/* a server that sends the header itself is given both ends of the connection */

static void
ngx_stream_realpeer_wrap_senders(ngx_cycle_t *cycle,
    ngx_stream_core_main_conf_t *cmcf)
{
    ngx_uint_t                     s;
    ngx_realpeer_conf_t           *rcf;
    ngx_stream_core_srv_conf_t   **cscf;

    cscf = cmcf->servers.elts;
    for (s = 0; s < cmcf->servers.nelts; s++) {

        if (cscf[s]->handler == NULL
            || !ngx_realpeer_sends(cycle, "ngx_stream_proxy_module",
                                   cscf[s]->ctx->srv_conf))
        {
            continue;
        }

        rcf = cscf[s]->ctx->srv_conf[ngx_stream_realpeer_module.ctx_index];

        rcf->content = (void (*)(void)) cscf[s]->handler;
        cscf[s]->handler = ngx_stream_realpeer_send;
    }
}


static void
ngx_stream_realpeer_send(ngx_stream_session_t *s)
{
    ngx_connection_t               *c;
    ngx_realpeer_conf_t            *rcf;
    ngx_stream_content_handler_pt   content;

    c = s->connection;

    rcf = ngx_stream_get_module_srv_conf(s, ngx_stream_realpeer_module);
    content = (ngx_stream_content_handler_pt) rcf->content;

    /* the sender asks as well; after "pass" a wildcard is of any family */

    if (ngx_realpeer_get_ctx(c, NGX_REALPEER_CLIENT)
        && (ngx_connection_local_sockaddr(c, NULL, 0) != NGX_OK
            || ngx_realpeer_relay(c) != NGX_OK))
    {
        ngx_stream_finalize_session(s, NGX_STREAM_INTERNAL_SERVER_ERROR);
        return;
    }

    content(s);
}


static void
ngx_stream_realpeer_check_senders(ngx_cycle_t *cycle,
    ngx_stream_core_main_conf_t *cmcf)
{
#if (NGX_REALPEER_STREAM_NAMES)

    ngx_uint_t                     p, a, s;
    ngx_stream_conf_addr_t        *addr;
    ngx_stream_conf_port_t        *port;
    ngx_stream_core_srv_conf_t   **cscf;

    if (cmcf->ports == NULL) {
        return;
    }

    port = cmcf->ports->elts;
    for (p = 0; p < cmcf->ports->nelts; p++) {

        addr = port[p].addrs.elts;
        for (a = 0; a < port[p].addrs.nelts; a++) {

            cscf = addr[a].servers.elts;
            for (s = 0; s < addr[a].servers.nelts; s++) {
                ngx_stream_realpeer_check_sender(cycle, addr[a].opt.sockaddr,
                                                 &addr[a].opt.addr_text,
                                                 cscf[s]->ctx,
                                                 addr[a].default_server->ctx);
            }
        }
    }

#else

    ngx_uint_t            i;
    ngx_stream_listen_t  *listen;

    listen = cmcf->listen.elts;
    for (i = 0; i < cmcf->listen.nelts; i++) {
        ngx_stream_realpeer_check_sender(cycle, listen[i].sockaddr,
                                         &listen[i].addr_text, listen[i].ctx,
                                         listen[i].ctx);
    }

#endif
}


static void
ngx_stream_realpeer_check_sender(ngx_cycle_t *cycle, struct sockaddr *sockaddr,
    ngx_str_t *listen, ngx_stream_conf_ctx_t *ctx,
    ngx_stream_conf_ctx_t *ruling)
{
    ngx_uint_t  i;

    i = ngx_stream_realpeer_module.ctx_index;

    if (ngx_realpeer_sends(cycle, "ngx_stream_proxy_module", ctx->srv_conf)) {
        ngx_realpeer_check_sender(cycle, sockaddr, listen,
                                  ruling->srv_conf[i]);
    }
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


static char *
ngx_stream_realpeer_access_log(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_realpeer_conf_t *rcf = conf;

    ngx_str_t  *value;

    if (rcf->access_log != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "on") == 0) {
        rcf->access_log = 1;

    } else if (ngx_strcmp(value[1].data, "off") == 0) {
        rcf->access_log = 0;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"realpeer_access_log\", "
                           "it must be \"on\" or \"off\", the file is that of "
                           "\"access_log\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    ngx_realpeer_mark(cf, rcf);

    return NGX_CONF_OK;
}


/*
 * A session that sees the log phase and no other.  nginx itself has one for
 * each connection before it reads a header, and logs that whatever comes.
 */

static void
ngx_stream_realpeer_log_session(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx)
{
    ngx_uint_t                    i, n;
    ngx_msec_t                    spent;
    ngx_time_t                   *tp;
    ngx_stream_session_t         *s;
    ngx_stream_handler_pt        *log_handler;
    ngx_stream_conf_ctx_t        *servers;
    ngx_stream_core_main_conf_t  *cmcf;

    s = ngx_pcalloc(c->pool, sizeof(ngx_stream_session_t));
    if (s == NULL) {
        return;
    }

    servers = ctx->addr->servers;

    s->signature = NGX_STREAM_MODULE;
    s->main_conf = servers->main_conf;
    s->srv_conf = servers->srv_conf;
    s->connection = c;

    s->ctx = ngx_pcalloc(c->pool, sizeof(void *) * ngx_stream_max_module);
    if (s->ctx == NULL) {
        return;
    }

    cmcf = ngx_stream_get_module_main_conf(s, ngx_stream_core_module);

    s->variables = ngx_pcalloc(c->pool, cmcf->variables.nelts
                                        * sizeof(ngx_stream_variable_value_t));
    if (s->variables == NULL) {
        return;
    }

    /* it began when the connection was accepted */

    tp = ngx_timeofday();
    spent = ngx_current_msec - c->start_time;

    s->start_sec = tp->sec - spent / 1000;
    s->start_msec = tp->msec;

    if (s->start_msec < spent % 1000) {
        s->start_sec--;
        s->start_msec += 1000;
    }

    s->start_msec -= spent % 1000;

    s->status = (ctx->decision.result == REALPEER_RESULT_UNTRUSTED)
                ? NGX_STREAM_FORBIDDEN : NGX_STREAM_BAD_REQUEST;

    c->data = s;
    c->log->action = "logging refused connection";

    log_handler = cmcf->phases[NGX_STREAM_LOG_PHASE].handlers.elts;
    n = cmcf->phases[NGX_STREAM_LOG_PHASE].handlers.nelts;

    for (i = 0; i < n; i++) {
        (void) log_handler[i](s);
    }
}
