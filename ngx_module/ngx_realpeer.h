
/*
 * What the shims for http, stream and mail share: the configuration of a
 * server, and the way of a connection from accept() to the handler that would
 * have had it without us.  What to make of a header is decided by librealpeer.
 */


#ifndef _NGX_REALPEER_H_INCLUDED_
#define _NGX_REALPEER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <realpeer.h>


/* What depends on the version of nginx. */

#if (nginx_version >= 1023002)
#define NGX_REALPEER_NATIVE_TLVS   1   /* ngx_proxy_protocol_t.tlvs */
#endif

#if (nginx_version >= 1025000)
#define NGX_REALPEER_QUIC          1   /* listen ... quic */
#endif

#if (nginx_version < 1025001)
#define NGX_REALPEER_SSL_ON        1   /* the "ssl" directive */
#endif

#if (nginx_version >= 1025005)
#define NGX_REALPEER_STREAM_NAMES  1   /* "server_name" in stream */
#endif


typedef struct {
    ngx_str_t                      file;
    ngx_uint_t                     line;
} ngx_realpeer_place_t;


typedef struct {
    ngx_array_t                   *rules;      /* of realpeer_rule */
    ngx_array_t                   *origins;    /* of each rule, by its tag */
    ngx_msec_t                     timeout;
    ngx_uint_t                     max_header;
    ngx_uint_t                     versions;
    ngx_uint_t                     no_address;
    size_t                         zone;       /* 0: "off" */

    realpeer_settings              settings;
    realpeer_log_rate              log_rate;

    /* the first directive of ours at this level; no file: there is none */
    ngx_realpeer_place_t           place;

    unsigned                       off:1;
    unsigned                       prepared:1;
    unsigned                       log_rate_set:1;
} ngx_realpeer_conf_t;


/* a server that shares an address with others, where nginx has such */

typedef struct {
    ngx_str_t                     *name;
    u_char                        *file;
    ngx_uint_t                     line;
    ngx_realpeer_conf_t           *conf;
} ngx_realpeer_server_t;


/* where all count: see ngx_realpeer_zone.c */

typedef struct ngx_realpeer_zone_s  ngx_realpeer_zone_t;


/* an address:port, and what its default server says */

typedef struct {
    ngx_str_t                      subsystem;
    struct sockaddr               *sockaddr;
    ngx_str_t                      text;
    ngx_realpeer_conf_t           *conf;
    realpeer_log_limit            *limit;      /* shared by the workers */

    /* where it counts, and as what; NULL: nowhere */
    ngx_realpeer_zone_t           *zone;
    uint32_t                       slot;

    /*
     * Set where the descriptor is read by other means than c->recv: not a byte
     * beyond the header may be taken off then.
     */
    unsigned                       exact:1;

    /* "proxy_protocol" of "listen" */
    unsigned                       native:1;

    /* the server speaks first, and reads when an event tells it to */
    unsigned                       greets:1;
} ngx_realpeer_addr_t;


/*
 * What stands in for the servers of a listening socket: a socket has no room of
 * its own for modules.  It begins as ngx_http_port_t, ngx_stream_port_t and
 * ngx_mail_port_t all do, so that whoever expects one of those finds it.
 */

typedef struct {
    void                          *addrs;
    ngx_uint_t                     naddrs;     /* the last one is "*", if > 1 */

    ngx_connection_handler_pt      handler;    /* the one we stand in for */
    ngx_realpeer_addr_t           *policies;   /* of each of the addresses */

    ngx_queue_t                    queue;      /* all with a policy */
    ngx_cycle_t                   *cycle;
    ngx_log_t                     *log;
    ngx_shm_t                      shm;        /* of the limits */
} ngx_realpeer_port_t;


/* a connection; found again through the cleanups of its pool */

typedef struct {
    ngx_realpeer_addr_t           *addr;
    ngx_connection_handler_pt      handler;

    int32_t                        policy;
    realpeer_decision              decision;

    /* who connected, while c->sockaddr may have become the client */
    struct sockaddr               *sockaddr;
    socklen_t                      socklen;
    ngx_str_t                      addr_text;

    ngx_str_t                      tlvs;

    u_char                        *start;
    u_char                        *pos;
    u_char                        *last;
    u_char                        *end;

    ngx_msec_t                     deadline;

    /* as they were when the header had been read; no recv: nothing pending */
    ngx_recv_pt                    recv;
    ngx_uint_t                     log_error;
    int                            available;
    unsigned                       ready:1;

    unsigned                       exact:1;    /* as in its address */
    unsigned                       held:1;     /* bytes left in the socket */
    unsigned                       closed:1;
    unsigned                       counted:1;  /* among those that wait */
} ngx_realpeer_ctx_t;


#define ngx_realpeer_commands(main, type, offset)                             \
                                                                              \
    { ngx_string("realpeer"),                                                 \
      main|type|NGX_CONF_1MORE,                                               \
      ngx_realpeer_rules,                                                     \
      offset, 0, NULL },                                                      \
                                                                              \
    { ngx_string("realpeer_timeout"),                                         \
      main|type|NGX_CONF_TAKE1,                                               \
      ngx_realpeer_timeout,                                                   \
      offset, 0, NULL },                                                      \
                                                                              \
    { ngx_string("realpeer_max_header"),                                      \
      main|type|NGX_CONF_TAKE1,                                               \
      ngx_realpeer_max_header,                                                \
      offset, 0, NULL },                                                      \
                                                                              \
    { ngx_string("realpeer_versions"),                                        \
      main|type|NGX_CONF_TAKE12,                                              \
      ngx_realpeer_versions,                                                  \
      offset, 0, NULL },                                                      \
                                                                              \
    { ngx_string("realpeer_no_address"),                                      \
      main|type|NGX_CONF_TAKE1,                                               \
      ngx_realpeer_no_address,                                                \
      offset, 0, NULL },                                                      \
                                                                              \
    { ngx_string("realpeer_log_limit"),                                       \
      main|type|NGX_CONF_TAKE12,                                              \
      ngx_realpeer_log_limit,                                                 \
      offset, 0, NULL },                                                      \
                                                                              \
    { ngx_string("realpeer_zone"),                                            \
      main|NGX_CONF_TAKE1,                                                    \
      ngx_realpeer_zone,                                                      \
      offset, 0, NULL }


/* ngx_realpeer_conf.c: directives */

void *ngx_realpeer_create_conf(ngx_conf_t *cf);
char *ngx_realpeer_merge_conf(ngx_conf_t *cf, void *parent, void *child);
char *ngx_realpeer_rules(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_realpeer_timeout(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_realpeer_max_header(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_realpeer_versions(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_realpeer_no_address(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_realpeer_check_server(ngx_log_t *log, ngx_str_t *listen,
    ngx_realpeer_server_t *server, ngx_realpeer_server_t *ruling);
ngx_realpeer_place_t *ngx_realpeer_policy_place(ngx_realpeer_conf_t *rcf);
void ngx_realpeer_mark(ngx_conf_t *cf, ngx_realpeer_conf_t *rcf);

#define ngx_realpeer_states(rcf)       ((rcf)->place.file.len != 0)
#define ngx_realpeer_has_policy(rcf)   ((rcf)->rules != NULL)

/* ngx_realpeer_listen.c: listening sockets */

/*
 * Sets conf and flags of the n-th address of a listening socket, and returns
 * where its IP address is: an in_addr_t or a struct in6_addr.
 */
typedef void *(*ngx_realpeer_get_addr_pt)(ngx_listening_t *ls, ngx_uint_t n,
    ngx_realpeer_addr_t *addr);

ngx_int_t ngx_realpeer_wrap_all(ngx_cycle_t *cycle,
    ngx_connection_handler_pt handler, ngx_realpeer_get_addr_pt get_addr);
ngx_int_t ngx_realpeer_wrap(ngx_cycle_t *cycle, ngx_listening_t *ls,
    ngx_realpeer_get_addr_pt get_addr);
ngx_realpeer_addr_t *ngx_realpeer_find_addr(ngx_connection_t *c,
    ngx_realpeer_port_t *port);

/* ngx_realpeer.c: connections up to the decision */

void ngx_realpeer_init_connection(ngx_connection_t *c);
ngx_realpeer_ctx_t *ngx_realpeer_get_ctx(ngx_connection_t *c,
    ngx_uint_t pending);
ngx_int_t ngx_realpeer_keep(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx,
    u_char *from, size_t room);
void ngx_realpeer_fail(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx);
void ngx_realpeer_close(ngx_connection_t *c);

/* ngx_realpeer_log.c: the lines of refused connections */

char *ngx_realpeer_log_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
void ngx_realpeer_merge_log_limit(ngx_realpeer_conf_t *prev,
    ngx_realpeer_conf_t *conf);
ngx_int_t ngx_realpeer_limit_port(ngx_cycle_t *cycle, ngx_listening_t *ls,
    ngx_realpeer_port_t *port);
void ngx_realpeer_log_refused(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx);
void ngx_realpeer_log_exit_process(ngx_cycle_t *cycle);

/* ngx_realpeer_client.c: connections that go on */

void ngx_realpeer_go_on(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx);
ngx_int_t ngx_realpeer_address_text(ngx_pool_t *pool,
    realpeer_address *address, ngx_str_t *text);

/* ngx_realpeer_zone.c: what is counted, and where */

char *ngx_realpeer_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_realpeer_zone_t *ngx_realpeer_zone_get(ngx_cycle_t *cycle);
ngx_int_t ngx_realpeer_zone_add(ngx_cycle_t *cycle, ngx_realpeer_addr_t *addr);
ngx_int_t ngx_realpeer_zone_measure(ngx_cycle_t *cycle);
realpeer_counters *ngx_realpeer_zone_counters(ngx_cycle_t *cycle);
ngx_int_t ngx_realpeer_init_module(ngx_cycle_t *cycle);
ngx_int_t ngx_realpeer_init_process(ngx_cycle_t *cycle);
void ngx_realpeer_exit_process(ngx_cycle_t *cycle);
void ngx_realpeer_count_waiting(ngx_realpeer_ctx_t *ctx);
void ngx_realpeer_count_decided(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx);
void ngx_realpeer_count_dropped(ngx_realpeer_ctx_t *ctx);
void ngx_realpeer_count_lost(ngx_realpeer_addr_t *addr);
void ngx_realpeer_count_held(ngx_realpeer_ctx_t *ctx);

/* ngx_realpeer_variables.c: what is known of a connection, as text */

typedef enum {
    NGX_REALPEER_RESULT = 0,
    NGX_REALPEER_POLICY,
    NGX_REALPEER_VERSION,
    NGX_REALPEER_ADDR,
    NGX_REALPEER_PORT,
    NGX_REALPEER_SERVER_ADDR,
    NGX_REALPEER_SERVER_PORT,
    NGX_REALPEER_PROXY_ADDR,
    NGX_REALPEER_PROXY_PORT
} ngx_realpeer_variable_e;


extern ngx_str_t  ngx_realpeer_variable_names[];
extern ngx_str_t  ngx_realpeer_tlv_prefix;

ngx_int_t ngx_realpeer_variable(ngx_connection_t *c, ngx_pool_t *pool,
    ngx_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_realpeer_tlv_variable(ngx_connection_t *c, ngx_pool_t *pool,
    ngx_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_realpeer_check_variables(ngx_log_t *log, ngx_array_t *variables);


#endif /* _NGX_REALPEER_H_INCLUDED_ */
