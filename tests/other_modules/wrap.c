
/*
 * A module of others that has the first or the last word on listening sockets:
 * it puts its own handler on each that takes TCP, and calls the one it found.
 *
 *   other_handler keep   what the sockets serve stays as it is
 *   other_handler own    and is a struct of its own, which ends where the
 *                        memory ends that can be read, except while the
 *                        handler that it found is called
 *   other_handler twice  as keep, and each address has a second socket
 *   other_handler more   nothing of this: it adds a socket for each, on port 1
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sys/mman.h>


typedef struct {
    ngx_uint_t                  mode;
} ngx_other_conf_t;


/* the struct of its own is no bigger than this pointer */

typedef struct {
    struct ngx_other_found_s   *found;
} ngx_other_servers_t;


typedef struct ngx_other_found_s {
    void                       *servers;     /* what is in ls->servers now */
    void                       *native;
    ngx_connection_handler_pt   handler;
} ngx_other_found_t;


#define NGX_OTHER_KEEP  1
#define NGX_OTHER_OWN   2
#define NGX_OTHER_TWICE 3
#define NGX_OTHER_MORE  4
#define NGX_OTHER_MAX   64


static void *ngx_other_create_conf(ngx_cycle_t *cycle);
static char *ngx_other_init_conf(ngx_cycle_t *cycle, void *conf);
static ngx_int_t ngx_other_add_sockets(ngx_cycle_t *cycle, in_port_t port);
static void *ngx_other_servers(ngx_other_found_t *found);
static void ngx_other_init_connection(ngx_connection_t *c);


static ngx_conf_enum_t  ngx_other_modes[] = {
    { ngx_string("keep"), NGX_OTHER_KEEP },
    { ngx_string("own"), NGX_OTHER_OWN },
    { ngx_string("twice"), NGX_OTHER_TWICE },
    { ngx_string("more"), NGX_OTHER_MORE },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_other_commands[] = {

    { ngx_string("other_handler"),
      NGX_MAIN_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      0,
      offsetof(ngx_other_conf_t, mode),
      &ngx_other_modes },

      ngx_null_command
};


static ngx_core_module_t  ngx_other_module_ctx = {
    ngx_string("other"),
    ngx_other_create_conf,
    ngx_other_init_conf
};


ngx_module_t  ngx_other_module = {
    NGX_MODULE_V1,
    &ngx_other_module_ctx,                 /* module context */
    ngx_other_commands,                    /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* what nginx's configure would write for a dynamic module */

ngx_module_t  *ngx_modules[] = { &ngx_other_module, NULL };
char          *ngx_module_names[] = { "ngx_other_module", NULL };
char          *ngx_module_order[] = { NULL };


static ngx_other_found_t  ngx_other_found[NGX_OTHER_MAX];
static ngx_uint_t         ngx_other_n;


static void *
ngx_other_create_conf(ngx_cycle_t *cycle)
{
    ngx_other_conf_t  *ocf;

    ocf = ngx_pcalloc(cycle->pool, sizeof(ngx_other_conf_t));
    if (ocf == NULL) {
        return NULL;
    }

    ocf->mode = NGX_CONF_UNSET_UINT;

    return ocf;
}


static char *
ngx_other_init_conf(ngx_cycle_t *cycle, void *conf)
{
    ngx_other_conf_t *ocf = conf;

    ngx_uint_t          i;
    ngx_listening_t    *ls;
    ngx_other_found_t  *found;

    ngx_conf_init_uint_value(ocf->mode, NGX_OTHER_KEEP);

    if (ocf->mode == NGX_OTHER_MORE) {
        return ngx_other_add_sockets(cycle, 1) == NGX_OK ? NGX_CONF_OK
                                                         : NGX_CONF_ERROR;
    }

    if (ocf->mode == NGX_OTHER_TWICE
        && ngx_other_add_sockets(cycle, 0) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ls = cycle->listening.elts;
    for (i = 0; i < cycle->listening.nelts; i++) {

        if (ls[i].type != SOCK_STREAM) {
            continue;
        }

        if (ngx_other_n == NGX_OTHER_MAX) {
            return "has too many sockets";
        }

        found = &ngx_other_found[ngx_other_n++];
        found->native = ls[i].servers;
        found->handler = ls[i].handler;

        if (ocf->mode == NGX_OTHER_OWN) {
            ls[i].servers = ngx_other_servers(found);
            if (ls[i].servers == NULL) {
                return NGX_CONF_ERROR;
            }
        }

        found->servers = ls[i].servers;
        ls[i].handler = ngx_other_init_connection;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_other_add_sockets(ngx_cycle_t *cycle, in_port_t port)
{
    ngx_uint_t        i, n;
    ngx_listening_t  *ls, *copy;

    n = cycle->listening.nelts;

    for (i = 0; i < n; i++) {

        copy = ngx_array_push(&cycle->listening);
        if (copy == NULL) {
            return NGX_ERROR;
        }

        ls = cycle->listening.elts;
        *copy = ls[i];

        copy->sockaddr = ngx_palloc(cycle->pool, copy->socklen);
        if (copy->sockaddr == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(copy->sockaddr, ls[i].sockaddr, copy->socklen);

        if (port) {
            ngx_inet_set_port(copy->sockaddr, port);
        }
    }

    return NGX_OK;
}


/* at the end of a page, and no page follows */

static void *
ngx_other_servers(ngx_other_found_t *found)
{
    u_char               *p;
    ngx_other_servers_t  *servers;

    p = mmap(NULL, 2 * ngx_pagesize, PROT_READ|PROT_WRITE,
             MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED
        || mprotect(p + ngx_pagesize, ngx_pagesize, PROT_NONE) == -1)
    {
        return NULL;
    }

    servers = (ngx_other_servers_t *)
                  (p + ngx_pagesize - sizeof(ngx_other_servers_t));
    servers->found = found;

    return servers;
}


static void
ngx_other_init_connection(ngx_connection_t *c)
{
    void               *servers;
    ngx_uint_t          i;
    ngx_listening_t    *ls;
    ngx_other_found_t  *found;

    ls = c->listening;
    servers = ls->servers;

    for (i = ngx_other_n; i > 0; i--) {
        found = &ngx_other_found[i - 1];

        if (found->servers != servers) {
            continue;
        }

        ngx_log_error(NGX_LOG_NOTICE, c->log, 0, "other module: client %V",
                      &c->addr_text);

        ls->servers = found->native;
        found->handler(c);
        ls->servers = servers;

        return;
    }

    ngx_log_error(NGX_LOG_ALERT, c->log, 0, "other module: what socket is it?");
    abort();
}
