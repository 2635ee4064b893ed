//! The corpora without a fuzzer: what has been found once is checked by any `cargo
//! test`. And the list of differences, of which each must be one.

use std::fs;
use std::path::Path;

use realpeer_fuzz::TARGETS;
use realpeer_fuzz::differential::{differences, explained, unlike};
use realpeer_testdata::bytes;

#[test]
fn corpora() {
    for (target, check) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        let mut inputs: Vec<_> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.expect("an entry").path())
            .collect();
        inputs.sort();
        assert!(inputs.len() > 20, "{target} has {} inputs", inputs.len());
        for input in &inputs {
            // Stays on the screen where the check panics.
            println!("{}", input.display());
            check(&fs::read(input).expect("an input"));
        }
    }
}

/// Each entry has an example that differs as it says, and that no other entry
/// explains: a list that has more than it needs hides findings.
#[test]
fn differences_are_known() {
    for (known, _) in differences() {
        let example = bytes(&known.example);
        for parser in &known.parser {
            let all = unlike(&example);
            let (_, ours, theirs) = all
                .iter()
                .find(|(name, ..)| name == parser)
                .unwrap_or_else(|| panic!("{parser} does not differ: {}", known.why));
            let found = explained(&example, parser, ours, theirs)
                .unwrap_or_else(|| panic!("{parser}, {ours:?}, {theirs:?}: {}", known.why));
            assert_eq!(found.why, known.why, "{parser}");
        }
    }
}
