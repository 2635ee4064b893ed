/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * The directives, which stand in the server configuration and in virtual
 * hosts. What concerns several of them is checked in check.c.
 */

#include "mod_realpeer.h"

#include <apr_lib.h>


#define MOD_REALPEER_DEFAULT_TIMEOUT  apr_time_from_sec(5)
#define MOD_REALPEER_SHORT_TIMEOUT    apr_time_from_sec(3)
#define MOD_REALPEER_LONG_TIMEOUT     apr_time_from_sec(86400)


static const char *mod_realpeer_rule(cmd_parms *cmd, void *dir, int argc,
                                     char *const argv[]);
static const char *mod_realpeer_off(cmd_parms *cmd, mod_realpeer_conf_t *conf,
                                    int argc);
static const char *mod_realpeer_add_rule(cmd_parms *cmd,
                                         mod_realpeer_conf_t *conf,
                                         int32_t policy, const char *source,
                                         const char *quiet);
static const char *mod_realpeer_set_timeout(cmd_parms *cmd, void *dir,
                                            const char *arg);
static const char *mod_realpeer_set_max_header(cmd_parms *cmd, void *dir,
                                               const char *arg);
static const char *mod_realpeer_set_versions(cmd_parms *cmd, void *dir,
                                             int argc, char *const argv[]);
static const char *mod_realpeer_set_no_address(cmd_parms *cmd, void *dir,
                                               const char *arg);
static const char *mod_realpeer_set_log_limit(cmd_parms *cmd, void *dir,
                                              const char *rate,
                                              const char *burst);
static const char *mod_realpeer_add_tlvs(cmd_parms *cmd, void *dir, int argc,
                                         char *const argv[]);
static mod_realpeer_conf_t *mod_realpeer_stated(cmd_parms *cmd);


const command_rec mod_realpeer_commands[] = {
    AP_INIT_TAKE_ARGV("RealPeer", mod_realpeer_rule, NULL, RSRC_CONF,
                      "a policy (require, optional, strip, direct, refuse) "
                      "and the sources it is for (addresses, CIDR blocks, "
                      "\"all\"), and at the end \"quiet=\" with results that "
                      "are ordinary for these; or \"off\""),
    AP_INIT_TAKE1("RealPeerTimeout", mod_realpeer_set_timeout, NULL,
                  RSRC_CONF,
                  "how long the header may take, such as \"5s\""),
    AP_INIT_TAKE1("RealPeerMaxHeader", mod_realpeer_set_max_header, NULL,
                  RSRC_CONF,
                  "how many bytes a version 2 header may have"),
    AP_INIT_TAKE_ARGV("RealPeerVersions", mod_realpeer_set_versions, NULL,
                      RSRC_CONF,
                      "the versions that are accepted: 1, 2 or both"),
    AP_INIT_TAKE1("RealPeerNoAddress", mod_realpeer_set_no_address, NULL,
                  RSRC_CONF,
                  "\"accept\" or \"refuse\" a header that names no client"),
    AP_INIT_TAKE12("RealPeerLogLimit", mod_realpeer_set_log_limit, NULL,
                   RSRC_CONF,
                   "how many lines refused connections get in the log, such "
                   "as \"10r/s burst=100\", or \"off\""),
    AP_INIT_TAKE1("RealPeerZone", mod_realpeer_set_zone, NULL, RSRC_CONF,
                  "how large the memory is in which connections are counted, "
                  "such as \"64k\", or \"off\""),
    AP_INIT_TAKE_ARGV("RealPeerTLV", mod_realpeer_add_tlvs, NULL, RSRC_CONF,
                      "TLVs to be put into REALPEER_TLV_* as well"),
    { .name = NULL }
};


void *mod_realpeer_create_conf(apr_pool_t *p, server_rec *s)
{
    (void) s;

    return apr_pcalloc(p, sizeof(mod_realpeer_conf_t));
}


/* Rules replace those of the level above as a whole, settings one by one. */

void *mod_realpeer_merge_conf(apr_pool_t *p, void *base, void *own)
{
    const mod_realpeer_conf_t *prev = base;
    mod_realpeer_conf_t *conf = apr_pmemdup(p, own, sizeof(*conf));

    if (conf->rules == NULL && !conf->off) {
        conf->rules = prev->rules;
    }

    if (conf->timeout == 0) {
        conf->timeout = prev->timeout;
    }

    if (conf->settings.max_header == 0) {
        conf->settings.max_header = prev->settings.max_header;
    }

    if (conf->settings.versions == 0) {
        conf->settings.versions = prev->settings.versions;
    }

    if (!conf->no_address_set) {
        conf->settings.no_address = prev->settings.no_address;
    }

    if (!conf->log_rate_set) {
        conf->log_rate = prev->log_rate;
        conf->log_rate_set = prev->log_rate_set;
    }

    if (conf->tlvs == NULL) {
        conf->tlvs = prev->tlvs;
    }

    return conf;
}


mod_realpeer_conf_t *mod_realpeer_get_conf(server_rec *s)
{
    return ap_get_module_config(s->module_config, &realpeer_module);
}


apr_interval_time_t mod_realpeer_timeout(const mod_realpeer_conf_t *conf)
{
    return conf->timeout ? conf->timeout : MOD_REALPEER_DEFAULT_TIMEOUT;
}


static const char *mod_realpeer_rule(cmd_parms *cmd, void *dir, int argc,
                                     char *const argv[])
{
    mod_realpeer_conf_t *conf = mod_realpeer_stated(cmd);
    const char *error, *quiet = NULL;
    int32_t policy;
    int i;

    (void) dir;

    if (argc == 0) {
        return "RealPeer needs a policy and the sources it is for";
    }

    if (strcmp(argv[0], "off") == 0) {
        return mod_realpeer_off(cmd, conf, argc);
    }

    policy = realpeer_policy_parse(argv[0], strlen(argv[0]));

    if (policy < 0) {
        return apr_psprintf(cmd->pool,
                            "unknown policy \"%s\" in RealPeer, it must be "
                            "\"require\", \"optional\", \"strip\", "
                            "\"direct\", \"refuse\" or \"off\"", argv[0]);
    }

    if (strncmp(argv[argc - 1], "quiet=", 6) == 0) {
        quiet = argv[--argc];
    }

    if (argc == 1) {
        return apr_psprintf(cmd->pool,
                            "\"RealPeer %s\" names no source, add addresses, "
                            "CIDR blocks or \"all\"", argv[0]);
    }

    if (conf->off) {
        return apr_psprintf(cmd->pool,
                            "\"RealPeer %s\" contradicts \"RealPeer off\" at "
                            "the same level, remove one of them", argv[0]);
    }

    for (i = 1; i < argc; i++) {
        error = mod_realpeer_add_rule(cmd, conf, policy, argv[i], quiet);

        if (error) {
            return error;
        }
    }

    return NULL;
}


static const char *mod_realpeer_off(cmd_parms *cmd, mod_realpeer_conf_t *conf,
                                    int argc)
{
    if (argc != 1) {
        return "\"RealPeer off\" takes no source";
    }

    if (conf->off) {
        return "\"RealPeer off\" " MOD_REALPEER_TWICE;
    }

    if (conf->rules) {
        return "\"RealPeer off\" contradicts other RealPeer directives at "
               "the same level, remove one of them";
    }

    (void) cmd;
    conf->off = 1;

    return NULL;
}


static const char *mod_realpeer_add_rule(cmd_parms *cmd,
                                         mod_realpeer_conf_t *conf,
                                         int32_t policy, const char *source,
                                         const char *quiet)
{
    mod_realpeer_rules_t *rules = conf->rules;
    mod_realpeer_origin_t *origin;
    realpeer_rule rule;
    int32_t rv;

    if (rules == NULL) {
        rules = apr_pcalloc(cmd->pool, sizeof(*rules));
        rules->rules = apr_array_make(cmd->pool, 4, sizeof(realpeer_rule));
        rules->origins = apr_array_make(cmd->pool, 4,
                                        sizeof(mod_realpeer_origin_t));
        conf->rules = rules;
    }

    if (strcmp(source, "unix:") == 0) {
        return "source \"unix:\" in RealPeer covers nothing, Apache httpd has "
               "no Unix listeners, remove it";
    }

    rv = realpeer_rule_parse(source, strlen(source), policy,
                             (uint32_t) rules->rules->nelts, &rule,
                             sizeof(rule));

    if (rv == REALPEER_ERROR_BAD_SOURCE) {
        return apr_psprintf(cmd->pool,
                            "invalid source \"%s\" in RealPeer: not an IPv4 or "
                            "IPv6 address, a CIDR block or \"all\"", source);
    }

    if (rv < 0) {
        return apr_psprintf(cmd->pool, "invalid source \"%s\" in RealPeer: %s",
                            source, realpeer_strerror(rv));
    }

    if (rv > 0) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, cmd->server,
                     "realpeer: bits behind the prefix of source \"%s\" in "
                     "RealPeer are set, they are ignored in %s:%d", source,
                     cmd->directive->filename, cmd->directive->line_num);
    }

    if (quiet) {
        rv = realpeer_rule_set_quiet(&rule, quiet, strlen(quiet));

        if (rv < 0) {
            return apr_psprintf(cmd->pool,
                                "invalid parameter \"%s\" in RealPeer: %s",
                                quiet, realpeer_strerror(rv));
        }
    }

    APR_ARRAY_PUSH(rules->rules, realpeer_rule) = rule;

    origin = apr_array_push(rules->origins);
    origin->place.file = cmd->directive->filename;
    origin->place.line = (unsigned) cmd->directive->line_num;
    origin->source = apr_pstrdup(cmd->pool, source);

    return NULL;
}


static const char *mod_realpeer_set_timeout(cmd_parms *cmd, void *dir,
                                            const char *arg)
{
    mod_realpeer_conf_t *conf = mod_realpeer_stated(cmd);
    apr_interval_time_t timeout;

    (void) dir;

    if (conf->timeout) {
        return "RealPeerTimeout " MOD_REALPEER_TWICE;
    }

    if (ap_timeout_parameter_parse(arg, &timeout, "s") != APR_SUCCESS
        || timeout <= 0 || timeout > MOD_REALPEER_LONG_TIMEOUT) {
        return apr_psprintf(cmd->pool,
                            "invalid time \"%s\" in RealPeerTimeout, it must "
                            "be more than 0 and at most a day, such as \"5s\" "
                            "or \"500ms\"", arg);
    }

    if (timeout < MOD_REALPEER_SHORT_TIMEOUT) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, cmd->server,
                     "realpeer: RealPeerTimeout is less than 3s, which a TCP "
                     "retransmission of the header may take in %s:%d",
                     cmd->directive->filename, cmd->directive->line_num);
    }

    conf->timeout = timeout;

    return NULL;
}


static const char *mod_realpeer_set_max_header(cmd_parms *cmd, void *dir,
                                               const char *arg)
{
    mod_realpeer_conf_t *conf = mod_realpeer_stated(cmd);
    apr_int64_t size;
    char *end;

    (void) dir;

    if (conf->settings.max_header) {
        return "RealPeerMaxHeader " MOD_REALPEER_TWICE;
    }

    size = apr_strtoi64(arg, &end, 10);

    if (!apr_isdigit(*arg) || *end || size < REALPEER_MIN_HEADER
        || size > REALPEER_MAX_HEADER) {
        return apr_psprintf(cmd->pool,
                            "invalid size \"%s\" in RealPeerMaxHeader, it "
                            "must be from %d to %d bytes", arg,
                            REALPEER_MIN_HEADER, REALPEER_MAX_HEADER);
    }

    conf->settings.max_header = (uint32_t) size;

    return NULL;
}


static const char *mod_realpeer_set_versions(cmd_parms *cmd, void *dir,
                                             int argc, char *const argv[])
{
    mod_realpeer_conf_t *conf = mod_realpeer_stated(cmd);
    uint8_t version, versions = 0;
    int i;

    (void) dir;

    if (conf->settings.versions) {
        return "RealPeerVersions " MOD_REALPEER_TWICE;
    }

    if (argc == 0) {
        return "RealPeerVersions needs \"1\", \"2\" or both";
    }

    for (i = 0; i < argc; i++) {
        if (strcmp(argv[i], "1") == 0) {
            version = REALPEER_VERSION_1;
        }
        else if (strcmp(argv[i], "2") == 0) {
            version = REALPEER_VERSION_2;
        }
        else {
            return apr_psprintf(cmd->pool,
                                "invalid version \"%s\" in RealPeerVersions, "
                                "it must be \"1\", \"2\" or both", argv[i]);
        }

        if (versions & version) {
            return apr_psprintf(cmd->pool,
                                "duplicate version \"%s\" in "
                                "RealPeerVersions", argv[i]);
        }

        versions |= version;
    }

    conf->settings.versions = versions;

    return NULL;
}


static const char *mod_realpeer_set_no_address(cmd_parms *cmd, void *dir,
                                               const char *arg)
{
    mod_realpeer_conf_t *conf = mod_realpeer_stated(cmd);

    (void) dir;

    if (conf->no_address_set) {
        return "RealPeerNoAddress " MOD_REALPEER_TWICE;
    }

    if (strcmp(arg, "accept") == 0) {
        conf->settings.no_address = REALPEER_NO_ADDRESS_ACCEPT;
    }
    else if (strcmp(arg, "refuse") == 0) {
        conf->settings.no_address = REALPEER_NO_ADDRESS_REFUSE;
    }
    else {
        return apr_psprintf(cmd->pool,
                            "invalid value \"%s\" in RealPeerNoAddress, it "
                            "must be \"accept\" or \"refuse\"", arg);
    }

    conf->no_address_set = 1;

    return NULL;
}


static const char *mod_realpeer_set_log_limit(cmd_parms *cmd, void *dir,
                                              const char *rate,
                                              const char *burst)
{
    mod_realpeer_conf_t *conf = mod_realpeer_stated(cmd);
    int32_t rv;

    (void) dir;

    if (conf->log_rate_set) {
        return "RealPeerLogLimit " MOD_REALPEER_TWICE;
    }

    rv = realpeer_log_rate_parse(rate, strlen(rate), burst,
                                 burst ? strlen(burst) : 0, &conf->log_rate,
                                 sizeof(conf->log_rate));

    if (rv == REALPEER_ERROR_BAD_BURST) {
        return apr_psprintf(cmd->pool,
                            "invalid burst \"%s\" in RealPeerLogLimit, %s",
                            burst, realpeer_strerror(rv));
    }

    if (rv < 0) {
        return apr_psprintf(cmd->pool,
                            "invalid rate \"%s\" in RealPeerLogLimit, %s",
                            rate, realpeer_strerror(rv));
    }

    conf->log_rate_set = 1;

    return NULL;
}


static const char *mod_realpeer_add_tlvs(cmd_parms *cmd, void *dir, int argc,
                                         char *const argv[])
{
    mod_realpeer_conf_t *conf = mod_realpeer_stated(cmd);
    mod_realpeer_tlv_t *tlv;
    int i;

    (void) dir;

    if (argc == 0) {
        return "RealPeerTLV needs the names of TLVs";
    }

    if (conf->tlvs == NULL) {
        conf->tlvs = apr_array_make(cmd->pool, argc,
                                    sizeof(mod_realpeer_tlv_t));
    }

    for (i = 0; i < argc; i++) {
        tlv = mod_realpeer_parse_tlv(cmd->pool, argv[i]);

        if (tlv == NULL) {
            return apr_psprintf(cmd->pool,
                                "unknown TLV \"%s\" in RealPeerTLV, see the "
                                "documentation for the names, or write the "
                                "type as \"0x\" and two hex digits", argv[i]);
        }

        APR_ARRAY_PUSH(conf->tlvs, mod_realpeer_tlv_t) = *tlv;
    }

    return NULL;
}


/* The configuration of this level, which states something from now on. */

static mod_realpeer_conf_t *mod_realpeer_stated(cmd_parms *cmd)
{
    mod_realpeer_conf_t *conf = mod_realpeer_get_conf(cmd->server);

    if (conf->place.file == NULL) {
        conf->place.file = cmd->directive->filename;
        conf->place.line = (unsigned) cmd->directive->line_num;
    }

    return conf;
}
