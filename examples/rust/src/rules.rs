//! Rules, as they stand on a command line.

use std::fmt;

use realpeer::{Duplicate, Policy, Rule, RuleError, Rules};

/// Why they are none.
#[derive(Debug)]
pub enum BadRules {
    /// No source follows a policy, or there is no rule at all.
    Missing,
    /// Not one of the five words.
    Policy(String),
    /// A source that is none.
    Source(String, RuleError),
    /// The same source twice.
    Duplicate(Duplicate),
}

/// `POLICY SOURCE [POLICY SOURCE ...]`, to be kept as long as the program runs.
///
/// # Errors
/// [`BadRules`] says what is wrong.
pub fn rules(mut words: impl Iterator<Item = String>) -> Result<Rules<'static>, BadRules> {
    let mut list = Vec::new();
    while let Some(word) = words.next() {
        let policy = Policy::from_name(word.as_bytes()).ok_or(BadRules::Policy(word))?;
        let source = words.next().ok_or(BadRules::Missing)?;
        match Rule::parse(&source, policy, 0) {
            Ok((rule, _)) => list.push(rule),
            Err(error) => return Err(BadRules::Source(source, error)),
        }
    }
    if list.is_empty() {
        return Err(BadRules::Missing);
    }
    // Made once and never changed, so that all threads may look into them.
    Rules::prepare(list.leak()).map_err(BadRules::Duplicate)
}

impl fmt::Display for BadRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadRules::Missing => f.write_str("each policy wants a source"),
            BadRules::Policy(word) => write!(f, "{word} is no policy"),
            BadRules::Source(source, error) => write!(f, "{source}: {error}"),
            BadRules::Duplicate(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BadRules {}
