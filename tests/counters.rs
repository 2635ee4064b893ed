//! Counters in shared memory: that each thing is counted once and in its place,
//! whoever comes, goes or dies. How they look is in counters_text.rs.
#![cfg(feature = "ffi")]
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation, dead_code)]
// Every call stands beside what it is called with.
#![allow(clippy::undocumented_unsafe_blocks)]

mod counting;

use std::ptr::{null, null_mut};
use std::thread;

use counting::{EMPTY, Memory, NOW, Socket, c_names, decision, plan};
use realpeer::ffi::*;
use realpeer::{Action, Outcome};

const INVALID: i32 = Error::InvalidArgument as i32;
const NOT_FOUND: i32 = Error::NotFound as i32;
const NO_ROOM: i32 = Error::NoRoom as i32;
const SIZE: usize = size_of::<realpeer_counters>();

/// What each result is decided as.
fn actions(outcome: Outcome) -> &'static [(Action, &'static str)] {
    match outcome {
        Outcome::More => &[],
        Outcome::Proxy | Outcome::Local => &[(Action::Accept, "accepted")],
        Outcome::NoAddress => &[(Action::Accept, "accepted"), (Action::Refuse, "refused")],
        Outcome::Direct | Outcome::Absent | Outcome::Stripped => &[(Action::Pass, "passed")],
        _ => &[(Action::Refuse, "refused")],
    }
}

#[test]
fn every_result_has_a_place_of_its_own() {
    let memory = Memory::new(2, 1);
    let (first, second) = (memory.listener(b"http", b"a"), memory.listener(b"http", b"b"));
    let mut n = 0;
    let mut wanted = Vec::new();
    for &outcome in Outcome::ALL {
        for (action, word) in actions(outcome) {
            n += 1;
            (0..n).for_each(|_| {
                assert_eq!(memory.decided(second, &decision(*action, outcome), 0), 0);
            });
            wanted.push((*word, outcome.name(), n));
        }
    }
    let json = memory.json();
    for (word, name, n) in wanted {
        let labels = format!("listener=\"b\",action=\"{word}\",result=\"{name}\"");
        let series = format!("realpeer_connections_total{{subsystem=\"http\",{labels}}}");
        assert_eq!(memory.value(&series), n.to_string());
        assert_eq!(json["listeners"][1]["connections"][word][name], n);
        assert_eq!(json["listeners"][0]["connections"][word][name], 0);
    }
    assert_eq!(n, 21);
    assert_eq!(first, 0);
}

#[test]
fn what_is_not_decided_does_not_count() {
    let memory = Memory::new(2, 1);
    let listener = memory.listener(b"http", b"a");
    let before = memory.json();
    assert_eq!(memory.decided(listener, &decision(Action::More, Outcome::More), 0), INVALID);
    let mut odd = decision(Action::Accept, Outcome::Proxy);
    odd.result = 1234;
    assert_eq!(memory.decided(listener, &odd, 0), INVALID);
    odd.result = 1;
    // Nobody listens there.
    assert_eq!(memory.decided(77, &odd, 0), 0);
    assert_eq!(memory.json(), before);
}

#[test]
fn headers_are_counted_and_measured() {
    let memory = Memory::new(2, 1);
    let listener = memory.listener(b"http", b"a");
    let mut header = decision(Action::Accept, Outcome::Proxy);
    let times = [0, 500, 501, 4_000, 31_000_000];
    for (time, version) in times.into_iter().zip([1, 2, 2, 2, 2]) {
        header.header.version = version;
        header.header.length = 28;
        header.header.checksum_verified = u8::from(time > 501);
        assert_eq!(memory.decided(listener, &header, time), 0);
    }
    // One that is thrown away, of which only version and length are known.
    let mut stripped = decision(Action::Pass, Outcome::Stripped);
    stripped.header.version = 1;
    stripped.consumed = 15;
    assert_eq!(memory.decided(listener, &stripped, 0), 0);
    // One without a header.
    assert_eq!(memory.decided(listener, &decision(Action::Refuse, Outcome::Silent), 77), 0);

    let listener = &memory.json()["listeners"][0];
    assert_eq!(listener["headers"], serde_json::json!({"1": 2, "2": 4}));
    assert_eq!(listener["header_bytes"], 5 * 28 + 15);
    assert_eq!(listener["header_checksums"], 2);
    let seconds = &listener["header_seconds"];
    assert_eq!(seconds["count"], 6);
    assert_eq!(seconds["sum"], 31.005001);
    for (end, count) in [("0.0005", 3), ("0.001", 4), ("0.005", 5), ("30", 5), ("+Inf", 6)] {
        assert_eq!(seconds["buckets"][end], count, "{end}");
    }
    let series = "realpeer_header_seconds_bucket{subsystem=\"http\",listener=\"a\",le=\"+Inf\"}";
    assert_eq!(memory.value(series), "6");
}

#[test]
fn threads_lose_nothing() {
    let memory = Memory::new(2, 4);
    let listener = memory.listener(b"http", b"a");
    const EACH: u64 = 20_000;
    thread::scope(|scope| {
        for worker in 0..4 {
            let memory = &memory;
            scope.spawn(move || {
                let row = memory.worker(100 + worker);
                let address = Socket::new(&format!("192.0.2.{worker}"));
                for _ in 0..EACH {
                    memory.wait(listener, row, true);
                    memory.decided(listener, &decision(Action::Refuse, Outcome::BadV1), 0);
                    memory.refused(listener, Outcome::BadV1, &address, NOW);
                    memory.wait(listener, row, false);
                }
                memory.wait(listener, row, true);
            });
        }
    });
    let json = memory.json();
    assert_eq!(json["listeners"][0]["connections"]["refused"]["bad_v1"], 4 * EACH);
    assert_eq!(json["listeners"][0]["waiting"], 4);
    let refused = json["refused"].as_array().unwrap();
    let mut sources: Vec<_> = refused.iter().map(|one| one["source"].to_string()).collect();
    sources.sort_unstable();
    sources.dedup();
    assert_eq!(sources.len(), 4, "{refused:#?}");
}

// ---- listeners

#[test]
fn a_listener_keeps_its_place_until_somebody_needs_it() {
    let memory = Memory::new(2, 1);
    let count = |listener| {
        memory.decided(listener, &decision(Action::Accept, Outcome::Proxy), 0);
    };
    let names = || {
        let json = memory.json();
        let listeners = json["listeners"].as_array().unwrap().clone();
        let name = |one: &serde_json::Value| {
            format!("{} {}", one["listener"], one["connections"]["accepted"]["proxy"])
        };
        listeners.iter().map(name).collect::<Vec<_>>()
    };
    memory.configure();
    let (a, b) = (memory.listener(b"http", b"a"), memory.listener(b"stream", b"a"));
    assert_ne!(a, b);
    count(a);
    count(b);
    count(b);

    // Gone, but there may be old processes that count for it.
    memory.configure();
    assert_eq!(memory.listener(b"stream", b"a"), b);
    let spare = memory.listener(b"http", b"c");
    assert_eq!(spare, 2);
    count(spare);
    assert_eq!(names(), ["\"a\" 1", "\"a\" 2", "\"other\" 1"]);

    // Back again: nothing is lost.
    memory.configure();
    assert_eq!(memory.listener(b"http", b"a"), a);
    assert_eq!(memory.listener(b"stream", b"a"), b);

    // Gone for two configurations.
    memory.configure();
    assert_eq!(memory.listener(b"stream", b"a"), b);
    memory.refused(a, Outcome::BadV1, &Socket::new("192.0.2.1"), NOW);
    memory.configure();
    memory.wait(a, 1, true);
    assert_eq!(memory.listener(b"http", b"c"), a);
    count(a);
    assert_eq!(names(), ["\"c\" 1", "\"a\" 2", "\"other\" 2"], "with the one of \"a\"");
    assert_eq!(memory.json()["refused"][0]["listener"], "", "it was somebody else's");
    assert_eq!(memory.json()["listeners"][0]["waiting"], 1);
    memory.wait(a, 1, false);
    assert_eq!(memory.json()["listeners"][0]["waiting"], 0);
}

#[test]
fn long_names_are_cut() {
    let memory = Memory::new(2, 1);
    let number = memory.listener(b"subsystem", &[b'x'; 300]);
    assert_eq!(memory.listener(b"subsystem", &[b'x'; 300]), number);
    let json = memory.json();
    assert_eq!(json["listeners"][0]["subsystem"], "subsyste");
    assert_eq!(json["listeners"][0]["listener"], "x".repeat(128));
}

#[test]
fn larger_counters_take_over() {
    let small = Memory::new(2, 1);
    for (name, n) in [("a", 1), ("b", 2), ("c", 3)] {
        let number = small.listener(b"http", name.as_bytes());
        (0..n).for_each(|_| {
            small.decided(number, &decision(Action::Pass, Outcome::Absent), 0);
        });
    }
    let large = Memory::new(8, 3);
    assert_eq!(unsafe { realpeer_counters_take_over(large.get(), small.get()) }, 0);
    large.configure();
    let absent = |memory: &Memory, name: &str| {
        let subsystem = if name == "other" { "any" } else { "http" };
        memory.value(&format!(
            "realpeer_connections_total{{subsystem=\"{subsystem}\",listener=\"{name}\",\
             action=\"passed\",result=\"absent\"}}"
        ))
    };
    assert_eq!(["a", "b", "other"].map(|name| absent(&large, name)), ["1", "2", "3"]);
    large.decided(large.listener(b"http", b"b"), &decision(Action::Pass, Outcome::Absent), 0);
    assert_eq!(absent(&large, "b"), "3");
    assert_eq!(unsafe { realpeer_counters_take_over(large.get(), null()) }, INVALID);
}

// ---- one configuration after the other

/// The name of each place and its connections; a free one has no name. The last one is
/// for those that find no other.
fn places(memory: &Memory) -> Vec<(String, u64)> {
    let word = |at: usize| unsafe { memory.counters.memory.byte_add(at).cast::<u64>().read() };
    (0..memory.counters.listeners as usize)
        .map(|number| {
            let at = 64 + number * 1216;
            let name: Vec<u8> =
                (at + 16..at + 144).step_by(8).flat_map(|at| word(at).to_ne_bytes()).collect();
            let name = String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned();
            (name, (at + 144..at + 144 + 40 * 8).step_by(8).map(word).sum())
        })
        .collect()
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Each set of these names, the empty one too.
fn sets() -> Vec<Vec<&'static str>> {
    let has = |set: u32, number: usize| set >> number & 1 == 1;
    (0..1 << NAMES.len())
        .map(|set| (0..NAMES.len()).filter(|&n| has(set, n)).map(|n| NAMES[n]).collect())
        .collect()
}

/// A configuration, as a server takes it: the counters are kept, or new ones take
/// over, and then each listener counts once.
fn take(memory: &mut Memory, names: &[&str], stated: u32) {
    let size = if stated == 0 { 0 } else { realpeer_counters_size(stated + 1, 33) };
    let best = if stated == 0 { usize::MAX } else { stated as usize };
    let room = plan(Some(memory), names, 1, false, size);
    let unplaced = if room.keep == 1 {
        memory.configure_with(names)
    } else {
        let larger = Memory::sized(room.size, room.workers);
        let unplaced = larger.configure_with(names);
        larger.take_over(memory);
        *memory = larger;
        unplaced
    };
    let places = memory.counters.listeners as usize - 1;
    if room.keep == 1 {
        assert_eq!(unplaced as usize, names.len() - room.placed as usize, "as planned");
    }
    assert!(names.len() - unplaced as usize >= best.min(names.len()), "live ones first");
    let spare = names.iter().filter(|name| {
        let number = memory.listener(b"http", name.as_bytes());
        assert_eq!(memory.decided(number, &decision(Action::Pass, Outcome::Absent), 0), 0);
        number as usize == places
    });
    assert_eq!(spare.count(), unplaced as usize);
}

/// All sequences of three configurations, in counters for one to three listeners at
/// first, and then in new ones for as many, or as large as it takes.
#[test]
fn each_configuration_may_follow_each_other() {
    let sets = sets();
    for first_places in 1..=3 {
        for stated in 0..=3 {
            for first in &sets {
                for second in &sets {
                    for third in &sets {
                        let mut memory = Memory::new(first_places, 32);
                        memory.configure_with(first);
                        let mut sum = 0;
                        for names in [first, second, third] {
                            take(&mut memory, names, stated);
                            sum += names.len() as u64;
                            let places = places(&memory);
                            let what = format!(
                                "{first_places}, {stated}: {first:?} {second:?} {third:?}: {places:?}"
                            );
                            assert_eq!(places.iter().map(|(_, n)| n).sum::<u64>(), sum, "{what}");
                            let mut all: Vec<_> = places
                                .iter()
                                .map(|(name, _)| name)
                                .filter(|name| !name.is_empty())
                                .collect();
                            let count = all.len();
                            all.sort_unstable();
                            all.dedup();
                            assert_eq!(all.len(), count, "{what}");
                            let (last, others) = places.split_last().unwrap();
                            assert!(["", "other"].contains(&&*last.0), "{what}");
                            assert!(others.iter().all(|(name, _)| name != "other"), "{what}");
                        }
                    }
                }
            }
        }
    }
}

/// The overflow listener is one, whoever takes it over, and by whatever name.
#[test]
fn the_last_listener_is_never_another_one() {
    let names: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let small = Memory::new(20, 1);
    assert_eq!(small.configure_with(&names), 20);
    for name in &names {
        let number = small.listener(b"http", name.as_bytes());
        small.decided(number, &decision(Action::Pass, Outcome::Absent), 0);
    }
    let larger = Memory::new(25, 1);
    assert_eq!(larger.configure_with(&names), 15);
    larger.take_over(&small);
    assert_eq!(larger.listener(b"any", b"other"), 25);
    let places = places(&larger);
    let named = places.iter().filter(|(name, _)| name == "other").count();
    assert_eq!((named, places[25].1), (1, 20), "{places:?}");
    assert_eq!(places.iter().map(|(_, n)| n).sum::<u64>(), 40);
    assert_eq!(places.iter().filter(|(_, n)| *n == 1).count(), 20);
}

#[test]
fn listeners_that_are_gone_get_what_is_left() {
    let old = Memory::new(16, 1);
    let names: Vec<String> = (0..16).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    old.configure_with(&names);
    for name in &names {
        old.decided(
            old.listener(b"http", name.as_bytes()),
            &decision(Action::Pass, Outcome::Absent),
            0,
        );
    }
    // The first half has been gone for a while.
    old.configure_with(&names[8..]);
    let small = Memory::new(9, 1);
    assert_eq!(small.configure_with(&["x", "y", "9"]), 0);
    small.take_over(&old);
    let seen: Vec<_> = places(&small).into_iter().map(|(name, n)| format!("{name} {n}")).collect();
    assert_eq!(
        seen,
        ["x 0", "y 0", "9 1", "8 1", "10 1", "11 1", "12 1", "13 1", "14 1", "other 9"]
    );
    // What nothing was counted for leaves no trace where there is no room.
    let tiny = Memory::new(1, 1);
    tiny.configure_with(&["a"]);
    let empty = Memory::new(4, 1);
    empty.configure_with(&["b", "c"]);
    tiny.take_over(&empty);
    assert_eq!(places(&tiny), [("a".to_owned(), 0), (String::new(), 0)]);
}

#[test]
fn a_listener_that_comes_back_has_its_place_before_a_new_one_takes_it() {
    let memory = Memory::new(2, 1);
    memory.configure_with(&["a", "b"]);
    let b = memory.listener(b"http", b"b");
    memory.decided(b, &decision(Action::Pass, Outcome::Absent), 0);
    memory.configure_with(&["a"]);
    memory.configure_with(&["a"]);
    // By now the place of "b" could be had.
    assert_eq!(memory.configure_with(&["new", "b"]), 1);
    assert_eq!(memory.listener(b"http", b"b"), b);
    assert_eq!(places(&memory)[b as usize].1, 1);
}

#[test]
fn counters_are_kept_where_all_have_room_whatever_their_size() {
    let sixteen: Vec<String> = (0..16).map(|n| n.to_string()).collect();
    let sixteen: Vec<&str> = sixteen.iter().map(|name| &**name).collect();
    let old = Memory::new(16, 32);
    old.configure_with(&sixteen);
    let keep = |names: &[&str], workers, size| plan(Some(&old), names, workers, false, size).keep;
    assert_eq!(keep(&sixteen, 1, 0), 1);
    assert_eq!(keep(&sixteen[..4], 1, realpeer_counters_size(5, 3)), 1, "a smaller size");
    assert_eq!(keep(&sixteen, 1, 1 << 20), 1, "a larger one");
    assert_eq!(keep(&["new"], 1, 0), 0, "the others may still be counted for");
    assert_eq!(keep(&[], 1, 0), 1);
    assert_eq!(keep(&[sixteen[0]; 100], 1, 0), 1, "one listener with many sockets");
    // Workers count too, those of now included.
    (1..=20).for_each(|process| assert_ne!(old.worker(process), 32));
    assert_eq!(keep(&sixteen, 12, 0), 1);
    assert_eq!(keep(&sixteen, 13, 0), 0);
    let room = plan(Some(&old), &sixteen, 13, false, 0);
    assert_eq!((room.placed, room.seated, room.workers), (16, 12, 53));
    // Where no more processes come than end, each has a row in the end.
    assert_eq!(plan(Some(&old), &sixteen, 32, true, 0).keep, 1);
    let room = plan(Some(&old), &sixteen, 33, true, 0);
    assert_eq!((room.keep, room.seated, room.workers), (0, 32, 67));
    // In as few bytes new ones would be no better.
    assert_eq!(keep(&sixteen, 13, realpeer_counters_size(3, 3)), 1);
    // A listener that has been gone for long is in nobody's way.
    old.configure_with(&["0"]);
    assert_eq!(keep(&["new"], 1, 0), 1);
    assert_eq!(keep(&sixteen[1..], 1, 0), 1);
}

#[test]
fn new_counters_are_as_large_as_it_takes() {
    let names: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    for (listeners, workers, among, places, rows) in [
        (0, 1, false, 16, 32),
        (8, 1, false, 16, 32),
        (9, 9, false, 32, 36),
        (9, 9, true, 32, 32),
        (9, 256, true, 32, 512),
        (100, 48, false, 256, 192),
    ] {
        let room = plan(None, &names[..listeners], workers, among, 0);
        assert_eq!(room.size, realpeer_counters_size(places + 1, rows + 1));
        let enough = realpeer_counters_size(listeners as u32 + 1, rows + 1);
        let seen = (room.keep, room.workers, room.names as usize, room.enough);
        assert_eq!(seen, (0, rows + 1, listeners, enough));
        // Who takes the size that would do needs no other.
        let stated = plan(None, &names[..listeners], workers, among, room.enough);
        if listeners > 0 {
            let memory = Memory::sized(stated.size, stated.workers);
            assert_eq!(memory.configure_with(&names[..listeners]), 0);
            assert_eq!(memory.counters.workers, rows + 1);
        }
    }
    // The old ones that processes may count in have room as well.
    let old = Memory::new(16, 32);
    old.configure_with(&names[..12]);
    let room = plan(Some(&old), &names[12..20], 1, false, 0);
    assert_eq!((room.keep, room.size), (0, realpeer_counters_size(33, 33)));
}

/// Rows of processes that are about to end give way first, then listeners, and workers
/// last.
#[test]
fn what_gives_way_where_there_is_too_little() {
    let names: Vec<String> = (0..16).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let made = |size, names: &[&str], workers| {
        let room = plan(None, names, workers, false, size);
        let memory = Memory::sized(room.size, room.workers);
        ((memory.counters.listeners - 1).min(16), memory.counters.workers - 1)
    };
    assert_eq!(made(realpeer_counters_size(17, 193), &names, 48), (16, 192));
    assert_eq!(made(realpeer_counters_size(17, 193) - 1, &names, 48), (16, 96));
    assert_eq!(made(realpeer_counters_size(17, 49), &names, 48), (16, 48));
    assert_eq!(made(realpeer_counters_size(17, 49) - 1, &names, 48), (15, 48));
    assert_eq!(made(realpeer_counters_size(2, 49), &names, 48), (1, 48));
    assert_eq!(made(realpeer_counters_size(2, 25), &names, 48), (1, 24));
    assert_eq!(made(realpeer_counters_size(2, 2), &names, 48), (1, 1));
}

#[test]
fn plans_are_made_of_what_is_there() {
    let mut room = realpeer_counters_room::default();
    let names = c_names(&["a"]);
    let size = size_of::<realpeer_counters_room>();
    let out = &raw mut room;
    unsafe {
        let plan = |names, count, out, size| {
            realpeer_counters_plan(null(), names, count, 1, 0, 0, out, size)
        };
        assert_eq!(plan(names.as_ptr(), 1, out, size), 0);
        assert_eq!(plan(null(), 0, out, size), 0);
        assert_eq!(plan(null(), 1, out, size), INVALID);
        assert_eq!(plan(names.as_ptr(), 1, null_mut(), size), INVALID);
        assert_eq!(plan(names.as_ptr(), 1, out, size - 1), INVALID);
        let memory = Memory::new(1, 1);
        assert_eq!(realpeer_counters_configure(memory.get(), null(), 1), INVALID);
    }
}

/// Of a size that no system has, the plan says so at once; that it cannot be had, the
/// server is told by the system.
#[test]
fn a_plan_for_any_size_is_made_at_once() {
    for size in [1 << 40, 1 << 46, 1 << 62, usize::MAX] {
        for workers in [1, 1024, u32::MAX] {
            let room = plan(None, &["a", "b"], workers, false, size);
            assert_eq!((room.keep, room.size, room.names), (0, size, 2), "{size} {workers}");
        }
    }
}

/// As many listeners as fit, and not one more, whatever is left of a line of numbers.
#[test]
fn memory_is_used_up() {
    for workers in [1, 2, 33, 300] {
        let least = realpeer_counters_size(2, workers);
        for size in (least..least + 60_000).step_by(991) {
            let made = Memory::sized(size, workers).counters.listeners;
            assert!(realpeer_counters_size(made, workers) <= size, "{size} {workers}");
            assert!(realpeer_counters_size(made + 1, workers) > size, "{size} {workers}");
        }
    }
}

// ---- memory

#[test]
fn only_counters_are_opened() {
    let memory = Memory::new(2, 1);
    memory.listener(b"http", b"a");
    let open = |at: *mut std::ffi::c_void, size: usize| {
        let mut out = EMPTY;
        let result = unsafe { realpeer_counters_open(at, size, &raw mut out, SIZE) };
        (result, out)
    };
    let (at, size) = (memory.counters.memory, memory.counters.size);
    assert_eq!(open(at, size), (0, memory.counters));
    assert_eq!(open(at, size + 4096).0, 0);
    assert_eq!(open(at, size - 1).0, NOT_FOUND);
    assert_eq!(open(at, 0).0, INVALID);
    assert_eq!(open(null_mut(), size).0, INVALID);
    assert_eq!(open(at.wrapping_byte_add(8), size - 8).0, INVALID);
    // Another layout, another magic, listeners beyond the memory.
    for (offset, byte) in [(8, 0xff), (0, 0), (12, 0xff), (15, 0x80)] {
        let byte_at = at.wrapping_byte_add(offset).cast::<u8>();
        let before = unsafe { byte_at.replace(byte) };
        assert_eq!(open(at, size).0, NOT_FOUND, "{offset}");
        unsafe { byte_at.write(before) };
    }
    assert_eq!(open(at, size).0, 0);
}

#[test]
fn counters_are_made_only_where_they_fit() {
    let size = realpeer_counters_size(2, 1);
    let mut memory = vec![0_u8; size + 64];
    let start = memory.as_mut_ptr();
    let at = start.wrapping_add(start.align_offset(64)).cast();
    let mut out = EMPTY;
    let mut make = |at, size, workers| unsafe {
        realpeer_counters_create(at, size, workers, NOW, &raw mut out, SIZE)
    };
    assert_eq!(make(at, size, 1), 0);
    assert_eq!(make(at, size - 1, 1), NO_ROOM);
    assert_eq!(make(at, size, 0), NO_ROOM);
    assert_eq!(make(at, size, u32::MAX), NO_ROOM);
    assert_eq!(make(null_mut(), size, 1), INVALID);
    assert_eq!(make(at.wrapping_byte_add(1), size - 1, 1), INVALID);
    let short = unsafe { realpeer_counters_create(at, size, 1, NOW, &raw mut out, SIZE - 1) };
    assert_eq!(short, INVALID);
    assert!(realpeer_counters_size(u32::MAX, u32::MAX) > size);
}

#[test]
fn nothing_is_asked_of_null() {
    let none = null();
    let empty = EMPTY;
    let gone = &raw const empty;
    for at in [none, gone] {
        unsafe {
            assert_eq!(realpeer_counters_configure(at, null(), 0), INVALID);
            assert_eq!(realpeer_counters_listener(at, null(), 0, null(), 0), INVALID);
            assert_eq!(realpeer_counters_take_over(at, at), INVALID);
            assert_eq!(realpeer_counters_worker(at, 1), INVALID);
            assert_eq!(realpeer_counters_process(at, 0), INVALID);
            assert_eq!(realpeer_counters_ended(at, 0, 1), INVALID);
            assert_eq!(realpeer_counters_waiting(at, 0, 0, 1), INVALID);
            assert_eq!(realpeer_counters_decided(at, 0, null(), 0, 0), INVALID);
            assert_eq!(realpeer_counters_dropped(at, 0), INVALID);
            assert_eq!(realpeer_counters_refused(at, 0, -1, null(), 0, 0), INVALID);
            assert_eq!(realpeer_counters_held(at, 0, -1), INVALID);
            assert!(realpeer_counters_log(at, 0).is_null());
            assert_eq!(realpeer_counters_write(at, 1, 0, None, null_mut()), INVALID);
        }
    }
}

// ---- those that wait

#[test]
fn the_dead_do_not_wait() {
    let memory = Memory::new(2, 2);
    let listener = memory.listener(b"http", b"a");
    let waiting = || memory.json()["listeners"][0]["waiting"].as_u64().unwrap();
    let process = |row: i32| unsafe { realpeer_counters_process(memory.get(), row as u32) };
    let ended = |row: i32, pid| unsafe { realpeer_counters_ended(memory.get(), row as u32, pid) };

    let (first, second, third) = (memory.worker(10), memory.worker(20), memory.worker(30));
    assert_eq!([first, second, third], [0, 1, 2]);
    assert_eq!([0, 1, 2, 3].map(process), [10, 20, 0, NOT_FOUND]);
    for row in [first, first, second, third] {
        memory.wait(listener, row, true);
    }
    assert_eq!(waiting(), 4);

    assert_eq!(ended(first, 20), 0, "not his");
    assert_eq!(waiting(), 4);
    assert_eq!(ended(first, 10), 0);
    assert_eq!(waiting(), 2);
    assert_eq!(memory.worker(40), first, "free again");
    assert_eq!(waiting(), 2, "and empty");
    assert_eq!(ended(first, 10), 0, "too late");
    assert_eq!(process(first), 40);

    // The number of a process comes again.
    memory.wait(listener, second, true);
    assert_eq!(memory.worker(20), second);
    assert_eq!(waiting(), 1);
    assert_eq!(memory.worker(0), INVALID);
    assert_eq!(memory.worker(-1), INVALID);
}

// ---- refused sources

fn sources(memory: &Memory) -> Vec<(String, u64)> {
    let json = memory.json();
    let of = |one: &serde_json::Value| {
        (one["source"].as_str().unwrap().to_owned(), one["count"].as_u64().unwrap())
    };
    json["refused"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn one_source_is_one_line() {
    let memory = Memory::new(2, 1);
    let listener = memory.listener(b"http", b"a");
    for ip in ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "2001:db8::2", "2001:db8:1::"] {
        assert_eq!(memory.refused(listener, Outcome::BadTlv, &Socket::new(ip), NOW), 0);
    }
    assert_eq!(memory.refused(listener, Outcome::Silent, &Socket::unix(), NOW), 0);
    let wanted = [("unix:", 1), ("2001:db8:1::", 1), ("2001:db8::2", 2), ("192.0.2.1", 2)];
    assert_eq!(sources(&memory), wanted.map(|(ip, count)| (ip.to_owned(), count)));
    assert_eq!(memory.json()["refused"][0]["result"], "silent");
    let unknown = unsafe { realpeer_counters_refused(memory.get(), 0, -1, null(), 0, NOW) };
    assert_eq!(unknown, NOT_FOUND);
}

#[test]
fn a_flood_from_one_source_hides_nobody() {
    let memory = Memory::new(2, 1);
    let listener = memory.listener(b"http", b"a");
    let refuse = |ip: &str| memory.refused(listener, Outcome::NoHeader, &Socket::new(ip), NOW);
    for host in 0..63 {
        refuse(&format!("192.0.2.{host}"));
    }
    for n in 0..10_000 {
        refuse("203.0.113.9");
        refuse(&format!("192.0.2.{}", n % 2));
    }
    let seen = sources(&memory);
    assert_eq!(seen.len(), 64);
    assert!(seen.contains(&("192.0.2.62".to_owned(), 1)));
    assert!(seen.contains(&("203.0.113.9".to_owned(), 10_000)));
    // The one that was seen longest ago makes room.
    refuse("198.51.100.1");
    let seen = sources(&memory);
    assert_eq!(seen.len(), 64);
    assert_eq!(seen[0].0, "198.51.100.1");
    assert!(!seen.iter().any(|(ip, _)| ip == "192.0.2.2"));
}

/// A process may be killed while it writes.
#[test]
fn a_source_left_half_written_is_taken_again() {
    let memory = Memory::new(2, 1);
    let listener = memory.listener(b"http", b"a");
    let somebody = Socket::new("192.0.2.1");
    memory.refused(listener, Outcome::BadV1, &somebody, NOW);
    // Behind the head and three listeners: its state, and when it was taken.
    let state = memory.counters.memory.wrapping_byte_add(64 + 3 * 1216).cast::<u64>();
    unsafe {
        assert_eq!(state.read(), 2);
        state.write(3);
    }
    assert_eq!(sources(&memory), []);
    memory.refused(listener, Outcome::BadV1, &somebody, NOW + 9);
    assert_eq!(sources(&memory), [], "somebody may still be writing");
    memory.refused(listener, Outcome::BadV1, &somebody, NOW + 10);
    assert_eq!(sources(&memory), [("192.0.2.1".to_owned(), 2)]);
}

// ---- what the server says

/// The counter of second headers is in each format, and goes with its listener.
#[test]
fn another_header_is_counted_in_every_format() {
    let memory = Memory::new(3, 1);
    let (one, two) = (memory.listener(b"http", b"a"), memory.listener(b"stream", b"b"));
    let count = |listener| unsafe { realpeer_counters_another(memory.get(), listener) };
    for _ in 0..1_234 {
        assert_eq!(count(two), 0);
    }
    assert_eq!((count(99), unsafe { realpeer_counters_another(null(), one) }), (0, INVALID));
    let json = memory.json();
    assert_eq!(json["listeners"][0]["another_header"], 0);
    assert_eq!(json["listeners"][1]["another_header"], 1_234);
    let series = "realpeer_another_header_total{subsystem=\"stream\",listener=\"b\"}";
    assert_eq!(memory.value(series), "1234");
    memory.decided(two, &decision(Action::Accept, Outcome::Proxy), 0);
    let page = memory.text(Format::Html, NOW);
    assert!(page.contains("another header follows</td><td class=\"n\">1\u{202f}234<"), "{page}");
    let section = memory.text(Format::Section, NOW);
    assert!(section.contains("another header follows</td><td align=\"right\">1234<"), "{section}");
    let lines = memory.text(Format::Lines, NOW);
    assert!(lines.contains("RealPeerListener[1]AnotherHeader: 1234\n"), "{lines}");

    // Taken over by a larger zone.
    let larger = Memory::new(4, 1);
    assert_eq!(unsafe { realpeer_counters_take_over(larger.get(), memory.get()) }, 0);
    assert_eq!(larger.json()["listeners"][1]["another_header"], 1_234);
}

#[test]
fn dropped_and_held_back() {
    let memory = Memory::new(2, 1);
    let listener = memory.listener(b"http", b"a");
    unsafe {
        assert_eq!(realpeer_counters_dropped(memory.get(), listener), 0);
        for result in [Outcome::NoAddress, Outcome::BadV1, Outcome::BadV1] {
            assert_eq!(realpeer_counters_held(memory.get(), listener, result as i32), 0);
        }
        assert_eq!(realpeer_counters_held(memory.get(), listener, 99), INVALID);
        let limit = realpeer_counters_log(memory.get(), listener);
        assert!(!limit.is_null() && limit.cast::<u32>().is_aligned());
        assert!(realpeer_counters_log(memory.get(), 3).is_null());
    }
    let json = &memory.json()["listeners"][0];
    assert_eq!(json["dropped"], 1);
    assert_eq!(json["log_held"]["bad_v1"], 2);
    assert_eq!(json["log_held"]["no_address"], 1);
    assert_eq!(json["log_held"]["silent"], 0);
}
