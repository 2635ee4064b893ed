//! `realpeer encode`, and back through `realpeer decode`.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::fs;

use common::{call, call_with, command};
use realpeer_testdata::{bytes, encode, vectors};

const ENDS: [&str; 4] = ["-s", "192.0.2.1:56324", "-d", "198.51.100.7:443"];

fn encode_raw(args: &[&str]) -> Vec<u8> {
    let output = command(&[&["encode", "-o", "raw"], args].concat()).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    output.stdout
}

#[test]
fn the_bytes_of_the_specification() {
    let with = |args: &[&'static str]| encode_raw(&[&ENDS, args].concat());
    assert_eq!(with(&["-1"]), b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n");
    assert_eq!(with(&[]), bytes("SIG 21 11 000c c0000201 c6336407 dc04 01bb"));
    assert_eq!(with(&["--udp"]), bytes("SIG 21 12 000c c0000201 c6336407 dc04 01bb"));
    assert_eq!(
        with(&["-t", "alpn=h2", "-t", "0xe4=c0ffee", "-t", "unique-id=\\x00\\n"]),
        bytes("SIG 21 11 001c c0000201 c6336407 dc04 01bb 010002 'h2' e40003 c0ffee 050002 000a")
    );
    assert_eq!(encode_raw(&["-l"]), bytes("SIG 20 00 0000"));
    assert_eq!(encode_raw(&["-u"]), bytes("SIG 21 00 0000"));
    assert_eq!(encode_raw(&["-1", "-u"]), b"PROXY UNKNOWN\r\n");
    assert_eq!(
        encode_raw(&["-s", "unix:/run/x", "-d", "unix:@y"]),
        bytes("SIG 21 31 00d8 '/run/x' 00*102 00 'y' 00*106")
    );
    assert_eq!(
        encode_raw(&["-s", "192.0.2.1:1", "-d", "[2001:db8::1]:2"]),
        bytes("SIG 21 21 0024 00*10 ffff c0000201 20010db8 00*11 01 0001 0002")
    );
}

/// The checksum that another implementation computes, and AWS's padding.
#[test]
fn checksum_and_padding() {
    let header = encode_raw(&[&ENDS[..], &["-c", "-p", "100"]].concat());
    assert_eq!(header.len(), 100);
    let tlvs = encode::tlvs(&[(3, vec![0; 4]), (4, vec![0; 62])]);
    let block = [bytes("c0000201 c6336407 dc04 01bb"), tlvs].concat();
    let mut wanted = encode::v2(0x21, 0x11, &block);
    encode::seal(&mut wanted, 31);
    assert_eq!(header, wanted);
}

/// Every header that can be said is written again as it was, from what decode says
/// of it.
#[test]
fn vectors_go_round() {
    let mut count = 0;
    for vector in vectors().iter().filter(|vector| vector.expect == "proxy") {
        let header = &vector.bytes[..vector.at];
        // The writer has one form for each address, and one place for a checksum.
        if header[0] == b'P' || vector.checksum || header.len() > 1000 {
            continue;
        }
        let mut args: Vec<String> = ["-s", &vector.source.unwrap().to_string()]
            .iter()
            .chain(&["-d", &vector.destination.unwrap().to_string()])
            .map(|arg| (*arg).to_owned())
            .collect();
        for (kind, value) in &vector.tlvs {
            let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            args.extend(["-t".to_owned(), format!("0x{kind:02x}={hex}")]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        assert_eq!(encode_raw(&args), header, "{}", vector.name);
        count += 1;
    }
    assert!(count > 20, "only {count} vectors");
}

#[test]
fn all_that_has_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("certificate");
    fs::write(&certificate, [0x30, 3, 2, 1, 1]).unwrap();
    let certificate = format!("ssl-client-cert=@{}", certificate.display());
    let tlvs = [
        "alpn=h2",
        "authority=www.example.com",
        "unique_id=id-1",
        "netns=blue",
        "ssl-version=TLSv1.3",
        "ssl-cn=Jürgen",
        "ssl-cipher=TLS_AES_128_GCM_SHA256",
        "ssl-sig-alg=SHA256",
        "ssl-key-alg=RSA2048",
        "ssl-group=x25519",
        "ssl-sig-scheme=rsa_pss_rsae_sha256",
        &certificate,
        "ssl-verified=yes",
        "aws-vpce-id=vpce-08d2",
        "azure-link-id=4026531841",
        "gcp-psc-id=49477946121388034",
    ];
    let mut args = ENDS.to_vec();
    args.extend(tlvs.iter().flat_map(|tlv| ["--tlv", tlv]));
    let header = encode_raw(&args);
    let answer = call_with(&["decode", "--json"], &header);
    let json: serde_json::Value = serde_json::from_str(&answer.is(0).out).unwrap();
    for tlv in tlvs.iter().filter(|tlv| !tlv.contains('@')) {
        let (name, value) = tlv.split_once('=').unwrap();
        let value = if value == "yes" { "1" } else { value };
        assert_eq!(json["named"][name.replace('-', "_")], value, "{name}");
    }
    assert_eq!(json["named"]["ssl_client_cert"], "MAMCAQE=");
}

#[test]
fn every_form_is_read_back() {
    for form in ["hex", "base64", "escaped"] {
        let text = call(&[&["encode", "-o", form, "-c"], &ENDS[..]].concat());
        call_with(&["decode"], text.is(0).out.as_bytes()).is(0).says("source address: 192.0.2.1");
        let line = call(&[&["encode", "-o", form, "-1"], &ENDS[..]].concat());
        call(&["decode", line.is(0).out.trim_end()]).is(0).says("source address: 192.0.2.1");
    }
}

#[test]
fn says_why_there_is_no_such_header() {
    call(&["encode"]).is(2).complains("Give --source and --destination, or --local");
    call(&["encode", "-s", "192.0.2.1:1"]).is(2).complains("whom does the header speak for?");
    call(&["encode", "-s", "192.0.2.1"]).is(2).complains("a port is missing, as in 192.0.2.1:443");
    call(&["encode", "-s", "www.example.com:1"]).is(2).complains("names are not looked up");
    call(&["encode", "-1", "-s", "192.0.2.1:1", "-d", "[2001:db8::1]:2"])
        .is(2)
        .complains("drop --v1");
    call(&["encode", "-s", "unix:/x", "-d", "192.0.2.1:1"]).is(2).complains("is a Unix socket");
    call(&["encode", "-1", "-u", "-t", "alpn=h2"]).is(2).complains("cannot be used with");
    let long = format!("unique-id={}", "x".repeat(129));
    call(&["encode", "-l", "-t", &long]).is(2).complains("up to 128 bytes");
    let long = format!("unix:{}", "x".repeat(109));
    call(&["encode", "-s", &long, "-d", "unix:/y"]).is(2).complains("up to 108 bytes");
}

#[test]
fn has_the_version_of_the_library() {
    let manifest =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")).unwrap();
    let version = manifest.lines().find_map(|line| line.strip_prefix("version = ")).unwrap();
    call(&["--version"]).is(0).says(&format!("realpeer {}\n", version.trim_matches('"')));
}

/// What was asked for is not left out.
#[test]
fn no_unix_sockets_in_version_1() {
    call(&["encode", "-1", "-s", "unix:/a", "-d", "unix:@b"]).is(2).complains("no Unix sockets");
}
