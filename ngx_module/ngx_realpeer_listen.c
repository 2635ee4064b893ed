
/*
 * Listening sockets: which have a policy, and whose handler we stand in for.
 */


#include "ngx_realpeer.h"


static ngx_int_t ngx_realpeer_fill_addr(ngx_cycle_t *cycle,
    ngx_listening_t *ls, void *ip, ngx_realpeer_addr_t *addr);
static ngx_int_t ngx_realpeer_check_addr(ngx_cycle_t *cycle,
    ngx_listening_t *ls, ngx_realpeer_addr_t *addr);
static int ngx_libc_cdecl ngx_realpeer_cmp_ports(const void *one,
    const void *two);
static ngx_uint_t ngx_realpeer_same_ip(struct sockaddr *one,
    struct sockaddr *two);


void *
ngx_realpeer_create_main_conf(ngx_cycle_t *cycle)
{
    ngx_realpeer_main_conf_t  *rmcf;

    rmcf = ngx_pcalloc(cycle->pool, sizeof(ngx_realpeer_main_conf_t));
    if (rmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&rmcf->ports, cycle->pool, 4,
                       sizeof(ngx_realpeer_port_t))
        != NGX_OK)
    {
        return NULL;
    }

    return rmcf;
}


/*
 * Puts "handler" in front of the one of a listening socket if one of its
 * addresses has a policy.  Clones of the socket for other workers have the same
 * servers, and find the same entry.
 */

ngx_int_t
ngx_realpeer_wrap(ngx_cycle_t *cycle, ngx_realpeer_main_conf_t *rmcf,
    ngx_listening_t *ls, ngx_uint_t naddrs, ngx_realpeer_get_addr_pt get_addr,
    ngx_connection_handler_pt handler)
{
    ngx_uint_t            n, policies;
    ngx_realpeer_addr_t  *addrs;
    ngx_realpeer_port_t  *port;

    addrs = ngx_pcalloc(cycle->pool, naddrs * sizeof(ngx_realpeer_addr_t));
    if (addrs == NULL) {
        return NGX_ERROR;
    }

    policies = 0;

    for (n = 0; n < naddrs; n++) {
        if (ngx_realpeer_fill_addr(cycle, ls, get_addr(ls, n, &addrs[n]),
                                   &addrs[n])
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (!ngx_realpeer_has_policy(addrs[n].conf)) {
            continue;
        }

        if (ngx_realpeer_check_addr(cycle, ls, &addrs[n]) != NGX_OK) {
            return NGX_ERROR;
        }

        policies++;
    }

    if (policies == 0 || ls->type != SOCK_STREAM) {
        return NGX_OK;
    }

    port = ngx_array_push(&rmcf->ports);
    if (port == NULL) {
        return NGX_ERROR;
    }

    port->servers = ls->servers;
    port->handler = ls->handler;
    port->naddrs = naddrs;
    port->addrs = addrs;

    ls->handler = handler;

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


/* to be called once, after the last ngx_realpeer_wrap() */

void
ngx_realpeer_wrapped(ngx_realpeer_main_conf_t *rmcf)
{
    ngx_qsort(rmcf->ports.elts, rmcf->ports.nelts, sizeof(ngx_realpeer_port_t),
              ngx_realpeer_cmp_ports);
}


/* an address with a policy: can it be kept to? */

static ngx_int_t
ngx_realpeer_check_addr(ngx_cycle_t *cycle, ngx_listening_t *ls,
    ngx_realpeer_addr_t *addr)
{
    ngx_realpeer_place_t  *place;

    place = ngx_realpeer_policy_place(addr->conf);

    if (ls->type != SOCK_STREAM) {
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


static int ngx_libc_cdecl
ngx_realpeer_cmp_ports(const void *one, const void *two)
{
    uintptr_t  first, second;

    first = (uintptr_t) ((const ngx_realpeer_port_t *) one)->servers;
    second = (uintptr_t) ((const ngx_realpeer_port_t *) two)->servers;

    return (first > second) - (first < second);
}


ngx_realpeer_port_t *
ngx_realpeer_find_port(ngx_realpeer_main_conf_t *rmcf, void *servers)
{
    ngx_uint_t            low, high, middle;
    ngx_realpeer_port_t  *ports;

    ports = rmcf->ports.elts;
    low = 0;
    high = rmcf->ports.nelts;

    while (low < high) {
        middle = low + (high - low) / 2;

        if (ports[middle].servers == servers) {
            return &ports[middle];
        }

        if ((uintptr_t) ports[middle].servers < (uintptr_t) servers) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return NULL;
}


/* the address that a connection came to; NULL if that cannot be found out */

ngx_realpeer_addr_t *
ngx_realpeer_find_addr(ngx_connection_t *c, ngx_realpeer_port_t *port)
{
    ngx_uint_t  i;

    if (port->naddrs == 1) {
        return port->addrs;
    }

    /* the handler behind us asks the same, and gets it from the connection */

    if (ngx_connection_local_sockaddr(c, NULL, 0) != NGX_OK) {
        return NULL;
    }

    for (i = 0; i < port->naddrs - 1; i++) {
        if (ngx_realpeer_same_ip(c->local_sockaddr, port->addrs[i].sockaddr)) {
            break;
        }
    }

    return &port->addrs[i];
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
