/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * The module: its hooks and directives.
 */

#include "mod_realpeer.h"

#include <http_protocol.h>
#include <mpm_common.h>


static int mod_realpeer_post_config(apr_pool_t *pconf, apr_pool_t *plog,
                                    apr_pool_t *ptemp, server_rec *s);
static int mod_realpeer_pre_config(apr_pool_t *pconf, apr_pool_t *plog,
                                   apr_pool_t *ptemp);
static void mod_realpeer_child_init(apr_pool_t *pchild, server_rec *s);
static void mod_realpeer_register_hooks(apr_pool_t *p);


module AP_MODULE_DECLARE_DATA realpeer_module = {
    STANDARD20_MODULE_STUFF,
    NULL,                         /* nothing is set per directory */
    NULL,
    mod_realpeer_create_conf,
    mod_realpeer_merge_conf,
    mod_realpeer_commands,
    mod_realpeer_register_hooks
#ifdef AP_MODULE_FLAG_NONE
    , AP_MODULE_FLAG_NONE
#endif
};


static void mod_realpeer_register_hooks(apr_pool_t *p)
{
    mod_realpeer_register_filter(p);

    ap_hook_pre_config(mod_realpeer_pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(mod_realpeer_check_config, NULL, NULL,
                         APR_HOOK_MIDDLE);
    ap_hook_post_config(mod_realpeer_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_monitor(mod_realpeer_monitor, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(mod_realpeer_child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_status(mod_realpeer_child_status, NULL, NULL,
                         APR_HOOK_MIDDLE);
    ap_hook_handler(mod_realpeer_status, NULL, NULL, APR_HOOK_MIDDLE);

    /*
     * Before everybody: whoever counts connections by address, logs them or
     * begins TLS is to see the client.
     */
    ap_hook_pre_connection(mod_realpeer_pre_connection, NULL, NULL,
                           APR_HOOK_REALLY_FIRST);
    ap_hook_process_connection(mod_realpeer_process_connection, NULL, NULL,
                               APR_HOOK_REALLY_FIRST);

    /*
     * The first of these is there for requests that are refused while they
     * are read, the second for those that come from an internal redirect.
     */
    ap_hook_pre_read_request(mod_realpeer_pre_read_request, NULL, NULL,
                             APR_HOOK_REALLY_FIRST);
    ap_hook_post_read_request(mod_realpeer_post_read_request, NULL, NULL,
                              APR_HOOK_REALLY_FIRST);
}


static int mod_realpeer_pre_config(apr_pool_t *pconf, apr_pool_t *plog,
                                   apr_pool_t *ptemp)
{
    (void) pconf;
    (void) plog;
    (void) ptemp;

    mod_realpeer_register_status();

    return OK;
}


/* httpd reads its configuration twice when it starts; one line is enough. */

static int mod_realpeer_post_config(apr_pool_t *pconf, apr_pool_t *plog,
                                    apr_pool_t *ptemp, server_rec *s)
{
    (void) plog;
    (void) ptemp;

    mod_realpeer_name_tlvs(pconf);

    if (ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_CREATE_PRE_CONFIG) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                     "realpeer: mod_realpeer " REALPEER_VERSION
                     " with librealpeer %s", realpeer_version());

        if (mod_realpeer_init_zone(pconf, s) != OK) {
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return mod_realpeer_init_limits(pconf, s);
}


static void mod_realpeer_child_init(apr_pool_t *pchild, server_rec *s)
{
    (void) s;

    mod_realpeer_watch_init(pchild);
    mod_realpeer_limits_init_child(pchild);
    mod_realpeer_zone_init_child();
}
