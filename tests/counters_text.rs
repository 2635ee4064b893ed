//! Counters as text: that whatever is in a name stays inside of it, that numbers
//! are those that were counted, and that whoever asks gets the format he wants.
#![cfg(feature = "ffi")]
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation, dead_code)]
// Every call stands beside what it is called with.
#![allow(clippy::undocumented_unsafe_blocks)]

mod common;
mod counting;

use std::ffi::{c_char, c_void};
use std::ptr::null_mut;

use common::call::text;
use counting::{Memory, NOW, Socket, choose, decision};
use proptest::prelude::*;
use realpeer::ffi::*;
use realpeer::{Action, Outcome};

const ALL: [Format; 5] =
    [Format::Prometheus, Format::Json, Format::Html, Format::Lines, Format::Section];

// ---- names

/// What any name becomes before it is escaped for its format.
fn sanitised(name: &[u8]) -> String {
    let mut out = String::new();
    let hex = |out: &mut String, bytes: &[u8]| {
        bytes.iter().for_each(|byte| out.push_str(&format!("\\x{byte:02X}")));
    };
    for chunk in name.utf8_chunks() {
        for ch in chunk.valid().chars() {
            if ch.is_control() || ch == '\\' {
                hex(&mut out, ch.to_string().as_bytes());
            } else {
                out.push(ch);
            }
        }
        hex(&mut out, chunk.invalid());
    }
    out
}

/// The labels of a line, as Prometheus reads them.
fn labels(line: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let (_, mut rest) = line.split_once('{').expect("labels");
    while !rest.starts_with('}') {
        let (name, after) = rest.split_once("=\"").expect("a label");
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().expect("an end") {
                (at, '"') => break at,
                (_, '\\') => match chars.next().expect("what is escaped").1 {
                    'n' => value.push('\n'),
                    other @ ('\\' | '"') => value.push(other),
                    other => panic!("\\{other} is no escape"),
                },
                (_, '\n') => panic!("a line in a line"),
                (_, ch) => value.push(ch),
            }
        };
        out.push((name.trim_start_matches(',').to_owned(), value));
        rest = &after[end + 1..];
    }
    out
}

/// The text of a page's heading, as a browser reads it.
fn heading(page: &str, begin: &str, end: &str) -> String {
    let (_, rest) = page.split_once(begin).expect("a heading");
    let (heading, _) = rest.split_once(end).expect("its end");
    assert!(!heading.contains(['<', '>', '"', '\'']), "{heading}");
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    entities.iter().fold(heading.to_owned(), |text, (entity, ch)| text.replace(entity, ch))
}

const NAME_LINE: &str = "RealPeerListener[0]Name: ";

fn name_stays_itself(name: &[u8]) {
    let memory = Memory::new(2, 1);
    memory.listener(b"http", name);
    let wanted = sanitised(name);
    assert_eq!(memory.json()["listeners"][0]["listener"], wanted.as_str());
    for line in memory.text(Format::Prometheus, NOW).lines() {
        let series = line
            .split_once('{')
            .is_some_and(|(name, _)| name != "realpeer_build_info" && !name.starts_with('#'));
        if series {
            let labels = labels(line);
            assert_eq!(labels[0], ("subsystem".to_owned(), "http".to_owned()));
            assert_eq!(labels[1], ("listener".to_owned(), wanted.clone()), "{line}");
        }
    }
    let (page, section) = (memory.text(Format::Html, NOW), memory.text(Format::Section, NOW));
    assert_eq!(heading(&page, "</small>", "</h2>"), wanted);
    assert_eq!(heading(&section, "<h3>", "</h3>"), wanted);
    let lines = memory.text(Format::Lines, NOW);
    let mut names = lines.split('\n').filter_map(|line| line.strip_prefix(NAME_LINE));
    assert_eq!((names.next(), names.next()), (Some(&*wanted), None));
}

#[test]
fn hostile_names_stay_themselves() {
    let names: [&[u8]; 10] = [
        b"\"} 1\nrealpeer_waiting{listener=\"x",
        b"\\\\\\\"",
        b"</h2><script>alert(1)</script>",
        b"&lt;&amp;&#39;'\"",
        b"\",\"waiting\":99,\"x\":\"",
        b"\xff\xfe\xc3\x28 \xe2\x82",
        b"\r\n\t\x7f\x01\x1b[31m",
        "\u{85}\u{2028}\u{202e}ü€\u{1f600}".as_bytes(),
        b"{}=,",
        b"unix:/run/a b/'c'.sock",
    ];
    names.into_iter().for_each(name_stays_itself);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_name_stays_itself(name in prop::collection::vec(1_u8.., 1..128)) {
        name_stays_itself(&name);
    }

    #[test]
    fn any_text_of_the_special_characters_stays_itself(
        name in prop::collection::vec(prop::sample::select(&b"\"\\<>&'\n{},:x\x80"[..]), 1..128)
    ) {
        name_stays_itself(&name);
    }

    #[test]
    fn whatever_is_asked_for_there_is_an_answer(
        query in prop::collection::vec(any::<u8>(), 0..64),
        accept in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let found = unsafe {
            realpeer_counters_format(
                query.as_ptr().cast(), query.len(), accept.as_ptr().cast(), accept.len(),
            )
        };
        prop_assert!((1..=3).contains(&found) || found == Error::NotFound as i32);
    }
}

// ---- numbers

#[test]
fn the_largest_numbers() {
    let memory = Memory::new(2, 1);
    let listener = memory.listener(b"http", b"a");
    let mut header = decision(Action::Accept, Outcome::Proxy);
    header.header.version = 2;
    header.header.length = u32::MAX;
    memory.decided(listener, &header, u64::MAX - 1);
    memory.decided(listener, &header, 1);
    memory.refused(listener, Outcome::BadV1, &Socket::new("192.0.2.1"), u64::MAX);
    let series = "realpeer_header_seconds_sum{subsystem=\"http\",listener=\"a\"}";
    assert_eq!(memory.value(series), "18446744073709.551615");
    let bytes = "realpeer_header_bytes_total{subsystem=\"http\",listener=\"a\"}";
    assert_eq!(memory.value(bytes), (2 * u64::from(u32::MAX)).to_string());
    memory.json();
    for now in [0, NOW, u64::MAX] {
        for format in ALL {
            assert!(!memory.text(format, now).is_empty());
        }
    }
}

#[test]
fn spans_of_time_are_said_in_two_units() {
    let memory = Memory::new(2, 1);
    let counting = |seconds: u64| {
        let page = memory.text(Format::Html, NOW + seconds);
        let (_, rest) = page.split_once("counting for ").expect("it says so");
        rest.split_once('.').expect("a sentence").0.to_owned()
    };
    let spans = [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3_600, "1 h"),
        (3_661, "1 h 1 min"),
        (3_601, "1 h 1 s"),
        (86_400, "1 d"),
        (90_061, "1 d 1 h"),
        (864_000, "10 d"),
    ];
    for (seconds, words) in spans {
        assert_eq!(counting(seconds), words);
    }
}

#[test]
fn a_writer_that_has_enough_ends_it() {
    unsafe extern "C" fn once(count: *mut c_void, _: *const c_char, _: usize) -> i32 {
        unsafe { *count.cast::<u32>() += 1 };
        1
    }
    let memory = Memory::new(2, 1);
    memory.listener(b"http", b"a");
    for format in ALL {
        let mut count = 0_u32;
        let to = (&raw mut count).cast();
        let done =
            unsafe { realpeer_counters_write(memory.get(), format as i32, NOW, Some(once), to) };
        assert_eq!((done, count), (Error::NoRoom as i32, 1));
    }
    for format in [0, 6, -1] {
        let done =
            unsafe { realpeer_counters_write(memory.get(), format, NOW, Some(once), null_mut()) };
        assert_eq!(done, Error::InvalidArgument as i32);
    }
}

// ---- formats

#[test]
fn whoever_asks_gets_what_he_wants() {
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,\
                      text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
    let cases = [
        ("", "", Format::Prometheus),
        ("", "*/*", Format::Prometheus),
        ("", prometheus, Format::Prometheus),
        ("", browser, Format::Html),
        ("", "application/json", Format::Json),
        ("", "APPLICATION/JSON", Format::Json),
        ("", "image/png", Format::Prometheus),
        ("", "text/html;q=0", Format::Prometheus),
        ("", "text/html;q=0.1, application/json;q=0.11", Format::Json),
        ("", "application/json;q=0.5,text/html;level=1;q=0.9", Format::Html),
        ("", "text/*, text/html", Format::Prometheus),
        ("", "application/json; q=x, text/html;q=0.001", Format::Html),
        ("", "text/html;q=9", Format::Prometheus),
        ("format=json", browser, Format::Json),
        ("format=html", prometheus, Format::Html),
        ("format=prometheus", browser, Format::Prometheus),
        ("a=b&format=json", "", Format::Json),
        ("xformat=json", "", Format::Prometheus),
        ("format=json&format=html", "", Format::Json),
    ];
    for (query, accept, format) in cases {
        assert_eq!(choose(query, accept), format as i32, "{query} {accept}");
    }
    for query in
        ["format=", "format=xml", "format=JSON", "format=json ", "format=lines", "format=section"]
    {
        assert_eq!(choose(query, browser), Error::NotFound as i32, "{query}");
    }
    let types = [1, 2, 3, 4, 5, 6].map(|format| text(realpeer_counters_content_type(format)));
    let (plain, html) = ("text/plain; version=0.0.4; charset=utf-8", "text/html; charset=utf-8");
    let lines = "text/plain; charset=utf-8";
    assert_eq!(types, [plain, "application/json", html, lines, html, "text/plain"]);
}

// ---- what stands within the answers of others

#[test]
fn lines_and_sections_say_what_was_counted() {
    let memory = Memory::new(3, 1);
    assert_eq!(memory.text(Format::Lines, NOW), format!("RealPeerCountingSince: {NOW}\n"));
    assert!(memory.text(Format::Section, NOW).ends_with("<p>No listener has a policy.</p>\n"));
    memory.listener(b"http", b"a");
    let listener = memory.listener(b"http", b"b");
    let mut header = decision(Action::Accept, Outcome::Proxy);
    (header.header.version, header.header.length) = (2, 20);
    for time in [400, 2_000_000] {
        memory.decided(listener, &header, time);
    }
    for outcome in [Outcome::NoAddress, Outcome::Silent, Outcome::Silent] {
        memory.decided(listener, &decision(Action::Refuse, outcome), 0);
    }
    let worker = memory.worker(1);
    memory.wait(listener, worker, true);
    let lines = memory.text(Format::Lines, NOW);
    let count = |number: u32| {
        let prefix = format!("RealPeerListener[{number}]");
        lines.lines().filter(|line| line.starts_with(&prefix)).count()
    };
    assert_eq!((count(0), count(0) + count(1) + 1), (count(1), lines.lines().count()));
    for line in [
        "Name: b",
        "Accepted_proxy: 2",
        "Accepted_no_address: 0",
        "Refused_no_address: 1",
        "Refused_silent: 2",
        "HeadersVersion1: 0",
        "HeadersVersion2: 2",
        "HeaderBytes: 40",
        "HeaderSeconds_0.0005: 1",
        "HeaderSeconds_1: 1",
        "HeaderSeconds_2.5: 2",
        "HeaderSeconds_+Inf: 2",
        "HeaderSeconds: 2.000400",
        "Waiting: 1",
    ] {
        let line = format!("RealPeerListener[1]{line}");
        assert!(lines.lines().any(|found| found == line), "{line}\n{lines}");
    }
    let section = memory.text(Format::Section, NOW);
    for (name, count) in [("accepted proxy", 2), ("refused silent", 2), ("waiting now", 1)] {
        let row = format!("<tr><td>{name}</td><td align=\"right\">{count}</td></tr>\n");
        assert!(section.contains(&row), "{row}{section}");
    }
    assert!(section.is_ascii() && !section.contains("accepted local"), "{section}");
}

// ---- the page

/// Some days of a site's life, on addresses that are there for documents.
fn a_site() -> Memory {
    let memory = Memory::new(8, 1);
    let count = |listener: u32, n: u64, action, outcome, header: Option<(u8, u32, u64)>| {
        let mut decision = decision(action, outcome);
        if let Some((version, length, _)) = header {
            (decision.header.version, decision.header.length) = (version, length);
            decision.header.checksum_verified = u8::from(version == 2);
        }
        for i in 0..n {
            let time = header.map_or(0, |(.., time)| time << (i % 5) >> (i % 3));
            memory.decided(listener, &decision, time);
        }
    };
    let (accept, pass, refuse) = (Action::Accept, Action::Pass, Action::Refuse);
    let web = memory.listener(b"http", b"192.0.2.10:443");
    count(web, 48_211, accept, Outcome::Proxy, Some((2, 84, 700)));
    count(web, 311, accept, Outcome::Local, Some((2, 16, 400)));
    count(web, 2_880, pass, Outcome::Direct, None);
    count(web, 4_102, refuse, Outcome::Untrusted, None);
    count(web, 214, refuse, Outcome::NoHeader, None);
    count(web, 37, refuse, Outcome::BadChecksum, None);
    count(web, 1_530, refuse, Outcome::Silent, None);
    let database = memory.listener(b"stream", b"[2001:db8::10]:5432");
    count(database, 9_120, accept, Outcome::Proxy, Some((1, 45, 1_900)));
    count(database, 730, pass, Outcome::Absent, None);
    count(database, 12, refuse, Outcome::Timeout, None);
    memory.listener(b"mail", b"192.0.2.10:993");
    let worker = memory.worker(1);
    memory.wait(web, worker, true);
    memory.wait(web, worker, true);
    let refused = [
        ("198.51.100.77", Outcome::Silent, 1_530, 41_000),
        ("2001:db8:ffff::25", Outcome::Timeout, 12, 4_000),
        ("192.0.2.201", Outcome::BadChecksum, 37, 620),
        ("203.0.113.40", Outcome::NoHeader, 214, 75),
        ("203.0.113.5", Outcome::Untrusted, 4_102, 3),
    ];
    for (ip, outcome, times, ago) in refused {
        let listener = if outcome == Outcome::Timeout { database } else { web };
        for _ in 0..times {
            memory.refused(listener, outcome, &Socket::new(ip), NOW + 300_000 - ago);
        }
    }
    memory
}

/// `REALPEER_PAGE=FILE` writes the page whose picture is in the documents.
#[test]
fn the_page_is_whole_and_asks_for_nothing() {
    let page = a_site().text(Format::Html, NOW + 300_000);
    if let Some(file) = std::env::var_os("REALPEER_PAGE") {
        std::fs::write(file, &page).expect("a file to write");
    }
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    for foreign in ["http:", "https:", "//", "src=", "href=", "url(", "@import", "<script"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("the end of a tag");
        let name = tag.split([' ', '/']).find(|word| !word.is_empty()).unwrap();
        if ["!doctype", "meta"].contains(&name) || tag.ends_with('/') {
            continue;
        }
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else {
            open.push(name);
        }
    }
    assert_eq!(open, [""; 0]);
    let numbers = ["48\u{202f}211", "4\u{202f}054\u{202f}700", "4\u{202f}102", ">214<"];
    for word in ["192.0.2.10:443", "bad_checksum", "203.0.113.5", "3 d"].into_iter().chain(numbers)
    {
        assert!(page.contains(word), "{word}");
    }
}
