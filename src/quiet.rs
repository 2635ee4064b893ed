//! Refusals that are ordinary for a source, and nothing for the error log.
#![forbid(unsafe_code)]

use core::ffi::CStr;
use core::fmt;

use crate::outcome::{Outcome, text_of};
use crate::policy::Policy;

/// Why a text is no list of results that are quiet for a source.
///
/// ```
/// use realpeer::{Policy, QuietError, Rule};
///
/// let rule = Rule::parse("10.0.0.0/24", Policy::Require, 0)?.0;
/// assert_eq!(rule.with_quiet("quiet=proxy"), Err(QuietError::BadResult));
/// // A source that no rule allows has another rule, or none.
/// assert_eq!(rule.with_quiet("quiet=untrusted"), Err(QuietError::NeverRefused));
/// # Ok::<(), realpeer::RuleError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QuietError {
    /// Not `quiet=` and words of results that refuse, each once.
    BadResult,
    /// The policy of the rule refuses nothing for one of these reasons.
    NeverRefused,
}

impl QuietError {
    pub(crate) const fn c_text(self) -> &'static CStr {
        match self {
            QuietError::BadResult => {
                c"it must be \"quiet=\" with results that refuse, each once, such as \"no_header,timeout\""
            }
            QuietError::NeverRefused => {
                c"this policy never refuses a connection with one of these results"
            }
        }
    }
}

impl fmt::Display for QuietError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(text_of(self.c_text()))
    }
}

impl core::error::Error for QuietError {}

/// Reads `quiet=no_header,timeout`, for a rule with this policy: a bit for each of
/// the results.
pub(crate) fn parse(parameter: &str, policy: Policy) -> Result<u32, QuietError> {
    let words = parameter.strip_prefix("quiet=").ok_or(QuietError::BadResult)?;
    let mut results = 0;
    for word in words.split(',') {
        let mut refusals = Outcome::ALL.iter().copied().filter(|outcome| bit(*outcome) != 0);
        let refusal = refusals.find(|outcome| outcome.name() == word);
        let refusal = refusal.ok_or(QuietError::BadResult)?;
        if results & bit(refusal) != 0 {
            return Err(QuietError::BadResult);
        }
        if !refuses_with(policy, refusal) {
            return Err(QuietError::NeverRefused);
        }
        results |= bit(refusal);
    }
    Ok(results)
}

/// The bit of a result that refuses, by its number; 0 for any other.
/// [`Outcome::NoAddress`] refuses where the settings say so, and has the first.
pub(crate) fn bit(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::NoAddress => 1,
        outcome if (outcome as i32) < 0 => {
            1_u32.checked_shl((outcome as i32).unsigned_abs()).unwrap_or(0)
        }
        _ => 0,
    }
}

/// Whether [`decide`](crate::decide) can refuse a connection with this result.
fn refuses_with(policy: Policy, refusal: Outcome) -> bool {
    match policy {
        Policy::Direct => false,
        Policy::Refuse => refusal == Outcome::Untrusted,
        Policy::Require => refusal != Outcome::Untrusted,
        Policy::Optional | Policy::Strip => match refusal {
            Outcome::Untrusted | Outcome::NoHeader | Outcome::Silent => false,
            Outcome::NoAddress => policy == Policy::Optional,
            _ => true,
        },
    }
}
