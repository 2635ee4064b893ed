//! What is shown to people: addresses, fields of TLVs, bytes in a log.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use proptest::prelude::*;
use realpeer::{AddressText, Limits, Progress, Ssl, TlvField, Tlvs, escape, hex, parse, types};
use realpeer_testdata::{bytes, encode};

fn field(name: &str) -> TlvField {
    TlvField::from_name(name.as_bytes()).unwrap_or_else(|| panic!("{name} is no field"))
}

fn text(name: &str, tlvs: &[u8]) -> Option<String> {
    let mut out = vec![0; 4 * tlvs.len() + 4];
    let len = field(name).text(Tlvs::new(tlvs), &mut out)?;
    Some(String::from_utf8(out[..len].to_vec()).expect("UTF-8"))
}

fn hex_of(name: &str, tlvs: &[u8]) -> Option<String> {
    let mut out = vec![0; 2 * tlvs.len()];
    let len = field(name).hex(Tlvs::new(tlvs), &mut out)?;
    Some(String::from_utf8(out[..len].to_vec()).expect("ASCII"))
}

fn one(kind: u8, value: &[u8]) -> Vec<u8> {
    encode::tlvs([&(kind, value.to_vec())])
}

fn ssl(client: u8, verify: [u8; 4], within: &[(u8, Vec<u8>)]) -> Vec<u8> {
    one(types::SSL, &[&[client][..], &verify, &encode::tlvs(within)].concat())
}

#[test]
fn addresses_in_their_canonical_form() {
    for address in [
        "0.0.0.0",
        "255.255.255.255",
        "192.0.2.1",
        "10.0.0.9",
        "1.10.100.200",
        // RFC 5952: the longest run, the first of equals, no single group.
        "::",
        "::1",
        "1::",
        "2001:db8::1",
        "2001:db8:0:1:1:1:1:1",
        "2001:0:0:1::1",
        "2001:db8::1:0:0:1",
        "1:0:0:2::3",
        "0:1::",
        "::1:0",
        "1::2:0:0:3:0",
        "1:0:2:0:3:0:4:0",
        "1:2:3:4:5:6:7:8",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "fe80::1234:5678",
        "0:0:1::",
        "::2:3:4:5:6:7",
        "1:2:3:4:5:6::",
        "0:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:0",
        // A dotted tail for mapped addresses only.
        "::ffff:192.0.2.1",
        "::ffff:0.0.0.0",
        "::ffff:255.255.255.255",
        "::c000:201",
        "64:ff9b::c000:201",
        "::fffe:c000:201",
        "::ffff:0:c000:201",
        "1::ffff:c000:201",
        "::1:ffff:0:0",
        "a0b:c0d:e0f::",
    ] {
        let ip: IpAddr = address.parse().unwrap();
        assert_eq!(AddressText::new(ip).as_str(), ip.to_string(), "{address}");
    }
    let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap();
    assert_eq!(AddressText::new(longest).as_bytes().len(), 39);
    assert!(AddressText::new(longest).as_str().len() <= AddressText::CAPACITY);
    let text = AddressText::new("2001:db8::1".parse().unwrap());
    assert_eq!(format!("[{text:>13}] {text:?}"), "[  2001:db8::1] 2001:db8::1");
}

/// Attack 31: what a log shows is what an access list compares, however it was
/// written on the wire.
#[test]
fn addresses_come_from_their_binary_form() {
    for (written, shown) in [
        ("2001:0DB8:0:0:0:0:0:0001", "2001:db8::1"),
        ("2001:db8::0.0.0.1", "2001:db8::1"),
        ("::FFFF:C000:0201", "::ffff:192.0.2.1"),
        ("0:0:0:0:0:0:0:0", "::"),
        ("1:0:0:0:0:0:0::", "1::"),
    ] {
        let line = format!("PROXY TCP6 {written} ::1 1 2\r\n");
        let Ok(Progress::Done(header)) = parse(line.as_bytes(), &Limits::default()) else {
            panic!("{line:?} is refused")
        };
        assert_eq!(AddressText::new(header.source().unwrap().ip()).as_str(), shown);
    }
}

#[test]
fn escaped_for_a_log() {
    let mut out = [0xaa; 1024];
    for (bytes, text) in [
        (&b""[..], ""),
        (b"GET / HTTP/1.1\r\n", r"GET / HTTP/1.1\x0D\x0A"),
        (b"a\"b\\c'd", r"a\x22b\x5Cc'd"),
        (b"\0\x01\x1f ~\x7f\x80\xff", r"\x00\x01\x1F ~\x7F\x80\xFF"),
        ("\u{fc}\u{2028}".as_bytes(), r"\xC3\xBC\xE2\x80\xA8"),
    ] {
        let len = escape(bytes, &mut out);
        assert_eq!(std::str::from_utf8(&out[..len]).unwrap(), text);
    }
    let all: Vec<u8> = (0..=255).collect();
    let len = escape(&all, &mut out);
    assert!(out[..len].iter().all(|byte| (b' '..=b'~').contains(byte)));
    assert_eq!(len, 93 + 4 * (256 - 93));
}

/// All or nothing: a text that does not fit leaves the buffer as it was.
#[test]
fn a_text_that_does_not_fit_is_not_begun() {
    let tlvs = [ssl(7, [0; 4], &[(0x22, b"alice".to_vec()), (0x28, vec![1, 2])]), one(1, b"h\n2")]
        .concat();
    let mut full = [0; 100];
    for name in ["alpn", "ssl_cn", "ssl_client_cert", "ssl_verified", "0x20"] {
        for write in [TlvField::text, TlvField::hex] {
            let len = write(field(name), Tlvs::new(&tlvs), &mut full).unwrap();
            for size in 0..len {
                let mut short = vec![0xaa; size];
                assert_eq!(write(field(name), Tlvs::new(&tlvs), &mut short), Some(len), "{name}");
                assert!(short.iter().all(|byte| *byte == 0xaa), "{name} is begun in {size} bytes");
            }
            let mut exact = vec![0xaa; len];
            assert_eq!(write(field(name), Tlvs::new(&tlvs), &mut exact), Some(len));
            assert_eq!(exact, full[..len]);
        }
    }
    for size in 0..5 {
        let mut short = [0xaa; 5];
        assert_eq!(escape(b"ab\n", &mut short[..size]), 6);
        assert_eq!(hex(b"abc", &mut short[..size]), 6);
        assert_eq!(short, [0xaa; 5]);
    }
}

#[test]
fn names_of_fields() {
    let names: Vec<_> = TlvField::names().collect();
    assert_eq!(
        names,
        [
            "alpn",
            "authority",
            "unique_id",
            "netns",
            "ssl_version",
            "ssl_cn",
            "ssl_cipher",
            "ssl_sig_alg",
            "ssl_key_alg",
            "ssl_group",
            "ssl_sig_scheme",
            "ssl_client_cert",
            "ssl_verified",
            "aws_vpce_id",
            "azure_link_id",
            "gcp_psc_id",
        ]
    );
    for name in names {
        assert!(TlvField::from_name(name.as_bytes()).is_some());
    }
    for kind in 0..=255 {
        for name in [format!("0x{kind:02x}"), format!("0x{kind:02X}")] {
            assert_eq!(TlvField::from_name(name.as_bytes()), Some(TlvField::Kind(kind)));
        }
    }
    for name in [
        "", "ALPN", "alpn ", "ssl", "crc32c", "noop", "ssl_", "0x", "0x1", "0x001", "0xgg", "0x-1",
        "0x+1", "0X01", "1", "01", "0x 1", "alpn\0", "aws", "verified",
    ] {
        assert_eq!(TlvField::from_name(name.as_bytes()), None, "{name:?}");
    }
}

/// Each named field, from a header that carries it alone: type, text, hex.
#[test]
fn every_field_has_its_type() {
    for (name, kind) in [("alpn", 1), ("authority", 2), ("unique_id", 5), ("netns", 0x30)] {
        let tlvs = one(kind, b"a b");
        assert_eq!(text(name, &tlvs).as_deref(), Some("a b"), "{name}");
        assert_eq!(hex_of(name, &tlvs).as_deref(), Some("612062"), "{name}");
        for other in (0..=255).filter(|other| *other != kind) {
            assert_eq!(text(name, &one(other, b"a b")), None, "{name} from type {other}");
        }
    }
    let within = [
        ("ssl_version", 0x21),
        ("ssl_cn", 0x22),
        ("ssl_cipher", 0x23),
        ("ssl_sig_alg", 0x24),
        ("ssl_key_alg", 0x25),
        ("ssl_group", 0x26),
        ("ssl_sig_scheme", 0x27),
    ];
    for (name, kind) in within {
        let tlvs = ssl(3, [0; 4], &[(kind, b"a b".to_vec())]);
        assert_eq!(text(name, &tlvs).as_deref(), Some("a b"), "{name}");
        assert_eq!(hex_of(name, &tlvs).as_deref(), Some("612062"), "{name}");
        // T14: at the top the same type is another thing.
        assert_eq!(text(name, &one(kind, b"a b")), None, "{name}");
        for other in (0..=255).filter(|other| *other != kind) {
            assert_eq!(text(name, &ssl(3, [0; 4], &[(other, b"x".to_vec())])), None, "{name}");
        }
    }
    let certificate = ssl(3, [0; 4], &[(0x28, vec![0x30, 0x82, 0, 0xff])]);
    assert_eq!(text("ssl_client_cert", &certificate).as_deref(), Some("MIIA/w=="));
    assert_eq!(hex_of("ssl_client_cert", &certificate).as_deref(), Some("308200ff"));
}

/// T9: a certificate was verified where one was shown and `verify` is 0. A name
/// that was not verified is not given out.
#[test]
fn verified_needs_a_certificate() {
    for client in 0..=255_u8 {
        for (verify, zero) in [
            ([0, 0, 0, 0], true),
            ([0, 0, 0, 1], false),
            ([1, 0, 0, 0], false),
            ([0xff; 4], false),
            ([0, 0, 1, 0], false),
            ([0, 0x80, 0, 0], false),
        ] {
            let wanted = client & 0b110 != 0 && zero;
            let tlvs = ssl(client, verify, &[(0x22, b"admin".to_vec())]);
            let seen = Ssl::new(Tlvs::new(&tlvs).find(types::SSL).unwrap()).unwrap();
            assert_eq!(seen.verified(), wanted, "{client:02x} {verify:02x?}");
            assert_eq!(seen.is_tls(), client & 1 == 1);
            assert_eq!((seen.client(), seen.verify()), (client, u32::from_be_bytes(verify)));
            assert_eq!(seen.common_name(), Some((&b"admin"[..], wanted)));
            let verified = text("ssl_verified", &tlvs);
            assert_eq!(verified.as_deref(), Some(if wanted { "1" } else { "0" }));
            assert_eq!(text("ssl_cn", &tlvs).is_some(), wanted, "{client:02x} {verify:02x?}");
            assert_eq!(hex_of("ssl_cn", &tlvs).is_some(), wanted, "{client:02x} {verify:02x?}");
            let raw = [client, verify[0], verify[1], verify[2], verify[3]];
            let raw: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex_of("ssl_verified", &tlvs), Some(raw));
        }
    }
    assert_eq!(text("ssl_verified", &one(1, b"h2")), None);
    assert_eq!(Ssl::new(&[7, 0, 0, 0]), None);
}

/// The number's byte order is the sender's: Azure's is little-endian, Google's
/// big-endian.
#[test]
fn identifiers_of_vendors() {
    for (name, kind, value, shown) in [
        ("azure_link_id", 0xee, "01 01000000", Some("1")),
        ("azure_link_id", 0xee, "01 00000001", Some("16777216")),
        ("azure_link_id", 0xee, "01 00000000", Some("0")),
        ("azure_link_id", 0xee, "01 ffffffff", Some("4294967295")),
        ("azure_link_id", 0xee, "02 01000000", None),
        ("azure_link_id", 0xee, "01 010000", None),
        ("azure_link_id", 0xee, "01 0100000000", None),
        ("azure_link_id", 0xee, "", None),
        ("azure_link_id", 0xea, "01 01000000", None),
        ("gcp_psc_id", 0xe0, "0000000000000001", Some("1")),
        ("gcp_psc_id", 0xe0, "0100000000000000", Some("72057594037927936")),
        ("gcp_psc_id", 0xe0, "ffffffffffffffff", Some("18446744073709551615")),
        ("gcp_psc_id", 0xe0, "00000000000001", None),
        ("gcp_psc_id", 0xe0, "000000000000000001", None),
        ("gcp_psc_id", 0xe1, "0000000000000001", None),
        ("aws_vpce_id", 0xea, "01 'vpce-08d2'", Some("vpce-08d2")),
        ("aws_vpce_id", 0xea, "01", Some("")),
        ("aws_vpce_id", 0xea, "02 'vpce-08d2'", None),
        ("aws_vpce_id", 0xea, "", None),
        ("aws_vpce_id", 0xea, "01 'a' 0d0a 'b' ff", Some(r"a\x0D\x0Ab\xFF")),
    ] {
        assert_eq!(text(name, &one(kind, &bytes(value))).as_deref(), shown, "{name} of {value}");
    }
    assert_eq!(hex_of("azure_link_id", &one(0xee, &[1, 1, 2, 3, 4])).as_deref(), Some("01020304"));
    assert_eq!(hex_of("aws_vpce_id", &one(0xea, b"\x01ab")).as_deref(), Some("6162"));
}

/// Padding is nobody's business, whatever it is called.
#[test]
fn noop_is_not_given() {
    assert_eq!(text("0x04", &one(4, b"x")), None);
    assert_eq!(hex_of("0x04", &one(4, b"x")), None);
}

/// Bytes that are no TLVs end the iteration, and do no harm.
#[test]
fn a_run_that_is_cut() {
    let whole = [one(1, b"h2"), one(2, b"site")].concat();
    for len in 0..=whole.len() {
        let mut tlvs = Tlvs::new(&whole[..len]);
        let wanted = usize::from(len >= 5) + usize::from(len >= 12);
        assert_eq!(tlvs.by_ref().count(), wanted, "{len} bytes");
        assert_eq!(tlvs.next(), None);
        let left = len - if wanted == 2 { 12 } else { 5 * wanted };
        assert_eq!(tlvs.as_bytes().len(), left);
    }
}

fn is_harmless(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Turns `\xHH` back into its byte.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        if let [b'\\', b'x', high, low, behind @ ..] = rest {
            let digits = [*high, *low];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            rest = behind;
        } else {
            out.push(*first);
            rest = behind;
        }
    }
    out
}

fn anything() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        any::<String>().prop_map(String::into_bytes),
        prop::collection::vec(
            prop::sample::select(b"\r\n\0\\x\x1b\x7f\x80\xc2\x85\xe2\xa8\xff a".to_vec()),
            0..40
        ),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(5000) })]

    #[test]
    fn ipv6_as_the_standard_library(bits in any::<u128>(), keep in any::<u8>()) {
        // Groups of zeroes in every arrangement.
        let mask = (0..8).fold(0_u128, |mask, group| {
            mask | if keep >> group & 1 == 1 { 0xffff << (16 * group) } else { 0 }
        });
        let ip = Ipv6Addr::from_bits(bits & mask);
        let text = AddressText::new(ip.into());
        prop_assert_eq!(text.as_str(), ip.to_string());
        prop_assert_eq!(text.as_str().parse::<Ipv6Addr>(), Ok(ip));
    }

    #[test]
    fn ipv4_as_the_standard_library(bits in any::<u32>()) {
        let ip = Ipv4Addr::from_bits(bits);
        let text = AddressText::new(ip.into());
        prop_assert_eq!(text.as_str(), ip.to_string());
    }

    /// No control character gets out, nothing is lost, what is readable stays.
    #[test]
    fn fields_are_harmless(value in anything(), kind in any::<u8>()) {
        prop_assume!(kind != types::NOOP);
        let shown = text(&format!("0x{kind:02x}"), &one(kind, &value)).unwrap();
        prop_assert!(is_harmless(&shown), "{:?}", shown);
        prop_assert_eq!(unescaped(&shown), &value[..]);
        if let Ok(readable) = std::str::from_utf8(&value) {
            if is_harmless(readable) && !readable.contains('\\') {
                prop_assert_eq!(shown, readable);
            }
        }
    }

    #[test]
    fn every_named_field_is_harmless(tlvs in prop::collection::vec((any::<u8>(), anything()), 0..5), within in prop::collection::vec((0x20..0x2a_u8, anything()), 0..5)) {
        let block = [ssl(7, [0; 4], &within), encode::tlvs(&tlvs)].concat();
        for name in TlvField::names() {
            if let Some(shown) = text(name, &block) {
                prop_assert!(is_harmless(&shown), "{}: {:?}", name, shown);
            }
        }
    }

    #[test]
    fn log_lines_are_harmless(value in anything()) {
        let mut out = vec![0; 4 * value.len()];
        let len = escape(&value, &mut out);
        let shown = std::str::from_utf8(&out[..len]).unwrap();
        prop_assert!(shown.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"'));
        prop_assert_eq!(unescaped(shown), value);
    }

    #[test]
    fn hex_digits(value in anything()) {
        let mut out = vec![0; 2 * value.len()];
        let len = hex(&value, &mut out);
        let wanted: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        prop_assert_eq!(std::str::from_utf8(&out[..len]).unwrap(), wanted);
    }

    #[test]
    fn certificates_in_base64(value in anything()) {
        let tlvs = ssl(3, [0; 4], &[(types::SSL_CLIENT_CERT, value.clone())]);
        let wanted = base64::engine::general_purpose::STANDARD.encode(&value);
        prop_assert_eq!(text("ssl_client_cert", &tlvs), Some(wanted));
    }
}
