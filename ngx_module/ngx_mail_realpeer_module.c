
/*
 * realpeer for mail: finds the listening sockets.  Servers of mail do not share
 * addresses, and mail has no variables.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_mail.h>
#include "ngx_realpeer.h"


/* no header of nginx has it */
extern ngx_module_t  ngx_mail_module;


static char *ngx_mail_realpeer_init_conf(ngx_cycle_t *cycle, void *conf);
static ngx_int_t ngx_mail_realpeer_listen(ngx_cycle_t *cycle,
    ngx_mail_core_main_conf_t *cmcf);
static void ngx_mail_realpeer_wrap_senders(ngx_cycle_t *cycle,
    ngx_mail_core_main_conf_t *cmcf);
static void ngx_mail_realpeer_init_session(ngx_connection_t *c);


static ngx_command_t  ngx_mail_realpeer_commands[] = {

    ngx_realpeer_commands(NGX_MAIL_MAIN_CONF, NGX_MAIL_SRV_CONF,
                          NGX_MAIL_SRV_CONF_OFFSET),

      ngx_null_command
};


static ngx_mail_module_t  ngx_mail_realpeer_module_ctx = {
    NULL,                                  /* protocol */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    ngx_realpeer_create_conf,              /* create server configuration */
    ngx_realpeer_merge_conf                /* merge server configuration */
};


ngx_module_t  ngx_mail_realpeer_module = {
    NGX_MODULE_V1,
    &ngx_mail_realpeer_module_ctx,         /* module context */
    ngx_mail_realpeer_commands,            /* module directives */
    NGX_MAIL_MODULE,                       /* module type */
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
 * The listening sockets are complete only when the whole mail{} block has been
 * read, and later than any hook of a mail module.  A core module's init_conf
 * sees them, can still refuse the configuration, and runs under "nginx -t".
 */

static ngx_core_module_t  ngx_mail_realpeer_core_module_ctx = {
    ngx_string("mail_realpeer_core"),
    NULL,
    ngx_mail_realpeer_init_conf
};


ngx_module_t  ngx_mail_realpeer_core_module = {
    NGX_MODULE_V1,
    &ngx_mail_realpeer_core_module_ctx,    /* module context */
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


static char *
ngx_mail_realpeer_init_conf(ngx_cycle_t *cycle, void *conf)
{
    ngx_mail_conf_ctx_t        *ctx;
    ngx_mail_core_main_conf_t  *cmcf;

    ctx = (ngx_mail_conf_ctx_t *) ngx_get_conf(cycle->conf_ctx,
                                               ngx_mail_module);
    if (ctx) {
        cmcf = ctx->main_conf[ngx_mail_core_module.ctx_index];

        if (ngx_mail_realpeer_listen(cycle, cmcf) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_realpeer_zone_measure(cycle) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_mail_realpeer_listen(ngx_cycle_t *cycle, ngx_mail_core_main_conf_t *cmcf)
{
    ngx_uint_t              i;
    ngx_array_t             listens;
    ngx_mail_listen_t      *opt;
    ngx_mail_conf_ctx_t    *ctx;
    ngx_realpeer_listen_t  *listen;

    if (ngx_array_init(&listens, cycle->pool, 4,
                       sizeof(ngx_realpeer_listen_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    opt = cmcf->listen.elts;
    for (i = 0; i < cmcf->listen.nelts; i++) {

        listen = ngx_array_push(&listens);
        if (listen == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(listen, sizeof(ngx_realpeer_listen_t));

        listen->sockaddr = opt[i].sockaddr;
        listen->socklen = opt[i].socklen;
        listen->type = SOCK_STREAM;
        listen->bind = opt[i].bind;
        listen->wildcard = opt[i].wildcard;

        ctx = opt[i].ctx;

        ngx_str_set(&listen->addr.subsystem, "mail");
        listen->addr.conf = ctx->srv_conf[ngx_mail_realpeer_module.ctx_index];
        listen->addr.native = opt[i].proxy_protocol;

        listen->addr.exact = 1;    /* TLS may begin at once */
        listen->addr.greets = 1;
    }

    if (ngx_realpeer_wrap_all(cycle, &listens, ngx_mail_init_connection)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_mail_realpeer_wrap_senders(cycle, cmcf);

    return NGX_OK;
}


/* servers that send the header themselves are given both ends for it */

static void
ngx_mail_realpeer_wrap_senders(ngx_cycle_t *cycle,
    ngx_mail_core_main_conf_t *cmcf)
{
    ngx_uint_t            i, n;
    ngx_listening_t      *ls;
    ngx_mail_listen_t    *listen;
    ngx_mail_conf_ctx_t  *ctx;
    ngx_realpeer_port_t  *port;

    n = 0;

    listen = cmcf->listen.elts;
    for (i = 0; i < cmcf->listen.nelts; i++) {
        ctx = listen[i].ctx;

        if (!ngx_realpeer_sends(cycle, "ngx_mail_proxy_module", ctx->srv_conf))
        {
            continue;
        }

        ngx_realpeer_check_sender(cycle, listen[i].sockaddr,
                                  &listen[i].addr_text,
                        ctx->srv_conf[ngx_mail_realpeer_module.ctx_index]);
        n++;
    }

    if (n == 0) {
        return;
    }

    ls = cycle->listening.elts;
    for (i = 0; i < cycle->listening.nelts; i++) {

        if (ls[i].handler != ngx_realpeer_init_connection) {
            continue;
        }

        port = ngx_realpeer_port(&ls[i]);

        if (port->handler == ngx_mail_init_connection) {
            port->handler = ngx_mail_realpeer_init_session;
        }
    }
}


/*
 * The sender runs when the login server has agreed, with no hook before it.
 * But nothing else looks at the local end once the server has been found.
 */

static void
ngx_mail_realpeer_init_session(ngx_connection_t *c)
{
    ngx_uint_t           ended;
    ngx_realpeer_ctx_t  *ctx;

    ctx = ngx_realpeer_get_ctx(c, NGX_REALPEER_CLIENT);

    if (ctx == NULL) {
        ngx_mail_init_connection(c);
        return;
    }

    ended = 0;
    ctx->ended = &ended;

    ngx_mail_init_connection(c);

    if (ended) {
        /* the session, and the connection and its memory with it */
        return;
    }

    ctx->ended = NULL;

    if (ngx_realpeer_relay(c) != NGX_OK) {
        ngx_mail_close_connection(c);
    }
}
