/*
 * nginx's own ngx_proxy_protocol_read(), with the pool of a connection, and what
 * its objects refer to and never call here.
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include "answer.h"

/* --- what is not called ------------------------------------------------ */

volatile ngx_cycle_t  *ngx_cycle;

void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
}

ngx_int_t
ngx_connection_local_sockaddr(ngx_connection_t *c, ngx_str_t *s,
    ngx_uint_t port)
{
    return NGX_ERROR;
}

/* --- the job ----------------------------------------------------------- */

static ngx_log_t  logger;

/* As tests run in threads. */
static __thread ngx_connection_t  connection;

/* Once in each thread; false where there is no memory. */
int
bench_nginx_start(void)
{
    ngx_pagesize = 4096;
    ngx_cacheline_size = 64;

    /* Nothing is logged, as with "error_log ... emerg". */
    logger.log_level = NGX_LOG_STDERR;
    connection.log = &logger;

    if (connection.pool == NULL) {
        /* As connection_pool_size has it. */
        connection.pool = ngx_create_pool(512, &logger);
    }

    return connection.pool != NULL;
}

/* To text, which is where nginx leaves it without the realip module. */
int64_t
bench_nginx_text(const uint8_t *data, size_t len, bench_answer *answer)
{
    u_char  *start, *end;

    /* For connections that follow each other, the pool of one. */
    ngx_reset_pool(connection.pool);
    connection.proxy_protocol = NULL;

    start = (u_char *) data;
    end = ngx_proxy_protocol_read(&connection, start, start + len);

    return end == NULL ? BENCH_REFUSED : end - start;
}

static ngx_int_t
sockaddr_of(ngx_str_t *text, in_port_t port, bench_sockaddr *to)
{
    ngx_addr_t  addr;

    if (ngx_parse_addr(connection.pool, &addr, text->data, text->len)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_inet_set_port(addr.sockaddr, port);
    ngx_memcpy(to, addr.sockaddr, addr.socklen);

    return NGX_OK;
}

int
bench_nginx_read(bench_answer *answer)
{
    ngx_proxy_protocol_t  *pp = connection.proxy_protocol;

    answer->source.any.sa_family = AF_UNSPEC;
    answer->destination.any.sa_family = AF_UNSPEC;

    return pp == NULL
        || (sockaddr_of(&pp->src_addr, pp->src_port, &answer->source) == NGX_OK
            && sockaddr_of(&pp->dst_addr, pp->dst_port, &answer->destination)
               == NGX_OK);
}

/* And from there to a sockaddr, by the function that the realip module uses. */
int64_t
bench_nginx_sockaddr(const uint8_t *data, size_t len, bench_answer *answer)
{
    int64_t  length = bench_nginx_text(data, len, answer);

    return length > 0 && !bench_nginx_read(answer) ? BENCH_REFUSED : length;
}
