
/*
 * Listening sockets: which have a policy, and whose handler we stand in for.
 */


#include "ngx_realpeer.h"


static ngx_int_t ngx_realpeer_fill_addr(ngx_cycle_t *cycle,
    ngx_listening_t *ls, void *ip, ngx_realpeer_addr_t *addr);
static ngx_int_t ngx_realpeer_check_addr(ngx_cycle_t *cycle,
    ngx_listening_t *ls, ngx_realpeer_addr_t *addr);
static ngx_uint_t ngx_realpeer_same_ip(struct sockaddr *one,
    struct sockaddr *two);


/* the listening sockets of a subsystem, which is known by its handler */

ngx_int_t
ngx_realpeer_wrap_all(ngx_cycle_t *cycle, ngx_connection_handler_pt handler,
    ngx_realpeer_get_addr_pt get_addr)
{
    ngx_uint_t        i;
    ngx_listening_t  *ls;

    ls = cycle->listening.elts;
    for (i = 0; i < cycle->listening.nelts; i++) {

        if (ls[i].handler == handler
            && ngx_realpeer_wrap(cycle, &ls[i], get_addr) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * Puts our handler in front of the one of a listening socket if one of its
 * addresses has a policy.
 */

ngx_int_t
ngx_realpeer_wrap(ngx_cycle_t *cycle, ngx_listening_t *ls,
    ngx_realpeer_get_addr_pt get_addr)
{
    ngx_uint_t            n, policies;
    ngx_realpeer_addr_t  *addr;
    ngx_realpeer_port_t  *port, *native;

    native = ls->servers;

    port = ngx_pcalloc(cycle->pool, sizeof(ngx_realpeer_port_t));
    if (port == NULL) {
        return NGX_ERROR;
    }

    port->addrs = native->addrs;
    port->naddrs = native->naddrs;
    port->handler = ls->handler;

    port->policies = ngx_pcalloc(cycle->pool,
                                 port->naddrs * sizeof(ngx_realpeer_addr_t));
    if (port->policies == NULL) {
        return NGX_ERROR;
    }

    policies = 0;

    for (n = 0; n < port->naddrs; n++) {
        addr = &port->policies[n];

        if (ngx_realpeer_fill_addr(cycle, ls, get_addr(ls, n, addr), addr)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (!ngx_realpeer_has_policy(addr->conf)) {
            continue;
        }

        if (ngx_realpeer_check_addr(cycle, ls, addr) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ls->type == SOCK_STREAM
            && ngx_realpeer_zone_add(cycle, addr) != NGX_OK)
        {
            return NGX_ERROR;
        }

        policies++;
    }

    if (policies == 0 || ls->type != SOCK_STREAM) {
        return NGX_OK;
    }

    if (ngx_realpeer_limit_port(cycle, ls, port) != NGX_OK) {
        return NGX_ERROR;
    }

    ls->servers = port;
    ls->handler = ngx_realpeer_init_connection;

    return NGX_OK;
}


static ngx_int_t
ngx_realpeer_fill_addr(ngx_cycle_t *cycle, ngx_listening_t *ls, void *ip,
    ngx_realpeer_addr_t *addr)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    addr->sockaddr = ngx_palloc(cycle->pool, ls->socklen);
    addr->text.data = ngx_pnalloc(cycle->pool, NGX_SOCKADDR_STRLEN);

    if (addr->sockaddr == NULL || addr->text.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(addr->sockaddr, ls->sockaddr, ls->socklen);

    switch (addr->sockaddr->sa_family) {

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) addr->sockaddr;
        ngx_memcpy(&sin6->sin6_addr, ip, sizeof(struct in6_addr));
        break;
#endif

    case AF_INET:
        sin = (struct sockaddr_in *) addr->sockaddr;
        ngx_memcpy(&sin->sin_addr.s_addr, ip, sizeof(in_addr_t));
        break;

    default: /* AF_UNIX */
        break;
    }

    addr->text.len = ngx_sock_ntop(addr->sockaddr, ls->socklen,
                                   addr->text.data, NGX_SOCKADDR_STRLEN, 1);

    return NGX_OK;
}


/* an address with a policy: can it be kept to? */

static ngx_int_t
ngx_realpeer_check_addr(ngx_cycle_t *cycle, ngx_listening_t *ls,
    ngx_realpeer_addr_t *addr)
{
    ngx_realpeer_place_t  *place;

    place = ngx_realpeer_policy_place(addr->conf);

    if (ls->type != SOCK_STREAM) {

        if (ls->worker > 0) {
            /* a clone: the first one has been warned of */
            return NGX_OK;
        }

        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "\"realpeer\" covers TCP only: connections to %V over "
                      "UDP or QUIC keep the address of their peer, whoever "
                      "that is in %V:%ui",
                      &addr->text, &place->file, place->line);
        return NGX_OK;
    }

    if (addr->native) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "\"realpeer\" and the \"proxy_protocol\" parameter of "
                      "\"listen %V\" would both read the header, remove one "
                      "of them in %V:%ui",
                      &addr->text, &place->file, place->line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* the address that a connection came to; NULL if that cannot be found out */

ngx_realpeer_addr_t *
ngx_realpeer_find_addr(ngx_connection_t *c, ngx_realpeer_port_t *port)
{
    ngx_uint_t  i;

    if (port->naddrs == 1) {
        return port->policies;
    }

    /* the handler behind us asks the same, and gets it from the connection */

    if (ngx_connection_local_sockaddr(c, NULL, 0) != NGX_OK) {
        return NULL;
    }

    for (i = 0; i < port->naddrs - 1; i++) {
        if (ngx_realpeer_same_ip(c->local_sockaddr,
                                 port->policies[i].sockaddr))
        {
            break;
        }
    }

    return &port->policies[i];
}


static ngx_uint_t
ngx_realpeer_same_ip(struct sockaddr *one, struct sockaddr *two)
{
    if (one->sa_family != two->sa_family) {
        return 0;
    }

    switch (one->sa_family) {

#if (NGX_HAVE_INET6)
    case AF_INET6:
        return ngx_memcmp(&((struct sockaddr_in6 *) one)->sin6_addr,
                          &((struct sockaddr_in6 *) two)->sin6_addr, 16)
               == 0;
#endif

    case AF_INET:
        return ((struct sockaddr_in *) one)->sin_addr.s_addr
               == ((struct sockaddr_in *) two)->sin_addr.s_addr;

    default:
        return 0;
    }
}
