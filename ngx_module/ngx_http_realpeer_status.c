
/*
 * "realpeer_status": the counters, as an answer to a request.  What is counted,
 * and how it is written, is the library's.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_realpeer.h"


/* bytes of text between one buffer and the next */
#define NGX_HTTP_REALPEER_TEXT   8192


typedef struct {
    ngx_pool_t    *pool;
    ngx_chain_t   *first;
    ngx_chain_t  **next;
    ngx_buf_t     *last;
    off_t          size;
} ngx_http_realpeer_text_t;


static ngx_int_t ngx_http_realpeer_status_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_realpeer_status_refuse(ngx_http_request_t *r,
    ngx_uint_t status, char *name, char *value, char *why);
static ngx_int_t ngx_http_realpeer_status_send(ngx_http_request_t *r,
    ngx_uint_t status, const char *type, ngx_http_realpeer_text_t *text);
static int32_t ngx_http_realpeer_status_write(void *context, const char *text,
    size_t len);
static ngx_str_t ngx_http_realpeer_status_accept(ngx_http_request_t *r);
static ngx_int_t ngx_http_realpeer_status_header(ngx_http_request_t *r,
    char *name, char *value);


char *
ngx_http_realpeer_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler == ngx_http_realpeer_status_handler) {
        return "is duplicate";
    }

    /* there is something to show, though nothing may be counted */

    if (ngx_realpeer_zone_get(cf->cycle) == NULL) {
        return NGX_CONF_ERROR;
    }

    clcf->handler = ngx_http_realpeer_status_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_realpeer_status_handler(ngx_http_request_t *r)
{
    int32_t                    format;
    ngx_int_t                  rc;
    ngx_str_t                  accept;
    realpeer_counters         *counters;
    ngx_http_realpeer_text_t   text;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_realpeer_status_refuse(r, NGX_HTTP_NOT_ALLOWED,
                                               "Allow", "GET, HEAD",
                                               "only GET and HEAD\n");
    }

    accept = ngx_http_realpeer_status_accept(r);

    format = realpeer_counters_format((char *) r->args.data, r->args.len,
                                      (char *) accept.data, accept.len);
    if (format < 0) {
        return ngx_http_realpeer_status_refuse(r, NGX_HTTP_BAD_REQUEST, NULL,
                   NULL, "the format is prometheus, json or html\n");
    }

    counters = ngx_realpeer_zone_counters((ngx_cycle_t *) ngx_cycle);
    if (counters == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&text, sizeof(ngx_http_realpeer_text_t));
    text.pool = r->pool;
    text.next = &text.first;

    if (realpeer_counters_write(counters, format, ngx_time(),
                                ngx_http_realpeer_status_write, &text)
        != 0)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_realpeer_status_header(r, "Vary", "Accept") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (format == REALPEER_FORMAT_HTML
        && ngx_http_realpeer_status_header(r, "Content-Security-Policy",
               "default-src 'none'; style-src 'unsafe-inline'")
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_realpeer_status_send(r, NGX_HTTP_OK,
                                      realpeer_counters_content_type(format),
                                      &text);
}


/* with a header to go with it, if any */

static ngx_int_t
ngx_http_realpeer_status_refuse(ngx_http_request_t *r, ngx_uint_t status,
    char *name, char *value, char *why)
{
    ngx_http_realpeer_text_t  text;

    ngx_memzero(&text, sizeof(ngx_http_realpeer_text_t));
    text.pool = r->pool;
    text.next = &text.first;

    if (ngx_http_realpeer_status_write(&text, why, ngx_strlen(why)) != 0
        || (name && ngx_http_realpeer_status_header(r, name, value) != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_realpeer_status_send(r, status, "text/plain", &text);
}


static ngx_int_t
ngx_http_realpeer_status_send(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, ngx_http_realpeer_text_t *text)
{
    ngx_int_t  rc;

    r->headers_out.status = status;
    r->headers_out.content_length_n = text->size;
    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    if (ngx_http_realpeer_status_header(r, "Cache-Control", "no-store")
        != NGX_OK
        || ngx_http_realpeer_status_header(r, "X-Content-Type-Options",
                                           "nosniff")
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    text->last->last_buf = (r == r->main);
    text->last->last_in_chain = 1;

    return ngx_http_output_filter(r, text->first);
}


/* a piece of text, into a chain of buffers */

static int32_t
ngx_http_realpeer_status_write(void *context, const char *text, size_t len)
{
    ngx_http_realpeer_text_t *to = context;

    ngx_chain_t  *cl;

    if (to->last == NULL || (size_t) (to->last->end - to->last->last) < len) {

        cl = ngx_alloc_chain_link(to->pool);
        if (cl == NULL) {
            return -1;
        }

        to->last = ngx_create_temp_buf(to->pool,
                                       ngx_max(len, NGX_HTTP_REALPEER_TEXT));
        if (to->last == NULL) {
            return -1;
        }

        cl->buf = to->last;
        cl->next = NULL;

        *to->next = cl;
        to->next = &cl->next;
    }

    to->last->last = ngx_cpymem(to->last->last, text, len);
    to->size += len;

    return 0;
}


/* nginx may have been built without a place for it */

static ngx_str_t
ngx_http_realpeer_status_accept(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_str_t  none = ngx_null_string;

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        h = part->elts;
        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == sizeof("Accept") - 1
                && ngx_strncasecmp(h[i].key.data, (u_char *) "Accept",
                                   sizeof("Accept") - 1)
                   == 0)
            {
                return h[i].value;
            }
        }
    }

    return none;
}


static ngx_int_t
ngx_http_realpeer_status_header(ngx_http_request_t *r, char *name, char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    /* what a later nginx has added to it as well */
    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = (u_char *) value;
    h->value.len = ngx_strlen(value);

    return NGX_OK;
}
