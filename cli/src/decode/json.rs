//! The report as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;

use realpeer::{Command, Family, TlvField, Transport};
use serde::Serialize;

use super::Report;
use super::layout::Part;
use crate::text::hex;

#[derive(Serialize)]
struct Json<'a> {
    result: &'static str,
    text: &'static str,
    valid: bool,
    format: &'static str,
    #[serde(flatten)]
    header: Option<Header>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault<'a>>,
    fields: &'a [Part],
}

#[derive(Serialize)]
struct Header {
    version: u8,
    command: &'static str,
    family: &'static str,
    transport: &'static str,
    source: Option<SocketAddr>,
    destination: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_path_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_path_hex: Option<String>,
    header_length: usize,
    checksum: Option<&'static str>,
    /// By the names of nginx's variables, and with their text.
    named: BTreeMap<&'static str, String>,
    tlvs: Vec<Tlv>,
    payload: Payload,
}

#[derive(Serialize)]
struct Tlv {
    offset: usize,
    r#type: u8,
    name: &'static str,
    value_hex: String,
}

#[derive(Serialize)]
struct Payload {
    offset: usize,
    length: usize,
    another_header: bool,
}

#[derive(Serialize)]
struct Fault<'a> {
    decided_after: usize,
    offset: usize,
    length: usize,
    reason: &'a str,
    section: Option<&'static str>,
    clause: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let fault = report.fault.as_ref().map(|fault| Fault {
        decided_after: fault.decided,
        offset: fault.at,
        length: fault.len,
        reason: &fault.reason,
        section: Some(fault.clause.section).filter(|section| !section.is_empty()),
        clause: fault.clause.demand,
        hint: fault.hint.as_deref(),
    });
    let json = Json {
        result: report.outcome.name(),
        text: report.outcome.text(),
        valid: report.header.is_some(),
        format: report.format.name(),
        header: report.header.as_ref().map(|header| of(header, report)),
        fault,
        fields: &report.parts,
    };
    serde_json::to_writer_pretty(&mut *out, &json).map_err(io::Error::from)?;
    writeln!(out)
}

fn of(header: &realpeer::Header<'_>, report: &Report<'_>) -> Header {
    let (source, destination) = header.unix_paths().unzip();
    let tlvs = report.parts.iter().filter_map(|part| {
        let value = part.parts.first().map(|value| value.hex.clone());
        let tlv = |kind| Tlv {
            offset: part.offset,
            r#type: kind,
            name: part.name,
            value_hex: value.unwrap_or_default(),
        };
        part.kind.map(tlv)
    });
    Header {
        version: header.version() as u8,
        command: match header.command() {
            Command::Local => "local",
            Command::Proxy => "proxy",
        },
        family: match header.family() {
            Family::Inet => "inet",
            Family::Inet6 => "inet6",
            Family::Unix => "unix",
            _ => "unspec",
        },
        transport: match header.transport() {
            Transport::Stream => "stream",
            Transport::Datagram => "datagram",
            _ => "unspec",
        },
        source: header.source(),
        destination: header.destination(),
        source_path_hex: source.map(|path| hex(path.as_bytes())),
        destination_path_hex: destination.map(|path| hex(path.as_bytes())),
        header_length: header.len(),
        checksum: header.checksum_verified().then_some("right"),
        named: named(header),
        tlvs: tlvs.collect(),
        payload: Payload {
            offset: header.len(),
            length: report.bytes.len().saturating_sub(header.len()),
            another_header: report.payload().is_some_and(realpeer::another_header),
        },
    }
}

fn named(header: &realpeer::Header<'_>) -> BTreeMap<&'static str, String> {
    let text = |name: &'static str| {
        let field = TlvField::from_name(name.as_bytes())?;
        let len = field.text(header.tlvs(), &mut [])?;
        let mut text = vec![0; len];
        field.text(header.tlvs(), &mut text)?;
        Some((name, String::from_utf8_lossy(&text).into_owned()))
    };
    TlvField::names().filter_map(text).collect()
}
