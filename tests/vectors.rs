//! Every vector of `tests/vectors`: at once, at every length, at every alignment,
//! and with what follows a header behind it. Through Rust and through C.
#![allow(missing_docs, unreachable_pub, unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::std_instead_of_core)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod common;

use common::{Seen, expected, limits, via_rust};
use realpeer_testdata::{Vector, bytes, vectors};

/// Does `check` for every vector and reports all that fail, not the first only.
fn for_each(check: impl Fn(&Vector) -> Result<(), String>) {
    let vectors = vectors();
    let faults: Vec<String> = vectors
        .iter()
        .filter_map(|vector| {
            let fault = check(vector).err()?;
            Some(format!("{}, {}\n    {fault}", vector.file, vector.name))
        })
        .collect();
    assert!(
        faults.is_empty(),
        "{} of {} vectors:\n{}",
        faults.len(),
        vectors.len(),
        faults.join("\n")
    );
}

fn same(seen: &Seen, wanted: &Seen, when: &str) -> Result<(), String> {
    if seen == wanted {
        return Ok(());
    }
    let short = |seen: &Seen| {
        let text = format!("{seen:?}");
        text.chars().take(600).collect::<String>()
    };
    Err(format!("{when}\n    is     {}\n    not as {}", short(seen), short(wanted)))
}

/// A language, and the parser called through it.
type Parser = (&'static str, Box<dyn Fn(&[u8]) -> Seen>);

fn parsers(vector: &Vector) -> Vec<Parser> {
    let limits = limits(vector);
    #[cfg_attr(not(feature = "ffi"), allow(unused_mut))]
    let mut parsers: Vec<Parser> = vec![("Rust", Box::new(move |bytes| via_rust(bytes, &limits)))];
    #[cfg(feature = "ffi")]
    {
        let settings = common::c::settings(vector);
        parsers.push(("C", Box::new(move |bytes| common::c::via_c(bytes, &settings))));
    }
    parsers
}

#[test]
fn at_once() {
    for_each(|vector| {
        for (language, parse) in parsers(vector) {
            let seen = parse(&vector.bytes);
            same(&seen, &expected(vector, &seen), language)?;
        }
        Ok(())
    });
}

/// The same stateless call with more and more bytes: `more` up to the byte that
/// decides, and the same verdict from there on.
#[test]
fn byte_by_byte() {
    for_each(|vector| {
        for (language, parse) in parsers(vector) {
            let whole = parse(&vector.bytes);
            for len in lengths(vector) {
                let wanted =
                    if vector.expect == "more" || len < vector.at { &Seen::More } else { &whole };
                let seen = parse(&vector.bytes[..len]);
                same(&seen, wanted, &format!("{language}, the first {len} bytes"))?;
            }
        }
        Ok(())
    });
}

/// Every length up to the verdict; behind it not all of the long ones.
fn lengths(vector: &Vector) -> impl Iterator<Item = usize> {
    let (at, end) = (vector.at, vector.bytes.len());
    (0..=end).filter(move |&len| len < at + 300 || len + 2 >= end)
}

#[test]
fn what_follows_changes_nothing() {
    let followers = [
        b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".to_vec(),
        b"PROXY TCP4 203.0.113.9 203.0.113.10 1 2\r\n".to_vec(),
        bytes("SIG 21 11 000c cb007109 cb00710a 0001 0002"),
        bytes("02 0005 'admin' 03 0004 00000000 20 0001 00"),
        bytes("ff*300"),
        bytes("00*300"),
        bytes("0d0a"),
    ];
    for_each(|vector| {
        for (language, parse) in parsers(vector) {
            let decided = &vector.bytes[..vector.at];
            if vector.expect == "more" {
                continue;
            }
            let alone = parse(decided);
            for follower in &followers {
                let seen = parse(&[decided, follower].concat());
                same(&seen, &alone, &format!("{language}, {follower:02x?} behind it"))?;
            }
        }
        Ok(())
    });
}

#[test]
fn wherever_in_memory() {
    for_each(|vector| {
        for (language, parse) in parsers(vector) {
            let wanted = parse(&vector.bytes);
            for offset in 1..16 {
                let mut buffer = vec![0xaa; offset];
                buffer.extend(&vector.bytes);
                same(
                    &parse(&buffer[offset..]),
                    &wanted,
                    &format!("{language}, {offset} bytes on"),
                )?;
            }
        }
        Ok(())
    });
}

#[test]
fn named_fields() {
    for_each(|vector| {
        for (language, parse) in parsers(vector) {
            let Seen::Accepted(seen) = parse(&vector.bytes) else { continue };
            let find = |name: &str| {
                let name = if name.starts_with("0x") { name.to_lowercase() } else { name.into() };
                seen.fields.iter().find(|(known, _)| *known == name).map(|(_, text)| text)
            };
            for (name, text) in &vector.fields {
                if find(name) != Some(text) {
                    return Err(format!("{language}: {name} is {:?}, not {text:?}", find(name)));
                }
            }
            for name in &vector.absent {
                if let Some(text) = find(name) {
                    return Err(format!("{language}: {name} is {text:?}, not absent"));
                }
            }
        }
        Ok(())
    });
}

/// The whole answer, fields included, is the same in both languages.
#[cfg(feature = "ffi")]
#[test]
fn both_languages_agree() {
    for_each(|vector| {
        let rust = via_rust(&vector.bytes, &limits(vector));
        let c = common::c::via_c(&vector.bytes, &common::c::settings(vector));
        same(&c, &rust, "C and Rust")
    });
}

/// Attack 13: SSL within SSL, as deep as a header can hold. Nothing recurses.
#[test]
fn ssl_nested_as_deep_as_it_goes() {
    let mut nested: Vec<u8> = Vec::new();
    let mut depth = 0;
    while nested.len() + 8 + 12 <= 65535 {
        let len = u16::try_from(nested.len() + 5).unwrap();
        let head = [&[0x20][..], &len.to_be_bytes(), &[7, 0, 0, 0, 0]].concat();
        nested = [head, nested].concat();
        depth += 1;
    }
    assert_eq!(depth, 8190);
    let block = [bytes("c0000201 c6336407 dc04 01bb"), nested].concat();
    let header = realpeer_testdata::encode::v2(0x21, 0x11, &block);
    let limits = realpeer::Limits { max_header: realpeer::MAX_HEADER, ..Default::default() };
    let Seen::Accepted(seen) = via_rust(&header, &limits) else { panic!("refused") };
    assert_eq!(seen.tlvs.len(), 1);
    assert!(seen.fields.contains(&("ssl_verified".to_owned(), "1".to_owned())));
}
