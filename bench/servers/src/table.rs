//! Tables, as Markdown has them.

use crate::measure::Spread;

/// Prints the head of a table.
pub(crate) fn head(title: &str, columns: &[&str]) {
    println!("\n{title}\n");
    println!("| {} |", columns.join(" | "));
    // Names to the left, numbers to the right.
    let line = columns.iter().enumerate().map(|(n, _)| if n == 0 { "---" } else { "---:" });
    let line: Vec<_> = line.collect();
    println!("|{}|", line.join("|"));
}

pub(crate) fn row(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

/// With as many digits as say something.
pub(crate) fn digits(n: f64) -> String {
    match n.abs() {
        size if size >= 1000.0 => grouped(n),
        size if size >= 100.0 => format!("{n:.0}"),
        size if size >= 10.0 => format!("{n:.1}"),
        _ => format!("{n:.2}"),
    }
}

/// 12,345.
fn grouped(n: f64) -> String {
    let digits = format!("{n:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", &digits[..]), |rest| ("-", rest));
    let first = digits.len() % 3;
    let (head, rest) = digits.split_at(first);
    let groups = rest.as_bytes().chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    let all: Vec<_> =
        (!head.is_empty()).then(|| head.to_owned()).into_iter().chain(groups).collect();
    format!("{sign}{}", all.join(","))
}

/// The middle, and from where to where.
pub(crate) fn spread(values: Spread) -> String {
    format!("{} ({}-{})", digits(values.middle), digits(values.least), digits(values.most))
}
