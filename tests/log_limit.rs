//! How many lines of a log a flood of refusals gets, and that each refusal is
//! either a line or counted among those that were held back.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::thread;

use realpeer::{HeldBack, LogLimit, LogRate, LogRateError, Logged, Outcome};

fn rate(words: &str) -> LogRate {
    let (rate, burst) = words.split_once(' ').map_or((words, None), |(a, b)| (a, Some(b)));
    LogRate::parse(rate, burst).unwrap_or_else(|error| panic!("{words}: {error}"))
}

/// Lines written, how many they said were held back, and how many are not told of.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
struct Log {
    lines: u32,
    told: u32,
    reports: u32,
}

impl Log {
    fn add(&mut self, logged: Logged) {
        if let Logged::Line { held_back } = logged {
            self.lines += 1;
            self.told += held_back;
            self.reports += u32::from(held_back > 0);
        }
    }

    fn add_rest(&mut self, limit: &LogLimit) {
        while let HeldBack::Lines { lines, .. } = limit.held_back(LogRate::OFF, 0) {
            self.told += lines;
            self.reports += 1;
        }
    }
}

#[test]
fn rates() {
    for (words, wrong) in [
        ("10", LogRateError::BadRate),
        ("r/s", LogRateError::BadRate),
        ("0r/s", LogRateError::BadRate),
        ("-1r/s", LogRateError::BadRate),
        ("+1r/s", LogRateError::BadRate),
        ("1001r/s", LogRateError::BadRate),
        ("60001r/m", LogRateError::BadRate),
        ("99999999999r/s", LogRateError::BadRate),
        ("10r/h", LogRateError::BadRate),
        ("10 r/s", LogRateError::BadRate),
        ("10R/S", LogRateError::BadRate),
        ("", LogRateError::BadRate),
        ("OFF", LogRateError::BadRate),
    ] {
        assert_eq!(LogRate::parse(words, None), Err(wrong), "{words}");
    }
    for burst in
        ["burst=0", "burst=", "burst=10001", "burst=-1", "100", "burst= 1", "rate=1", "burst=1x"]
    {
        assert_eq!(LogRate::parse("1r/s", Some(burst)), Err(LogRateError::BadBurst), "{burst}");
    }
    assert_eq!(LogRate::parse("off", Some("burst=1")), Err(LogRateError::BadBurst));
    assert_eq!(rate("60r/m burst=7"), rate("1r/s burst=7"));
    assert_ne!(rate("60r/m burst=7"), rate("1r/s burst=8"));
    assert_ne!(rate("1r/s"), rate("1r/m"));
    assert_eq!(rate("10r/s"), LogRate::default());
}

#[test]
fn a_flood_gets_a_burst_and_then_the_rate() {
    for (words, burst, interval) in
        [("10r/s", 100, 100), ("1r/s burst=1", 1, 1000), ("6r/m burst=3", 3, 10_000)]
    {
        let (limit, rate) = (LogLimit::default(), rate(words));
        let mut log = Log::default();
        let (flood, span) = (1_000_000_u64, 60_000);
        for number in 0..flood {
            log.add(limit.refused(rate, Outcome::BadV1, number * span / flood));
        }
        // What says that lines were held back is a line, too.
        let most = burst + u32::try_from(span).unwrap() / interval;
        let all = log.lines + log.reports;
        assert!((most - 1..=most + 1).contains(&all), "{words}: {log:?}, not {most}");
        log.add_rest(&limit);
        assert_eq!(u64::from(log.lines + log.told), flood, "{words}: {log:?}");
    }
}

#[test]
fn what_keeps_to_the_rate_is_never_held_back() {
    let (limit, rate) = (LogLimit::default(), rate("10r/s burst=1"));
    // From where the clock begins anew, too.
    let from = u64::from(u32::MAX) - 10_000;
    for now in (from..from + 60_000).step_by(100) {
        let logged = limit.refused(rate, Outcome::Timeout, now);
        assert_eq!(logged, Logged::Line { held_back: 0 }, "{now}");
    }
}

#[test]
fn each_result_has_a_limit_of_its_own() {
    let (limit, rate) = (LogLimit::default(), rate("1r/m burst=1"));
    let refusals = || {
        let all = Outcome::ALL.iter().copied();
        all.filter(|outcome| (*outcome as i32) < 0).chain([Outcome::NoAddress])
    };
    assert_eq!(refusals().count(), 15);
    for outcome in refusals() {
        let logged = limit.refused(rate, outcome, 5);
        assert_eq!(logged, Logged::Line { held_back: 0 }, "{outcome:?}");
        for _ in 0..outcome.name().len() {
            assert_eq!(limit.refused(rate, outcome, 5), Logged::HeldBack, "{outcome:?}");
        }
    }
    let mut told = Vec::new();
    while let HeldBack::Lines { result, lines, quiet } = limit.held_back(LogRate::OFF, 5) {
        assert_eq!(quiet, result.is_quiet(), "{result:?}");
        assert_eq!(usize::try_from(lines).unwrap(), result.name().len());
        told.push(result);
    }
    assert_eq!(told.len(), 15);
    assert!(refusals().all(|outcome| told.contains(&outcome)), "{told:?}");
}

#[test]
fn quiet_refusals_take_no_line_from_others() {
    let (limit, rate) = (LogLimit::default(), rate("1r/m burst=1"));
    let line = Logged::Line { held_back: 0 };
    for outcome in Outcome::ALL.iter().copied().filter(|outcome| (*outcome as i32) < 0) {
        assert_eq!(limit.refused_quietly(rate, outcome, 5), line, "{outcome:?}");
        assert_eq!(limit.refused_quietly(rate, outcome, 5), Logged::HeldBack, "{outcome:?}");
        // But for what is quiet for every source, and has one limit.
        let first = if outcome.is_quiet() { Logged::HeldBack } else { line };
        assert_eq!(limit.refused(rate, outcome, 5), first, "{outcome:?}");
        assert_eq!(limit.refused(rate, outcome, 5), Logged::HeldBack, "{outcome:?}");
    }
    let mut told = Vec::new();
    while let HeldBack::Lines { result, quiet, lines } = limit.held_back(LogRate::OFF, 5) {
        assert_eq!(lines, if result.is_quiet() { 3 } else { 1 }, "{result:?}");
        assert!(!told.contains(&(result, quiet)), "{result:?}");
        told.push((result, quiet));
    }
    assert_eq!(told.iter().filter(|(_, quiet)| !quiet).count(), 13);
    assert_eq!(told.iter().filter(|(_, quiet)| *quiet).count(), 14);
}

#[test]
fn what_was_held_back_is_told_when_there_is_room_for_a_line() {
    let (limit, rate) = (LogLimit::default(), rate("1r/s burst=1"));
    let bad = |now| limit.refused(rate, Outcome::BadTlv, now);
    let told = |now| limit.held_back(rate, now);
    assert_eq!(told(0), HeldBack::Nothing);
    assert_eq!(bad(0), Logged::Line { held_back: 0 });
    assert_eq!(told(10), HeldBack::Nothing);
    assert_eq!((bad(10), bad(20)), (Logged::HeldBack, Logged::HeldBack));
    assert_eq!(told(999), HeldBack::Later);
    assert_eq!(told(1000), HeldBack::Lines { result: Outcome::BadTlv, quiet: false, lines: 2 });
    assert_eq!(told(1000), HeldBack::Nothing);
    // That was the line of this second.
    assert_eq!(bad(1001), Logged::HeldBack);
    assert_eq!(bad(2000), Logged::Line { held_back: 1 });
    // Both of these were lines.
    assert_eq!(bad(3999), Logged::HeldBack);
    assert_eq!(bad(4000), Logged::Line { held_back: 1 });
}

#[test]
fn no_limit_is_a_line_for_each() {
    let (limit, limited) = (LogLimit::default(), rate("1r/m burst=1"));
    for _ in 0..1000 {
        let logged = limit.refused(LogRate::OFF, Outcome::Silent, 0);
        assert_eq!(logged, Logged::Line { held_back: 0 });
    }
    // After a time with a limit, what was held back is told.
    let _ = limit.refused(limited, Outcome::Silent, 0);
    let _ = limit.refused(limited, Outcome::Silent, 0);
    let logged = limit.refused(LogRate::OFF, Outcome::Silent, 0);
    assert_eq!(logged, Logged::Line { held_back: 1 });
}

#[test]
fn a_clock_that_is_set_mutes_nobody() {
    const DAY: u64 = 86_400_000;
    for words in ["10r/s", "1r/m burst=100", "1000r/s burst=1"] {
        let rate = rate(words);
        for then in [0, 1, 40 * DAY, u64::from(u32::MAX), u64::MAX - 60 * DAY] {
            for now in [then.saturating_sub(DAY), then + DAY, then + 50 * DAY] {
                let limit = LogLimit::default();
                while limit.refused(rate, Outcome::BadV1, then) != Logged::HeldBack {}
                if now.abs_diff(then) >= DAY {
                    let logged = limit.refused(rate, Outcome::BadV1, now);
                    assert_eq!(logged, Logged::Line { held_back: 1 }, "{words}: {then} {now}");
                }
            }
        }
    }
}

/// As processes do that share the memory.
#[test]
fn nothing_is_lost_or_told_twice_where_threads_share_it() {
    const EACH: u32 = 200_000;
    const THREADS: u32 = 4;
    let (limit, rate) = (LogLimit::default(), rate("1000r/s burst=10"));
    let mut all = Log::default();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let mut log = Log::default();
                    for number in 0..EACH {
                        let now = u64::from(number / 500);
                        log.add(limit.refused(rate, Outcome::NoHeader, now));
                        if number % 1000 == 0 {
                            if let HeldBack::Lines { lines, .. } = limit.held_back(rate, now) {
                                log.told += lines;
                                log.reports += 1;
                            }
                        }
                    }
                    log
                })
            })
            .collect();
        for thread in threads {
            let log = thread.join().unwrap();
            all.lines += log.lines;
            all.told += log.told;
            all.reports += log.reports;
        }
    });
    all.add_rest(&limit);
    assert_eq!(all.lines + all.told, EACH * THREADS, "{all:?}");
}
