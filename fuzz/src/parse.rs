//! `parse`, with every limit that makes a difference, against the second reading;
//! and that no verdict depends on how the bytes are cut.

use realpeer::{
    Command, Header, Limits, MAX_HEADER, MIN_HEADER, Outcome, Progress, Version, Versions, parse,
};

use crate::oracle::{self, Reading};

/// The input is a stream from its first byte.
pub const PARAMETERS: usize = 0;

const VERSIONS: [(Versions, u8); 3] = [(Versions::BOTH, 3), (Versions::V1, 1), (Versions::V2, 2)];

pub fn check(data: &[u8]) {
    for max_header in limits(data) {
        for (versions, bits) in VERSIONS {
            let limits = Limits { max_header, versions };
            let reading = oracle::read(data, max_header, bits);
            compare(data, &parse(data, &limits), &reading);
        }
    }
    cut(data, &Limits { max_header: MAX_HEADER, ..Limits::default() });
}

/// The ends of the range, the default, and those at which this very header is as
/// long as it may be, or one byte longer.
fn limits(data: &[u8]) -> impl Iterator<Item = u32> {
    let len = match data.get(14..16) {
        Some(&[high, low]) => 16 + u32::from(u16::from_be_bytes([high, low])),
        _ => 4096,
    };
    [MIN_HEADER, len.max(MIN_HEADER + 1) - 1, len, 4096, MAX_HEADER].into_iter()
}

/// The library's answer in the form of the other's.
pub fn in_our_words(header: &Header<'_>) -> oracle::Header {
    oracle::Header {
        len: header.len(),
        version: match header.version() {
            Version::V1 => 1,
            Version::V2 => 2,
        },
        local: header.command() == Command::Local,
        family: header.family() as u8,
        transport: header.transport() as u8,
        addresses: header.source().zip(header.destination()),
        paths: header.unix_paths().map(|(a, b)| (a.as_bytes().to_vec(), b.as_bytes().to_vec())),
        tlvs: header.tlvs().map(|tlv| (tlv.kind, tlv.value.to_vec())).collect(),
        checksum: header.checksum_verified(),
    }
}

pub fn compare(data: &[u8], seen: &Result<Progress<'_>, Outcome>, reading: &Reading) {
    match (seen, reading) {
        (Ok(Progress::Done(header)), Reading::Header(wanted)) => {
            assert_eq!(in_our_words(header), *wanted);
            assert_eq!(header.as_bytes(), &data[..wanted.len]);
        }
        (Err(outcome), Reading::Refused(word)) => assert_eq!(outcome.name(), *word),
        (Ok(Progress::More { need }), Reading::Part(least)) => {
            assert!(*need > data.len(), "asks for what is there");
            match data {
                [b'P', ..] if data.len() >= 5 => waits_rightly(data, *need),
                _ => assert_eq!(need, least),
            }
        }
        // A line that is not whole, and cannot become one any more.
        (Err(Outcome::BadV1), Reading::Part(0)) => {
            assert_eq!(oracle::completion(data).filter(|end| data.len() + end.len() <= 107), None);
        }
        _ => panic!("{seen:?}, not {reading:?}"),
    }
}

/// A line is waited for only if it can become whole; and never for more than the
/// shortest end that makes it so.
fn waits_rightly(data: &[u8], need: usize) {
    let end = oracle::completion(data).expect("waits for a line that cannot become whole");
    assert!(need <= data.len() + end.len(), "asks for more than the line may have");
}

/// All beginnings, each in memory of its own: one asks for more and no further than
/// the header, or has the verdict of the whole.
fn cut(data: &[u8], limits: &Limits) {
    let whole = parse(data, limits);
    let mut decided = false;
    for len in lengths(data.len()) {
        let part = data[..len].to_vec();
        match (parse(&part, limits), &whole) {
            (Ok(Progress::More { need }), _) => {
                assert!(!decided, "undecided again");
                assert!(need > len);
                if let Ok(Progress::Done(header)) = &whole {
                    assert!(need <= header.len(), "asks for what is not the header's");
                }
            }
            (Ok(Progress::Done(header)), Ok(Progress::Done(wanted))) => {
                assert_eq!(header, *wanted);
                decided = true;
            }
            (Err(outcome), Err(wanted)) => {
                assert_eq!(outcome, *wanted);
                decided = true;
            }
            (seen, _) => panic!("{len} bytes give {seen:?}, all of them {whole:?}"),
        }
    }
}

/// Every length that can decide something, and some of the others.
fn lengths(all: usize) -> impl Iterator<Item = usize> {
    (0..=all).filter(move |&len| len < 109 || len + 3 >= all || len % 251 == 0)
}
