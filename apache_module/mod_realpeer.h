/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * mod_realpeer: the PROXY protocol in front of connections to Apache httpd.
 *
 * The library decides; the files here read the configuration and the socket,
 * and put the client into the connection:
 *
 *   mod_realpeer.c   the module: its hooks and directives
 *   config.c         the directives
 *   check.c          virtual hosts and modules that contradict each other
 *   connection.c     a connection, until it is decided
 *   wait.c           a connection whose header is not whole
 *   watch.c          the deadlines of those that no thread waits for
 *   client.c         the connection, as it would be had the client connected
 *   limit.c          how many lines refused connections get in the log
 *   zone.c           the memory where all processes count
 *   counters.c       what is counted there
 *   status.c         the counters, shown
 *   env.c            REALPEER_* for logs, expressions and programs
 */

#ifndef MOD_REALPEER_H
#define MOD_REALPEER_H

#include <httpd.h>
#include <http_config.h>
#include <http_connection.h>
#include <http_core.h>
#include <http_log.h>
#include <ap_mmn.h>
#include <ap_listen.h>
#include <ap_mpm.h>
#include <scoreboard.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include <realpeer.h>


#if !AP_MODULE_MAGIC_AT_LEAST(20120211, 61)
#error "mod_realpeer is for Apache httpd 2.4.26 and later"
#endif

/* Whether the event MPM may be asked to wait for a connection. */
#ifdef AP_MPMQ_CAN_WAITIO
#define MOD_REALPEER_HAVE_WAITIO  1
#define MOD_REALPEER_GIVE_BACK(c)                                             \
    do {                                                                      \
        (c)->cs->sense = CONN_SENSE_WANT_READ;                                \
        (c)->cs->state = CONN_STATE_ASYNC_WAITIO;                             \
    } while (0)
#else
#define MOD_REALPEER_HAVE_WAITIO  0
#define MOD_REALPEER_GIVE_BACK(c)
#endif

/* A connection that this server makes, as a proxy does. */
#if AP_MODULE_MAGIC_AT_LEAST(20120211, 116)
#define MOD_REALPEER_IS_OUTGOING(c)  ((c)->outgoing)
#else
#define MOD_REALPEER_IS_OUTGOING(c)  ((c)->sbh == NULL)
#endif

/* Of what a refused peer sent, as many bytes get into the log. */
#define MOD_REALPEER_LOG_BYTES    48

/* Before mod_ssl (+5), and behind what accounts for or limits the bytes. */
#define MOD_REALPEER_FILTER_TYPE  (AP_FTYPE_CONNECTION + 7)


#define MOD_REALPEER_TWICE  "is stated twice at the same level"


extern module AP_MODULE_DECLARE_DATA realpeer_module;
APLOG_USE_MODULE(realpeer);


/* A line of the configuration. */

typedef struct {
    const char *file;
    unsigned line;
} mod_realpeer_place_t;


/* The rules of one level, shared by all that inherit them. */

typedef struct {
    apr_array_header_t *rules;    /* realpeer_rule, prepared by check.c */
    apr_array_header_t *origins;  /* mod_realpeer_origin_t, by tag */
    int prepared;
} mod_realpeer_rules_t;

typedef struct {
    mod_realpeer_place_t place;
    const char *source;
} mod_realpeer_origin_t;


/* A TLV that was asked for. */

typedef struct {
    const char *variable;
    int32_t field;
    int hex;
} mod_realpeer_tlv_t;


typedef struct {
    mod_realpeer_rules_t *rules;  /* NULL: no policy here */
    realpeer_settings settings;   /* 0 where nothing is set */
    apr_interval_time_t timeout;  /* 0: nothing is set */
    apr_array_header_t *tlvs;     /* mod_realpeer_tlv_t; NULL: none */
    int off;
    int no_address_set;
    realpeer_log_rate log_rate;
    int log_rate_set;
    apr_size_t zone;              /* of the server configuration; 0: not said */
    int zone_off;
    mod_realpeer_place_t zone_place;
    mod_realpeer_place_t place;   /* of this level's first directive; or NULL */
} mod_realpeer_conf_t;


/* A connection whose header is not whole. */

typedef struct mod_realpeer_wait_t mod_realpeer_wait_t;


/* A connection with a policy. */

typedef struct {
    const mod_realpeer_conf_t *conf;
    const realpeer_rule *rule;    /* NULL: none matches */
    int32_t policy;
    realpeer_decision decision;
    apr_time_t start;             /* by mod_realpeer_now() */

    apr_sockaddr_t *proxy_addr;   /* who connected */
    const char *proxy_ip;

    apr_table_t *env;             /* for its requests, once it is decided */
    mod_realpeer_wait_t *wait;    /* NULL: it is decided */

    const realpeer_counters *counters;  /* NULL: it is not counted */
    uint32_t slot;                /* of its listener */
    int counted;                  /* as one that waits */
} mod_realpeer_conn_t;


/* config.c */

extern const command_rec mod_realpeer_commands[];

void *mod_realpeer_create_conf(apr_pool_t *p, server_rec *s);
void *mod_realpeer_merge_conf(apr_pool_t *p, void *base, void *own);
mod_realpeer_conf_t *mod_realpeer_get_conf(server_rec *s);
apr_interval_time_t mod_realpeer_timeout(const mod_realpeer_conf_t *conf);

/* check.c */

int mod_realpeer_check_config(apr_pool_t *pconf, apr_pool_t *plog,
                              apr_pool_t *ptemp, server_rec *main_server);
server_rec *mod_realpeer_ruling(server_rec *main_server,
                                const apr_sockaddr_t *addr, apr_port_t port);
const char *mod_realpeer_listener(apr_pool_t *p, apr_sockaddr_t *addr,
                                  apr_port_t port);

/* connection.c */

int mod_realpeer_pre_connection(conn_rec *c, void *csd);
mod_realpeer_conn_t *mod_realpeer_get_conn(conn_rec *c);
int32_t mod_realpeer_decide(mod_realpeer_conn_t *rc, const uint8_t *data,
                            apr_size_t len, int32_t event);
apr_status_t mod_realpeer_finish(conn_rec *c, mod_realpeer_conn_t *rc,
                                 const uint8_t *data, apr_size_t len);
ssize_t mod_realpeer_peek(int fd, uint8_t *data, apr_size_t size);
apr_time_t mod_realpeer_now(void);

/* wait.c */

void mod_realpeer_register_filter(apr_pool_t *p);
void mod_realpeer_wait(conn_rec *c, mod_realpeer_conn_t *rc, int fd);
int mod_realpeer_process_connection(conn_rec *c);

/* watch.c */

typedef struct mod_realpeer_watch_t mod_realpeer_watch_t;

void mod_realpeer_watch_init(apr_pool_t *pchild);
int mod_realpeer_can_watch(conn_rec *c);
mod_realpeer_watch_t *mod_realpeer_watch(conn_rec *c, int fd,
                                         apr_time_t deadline);
void mod_realpeer_watch_arm(mod_realpeer_watch_t *watch);
int mod_realpeer_watch_hold(mod_realpeer_watch_t *watch);
void mod_realpeer_unwatch(conn_rec *c, mod_realpeer_watch_t *watch);

/* limit.c */

int mod_realpeer_init_limits(apr_pool_t *pconf, server_rec *main_server);
void mod_realpeer_limits_init_child(apr_pool_t *pchild);
int mod_realpeer_monitor(apr_pool_t *p, server_rec *s);
int mod_realpeer_may_log(const conn_rec *c, const mod_realpeer_conf_t *conf,
                         int32_t result, int quiet);
int mod_realpeer_may_log_another(const conn_rec *c,
                                 const mod_realpeer_conf_t *conf);
int mod_realpeer_is_for(const server_rec *s, const ap_listen_rec *listener);

/* zone.c */

const char *mod_realpeer_set_zone(cmd_parms *cmd, void *dir, const char *arg);
int mod_realpeer_init_zone(apr_pool_t *pconf, server_rec *main_server);
void mod_realpeer_zone_init_child(void);
void mod_realpeer_child_status(server_rec *s, pid_t pid, ap_generation_t gen,
                               int slot, mpm_child_status status);
const realpeer_counters *mod_realpeer_counters(void);
uint32_t mod_realpeer_place(void);
void mod_realpeer_count_for(const conn_rec *c, mod_realpeer_conn_t *rc);

/* counters.c */

void mod_realpeer_count_waiting(conn_rec *c, mod_realpeer_conn_t *rc);
void mod_realpeer_count_decided(mod_realpeer_conn_t *rc);
void mod_realpeer_count_dropped(mod_realpeer_conn_t *rc);
void mod_realpeer_count_held(const mod_realpeer_conn_t *rc);
void mod_realpeer_count_another(const mod_realpeer_conn_t *rc);

/* status.c */

void mod_realpeer_register_status(void);
int mod_realpeer_status(request_rec *r);

/* client.c */

apr_status_t mod_realpeer_set_client(conn_rec *c,
                                     const realpeer_address *client);
const char *mod_realpeer_address_text(apr_pool_t *p,
                                      const realpeer_address *address);
const char *mod_realpeer_sockaddr_text(apr_pool_t *p, apr_sockaddr_t *sa,
                                       const char *ip);

/* env.c */

void mod_realpeer_name_tlvs(apr_pool_t *pconf);
void mod_realpeer_make_env(conn_rec *c, mod_realpeer_conn_t *rc,
                           const uint8_t *tlvs, apr_size_t len);
void mod_realpeer_pre_read_request(request_rec *r, conn_rec *c);
int mod_realpeer_post_read_request(request_rec *r);
mod_realpeer_tlv_t *mod_realpeer_parse_tlv(apr_pool_t *p, const char *name);

#endif
