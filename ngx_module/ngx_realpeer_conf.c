
/*
 * The directives, which are the same in http, stream and mail.
 */


#include "ngx_realpeer.h"


#define NGX_REALPEER_DEFAULT_TIMEOUT   5000
#define NGX_REALPEER_SHORT_TIMEOUT     3000


static ngx_uint_t ngx_realpeer_same_policy(ngx_realpeer_conf_t *one,
    ngx_realpeer_conf_t *two);
static char *ngx_realpeer_off(ngx_conf_t *cf, ngx_realpeer_conf_t *rcf);
static char *ngx_realpeer_add_rule(ngx_conf_t *cf, ngx_realpeer_conf_t *rcf,
    int32_t policy, ngx_str_t *source, ngx_str_t *quiet);
static ngx_int_t ngx_realpeer_prepare(ngx_conf_t *cf,
    ngx_realpeer_conf_t *rcf);


/* where a rule was written, and its source as written there */

typedef struct {
    ngx_realpeer_place_t   place;
    ngx_str_t              source;
} ngx_realpeer_origin_t;


void *
ngx_realpeer_create_conf(ngx_conf_t *cf)
{
    ngx_realpeer_conf_t  *rcf;

    rcf = ngx_pcalloc(cf->pool, sizeof(ngx_realpeer_conf_t));
    if (rcf == NULL) {
        return NULL;
    }

    rcf->timeout = NGX_CONF_UNSET_MSEC;
    rcf->max_header = NGX_CONF_UNSET_UINT;
    rcf->versions = NGX_CONF_UNSET_UINT;
    rcf->no_address = NGX_CONF_UNSET_UINT;
    rcf->access_log = NGX_CONF_UNSET;
    rcf->zone = NGX_CONF_UNSET_SIZE;

    return rcf;
}


char *
ngx_realpeer_merge_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_realpeer_conf_t *prev = parent;
    ngx_realpeer_conf_t *conf = child;

    if (ngx_realpeer_prepare(cf, prev) != NGX_OK
        || ngx_realpeer_prepare(cf, conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->rules == NULL && !conf->off) {
        conf->rules = prev->rules;
        conf->origins = prev->origins;
        conf->prepared = 1;
    }

    ngx_conf_merge_msec_value(conf->timeout, prev->timeout,
                              NGX_REALPEER_DEFAULT_TIMEOUT);
    ngx_conf_merge_uint_value(conf->max_header, prev->max_header,
                              REALPEER_DEFAULT_MAX_HEADER);
    ngx_conf_merge_uint_value(conf->versions, prev->versions,
                              REALPEER_VERSION_1|REALPEER_VERSION_2);
    ngx_conf_merge_uint_value(conf->no_address, prev->no_address,
                              REALPEER_NO_ADDRESS_ACCEPT);
    ngx_conf_merge_value(conf->access_log, prev->access_log, 0);

    ngx_realpeer_merge_log_limit(prev, conf);

    /* only whether it is 0 counts from here on */
    ngx_conf_merge_size_value(conf->zone, prev->zone, 1);

    conf->settings.max_header = (uint32_t) conf->max_header;
    conf->settings.versions = (uint8_t) conf->versions;
    conf->settings.no_address = (uint8_t) conf->no_address;

    if (ngx_realpeer_states(conf) && conf->rules == NULL && !conf->off) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "realpeer directives have no effect without "
                      "\"realpeer\" itself, which says who may send the "
                      "header in %V:%ui",
                      &conf->place.file, conf->place.line);
    }

    return NGX_CONF_OK;
}


char *
ngx_realpeer_rules(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_realpeer_conf_t *rcf = conf;

    int32_t      policy;
    ngx_str_t   *value, *quiet;
    ngx_uint_t   i, n;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        return ngx_realpeer_off(cf, rcf);
    }

    policy = realpeer_policy_parse((char *) value[1].data, value[1].len);

    if (policy < 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown policy \"%V\" in \"realpeer\", it must be "
                           "\"require\", \"optional\", \"strip\", \"direct\", "
                           "\"refuse\" or \"off\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    n = cf->args->nelts;
    quiet = NULL;

    if (ngx_strncmp(value[n - 1].data, "quiet=", 6) == 0) {
        quiet = &value[--n];
    }

    if (n == 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"realpeer %V\" names no source, add addresses, "
                           "CIDR blocks, \"unix:\" or \"all\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (rcf->off) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"realpeer %V\" contradicts \"realpeer off\" at "
                           "the same level, remove one of them", &value[1]);
        return NGX_CONF_ERROR;
    }

    ngx_realpeer_mark(cf, rcf);

    for (i = 2; i < n; i++) {
        if (ngx_realpeer_add_rule(cf, rcf, policy, &value[i], quiet)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_realpeer_off(ngx_conf_t *cf, ngx_realpeer_conf_t *rcf)
{
    if (cf->args->nelts != 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"realpeer off\" takes no source");
        return NGX_CONF_ERROR;
    }

    if (rcf->off) {
        return "is duplicate";
    }

    if (rcf->rules) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"realpeer off\" contradicts other \"realpeer\" "
                           "directives at the same level, remove one of them");
        return NGX_CONF_ERROR;
    }

    ngx_realpeer_mark(cf, rcf);
    rcf->off = 1;

    return NGX_CONF_OK;
}


static char *
ngx_realpeer_add_rule(ngx_conf_t *cf, ngx_realpeer_conf_t *rcf, int32_t policy,
    ngx_str_t *source, ngx_str_t *quiet)
{
    int32_t                 rc;
    realpeer_rule          *rule;
    ngx_realpeer_origin_t  *origin;

    if (rcf->rules == NULL) {
        rcf->rules = ngx_array_create(cf->pool, 4, sizeof(realpeer_rule));
        rcf->origins = ngx_array_create(cf->pool, 4,
                                        sizeof(ngx_realpeer_origin_t));
        if (rcf->rules == NULL || rcf->origins == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    rule = ngx_array_push(rcf->rules);
    origin = ngx_array_push(rcf->origins);
    if (rule == NULL || origin == NULL) {
        return NGX_CONF_ERROR;
    }

    origin->place.file = cf->conf_file->file.name;
    origin->place.line = cf->conf_file->line;
    origin->source = *source;

    rc = realpeer_rule_parse((char *) source->data, source->len, policy,
                             (uint32_t) (rcf->origins->nelts - 1), rule,
                             sizeof(realpeer_rule));

    if (rc < 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid source \"%V\" in \"realpeer\": %s",
                           source, realpeer_strerror(rc));
        return NGX_CONF_ERROR;
    }

    if (rc > 0) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "bits behind the prefix of source \"%V\" in "
                           "\"realpeer\" are set, they are ignored", source);
    }

    if (quiet == NULL) {
        return NGX_CONF_OK;
    }

    rc = realpeer_rule_set_quiet(rule, (char *) quiet->data, quiet->len);

    if (rc < 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" in \"realpeer\": %s",
                           quiet, realpeer_strerror(rc));
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_realpeer_timeout(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_realpeer_conf_t *rcf = conf;

    ngx_int_t   timeout;
    ngx_str_t  *value;

    if (rcf->timeout != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;
    timeout = ngx_parse_time(&value[1], 0);

    if (timeout == NGX_ERROR || timeout == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time \"%V\" in \"realpeer_timeout\", it "
                           "must be more than 0, such as \"5s\" or \"500ms\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    if (timeout < NGX_REALPEER_SHORT_TIMEOUT) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"realpeer_timeout\" is less than 3s, which a TCP "
                           "retransmission of the header may take");
    }

    ngx_realpeer_mark(cf, rcf);
    rcf->timeout = (ngx_msec_t) timeout;

    return NGX_CONF_OK;
}


char *
ngx_realpeer_max_header(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_realpeer_conf_t *rcf = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (rcf->max_header != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    size = ngx_parse_size(&value[1]);

    if (size < (ssize_t) REALPEER_MIN_HEADER
        || size > (ssize_t) REALPEER_MAX_HEADER)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size \"%V\" in \"realpeer_max_header\", "
                           "it must be from %d to %d bytes", &value[1],
                           REALPEER_MIN_HEADER, REALPEER_MAX_HEADER);
        return NGX_CONF_ERROR;
    }

    ngx_realpeer_mark(cf, rcf);
    rcf->max_header = (ngx_uint_t) size;

    return NGX_CONF_OK;
}


char *
ngx_realpeer_versions(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_realpeer_conf_t *rcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i, version, versions;

    if (rcf->versions != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    versions = 0;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "1") == 0) {
            version = REALPEER_VERSION_1;

        } else if (ngx_strcmp(value[i].data, "2") == 0) {
            version = REALPEER_VERSION_2;

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid version \"%V\" in "
                               "\"realpeer_versions\", it must be \"1\", "
                               "\"2\" or both", &value[i]);
            return NGX_CONF_ERROR;
        }

        if (versions & version) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate version \"%V\" in "
                               "\"realpeer_versions\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        versions |= version;
    }

    ngx_realpeer_mark(cf, rcf);
    rcf->versions = versions;

    return NGX_CONF_OK;
}


char *
ngx_realpeer_no_address(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_realpeer_conf_t *rcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   no_address;

    if (rcf->no_address != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "accept") == 0) {
        no_address = REALPEER_NO_ADDRESS_ACCEPT;

    } else if (ngx_strcmp(value[1].data, "refuse") == 0) {
        no_address = REALPEER_NO_ADDRESS_REFUSE;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"realpeer_no_address\", "
                           "it must be \"accept\" or \"refuse\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    ngx_realpeer_mark(cf, rcf);
    rcf->no_address = no_address;

    return NGX_CONF_OK;
}


/*
 * The header is read before anything says which server is asked for, so that
 * only the default server of an address can have a say; another one may state
 * the same, or nothing.
 */

ngx_int_t
ngx_realpeer_check_server(ngx_log_t *log, ngx_str_t *listen,
    ngx_realpeer_server_t *server, ngx_realpeer_server_t *ruling)
{
    if (!ngx_realpeer_states(server->conf)
        || ngx_realpeer_same_policy(server->conf, ruling->conf))
    {
        return NGX_OK;
    }

    if (ngx_realpeer_has_policy(ruling->conf)) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "server \"%V\" states another realpeer policy for %V "
                      "than the default server \"%V\" in %s:%ui, which rules "
                      "there: state the same, or nothing in %V:%ui",
                      server->name, listen, ruling->name, ruling->file,
                      ruling->line, &server->conf->place.file,
                      server->conf->place.line);

    } else {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "server \"%V\" states a realpeer policy for %V, where "
                      "the default server \"%V\" in %s:%ui rules and has "
                      "none: move it there in %V:%ui",
                      server->name, listen, ruling->name, ruling->file,
                      ruling->line, &server->conf->place.file,
                      server->conf->place.line);
    }

    return NGX_ERROR;
}


/* whether two merged configurations treat every connection alike */

static ngx_uint_t
ngx_realpeer_same_policy(ngx_realpeer_conf_t *one, ngx_realpeer_conf_t *two)
{
    if (one->rules == NULL || two->rules == NULL) {
        return one->rules == two->rules;
    }

    return one->timeout == two->timeout
           && one->max_header == two->max_header
           && one->versions == two->versions
           && one->no_address == two->no_address
           && one->access_log == two->access_log
           && one->log_rate.interval == two->log_rate.interval
           && one->log_rate.burst == two->log_rate.burst
           && realpeer_rules_equal(one->rules->elts, one->rules->nelts,
                                   two->rules->elts, two->rules->nelts)
              == 1;
}


/* where the rules in force were written, here or at the level above */

ngx_realpeer_place_t *
ngx_realpeer_policy_place(ngx_realpeer_conf_t *rcf)
{
    ngx_realpeer_origin_t  *origins;

    origins = rcf->origins->elts;

    return &origins[0].place;
}


/* the first directive of ours at a level, for messages about all of them */

void
ngx_realpeer_mark(ngx_conf_t *cf, ngx_realpeer_conf_t *rcf)
{
    if (!ngx_realpeer_states(rcf)) {
        rcf->place.file = cf->conf_file->file.name;
        rcf->place.line = cf->conf_file->line;
    }
}


/* sorts the rules of a level, once; those that are inherited have been */

static ngx_int_t
ngx_realpeer_prepare(ngx_conf_t *cf, ngx_realpeer_conf_t *rcf)
{
    int32_t                 rc;
    uint32_t                tags[2];
    ngx_realpeer_origin_t  *origins;

    if (rcf->rules == NULL || rcf->prepared) {
        return NGX_OK;
    }

    rc = realpeer_rules_prepare(rcf->rules->elts, rcf->rules->nelts, tags);

    if (rc == 0) {
        rcf->prepared = 1;
        return NGX_OK;
    }

    origins = rcf->origins->elts;

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "source \"%V\" in \"realpeer\" is the same as \"%V\" in "
                  "%V:%ui, remove one of them in %V:%ui",
                  &origins[tags[1]].source, &origins[tags[0]].source,
                  &origins[tags[0]].place.file, origins[tags[0]].place.line,
                  &origins[tags[1]].place.file, origins[tags[1]].place.line);

    return NGX_ERROR;
}
