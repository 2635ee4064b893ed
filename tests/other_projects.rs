//! Inputs of other projects' test suites, which are not ours to copy: the variable
//! `REALPEER_OTHER_VECTORS` says where there is a file of them, one JSON object a
//! line. Without it this says that it was skipped.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::env;
use std::net::SocketAddr;

use realpeer::{Limits, MAX_HEADER, Outcome, Progress, parse};

/// Where ours differs from the reading of the specification that comes with the
/// inputs, and why: the entry, our word, the clause.
const ARGUED: &[(&str, &str, &str)] = &[];

struct Input<'a> {
    line: &'a str,
    bytes: Vec<u8>,
}

impl<'a> Input<'a> {
    fn new(line: &'a str) -> Self {
        let mut input = Input { line, bytes: Vec::new() };
        let hex = input.field("bytes_hex").expect("bytes");
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        input.bytes = (0..hex.len()).step_by(2).map(byte).collect();
        input
    }

    /// A member that is a text without quotes in it.
    fn field(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.line.split_once(&format!("\"{name}\": \""))?;
        value.split('"').next()
    }

    /// A member that is a number.
    fn number(&self, name: &str) -> Option<usize> {
        let (_, value) = self.line.split_once(&format!("\"{name}\": "))?;
        value.split(',').next()?.parse().ok()
    }

    /// Types and values of the TLVs, where they are listed.
    fn tlvs(&self) -> Option<Vec<(u8, String)>> {
        let (_, list) = self.line.split_once("\"tlvs\": [")?;
        let (list, _) = list.split_once(']')?;
        let tlv = |text: &str| {
            let (_, kind) = text.split_once("\"type\": ")?;
            let (kind, hex) = kind.split_once(", \"hex\": \"")?;
            Some((kind.parse().ok()?, hex.split('"').next()?.to_owned()))
        };
        list.split('}').filter(|text| !text.is_empty()).map(tlv).collect()
    }

    /// `addr|port`, where it is an IP address.
    fn address(&self, name: &str) -> Option<SocketAddr> {
        let (ip, port) = self.field(name)?.split_once('|')?;
        Some(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?))
    }
}

fn verdict<'a>(seen: &Result<Progress<'a>, Outcome>) -> &'static str {
    match seen {
        Ok(Progress::More { .. }) => "need_more",
        Ok(Progress::Done(_)) => "accept",
        Err(Outcome::NoHeader) => "not_proxy",
        Err(_) => "reject",
    }
}

/// The verdict and the addresses where the header's are used; and that no way to cut
/// the bytes makes another one of them.
fn fault(input: &Input<'_>, seen_in_parts: &mut usize) -> Option<String> {
    let wanted = input.field("spec").expect("a reading");
    let limits = Limits { max_header: MAX_HEADER, ..Default::default() };
    let seen = parse(&input.bytes, &limits);
    let is = verdict(&seen);
    if is != wanted {
        return Some(format!("{is}, not {wanted} ({})", input.field("spec_note").unwrap_or("")));
    }
    if let Some(part) = cut(&input.bytes, &limits, &seen, seen_in_parts) {
        return Some(part);
    }
    let Ok(Progress::Done(header)) = seen else { return None };
    if input.field("src") == Some("real") && header.outcome() == Outcome::Proxy {
        return Some("replaces the connection's own address".to_owned());
    }
    if input.number("header_len").is_some_and(|len| len != header.len()) {
        return Some(format!("has {} bytes", header.len()));
    }
    for (name, is) in [("src", header.source()), ("dst", header.destination())] {
        if let (Some(wanted), Some(is)) = (input.address(name), is) {
            if is != wanted {
                return Some(format!("{name} is {is}, not {wanted}"));
            }
        }
    }
    let hex = |value: &[u8]| value.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let tlvs: Vec<_> = header.tlvs().map(|tlv| (tlv.kind, hex(tlv.value))).collect();
    if input.tlvs().is_some_and(|wanted| wanted != tlvs) {
        return Some(format!("TLVs are {tlvs:?}"));
    }
    None
}

/// Cut in two at every place, and a byte at a time: a server asks again with what it
/// has, and the answer is that of the whole as soon as there is one. Without state,
/// both come to asking for every beginning, here in memory of its own each time.
fn cut(
    bytes: &[u8],
    limits: &Limits,
    whole: &Result<Progress<'_>, Outcome>,
    parts: &mut usize,
) -> Option<String> {
    let end = match whole {
        Ok(Progress::Done(header)) => header.len(),
        _ => bytes.len(),
    };
    let mut decided = false;
    for len in 0..=bytes.len() {
        let part = bytes[..len].to_vec();
        let seen = parse(&part, limits);
        *parts += 1;
        let right = match (&seen, whole) {
            (Ok(Progress::More { need }), _) => {
                let accepted = matches!(whole, Ok(Progress::Done(_)));
                !decided && *need > len && !(accepted && (len >= end || *need > end))
            }
            (seen, whole) => {
                decided = true;
                format!("{seen:?}") == format!("{whole:?}")
            }
        };
        if !right {
            return Some(format!("the first {len} bytes give {seen:?}, all of them {whole:?}"));
        }
    }
    None
}

#[test]
fn every_input_comes_out_as_the_specification_has_it() {
    let Some(path) = env::var_os("REALPEER_OTHER_VECTORS") else {
        println!("skipped: REALPEER_OTHER_VECTORS does not say where the inputs are");
        return;
    };
    let text = std::fs::read_to_string(&path).expect("the file that the variable names");
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    let mut parts = 0;
    let mut decided = 0;
    let mut faults = Vec::new();
    for line in text.lines() {
        let input = Input::new(line);
        if input.field("spec") == Some("either") {
            continue;
        }
        decided += 1;
        let id = input.field("id").expect("an id");
        *counts.entry(input.field("spec").unwrap_or("")).or_default() += 1;
        let fault = fault(&input, &mut parts);
        let argued = ARGUED.iter().find(|(known, ..)| *known == id);
        match (fault, argued) {
            (None, None) => {}
            (Some(fault), Some((_, word, _))) if fault.starts_with(word) => {}
            (fault, argued) => {
                let source = input.field("source").unwrap_or("");
                faults.push(format!("{id} {source}: {fault:?}, argued: {argued:?}"));
            }
        }
    }
    let right = decided - faults.len() - ARGUED.len();
    println!("{right} of {decided} inputs as the specification has them: {counts:?}");
    println!("{} argued with; {parts} beginnings of them parsed", ARGUED.len());
    assert!(faults.is_empty(), "{} of {decided}:\n{}", faults.len(), faults.join("\n"));
}
