//! TLVs by their names, as text and in hex, for whatever server shows them.
//! CONFORMANCE, T3 to T12.

use crate::header::{V2, ssl_value, v1};

fn visitor() -> V2 {
    V2::proxy("192.0.2.7:4321", "198.51.100.1:443")
}

/// What is shown of [`every_tlv`]: the names that DESIGN lists, the text and
/// the bytes in hex.
#[rustfmt::skip]
pub const TLVS: [(&str, &str, &str); 16] = [
    ("alpn", "h2", "6832"),
    ("authority", "www.example", "7777772e6578616d706c65"),
    ("unique_id", "id-1", "69642d31"),
    ("netns", "blue", "626c7565"),
    ("ssl_version", "TLSv1.3", "544c5376312e33"),
    ("ssl_cn", "visitor.example", "76697369746f722e6578616d706c65"),
    ("ssl_cipher", "TLS_AES_128_GCM_SHA256", "544c535f4145535f3132385f47434d5f534841323536"),
    ("ssl_sig_alg", "RSA-SHA256", "5253412d534841323536"),
    ("ssl_key_alg", "RSA2048", "52534132303438"),
    ("ssl_group", "secp256r1", "736563703235367231"),
    ("ssl_sig_scheme", "rsa_pss_rsae_sha256", "7273615f7073735f727361655f736861323536"),
    ("ssl_client_cert", "MAMCAf8=", "30030201ff"),
    ("ssl_verified", "1", "0700000000"),
    ("aws_vpce_id", "vpce-0123456789abcdef0", "767063652d3031323334353637383961626364656630"),
    ("azure_link_id", "16909060", "04030201"),
    ("gcp_psc_id", "49477946121388034", "00afc7ee0ac80002"),
];

/// A header with every TLV there is a name for.
pub fn every_tlv() -> Vec<u8> {
    let ssl = ssl_value(
        0x07,
        0,
        &[
            (0x21, b"TLSv1.3"),
            (0x22, b"visitor.example"),
            (0x23, b"TLS_AES_128_GCM_SHA256"),
            (0x24, b"RSA-SHA256"),
            (0x25, b"RSA2048"),
            (0x26, b"secp256r1"),
            (0x27, b"rsa_pss_rsae_sha256"),
            (0x28, b"\x30\x03\x02\x01\xFF"),
        ],
    );
    visitor()
        .checksum()
        .tlv(0x01, b"h2")
        .tlv(0x02, b"www.example")
        .tlv(0x05, b"id-1")
        .tlv(0x20, ssl)
        .tlv(0x30, b"blue")
        .tlv(0xEA, b"\x01vpce-0123456789abcdef0")
        .tlv(0xEE, b"\x01\x04\x03\x02\x01")
        .tlv(0xE0, 49_477_946_121_388_034_u64.to_be_bytes())
        .tlv(0x04, b"padding")
        .build()
}

/// A `client` and a `verify` field of SSL, and what is shown of
/// `ssl_verified` and of the common name "admin" beside them. CONFORMANCE T9;
/// Dovecot, lighttpd and others trusted the name alone.
pub const COMMON_NAMES: [(u8, u32, &str, &str); 7] = [
    (0x07, 0, "1", "admin"),
    (0x03, 0, "1", "admin"),
    (0x05, 0, "1", "admin"),
    // No certificate, and a verify field that means nothing.
    (0x01, 0, "0", ""),
    (0x00, 0, "0", ""),
    // Not verified, in either byte order.
    (0x07, 1, "0", ""),
    (0x07, 0x0100_0000, "0", ""),
];

/// A header with these fields and that name.
pub fn common_name(client: u8, verify: u32) -> Vec<u8> {
    visitor().tlv(0x20, ssl_value(client, verify, &[(0x22, b"admin")])).build()
}

/// What is not there, or not as it has to be, under any name.
pub fn headers_without_tlvs() -> Vec<Vec<u8>> {
    vec![
        v1("192.0.2.7:4321", "198.51.100.1:443"),
        visitor().build(),
        V2::local().build(),
        V2::raw(0x21, 0, &[]).build(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        // Sub-TLVs of SSL outside of it are something else.
        visitor().tlv(0x21, b"TLSv1.3").tlv(0x22, b"admin").build(),
        // Vendors' TLVs that are not as the vendors write them.
        visitor()
            .tlv(0xEA, b"\x02vpce-1")
            .tlv(0xEE, b"\x01\x04\x03\x02")
            .tlv(0xE0, b"-----BEGIN CERTIFICATE-----")
            .build(),
        visitor().tlv(0xEA, b"").tlv(0xEE, b"").tlv(0xE0, b"").build(),
    ]
}

/// SSL in SSL in SSL: Netty fell over it.
pub fn nested_ssl() -> Vec<u8> {
    let mut inner = ssl_value(7, 0, &[(0x22, b"admin")]);
    for _ in 0..400 {
        inner = ssl_value(7, 1, &[(0x20, &inner)]);
    }
    visitor().tlv(0x20, &inner).build()
}

/// Bytes of a text TLV, and how they are shown: nothing may begin another line.
pub const TEXTS: [(&[u8], &str); 6] = [
    (b"a\r\nX-Injected: 1", r"a\x0D\x0AX-Injected: 1"),
    (b"a\0b\x07\x1b[2J\x7f", r"a\x00b\x07\x1B[2J\x7F"),
    (b"\xff\xfe\x80ok", r"\xFF\xFE\x80ok"),
    (b"back\\slash", r"back\x5Cslash"),
    ("m\u{fc}ller.example".as_bytes(), "m\u{fc}ller.example"),
    // A control character of two bytes.
    ("a\u{85}b".as_bytes(), r"a\xC2\x85b"),
];
