/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * The memory where all processes count. It belongs to the parent's process and
 * not to a configuration, so that it outlives restarts, while this file is
 * loaded anew with each. Whether a configuration has room in it, and how large
 * another one has to be, is decided by the library.
 */

#include "mod_realpeer.h"

#include <ap_listen.h>

#include <apr_lib.h>
#include <apr_shm.h>

#include <unistd.h>


/* As many processes where the MPM does not say. */
#define MOD_REALPEER_PROCESSES  16

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
static apr_status_t mod_realpeer_plan(const realpeer_counters *old,
                                      apr_size_t size,
                                      realpeer_counters_room *room);
static const realpeer_counters_name *mod_realpeer_names(apr_pool_t *p);
static mod_realpeer_zone_t *mod_realpeer_make_zone(server_rec *main_server,
                                        const realpeer_counters_room *room);
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
    conf->zone_place.file = cmd->directive->filename;
    conf->zone_place.line = (unsigned) cmd->directive->line_num;

    return NULL;
}


int mod_realpeer_init_zone(apr_pool_t *pconf, server_rec *main_server)
{
    const mod_realpeer_conf_t *conf = mod_realpeer_get_conf(main_server);
    apr_pool_t *process = main_server->process->pool;
    mod_realpeer_zone_t *zone, *old;
    realpeer_counters_room room;
    void *found = NULL;

    mod_realpeer_counted = mod_realpeer_find_counted(pconf, main_server);

    (void) apr_pool_userdata_get(&found, MOD_REALPEER_ZONE, process);
    old = found;

    if (old && old->self != sizeof(*old)) {
        old = NULL;
    }

    if (mod_realpeer_plan(old ? &old->counters : NULL, conf->zone, &room)
        != APR_SUCCESS) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }

    zone = room.keep ? old : mod_realpeer_make_zone(main_server, &room);

    if (zone == NULL) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }

    mod_realpeer_zone = zone;
    mod_realpeer_worker = zone->counters.workers - 1;
    mod_realpeer_name_listeners(main_server);

    if (zone != old) {
        if (old) {
            (void) realpeer_counters_take_over(&zone->counters,
                                               &old->counters);
            (void) apr_shm_destroy(old->shm);
        }

        (void) apr_pool_userdata_set(zone, MOD_REALPEER_ZONE, NULL, process);
    }

    return OK;
}


/* Whether this configuration has room, and in what. */

static apr_status_t mod_realpeer_plan(const realpeer_counters *old,
                                      apr_size_t size,
                                      realpeer_counters_room *room)
{
    const apr_array_header_t *counted = mod_realpeer_counted;

    /* Children that are about to end are among as many as there may be. */

    return realpeer_counters_plan(old, mod_realpeer_names(counted->pool),
                                  (size_t) counted->nelts,
                                  mod_realpeer_processes(), 1, size, room,
                                  sizeof(*room))
           == 0 ? APR_SUCCESS : APR_EGENERAL;
}


/* All that count, in the order of the configuration: the last is first here. */

static const realpeer_counters_name *mod_realpeer_names(apr_pool_t *p)
{
    const apr_array_header_t *counted = mod_realpeer_counted;
    const mod_realpeer_counted_t *last;
    realpeer_counters_name *names, *name;
    int i;

    names = apr_pcalloc(p, (apr_size_t) (counted->nelts + 1) * sizeof(*names));
    name = names;

    for (i = counted->nelts - 1; i >= 0; i--) {
        last = &APR_ARRAY_IDX(counted, i, mod_realpeer_counted_t);
        name->subsystem = MOD_REALPEER_SUBSYSTEM;
        name->subsystem_len = sizeof(MOD_REALPEER_SUBSYSTEM) - 1;
        name->name = last->name;
        name->name_len = strlen(last->name);
        name++;
    }

    return names;
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


/* As many as there are at a time, those included that are about to end. */

static uint32_t mod_realpeer_processes(void)
{
    int limit = 0;

    if (ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &limit) != APR_SUCCESS
        || limit < 1) {
        return MOD_REALPEER_PROCESSES;
    }

    return (uint32_t) limit;
}


static mod_realpeer_zone_t *mod_realpeer_make_zone(server_rec *main_server,
                                        const realpeer_counters_room *room)
{
    apr_pool_t *process = main_server->process->pool;
    mod_realpeer_zone_t *zone = apr_pcalloc(process, sizeof(*zone));
    apr_status_t rv;
    char *memory;

    zone->self = sizeof(*zone);

    /* What it gives begins behind a few bytes of its own. */

    rv = apr_shm_create(&zone->shm, room->size + REALPEER_COUNTERS_ALIGNMENT,
                        NULL, process);

    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, main_server,
                     "realpeer: no shared memory for %" APR_SIZE_T_FMT
                     " bytes of counters", room->size);
        return NULL;
    }

    memory = apr_shm_baseaddr_get(zone->shm);
    memory += -(uintptr_t) memory % REALPEER_COUNTERS_ALIGNMENT;

    if (realpeer_counters_create(memory, room->size, room->workers,
                                 (uint64_t) apr_time_sec(apr_time_now()),
                                 &zone->counters, sizeof(zone->counters))
        != 0) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, main_server,
                     "realpeer: %" APR_SIZE_T_FMT " bytes are too small for "
                     "counters", room->size);
        return NULL;
    }

    return zone;
}


/* Gives each listener its place. */

static void mod_realpeer_name_listeners(server_rec *main_server)
{
    const mod_realpeer_conf_t *conf = mod_realpeer_get_conf(main_server);
    const realpeer_counters *counters = &mod_realpeer_zone->counters;
    const apr_array_header_t *counted = mod_realpeer_counted;
    mod_realpeer_counted_t *one;
    realpeer_counters_room room;
    int i;

    /* Only a size that the configuration sets can be too small. */

    if (mod_realpeer_plan(counters, 0, &room) == APR_SUCCESS && !room.keep) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server,
                     "realpeer: RealPeerZone has room for %u of %u listeners "
                     "and %u of %u processes, the others are counted "
                     "together: it should be %" APR_SIZE_T_FMT " in %s:%u",
                     (unsigned) room.placed, (unsigned) room.names,
                     (unsigned) room.seated,
                     (unsigned) mod_realpeer_processes(), room.enough,
                     conf->zone_place.file ? conf->zone_place.file : "",
                     conf->zone_place.line);
    }

    (void) realpeer_counters_configure(counters,
                                       mod_realpeer_names(counted->pool),
                                       (size_t) counted->nelts);

    for (i = 0; i < counted->nelts; i++) {
        one = &APR_ARRAY_IDX(counted, i, mod_realpeer_counted_t);
        one->slot = (uint32_t)
            realpeer_counters_listener(counters, MOD_REALPEER_SUBSYSTEM,
                                       sizeof(MOD_REALPEER_SUBSYSTEM) - 1,
                                       one->name, strlen(one->name));
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
