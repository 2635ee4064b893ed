/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * REALPEER_* for logs, expressions and programs.
 *
 * The table is made once, when the connection is decided, and only read
 * afterwards: HTTP/2 has requests of one connection in several threads.
 */

#include "mod_realpeer.h"


#define MOD_REALPEER_PREFIX  "REALPEER_"

/*
 * What is longer has to be asked for: no program can be started with a variable
 * of more than 128 KiB, and a header has room for that.
 */
#define MOD_REALPEER_LONG    8192


typedef int32_t (*mod_realpeer_write_t)(const uint8_t *tlvs, size_t len,
                                        int32_t field, char *out,
                                        size_t size);


static void mod_realpeer_set_address(apr_pool_t *p, apr_table_t *env,
                                     const realpeer_address *address,
                                     const char *name, const char *port_name);
static void mod_realpeer_set_tlvs(apr_pool_t *p, apr_table_t *env,
                                  const apr_array_header_t *fields,
                                  const uint8_t *tlvs, apr_size_t len,
                                  int32_t most);
static void mod_realpeer_set_tlv(apr_pool_t *p, apr_table_t *env,
                                 const mod_realpeer_tlv_t *tlv,
                                 const uint8_t *tlvs, apr_size_t len,
                                 int32_t most);
static const char *mod_realpeer_variable(apr_pool_t *p, const char *name);
static void mod_realpeer_drop_lookalikes(request_rec *r);


/* Those that nobody has to ask for: mod_realpeer_tlv_t. */
static apr_array_header_t *mod_realpeer_usual_tlvs;


/* Once for all connections: what each variable is called, and made of. */

void mod_realpeer_name_tlvs(apr_pool_t *pconf)
{
    const char *name;
    size_t place;

    mod_realpeer_usual_tlvs = apr_array_make(pconf, 16,
                                             sizeof(mod_realpeer_tlv_t));

    for (place = 0; (name = realpeer_tlv_field_name(place)); place++) {

        /* This one is long: it has to be asked for. */
        if (strcmp(name, "ssl_client_cert") != 0) {
            APR_ARRAY_PUSH(mod_realpeer_usual_tlvs, mod_realpeer_tlv_t) =
                                          *mod_realpeer_parse_tlv(pconf, name);
        }
    }
}


void mod_realpeer_make_env(conn_rec *c, mod_realpeer_conn_t *rc,
                           const uint8_t *tlvs, apr_size_t len)
{
    const realpeer_decision *decision = &rc->decision;
    apr_pool_t *p = c->pool;
    apr_table_t *env = apr_table_make(p, 16);

    rc->env = env;

    /* No name comes twice, and so none has to be looked for. */

    apr_table_addn(env, "REALPEER_RESULT",
                   realpeer_result_name(decision->result));
    apr_table_addn(env, "REALPEER_POLICY", realpeer_policy_name(rc->policy));

    if (decision->header.version) {
        apr_table_addn(env, "REALPEER_VERSION",
                       decision->header.version == 1 ? "1" : "2");
    }

    mod_realpeer_set_address(p, env, &decision->client, "REALPEER_ADDR",
                             "REALPEER_PORT");
    mod_realpeer_set_address(p, env, &decision->server,
                             "REALPEER_SERVER_ADDR", "REALPEER_SERVER_PORT");

    apr_table_addn(env, "REALPEER_PROXY_ADDR", rc->proxy_ip);
    apr_table_addn(env, "REALPEER_PROXY_PORT",
                   apr_itoa(p, rc->proxy_addr->port));

    if (len) {
        mod_realpeer_set_tlvs(p, env, mod_realpeer_usual_tlvs, tlvs, len,
                              MOD_REALPEER_LONG);
        mod_realpeer_set_tlvs(p, env, rc->conf->tlvs, tlvs, len, INT32_MAX);
    }
}


static void mod_realpeer_set_address(apr_pool_t *p, apr_table_t *env,
                                     const realpeer_address *address,
                                     const char *name, const char *port_name)
{
    const char *text = mod_realpeer_address_text(p, address);

    if (text) {
        apr_table_addn(env, name, text);
        apr_table_addn(env, port_name, apr_itoa(p, address->port));
    }
}


static void mod_realpeer_set_tlvs(apr_pool_t *p, apr_table_t *env,
                                  const apr_array_header_t *fields,
                                  const uint8_t *tlvs, apr_size_t len,
                                  int32_t most)
{
    int i;

    for (i = 0; fields && i < fields->nelts; i++) {
        mod_realpeer_set_tlv(p, env,
                             &APR_ARRAY_IDX(fields, i, mod_realpeer_tlv_t),
                             tlvs, len, most);
    }
}


static void mod_realpeer_set_tlv(apr_pool_t *p, apr_table_t *env,
                                 const mod_realpeer_tlv_t *tlv,
                                 const uint8_t *tlvs, apr_size_t len,
                                 int32_t most)
{
    mod_realpeer_write_t write = tlv->hex ? realpeer_tlv_hex
                                          : realpeer_tlv_text;
    int32_t n = write(tlvs, len, tlv->field, NULL, 0);
    char *text;

    if (n < 0 || n > most) {
        return;
    }

    text = apr_palloc(p, (apr_size_t) n + 1);
    (void) write(tlvs, len, tlv->field, text, (size_t) n);
    text[n] = '\0';

    apr_table_setn(env, tlv->variable, text);
}


/* NULL: there is no such TLV. */

mod_realpeer_tlv_t *mod_realpeer_parse_tlv(apr_pool_t *p, const char *name)
{
    mod_realpeer_tlv_t *tlv = apr_pcalloc(p, sizeof(*tlv));
    const char *field = name;

    if (strncmp(field, "hex_", 4) == 0) {
        tlv->hex = 1;
        field += 4;
    }

    tlv->field = realpeer_tlv_field(field, strlen(field));

    if (tlv->field < 0) {
        return NULL;
    }

    tlv->variable = mod_realpeer_variable(p, name);

    return tlv;
}


static const char *mod_realpeer_variable(apr_pool_t *p, const char *name)
{
    char *variable = apr_pstrcat(p, MOD_REALPEER_PREFIX "TLV_", name, NULL);

    ap_str_toupper(variable);

    return variable;
}


void mod_realpeer_pre_read_request(request_rec *r, conn_rec *c)
{
    const mod_realpeer_conn_t *rc = mod_realpeer_get_conn(c);

    if (rc == NULL || rc->env == NULL) {
        return;
    }

    /* As a rule we are the first: merging would compare each name with each. */

    if (apr_is_empty_table(r->subprocess_env)) {
        r->subprocess_env = apr_table_copy(r->pool, rc->env);
    }
    else {
        apr_table_overlap(r->subprocess_env, rc->env, APR_OVERLAP_TABLES_SET);
    }
}


int mod_realpeer_post_read_request(request_rec *r)
{
    mod_realpeer_drop_lookalikes(r);

    /* After an internal redirect the names of before begin with REDIRECT_. */

    if (r->prev) {
        mod_realpeer_pre_read_request(r, r->connection);
    }

    return DECLINED;
}


/*
 * SetEnvIf takes a name for that of a header field first, and such a name may
 * have underscores: a client could send what it likes to be.
 */

static void mod_realpeer_drop_lookalikes(request_rec *r)
{
    const apr_array_header_t *fields = apr_table_elts(r->headers_in);
    const apr_table_entry_t *field = (const apr_table_entry_t *) fields->elts;
    int i;

    for (i = fields->nelts - 1; i >= 0; i--) {
        if (field[i].key
            && strncasecmp(field[i].key, MOD_REALPEER_PREFIX,
                           sizeof(MOD_REALPEER_PREFIX) - 1) == 0) {
            apr_table_unset(r->headers_in, field[i].key);

            /* which takes others of the same name away as well */
            i = i < fields->nelts ? i : fields->nelts;
        }
    }
}
