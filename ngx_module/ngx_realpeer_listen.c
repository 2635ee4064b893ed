
/*
 * Listening sockets: which have a policy, and whose handler we stand in for.
 */


#include "ngx_realpeer.h"


static void ngx_realpeer_find_socket(ngx_array_t *listens,
    ngx_realpeer_listen_t *listen);
static ngx_int_t ngx_realpeer_wrap_socket(ngx_cycle_t *cycle,
    ngx_array_t *listens, ngx_realpeer_listen_t *socket,
    ngx_connection_handler_pt handler, u_char *known);
static ngx_realpeer_listen_t *ngx_realpeer_first_policy(ngx_array_t *listens,
    ngx_realpeer_listen_t *socket);
static ngx_int_t ngx_realpeer_wrap(ngx_cycle_t *cycle, ngx_listening_t *ls,
    ngx_array_t *listens, ngx_realpeer_listen_t *socket);
static ngx_int_t ngx_realpeer_check_unknown(ngx_cycle_t *cycle,
    ngx_realpeer_listen_t *listen, ngx_connection_handler_pt handler,
    u_char *known);
static ngx_int_t ngx_realpeer_fill_addr(ngx_cycle_t *cycle,
    ngx_realpeer_listen_t *listen);
static ngx_int_t ngx_realpeer_check_addr(ngx_cycle_t *cycle,
    ngx_realpeer_listen_t *listen);
static ngx_uint_t ngx_realpeer_same_ip(struct sockaddr *one,
    struct sockaddr *two);


/*
 * Stands in for the handler of each listening socket that has an address with
 * a policy.  Which addresses there are is asked of the configuration, and not
 * of the sockets: another module may have put its own handler there, or a
 * struct of its own into ls->servers.  A policy without a socket is an error.
 */

ngx_int_t
ngx_realpeer_wrap_all(ngx_cycle_t *cycle, ngx_array_t *listens,
    ngx_connection_handler_pt handler)
{
    u_char                 *known;
    ngx_uint_t              i;
    ngx_realpeer_listen_t  *listen, *first;

    first = NULL;

    listen = listens->elts;
    for (i = 0; i < listens->nelts; i++) {

        ngx_realpeer_find_socket(listens, &listen[i]);

        if (ngx_realpeer_fill_addr(cycle, &listen[i]) != NGX_OK) {
            return NGX_ERROR;
        }

        if (!ngx_realpeer_has_policy(listen[i].addr.conf)) {
            continue;
        }

        if (ngx_realpeer_check_addr(cycle, &listen[i]) != NGX_OK) {
            return NGX_ERROR;
        }

        if (first == NULL && listen[i].type == SOCK_STREAM) {
            first = &listen[i];
        }
    }

    if (first == NULL) {
        return NGX_OK;
    }

    known = ngx_pcalloc(cycle->pool, cycle->listening.nelts + 1);
    if (known == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < listens->nelts; i++) {

        if (listen[i].type == SOCK_STREAM
            && listen[i].socket == &listen[i]
            && ngx_realpeer_wrap_socket(cycle, listens, &listen[i], handler,
                                        known)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_realpeer_check_unknown(cycle, first, handler, known);
}


/* as nginx does it: "*" has all of its port that are not bound explicitly */

static void
ngx_realpeer_find_socket(ngx_array_t *listens, ngx_realpeer_listen_t *listen)
{
    ngx_uint_t              i;
    ngx_realpeer_listen_t  *other;

    listen->socket = listen;

    if (listen->bind || listen->wildcard
        || listen->sockaddr->sa_family == AF_UNIX)
    {
        return;
    }

    other = listens->elts;
    for (i = 0; i < listens->nelts; i++) {

        if (other[i].wildcard
            && other[i].type == listen->type
            && other[i].sockaddr->sa_family == listen->sockaddr->sa_family
            && ngx_inet_get_port(other[i].sockaddr)
               == ngx_inet_get_port(listen->sockaddr))
        {
            listen->socket = &other[i];
            return;
        }
    }
}


/*
 * The socket of an address is the one with the handler of the subsystem; if
 * another module has taken that away, it is the only one with the address.
 */

static ngx_int_t
ngx_realpeer_wrap_socket(ngx_cycle_t *cycle, ngx_array_t *listens,
    ngx_realpeer_listen_t *socket, ngx_connection_handler_pt handler,
    u_char *known)
{
    ngx_uint_t              i, found;
    struct sockaddr        *native;
    ngx_listening_t        *ls;
    ngx_realpeer_place_t   *place;
    ngx_realpeer_listen_t  *first;

    first = ngx_realpeer_first_policy(listens, socket);

    native = NULL;
    found = 0;

    ls = cycle->listening.elts;
    for (i = 0; i < cycle->listening.nelts; i++) {

        if (ls[i].sockaddr == native
            || ls[i].type != SOCK_STREAM
            || ngx_cmp_sockaddr(ls[i].sockaddr, ls[i].socklen,
                                socket->sockaddr, socket->socklen, 1)
               != NGX_OK)
        {
            continue;
        }

        native = ls[i].sockaddr;
        found++;

        if (ls[i].handler == handler) {
            found = 1;
            break;
        }
    }

    if (found != 1) {

        if (first == NULL) {
            return NGX_OK;
        }

        place = ngx_realpeer_policy_place(first->addr.conf);

        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "\"realpeer\" cannot take effect on %V: another module "
                      "has replaced its listening socket, %ui were found, "
                      "load that module after realpeer in %V:%ui",
                      &socket->addr.text, found, &place->file, place->line);
        return NGX_ERROR;
    }

    /* with "reuseport" there may be one for each worker already */

    for (i = 0; i < cycle->listening.nelts; i++) {

        if (ls[i].sockaddr != native) {
            continue;
        }

        known[i] = 1;

        if (first && ngx_realpeer_wrap(cycle, &ls[i], listens, socket)
                     != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_realpeer_listen_t *
ngx_realpeer_first_policy(ngx_array_t *listens, ngx_realpeer_listen_t *socket)
{
    ngx_uint_t              i;
    ngx_realpeer_listen_t  *listen;

    listen = listens->elts;
    for (i = 0; i < listens->nelts; i++) {

        if (listen[i].socket == socket
            && ngx_realpeer_has_policy(listen[i].addr.conf))
        {
            return &listen[i];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_realpeer_wrap(ngx_cycle_t *cycle, ngx_listening_t *ls,
    ngx_array_t *listens, ngx_realpeer_listen_t *socket)
{
    ngx_uint_t              i, n;
    ngx_realpeer_addr_t    *addr;
    ngx_realpeer_port_t    *port;
    ngx_realpeer_listen_t  *listen;

    port = ngx_pcalloc(cycle->pool, sizeof(ngx_realpeer_port_t));
    if (port == NULL) {
        return NGX_ERROR;
    }

    listen = listens->elts;

    for (i = 0; i < listens->nelts; i++) {
        port->naddrs += listen[i].socket == socket;
    }

    port->policies = ngx_pcalloc(cycle->pool,
                                 port->naddrs * sizeof(ngx_realpeer_addr_t));
    if (port->policies == NULL) {
        return NGX_ERROR;
    }

    n = 0;

    for (i = 0; i < listens->nelts; i++) {

        if (listen[i].socket != socket) {
            continue;
        }

        if (&listen[i] == socket) {
            addr = &port->policies[port->naddrs - 1];

        } else {
            addr = &port->policies[n++];
        }

        *addr = listen[i].addr;

        if (ngx_realpeer_has_policy(addr->conf)
            && ngx_realpeer_zone_add(cycle, addr) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    port->native = ls->sockaddr;
    port->handler = ls->handler;
    port->servers = ls->servers;

    if (ngx_realpeer_limit_port(cycle, ls, port) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memcpy(&port->sockaddr, ls->sockaddr,
               ngx_min((size_t) ls->socklen, sizeof(ngx_sockaddr_t)));

    ls->sockaddr = &port->sockaddr.sockaddr;
    ls->handler = ngx_realpeer_init_connection;

    return NGX_OK;
}


/*
 * A socket of the subsystem that no "listen" has asked for would be served
 * without a policy, and nothing says which it should be.
 */

static ngx_int_t
ngx_realpeer_check_unknown(ngx_cycle_t *cycle, ngx_realpeer_listen_t *listen,
    ngx_connection_handler_pt handler, u_char *known)
{
    ngx_uint_t             i;
    ngx_listening_t       *ls;
    ngx_realpeer_place_t  *place;

    ls = cycle->listening.elts;
    for (i = 0; i < cycle->listening.nelts; i++) {

        if (known[i] || ls[i].type != SOCK_STREAM || ls[i].handler != handler)
        {
            continue;
        }

        place = ngx_realpeer_policy_place(listen->addr.conf);

        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "\"realpeer\" has no policy for %V, where another module "
                      "listens for %V without \"listen\" in %V:%ui",
                      &ls[i].addr_text, &listen->addr.subsystem,
                      &place->file, place->line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * When all modules have read their configuration: whether one that came later
 * has put its handler before ours.  An error would end the master on a reload.
 */

ngx_int_t
ngx_realpeer_listen_init_module(ngx_cycle_t *cycle)
{
    ngx_uint_t             i;
    ngx_queue_t           *q;
    ngx_listening_t       *ls;
    ngx_realpeer_port_t   *port;

    if (ngx_realpeer_ports.next == NULL) {
        return NGX_OK;
    }

    ls = cycle->listening.elts;
    for (i = 0; i < cycle->listening.nelts; i++) {

        if (ls[i].handler == ngx_realpeer_init_connection) {
            continue;
        }

        for (q = ngx_queue_head(&ngx_realpeer_ports);
             q != ngx_queue_sentinel(&ngx_realpeer_ports);
             q = ngx_queue_next(q))
        {
            port = ngx_queue_data(q, ngx_realpeer_port_t, queue);

            if (&port->sockaddr.sockaddr != ls[i].sockaddr || port->warned) {
                continue;
            }

            port->warned = 1;

            ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                          "another module handles connections to %V before "
                          "\"realpeer\", which takes effect only if that "
                          "module calls the previous handler: load it before "
                          "realpeer", &ls[i].addr_text);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_realpeer_fill_addr(ngx_cycle_t *cycle, ngx_realpeer_listen_t *listen)
{
    ngx_realpeer_addr_t  *addr;

    addr = &listen->addr;
    addr->sockaddr = listen->sockaddr;

    addr->text.data = ngx_pnalloc(cycle->pool, NGX_SOCKADDR_STRLEN);
    if (addr->text.data == NULL) {
        return NGX_ERROR;
    }

    addr->text.len = ngx_sock_ntop(listen->sockaddr, listen->socklen,
                                   addr->text.data, NGX_SOCKADDR_STRLEN, 1);

    return NGX_OK;
}


/* an address with a policy: can it be kept to? */

static ngx_int_t
ngx_realpeer_check_addr(ngx_cycle_t *cycle, ngx_realpeer_listen_t *listen)
{
    ngx_realpeer_addr_t   *addr;
    ngx_realpeer_place_t  *place;

    addr = &listen->addr;
    place = ngx_realpeer_policy_place(addr->conf);

    if (listen->type != SOCK_STREAM) {
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
