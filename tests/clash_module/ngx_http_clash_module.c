
/*
 * The variable $clash: what the library of this module has to say, which is
 * "4711 4712 4713 nonsense" unless it is another library that answers.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* the names are those of clash.rs, and so are the types */

#if (CLASH_OWN_NAMES)
#define realpeer_decide       clash_decide
#define realpeer_parse        clash_parse
#define realpeer_rules_find   clash_rules_find
#define realpeer_result_name  clash_result_name
#endif

int32_t realpeer_decide(void);
int32_t realpeer_parse(void);
int32_t realpeer_rules_find(void);
const char *realpeer_result_name(void);


static ngx_int_t ngx_http_clash_add_variables(ngx_conf_t *cf);
static ngx_int_t ngx_http_clash_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_module_t  ngx_http_clash_module_ctx = {
    ngx_http_clash_add_variables,          /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_clash_module = {
    NGX_MODULE_V1,
    &ngx_http_clash_module_ctx,            /* module context */
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


static ngx_int_t
ngx_http_clash_add_variables(ngx_conf_t *cf)
{
    ngx_str_t             name = ngx_string("clash");
    ngx_http_variable_t  *var;

    var = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
    if (var == NULL) {
        return NGX_ERROR;
    }

    var->get_handler = ngx_http_clash_variable;

    return NGX_OK;
}


static ngx_int_t
ngx_http_clash_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    u_char   *p;
    int32_t   decide, parse, find;

    p = ngx_pnalloc(r->pool, 128);
    if (p == NULL) {
        return NGX_ERROR;
    }

    decide = realpeer_decide();
    parse = realpeer_parse();
    find = realpeer_rules_find();

    v->data = p;
    v->len = ngx_snprintf(p, 128, "%D %D %D %s", decide, parse, find,
                          realpeer_result_name())
             - p;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;

    return NGX_OK;
}
