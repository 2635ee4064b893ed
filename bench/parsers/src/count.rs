//! Instructions, and branches that a simple predictor misses, counted by callgrind:
//! the same each time, whatever else the machine does.

use std::collections::HashMap;
use std::ffi::{CString, c_char};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs, io};

use crate::contenders::{contenders, nobody};
use crate::rows::{Row, rows};
use crate::timing::{inputs, run};
use crate::{Contender, Place};

unsafe extern "C" {
    fn bench_count_from_here();
    fn bench_count_to_here(name: *const c_char);
}

/// Per header.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count {
    pub instructions: f64,
    /// Conditional and indirect branches that are not foreseen.
    pub missed: f64,
}

/// Calls this program again under valgrind. The counts, by row and contender.
///
/// # Errors
/// Where valgrind is missing or has nothing to say.
pub fn count(folder: &Path) -> io::Result<HashMap<(String, String), Count>> {
    fs::create_dir_all(folder)?;
    let status = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--branch-sim=yes"])
        .arg(format!("--callgrind-out-file={}/out", folder.display()))
        .arg(env::current_exe()?)
        .arg("counted")
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(io::Error::other(format!("valgrind: {status}")));
    }
    let mut counts = HashMap::new();
    for entry in fs::read_dir(folder)? {
        if let Some((name, count)) = read(&fs::read_to_string(entry?.path())?) {
            counts.insert(name, count);
        }
    }
    let nobody = nobody().name.to_owned();
    let all = counts.clone();
    for ((row, _), count) in &mut counts {
        if let Some(calling) = all.get(&(row.clone(), nobody.clone())) {
            count.instructions -= calling.instructions;
            count.missed -= calling.missed;
        }
    }
    Ok(counts)
}

/// One of callgrind's files.
fn read(text: &str) -> Option<((String, String), Count)> {
    let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
    let name = line("desc: Trigger: Client Request: ")?;
    let mut name = name.split('/').map(str::to_owned);
    let (row, contender, headers) = (name.next()?, name.next()?, name.next()?);
    let headers: f64 = headers.trim().parse().ok()?;
    let events = line("events: ")?.split_whitespace();
    let totals = line("totals: ").or_else(|| line("summary: "))?.split_whitespace();
    let mut count = Count::default();
    for (event, total) in events.zip(totals) {
        let total = total.parse::<f64>().ok()? / headers;
        match event {
            "Ir" => count.instructions = total,
            "Bcm" | "Bim" => count.missed += total,
            _ => {}
        }
    }
    Some(((row, contender), count))
}

/// What runs under valgrind.
pub fn counted() {
    let contenders: Vec<Contender> = contenders().into_iter().chain([nobody()]).collect();
    for row in rows() {
        for contender in &contenders {
            counted_row(contender, &row);
        }
    }
}

fn counted_row(contender: &Contender, row: &Row) {
    let inputs = inputs(row);
    let few = inputs.len().min(4_096);
    let name = format!("{}/{}/{few}", row.name, contender.name);
    let name = CString::new(name).unwrap_or_default();
    let mut place = Place::default();
    // What is only done once, such as asking the processor for what it can do.
    run(contender, &inputs[..few.min(64)], &mut place);
    // SAFETY: requests to valgrind, and nothing where there is none.
    unsafe { bench_count_from_here() };
    run(contender, &inputs[..few], &mut place);
    unsafe { bench_count_to_here(name.as_ptr()) };
}
