//! A test for each sender, each way of it and each server: the table is in
//! src/senders/table.rs.

use libtest_mimic::{Arguments, Failed, Trial};
use realpeer_e2e::senders::{Place, ROWS, Row, run};

fn main() {
    let trials = ROWS.iter().flat_map(|row| {
        let missing = row.sender.missing();
        row.places.iter().map(move |place| trial(row, *place, missing.as_deref()))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
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

fn identifier(name: &str) -> String {
    name.replace(", ", "_").replace([' ', '.'], "_").to_lowercase()
}
