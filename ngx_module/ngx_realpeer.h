
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


/*
 * What one nginx has and another has not is found by configure, see config:
 *
 *   NGX_REALPEER_NATIVE_TLVS   ngx_proxy_protocol_t.tlvs
 *   NGX_REALPEER_QUIC          listen ... quic
 *   NGX_REALPEER_SSL_ON        the "ssl" directive
 *   NGX_REALPEER_STREAM_NAMES  "server_name" in stream
 */


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
    ngx_flag_t                     access_log;
    size_t                         zone;       /* 0: "off" */

    realpeer_settings              settings;
    realpeer_log_rate              log_rate;

    /* the first directive of ours at this level; no file: there is none */
    ngx_realpeer_place_t           place;

    void                         (*content)(void);    /* of one that sends */

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


typedef struct ngx_realpeer_ctx_s  ngx_realpeer_ctx_t;

/* writes the access log's line of a refused connection */
typedef void (*ngx_realpeer_refused_pt)(ngx_connection_t *c,
    ngx_realpeer_ctx_t *ctx);


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

    /* NULL: refused connections have no line in an access log */
    ngx_realpeer_refused_pt        refused;
    void                          *servers;    /* for it: of the subsystem */

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


/* an address of the configuration; those without a socket share that of "*" */

typedef struct ngx_realpeer_listen_s  ngx_realpeer_listen_t;

struct ngx_realpeer_listen_s {
    struct sockaddr               *sockaddr;
    socklen_t                      socklen;
    int                            type;

    ngx_realpeer_listen_t         *socket;

    unsigned                       bind:1;
    unsigned                       wildcard:1;

    ngx_realpeer_addr_t            addr;
};


/*
 * What we know of a listening socket that we stand in for.  A socket has no
 * room of its own for modules, and what ls->servers leads to is for the handler
 * alone to know, which may be another module's.  So its address is moved to the
 * beginning of this, where each connection and each clone of it has it.
 */

typedef struct {
    ngx_sockaddr_t                 sockaddr;
    struct sockaddr               *native;     /* where it was; for clones */

    ngx_connection_handler_pt      handler;    /* the one we stand in for */
    void                          *servers;    /* what that one expects */

    ngx_realpeer_addr_t           *policies;   /* of each of the addresses */
    ngx_uint_t                     naddrs;     /* the last one is "*", if > 1 */

    ngx_queue_t                    queue;      /* all with a policy */
    ngx_cycle_t                   *cycle;
    ngx_log_t                     *log;
    ngx_shm_t                      shm;        /* of the limits */

    unsigned                       warned:1;   /* not the first any more */
} ngx_realpeer_port_t;

#define ngx_realpeer_port(ls)      ((ngx_realpeer_port_t *) (ls)->sockaddr)


/* a connection; found again through the cleanups of its pool */

struct ngx_realpeer_ctx_s {
    ngx_realpeer_addr_t           *addr;
    ngx_realpeer_port_t           *port;

    const realpeer_rule           *rule;       /* NULL: none matches */
    int32_t                        policy;
    realpeer_decision              decision;

    /* who connected, while c->sockaddr may have become the client */
    struct sockaddr               *sockaddr;
    socklen_t                      socklen;
    ngx_str_t                      addr_text;

    ngx_str_t                      tlvs;

    /* both ends as they were before they became those of a sender */
    struct sockaddr               *client_sockaddr;
    struct sockaddr               *local_sockaddr;
    struct sockaddr               *relayed;    /* c->local_sockaddr since */
    socklen_t                      client_socklen;
    socklen_t                      local_socklen;

    ngx_uint_t                    *ended;      /* is told of the end */

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
    unsigned                       another:1;  /* header follows the first */
};


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

ngx_int_t ngx_realpeer_wrap_all(ngx_cycle_t *cycle, ngx_array_t *listens,
    ngx_connection_handler_pt handler);
ngx_int_t ngx_realpeer_listen_init_module(ngx_cycle_t *cycle);
ngx_realpeer_addr_t *ngx_realpeer_find_addr(ngx_connection_t *c,
    ngx_realpeer_port_t *port);

/* ngx_realpeer.c: connections up to the decision */

typedef enum {
    NGX_REALPEER_ANY = 0,
    NGX_REALPEER_PENDING,    /* has bytes to hand over */
    NGX_REALPEER_CLIENT      /* c->sockaddr is of its header */
} ngx_realpeer_wanted_e;


void ngx_realpeer_init_connection(ngx_connection_t *c);
void ngx_realpeer_call(ngx_connection_t *c, ngx_realpeer_port_t *port);
ngx_realpeer_ctx_t *ngx_realpeer_get_ctx(ngx_connection_t *c,
    ngx_realpeer_wanted_e wanted);
ngx_int_t ngx_realpeer_keep(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx,
    u_char *from, size_t room);
void ngx_realpeer_fail(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx);
void ngx_realpeer_close(ngx_connection_t *c);

/* ngx_realpeer_log.c: the lines of refused connections */

/* of the configuration at work, and of one being read */
extern ngx_queue_t  ngx_realpeer_ports;

char *ngx_realpeer_log_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
void ngx_realpeer_merge_log_limit(ngx_realpeer_conf_t *prev,
    ngx_realpeer_conf_t *conf);
ngx_int_t ngx_realpeer_limit_port(ngx_cycle_t *cycle, ngx_listening_t *ls,
    ngx_realpeer_port_t *port);
void ngx_realpeer_log_refused(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx);
void ngx_realpeer_log_exit_process(ngx_cycle_t *cycle);

/* ngx_realpeer_client.c: connections that go on */

void ngx_realpeer_go_on(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx);
ngx_int_t ngx_realpeer_sockaddr(ngx_pool_t *pool, realpeer_address *address,
    struct sockaddr **sockaddr, socklen_t *socklen);
ngx_int_t ngx_realpeer_address_text(ngx_pool_t *pool,
    realpeer_address *address, ngx_str_t *text);

/* ngx_realpeer_relay.c: what nginx's own senders of the header write */

ngx_uint_t ngx_realpeer_sends(ngx_cycle_t *cycle, char *sender,
    void **srv_conf);
void ngx_realpeer_check_sender(ngx_cycle_t *cycle, struct sockaddr *sockaddr,
    ngx_str_t *listen, ngx_realpeer_conf_t *rcf);
ngx_int_t ngx_realpeer_relay(ngx_connection_t *c);

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
void ngx_realpeer_count_another(ngx_realpeer_ctx_t *ctx);

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
