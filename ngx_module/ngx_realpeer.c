
/*
 * The way of a connection: accept(), the policy for its source, and the header,
 * up to the decision.  What follows if it goes on is in ngx_realpeer_client.c.
 */


#include "ngx_realpeer.h"


/*
 * Room for a header and, where the rest can be handed over, for most requests:
 * one recv() brings both.  A longer header gets more room as it comes.
 */
#define NGX_REALPEER_BUFFER      1024

/* Room for what begins a header while the rest of it is waited for. */
#define NGX_REALPEER_KEPT        128

/* Of what a refused peer sent, as many bytes get into the log. */
#define NGX_REALPEER_LOG_BYTES   48

/* How often to look again where the event method cannot be asked to wait. */
#define NGX_REALPEER_RECHECK     100


/*
 * Whether a server counts its connections follows from how that was built, and
 * not from how this module was: the two may differ, and the counter be missing.
 */
extern ngx_atomic_t  *ngx_stat_active __attribute__((weak));

#if (NGX_SSL || NGX_COMPAT)
/* likewise */
ngx_int_t ngx_ssl_shutdown(ngx_connection_t *c) __attribute__((weak));
#endif


static void ngx_realpeer_cleanup(void *data);

static void ngx_realpeer_start(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx);
static void ngx_realpeer_read_handler(ngx_event_t *rev);
static void ngx_realpeer_empty_handler(ngx_event_t *wev);
static int32_t ngx_realpeer_read(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx,
    int32_t event);
static int32_t ngx_realpeer_read_exactly(ngx_connection_t *c,
    ngx_realpeer_ctx_t *ctx, int32_t event);
static void ngx_realpeer_has_read(ngx_event_t *rev, size_t size);
static ngx_int_t ngx_realpeer_make_room(ngx_connection_t *c,
    ngx_realpeer_ctx_t *ctx);
static int32_t ngx_realpeer_decide(ngx_realpeer_ctx_t *ctx, u_char *last,
    int32_t event);
static void ngx_realpeer_wait(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx);

static void ngx_realpeer_drop(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx);
static void ngx_realpeer_refuse(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx);
static u_char *ngx_realpeer_log_error(ngx_log_t *log, u_char *buf, size_t len);


/*
 * Most headers come whole, and are done with before a worker turns to anything
 * else: what comes first is read to here, and copied only where it has to stay.
 */

static u_char  ngx_realpeer_buffer[NGX_REALPEER_BUFFER];


/* what a wrapped listening socket calls with a new connection */

void
ngx_realpeer_init_connection(ngx_connection_t *c)
{
    ngx_pool_cleanup_t   *cln;
    ngx_realpeer_ctx_t   *ctx;
    ngx_realpeer_addr_t  *addr;
    ngx_realpeer_port_t  *port;

    port = ngx_realpeer_port(c->listening);
    addr = ngx_realpeer_find_addr(c, port);

    if (addr == NULL) {
        ngx_realpeer_close(c);
        return;
    }

    if (!ngx_realpeer_has_policy(addr->conf)) {
        ngx_realpeer_call(c, port);
        return;
    }

    cln = ngx_pool_cleanup_add(c->pool, sizeof(ngx_realpeer_ctx_t));
    if (cln == NULL) {
        ngx_realpeer_count_lost(addr);
        ngx_realpeer_close(c);
        return;
    }

    cln->handler = ngx_realpeer_cleanup;

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_realpeer_ctx_t));

    ctx->addr = addr;
    ctx->port = port;
    ctx->sockaddr = c->sockaddr;
    ctx->socklen = c->socklen;
    ctx->addr_text = c->addr_text;
    ctx->log_error = c->log_error;
    ctx->exact = addr->exact;

    if (c->sockaddr->sa_family == AF_UNIX) {
        /* the path is the peer's to choose, line breaks and all */
        ngx_str_set(&ctx->addr_text, "unix:");
    }

#if (NGX_SSL || NGX_COMPAT)
    if (c->ssl) {
        /* stream has taken TLS off and passed the connection on */
        ctx->exact = 0;
    }
#endif

    ctx->policy = realpeer_rules_match(addr->conf->rules->elts,
                                       addr->conf->rules->nelts,
                                       c->sockaddr, c->socklen, &ctx->rule);

    c->data = ctx;
    c->log->connection = c->number;
    c->log->handler = ngx_realpeer_log_error;
    c->log->data = ctx;
    c->log->action = "reading PROXY protocol header";

    /* a peer that resets the connection is one that closed it */
    c->log_error = NGX_ERROR_IGNORE_ECONNRESET;

    ngx_realpeer_start(c, ctx);
}


/*
 * Calls the handler that we stand in for.  A module that has come after us may
 * have put a struct of its own where this handler looks for its servers.
 */

void
ngx_realpeer_call(ngx_connection_t *c, ngx_realpeer_port_t *port)
{
    void             *servers;
    ngx_listening_t  *ls;

    ls = c->listening;
    servers = ls->servers;

    ls->servers = port->servers;
    port->handler(c);
    ls->servers = servers;
}


/*
 * There is hardly anything to clean up: the handler is what a context is
 * recognised by among the cleanups of a pool.  A connection has no room of its
 * own for modules.
 */

static void
ngx_realpeer_cleanup(void *data)
{
    ngx_realpeer_ctx_t  *ctx = data;

    if (ctx->ended) {
        *ctx->ended = 1;
    }
}


/*
 * The newest context of a connection that is as wanted.  There are several
 * where stream has passed a connection on and both listeners have a policy.
 */

ngx_realpeer_ctx_t *
ngx_realpeer_get_ctx(ngx_connection_t *c, ngx_realpeer_wanted_e wanted)
{
    ngx_uint_t           found;
    ngx_pool_cleanup_t  *cln;
    ngx_realpeer_ctx_t  *ctx;

    if (c->pool == NULL) {
        /* of another module, which evaluates variables without a client */
        return NULL;
    }

    for (cln = c->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler != ngx_realpeer_cleanup) {
            continue;
        }

        ctx = cln->data;

        switch (wanted) {

        case NGX_REALPEER_PENDING:
            found = (ctx->recv != NULL);
            break;

        case NGX_REALPEER_CLIENT:
            found = (ctx->decision.action == REALPEER_ACTION_ACCEPT
                     && ctx->decision.client.family
                        != REALPEER_FAMILY_UNSPEC);
            break;

        default: /* NGX_REALPEER_ANY */
            found = 1;
        }

        if (found) {
            return ctx;
        }
    }

    return NULL;
}


static void
ngx_realpeer_start(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx)
{
    ngx_event_t  *rev;

    rev = c->read;

    /* some policies do not depend on what comes */

    switch (ctx->policy) {

    case REALPEER_POLICY_REQUIRE:
    case REALPEER_POLICY_OPTIONAL:
    case REALPEER_POLICY_STRIP:
        break;

    default:
        if (ngx_realpeer_decide(ctx, NULL, REALPEER_EVENT_DATA)
            == REALPEER_ACTION_PASS)
        {
            ngx_realpeer_go_on(c, ctx);

        } else {
            ngx_realpeer_refuse(c, ctx);
        }

        return;
    }

    ctx->deadline = ngx_current_msec + ctx->addr->conf->timeout;

    rev->handler = ngx_realpeer_read_handler;
    c->write->handler = ngx_realpeer_empty_handler;

    if (rev->ready) {
        /* the deferred accept(), iocp */

        if (ngx_use_accept_mutex) {
            ngx_post_event(rev, &ngx_posted_events);
            return;
        }

        rev->handler(rev);
        return;
    }

    ngx_realpeer_wait(c, ctx);
}


static void
ngx_realpeer_read_handler(ngx_event_t *rev)
{
    int32_t              action, event;
    ngx_connection_t    *c;
    ngx_realpeer_ctx_t  *ctx;

    c = rev->data;
    ctx = c->data;

    ngx_log_debug0(NGX_LOG_DEBUG_EVENT, c->log, 0, "realpeer read handler");

    if (c->close) {
        /* the worker shuts down, or has no connections left */
        ngx_realpeer_drop(c, ctx);
        return;
    }

    event = REALPEER_EVENT_DATA;

    if (rev->timedout) {
        rev->timedout = 0;

        if ((ngx_msec_int_t) (ctx->deadline - ngx_current_msec) <= 0) {
            event = REALPEER_EVENT_TIMEOUT;
        }
    }

    if (ctx->exact) {
        action = ngx_realpeer_read_exactly(c, ctx, event);

    } else {
        action = ngx_realpeer_read(c, ctx, event);
    }

    switch (action) {

    case REALPEER_ACTION_MORE:
        if (ngx_realpeer_keep(c, ctx, ctx->start, NGX_REALPEER_KEPT)
            != NGX_OK)
        {
            ngx_realpeer_fail(c, ctx);
            return;
        }

        ngx_realpeer_wait(c, ctx);
        return;

    case REALPEER_ACTION_PASS:
    case REALPEER_ACTION_ACCEPT:
        ngx_realpeer_go_on(c, ctx);
        return;

    case REALPEER_ACTION_REFUSE:
        ngx_realpeer_refuse(c, ctx);
        return;

    case REALPEER_ERROR_NO_ROOM:
        ngx_realpeer_fail(c, ctx);
        return;

    default:
        /* an error of our own, which has been logged */
        ngx_realpeer_drop(c, ctx);
        return;
    }
}


static void
ngx_realpeer_empty_handler(ngx_event_t *wev)
{
    /* nothing is written before the header has come */
}


/* takes whatever comes; what is not the header's is handed over later */

static int32_t
ngx_realpeer_read(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx, int32_t event)
{
    ssize_t  n;
    int32_t  action;

    if (event == REALPEER_EVENT_TIMEOUT) {
        /*
         * Timers come before events: what came in time counts, though nobody
         * has told of it.
         */
        c->read->ready = 1;
        c->read->available = -1;
    }

    do {
        if (ngx_realpeer_make_room(c, ctx) != NGX_OK) {
            return REALPEER_ERROR_NO_ROOM;
        }

        n = c->recv(c, ctx->last, ctx->end - ctx->last);

        if (n == NGX_AGAIN) {
            return ngx_realpeer_decide(ctx, ctx->last, event);
        }

        if (n > 0) {
            ctx->last += n;
            action = ngx_realpeer_decide(ctx, ctx->last, REALPEER_EVENT_DATA);

        } else {
            ctx->closed = 1;
            action = ngx_realpeer_decide(ctx, ctx->last,
                                         REALPEER_EVENT_CLOSED);
        }

    } while (action == REALPEER_ACTION_MORE && c->read->ready);

    if (action == REALPEER_ACTION_MORE && event == REALPEER_EVENT_TIMEOUT) {
        action = ngx_realpeer_decide(ctx, ctx->last, event);
    }

    return action;
}


/*
 * Looks first, and takes no byte that may not be the header's.  Not by c->recv:
 * that believes "available" where it says that nothing has come since.
 */

static int32_t
ngx_realpeer_read_exactly(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx,
    int32_t event)
{
    u_char   *last;
    ssize_t   n;
    size_t    certain;
    int32_t   action;

    for ( ;; ) {

        if (ngx_realpeer_make_room(c, ctx) != NGX_OK) {
            return REALPEER_ERROR_NO_ROOM;
        }

        do {
            n = recv(c->fd, (char *) ctx->last, ctx->end - ctx->last,
                     MSG_PEEK);
        } while (n == -1 && ngx_socket_errno == NGX_EINTR);

        if (n == -1 && ngx_socket_errno == NGX_EAGAIN) {
            c->read->ready = 0;
            n = 0;

        } else if (n <= 0) {
            event = REALPEER_EVENT_CLOSED;
            n = 0;

        } else if (event == REALPEER_EVENT_DATA && c->read->pending_eof
                   && (size_t) n < (size_t) (ctx->end - ctx->last))
        {
            /* what is in the socket is all that will ever be */
            event = REALPEER_EVENT_CLOSED;
        }

        last = ctx->last + n;
        action = ngx_realpeer_decide(ctx, last, event);

        if (action == REALPEER_ACTION_REFUSE) {
            ctx->last = last;
            return action;
        }

        certain = ctx->decision.consumed - (ctx->last - ctx->start);

        if (certain > 0) {
            do {
                n = recv(c->fd, (char *) ctx->last, certain, 0);
            } while (n == -1 && ngx_socket_errno == NGX_EINTR);

            if (n != (ssize_t) certain) {
                ngx_log_error(NGX_LOG_ALERT, c->log, ngx_socket_errno,
                              "realpeer: recv() gave %z of %uz bytes that "
                              "were there", n, certain);
                return REALPEER_ERROR_INVALID_ARGUMENT;
            }

            ngx_realpeer_has_read(c->read, certain);

            ctx->last += certain;
        }

        if (action != REALPEER_ACTION_MORE) {
            /* there may be more, and no event will tell of it again */
            c->read->ready = 1;
            return action;
        }

        if (certain == 0) {
            /*
             * Either nothing is there, or bytes that may not be a header's,
             * which stay.  An edge-triggered method tells of more.
             */
            ctx->held = n > 0;
            c->read->ready = 0;
            return action;
        }
    }
}


/*
 * What the real recv() would have done to "available".  To kqueue it is how
 * much is left of what the event reported: for anything beyond, another event
 * comes.  To the other methods -1 is as after an event: it is not known.
 */

static void
ngx_realpeer_has_read(ngx_event_t *rev, size_t size)
{
    if (ngx_event_flags & NGX_USE_KQUEUE_EVENT) {
        rev->available -= (int) size;
        rev->available = ngx_max(rev->available, 0);

    } else {
        rev->available = -1;
    }
}


static ngx_int_t
ngx_realpeer_make_room(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx)
{
    u_char  *start;
    size_t   have, room;

    if (ctx->last < ctx->end) {
        return NGX_OK;
    }

    if (ctx->start == NULL) {
        ctx->start = ngx_realpeer_buffer;
        ctx->last = ctx->start;
        ctx->end = ctx->start + NGX_REALPEER_BUFFER;
        return NGX_OK;
    }

    /* not more than twice what the peer has sent: memory has to be earned */

    have = ctx->last - ctx->start;
    room = ngx_max(2 * have, NGX_REALPEER_BUFFER);

    if (ctx->decision.need > have) {
        room = ngx_min(room, ngx_max(ctx->decision.need, NGX_REALPEER_BUFFER));
    }

    start = ngx_palloc(c->pool, room);
    if (start == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(start, ctx->start, have);

    if (ctx->start != ngx_realpeer_buffer) {
        (void) ngx_pfree(c->pool, ctx->start);
    }

    ctx->start = start;
    ctx->last = start + have;
    ctx->end = start + room;

    return NGX_OK;
}


/*
 * Moves what has come, beginning at "from", to room of the connection's own,
 * before somebody else is read to where it is.  Has no effect afterwards.
 */

ngx_int_t
ngx_realpeer_keep(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx, u_char *from,
    size_t room)
{
    u_char  *start;
    size_t   len;

    if (ctx->start != ngx_realpeer_buffer) {
        return NGX_OK;
    }

    len = ctx->last - from;
    room = len ? ngx_max(len, room) : 0;
    start = NULL;

    if (room) {
        start = ngx_pnalloc(c->pool, room);
        if (start == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(start, from, len);
    }

    ctx->start = start;
    ctx->pos = start;
    ctx->last = start + len;
    ctx->end = start + room;

    return NGX_OK;
}


static int32_t
ngx_realpeer_decide(ngx_realpeer_ctx_t *ctx, u_char *last, int32_t event)
{
    size_t   len;
    int32_t  action;

    len = last - ctx->start;

    action = realpeer_decide(ctx->policy, &ctx->addr->conf->settings,
                             sizeof(realpeer_settings), ctx->start, len,
                             event, &ctx->decision,
                             sizeof(realpeer_decision));

    if (action == REALPEER_ACTION_ACCEPT && ctx->decision.consumed < len) {
        /* of what has been seen; bytes that may stay in the socket included */
        ctx->another = realpeer_another_header(
                                      ctx->start + ctx->decision.consumed,
                                      len - ctx->decision.consumed)
                       == 1;
    }

    return action;
}


static void
ngx_realpeer_wait(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx)
{
    ngx_event_t     *rev;
    ngx_msec_int_t   left;

    rev = c->read;
    left = (ngx_msec_int_t) (ctx->deadline - ngx_current_msec);
    left = ngx_max(left, 1);

    ngx_realpeer_count_waiting(ctx);

    if (!c->reusable) {
        /* once: a peer that drips bytes is not to outlive the others by it */
        ngx_reusable_connection(c, 1);
    }

    if (ctx->held && !(ngx_event_flags & NGX_USE_CLEAR_EVENT)) {
        /*
         * Bytes stay in the socket, of which a level-triggered method would
         * tell again and again.
         */

        if (rev->active
            && ngx_del_event(rev, NGX_READ_EVENT, 0) != NGX_OK)
        {
            ngx_realpeer_drop(c, ctx);
            return;
        }

        if (rev->timer_set) {
            ngx_del_timer(rev);
        }

        ngx_add_timer(rev, ngx_min(left, NGX_REALPEER_RECHECK));
        return;
    }

    if (!rev->timer_set) {
        ngx_add_timer(rev, left);
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_realpeer_drop(c, ctx);
    }
}


/* for want of something of ours */

static void
ngx_realpeer_drop(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx)
{
    ngx_realpeer_count_dropped(ctx);
    ngx_realpeer_close(c);
}


/* the same, with a line: nginx names what it had no memory for, not the peer */

void
ngx_realpeer_fail(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx)
{
    c->log->action = NULL;

    ngx_log_error(NGX_LOG_ERR, c->log, 0,
                  "realpeer: dropped a connection that cannot go on");

    ngx_realpeer_drop(c, ctx);
}


static void
ngx_realpeer_refuse(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx)
{
    ngx_realpeer_count_decided(c, ctx);
    ngx_realpeer_log_refused(c, ctx);

    if (ctx->addr->refused) {
        ctx->addr->refused(c, ctx);
    }

    ngx_realpeer_close(c);
}


static u_char *
ngx_realpeer_log_error(ngx_log_t *log, u_char *buf, size_t len)
{
    int32_t              n;
    u_char              *p;
    size_t               seen;
    const char          *kind;
    ngx_realpeer_ctx_t  *ctx;
    char                 text[4 * NGX_REALPEER_LOG_BYTES];
    u_char               peer[NGX_SOCKADDR_STRLEN];

    ctx = log->data;
    p = buf;

    if (log->action) {
        p = ngx_snprintf(p, len, " while %s", log->action);
        len -= p - buf;
        buf = p;
    }

    if (ctx->sockaddr->sa_family == AF_UNIX) {
        n = ngx_cpymem(peer, ctx->addr_text.data, ctx->addr_text.len) - peer;

    } else {
        n = ngx_sock_ntop(ctx->sockaddr, ctx->socklen, peer,
                          NGX_SOCKADDR_STRLEN, 1);
    }

    p = ngx_snprintf(p, len, ", peer: %*s, listener: %V", (size_t) n, peer,
                     &ctx->addr->text);
    len -= p - buf;
    buf = p;

    if (ctx->another) {
        /* the line is not about the first bytes, which are a valid header */
        return p;
    }

    seen = ngx_min((size_t) (ctx->last - ctx->start), NGX_REALPEER_LOG_BYTES);
    n = realpeer_escape(ctx->start, seen, text, sizeof(text));

    if (n > 0) {
        p = ngx_snprintf(p, len, ", first bytes: \"%*s\"", (size_t) n, text);
        len -= p - buf;
        buf = p;

        kind = realpeer_looks_like(ctx->start, ctx->last - ctx->start);

        if (*kind) {
            p = ngx_snprintf(p, len, " (looks like %s)", kind);
        }
    }

    return p;
}


void
ngx_realpeer_close(ngx_connection_t *c)
{
    ngx_pool_t  *pool;

#if (NGX_SSL || NGX_COMPAT)
    if (c->ssl && &ngx_ssl_shutdown != NULL) {
        /* at once, and without a word: as if it had timed out */
        c->timedout = 1;
        (void) ngx_ssl_shutdown(c);
    }
#endif

    if (&ngx_stat_active != NULL) {
        (void) ngx_atomic_fetch_add(ngx_stat_active, -1);
    }

    pool = c->pool;
    c->destroyed = 1;

    ngx_close_connection(c);
    ngx_destroy_pool(pool);
}
