//! Runs a row of the table before one server.

use super::place::Place;
use super::table::Row;

/// What is wrong; nothing, if all is right.
///
/// # Panics
/// Where a sender cannot be started or nothing comes of it.
pub fn run(row: &Row, place: Place) -> Vec<String> {
    let mut receiver = place.start();
    let visited = (row.visit)(&receiver, row.words);
    if row.wanted.is_some() {
        receiver.wait_for(1);
    }
    // What it is in the middle of saying is not waited for any longer: the
    // sender has ended.
    let mut faults = receiver.complaints();
    let seen = receiver.seen();
    match &row.wanted {
        Some(wanted) => {
            if seen.is_empty() {
                faults.push("nothing was logged".to_owned());
            }
            for seen in &seen {
                faults.extend(wanted.faults(&visited, seen));
            }
        }
        None if seen.is_empty() => {}
        None => faults.push(format!("requests were logged: {seen:?}")),
    }
    faults
}
