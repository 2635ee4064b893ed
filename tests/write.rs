//! Headers that are written, byte for byte, and what is not written.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation)]

use std::net::SocketAddr;

use realpeer::{
    Limits, MAX_HEADER, Outgoing, Progress, Ssl, Tlv, Transport, V1_MAX, WriteError, parse,
    relayed, types, write_ssl, write_v1,
};
use realpeer_testdata::encode;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn client() -> SocketAddr {
    address("192.0.2.1:56324")
}

fn server() -> SocketAddr {
    address("198.51.100.7:443")
}

fn v1(source: &str, destination: &str) -> Result<String, WriteError> {
    let mut line = [0xaa; V1_MAX];
    let len = write_v1(Some((address(source), address(destination))), &mut line)?;
    assert!(line[len..].iter().all(|byte| *byte == 0xaa), "written behind the end");
    Ok(String::from_utf8(line[..len].to_vec()).expect("ASCII"))
}

/// The header in a buffer that it fills, and again in one that is too large.
fn v2<'a, T: Iterator<Item = Tlv<'a>> + Clone>(header: &Outgoing<'a, T>) -> Vec<u8> {
    let len = header.len().expect("a length");
    let mut exact = vec![0xaa; len];
    assert_eq!(header.write(&mut exact), Ok(len));
    let mut large = vec![0xaa; len + 100];
    assert_eq!(header.write(&mut large), Ok(len));
    assert_eq!(large[..len], exact);
    assert!(large[len..].iter().all(|byte| *byte == 0xaa), "written behind the end");
    assert_eq!(usize::from(u16::from_be_bytes([exact[14], exact[15]])), len - 16);
    let limits = Limits { max_header: MAX_HEADER, ..Limits::default() };
    match parse(&exact, &limits) {
        Ok(Progress::Done(read)) => assert_eq!(read.len(), len),
        other => panic!("{other:?} of {exact:02x?}"),
    }
    exact
}

// ---- version 1

#[test]
fn lines() {
    for (source, destination, wanted) in [
        ("192.0.2.1:56324", "198.51.100.7:443", "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"),
        (
            "255.255.255.255:65535",
            "255.255.255.255:65535",
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
        ),
        ("0.0.0.0:0", "0.0.0.0:0", "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"),
        ("[2001:db8::1]:1", "[::]:2", "PROXY TCP6 2001:db8::1 :: 1 2\r\n"),
        // In the grammar there is no dotted tail.
        ("[::ffff:192.0.2.1]:1", "[2001:db8::]:2", "PROXY TCP6 ::ffff:c000:201 2001:db8:: 1 2\r\n"),
        // A zone means nothing on another machine.
        ("[fe80::1%7]:1", "[fe80::2%7]:2", "PROXY TCP6 fe80::1 fe80::2 1 2\r\n"),
    ] {
        assert_eq!(v1(source, destination).as_deref(), Ok(wanted));
    }
}

#[test]
fn the_longest_line_of_addresses_has_104_bytes() {
    let longest = "[2111:2111:2111:2111:2111:2111:2111:2111]:65535";
    assert_eq!(v1(longest, longest).unwrap().len(), 104);
}

#[test]
fn families_are_not_mixed_in_a_line() {
    for (a, b) in [("192.0.2.1:1", "[2001:db8::]:2"), ("[::ffff:192.0.2.1]:1", "192.0.2.2:2")] {
        assert_eq!(v1(a, b), Err(WriteError::MixedFamilies));
        assert_eq!(v1(b, a), Err(WriteError::MixedFamilies));
    }
}

#[test]
fn a_line_is_written_whole_or_not_at_all() {
    for (addresses, needed) in [(Some((client(), server())), 45), (None, 15)] {
        for size in 0..needed {
            let mut line = vec![0xaa; size];
            assert_eq!(write_v1(addresses, &mut line), Err(WriteError::NoRoom { needed }));
            assert!(line.iter().all(|byte| *byte == 0xaa));
        }
        assert_eq!(write_v1(addresses, &mut vec![0; needed]), Ok(needed));
    }
}

// ---- version 2

#[test]
fn a_header_without_tlvs() {
    let (family, block) = encode::addresses(client(), server(), 1);
    assert_eq!(v2(&Outgoing::proxy(client(), server())), encode::v2(0x21, family, &block));
    assert_eq!(v2(&Outgoing::from((client(), server()))), encode::v2(0x21, family, &block));

    let udp = Outgoing::proxy(client(), server()).transport(Transport::Datagram);
    assert_eq!(v2(&udp), encode::v2(0x21, 0x12, &block));

    let (a, b) = (address("[2001:db8::1]:1"), address("[2001:db8::2]:2"));
    let (family, block) = encode::addresses(a, b, 1);
    assert_eq!(v2(&Outgoing::proxy(a, b)), encode::v2(0x21, family, &block));

    assert_eq!(v2(&Outgoing::local()), encode::v2(0x20, 0, &[]));
    assert_eq!(v2(&Outgoing::unspec()), encode::v2(0x21, 0, &[]));
}

#[test]
fn mixed_families_become_ipv6() {
    let (v6, mapped) = (address("[2001:db8::1]:443"), address("[::ffff:192.0.2.1]:56324"));
    let (family, block) = encode::addresses(mapped, v6, 1);
    assert_eq!(v2(&Outgoing::proxy(client(), v6)), encode::v2(0x21, family, &block));
    let (family, block) = encode::addresses(v6, mapped, 1);
    assert_eq!(v2(&Outgoing::proxy(v6, client())), encode::v2(0x21, family, &block));
}

#[test]
fn unix_paths() {
    let full = [b'x'; 108];
    let header = v2(&Outgoing::unix(b"\0abstract", &full));
    let block = [&b"\0abstract"[..], &[0; 99], &full].concat();
    assert_eq!(header, encode::v2(0x21, 0x31, &block));
    assert_eq!(v2(&Outgoing::unix(b"", b"")), encode::v2(0x21, 0x31, &[0; 216]));
    let udp = Outgoing::unix(b"", b"").transport(Transport::Datagram);
    assert_eq!(v2(&udp), encode::v2(0x21, 0x32, &[0; 216]));
    assert_eq!(Outgoing::unix(&[1; 109], b"").len(), Err(WriteError::BadAddress));
    assert_eq!(Outgoing::unix(b"", &[1; 109]).len(), Err(WriteError::BadAddress));
}

#[test]
fn addresses_and_transport_go_together() {
    for header in [
        Outgoing::proxy(client(), server()).transport(Transport::Unspec),
        Outgoing::unix(b"a", b"b").transport(Transport::Unspec),
        Outgoing::local().transport(Transport::Stream),
        Outgoing::unspec().transport(Transport::Datagram),
    ] {
        assert_eq!(header.len(), Err(WriteError::BadAddress));
        assert_eq!(header.write(&mut [0; 300]), Err(WriteError::BadAddress));
    }
}

#[test]
fn tlvs_in_their_order() {
    let list = [(0xea, b"\x01vpce-1".to_vec()), (2, b"example.com".to_vec()), (4, vec![])];
    let tlvs = list.iter().map(|(kind, value)| Tlv { kind: *kind, value });
    for (header, start) in [
        (v2(&Outgoing::proxy(client(), server()).tlvs(tlvs.clone())), 28),
        (v2(&Outgoing::local().tlvs(tlvs.clone())), 16),
        (v2(&Outgoing::unspec().tlvs(tlvs.clone())), 16),
        (v2(&Outgoing::unix(b"a", b"b").tlvs(tlvs)), 232),
    ] {
        assert_eq!(header[start..], encode::tlvs(&list));
    }
}

#[test]
fn a_checksum_is_the_first_tlv() {
    let alpn = Tlv { kind: types::ALPN, value: b"h2" };
    let header = v2(&Outgoing::proxy(client(), server()).tlvs([alpn]).checksum(true));
    let (family, mut block) = encode::addresses(client(), server(), 1);
    block.extend(encode::tlvs(&[(3, vec![0; 4]), (1, b"h2".to_vec())]));
    let mut wanted = encode::v2(0x21, family, &block);
    encode::seal(&mut wanted, 16 + 12 + 3);
    assert_eq!(header, wanted);
}

#[test]
fn a_checksum_among_the_tlvs_is_computed_anew() {
    let alpn = Tlv { kind: types::ALPN, value: b"h2" };
    let (family, mut block) = encode::addresses(client(), server(), 1);
    block.extend(encode::tlvs(&[(1, b"h2".to_vec()), (3, vec![0; 4]), (1, b"h2".to_vec())]));
    let mut wanted = encode::v2(0x21, family, &block);
    encode::seal(&mut wanted, 16 + 12 + 5 + 3);
    for value in [&b""[..], b"\xff\xff\xff\xff", b"longer than one"] {
        let checksum = Tlv { kind: types::CRC32C, value };
        let header = Outgoing::proxy(client(), server()).tlvs([alpn, checksum, alpn]);
        assert_eq!(v2(&header), wanted);
        assert_eq!(v2(&header.checksum(true)), wanted);
    }
}

/// The bytes of a load balancer of AWS, captured; see `tests/vectors`.
#[test]
fn what_aws_sends() {
    let local = v2(&Outgoing::local().checksum(true).pad_to_multiple(100));
    assert_eq!(local.len(), 100);
    assert_eq!(local[16..19], [3, 0, 4]);
    assert_eq!(local[23..26], [4, 0, 74]);

    let vpce = b"\x01vpce-08d2bf15fac5001c9";
    let header = v2(&Outgoing::proxy(address("172.31.7.113:51442"), address("172.31.10.31:80"))
        .tlvs([Tlv { kind: types::AWS, value: vpce }])
        .checksum(true)
        .pad_to_multiple(100));
    assert_eq!(header[..12], *SIGNATURE);
    assert_eq!(header[12..16], [0x21, 0x11, 0x00, 0x54]);
    assert_eq!(header[28..35], [3, 0, 4, 0xe8, 0xd6, 0x89, 0x2d]);
    assert_eq!(header[35..38], [0xea, 0, 0x17]);
    assert_eq!(header[61..64], [4, 0, 36]);
    assert_eq!(header.len(), 100);
}

#[test]
fn padding_reaches_the_next_multiple_it_can() {
    // 16 bytes, and as many as the value of an ALPN TLV has on top of 19.
    for value in 0..40 {
        for multiple in (0..70).chain([100, 256, 65535]) {
            let value = vec![b'x'; value];
            let plain = Outgoing::local().tlvs([Tlv { kind: types::ALPN, value: &value }]);
            let before = plain.clone().len().unwrap();
            let header = v2(&plain.pad_to_multiple(multiple));
            let multiple = usize::from(multiple.max(1));
            let missing = header.len() - before;
            assert_eq!(header.len() % multiple, 0);
            assert!(missing == 0 || missing >= 3);
            assert!(missing < multiple + 3, "{missing} bytes up to a multiple of {multiple}");
            if missing > 0 {
                let noop = [&[4, 0, missing as u8 - 3][..], &vec![0; missing - 3]].concat();
                if missing < 256 {
                    assert_eq!(header[before..], noop);
                }
            }
        }
    }
}

#[test]
fn values_that_the_parser_would_refuse() {
    let one = |kind, value: &[u8]| {
        let header = Outgoing::proxy(client(), server());
        header.tlvs([Tlv { kind, value }]).len()
    };
    assert_eq!(one(types::UNIQUE_ID, &[7; 128]), Ok(28 + 3 + 128));
    assert_eq!(one(types::UNIQUE_ID, &[7; 129]), Err(WriteError::InvalidTlv));
    assert_eq!(one(types::SSL, &[0; 4]), Err(WriteError::InvalidTlv));
    assert_eq!(one(types::SSL, &[0; 5]), Ok(28 + 3 + 5));
    assert_eq!(one(types::SSL, b"\x01\0\0\0\0\x21\0\x02x"), Err(WriteError::InvalidTlv));
    let checksum = Tlv { kind: types::CRC32C, value: &[] };
    let twice = Outgoing::local().tlvs([checksum, checksum]);
    assert_eq!(twice.len(), Err(WriteError::InvalidTlv));
}

#[test]
fn a_header_has_at_most_65551_bytes() {
    let value = vec![b'x'; 65_536];
    let len = |value, checksum, multiple| {
        let header = Outgoing::local().tlvs([Tlv { kind: 0xe4, value }]);
        header.checksum(checksum).pad_to_multiple(multiple).len()
    };
    assert_eq!(len(&value[..65_532], false, 0), Ok(65_551));
    assert_eq!(len(&value[..65_533], false, 0), Err(WriteError::TooMuch));
    assert_eq!(len(&value, false, 0), Err(WriteError::TooMuch));
    assert_eq!(len(&value[..65_525], true, 0), Ok(65_551));
    assert_eq!(len(&value[..65_526], true, 0), Err(WriteError::TooMuch));
    assert_eq!(len(&value[..65_500], false, 65_535), Ok(65_535));
    assert_eq!(len(&value[..65_532], false, 65_535), Err(WriteError::TooMuch));
    v2(&Outgoing::local().tlvs([Tlv { kind: 0xe4, value: &value[..65_532] }]));

    // Many of them, so that no length wraps around.
    let many = std::iter::repeat_n(Tlv { kind: 0xe4, value: &value[..65_535] }, 100_000);
    assert_eq!(Outgoing::local().tlvs(many).len(), Err(WriteError::TooMuch));
}

#[test]
fn a_header_is_written_whole_or_not_at_all() {
    let header = Outgoing::proxy(client(), server()).checksum(true).pad_to_multiple(64);
    for size in 0..64 {
        let mut out = vec![0xaa; size];
        assert_eq!(header.write(&mut out), Err(WriteError::NoRoom { needed: 64 }));
        assert!(out.iter().all(|byte| *byte == 0xaa));
    }
    v2(&header);
}

/// A relay that knows no type: what was read is sent on as it came.
#[test]
fn tlvs_that_were_read_are_sent_on() {
    let unique_id = Tlv { kind: types::UNIQUE_ID, value: b"0123" };
    let first = v2(&Outgoing::proxy(client(), server()).tlvs([unique_id]).checksum(true));
    let Ok(Progress::Done(read)) = parse(&first, &Limits::default()) else { panic!() };
    let (source, destination) = (read.source().unwrap(), read.destination().unwrap());
    assert_eq!(v2(&Outgoing::proxy(source, destination).tlvs(read.tlvs())), first);
}

// ---- SSL

#[test]
fn the_value_of_an_ssl_tlv() {
    let within = [(0x21, b"TLSv1.3".to_vec()), (0x22, b"the visitor".to_vec())];
    let tlvs = within.iter().map(|(kind, value)| Tlv { kind: *kind, value });
    let wanted = [b"\x03\0\0\x01\x02", &encode::tlvs(&within)[..]].concat();
    let client = Ssl::SSL | Ssl::CERT_CONN;
    for size in 0..wanted.len() {
        let mut out = vec![0xaa; size];
        let needed = wanted.len();
        let result = write_ssl(client, 0x102, tlvs.clone(), &mut out);
        assert_eq!(result, Err(WriteError::NoRoom { needed }));
        assert!(out.iter().all(|byte| *byte == 0xaa));
    }
    let mut out = vec![0xaa; wanted.len() + 9];
    assert_eq!(write_ssl(client, 0x102, tlvs, &mut out), Ok(wanted.len()));
    assert_eq!(out, [&wanted[..], &[0xaa; 9]].concat());

    let ssl = Ssl::new(&wanted).unwrap();
    assert!(ssl.is_tls() && !ssl.verified());
    assert_eq!(ssl.common_name(), Some((&b"the visitor"[..], false)));

    // Types within are SSL's own: no checksum, no unique id.
    let own = [Tlv { kind: 3, value: b"" }, Tlv { kind: 5, value: &[1; 200] }];
    assert_eq!(write_ssl(1, 0, own, &mut [0; 300]), Ok(5 + 3 + 203));
    assert_eq!(write_ssl(0, 0, [], &mut [0; 5]), Ok(5));
    let (fits, too_much) = (vec![1; 65_527], vec![1; 65_528]);
    let mut out = vec![0; 65_535];
    assert_eq!(write_ssl(1, 0, [Tlv { kind: 0x28, value: &fits }], &mut out), Ok(65_535));
    let value = Tlv { kind: 0x28, value: &too_much };
    assert_eq!(write_ssl(1, 0, [value], &mut out), Err(WriteError::TooMuch));
}

#[test]
fn every_error_says_something() {
    for error in [
        WriteError::NoRoom { needed: 1 },
        WriteError::TooMuch,
        WriteError::MixedFamilies,
        WriteError::BadAddress,
        WriteError::InvalidTlv,
    ] {
        assert!(!error.to_string().is_empty());
    }
}

/// Source and destination for the next server, whatever client, server and own end
/// are of.
#[test]
fn what_is_relayed_is_of_one_family_and_names_the_client() {
    for (client, server, local, source, destination) in [
        // The header's own destination, whatever the listener is.
        ("192.0.2.1:1", "198.51.100.7:2", "127.0.0.1:3", "192.0.2.1:1", "198.51.100.7:2"),
        ("192.0.2.1:1", "198.51.100.7:2", "[::1]:3", "192.0.2.1:1", "198.51.100.7:2"),
        ("192.0.2.1:1", "198.51.100.7:2", "", "192.0.2.1:1", "198.51.100.7:2"),
        ("[2001:db8::1]:1", "[2001:db8::2]:2", "127.0.0.1:3", "[2001:db8::1]:1", "[2001:db8::2]:2"),
        // As logs know them.
        ("[::ffff:192.0.2.1]:1", "[::ffff:198.51.100.7]:2", "", "192.0.2.1:1", "198.51.100.7:2"),
        // Our own end, if only that is of the client's family.
        ("192.0.2.1:1", "[2001:db8::2]:2", "127.0.0.1:3", "192.0.2.1:1", "127.0.0.1:3"),
        ("192.0.2.1:1", "0.0.0.0:2", "[::ffff:127.0.0.1]:3", "192.0.2.1:1", "127.0.0.1:3"),
        ("[2001:db8::1]:1", "[::]:2", "[::1]:3", "[2001:db8::1]:1", "[::1]:3"),
        ("192.0.2.1:1", "", "127.0.0.1:3", "192.0.2.1:1", "127.0.0.1:3"),
        // Both as IPv6.
        ("192.0.2.1:1", "[2001:db8::2]:2", "[::1]:3", "[::ffff:192.0.2.1]:1", "[2001:db8::2]:2"),
        ("[2001:db8::1]:1", "198.51.100.7:2", "", "[2001:db8::1]:1", "[::ffff:198.51.100.7]:2"),
        ("[2001:db8::1]:1", "[::]:2", "127.0.0.1:3", "[2001:db8::1]:1", "[::ffff:127.0.0.1]:3"),
        // Nothing is known but the client.
        ("192.0.2.1:1", "0.0.0.0:2", "", "[::ffff:192.0.2.1]:1", "[::ffff:0.0.0.0]:2"),
        ("192.0.2.1:1", "0.0.0.0:2", "[::]:3", "[::ffff:192.0.2.1]:1", "[::ffff:0.0.0.0]:2"),
        ("[2001:db8::1]:1", "", "", "[2001:db8::1]:1", "[::ffff:0.0.0.0]:0"),
    ] {
        let known = |text: &str| if text.is_empty() { None } else { Some(address(text)) };
        let pair = relayed(address(client), known(server), known(local));
        assert_eq!(pair, (address(source), address(destination)), "{client} {server} {local}");
        let mut line = [0; V1_MAX];
        let len = write_v1(Some(pair), &mut line).expect("one family");
        assert!(matches!(parse(&line[..len], &Limits::default()), Ok(Progress::Done(_))));
    }
}
