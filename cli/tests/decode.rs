//! `realpeer decode`: every vector, where faults are found, and how bytes may be
//! written.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{call, call_with, run};
use realpeer_cli::Verdict;
use realpeer_testdata::{Vector, bytes, vectors};
use serde_json::Value;

/// The JSON for the bytes of a file, read with the limits of the vector.
fn json(vector: &Vector, file: &Path, format: &str) -> (Verdict, Value) {
    let versions = vector.versions.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    let max_header = vector.max_header.to_string();
    let (done, out) = run(&[
        "decode",
        "--json",
        "--max-header",
        &max_header,
        "--versions",
        &versions,
        "--format",
        format,
        "--file",
        file.to_str().unwrap(),
    ]);
    let verdict = done.unwrap_or_else(|error| panic!("{}: {error}", vector.name));
    (verdict, serde_json::from_slice(&out).expect("JSON"))
}

#[track_caller]
fn same(vector: &Vector, what: &str, is: &Value, wanted: impl Into<Value>) {
    assert_eq!(*is, wanted.into(), "{what} of {}, {}", vector.file, vector.name);
}

#[test]
fn every_vector_has_its_result() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bytes");
    for vector in vectors() {
        fs::write(&file, &vector.bytes).unwrap();
        let (verdict, json) = json(&vector, &file, "raw");
        let wanted = match vector.expect.as_str() {
            "more" if vector.bytes.is_empty() => "silent",
            "more" => "truncated",
            word => word,
        };
        same(&vector, "result", &json["result"], wanted);
        same(&vector, "valid", &json["valid"], vector.is_accepted());
        assert_eq!(verdict == Verdict::Fine, vector.is_accepted(), "{}", vector.name);
        if vector.is_refused() {
            same(&vector, "deciding byte", &json["fault"]["decided_after"], vector.at);
            let at = json["fault"]["offset"].as_u64().unwrap();
            assert!(at < vector.at as u64, "{}: the fault is at {at}", vector.name);
            assert!(json["fault"]["clause"].is_string());
        }
        if vector.is_accepted() {
            accepted(&vector, &json);
        }
        tiles(&vector, &json);
    }
}

fn accepted(vector: &Vector, json: &Value) {
    same(vector, "length", &json["header_length"], vector.at);
    same(vector, "payload", &json["payload"]["length"], vector.bytes.len() - vector.at);
    same(vector, "family", &json["family"], vector.family.as_str());
    same(vector, "transport", &json["transport"], vector.transport.as_str());
    same(vector, "source", &json["source"], vector.source.map(|ip| ip.to_string()));
    same(vector, "destination", &json["destination"], vector.destination.map(|ip| ip.to_string()));
    same(vector, "checksum", &json["checksum"], vector.checksum.then_some("right"));
    let tlvs: Vec<_> = json["tlvs"].as_array().unwrap().iter().collect();
    let tlv = |tlv: &&Value| (tlv["type"].clone(), tlv["value_hex"].clone());
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let wanted: Vec<(Value, Value)> =
        vector.tlvs.iter().map(|(kind, value)| ((*kind).into(), hex(value).into())).collect();
    assert_eq!(tlvs.iter().map(tlv).collect::<Vec<_>>(), wanted, "{}", vector.name);
    for (name, text) in vector.fields.iter().filter(|(name, _)| !name.starts_with("0x")) {
        same(vector, name, &json["named"][name], text.as_str());
    }
    for name in &vector.absent {
        same(vector, name, &json["named"][name], Value::Null);
    }
}

/// Fields follow each other, and have the bytes that stand there; of a valid header
/// each byte is named, but for the spaces of a line.
fn tiles(vector: &Vector, json: &Value) {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    fn check(parts: &Value, visit: &mut dyn FnMut(&Value)) {
        for part in parts.as_array().into_iter().flatten() {
            visit(part);
            check(&part["parts"], visit);
        }
    }
    check(&json["fields"], &mut |part| {
        let (offset, length) = (number(&part["offset"]), number(&part["length"]));
        same(vector, "hex", &part["hex"], hex(&vector.bytes[offset..offset + length]));
    });
    let mut at = 0;
    for part in json["fields"].as_array().unwrap() {
        let offset = number(&part["offset"]);
        let is_space = offset == at + 1 && vector.bytes[at] == b' ';
        assert!(offset == at || is_space, "{}: {at} is followed by {offset}", vector.name);
        at = offset + number(&part["length"]);
    }
    if vector.is_accepted() {
        assert_eq!(at, vector.at, "{}", vector.name);
    }
}

#[test]
fn every_form_gives_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bytes");
    for vector in vectors().iter().filter(|vector| vector.bytes.len() < 4096) {
        fs::write(&file, &vector.bytes).unwrap();
        let raw = json(vector, &file, "raw").1;
        let hex: String = vector.bytes.iter().map(|byte| format!("{byte:02X} ")).collect();
        let escaped: String = vector.bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        for (format, text) in
            [("hex", hex), ("escaped", escaped), ("base64", STANDARD.encode(&vector.bytes))]
        {
            fs::write(&file, text).unwrap();
            let mut json = json(vector, &file, format).1;
            json["format"] = raw["format"].clone();
            assert_eq!(json, raw, "{}, {format}", vector.name);
        }
    }
}

/// Whatever is changed in a header: an answer, and no panic.
#[test]
fn no_byte_makes_it_panic() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bytes");
    let path = file.to_str().unwrap();
    let look = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        for form in ["--format=raw", "--json"] {
            let _ = run(&["decode", form, "--file", path]);
        }
    };
    let mut state = 1_u32;
    for vector in vectors().iter().filter(|vector| vector.bytes.len() < 400) {
        look(&vector.bytes);
        for _ in 0..4 {
            let mut bytes = vector.bytes.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let random = (state >> 8) as usize;
                match bytes.len() {
                    0 => bytes.push(random as u8),
                    len if random % 5 == 0 => bytes.truncate(random % len),
                    len => bytes[random / 256 % len] = random as u8,
                }
            }
            look(&bytes);
        }
    }
}

#[track_caller]
fn fault(notation: &str, offset: usize, reason: &str, section: &str) {
    let hex: String = bytes(notation).iter().map(|byte| format!("{byte:02x}")).collect();
    let (done, out) = run(&["decode", "--json", "--format", "hex", &hex]);
    assert_eq!(done, Ok(Verdict::Refused), "{notation}");
    let json: Value = serde_json::from_slice(&out).unwrap();
    let fault = &json["fault"];
    assert_eq!(fault["offset"], offset, "{notation}: {fault}");
    assert_eq!(fault["section"], section, "{notation}: {fault}");
    assert!(fault["reason"].as_str().unwrap().contains(reason), "{notation}: {fault}");
}

#[test]
fn says_what_is_wrong_with_a_line() {
    let line = |text: &str, offset, reason, section| {
        fault(&format!("'{text}' 0d0a"), offset, reason, section);
    };
    line("PROXYX TCP4", 5, "no space behind PROXY", "2.1");
    line("PROXY  TCP4 ", 6, "two spaces", "2.1");
    line("PROXY UDP4 ", 7, "in the protocol", "2.1");
    line("PROXY tcp4 ", 6, "in the protocol", "2.1");
    line("PROXY TCP4", 10, "the line ends behind the protocol", "2.1");
    line("PROXY TCP4 192.0.02.1 198.51.100.7 1 2", 18, "a heading zero in the source", "2.1");
    line("PROXY TCP4 192.0.2.256 198.51.100.7 1 2", 21, "more than 255 in the source", "2.1");
    line("PROXY TCP4 192.0.2.1.1 198.51.100.7 1 2", 20, "more than four", "2.1");
    line("PROXY TCP4 192.0.2 198.51.100.7 1 2", 18, "only 3 of four", "2.1");
    line("PROXY TCP4 192..2.1 198.51.100.7 1 2", 15, "an empty number", "2.1");
    line("PROXY TCP4 2001:db8::1 2001:db8::2 1 2", 14, "more than 255", "2.1");
    line("PROXY TCP4 192.0.2.1  198.51.100.7 1 2", 21, "two spaces in front of the dest", "2.1");
    line("PROXY TCP4 192.0.2.1 198.51.100.7", 33, "ends at the destination address", "2.1");
    line("PROXY TCP6 192.0.2.1 198.51.100.7 1 2", 14, "an IPv4 address in a line of TCP6", "2.1");
    line("PROXY TCP6 fe80::1%eth0 2001:db8::2 1 2", 18, "a zone in the source", "2.1");
    line("PROXY TCP6 [2001:db8::1] 2001:db8::2 1 2", 11, "a bracket", "2.1");
    line("PROXY TCP6 2001::db8::1 2001:db8::2 1 2", 21, "a second \"::\"", "2.1");
    line("PROXY TCP6 20011:db8::1 2001:db8::2 1 2", 15, "more than four digits", "2.1");
    line("PROXY TCP6 1:2:3:4:5:6:7 2001:db8::2 1 2", 24, "not 128 bits", "2.1");
    line(
        "PROXY TCP4 192.0.2.1 198.51.100.7 080 443",
        35,
        "a heading zero in the source port",
        "2.1",
    );
    line("PROXY TCP4 192.0.2.1 198.51.100.7 65536 443", 38, "more than 65535", "2.1");
    line("PROXY TCP4 192.0.2.1 198.51.100.7 80", 36, "ends at the source port", "2.1");
    line("PROXY TCP4 192.0.2.1 198.51.100.7 80 443 ", 40, "something follows", "2.1");
    line("PROXY TCP4 192.0.2.1 198.51.100.7 80 h", 37, "'h' in the destination port", "2.1");
    fault("'PROXY TCP4 192.0.2.1 198.51.100.7 80 443' 0a", 40, "LF without CR", "2.1");
    fault("'PROXY TCP4 192.0.2.1 198.51.100.7 80 443' 0d0d", 41, "not followed by LF", "2.1");
    fault("'PROXY UNKNOWN' 0a", 13, "LF without CR", "2.1");
    fault("'PROXY UNKNOWN ' 'x'*93", 105, "too long", "2.1");
}

#[test]
fn says_what_is_wrong_with_a_header() {
    fault("SIG 31 11 000c 00*12", 12, "the version is 3", "2.2");
    fault("SIG 2f 11 000c 00*12", 12, "the command is 15", "2.2");
    fault("SIG 21 41 000c 00*12", 13, "the address family is 4", "2.2");
    fault("SIG 21 13 000c 00*12", 13, "the transport protocol is 3", "2.2");
    fault("SIG 21 21 000c 00*12", 14, "the length is 12, and the addresses alone have 36", "2.2");
    fault("SIG 21 11 000e 00*12 0100", 28, "2 bytes at the end", "2.2");
    fault(
        "SIG 21 11 0016 00*12 010002 'h2' 020009 'ab'",
        33,
        "has 9 bytes, but the header ends after 2",
        "2.2",
    );
    fault("SIG 21 11 0012 00*12 030003 000000", 28, "the CRC32c has 3 bytes", "2.2.3");
    fault(
        "SIG 21 11 001a 00*12 (030004 00000000)"
            .replace("(030004 00000000)", "030004 00000000 030004 00000000")
            .as_str(),
        35,
        "a second CRC32c",
        "2.2.3",
    );
    fault("SIG 21 11 0013 00*12 030004 deadbeef", 31, "it says deadbeef, and should be", "2.2.3");
    fault("SIG 21 11 0090 00*12 050081 'x'*129", 28, "the unique id has 129 bytes", "2.2.5");
    fault("SIG 21 11 0013 00*12 200004 01000000", 28, "has 4 bytes", "2.2.6");
    fault(
        "SIG 21 11 001b 00*12 20000c 0100000000 210007 'TLSv'",
        36,
        "the SSL TLV ends after 4",
        "2.2.6",
    );
    fault("SIG 20 11 0007 030004 deadbeef", 19, "it says deadbeef", "2.2.3");
    fault("SIG 20 11 0013 c0000201 c6336407 dc04 01bb 030004 deadbeef", 31, "it says", "2.2.3");
    fault("SIG 21 11 0054 c0000201", 20, "80 bytes of 100 are missing", "2.2");
    fault("'PROXY TCP4'", 10, "end inside the header", "2.2");
    fault("'GET / HTTP/1.1'", 0, "an HTTP request", "2.2");
    fault("'proxy TCP4 '", 0, "not in upper case", "2.2");
    fault("160301 0200 0100", 0, "looks like a TLS client hello", "2.2");
    fault("'SSH-2.0-OpenSSH_9.6'", 0, "looks like an SSH banner", "2.2");
    fault("0d0a 50524f585920554e4b4e4f574e0d0a", 2, "looks like a PROXY header after", "2.2");
}

#[test]
fn the_checksum_it_should_be_is_the_right_one() {
    let wrong = "0d0a0d0a000d0a515549540a 21110013 c0000201c6336407dc0401bb 030004";
    let (_, out) = run(&["decode", "--json", &format!("{wrong} 00000000")]);
    let json: Value = serde_json::from_slice(&out).unwrap();
    let reason = json["fault"]["reason"].as_str().unwrap();
    let right = reason.rsplit(' ').next().unwrap();
    call(&["decode", &format!("{wrong} {right}")]).is(0).says("The CRC32c is right.");
}

#[test]
fn clouds_and_their_byte_order() {
    let header = "SIG 21 11 002c 00*12 ee0005 01 04030201 e00008 0000000000000102 \
                  ea0007 01 'vpce-0' 040000";
    let hex: String = bytes(header).iter().map(|byte| format!("{byte:02x}")).collect();
    call(&["decode", &hex])
        .is(0)
        .says("Private Link id 16909060 (little-endian)")
        .says("Private Service Connect id 258 (big-endian)")
        .says("VPC endpoint id \"vpce-0\"");
}

#[test]
fn another_header_after_the_first_is_shown() {
    let line = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\\r\\n";
    call(&["decode", &line.repeat(2)]).is(0).says("Another PROXY header follows");
    for (text, another) in [(line.repeat(2), true), (format!("{line}GET / HTTP/1.1"), false)] {
        let (_, out) = run(&["decode", "--json", &text]);
        let json: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["payload"]["another_header"], another, "{text}");
    }
}

#[test]
fn terminals_are_safe() {
    let header = "SIG 21 11 0017 00*12 020008 'a' 1b '[2J' e280ae";
    let hex: String = bytes(header).iter().map(|byte| format!("{byte:02x}")).collect();
    call(&["decode", &hex]).is(0).says(r#""a\x1B[2J\xE2\x80\xAE""#);
}

#[test]
fn from_everywhere() {
    let line = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
    call_with(&["decode"], line).is(0).says("source address: 192.0.2.1");
    call_with(&["decode", "-f", "-"], line).is(0).says("raw bytes");
    call(&["decode", "PROXY UNKNOWN\\r\\n"]).is(0).says("no_address:");
    call(&["decode", "PROXY", "UNKNOWN"]).is(1).says("Were CR and LF lost");
    call(&["decode"]).is(1).says("silent");
    call(&["decode", "-f", "/nowhere/at/all"]).is(2).complains("/nowhere/at/all: No such file");
    call(&["decode", "-F", "hex", "xyz"]).is(2).complains("'x' is no hex digit");
    call(&["decode", "-F", "sideways"]).is(2).complains("possible values");
}

/// In a datagram its own addresses count, on a stream those of a stream.
#[test]
fn datagrams() {
    let over = |byte: &str| format!("0d0a0d0a000d0a515549540a21{byte}000cc0000201c6336407dc0401bb");
    call(&["decode", &over("12")]).is(0).says("no_address:");
    call(&["decode", &over("11")]).is(0).says("proxy:");
    call(&["decode", "--datagram", &over("12")]).is(0).says("proxy:");
    call(&["decode", "--datagram", &over("11")]).is(0).says("no_address:");
    call(&["decode", "--datagram", &over("12")[..40]]).is(1).says("refused, truncated:");
    call(&["decode", "--datagram"]).is(1).says("refused, no_header:");
}

/// Text of which it has to be found out what it is.
#[test]
fn no_text_makes_it_panic() {
    let words = [
        "PROXY ",
        "TCP4 ",
        "TCP6 ",
        "UNKNOWN",
        "192.0.2.1 ",
        "::",
        "65536",
        "\\r\\n",
        "\\x0",
        "\\x0D",
        "\\",
        "\\0",
        "\\377",
        "\\477",
        "0d0a0d0a000d0a515549540a",
        "2111000c",
        "0x",
        "00000000: ",
        "00000010  ",
        "|",
        "*\n",
        "\n",
        " ",
        "DQoNCgANClFVSVQK",
        "=",
        "é",
        "\u{202e}",
        "'",
        "\"",
        "$'",
        "b\"",
        ",",
        "{",
        "}",
        "f",
        "000c",
    ];
    let mut state = 7_u32;
    for _ in 0..3000 {
        let mut text = String::new();
        for _ in 0..state >> 8 & 7 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push_str(words[(state >> 8) as usize % words.len()]);
        }
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        for format in [None, Some("hex"), Some("dump"), Some("escaped"), Some("base64")] {
            let option = format.map(|format| format!("--format={format}"));
            let args: Vec<&str> =
                ["decode"].into_iter().chain(option.as_deref()).chain(["--", &text]).collect();
            let _ = run(&args);
        }
    }
}
