
/*
 * The zone in shared memory where http, stream and mail count.  It is found by
 * its name, so that the three modules, which are three files, have the same,
 * and kept for as long as all listeners and workers have room in it: whether
 * they have, and how large another one has to be, is decided by librealpeer.
 */


#include "ngx_realpeer.h"


#define ngx_realpeer_text(number)    ngx_realpeer_text2(number)
#define ngx_realpeer_text2(number)   #number

/* another layout of the counters is another zone */
#define NGX_REALPEER_ZONE                                                     \
    "realpeer_counters_" ngx_realpeer_text(REALPEER_COUNTERS_LAYOUT)

/* in pages, as for other zones */
#define NGX_REALPEER_LEAST_ZONE      8


struct ngx_realpeer_zone_s {
    /* of this struct, which modules of another version may have otherwise */
    size_t                     self;

    realpeer_counters          counters;

    /* the listeners that count, whichever module they belong to */
    ngx_array_t                names;         /* of realpeer_counters_name */
    ngx_array_t                slots;         /* of uint32_t *, of each */

    /* the one until now, if it is not kept */
    ngx_realpeer_zone_t       *replaced;

    /* of its configuration */
    uint32_t                   workers;

    /* as in the directive; 0: not said */
    size_t                     stated;
    ngx_realpeer_place_t       place;

    /* the process that has its row */
    ngx_pid_t                  pid;
    uint32_t                   worker;

    unsigned                   named:1;
};


static ngx_shm_zone_t *ngx_realpeer_zone_find(ngx_cycle_t *cycle);
static ngx_realpeer_zone_t *ngx_realpeer_zone_data(ngx_shm_zone_t *shm_zone);
static ngx_int_t ngx_realpeer_zone_plan(ngx_realpeer_zone_t *zone,
    realpeer_counters *old, size_t size, realpeer_counters_room *room);
static size_t ngx_realpeer_zone_size(size_t size);
static size_t ngx_realpeer_zone_room(size_t size);
static void ngx_realpeer_zone_warn(ngx_shm_zone_t *shm_zone,
    realpeer_counters_room *room);
static void ngx_realpeer_zone_bury(ngx_realpeer_zone_t *zone);
static void ngx_realpeer_count_no_longer(ngx_realpeer_ctx_t *ctx);
static ngx_int_t ngx_realpeer_zone_init(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_realpeer_zone_create(ngx_shm_zone_t *shm_zone,
    ngx_realpeer_zone_t *zone, size_t size);


char *
ngx_realpeer_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_realpeer_conf_t *rcf = conf;

    ssize_t               size;
    ngx_str_t            *value;
    ngx_realpeer_zone_t  *zone;

    if (rcf->zone != NGX_CONF_UNSET_SIZE) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        rcf->zone = 0;
        return NGX_CONF_OK;
    }

    size = ngx_parse_size(&value[1]);

    if (size < (ssize_t) (NGX_REALPEER_LEAST_ZONE * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size \"%V\" in \"realpeer_zone\", it must "
                           "be \"off\" or at least %uz bytes", &value[1],
                           (size_t) (NGX_REALPEER_LEAST_ZONE * ngx_pagesize));
        return NGX_CONF_ERROR;
    }

    zone = ngx_realpeer_zone_get(cf->cycle);
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    if (zone->stated && zone->stated != (size_t) size) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"realpeer_zone %V\" contradicts the size in "
                           "%V:%ui, http, stream and mail share one zone",
                           &value[1], &zone->place.file, zone->place.line);
        return NGX_CONF_ERROR;
    }

    zone->stated = size;
    zone->place.file = cf->conf_file->file.name;
    zone->place.line = cf->conf_file->line;

    rcf->zone = size;

    return NGX_CONF_OK;
}


/*
 * The zone of a configuration, which comes to be with the first who asks.  NULL
 * is an error, such as that of modules of different versions.
 */

ngx_realpeer_zone_t *
ngx_realpeer_zone_get(ngx_cycle_t *cycle)
{
    ngx_conf_t            cf;
    ngx_shm_zone_t       *shm_zone;
    ngx_realpeer_zone_t  *zone;

    static ngx_str_t      name = ngx_string(NGX_REALPEER_ZONE);

    ngx_memzero(&cf, sizeof(ngx_conf_t));
    cf.cycle = cycle;
    cf.pool = cycle->pool;
    cf.log = cycle->log;

    /* a tag that is the same in each of our files: it is in none of them */

    shm_zone = ngx_shared_memory_add(&cf, &name, 0, &ngx_core_module);
    if (shm_zone == NULL) {
        return NULL;
    }

    if (shm_zone->data) {
        zone = ngx_realpeer_zone_data(shm_zone);

        if (zone == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                          "the modules of realpeer for http, stream and mail "
                          "are of different versions, install the same of "
                          "all");
        }

        return zone;
    }

    zone = ngx_pcalloc(cycle->pool, sizeof(ngx_realpeer_zone_t));
    if (zone == NULL) {
        return NULL;
    }

    if (ngx_array_init(&zone->names, cycle->pool, 4,
                       sizeof(realpeer_counters_name))
        != NGX_OK
        || ngx_array_init(&zone->slots, cycle->pool, 4, sizeof(uint32_t *))
           != NGX_OK)
    {
        return NULL;
    }

    zone->self = sizeof(ngx_realpeer_zone_t);

    shm_zone->data = zone;
    shm_zone->init = ngx_realpeer_zone_init;

    return zone;
}


static ngx_shm_zone_t *
ngx_realpeer_zone_find(ngx_cycle_t *cycle)
{
    ngx_uint_t        i;
    ngx_shm_zone_t   *shm_zone;
    ngx_list_part_t  *part;

    for (part = &cycle->shared_memory.part; part; part = part->next) {

        shm_zone = part->elts;
        for (i = 0; i < part->nelts; i++) {

            if (shm_zone[i].tag == &ngx_core_module
                && shm_zone[i].shm.name.len == sizeof(NGX_REALPEER_ZONE) - 1
                && ngx_strncmp(shm_zone[i].shm.name.data, NGX_REALPEER_ZONE,
                               sizeof(NGX_REALPEER_ZONE) - 1)
                   == 0)
            {
                return &shm_zone[i];
            }
        }
    }

    return NULL;
}


static ngx_realpeer_zone_t *
ngx_realpeer_zone_data(ngx_shm_zone_t *shm_zone)
{
    ngx_realpeer_zone_t  *zone;

    if (shm_zone == NULL) {
        return NULL;
    }

    zone = shm_zone->data;

    return zone->self == sizeof(ngx_realpeer_zone_t) ? zone : NULL;
}


/* an address with a policy is going to be counted for */

ngx_int_t
ngx_realpeer_zone_add(ngx_cycle_t *cycle, ngx_realpeer_addr_t *addr)
{
    uint32_t                **slot;
    ngx_realpeer_zone_t      *zone;
    realpeer_counters_name   *name;

    if (addr->conf->zone == 0) {
        return NGX_OK;
    }

    zone = ngx_realpeer_zone_get(cycle);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    name = ngx_array_push(&zone->names);
    slot = ngx_array_push(&zone->slots);

    if (name == NULL || slot == NULL) {
        return NGX_ERROR;
    }

    name->subsystem = (char *) addr->subsystem.data;
    name->subsystem_len = addr->subsystem.len;
    name->name = (char *) addr->text.data;
    name->name_len = addr->text.len;

    *slot = &addr->slot;

    addr->zone = zone;

    return NGX_OK;
}


/*
 * All that a subsystem listens on is known: is there room in the zone of now,
 * and how large would another one have to be?
 */

ngx_int_t
ngx_realpeer_zone_measure(ngx_cycle_t *cycle)
{
    ngx_shm_zone_t          *shm_zone, *old;
    ngx_core_conf_t         *ccf;
    ngx_realpeer_zone_t     *zone, *old_zone;
    realpeer_counters_room   room;

    old = ngx_realpeer_zone_find(cycle->old_cycle);
    old_zone = ngx_realpeer_zone_data(old);

    if (old_zone && ngx_realpeer_zone_get(cycle) == NULL) {
        /* once there, it stays, for listeners that come back */
        return NGX_ERROR;
    }

    shm_zone = ngx_realpeer_zone_find(cycle);
    zone = ngx_realpeer_zone_data(shm_zone);

    if (zone == NULL) {
        return NGX_OK;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    zone->workers = (uint32_t) ccf->worker_processes;
    zone->replaced = NULL;

    if (old_zone) {
        ngx_realpeer_zone_bury(old_zone);
    }

    if (ngx_realpeer_zone_plan(zone, old_zone ? &old_zone->counters : NULL,
                               ngx_realpeer_zone_room(zone->stated), &room)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (room.keep) {
        shm_zone->shm.size = old->shm.size;
        return NGX_OK;
    }

    shm_zone->shm.size = zone->stated ? zone->stated
                                      : ngx_realpeer_zone_size(room.size);

    if (old_zone) {
        zone->replaced = old_zone;

        if (shm_zone->shm.size == old->shm.size) {
            /* nginx would keep it: see above */
            shm_zone->shm.size += ngx_pagesize;
        }
    }

    return NGX_OK;
}


/* whether all have room, and in what; old workers come on top of new ones */

static ngx_int_t
ngx_realpeer_zone_plan(ngx_realpeer_zone_t *zone, realpeer_counters *old,
    size_t size, realpeer_counters_room *room)
{
    if (realpeer_counters_plan(old, zone->names.elts, zone->names.nelts,
                               zone->workers, 0, size, room,
                               sizeof(realpeer_counters_room))
        != 0)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* of the zone, with what nginx needs in it for itself */

static size_t
ngx_realpeer_zone_size(size_t size)
{
    size_t  pages;

    pages = size / ngx_pagesize + 2;
    pages += pages * sizeof(ngx_slab_page_t) / ngx_pagesize;

    return pages * ngx_pagesize;
}


/* the other way round: what nginx leaves of a zone, which is whole pages */

static size_t
ngx_realpeer_zone_room(size_t size)
{
    size_t  pages, taken;

    pages = size / ngx_pagesize;

    /* as in ngx_slab_init(), with the least min_shift, which zones have */

    taken = sizeof(ngx_slab_pool_t)
            + (ngx_pagesize_shift - 3) * (sizeof(ngx_slab_page_t)
                                          + sizeof(ngx_slab_stat_t))
            + pages * sizeof(ngx_slab_page_t);
    taken = ngx_align(taken, ngx_pagesize);

    return pages * ngx_pagesize - ngx_min(taken, pages * ngx_pagesize);
}


static ngx_int_t
ngx_realpeer_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_realpeer_zone_t *old = data;

    size_t                size;
    ngx_slab_pool_t      *shpool;
    ngx_realpeer_zone_t  *zone;

    zone = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    /* all that nginx leaves of the zone */

    size = (shpool->last - shpool->pages) * ngx_pagesize;

    if (shpool->data == NULL) {
        shpool->data = ngx_slab_alloc(shpool, size);
        old = NULL;
    }

    if (old == NULL
        || realpeer_counters_open(shpool->data, size, &zone->counters,
                                  sizeof(realpeer_counters))
           != 0)
    {
        if (ngx_realpeer_zone_create(shm_zone, zone, size) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    zone->pid = NGX_INVALID_PID;
    zone->worker = zone->counters.workers - 1;

    if (old && old->self == sizeof(ngx_realpeer_zone_t)) {
        /* where there is but one process, it stays the same */
        zone->pid = old->pid;
        zone->worker = old->worker;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_realpeer_zone_create(ngx_shm_zone_t *shm_zone, ngx_realpeer_zone_t *zone,
    size_t size)
{
    ngx_slab_pool_t         *shpool;
    realpeer_counters_room   room;

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (ngx_realpeer_zone_plan(zone, NULL, size, &room) == NGX_OK
        && realpeer_counters_create(shpool->data, size, room.workers,
                                    ngx_time(), &zone->counters,
                                    sizeof(realpeer_counters))
           == 0)
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                  "shared memory zone \"%V\" of %uz bytes is too small",
                  &shm_zone->shm.name, shm_zone->shm.size);

    return NGX_ERROR;
}


/*
 * Gives each listener its place, once for all modules.  Not before the sockets
 * are there: else a configuration that cannot have them, and so never comes,
 * would take places from the one at work.
 */

ngx_int_t
ngx_realpeer_init_module(ngx_cycle_t *cycle)
{
    uint32_t                **slot;
    ngx_uint_t                i;
    ngx_shm_zone_t           *shm_zone;
    realpeer_counters        *counters;
    ngx_realpeer_zone_t      *zone;
    realpeer_counters_name   *name;
    realpeer_counters_room    room;

    shm_zone = ngx_realpeer_zone_find(cycle);
    zone = ngx_realpeer_zone_data(shm_zone);

    if (zone == NULL || zone->named) {
        return NGX_OK;
    }

    zone->named = 1;
    counters = &zone->counters;

    if (ngx_realpeer_zone_plan(zone, counters, 0, &room) == NGX_OK
        && !room.keep)
    {
        ngx_realpeer_zone_warn(shm_zone, &room);
    }

    (void) realpeer_counters_configure(counters, zone->names.elts,
                                       zone->names.nelts);

    name = zone->names.elts;
    slot = zone->slots.elts;

    for (i = 0; i < zone->names.nelts; i++) {
        *slot[i] = (uint32_t)
            realpeer_counters_listener(counters, name[i].subsystem,
                                       name[i].subsystem_len, name[i].name,
                                       name[i].name_len);
    }

    if (zone->replaced) {
        (void) realpeer_counters_take_over(counters,
                                           &zone->replaced->counters);

        if (ngx_process == NGX_PROCESS_SINGLE) {
            /* connections that wait now are about to lose its memory */
            zone->replaced->counters.memory = NULL;
        }
    }

    return NGX_OK;
}


/* only a size that the configuration sets can be too small */

static void
ngx_realpeer_zone_warn(ngx_shm_zone_t *shm_zone, realpeer_counters_room *room)
{
    ngx_realpeer_zone_t *zone = shm_zone->data;

    ngx_log_error(NGX_LOG_WARN, shm_zone->shm.log, 0,
                  "\"realpeer_zone\" has room for %uD of %uD listeners and "
                  "%uD of %uD workers, the others are counted together: it "
                  "should be %uz in %V:%ui",
                  room->placed, room->names, room->seated, zone->workers,
                  ngx_realpeer_zone_size(room->enough), &zone->place.file,
                  zone->place.line);
}


/* a process that is going to have connections */

ngx_int_t
ngx_realpeer_init_process(ngx_cycle_t *cycle)
{
    ngx_realpeer_zone_t  *zone;

    zone = ngx_realpeer_zone_data(ngx_realpeer_zone_find(cycle));

    if (zone == NULL || zone->pid == ngx_pid
        || ngx_process == NGX_PROCESS_HELPER)
    {
        return NGX_OK;
    }

    ngx_realpeer_zone_bury(zone);

    zone->pid = ngx_pid;
    zone->worker = (uint32_t) realpeer_counters_worker(&zone->counters,
                                                       (int32_t) ngx_pid);

    return NGX_OK;
}


void
ngx_realpeer_exit_process(ngx_cycle_t *cycle)
{
    ngx_realpeer_zone_t  *zone;

    zone = ngx_realpeer_zone_data(ngx_realpeer_zone_find(cycle));

    if (zone && zone->pid == ngx_pid) {
        (void) realpeer_counters_ended(&zone->counters, zone->worker,
                                       (int32_t) ngx_pid);
    }
}


/* processes that were killed could not say that their connections are gone */

static void
ngx_realpeer_zone_bury(ngx_realpeer_zone_t *zone)
{
    int32_t   pid;
    uint32_t  n;

    for (n = 0; n < zone->counters.workers; n++) {
        pid = realpeer_counters_process(&zone->counters, n);

        if (pid > 0 && kill(pid, 0) == -1 && ngx_errno == NGX_ESRCH) {
            (void) realpeer_counters_ended(&zone->counters, n, pid);
        }
    }
}


/* to be shown; NULL: there is nothing to show */

realpeer_counters *
ngx_realpeer_zone_counters(ngx_cycle_t *cycle)
{
    ngx_realpeer_zone_t  *zone;

    zone = ngx_realpeer_zone_data(ngx_realpeer_zone_find(cycle));

    if (zone == NULL) {
        return NULL;
    }

    ngx_realpeer_zone_bury(zone);

    return &zone->counters;
}


/* what happens to connections */

void
ngx_realpeer_count_waiting(ngx_realpeer_ctx_t *ctx)
{
    ngx_realpeer_zone_t  *zone;

    zone = ctx->addr->zone;

    if (zone && !ctx->counted) {
        ctx->counted = 1;
        (void) realpeer_counters_waiting(&zone->counters, ctx->addr->slot,
                                         zone->worker, 1);
    }
}


static void
ngx_realpeer_count_no_longer(ngx_realpeer_ctx_t *ctx)
{
    ngx_realpeer_zone_t  *zone;

    zone = ctx->addr->zone;

    if (ctx->counted) {
        ctx->counted = 0;
        (void) realpeer_counters_waiting(&zone->counters, ctx->addr->slot,
                                         zone->worker, 0);
    }
}


void
ngx_realpeer_count_decided(ngx_connection_t *c, ngx_realpeer_ctx_t *ctx)
{
    uint64_t              milliseconds;
    ngx_realpeer_zone_t  *zone;

    zone = ctx->addr->zone;

    if (zone == NULL) {
        return;
    }

    ngx_realpeer_count_no_longer(ctx);

    milliseconds = ngx_current_msec - c->start_time;

    (void) realpeer_counters_decided(&zone->counters, ctx->addr->slot,
                                     &ctx->decision,
                                     sizeof(realpeer_decision),
                                     1000 * milliseconds);

    if (ctx->decision.action == REALPEER_ACTION_REFUSE) {
        (void) realpeer_counters_refused(&zone->counters, ctx->addr->slot,
                                         ctx->decision.result, ctx->sockaddr,
                                         ctx->socklen, ngx_time());
    }
}


void
ngx_realpeer_count_dropped(ngx_realpeer_ctx_t *ctx)
{
    ngx_realpeer_count_no_longer(ctx);
    ngx_realpeer_count_lost(ctx->addr);
}


/* likewise, of a connection for whose context there was no memory */

void
ngx_realpeer_count_lost(ngx_realpeer_addr_t *addr)
{
    if (addr->zone) {
        (void) realpeer_counters_dropped(&addr->zone->counters, addr->slot);
    }
}


/* the line of a refused connection was held back */

void
ngx_realpeer_count_held(ngx_realpeer_ctx_t *ctx)
{
    ngx_realpeer_zone_t  *zone;

    zone = ctx->addr->zone;

    if (zone) {
        (void) realpeer_counters_held(&zone->counters, ctx->addr->slot,
                                      ctx->decision.result);
    }
}


/* another header follows that of an accepted connection */

void
ngx_realpeer_count_another(ngx_realpeer_ctx_t *ctx)
{
    ngx_realpeer_zone_t  *zone;

    zone = ctx->addr->zone;

    if (zone) {
        (void) realpeer_counters_another(&zone->counters, ctx->addr->slot);
    }
}
