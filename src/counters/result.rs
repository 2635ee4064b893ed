//! Where each result is counted.
#![forbid(unsafe_code)]

use super::layout::RESULTS;
use crate::outcome::Outcome;

/// What was done with a connection, in the word that all formats have for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    Accepted,
    Passed,
    Refused,
}

impl Done {
    pub(crate) const ALL: [Done; 3] = [Done::Accepted, Done::Passed, Done::Refused];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Done::Accepted => "accepted",
            Done::Passed => "passed",
            Done::Refused => "refused",
        }
    }
}

/// A result, with what was done: a header without an address is accepted here and
/// refused there, by the same word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) done: Done,
    pub(crate) outcome: Outcome,
}

impl Kind {
    /// All there can be, in the order of the documentation.
    pub(crate) fn all() -> impl Iterator<Item = Kind> {
        Done::ALL.into_iter().flat_map(|done| {
            let outcomes = Outcome::ALL.iter().copied();
            outcomes.map(move |outcome| Kind { done, outcome }).filter(|kind| kind.can_be())
        })
    }

    fn can_be(self) -> bool {
        let usual = match self.outcome {
            Outcome::More => return false,
            Outcome::Proxy | Outcome::Local | Outcome::NoAddress => Done::Accepted,
            Outcome::Direct | Outcome::Absent | Outcome::Stripped => Done::Passed,
            _ => Done::Refused,
        };
        let refusable = matches!(self.outcome, Outcome::NoAddress) && self.done == Done::Refused;
        self.done == usual || refusable
    }

    /// Its place among the counters: those that go on by their number from 0, the
    /// same refused from 8, all that is always refused from 16.
    pub(crate) fn place(self) -> Option<usize> {
        let number = self.outcome as i32;
        let place = match number {
            1..=8 if self.done == Done::Refused => number.saturating_add(7),
            1..=8 => number.saturating_sub(1),
            ..=-1 => 15_i32.saturating_sub(number),
            _ => return None,
        };
        usize::try_from(place).ok().filter(|&place| place < RESULTS)
    }
}
