//! The report as a table for people.

use std::io::{self, Write};

use realpeer::{MAX_HEADER, another_header};

use super::Report;
use super::fault::Fault;
use super::layout::Part;
use crate::text::{count, escaped, hex_short};

/// Bytes of a field that are shown; JSON has all of them.
const SHOWN: usize = 12;
/// Bytes that are shown of what follows the header.
const FOLLOWING: usize = 48;
/// Bytes in front of a fault, and behind it.
const AROUND: usize = 12;

pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let outcome = report.outcome;
    match &report.fault {
        None => writeln!(out, "{}: {}", outcome.name(), outcome.text())?,
        Some(_) => writeln!(out, "refused, {}: {}", outcome.name(), outcome.text())?,
    }
    writeln!(out, "{}, read as {}", count(report.bytes.len(), "byte"), report.format.name())?;
    if let Some(fault) = &report.fault {
        write_fault(fault, report.bytes, out)?;
    }
    if !report.parts.is_empty() {
        writeln!(out, "\n{:>6}  {:<27}field", "offset", "bytes")?;
    }
    for part in &report.parts {
        write_part(part, 0, report.bytes, out)?;
    }
    if let Some(payload) = report.payload().filter(|payload| !payload.is_empty()) {
        let at = report.bytes.len() - payload.len();
        let more = if payload.len() > FOLLOWING { ".." } else { "" };
        let head = escaped(payload.get(..FOLLOWING).unwrap_or(payload));
        let size = count(payload.len(), "byte");
        writeln!(out, "{at:>6}  {:<27}{size} behind the header: {head}{more}", "")?;
    }
    write_notes(report, out)
}

fn write_part(part: &Part, depth: usize, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let end = part.offset + part.own();
    let own = bytes.get(part.offset..end).unwrap_or(&[]);
    // The value of an SSL TLV is its parts, and what they say together.
    let shown = if own.is_empty() { String::new() } else { hex_short(own, SHOWN) };
    let label = match (part.kind, part.name) {
        (Some(_), _) => format!("TLV {}", part.value),
        (None, "value") => part.value.clone(),
        (None, "version_command" | "ignored" | "client" | "verify" | "end") => part.value.clone(),
        (None, name) => format!("{}: {}", name.replace('_', " "), part.value),
    };
    let indent = "  ".repeat(depth);
    writeln!(out, "{:>6}  {shown:<27}{indent}{label}", part.offset)?;
    for inner in &part.parts {
        write_part(inner, depth + 1, bytes, out)?;
    }
    Ok(())
}

fn write_fault(fault: &Fault, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let place = match fault.len {
        0 | 1 => format!("at offset {}", fault.at),
        len => format!("at offsets {} to {}", fault.at, fault.at + len - 1),
    };
    writeln!(out)?;
    writeln!(out, "  {place}: {}", fault.reason)?;
    match fault.clause.section {
        "" => writeln!(out, "  {}", fault.clause.demand)?,
        section => writeln!(out, "  section {section}: {}", fault.clause.demand)?,
    }
    if fault.decided > 0 && fault.len > 0 {
        writeln!(out, "  a receiver knows after {}", count(fault.decided, "byte"))?;
    }
    if let Some(hint) = &fault.hint {
        writeln!(out, "  {hint}")?;
    }
    if !bytes.is_empty() {
        write_around(fault, bytes, out)?;
    }
    Ok(())
}

/// The bytes around the fault, which is underlined: as text where the line of
/// version 1 is one, else in hex.
fn write_around(fault: &Fault, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let first = fault.at.saturating_sub(AROUND);
    let end = fault.at + fault.len;
    let last = end.saturating_add(AROUND).min(bytes.len());
    let slice = |from: usize, to: usize| bytes.get(from..to.min(bytes.len())).unwrap_or(&[]);
    let is_text = bytes.first().is_some_and(|byte| byte.is_ascii_graphic());
    let show = |bytes: &[u8]| match is_text {
        true => escaped(bytes).trim_matches('"').to_owned(),
        false => bytes.iter().map(|byte| format!("{byte:02x} ")).collect(),
    };
    let before = show(slice(first, fault.at));
    let marked = show(slice(fault.at, end.min(fault.at + SHOWN)));
    let behind = show(slice(end.min(fault.at + SHOWN), last));
    let dots = if first > 0 { ".. " } else { "" };
    let more = if last < bytes.len() { ".." } else { "" };
    let blank = " ".repeat(dots.len() + before.len());
    let line = "^".repeat(marked.trim_end().len().max(1));
    writeln!(out, "\n    {}", format!("{dots}{before}{marked}{behind}{more}").trim_end())?;
    writeln!(out, "    {blank}{line}")
}

fn write_notes(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Some(header) = report.header else { return Ok(()) };
    if header.checksum_verified() {
        writeln!(out, "\nThe CRC32c is right.")?;
    }
    if report.payload().is_some_and(another_header) {
        writeln!(
            out,
            "\nAnother PROXY header follows: does each of two load balancers in a row add one?"
        )?;
    }
    let usual = realpeer::Limits::default().max_header;
    if u32::try_from(header.len()).is_ok_and(|len| len > usual && len <= MAX_HEADER) {
        writeln!(out, "\nReceivers refuse it unless they allow more than {usual} bytes.")?;
    }
    Ok(())
}
