/*
 * What else the header says: its functions print_host_name() and
 * has_certificate().
 */

#include "blocks.h"
#include BLOCK


/* A header with the name, and the client's TLS connection as it is verified. */
static size_t
make_header(uint8_t *out, size_t size, uint32_t verify)
{
    int32_t            len;
    uint8_t            ssl[64];
    realpeer_tlv       tlvs[2];
    realpeer_outgoing  header;

    memset(tlvs, 0, sizeof(tlvs));
    tlvs[0].kind = REALPEER_TLV_AUTHORITY;
    tlvs[0].value = (const uint8_t *) "www.example.com";
    tlvs[0].length = 15;
    len = realpeer_write_ssl(REALPEER_CLIENT_SSL | REALPEER_CLIENT_CERT_CONN,
                             verify, NULL, 0, ssl, sizeof(ssl));
    must(len > 0);
    tlvs[1].kind = REALPEER_TLV_SSL;
    tlvs[1].value = ssl;
    tlvs[1].length = (uint32_t) len;

    memset(&header, 0, sizeof(header));
    header.command = REALPEER_COMMAND_PROXY;
    header.tlvs = tlvs;
    header.tlv_count = 2;
    len = realpeer_write_v2(&header, sizeof(header), out, size);
    must(len > 0);

    return (size_t) len;
}


static int
decide(uint8_t *buf, uint32_t verify, int32_t policy, realpeer_decision *d)
{
    size_t  len;

    len = make_header(buf, 256, verify);

    return realpeer_decide(policy, NULL, 0, buf, len, REALPEER_EVENT_DATA, d,
                           sizeof(*d));
}


int
main(void)
{
    uint8_t            buf[256];
    realpeer_decision  d;

    must(decide(buf, 0, REALPEER_POLICY_REQUIRE, &d)
         == REALPEER_ACTION_ACCEPT);
    print_host_name(buf, &d);
    must(has_certificate(buf, &d) == 1);

    must(decide(buf, 1, REALPEER_POLICY_REQUIRE, &d)
         == REALPEER_ACTION_ACCEPT);
    must(has_certificate(buf, &d) == 0);

    /* of a header that is thrown away nothing is found */
    must(decide(buf, 0, REALPEER_POLICY_STRIP, &d) == REALPEER_ACTION_PASS);
    print_host_name(buf, &d);
    must(has_certificate(buf, &d) == 0);

    return 0;
}
