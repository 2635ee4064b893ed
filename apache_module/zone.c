/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * The memory where all processes count. It belongs to the parent's process and
 * not to a configuration, so that it outlives restarts, while this file is
 * loaded anew with each.
 */

#include "mod_realpeer.h"

#include <ap_listen.h>

#include <apr_lib.h>
#include <apr_shm.h>

#include <unistd.h>


/* Room for as many listeners and processes where nothing is said. */
#define MOD_REALPEER_LISTENERS  16
#define MOD_REALPEER_WORKERS    32

/* As in nginx. */
#define MOD_REALPEER_LEAST_ZONE  32768

/* Another layout of the counters is another zone. */
#define MOD_REALPEER_ZONE                                                     \
    "mod_realpeer_zone_" APR_STRINGIFY(REALPEER_COUNTERS_LAYOUT)

/* What a listener belongs to, in nginx's words. */
#define MOD_REALPEER_SUBSYSTEM  "http"


/* The memory; what another version of this module left may be otherwise. */

typedef struct {
    apr_size_t self;              /* of this struct */
    apr_shm_t *shm;
    apr_size_t size;              /* of the counters */
    realpeer_counters counters;
} mod_realpeer_zone_t;


/* A listener that counts. */

typedef struct {
    apr_sockaddr_t *addr;
    const char *name;
    uint32_t slot;
} mod_realpeer_counted_t;


static mod_realpeer_zone_t *mod_realpeer_zone;
static apr_array_header_t *mod_realpeer_counted;

/* The place of this process there. */
static uint32_t mod_realpeer_worker;


static apr_array_header_t *mod_realpeer_find_counted(apr_pool_t *p,
                                                     server_rec *main_server);
static int mod_realpeer_is_counted(const apr_array_header_t *counted,
                                   const char *name);
static int mod_realpeer_has_rules(server_rec *main_server,
                                  const ap_listen_rec *listener);
static uint32_t mod_realpeer_processes(void);
static mod_realpeer_zone_t *mod_realpeer_make_zone(server_rec *main_server,
                                                   apr_size_t size,
                                                   uint32_t processes);
static void mod_realpeer_name_listeners(server_rec *main_server);


/* Of the server configuration only, so it states nothing about a policy. */

const char *mod_realpeer_set_zone(cmd_parms *cmd, void *dir, const char *arg)
{
    mod_realpeer_conf_t *conf = mod_realpeer_get_conf(cmd->server);
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    apr_int64_t size;
    char *end;

    (void) dir;

    if (error) {
        return error;
    }

    if (conf->zone || conf->zone_off) {
        return "RealPeerZone " MOD_REALPEER_TWICE;
    }

    if (strcmp(arg, "off") == 0) {
        conf->zone_off = 1;
        return NULL;
    }

    size = apr_strtoi64(arg, &end, 10);

    if (size < 0 || size > APR_INT32_MAX) {
        size = 0;
    }

    switch (*end) {

    case 'k':
    case 'K':
        size *= 1024;
        end++;
        break;

    case 'm':
    case 'M':
        size *= 1024 * 1024;
        end++;
        break;

    default:
        break;
    }

    if (!apr_isdigit(*arg) || *end || size < MOD_REALPEER_LEAST_ZONE) {
        return apr_psprintf(cmd->pool,
                            "invalid size \"%s\" in RealPeerZone, it must be "
                            "\"off\" or at least %d bytes", arg,
                            MOD_REALPEER_LEAST_ZONE);
    }

    conf->zone = (apr_size_t) size;

    return NULL;
}


int mod_realpeer_init_zone(apr_pool_t *pconf, server_rec *main_server)
{
    const mod_realpeer_conf_t *conf = mod_realpeer_get_conf(main_server);
    apr_pool_t *process = main_server->process->pool;
    mod_realpeer_zone_t *zone, *old;
    void *found = NULL;
    uint32_t n, listeners, processes;
    apr_size_t size;

    mod_realpeer_counted = mod_realpeer_find_counted(pconf, main_server);

    (void) apr_pool_userdata_get(&found, MOD_REALPEER_ZONE, process);
    old = found;

    if (old && old->self != sizeof(*old)) {
        old = NULL;
    }

    n = (uint32_t) mod_realpeer_counted->nelts;
    processes = mod_realpeer_processes();
    size = conf->zone;

    if (old && (size ? old->size == size
                     : old->counters.listeners > n
                       && old->counters.workers > processes)) {
        mod_realpeer_zone = old;
    }
    else {
        for (listeners = MOD_REALPEER_LISTENERS; listeners < 2 * n; ) {
            listeners *= 2;
        }

        if (size == 0) {
            size = realpeer_counters_size(listeners + 1, processes + 1);
        }

        zone = mod_realpeer_make_zone(main_server, size, processes);

        if (zone == NULL) {
            return HTTP_INTERNAL_SERVER_ERROR;
        }

        if (old) {
            (void) realpeer_counters_take_over(&zone->counters,
                                               &old->counters);
            (void) apr_shm_destroy(old->shm);
        }

        (void) apr_pool_userdata_set(zone, MOD_REALPEER_ZONE, NULL, process);
        mod_realpeer_zone = zone;
    }

    mod_realpeer_worker = mod_realpeer_zone->counters.workers - 1;
    mod_realpeer_name_listeners(main_server);

    return OK;
}


/* Each address that is listened on and may have rules, once. */

static apr_array_header_t *mod_realpeer_find_counted(apr_pool_t *p,
                                                     server_rec *main_server)
{
    apr_array_header_t *found;
    mod_realpeer_counted_t *counted;
    ap_listen_rec *lr;
    const char *name;

    found = apr_array_make(p, 4, sizeof(mod_realpeer_counted_t));

    if (mod_realpeer_get_conf(main_server)->zone_off) {
        return found;
    }

    for (lr = ap_listeners; lr; lr = lr->next) {
        name = mod_realpeer_listener(p, lr->bind_addr, lr->bind_addr->port);

        if (mod_realpeer_has_rules(main_server, lr)
            && !mod_realpeer_is_counted(found, name)) {
            counted = apr_array_push(found);
            counted->addr = lr->bind_addr;
            counted->name = name;
        }
    }

    return found;
}


/* The server that rules there as a rule, or one that does for some address. */

static int mod_realpeer_has_rules(server_rec *main_server,
                                  const ap_listen_rec *listener)
{
    const apr_sockaddr_t *addr = listener->bind_addr;
    server_rec *s = mod_realpeer_ruling(main_server, addr, addr->port);

    if (mod_realpeer_get_conf(s)->rules) {
        return 1;
    }

    for (s = main_server->next; s; s = s->next) {
        if (mod_realpeer_get_conf(s)->rules
            && mod_realpeer_is_for(s, listener)) {
            return 1;
        }
    }

    return 0;
}


/* IPv4 and IPv6 have one name where all addresses are listened on. */

static int mod_realpeer_is_counted(const apr_array_header_t *counted,
                                   const char *name)
{
    int i;

    for (i = 0; i < counted->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(counted, i, mod_realpeer_counted_t).name,
                   name) == 0) {
            return 1;
        }
    }

    return 0;
}


/* Old children stay for a while after a restart, and after the next one. */

static uint32_t mod_realpeer_processes(void)
{
    int limit = 0;

    if (ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &limit) != APR_SUCCESS
        || limit < MOD_REALPEER_WORKERS / 2) {
        return MOD_REALPEER_WORKERS;
    }

    return 2 * (uint32_t) limit;
}


static mod_realpeer_zone_t *mod_realpeer_make_zone(server_rec *main_server,
                                                   apr_size_t size,
                                                   uint32_t processes)
{
    apr_pool_t *process = main_server->process->pool;
    mod_realpeer_zone_t *zone = apr_pcalloc(process, sizeof(*zone));
    apr_status_t rv;
    char *memory;

    zone->self = sizeof(*zone);
    zone->size = size;

    /* What it gives begins behind a few bytes of its own. */

    rv = apr_shm_create(&zone->shm, size + REALPEER_COUNTERS_ALIGNMENT, NULL,
                        process);

    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, main_server,
                     "realpeer: no shared memory for %" APR_SIZE_T_FMT
                     " bytes of counters", size);
        return NULL;
    }

    memory = apr_shm_baseaddr_get(zone->shm);
    memory += -(uintptr_t) memory % REALPEER_COUNTERS_ALIGNMENT;

    /* In a zone that is small on purpose processes have to be content. */

    for ( /* void */ ; processes; processes /= 2) {
        if (realpeer_counters_create(memory, size, processes + 1,
                                     (uint64_t) apr_time_sec(apr_time_now()),
                                     &zone->counters, sizeof(zone->counters))
            == 0) {
            return zone;
        }
    }

    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, main_server,
                 "realpeer: %" APR_SIZE_T_FMT " bytes are too small for "
                 "counters", size);

    return NULL;
}


/* Gives each listener its place. */

static void mod_realpeer_name_listeners(server_rec *main_server)
{
    const realpeer_counters *counters = &mod_realpeer_zone->counters;
    mod_realpeer_counted_t *counted;
    uint32_t n = (uint32_t) mod_realpeer_counted->nelts;
    int i;

    (void) realpeer_counters_configure(counters);

    /* httpd has the last one of its configuration first. */

    for (i = mod_realpeer_counted->nelts - 1; i >= 0; i--) {
        counted = &APR_ARRAY_IDX(mod_realpeer_counted, i,
                                 mod_realpeer_counted_t);
        counted->slot = (uint32_t)
            realpeer_counters_listener(counters, MOD_REALPEER_SUBSYSTEM,
                                       sizeof(MOD_REALPEER_SUBSYSTEM) - 1,
                                       counted->name, strlen(counted->name));
    }

    if (n > counters->listeners - 1) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server,
                     "realpeer: RealPeerZone has room for %u listeners of "
                     "%u, the others are counted together: it should be "
                     "%" APR_SIZE_T_FMT, (unsigned) counters->listeners - 1,
                     (unsigned) n,
                     realpeer_counters_size(n + 1, counters->workers));
    }
}


void mod_realpeer_zone_init_child(void)
{
    mod_realpeer_worker = (uint32_t)
        realpeer_counters_worker(&mod_realpeer_zone->counters,
                                 (int32_t) getpid());
}


/*
 * Called in the parent. A child that was killed could not say that its
 * connections are gone.
 */

void mod_realpeer_child_status(server_rec *s, pid_t pid, ap_generation_t gen,
                               int slot, mpm_child_status status)
{
    const realpeer_counters *counters = mod_realpeer_counters();
    uint32_t n;

    (void) s;
    (void) gen;
    (void) slot;

    if (counters == NULL || status != MPM_CHILD_EXITED) {
        return;
    }

    for (n = 0; n < counters->workers; n++) {
        if (realpeer_counters_process(counters, n) == (int32_t) pid) {
            (void) realpeer_counters_ended(counters, n, (int32_t) pid);
        }
    }
}


/* NULL before there is a configuration. */

const realpeer_counters *mod_realpeer_counters(void)
{
    return mod_realpeer_zone ? &mod_realpeer_zone->counters : NULL;
}


uint32_t mod_realpeer_place(void)
{
    return mod_realpeer_worker;
}


/*
 * A connection with a policy: it is counted for the listener with its very
 * address, or else for one of its port.
 */

void mod_realpeer_count_for(const conn_rec *c, mod_realpeer_conn_t *rc)
{
    const mod_realpeer_counted_t *counted;
    int i;

    for (i = 0; i < mod_realpeer_counted->nelts; i++) {
        counted = &APR_ARRAY_IDX(mod_realpeer_counted, i,
                                 mod_realpeer_counted_t);

        if (counted->addr->port != c->local_addr->port) {
            continue;
        }

        rc->counters = &mod_realpeer_zone->counters;
        rc->slot = counted->slot;

        if (apr_sockaddr_equal(counted->addr, c->local_addr)) {
            return;
        }
    }
}
