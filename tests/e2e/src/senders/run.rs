//! Runs a row of the table before one server.

use super::place::Place;
use super::table::Row;
use super::wanted::Wanted;

/// What is wrong; nothing, if all is right.
///
/// # Panics
/// Where a sender cannot be started or nothing comes of it.
pub fn run(row: &Row, place: Place) -> Vec<String> {
    let mut receiver = place.start();
    let visited = (row.visit)(&receiver, row.words);
    // A server that ends writes down what it has in hand, so it need not be
    // waited for; but Apache's children are made to end.
    match row.wanted {
        Wanted::Read(_) => receiver.wait_for(1),
        Wanted::Refused(_) => receiver.wait_for_refusal(),
        Wanted::Quiet => {}
    }
    let mut faults = receiver.complaints();
    let seen = receiver.seen();
    match row.wanted {
        Wanted::Read(wanted) => {
            for seen in &seen {
                faults.extend(wanted.faults(&visited, seen));
            }
        }
        Wanted::Refused(result) => {
            // It tries again, and may be ended before it has sent anything.
            let right =
                |line: &str, result| line.contains(&format!("realpeer: refused {result} ("));
            faults.retain(|line| !right(line, result) && !right(line, "silent"));
            faults.extend(seen.iter().map(|seen| format!("served: {seen:?}")));
        }
        Wanted::Quiet => faults.extend(seen.iter().map(|seen| format!("a request: {seen:?}"))),
    }
    faults
}
