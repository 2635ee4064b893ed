
/*
 * A connection that goes on: the client's address in place of the peer's, and
 * on to the handler that would have had the connection without us, with what
 * was read behind the header.
 */


#include "ngx_realpeer.h"


/*
 * In "available" while bytes are handed over.  Each event method writes there
 * when an event comes, and so does what posts one, and none writes this: to the
 * methods it is a number of bytes or -1.  Nothing but a real recv() reads it.
 */
#define NGX_REALPEER_NO_EVENT  -2


static void ngx_realpeer_log_another(ngx_connection_t *c,
    ngx_realpeer_ctx_t *ctx);
static ngx_int_t ngx_realpeer_keep_tlvs(ngx_connection_t *c,
    ngx_realpeer_ctx_t *ctx);
static ngx_int_t ngx_realpeer_set_client(ngx_connection_t *c,
    ngx_realpeer_ctx_t *ctx);
static ngx_int_t ngx_realpeer_set_native(ngx_connection_t *c,
    ngx_realpeer_ctx_t *ctx);
static ssize_t ngx_realpeer_recv(ngx_connection_t *c, u_char *buf,
    size_t size);
static void ngx_realpeer_free_buffer(ngx_connection_t *c,
    ngx_realpeer_ctx_t *ctx);


/* the connection as it would be had the client connected itself */

void
ngx_realpeer_go_on(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx)
{
    ngx_event_t  *rev;

    rev = c->read;

    if (rev->timer_set) {
        ngx_del_timer(rev);
    }

    ngx_reusable_connection(c, 0);

    /* one that cannot go on has not been accepted */

    if (ctx->decision.action == REALPEER_ACTION_ACCEPT
        && (ngx_realpeer_keep_tlvs(c, ctx) != NGX_OK
            || ngx_realpeer_set_client(c, ctx) != NGX_OK))
    {
        ngx_realpeer_fail(c, ctx);
        return;
    }

    ctx->pos = ctx->start + ctx->decision.consumed;

    if (ngx_realpeer_keep(c, ctx, ctx->pos, 0) != NGX_OK) {
        ngx_realpeer_fail(c, ctx);
        return;
    }

    ngx_realpeer_count_decided(c, ctx);

    if (ctx->another) {
        ngx_realpeer_count_another(ctx);
        ngx_realpeer_log_another(c, ctx);
    }

    c->data = NULL;
    c->log->connection = 0;
    c->log->handler = NULL;
    c->log->data = NULL;
    c->log->action = NULL;
    c->log_error = ctx->log_error;

    if (ctx->closed) {
        /* no event will tell again; the handler has to see it for itself */
        rev->ready = 1;
    }

    if (ctx->pos < ctx->last) {
        ctx->recv = c->recv;
        ctx->ready = rev->ready;
        ctx->available = rev->available;

        c->recv = ngx_realpeer_recv;
        rev->ready = 1;
        rev->available = NGX_REALPEER_NO_EVENT;

    } else {
        ngx_realpeer_free_buffer(c, ctx);
    }

    if (ctx->addr->greets && rev->ready) {
        /* of what has come with the header no event will tell again */
        ngx_post_event(rev, &ngx_posted_events);
    }

    ngx_realpeer_call(c, ctx->port);
}


/*
 * Not refused: the bytes may be the application's own.  Most often they are
 * the header of a balancer that sends through another one, and end as a bad
 * request that does not say why.
 */

static void
ngx_realpeer_log_another(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx)
{
    ngx_log_t            *log;
    uint32_t              held_back;
    ngx_realpeer_addr_t  *addr;
    ngx_realpeer_port_t  *port;

    addr = ctx->addr;
    held_back = 0;

    if (c->log->log_level < NGX_LOG_ERR
        || realpeer_log_another(addr->limit, &addr->conf->log_rate,
                                sizeof(realpeer_log_rate),
                                ngx_current_msec, &held_back)
           == 0)
    {
        return;
    }

    if (held_back) {
        port = ngx_realpeer_port(c->listening);
        log = port->cycle == ngx_cycle ? port->log : ngx_cycle->log;

        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "realpeer: held back %uD lines about another PROXY "
                      "header, listener: %V", held_back, &addr->text);
    }

    c->log->action = NULL;

    ngx_log_error(NGX_LOG_ERR, c->log, 0,
                  "realpeer: another PROXY header follows the first (as when "
                  "each of two load balancers in a row adds one)");
}


static ngx_int_t
ngx_realpeer_keep_tlvs(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx)
{
    realpeer_header  *header;

    header = &ctx->decision.header;

    if (header->tlv_length == 0) {
        return NGX_OK;
    }

    ctx->tlvs.data = ngx_pnalloc(c->pool, header->tlv_length);
    if (ctx->tlvs.data == NULL) {
        return NGX_ERROR;
    }

    ctx->tlvs.len = header->tlv_length;
    ngx_memcpy(ctx->tlvs.data, ctx->start + header->tlv_offset,
               header->tlv_length);

    return NGX_OK;
}


static ngx_int_t
ngx_realpeer_set_client(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx)
{
    realpeer_address  *client;

    client = &ctx->decision.client;

    if (client->family == REALPEER_FAMILY_UNSPEC) {
        return NGX_OK;
    }

#if !(NGX_HAVE_INET6)
    if (client->family == REALPEER_FAMILY_INET6) {
        /* "deny all" would not cover an address that nginx does not know */
        c->log->action = NULL;
        ngx_log_error(NGX_LOG_ERR, c->log, 0,
                      "realpeer: refused an IPv6 client, for which this nginx "
                      "was not built");
        return NGX_ERROR;
    }
#endif

    if (ngx_realpeer_sockaddr(c->pool, client, &c->sockaddr, &c->socklen)
        != NGX_OK
        || ngx_realpeer_address_text(c->pool, client, &c->addr_text) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_realpeer_set_native(c, ctx);
}


ngx_int_t
ngx_realpeer_sockaddr(ngx_pool_t *pool, realpeer_address *address,
    struct sockaddr **sockaddr, socklen_t *socklen)
{
    socklen_t         len;
    struct sockaddr  *sa;

    len = sizeof(ngx_sockaddr_t);

    sa = ngx_palloc(pool, len);
    if (sa == NULL) {
        return NGX_ERROR;
    }

    if (realpeer_address_to_sockaddr(address, sa, &len) != 0) {
        return NGX_ERROR;
    }

    *sockaddr = sa;
    *socklen = len;

    return NGX_OK;
}


ngx_int_t
ngx_realpeer_address_text(ngx_pool_t *pool, realpeer_address *address,
    ngx_str_t *text)
{
    int32_t  len;

    text->data = ngx_pnalloc(pool, REALPEER_ADDRESS_TEXT);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    len = realpeer_address_text(address, (char *) text->data,
                                REALPEER_ADDRESS_TEXT);
    if (len < 0) {
        return NGX_ERROR;
    }

    text->len = (size_t) len;

    return NGX_OK;
}


/* for the $proxy_protocol_* variables, and what is built on them */

static ngx_int_t
ngx_realpeer_set_native(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx)
{
    ngx_proxy_protocol_t  *pp;

    pp = ngx_pcalloc(c->pool, sizeof(ngx_proxy_protocol_t));
    if (pp == NULL) {
        return NGX_ERROR;
    }

    pp->src_addr = c->addr_text;
    pp->src_port = ctx->decision.client.port;
    pp->dst_port = ctx->decision.server.port;

#if (NGX_REALPEER_NATIVE_TLVS)
    pp->tlvs = ctx->tlvs;
#endif

    if (ngx_realpeer_address_text(c->pool, &ctx->decision.server, &pp->dst_addr)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    c->proxy_protocol = pp;

    return NGX_OK;
}


/*
 * Hands over what was read behind the header, and gives way to the real recv()
 * when that is done.
 */

static ssize_t
ngx_realpeer_recv(ngx_connection_t *c, u_char *buf, size_t size)
{
    ngx_event_t         *rev;
    ngx_realpeer_ctx_t  *ctx;

    ctx = ngx_realpeer_get_ctx(c, NGX_REALPEER_PENDING);

    size = ngx_min(size, (size_t) (ctx->last - ctx->pos));
    ngx_memcpy(buf, ctx->pos, size);
    ctx->pos += size;

    if (ctx->pos < ctx->last) {
        return size;
    }

    /*
     * A request that was read whole must not look as if more were there: nginx
     * would linger on closing.  So all is as the real recv() left it, unless an
     * event has come since: an edge-triggered method does not report it again,
     * and a level-triggered one that is no longer asked does not either.
     */

    rev = c->read;

    if (rev->available == NGX_REALPEER_NO_EVENT) {
        rev->available = ctx->available;
        rev->ready = ctx->ready || rev->pending_eof;

    } else {
        rev->ready = 1;
    }

    c->recv = ctx->recv;
    ctx->recv = NULL;

    ngx_realpeer_free_buffer(c, ctx);

    return size;
}


static void
ngx_realpeer_free_buffer(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx)
{
    if (ctx->start) {
        (void) ngx_pfree(c->pool, ctx->start);
    }

    ctx->start = NULL;
    ctx->pos = NULL;
    ctx->last = NULL;
    ctx->end = NULL;
}
