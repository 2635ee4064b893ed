//! How many lines of the log refusals may take, so that a flood of them cannot
//! fill a disk.
#![forbid(unsafe_code)]

use core::ffi::CStr;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::outcome::{Outcome, text_of};

/// How many lines about one result and listener there may be: one every so many
/// milliseconds, and some more at once after a time with none.
///
/// # Examples
/// ```
/// use realpeer::LogRate;
///
/// assert_eq!(LogRate::parse("10r/s", None), Ok(LogRate::default()));
/// assert_eq!(LogRate::parse("10r/s", Some("burst=100")), Ok(LogRate::default()));
/// assert_eq!(LogRate::parse("off", None), Ok(LogRate::OFF));
/// assert!(LogRate::parse("30r/m", None).is_ok());
/// assert!(LogRate::parse("10", None).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRate {
    /// Milliseconds from one line to the next; 0: as many as come.
    interval: u32,
    /// So many may come at once.
    burst: u32,
}

impl LogRate {
    /// No limit: a line for each.
    pub const OFF: LogRate = LogRate { interval: 0, burst: 0 };

    const DEFAULT: LogRate = LogRate { interval: 100, burst: 100 };
    const MOST_BURST: u32 = 10_000;

    /// The limit as it stands in a configuration: `10r/s`, `30r/m` (refusals in a
    /// second, in a minute) or `off`, and `burst=100` behind a rate.
    ///
    /// # Errors
    /// The one of the two that is not of this form, or too large.
    pub fn parse(rate: &str, burst: Option<&str>) -> Result<LogRate, LogRateError> {
        let interval =
            if rate == "off" { 0 } else { interval(rate).ok_or(LogRateError::BadRate)? };
        let burst = match burst {
            None if interval == 0 => 0,
            None => Self::DEFAULT.burst,
            // Where there is no limit, there is nothing to exceed.
            Some(_) if interval == 0 => return Err(LogRateError::BadBurst),
            Some(word) => word
                .strip_prefix("burst=")
                .and_then(number)
                .filter(|burst| *burst <= Self::MOST_BURST)
                .ok_or(LogRateError::BadBurst)?,
        };
        Ok(LogRate { interval, burst })
    }

    /// From the numbers that C keeps; an interval of 0 is [`LogRate::OFF`].
    #[cfg(feature = "ffi")]
    pub(crate) const fn new(interval: u32, burst: u32) -> LogRate {
        // What is larger than what is parsed would not fit the clock.
        let interval = if interval > MINUTE { MINUTE } else { interval };
        let burst = if burst > Self::MOST_BURST { Self::MOST_BURST } else { burst };
        LogRate { interval, burst }
    }

    /// Milliseconds from one line to the next; 0 where there is no limit.
    #[must_use]
    pub const fn interval(self) -> u32 {
        self.interval
    }

    /// So many may come at once.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// How far ahead of the clock the lines may be: all but one of a burst.
    const fn ahead(self) -> u32 {
        self.interval.saturating_mul(self.burst.saturating_sub(1))
    }
}

impl Default for LogRate {
    /// 10 lines in a second, 100 at once.
    fn default() -> Self {
        Self::DEFAULT
    }
}

const MINUTE: u32 = 60_000;

/// Milliseconds from one to the next, rounded up: never more than what was said.
fn interval(rate: &str) -> Option<u32> {
    let (count, span) = match rate.strip_suffix("r/s") {
        Some(count) => (count, 1000),
        None => (rate.strip_suffix("r/m")?, MINUTE),
    };
    // One in a millisecond is the most.
    let count = number(count).filter(|count| *count <= span)?;
    span.checked_add(count)?.checked_sub(1)?.checked_div(count)
}

/// More than nothing, without a sign.
fn number(text: &str) -> Option<u32> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && *number > 0)
}

/// Why a text is no [`LogRate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogRateError {
    /// Not such as `10r/s`, or out of range.
    BadRate,
    /// Not such as `burst=100`, out of range, or behind `off`.
    BadBurst,
}

impl LogRateError {
    pub(crate) const fn c_text(self) -> &'static CStr {
        match self {
            LogRateError::BadRate => c"it must be \"off\" or from \"1r/m\" to \"1000r/s\"",
            LogRateError::BadBurst => {
                c"it must be \"burst=\" with 1 to 10000, and not behind \"off\""
            }
        }
    }
}

impl fmt::Display for LogRateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(text_of(self.c_text()))
    }
}

impl core::error::Error for LogRateError {}

/// The results that have a limit of their own. Refusals are numbered from -1
/// downwards; the first place is that of [`Outcome::NoAddress`] where that is
/// refused.
const RESULTS: usize = 16;
/// The last place, which no result has, is that of lines about a second header.
const ANOTHER_HEADER: usize = RESULTS - 1;

const _: () = assert!((Outcome::Silent as i32).unsigned_abs() < 15);

/// What a listener's refusals have taken of the log. Zeroes are a new one.
///
/// May be in memory that threads or processes share: each refusal is counted once,
/// either as a line to be written or as one that was held back, and each count of
/// what was held back is given to one of them.
///
/// # Examples
/// ```
/// use realpeer::{LogLimit, LogRate, Logged, Outcome};
///
/// let (limit, rate) = (LogLimit::default(), LogRate::parse("1r/s", Some("burst=1")).unwrap());
/// assert_eq!(limit.refused(rate, Outcome::BadV1, 0), Logged::Line { held_back: 0 });
/// assert_eq!(limit.refused(rate, Outcome::BadV1, 10), Logged::HeldBack);
/// assert_eq!(limit.refused(rate, Outcome::Timeout, 20), Logged::Line { held_back: 0 });
/// assert_eq!(limit.refused(rate, Outcome::BadV1, 1000), Logged::Line { held_back: 1 });
/// ```
#[derive(Debug, Default)]
#[repr(C)]
pub struct LogLimit {
    loud: [Lines; RESULTS],
    /// Those that are nothing for an error log, and take no line from the others.
    quiet: [Lines; RESULTS],
}

#[derive(Debug, Default)]
#[repr(C)]
struct Lines {
    /// The millisecond at which the lines written so far would have come, had they
    /// kept to the rate; of a clock that begins anew after 2^32 of them.
    at: AtomicU32,
    held_back: AtomicU32,
}

/// What becomes of the line of a refused connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logged {
    /// It is written, and before it how many were held back until now, if any.
    Line {
        /// Since this was said last, of the same result and listener.
        held_back: u32,
    },
    /// It is not written, but counted.
    HeldBack,
}

/// What there is to say of lines that were held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBack {
    /// A line that says so is to be written.
    Lines {
        /// Why they were refused.
        result: Outcome,
        /// Whether they were [quiet](crate::Rule::is_quiet), as the line is to be.
        quiet: bool,
        /// How many, since this was said last.
        lines: u32,
    },
    /// There is something to say, and no room for a line yet.
    Later,
    /// There is nothing.
    Nothing,
}

/// Of those that share the first place, one is a refusal.
fn refusal(result: Outcome) -> Outcome {
    if result as i32 >= 0 { Outcome::NoAddress } else { result }
}

impl LogLimit {
    /// A connection was refused; `now` are milliseconds of any clock that is the
    /// same for all who share this.
    #[must_use]
    pub fn refused(&self, rate: LogRate, result: Outcome, now: u64) -> Logged {
        self.take(rate, result, result.is_quiet(), now)
    }

    /// The same where the [rule](crate::Rule::is_quiet) has said that it is ordinary. It
    /// takes no line from refusals with the same result that are not.
    ///
    /// ```
    /// use realpeer::{LogLimit, LogRate, Logged, Outcome};
    ///
    /// let (limit, rate) = (LogLimit::default(), LogRate::parse("1r/m", Some("burst=1")).unwrap());
    /// let line = Logged::Line { held_back: 0 };
    /// assert_eq!(limit.refused_quietly(rate, Outcome::NoHeader, 0), line);
    /// assert_eq!(limit.refused_quietly(rate, Outcome::NoHeader, 0), Logged::HeldBack);
    /// assert_eq!(limit.refused(rate, Outcome::NoHeader, 0), line);
    /// ```
    #[must_use]
    pub fn refused_quietly(&self, rate: LogRate, result: Outcome, now: u64) -> Logged {
        self.take(rate, result, true, now)
    }

    /// Another header follows that of an accepted connection
    /// ([`another_header`](crate::another_header)): these have a limit of their own. How
    /// many were held back, the next of these lines says.
    ///
    /// ```
    /// use realpeer::{LogLimit, LogRate, Logged};
    ///
    /// let (limit, rate) = (LogLimit::default(), LogRate::parse("1r/s", Some("burst=1")).unwrap());
    /// assert_eq!(limit.another_header(rate, 0), Logged::Line { held_back: 0 });
    /// assert_eq!(limit.another_header(rate, 10), Logged::HeldBack);
    /// assert_eq!(limit.another_header(rate, 2000), Logged::Line { held_back: 1 });
    /// ```
    #[must_use]
    pub fn another_header(&self, rate: LogRate, now: u64) -> Logged {
        Self::line(self.loud.get(ANOTHER_HEADER), rate, now)
    }

    fn take(&self, rate: LogRate, result: Outcome, quiet: bool, now: u64) -> Logged {
        Self::line(self.of(result, quiet), rate, now)
    }

    fn line(lines: Option<&Lines>, rate: LogRate, now: u64) -> Logged {
        let Some(lines) = lines else { return Logged::Line { held_back: 0 } };
        if rate.interval == 0 {
            // Something may have been held back before, under another rate.
            return Logged::Line { held_back: lines.take_held_back() };
        }
        if !lines.take_line(rate, clock(now)) {
            // Not to be overrun: it is taken long before.
            lines.held_back.fetch_add(1, Ordering::Relaxed);
            return Logged::HeldBack;
        }
        Logged::Line { held_back: lines.take_held_back_as_line(rate) }
    }

    /// What there is to say of lines that were held back, one result at a time, to be
    /// asked until there is nothing more. After the end of a flood there may be no
    /// refusal that says it, so this is to be asked now and then; and in the end with
    /// [`LogRate::OFF`], when all of it is to be said.
    #[must_use]
    pub fn held_back(&self, rate: LogRate, now: u64) -> HeldBack {
        let mut answer = HeldBack::Nothing;
        let both = [false, true].into_iter();
        for (quiet, &result) in
            both.flat_map(|quiet| Outcome::ALL.iter().map(move |it| (quiet, it)))
        {
            let Some(lines) = self.of(result, quiet) else { continue };
            if lines.held_back.load(Ordering::Relaxed) == 0 {
                continue;
            }
            if rate.interval != 0 && lines.ahead_of(clock(now), rate) > rate.ahead() {
                answer = HeldBack::Later;
                continue;
            }
            // Somebody else may have been quicker.
            let lines = lines.take_held_back_as_line(rate);
            if lines > 0 {
                return HeldBack::Lines { result: refusal(result), quiet, lines };
            }
        }
        answer
    }

    fn of(&self, result: Outcome, quiet: bool) -> Option<&Lines> {
        let number = (result as i32).min(0).unsigned_abs();
        let results = if quiet { &self.quiet } else { &self.loud };
        results.get(usize::try_from(number).ok()?)
    }
}

impl Lines {
    /// Takes the time of a line, unless the lines are too far ahead already.
    fn take_line(&self, rate: LogRate, now: u32) -> bool {
        let mut seen = self.at.load(Ordering::Relaxed);
        loop {
            let ahead = ahead(seen, now, rate);
            if ahead > rate.ahead() {
                return false;
            }
            // Zero is that of a new one.
            let next = now.wrapping_add(ahead).wrapping_add(rate.interval).max(1);
            match self.at.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => seen = other,
            }
        }
    }

    fn ahead_of(&self, now: u32, rate: LogRate) -> u32 {
        ahead(self.at.load(Ordering::Relaxed), now, rate)
    }

    fn take_held_back(&self) -> u32 {
        if self.held_back.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        self.held_back.swap(0, Ordering::Relaxed)
    }

    /// The line that says so counts, too.
    fn take_held_back_as_line(&self, rate: LogRate) -> u32 {
        let held_back = self.take_held_back();
        if held_back > 0 {
            self.at.fetch_add(rate.interval, Ordering::Relaxed);
        }
        held_back
    }
}

/// How far `at` is ahead of the clock. What is behind is no debt; nor is what is so
/// far ahead that it must be from before the clock began anew, or was set.
fn ahead(at: u32, now: u32, rate: LogRate) -> u32 {
    /// Clocks that are looked at once in a while differ by less.
    const SLACK: u32 = 10_000;
    let ahead = at.wrapping_sub(now);
    let most = rate.ahead().saturating_add(rate.interval.saturating_mul(2)).saturating_add(SLACK);
    if at == 0 || ahead > most { 0 } else { ahead }
}

/// The low half: 49 days.
fn clock(now: u64) -> u32 {
    u32::try_from(now & u64::from(u32::MAX)).unwrap_or(0)
}
