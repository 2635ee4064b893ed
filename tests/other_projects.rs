//! Inputs of other projects' test suites, where a copy of them lies beside the
//! repository (`../shared/vectors/other-projects.jsonl`; they are not ours to
//! copy). Elsewhere this says that it was skipped.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::Path;

use realpeer::{Header, Limits, MAX_HEADER, Outcome, Progress, parse};

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

/// The verdict, and the addresses where the header's are used.
fn fault(input: &Input<'_>) -> Option<String> {
    let wanted = input.field("spec").expect("a reading");
    let limits = Limits { max_header: MAX_HEADER, ..Default::default() };
    let seen = parse(&input.bytes, &limits);
    let is = verdict(&seen);
    if is != wanted {
        return Some(format!("{is}, not {wanted} ({})", input.field("spec_note").unwrap_or("")));
    }
    let Ok(Progress::Done(header)) = seen else { return None };
    if let Some(part) = cut_in_two(&input.bytes[..header.len()], &limits, &header) {
        return Some(part);
    }
    if input.field("src") == Some("real") && header.outcome() == Outcome::Proxy {
        return Some("replaces the connection's own address".to_owned());
    }
    for (name, is) in [("src", header.source()), ("dst", header.destination())] {
        if let (Some(wanted), Outcome::Proxy) = (input.address(name), header.outcome()) {
            if is != Some(wanted) {
                return Some(format!("{name} is {is:?}, not {wanted}"));
            }
        }
    }
    None
}

fn cut_in_two(bytes: &[u8], limits: &Limits, whole: &Header<'_>) -> Option<String> {
    let part = (0..bytes.len()).find(|&len| {
        !matches!(parse(&bytes[..len], limits), Ok(Progress::More { need }) if need > len && need <= bytes.len())
    });
    match part {
        Some(len) => Some(format!("the first {len} bytes are not a part of it")),
        None if whole.as_bytes() != bytes => Some("not all of its bytes".to_owned()),
        None => None,
    }
}

#[test]
fn every_input_comes_out_as_the_specification_has_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors/other-projects.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: the inputs of other projects are not beside the repository");
        return;
    };
    let mut decided = 0;
    let mut faults = Vec::new();
    for line in text.lines() {
        let input = Input::new(line);
        if input.field("spec") == Some("either") {
            continue;
        }
        decided += 1;
        let id = input.field("id").expect("an id");
        let fault = fault(&input);
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
    println!("{decided} inputs, of which {} are argued with", ARGUED.len());
    assert!(faults.is_empty(), "{} of {decided}:\n{}", faults.len(), faults.join("\n"));
}
