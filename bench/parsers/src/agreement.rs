//! Who does the job, and who does it wrong.

use std::panic::catch_unwind;

use realpeer_testdata::{Vector, vectors};

use crate::rows::Row;
use crate::{Contender, Verdict};

/// What a contender makes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// All answers are right, and what is spoilt is refused.
    All,
    /// All answers are right, but the checksum or the TLVs are not looked at.
    WithoutLooking,
    /// So many answers are wrong.
    Wrong(usize),
}

#[must_use]
pub fn does(contender: &Contender, row: &Row) -> Does {
    let wrong = row.cases.iter().filter(|case| contender.verdict(&case.bytes) != case.verdict);
    match wrong.count() {
        0 => match &row.spoilt {
            Some(spoilt) if contender.verdict(spoilt) != Verdict::Refused => Does::WithoutLooking,
            _ => Does::All,
        },
        wrong => Does::Wrong(wrong),
    }
}

/// How a contender judges the vectors of the tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Strictness {
    /// Vectors that are to be refused, and that it accepts or wants more of.
    pub accepts: usize,
    pub to_refuse: usize,
    /// Valid headers that it refuses.
    pub refuses: usize,
    /// Valid headers of which it gives another length or another address.
    pub mistakes: usize,
    pub to_accept: usize,
    /// Beginnings of headers that it does not take for that.
    pub impatient: usize,
    pub partial: usize,
    /// Vectors at which it ends the program.
    pub panics: usize,
}

/// # Panics
/// Where there are no vectors.
#[must_use]
pub fn strictness(contender: &Contender) -> Strictness {
    let mut sum = Strictness::default();
    for vector in vectors().iter().filter(|vector| by_default(vector)) {
        let verdict = catch_unwind(|| contender.verdict(&vector.bytes));
        let Ok(verdict) = verdict else {
            sum.panics += 1;
            continue;
        };
        if vector.is_accepted() {
            sum.to_accept += 1;
            match verdict {
                Verdict::Header { len, addresses } => {
                    sum.mistakes += usize::from(len != vector.at || addresses != expected(vector));
                }
                Verdict::Refused | Verdict::More => sum.refuses += 1,
            }
        } else if vector.is_refused() {
            sum.to_refuse += 1;
            sum.accepts += usize::from(matches!(verdict, Verdict::Header { .. }));
        } else {
            sum.partial += 1;
            sum.impatient += usize::from(verdict != Verdict::More);
        }
    }
    sum
}

/// Whether it is about the bytes, and not about a limit that was set.
fn by_default(vector: &Vector) -> bool {
    vector.versions.len() == 2 && !["too_long", "version_disallowed"].contains(&&*vector.expect)
}

fn expected(vector: &Vector) -> Option<crate::Pair> {
    vector.source.zip(vector.destination)
}
