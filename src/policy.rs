//! What is made of connections, in five words.
#![forbid(unsafe_code)]

use core::ffi::CStr;

use crate::outcome::text_of;

/// What is made of connections from a source.
///
/// # Examples
/// ```
/// use realpeer::Policy;
///
/// assert_eq!(Policy::from_name(b"require"), Some(Policy::Require));
/// assert_eq!(Policy::Require.name(), "require");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Policy {
    /// A valid header must come; its address replaces the peer's.
    Require = 1,
    /// A header may come. Breaks the rule not to guess (section 2): a trusted
    /// proxy that forgets the header lets its client write one.
    Optional = 2,
    /// A header may come and is thrown away.
    Strip = 3,
    /// No header is looked for; not a byte is read.
    Direct = 4,
    /// The connection is closed before a byte is read.
    Refuse = 5,
}

impl Policy {
    /// Every policy.
    ///
    /// ```
    /// let words: Vec<_> = realpeer::Policy::ALL.iter().map(|policy| policy.name()).collect();
    /// assert_eq!(words, ["require", "optional", "strip", "direct", "refuse"]);
    /// ```
    pub const ALL: [Policy; 5] =
        [Policy::Require, Policy::Optional, Policy::Strip, Policy::Direct, Policy::Refuse];

    /// Its word in configuration files and variables.
    ///
    /// ```
    /// assert_eq!(realpeer::Policy::Strip.name(), "strip");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        text_of(self.c_name())
    }

    pub(crate) const fn c_name(self) -> &'static CStr {
        match self {
            Policy::Require => c"require",
            Policy::Optional => c"optional",
            Policy::Strip => c"strip",
            Policy::Direct => c"direct",
            Policy::Refuse => c"refuse",
        }
    }

    /// The policy of this word.
    ///
    /// ```
    /// use realpeer::Policy;
    ///
    /// assert_eq!(Policy::from_name(b"direct"), Some(Policy::Direct));
    /// assert_eq!(Policy::from_name(b"believe"), None);
    /// ```
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Policy> {
        Policy::ALL.into_iter().find(|policy| policy.name().as_bytes() == name)
    }

    /// The policy with this number.
    ///
    /// ```
    /// use realpeer::Policy;
    ///
    /// assert_eq!(Policy::from_number(Policy::Strip as i32), Some(Policy::Strip));
    /// assert_eq!(Policy::from_number(0), None);
    /// ```
    #[must_use]
    pub fn from_number(number: i32) -> Option<Policy> {
        Policy::ALL.into_iter().find(|&policy| policy as i32 == number)
    }

    /// Whether the first bytes of the connection have to be read for it.
    ///
    /// ```
    /// use realpeer::Policy;
    ///
    /// assert!(Policy::Optional.reads());
    /// assert!(!Policy::Direct.reads());
    /// ```
    #[must_use]
    pub const fn reads(self) -> bool {
        matches!(self, Policy::Require | Policy::Optional | Policy::Strip)
    }
}
