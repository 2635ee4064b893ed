//! What valgrind or the sanitizers have written down.

use std::fmt;
use std::fs;
use std::path::Path;

use realpeer_e2e::Watch;

/// Memory that nobody freed, by how sure the tool is: `definitely` and
/// `indirectly` lost, `possibly` lost, `still reachable`. Blocks and bytes, of
/// all processes together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leaks {
    kinds: [(u64, u64); 4],
}

const KINDS: [&str; 4] = ["definitely lost", "indirectly lost", "possibly lost", "still reachable"];

impl Leaks {
    /// Blocks more than there were in a shorter run. Of all kinds together: a
    /// stale pointer somewhere makes a block one kind or another.
    pub fn growth_over(&self, shorter: &Self) -> u64 {
        self.blocks().saturating_sub(shorter.blocks())
    }

    fn blocks(&self) -> u64 {
        self.kinds.iter().map(|(blocks, _)| blocks).sum()
    }
}

impl fmt::Display for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, ((blocks, bytes), kind)) in self.kinds.iter().zip(KINDS).enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{kind} {blocks} ({bytes} bytes)")?;
        }
        Ok(())
    }
}

/// The reports of all processes of one nginx.
#[derive(Debug, Default)]
pub struct Reports {
    /// Each with as much of it as helps.
    pub errors: Vec<String>,
    pub leaks: Leaks,
    /// Where memory leaked, for whoever has to find out.
    pub leak_text: String,
    pub processes: usize,
}

impl Reports {
    /// Reads them when nginx has ended. `logs` is what went to standard error.
    pub fn read(watch: Watch, dir: &Path, logs: &str) -> Self {
        let mut reports = Self::default();
        let files = fs::read_dir(dir.join("reports")).into_iter().flatten().filter_map(Result::ok);
        for file in files {
            let text =
                String::from_utf8_lossy(&fs::read(file.path()).unwrap_or_default()).into_owned();
            let name = file.file_name().to_string_lossy().into_owned();
            reports.processes += 1;
            match watch {
                Watch::Plain => {}
                Watch::Valgrind => reports.add_valgrind(&name, &text),
                Watch::Sanitizers => reports.add_sanitizer(&name, &text),
            }
        }
        let undefined: Vec<_> = logs.lines().filter(|l| l.contains("runtime error:")).collect();
        reports.errors.extend(undefined.into_iter().map(str::to_owned));
        reports
    }

    fn add_valgrind(&mut self, name: &str, text: &str) {
        let lines: Vec<_> =
            text.lines().map(|line| line.split_once("== ").map_or("", |(_, text)| text)).collect();
        let summary = lines.iter().rev().find_map(|line| line.strip_prefix("ERROR SUMMARY: "));
        match summary.and_then(first_number) {
            Some(0) => {}
            Some(_) => self.errors.push(format!("{name}:\n{}", head(&lines))),
            None => self.errors.push(format!("{name} ends without a summary:\n{}", tail(&lines))),
        }
        for (kind, (blocks, bytes)) in KINDS.iter().zip(&mut self.leaks.kinds) {
            // KIND: BYTES bytes in BLOCKS blocks
            let found = lines.iter().find_map(|line| line.trim().strip_prefix(kind));
            let Some((lost, count)) = found.and_then(|rest| rest.split_once(" in ")) else {
                continue;
            };
            *bytes += first_number(lost).unwrap_or_default();
            *blocks += first_number(count).unwrap_or_default();
        }
        let records = lines.iter().skip_while(|line| !line.contains(" in loss record "));
        self.leak_text.extend(records.take(60).flat_map(|line| [line, "\n"]));
    }

    fn add_sanitizer(&mut self, name: &str, text: &str) {
        let lines: Vec<_> = text.lines().collect();
        // SUMMARY: AddressSanitizer: BYTES byte(s) leaked in BLOCKS allocation(s).
        let leaked = lines.iter().rev().find(|line| line.contains(" byte(s) leaked in "));
        if let Some((bytes, blocks)) = leaked.and_then(|line| line.split_once(" leaked in ")) {
            self.leaks.kinds[0].0 += first_number(blocks).unwrap_or_default();
            self.leaks.kinds[0].1 += first_number(bytes).unwrap_or_default();
            self.leak_text.extend(lines.iter().take(60).flat_map(|line| [line, "\n"]));
        }
        if leaked.is_none() || text.contains("ERROR: AddressSanitizer") {
            self.errors.push(format!("{name}:\n{}", head(&lines)));
        }
    }
}

/// The first number in a text, without its commas.
fn first_number(text: &str) -> Option<u64> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let digits = text[start..].chars().take_while(|c| c.is_ascii_digit() || *c == ',');
    digits.filter(|c| *c != ',').collect::<String>().parse().ok()
}

fn head(lines: &[&str]) -> String {
    lines.iter().take(60).flat_map(|line| [*line, "\n"]).collect()
}

fn tail(lines: &[&str]) -> String {
    lines[lines.len().saturating_sub(40)..].join("\n")
}
