/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * The connection, as it would be had the client connected itself.
 */

#include "mod_realpeer.h"


apr_status_t mod_realpeer_set_client(conn_rec *c,
                                     const realpeer_address *client)
{
    apr_sockaddr_t *sa = apr_pcalloc(c->pool, sizeof(*sa));
    socklen_t len = sizeof(sa->sa);

    if (realpeer_address_to_sockaddr(client, (struct sockaddr *) &sa->sa, &len)
        != 0) {
        return APR_EGENERAL;
    }

    sa->pool = c->pool;
    sa->port = client->port;
    sa->salen = len;

    if (client->family == REALPEER_FAMILY_INET) {
        sa->family = APR_INET;
        sa->ipaddr_ptr = &sa->sa.sin.sin_addr;
        sa->ipaddr_len = sizeof(sa->sa.sin.sin_addr);
        sa->addr_str_len = INET_ADDRSTRLEN;
    }
    else {
        sa->family = APR_INET6;
        sa->ipaddr_ptr = &sa->sa.sin6.sin6_addr;
        sa->ipaddr_len = sizeof(sa->sa.sin6.sin6_addr);
        sa->addr_str_len = INET6_ADDRSTRLEN;
    }

    c->client_addr = sa;
    c->client_ip = (char *) mod_realpeer_address_text(c->pool, client);

    /* Names that may have been looked up were those of who connected. */
    c->remote_host = NULL;
    c->remote_logname = NULL;
    c->double_reverse = 0;

    return APR_SUCCESS;
}


/* Without the port; NULL where there is no address. */

const char *mod_realpeer_address_text(apr_pool_t *p,
                                      const realpeer_address *address)
{
    char text[REALPEER_ADDRESS_TEXT];

    if (realpeer_address_text(address, text, sizeof(text)) < 0) {
        return NULL;
    }

    return apr_pstrdup(p, text);
}


/* With the port. */

const char *mod_realpeer_sockaddr_text(apr_pool_t *p, apr_sockaddr_t *sa,
                                       const char *ip)
{
    return apr_psprintf(p, strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip,
                        (unsigned) sa->port);
}
