//! A test for each sender, each way of it and each server: the table is in
//! src/senders/table.rs.

use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};
use realpeer_e2e::senders::{Place, ROWS, Row, run};

fn main() {
    let trials = ROWS.iter().flat_map(|row| {
        let missing = row.sender.missing();
        row.places.iter().map(move |place| trial(row, *place, missing.as_deref()))
    });
    let document = Trial::test("the_document_is_the_table", document);
    let trials = trials.chain([document]).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// One whose sender cannot be had counts as ignored, and says so.
fn trial(row: &'static Row, place: Place, missing: Option<&str>) -> Trial {
    if let Some(why) = missing {
        eprintln!("skipped: {}, {}: {why}", row.name(), place.name());
    }
    let test = move || {
        let faults = run(row, place);
        if faults.is_empty() { Ok(()) } else { Err(Failed::from(faults.join("\n"))) }
    };
    let name = format!("{}::at_{}", row.name(), identifier(place.name()));
    Trial::test(name, test).with_ignored_flag(missing.is_some())
}

fn document() -> Result<(), Failed> {
    let output = Command::new(env!("CARGO_BIN_EXE_senders")).arg("--check").output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(Failed::from(said)) }
}

fn identifier(name: &str) -> String {
    name.replace(", ", "_").replace('/', "").replace([' ', '.'], "_").to_lowercase()
}
