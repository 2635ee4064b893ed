//! docs/senders.md

use std::fmt::Write;

use realpeer_e2e::senders::{Place, ROWS, Row, Sender, Tlv, Wanted, Whose};

/// What stands before the tables.
const INTRODUCTION: &str = include_str!("introduction.md");

/// Versions change with the system, and are not what is tested.
pub const VERSIONS: &str = "\n## Versions\n\n";

pub fn document() -> String {
    let mut text = INTRODUCTION.to_owned();
    let tried: usize = ROWS.iter().map(|row| row.places.len()).sum();
    line(
        &mut text,
        &format!(
            "\n## What came of it\n\n{} senders in {} ways, {tried} trials.\n\n\
             | sender | told to, or visited how | header | result | client | TLVs | tried at |\n\
             |---|---|---|---|---|---|---|",
            senders().len(),
            ROWS.len()
        ),
    );
    for row in ROWS {
        line(&mut text, &table_line(row));
    }
    text.push_str(VERSIONS);
    line(&mut text, "| sender | version |\n|---|---|");
    for sender in senders().into_iter().filter(|sender| sender.is_program()) {
        let version = sender.version().unwrap_or_else(|| "not here".into());
        // nginx has it in its name.
        if !sender.name().ends_with(&version) {
            line(&mut text, &format!("| {} | {version} |", sender.name()));
        }
    }
    text
}

/// All of them, in the order of the table.
pub fn senders() -> Vec<Sender> {
    let mut senders: Vec<_> = ROWS.iter().map(|row| row.sender).collect();
    senders.dedup();
    senders
}

fn table_line(row: &Row) -> String {
    let (sender, how, places) = (row.sender.name(), row.how, places(row.places));
    let (header, result, client, tlvs) = match row.wanted {
        Wanted::Quiet => ("", "quiet".to_owned(), "", String::new()),
        Wanted::Refused(result) => ("wrong", format!("refused, `{result}`"), "", String::new()),
        Wanted::Read(read) => {
            let header = match read.version {
                None => "none",
                Some("1") => "version 1",
                Some(_) => "version 2",
            };
            let client = match read.client {
                Whose::Visitors => "the visitor",
                Whose::SendersNamed => "the sender, by its header",
                Whose::Senders => "the sender",
            };
            let tlvs: Vec<_> = read.tlvs.iter().map(|(name, value)| tlv(name, *value)).collect();
            (header, format!("`{}`", read.result), client, tlvs.join(", "))
        }
    };
    format!("| {sender} | {how} | {header} | {result} | {client} | {tlvs} | {places} |")
}

fn tlv(name: &str, value: Tlv) -> String {
    match value {
        Tlv::Is(value) => format!("`{name}` `{value}`"),
        Tlv::Long(_) | Tlv::Some => format!("`{name}`"),
    }
}

/// Both versions of nginx are always tried.
fn places(places: &[Place]) -> String {
    let names: Vec<_> = places
        .iter()
        .filter(|place| !place.is_older_nginx())
        .map(|place| place.name().replace(" 1.28.3", ""))
        .collect();
    names.join("; ")
}

fn line(text: &mut String, content: &str) {
    writeln!(text, "{content}").expect("memory");
}
