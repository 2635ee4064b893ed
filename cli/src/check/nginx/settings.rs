//! The directives beside `realpeer` itself, and the values that nginx takes.

use realpeer::{LogRate, MAX_HEADER, MIN_HEADER};

/// One of the directives that set something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Setting {
    Timeout,
    MaxHeader,
    Versions,
    NoAddress,
    LogLimit,
    AccessLog,
}

/// Milliseconds in which a lost packet of the header may not come again.
const SHORT: u64 = 3000;

impl Setting {
    pub(super) const ALL: [Setting; 6] = [
        Setting::Timeout,
        Setting::MaxHeader,
        Setting::Versions,
        Setting::NoAddress,
        Setting::LogLimit,
        Setting::AccessLog,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Setting::Timeout => "realpeer_timeout",
            Setting::MaxHeader => "realpeer_max_header",
            Setting::Versions => "realpeer_versions",
            Setting::NoAddress => "realpeer_no_address",
            Setting::LogLimit => "realpeer_log_limit",
            Setting::AccessLog => "realpeer_access_log",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Setting> {
        Self::ALL.into_iter().find(|setting| setting.name() == name)
    }

    /// What holds where nothing is said, as `value` has it.
    pub(super) fn default(self) -> u64 {
        match self {
            Setting::Timeout => 5000,
            Setting::MaxHeader => 4096,
            Setting::Versions => 0b11,
            Setting::NoAddress | Setting::AccessLog => 0,
            Setting::LogLimit => rate_number(LogRate::default()),
        }
    }

    /// A number that is the same for values that mean the same: `5s` and `5000ms`,
    /// `4k` and `4096`, `1 2` and `2 1`. Or what a value would have to be.
    pub(super) fn value(self, args: &[String]) -> Result<u64, String> {
        let wrong = |says: &str| format!("invalid \"{}\"; {says}", args.join(" "));
        if let (Setting::LogLimit, [rate, burst @ ..]) = (self, args) {
            let burst = burst.first().map(String::as_str);
            let rate = LogRate::parse(rate, burst).map_err(|error| wrong(&error.to_string()))?;
            return if args.len() > 2 { Err(wrong(TOO_MANY)) } else { Ok(rate_number(rate)) };
        }
        let value = match (self, args) {
            (Setting::Versions, args) if !args.is_empty() => versions(args),
            (Setting::Timeout, [time]) => milliseconds(time).filter(|time| *time > 0),
            (Setting::MaxHeader, [size]) => bytes(size)
                .filter(|size| (u64::from(MIN_HEADER)..=u64::from(MAX_HEADER)).contains(size)),
            (Setting::NoAddress, [word]) if word == "accept" => Some(0),
            (Setting::NoAddress, [word]) if word == "refuse" => Some(1),
            (Setting::AccessLog, [word]) if word == "off" => Some(0),
            (Setting::AccessLog, [word]) if word == "on" => Some(1),
            _ => None,
        };
        value.ok_or_else(|| match self {
            Setting::Timeout => wrong("it must be a time of more than 0, such as 5s or 500ms"),
            Setting::MaxHeader => {
                wrong(&format!("it must be from {MIN_HEADER} to {MAX_HEADER} bytes"))
            }
            Setting::Versions => wrong("it must be 1, 2 or both"),
            Setting::NoAddress => wrong("it must be accept or refuse"),
            Setting::LogLimit => wrong("it must be a rate such as 10r/s, or off"),
            Setting::AccessLog => wrong("it must be on or off"),
        })
    }

    /// The one block in which nginx knows it, where that is not every block with rules.
    pub(super) fn only_in(self) -> Option<&'static str> {
        (self == Setting::AccessLog).then_some("stream")
    }

    /// What nginx would warn of.
    pub(super) fn warning(self, value: u64) -> Option<&'static str> {
        (self == Setting::Timeout && value < SHORT)
            .then_some("is less than 3s, which a TCP retransmission of the header may take")
    }
}

fn versions(args: &[String]) -> Option<u64> {
    args.iter().try_fold(0, |versions, arg| {
        let version = match arg.as_str() {
            "1" => 0b01,
            "2" => 0b10,
            _ => return None,
        };
        (versions & version == 0).then_some(versions | version)
    })
}

const TOO_MANY: &str = "it must be a rate and no more than a burst";

fn rate_number(rate: LogRate) -> u64 {
    u64::from(rate.interval()) << 32 | u64::from(rate.burst())
}

/// Bytes, with a unit or none: k, m.
fn bytes(text: &str) -> Option<u64> {
    let (digits, factor) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1024),
        None => match text.strip_suffix(['m', 'M']) {
            Some(digits) => (digits, 1024 * 1024),
            None => (text, 1),
        },
    };
    number(digits)?.checked_mul(factor)
}

/// A time such as `1h 30m`: units from large to small, each at most once; seconds
/// where there is none. There are no years and months.
fn milliseconds(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 6] = [
        ("w", 604_800_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ];
    let mut total = 0_u64;
    let mut units = &UNITS[..];
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, behind) = rest.split_at(end);
        let letters = behind.find(|char: char| char == ' ' || char.is_ascii_digit());
        let (unit, behind) = behind.split_at(letters.unwrap_or(behind.len()));
        let factor = if unit.is_empty() {
            // What has no unit is the last.
            units = &[];
            1000
        } else {
            let at = units.iter().position(|(known, _)| *known == unit)?;
            let (_, factor) = units.get(at)?;
            units = units.get(at + 1..)?;
            *factor
        };
        total = total.checked_add(number(digits)?.checked_mul(factor)?)?;
        rest = behind.trim_start_matches(' ');
        if unit.is_empty() && !rest.is_empty() {
            return None;
        }
    }
    (!text.is_empty()).then_some(total)
}

fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_number { digits.parse().ok()? } else { return None };
    // nginx has signed numbers.
    i64::try_from(number).is_ok().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::Setting::{self, *};

    fn value(setting: Setting, text: &str) -> Option<u64> {
        let args: Vec<_> = text.split(',').map(str::to_owned).collect();
        setting.value(&args).ok()
    }

    /// Each of these was shown to nginx 1.22.1.
    #[test]
    fn as_nginx_reads_them() {
        for (setting, text, wanted) in [
            (Timeout, "5", 5000),
            (Timeout, "5s", 5000),
            (Timeout, "500ms", 500),
            (Timeout, "1m30s", 90_000),
            (Timeout, "1h 30m", 5_400_000),
            (Timeout, "1d 2", 86_402_000),
            (Timeout, "1w", 604_800_000),
            (MaxHeader, "16", 16),
            (MaxHeader, "4k", 4096),
            (MaxHeader, "4K", 4096),
            (MaxHeader, "65551", 65_551),
            (Versions, "1", 1),
            (Versions, "2,1", 3),
            (NoAddress, "accept", 0),
            (NoAddress, "refuse", 1),
            (AccessLog, "off", 0),
            (AccessLog, "on", 1),
        ] {
            assert_eq!(value(setting, text), Some(wanted), "{setting:?} {text}");
        }
        for (setting, text) in [
            (Timeout, "abc"),
            (Timeout, ""),
            (Timeout, "0"),
            (Timeout, "0ms"),
            (Timeout, "-1"),
            (Timeout, "1y"),
            (Timeout, "1M"),
            (Timeout, "1s 1m"),
            (Timeout, "1s1s"),
            (Timeout, "s"),
            (Timeout, "99999999999999999999"),
            (Timeout, "5,6"),
            (MaxHeader, "15"),
            (MaxHeader, "65552"),
            (MaxHeader, "1m"),
            (MaxHeader, "k"),
            (MaxHeader, ""),
            (MaxHeader, "4kb"),
            (Versions, "3"),
            (Versions, "1,1"),
            (Versions, ""),
            (NoAddress, "maybe"),
            (NoAddress, "ACCEPT"),
            (NoAddress, "accept,refuse"),
            (AccessLog, "logs/refused.log"),
            (AccessLog, "On"),
        ] {
            assert_eq!(value(setting, text), None, "{setting:?} {text}");
        }
        assert!(NoAddress.value(&[]).is_err());
        assert!(Versions.value(&[]).is_err());
    }

    #[test]
    fn warns_of_what_a_lost_packet_takes() {
        assert!(Timeout.warning(2999).is_some());
        assert!(Timeout.warning(3000).is_none());
        assert!(MaxHeader.warning(16).is_none());
    }
}
