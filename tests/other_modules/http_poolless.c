
/*
 * A module of others that evaluates variables on a connection which no client
 * has made: without a pool, as some have it that run scripts by timers.
 *
 * $other_poolless   what $realpeer_result, $realpeer_proxy_addr and
 *                   $realpeer_tlv_authority are there, each in brackets
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


static ngx_int_t ngx_other_add_variable(ngx_conf_t *cf);
static ngx_int_t ngx_other_find_variables(ngx_conf_t *cf);
static ngx_int_t ngx_other_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_module_t  ngx_other_module_ctx = {
    ngx_other_add_variable,                /* preconfiguration */
    ngx_other_find_variables,              /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_other_http_poolless_module = {
    NGX_MODULE_V1,
    &ngx_other_module_ctx,                 /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
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

ngx_module_t  *ngx_modules[] = { &ngx_other_http_poolless_module, NULL };
char          *ngx_module_names[] = { "ngx_other_http_poolless_module", NULL };
char          *ngx_module_order[] = { NULL };


static ngx_str_t  ngx_other_names[] = {
    ngx_string("realpeer_result"),
    ngx_string("realpeer_proxy_addr"),
    ngx_string("realpeer_tlv_authority")
};

#define NGX_OTHER_NAMES  (sizeof(ngx_other_names) / sizeof(ngx_str_t))

static ngx_int_t  ngx_other_indexes[NGX_OTHER_NAMES];


static ngx_int_t
ngx_other_add_variable(ngx_conf_t *cf)
{
    ngx_str_t               name = ngx_string("other_poolless");
    ngx_http_variable_t  *var;

    var = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
    if (var == NULL) {
        return NGX_ERROR;
    }

    var->get_handler = ngx_other_variable;

    return NGX_OK;
}


static ngx_int_t
ngx_other_find_variables(ngx_conf_t *cf)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_OTHER_NAMES; i++) {
        ngx_other_indexes[i] = ngx_http_get_variable_index(cf,
                                                         &ngx_other_names[i]);
        if (ngx_other_indexes[i] == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_other_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    u_char                      *p, *last;
    ngx_uint_t                   i;
    ngx_connection_t             c;
    ngx_http_request_t           copy;
    ngx_http_variable_value_t  *value;

    c = *r->connection;
    c.pool = NULL;

    copy = *r;
    copy.connection = &c;

    p = ngx_pnalloc(r->pool, 1024);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->data = p;
    last = p + 1024;

    for (i = 0; i < NGX_OTHER_NAMES; i++) {

        /* what has been found for the client is not asked again */
        value = &copy.variables[ngx_other_indexes[i]];
        ngx_memzero(value, sizeof(ngx_http_variable_value_t));

        value = ngx_http_get_indexed_variable(&copy, ngx_other_indexes[i]);
        if (value == NULL) {
            return NGX_ERROR;
        }

        p = ngx_slprintf(p, last, "[%*s]",
                         value->not_found ? (size_t) 0 : (size_t) value->len,
                         value->data);

        ngx_memzero(&copy.variables[ngx_other_indexes[i]],
                    sizeof(ngx_http_variable_value_t));
    }

    v->len = p - v->data;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;

    return NGX_OK;
}
