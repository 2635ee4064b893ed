
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
static void ngx_mail_realpeer_wrap_senders(ngx_cycle_t *cycle);
static void ngx_mail_realpeer_init_session(ngx_connection_t *c);
static void *ngx_mail_realpeer_get_addr(ngx_listening_t *ls, ngx_uint_t n,
    ngx_realpeer_addr_t *addr);


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
    NULL,                                  /* init module */
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
    if (ngx_realpeer_wrap_all(cycle, ngx_mail_init_connection,
                              ngx_mail_realpeer_get_addr)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_mail_realpeer_wrap_senders(cycle);

    if (ngx_realpeer_zone_measure(cycle) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* servers that send the header themselves are given both ends for it */

static void
ngx_mail_realpeer_wrap_senders(ngx_cycle_t *cycle)
{
    ngx_uint_t                  i, n;
    ngx_listening_t            *ls;
    ngx_mail_listen_t          *listen;
    ngx_mail_conf_ctx_t        *ctx;
    ngx_realpeer_port_t        *port;
    ngx_mail_core_main_conf_t  *cmcf;

    ctx = (ngx_mail_conf_ctx_t *) ngx_get_conf(cycle->conf_ctx,
                                               ngx_mail_module);
    if (ctx == NULL) {
        return;
    }

    cmcf = ctx->main_conf[ngx_mail_core_module.ctx_index];
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

        port = ls[i].servers;

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

    ctx = ngx_realpeer_get_client(c);

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


static void *
ngx_mail_realpeer_get_addr(ngx_listening_t *ls, ngx_uint_t n,
    ngx_realpeer_addr_t *addr)
{
    void                  *ip;
    ngx_mail_port_t       *port;
    ngx_mail_in_addr_t    *in;
    ngx_mail_addr_conf_t  *conf;
#if (NGX_HAVE_INET6)
    ngx_mail_in6_addr_t   *in6;
#endif

    ngx_str_set(&addr->subsystem, "mail");

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

    addr->conf = conf->ctx->srv_conf[ngx_mail_realpeer_module.ctx_index];
    addr->native = conf->proxy_protocol;

    addr->exact = 1;    /* TLS may begin at once */
    addr->greets = 1;

    return ip;
}
