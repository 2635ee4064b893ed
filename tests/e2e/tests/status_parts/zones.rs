//! Configurations that follow each other, and what has to be true of the counters
//! after each of them, however large the zone was before and is now.

use std::collections::HashSet;
use std::ops::Range;

use realpeer_e2e::{Client, Logs, Nginx, Site, wait_until};
use serde_json::Value;

use super::{HasStatus, Status, promtool};

/// One configuration: a stated size, or none, and some of the listeners.
struct Config {
    zone: &'static str,
    listeners: Range<usize>,
    fits: bool,
}

const fn fits(zone: &'static str, listeners: Range<usize>) -> Config {
    Config { zone, listeners, fits: true }
}

const fn overflows(zone: &'static str, listeners: Range<usize>) -> Config {
    Config { zone, listeners, fits: false }
}

/// The size that the warning before has named.
const AS_SAID: &str = "as said";

const ROWS: &[(&str, &[Config])] = &[
    (
        "larger, and still too small",
        &[overflows("32k", 0..40), overflows("40k", 0..40), fits(AS_SAID, 0..40), fits("", 0..40)],
    ),
    ("smaller, with fewer listeners", &[fits("", 0..16), fits("32k", 0..4), fits("32k", 2..10)]),
    ("smaller, with too many", &[overflows("64k", 0..60), overflows("32k", 0..60)]),
    ("one stays, and 31 are new", &[fits("", 0..16), fits("", 15..47)]),
    (
        "all are new, each time",
        &[fits("32k", 0..12), fits("32k", 12..24), fits("32k", 24..36), fits("32k", 0..12)],
    ),
    (
        "too many, replaced by too many",
        &[overflows("32k", 0..30), overflows("32k", 30..60), fits(AS_SAID, 30..60)],
    ),
    (
        "with and without a size",
        &[fits("", 0..3), fits("1m", 0..3), fits("", 1..4), fits("32k", 0..3), fits("", 0..3)],
    ),
    ("off for a while", &[fits("", 0..3), fits("off", 0..3), fits("", 2..5)]),
    ("many come and go", &[fits("", 0..2), fits("", 0..40), fits("", 0..2), fits("", 38..60)]),
];

/// A server that takes a configuration anew.
pub trait Reloads: Sized {
    type Site: HasStatus;

    fn begin(site: Self::Site) -> Self;
    /// Everything but the page is gone from the configuration, and the size is this.
    fn empty(site: &mut Self::Site, zone: &str);
    fn listen(site: &mut Self::Site, port: u16);
    /// Returns when no process of before is left.
    fn reload(&mut self, change: impl FnOnce(&mut Self::Site));
    fn logs(&self) -> &Logs;
}

impl Reloads for Nginx {
    type Site = Site;

    fn begin(site: Site) -> Self {
        site.start()
    }

    fn empty(site: &mut Site, zone: &str) {
        site.replace_http("");
        if !zone.is_empty() {
            site.http(format!("realpeer_zone {zone};"));
        }
    }

    fn listen(site: &mut Site, port: u16) {
        site.http(format!("server {{ listen 127.0.0.1:{port}; realpeer require all; }}"));
    }

    fn reload(&mut self, change: impl FnOnce(&mut Site)) {
        let old = self.workers();
        self.reload(change);
        wait_until("the old workers to end", || {
            self.workers().iter().all(|pid| !old.contains(pid)).then_some(())
        });
    }

    fn logs(&self) -> &Logs {
        self
    }
}

/// What all rows do to a site.
fn write<S: Reloads>(
    site: &mut S::Site,
    status: &Status,
    zone: &str,
    ports: &mut Vec<u16>,
    listeners: &Range<usize>,
) {
    S::empty(site, zone);
    status.write(site);
    while ports.len() < listeners.end {
        ports.push(site.free_port());
    }
    ports[listeners.clone()].iter().for_each(|&port| S::listen(site, port));
}

/// What is said of each configuration that has not enough room.
fn warnings(logs: &Logs) -> Vec<String> {
    let log = logs.error_log();
    log.lines().filter(|line| line.contains("has room for")).map(str::to_owned).collect()
}

/// The number in a text after these words.
#[track_caller]
fn number_after(text: &str, words: &str) -> usize {
    let rest = text.split_once(words).unwrap_or_else(|| panic!("no {words:?} in {text}")).1;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().expect("a number")
}

#[track_caller]
pub fn must_be_unique(text: &str) {
    let mut seen = HashSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let series = line.rsplit_once(' ').map_or(line, |(series, _)| series);
        assert!(seen.insert(series), "{series} twice");
    }
    promtool(text);
}

/// All listeners of a page, those of no configuration of now included.
fn listeners(json: &Value) -> &[Value] {
    json["listeners"].as_array().expect("a list")
}

/// Each row, on a server of its own.
#[track_caller]
pub fn must_hold_over_reloads<S: Reloads>(new: impl Fn() -> S::Site) {
    for (name, configs) in ROWS {
        println!("{name}");
        must_hold::<S>(new(), configs);
    }
}

#[track_caller]
fn must_hold<S: Reloads>(mut site: S::Site, configs: &[Config]) {
    let status = Status { port: site.free_port() };
    let mut ports = Vec::new();
    let [first, others @ ..] = configs else { return };
    write::<S>(&mut site, &status, first.zone, &mut ports, &first.listeners);
    let mut server = S::begin(site);
    let mut sent = 0;
    let mut said = 0;
    must_count(&server, &status, first, &ports, &mut sent, &mut said);
    for config in others {
        let size;
        let zone = if config.zone == AS_SAID {
            let last = warnings(server.logs()).pop().expect("a warning");
            size = number_after(&last, "should be ").to_string();
            &size
        } else {
            config.zone
        };
        server.reload(|site| write::<S>(site, &status, zone, &mut ports, &config.listeners));
        must_count(&server, &status, config, &ports, &mut sent, &mut said);
    }
}

/// Each listener is asked once, and counts it under its own name as far as there is
/// room; each series is there once; and nothing of before has been lost.
#[track_caller]
fn must_count<S: Reloads>(
    server: &S,
    status: &Status,
    config: &Config,
    ports: &[u16],
    sent: &mut u64,
    said: &mut usize,
) {
    let live = &ports[config.listeners.clone()];
    for &port in live {
        Client::connect(port).send("hello, world").must_be_closed();
    }
    must_be_unique(&status.get("", "").text());
    let json = status.json();
    if config.zone != "off" {
        *sent += live.len() as u64;
        let named = live
            .iter()
            .filter(|port| {
                let name = format!("127.0.0.1:{port}");
                let own = listeners(&json).iter().find(|one| one["listener"] == *name);
                own.is_some_and(|one| one["connections"]["refused"]["no_header"] != 0)
            })
            .count();
        let warnings = warnings(server.logs());
        let new = &warnings[*said..];
        *said = warnings.len();
        if config.fits {
            assert_eq!((named, new), (live.len(), &[][..]), "{json:#}");
        } else {
            assert_eq!(new.len(), 1, "{new:#?}");
            assert_eq!(number_after(&new[0], "room for "), named, "{new:#?}");
            assert_eq!(number_after(&new[0], " of "), live.len(), "{new:#?}");
            assert!((8..live.len()).contains(&named), "{named}");
            assert!(listeners(&json).iter().any(|one| one["listener"] == "other"));
        }
    }
    let sum: u64 = listeners(&json).iter().map(|one| status.sum(one)).sum();
    assert_eq!(sum, *sent, "{json:#}");
    let waiting = listeners(&json).iter().map(|one| one["waiting"].as_u64().expect("a number"));
    assert_eq!(waiting.sum::<u64>(), 0);
}
