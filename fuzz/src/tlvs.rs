//! TLVs and their fields: found as a plain search finds them, written whole or not
//! at all, and as harmless text.

use realpeer::{Ssl, TlvField, Tlvs, escape, hex, types};

use crate::oracle::{self, Tlv};

/// The input is a run of TLVs, which need not be one.
pub fn check(data: &[u8]) {
    let tlvs = Tlvs::new(data);
    let wanted = as_far_as_they_go(data);
    let seen: Vec<Tlv> = tlvs.map(|tlv| (tlv.kind, tlv.value.to_vec())).collect();
    assert_eq!(seen, wanted);
    assert_eq!(oracle::split(data).is_some(), rest_of(tlvs).is_empty());
    for kind in wanted.iter().map(|tlv| tlv.0).chain([0, 0x20, 0xff]) {
        assert_eq!(tlvs.find(kind), wanted.iter().find(|tlv| tlv.0 == kind).map(|tlv| &tlv.1[..]));
    }
    let ssl = tlvs.ssl();
    let value = find(&wanted, types::SSL).filter(|value| value.len() >= 5);
    assert_eq!(ssl.is_some(), value.is_some());
    if let Some((ssl, value)) = ssl.zip(value) {
        tls(&ssl, &value);
    }
    for name in TlvField::names() {
        field(name, tlvs, &wanted);
    }
    for (kind, _) in wanted.iter().take(8) {
        field(&format!("0x{kind:02x}"), tlvs, &wanted);
    }
    let text = written(|out| Some(escape(data, out))).expect("always there");
    assert!(text.iter().all(|byte| (b' '..=b'~').contains(byte) && *byte != b'"'));
    let text = written(|out| Some(hex(data, out))).expect("always there");
    assert_eq!(text, digits(data));
}

fn as_far_as_they_go(data: &[u8]) -> Vec<Tlv> {
    let (mut tlvs, mut at) = (Vec::new(), 0);
    while let Some(head) = data.get(at..at + 3) {
        let end = at + 3 + usize::from(head[1]) * 256 + usize::from(head[2]);
        let Some(value) = data.get(at + 3..end) else { break };
        tlvs.push((head[0], value.to_vec()));
        at = end;
    }
    tlvs
}

fn rest_of(mut tlvs: Tlvs<'_>) -> &[u8] {
    tlvs.by_ref().for_each(drop);
    assert!(tlvs.next().is_none(), "begins again");
    tlvs.as_bytes()
}

fn find(tlvs: &[Tlv], kind: u8) -> Option<Vec<u8>> {
    tlvs.iter().find(|tlv| tlv.0 == kind).map(|tlv| tlv.1.clone())
}

fn tls(ssl: &Ssl<'_>, value: &[u8]) {
    assert_eq!(
        (ssl.client(), ssl.verify().to_be_bytes().to_vec()),
        (value[0], value[1..5].to_vec())
    );
    assert_eq!(ssl.tlvs().as_bytes(), &value[5..]);
    let certificate = value[0] & 6 != 0;
    assert_eq!(ssl.verified(), certificate && value[1..5] == [0; 4]);
    assert_eq!(ssl.is_tls(), value[0] % 2 == 1);
    let name = find(&as_far_as_they_go(&value[5..]), types::SSL_CN);
    assert_eq!(ssl.common_name().map(|(name, _)| name.to_vec()), name);
    assert!(ssl.common_name().is_none_or(|(_, verified)| verified == ssl.verified()));
}

/// The bytes of a field by its name, as docs/nginx.md describes them.
fn bytes_of(name: &str, tlvs: &[Tlv]) -> Option<Vec<u8>> {
    let ssl = || find(tlvs, 0x20).filter(|value| value.len() >= 5);
    let within = |kind| find(&as_far_as_they_go(&ssl()?[5..]), kind);
    let typed = |kind, subtype: u8| {
        let value = find(tlvs, kind)?;
        (value.first() == Some(&subtype)).then(|| value[1..].to_vec())
    };
    match name {
        "alpn" => find(tlvs, 1),
        "authority" => find(tlvs, 2),
        "unique_id" => find(tlvs, 5),
        "netns" => find(tlvs, 0x30),
        "ssl_version" => within(0x21),
        "ssl_cn" => within(0x22)
            .filter(|_| ssl().is_some_and(|value| value[0] & 6 != 0 && value[1..5] == [0; 4])),
        "ssl_cipher" => within(0x23),
        "ssl_sig_alg" => within(0x24),
        "ssl_key_alg" => within(0x25),
        "ssl_group" => within(0x26),
        "ssl_sig_scheme" => within(0x27),
        "ssl_client_cert" => within(0x28),
        "ssl_verified" => ssl().map(|value| value[..5].to_vec()),
        "aws_vpce_id" => typed(0xea, 1),
        "azure_link_id" => typed(0xee, 1).filter(|id| id.len() == 4),
        "gcp_psc_id" => find(tlvs, 0xe0).filter(|id| id.len() == 8),
        _ => {
            let kind = u8::from_str_radix(name.strip_prefix("0x")?, 16).ok()?;
            find(tlvs, kind).filter(|_| kind != 4)
        }
    }
}

fn field(name: &str, tlvs: Tlvs<'_>, wanted: &[Tlv]) {
    let field = TlvField::from_name(name.as_bytes()).expect("a name");
    let bytes = bytes_of(name, wanted);
    assert_eq!(field.bytes(tlvs).map(<[u8]>::to_vec), bytes, "{name}");
    let text = written(|out| field.text(tlvs, out));
    let hex = written(|out| field.hex(tlvs, out));
    assert_eq!((text.is_some(), hex.is_some()), (bytes.is_some(), bytes.is_some()));
    let (Some(text), Some(hex), Some(bytes)) = (text, hex, bytes) else { return };
    assert_eq!(hex, digits(&bytes));
    let text = String::from_utf8(text).expect("text is UTF-8");
    assert!(!text.chars().any(char::is_control), "{text:?}");
    match name {
        "ssl_verified" => assert!(text == "0" || text == "1"),
        "azure_link_id" | "gcp_psc_id" => drop(text.parse::<u64>().expect("a number")),
        "ssl_client_cert" => assert_eq!(text.len(), bytes.len().div_ceil(3) * 4),
        _ => assert_eq!(unescaped(&text), bytes, "{text:?}"),
    }
}

/// The bytes that a text was made from.
fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split('\\');
    let mut bytes = parts.next().unwrap_or("").as_bytes().to_vec();
    for part in parts {
        let hex = part.get(1..3).filter(|_| part.starts_with('x')).expect("\\xHH");
        bytes.push(u8::from_str_radix(hex, 16).expect("two digits"));
        bytes.extend(&part.as_bytes()[3..]);
    }
    bytes
}

fn digits(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// What a function writes: the same length is said for every buffer, and one that is
/// a byte too short stays as it was.
fn written(write: impl Fn(&mut [u8]) -> Option<usize>) -> Option<Vec<u8>> {
    let len = write(&mut [])?;
    let mut out = vec![0xaa; len + 3];
    if let Some(short) = len.checked_sub(1) {
        assert_eq!(write(&mut out[..short]), Some(len));
        assert!(out.iter().all(|&byte| byte == 0xaa), "begun and not ended");
    }
    assert_eq!(write(&mut out), Some(len));
    assert_eq!(out[len..], [0xaa; 3]);
    out.truncate(len);
    Some(out)
}
