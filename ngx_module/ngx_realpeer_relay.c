
/*
 * What nginx's own senders of the header write ("proxy_protocol on").  They
 * take the family from c->sockaddr, which is the client by now, and the
 * destination from c->local_sockaddr, which may be of another family or a Unix
 * socket.  There both ends become those of the header before they run.
 *
 * c->local_sockaddr cannot be set earlier: by its family and its address nginx
 * finds the server of a connection.
 */


#include "ngx_realpeer.h"


static ngx_uint_t ngx_realpeer_same_family(ngx_connection_t *c,
    ngx_realpeer_ctx_t *ctx);
static ngx_int_t ngx_realpeer_choose_ends(ngx_connection_t *c,
    ngx_realpeer_ctx_t *ctx, realpeer_address *source,
    realpeer_address *destination);


/* whether a server has a sender's directive, set to whatever it may be */

ngx_uint_t
ngx_realpeer_sends(ngx_cycle_t *cycle, char *sender, void **srv_conf)
{
    ngx_uint_t      i;
    ngx_module_t   *module;
    ngx_command_t  *cmd;

    module = NULL;

    for (i = 0; cycle->modules[i]; i++) {

        if (ngx_strcmp(cycle->modules[i]->name, sender) == 0) {
            module = cycle->modules[i];
            break;
        }
    }

    if (module == NULL) {
        return 0;
    }

    /* where the value is, only the module itself knows, and its command */

    for (cmd = module->commands; cmd && cmd->name.len; cmd++) {

        if (ngx_strcmp(cmd->name.data, "proxy_protocol") == 0
            && (cmd->set == ngx_conf_set_flag_slot
                || cmd->set == ngx_conf_set_enum_slot))
        {
            return *(ngx_uint_t *) ((u_char *) srv_conf[module->ctx_index]
                                    + cmd->offset)
                   != 0;
        }
    }

    return 0;
}


/*
 * A Unix listener where the peer stays the peer: the sender has no address to
 * write.
 */

void
ngx_realpeer_check_sender(ngx_cycle_t *cycle, struct sockaddr *sockaddr,
    ngx_str_t *listen, ngx_realpeer_conf_t *rcf)
{
    int32_t                policy;
    ngx_realpeer_place_t  *place;

    if (sockaddr->sa_family != AF_UNIX || !ngx_realpeer_has_policy(rcf)) {
        return;
    }

    policy = realpeer_rules_find(rcf->rules->elts, rcf->rules->nelts, sockaddr,
                                 sizeof(sa_family_t));

    if (policy != REALPEER_POLICY_DIRECT && policy != REALPEER_POLICY_STRIP) {
        return;
    }

    place = ngx_realpeer_policy_place(rcf);

    ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                  "\"proxy_protocol\" can only write \"PROXY UNKNOWN\" for "
                  "connections to %V, which \"realpeer %s\" gives no client "
                  "in %V:%ui",
                  listen, realpeer_policy_name(policy), &place->file,
                  place->line);
}


/*
 * Both ends for a sender.  A connection that keeps its peer keeps both, and so
 * does one whose client and local end are of one family.
 */

ngx_int_t
ngx_realpeer_relay(ngx_connection_t *c)
{
    socklen_t            local_socklen;
    struct sockaddr     *local_sockaddr;
    realpeer_address     source, destination;
    ngx_realpeer_ctx_t  *ctx;

    ctx = ngx_realpeer_get_ctx(c, NGX_REALPEER_CLIENT);

    if (ctx == NULL || c->local_sockaddr == ctx->relayed) {
        return NGX_OK;
    }

    if (ctx->relayed) {
        /* stream has passed the connection on since */
        c->sockaddr = ctx->client_sockaddr;
        c->socklen = ctx->client_socklen;
    }

    if (ngx_realpeer_same_family(c, ctx)) {
        return NGX_OK;
    }

    if (ngx_realpeer_choose_ends(c, ctx, &source, &destination) != NGX_OK
        || ngx_realpeer_sockaddr(c->pool, &destination, &local_sockaddr,
                                 &local_socklen)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->client_sockaddr = c->sockaddr;
    ctx->client_socklen = c->socklen;

    if (source.family != ctx->decision.client.family
        && ngx_realpeer_sockaddr(c->pool, &source, &c->sockaddr, &c->socklen)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->local_sockaddr = c->local_sockaddr;
    ctx->local_socklen = c->local_socklen;

    ctx->relayed = local_sockaddr;
    c->local_sockaddr = local_sockaddr;
    c->local_socklen = local_socklen;

    return NGX_OK;
}


/* whether what nginx would write is a line already */

static ngx_uint_t
ngx_realpeer_same_family(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx)
{
    struct sockaddr  *local;

    local = c->local_sockaddr;

    if (ngx_inet_wildcard(local)) {
        /* the sender will ask the socket, which has that of the peer */
        local = ctx->sockaddr;
    }

#if (NGX_HAVE_INET6)
    if (local->sa_family == AF_INET6
        && IN6_IS_ADDR_V4MAPPED(&((struct sockaddr_in6 *) local)->sin6_addr))
    {
        return 0;
    }
#endif

    return local->sa_family == c->sockaddr->sa_family;
}


static ngx_int_t
ngx_realpeer_choose_ends(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx,
    realpeer_address *source, realpeer_address *destination)
{
    realpeer_address  *client, *server, local;

    client = &ctx->decision.client;
    server = &ctx->decision.server;

    if (realpeer_relayed(client, server, NULL, source, destination,
                         sizeof(realpeer_address))
        != 0)
    {
        return NGX_ERROR;
    }

    if (source->family == client->family
        && ngx_memcmp(destination, server, sizeof(realpeer_address)) == 0)
    {
        return NGX_OK;
    }

    /* what the header has will not do: our own end, if it has an address */

    if (ngx_connection_local_sockaddr(c, NULL, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    if (realpeer_address_from_sockaddr(c->local_sockaddr, c->local_socklen,
                                       &local, sizeof(realpeer_address))
        != 0
        || realpeer_relayed(client, server, &local, source, destination,
                            sizeof(realpeer_address))
           != 0)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
