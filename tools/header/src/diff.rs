//! The lines in which two texts differ.

/// Lines only `old` has begin with `-`, those only `new` has with `+`; a line
/// both have stands before each run of differences, to tell where it is.
pub fn lines<'a>(old: &'a str, new: &'a str) -> Vec<String> {
    let old: Vec<&str> = old.lines().collect();
    let new: Vec<&str> = new.lines().collect();
    let common = common_tails(&old, &new);

    let mut out = Vec::new();
    let (mut i, mut j) = (0, 0);
    let mut before: Option<&str> = None;
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            before = Some(old[i]);
            i += 1;
            j += 1;
            continue;
        }
        if let Some(line) = before.take() {
            out.push(format!("  {line}"));
        }
        if j == new.len() || i < old.len() && common[i + 1][j] >= common[i][j + 1] {
            out.push(format!("- {}", old[i]));
            i += 1;
        } else {
            out.push(format!("+ {}", new[j]));
            j += 1;
        }
    }
    out
}

/// How many lines the rests of both have in common, from each pair of places.
fn common_tails(old: &[&str], new: &[&str]) -> Vec<Vec<u32>> {
    let mut common = vec![vec![0; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn names_what_was_removed_and_added() {
        assert_eq!(lines("a\nb\nc\nd\n", "a\nx\nc\nd\ne\n"), ["  a", "- b", "+ x", "  d", "+ e"]);
    }

    #[test]
    fn finds_nothing_in_equal_texts() {
        assert!(lines("a\nb\n", "a\nb\n").is_empty());
    }
}
