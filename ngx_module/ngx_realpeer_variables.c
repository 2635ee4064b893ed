
/*
 * What is known of a connection, as text for variables.  Evaluated where a
 * variable is used, and nowhere else: a request that uses none pays nothing.
 */


#include "ngx_realpeer.h"


typedef int32_t (*ngx_realpeer_tlv_pt)(const uint8_t *tlvs, size_t len,
    int32_t field, char *out, size_t size);


static ngx_int_t ngx_realpeer_value(ngx_connection_t *c, ngx_pool_t *pool,
    ngx_uint_t variable, ngx_str_t *value);
static ngx_int_t ngx_realpeer_tlv_value(ngx_connection_t *c, ngx_pool_t *pool,
    ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_realpeer_set_value(ngx_variable_value_t *v, ngx_int_t rc,
    ngx_str_t *value);
static ngx_int_t ngx_realpeer_text_value(ngx_pool_t *pool,
    realpeer_address *address, ngx_str_t *value);
static ngx_int_t ngx_realpeer_number_value(ngx_pool_t *pool, ngx_uint_t number,
    ngx_str_t *value);
static int32_t ngx_realpeer_tlv_field(ngx_str_t *name,
    ngx_realpeer_tlv_pt *write);


/* in the order of ngx_realpeer_variable_e */

ngx_str_t  ngx_realpeer_variable_names[] = {
    ngx_string("realpeer_result"),
    ngx_string("realpeer_policy"),
    ngx_string("realpeer_version"),
    ngx_string("realpeer_addr"),
    ngx_string("realpeer_port"),
    ngx_string("realpeer_server_addr"),
    ngx_string("realpeer_server_port"),
    ngx_string("realpeer_proxy_addr"),
    ngx_string("realpeer_proxy_port"),
    ngx_null_string
};


ngx_str_t  ngx_realpeer_tlv_prefix = ngx_string("realpeer_tlv_");


ngx_int_t
ngx_realpeer_variable(ngx_connection_t *c, ngx_pool_t *pool,
    ngx_variable_value_t *v, uintptr_t data)
{
    ngx_int_t  rc;
    ngx_str_t  value;

    rc = ngx_realpeer_value(c, pool, data, &value);

    return ngx_realpeer_set_value(v, rc, &value);
}


/* data: the whole name of the variable */

ngx_int_t
ngx_realpeer_tlv_variable(ngx_connection_t *c, ngx_pool_t *pool,
    ngx_variable_value_t *v, uintptr_t data)
{
    ngx_int_t  rc;
    ngx_str_t  value;

    rc = ngx_realpeer_tlv_value(c, pool, (ngx_str_t *) data, &value);

    return ngx_realpeer_set_value(v, rc, &value);
}


static ngx_int_t
ngx_realpeer_set_value(ngx_variable_value_t *v, ngx_int_t rc,
    ngx_str_t *value)
{
    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = value->len;
    v->data = value->data;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/*
 * NGX_DECLINED: there is no value.  Without a policy on its listener a
 * connection has no value for any variable.
 */

static ngx_int_t
ngx_realpeer_value(ngx_connection_t *c, ngx_pool_t *pool, ngx_uint_t variable,
    ngx_str_t *value)
{
    const char          *text;
    realpeer_address    *client, *server;
    ngx_realpeer_ctx_t  *ctx;

    ctx = ngx_realpeer_get_ctx(c, NGX_REALPEER_ANY);
    if (ctx == NULL) {
        return NGX_DECLINED;
    }

    client = &ctx->decision.client;
    server = &ctx->decision.server;

    switch (variable) {

    case NGX_REALPEER_RESULT:
        text = realpeer_result_name(ctx->decision.result);
        break;

    case NGX_REALPEER_POLICY:
        text = realpeer_policy_name(ctx->policy);
        break;

    case NGX_REALPEER_VERSION:
        if (ctx->decision.header.version == 0) {
            return NGX_DECLINED;
        }

        return ngx_realpeer_number_value(pool, ctx->decision.header.version,
                                         value);

    case NGX_REALPEER_ADDR:
        return ngx_realpeer_text_value(pool, client, value);

    case NGX_REALPEER_PORT:
        if (client->family == REALPEER_FAMILY_UNSPEC) {
            return NGX_DECLINED;
        }

        return ngx_realpeer_number_value(pool, client->port, value);

    case NGX_REALPEER_SERVER_ADDR:
        return ngx_realpeer_text_value(pool, server, value);

    case NGX_REALPEER_SERVER_PORT:
        if (server->family == REALPEER_FAMILY_UNSPEC) {
            return NGX_DECLINED;
        }

        return ngx_realpeer_number_value(pool, server->port, value);

    case NGX_REALPEER_PROXY_ADDR:
        *value = ctx->addr_text;
        return NGX_OK;

    case NGX_REALPEER_PROXY_PORT:
        if (ctx->sockaddr->sa_family == AF_UNIX) {
            return NGX_DECLINED;
        }

        return ngx_realpeer_number_value(pool,
                                         ngx_inet_get_port(ctx->sockaddr),
                                         value);

    default:
        return NGX_DECLINED;
    }

    value->data = (u_char *) text;
    value->len = ngx_strlen(text);

    return NGX_OK;
}


static ngx_int_t
ngx_realpeer_text_value(ngx_pool_t *pool, realpeer_address *address,
    ngx_str_t *value)
{
    if (address->family == REALPEER_FAMILY_UNSPEC) {
        return NGX_DECLINED;
    }

    return ngx_realpeer_address_text(pool, address, value);
}


static ngx_int_t
ngx_realpeer_number_value(ngx_pool_t *pool, ngx_uint_t number,
    ngx_str_t *value)
{
    value->data = ngx_pnalloc(pool, NGX_INT_T_LEN);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    value->len = ngx_sprintf(value->data, "%ui", number) - value->data;

    return NGX_OK;
}


static ngx_int_t
ngx_realpeer_tlv_value(ngx_connection_t *c, ngx_pool_t *pool, ngx_str_t *name,
    ngx_str_t *value)
{
    int32_t               field, len;
    ngx_realpeer_ctx_t   *ctx;
    ngx_realpeer_tlv_pt   write;

    ctx = ngx_realpeer_get_ctx(c, NGX_REALPEER_ANY);
    if (ctx == NULL || ctx->tlvs.len == 0) {
        return NGX_DECLINED;
    }

    field = ngx_realpeer_tlv_field(name, &write);
    if (field < 0) {
        return NGX_DECLINED;
    }

    len = write(ctx->tlvs.data, ctx->tlvs.len, field, NULL, 0);
    if (len < 0) {
        return NGX_DECLINED;
    }

    value->len = (size_t) len;
    value->data = ngx_pnalloc(pool, value->len + 1);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    (void) write(ctx->tlvs.data, ctx->tlvs.len, field, (char *) value->data,
                 value->len);

    return NGX_OK;
}


/*
 * The variables that a configuration uses, of http or of stream: in both the
 * name comes first.
 */

ngx_int_t
ngx_realpeer_check_variables(ngx_log_t *log, ngx_array_t *variables)
{
    ngx_str_t            *name, *prefix;
    ngx_uint_t            i;
    ngx_realpeer_tlv_pt   write;

    prefix = &ngx_realpeer_tlv_prefix;

    for (i = 0; i < variables->nelts; i++) {
        name = (ngx_str_t *) ((u_char *) variables->elts
                              + i * variables->size);

        if (name->len < prefix->len
            || ngx_strncmp(name->data, prefix->data, prefix->len) != 0
            || ngx_realpeer_tlv_field(name, &write) >= 0)
        {
            continue;
        }

        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "unknown TLV in variable \"$%V\", see the documentation "
                      "of \"$realpeer_tlv_NAME\" for the names, or write the "
                      "type as \"0x\" and two hex digits", name);

        return NGX_ERROR;
    }

    return NGX_OK;
}


/* the field that the name of a variable ends in, and how it is written */

static int32_t
ngx_realpeer_tlv_field(ngx_str_t *name, ngx_realpeer_tlv_pt *write)
{
    u_char  *field, *last;

    field = name->data + ngx_realpeer_tlv_prefix.len;
    last = name->data + name->len;

    *write = realpeer_tlv_text;

    if (last - field > 4 && ngx_strncmp(field, "hex_", 4) == 0) {
        *write = realpeer_tlv_hex;
        field += 4;
    }

    return realpeer_tlv_field((char *) field, last - field);
}
