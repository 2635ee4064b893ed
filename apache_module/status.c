/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * The counters, as an answer to a request: of their own with the handler
 * "realpeer-status", and on the page of mod_status. What is counted, and how
 * it is written, is the library's.
 */

#include "mod_realpeer.h"

#include <http_protocol.h>
#include <mod_status.h>


#define MOD_REALPEER_HANDLER  "realpeer-status"


static int mod_realpeer_answer(request_rec *r, int status, const char *type,
                               const char *why);
static int mod_realpeer_on_page(request_rec *r, int flags);
static int mod_realpeer_write_counters(request_rec *r, int32_t format);
static int32_t mod_realpeer_write(void *context, const char *text,
                                  size_t len);


/* mod_status may be there or not. */

void mod_realpeer_register_status(void)
{
    APR_OPTIONAL_HOOK(ap, status_hook, mod_realpeer_on_page, NULL, NULL,
                      APR_HOOK_MIDDLE);
}


int mod_realpeer_status(request_rec *r)
{
    const char *accept;
    int32_t format;

    if (r->handler == NULL || strcmp(r->handler, MOD_REALPEER_HANDLER) != 0) {
        return DECLINED;
    }

    if (r->method_number != M_GET) {
        apr_table_setn(r->headers_out, "Allow", "GET, HEAD");
        return mod_realpeer_answer(r, HTTP_METHOD_NOT_ALLOWED, "text/plain",
                                   "only GET and HEAD\n");
    }

    accept = apr_table_get(r->headers_in, "Accept");

    format = realpeer_counters_format(r->args, r->args ? strlen(r->args) : 0,
                                      accept, accept ? strlen(accept) : 0);

    if (format < 0) {
        return mod_realpeer_answer(r, HTTP_BAD_REQUEST, "text/plain",
                                   "the format is prometheus, json or "
                                   "html\n");
    }

    apr_table_mergen(r->headers_out, "Vary", "Accept");

    if (format == REALPEER_FORMAT_HTML) {
        apr_table_setn(r->headers_out, "Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'");
    }

    (void) mod_realpeer_answer(r, HTTP_OK,
                               realpeer_counters_content_type(format), NULL);

    return mod_realpeer_write_counters(r, format);
}


/* With a text of its own, if any. */

static int mod_realpeer_answer(request_rec *r, int status, const char *type,
                               const char *why)
{
    r->status = status;
    ap_set_content_type(r, type);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");

    if (why) {
        (void) ap_rputs(why, r);
    }

    return OK;
}


/* "?auto" is for programs, "?notable" for who has no tables. */

static int mod_realpeer_on_page(request_rec *r, int flags)
{
    if (flags & AP_STATUS_SHORT) {
        return mod_realpeer_write_counters(r, REALPEER_FORMAT_LINES);
    }

    if (flags & AP_STATUS_NOTABLE) {
        (void) ap_rputs("<hr />\n<pre>\n", r);
        (void) mod_realpeer_write_counters(r, REALPEER_FORMAT_LINES);
        (void) ap_rputs("</pre>\n", r);
        return OK;
    }

    return mod_realpeer_write_counters(r, REALPEER_FORMAT_SECTION);
}


static int mod_realpeer_write_counters(request_rec *r, int32_t format)
{
    const realpeer_counters *counters = mod_realpeer_counters();

    if (counters == NULL) {
        return DECLINED;
    }

    /* Whoever does not want to hear more of it has gone away. */

    (void) realpeer_counters_write(counters, format,
                                   (uint64_t) apr_time_sec(r->request_time),
                                   mod_realpeer_write, r);

    return OK;
}


static int32_t mod_realpeer_write(void *context, const char *text, size_t len)
{
    return ap_rwrite(text, (int) len, context) < 0 ? -1 : 0;
}
