//! Tables, such that they are read in a terminal and in a document.

/// Lines of Markdown, the first column to the left and all others to the right.
#[must_use]
pub fn markdown(head: &[String], lines: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = std::iter::once(head).chain(lines.iter().map(Vec::as_slice));
        cells.map(|line| line.get(column).map_or(0, |cell| cell.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let cell = |(column, cell): (usize, &String)| {
            let width = widths[column];
            if column == 0 { format!("| {cell:<width$} ") } else { format!("| {cell:>width$} ") }
        };
        cells.iter().enumerate().map(cell).collect::<String>() + "|\n"
    };
    let rule = |(column, &width): (usize, &usize)| {
        let dashes = "-".repeat(width + 1);
        if column == 0 { format!("|{dashes}-") } else { format!("|{dashes}:") }
    };
    let rule = widths.iter().enumerate().map(rule).collect::<String>() + "|\n";
    line(head) + &rule + &lines.iter().map(|cells| line(cells)).collect::<String>()
}

/// Nanoseconds and counts: three digits are what can be told apart.
#[must_use]
pub fn number(value: f64) -> String {
    let value = value.max(0.0);
    if value < 9.95 {
        format!("{value:.1}")
    } else {
        let digits: String = format!("{value:.0}");
        let first = digits.len() % 3;
        let group = |(i, digit): (usize, char)| {
            let comma = i > 0 && (i + 3 - first) % 3 == 0;
            if comma { format!(",{digit}") } else { digit.to_string() }
        };
        digits.chars().enumerate().map(group).collect()
    }
}
