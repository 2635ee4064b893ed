//! What is sent: the headers of `tests/vectors`, and where they are cut.

use std::collections::BTreeSet;

use realpeer_testdata::{Vector, vectors};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Sent byte by byte only where that is not too many connections' time.
const SHORT: usize = 107;

/// How a header and what a client says behind it are split into segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Split {
    /// All in one.
    Fused,
    /// The header in one, the rest in another.
    Apart,
    /// The header in two, its last part with all the rest.
    InSignature,
    InAddress,
    BeforeLastByte,
    /// Each byte of the header by itself.
    Bytes,
    /// A header that does not end, and then the end of the connection.
    Unfinished,
}

impl Split {
    const WHOLE: [Self; 2] = [Self::Fused, Self::Apart];
    const CUT: [Self; 4] = [Self::InSignature, Self::InAddress, Self::BeforeLastByte, Self::Bytes];

    /// Whether the header comes in more than one segment.
    pub fn cuts_header(self) -> bool {
        Self::CUT.contains(&self)
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::Fused => "header and request in one segment",
            Self::Apart => "the request in a segment of its own",
            Self::InSignature => "cut inside the signature",
            Self::InAddress => "cut inside the addresses",
            Self::BeforeLastByte => "cut before its last byte",
            Self::Bytes => "byte by byte",
            Self::Unfinished => "a part of a header and the end",
        }
    }
}

/// The limits that a vector is about: `realpeer_max_header` and
/// `realpeer_versions`.
pub type Limits = (u32, Vec<u8>);

/// A header, and the way it is sent.
#[derive(Debug, Clone)]
pub struct Input {
    pub vector: Vector,
    pub header: Vec<u8>,
    pub split: Split,
}

impl Input {
    /// The segments before the last one, and what of the header is in that.
    pub fn segments(&self) -> (Vec<&[u8]>, &[u8]) {
        let header = &self.header[..];
        let at = match self.split {
            Split::Fused | Split::Unfinished => return (Vec::new(), header),
            Split::Bytes => return (header.chunks(1).collect(), &[]),
            Split::Apart => header.len(),
            Split::BeforeLastByte => header.len() - 1,
            Split::InSignature => 3,
            Split::InAddress => 19,
        };
        let (first, last) = header.split_at(at);
        (vec![first], last)
    }

    pub fn limits(&self) -> Limits {
        (self.vector.max_header, self.vector.versions.clone())
    }
}

/// Every vector as one segment; those that are to be accepted in every way.
pub fn inputs() -> Vec<Input> {
    vectors().iter().flat_map(variants).collect()
}

pub fn limits(inputs: &[Input]) -> BTreeSet<Limits> {
    inputs.iter().map(Input::limits).collect()
}

fn variants(vector: &Vector) -> Vec<Input> {
    let header = header(vector);
    let splits = if vector.expect == "more" {
        vec![Split::Unfinished]
    } else if vector.is_accepted() {
        let cuts = Split::CUT.into_iter().filter(|split| match split {
            Split::InAddress => header.len() > 20,
            Split::Bytes => header.len() <= SHORT,
            _ => true,
        });
        Split::WHOLE.into_iter().chain(cuts).collect()
    } else {
        vec![Split::Fused]
    };
    let input = |split| Input { vector: vector.clone(), header: header.clone(), split };
    splits.into_iter().map(input).collect()
}

/// The bytes of a vector without those behind its header, in place of which
/// the request is sent that the server understands.
fn header(vector: &Vector) -> Vec<u8> {
    let mut header = vector.bytes.clone();
    if header.starts_with(SIGNATURE) && header.len() >= 16 {
        let length = 16 + usize::from(u16::from_be_bytes([header[14], header[15]]));
        header.truncate(length);
        if vector.is_refused() {
            // So that none of the request can be taken for the header's.
            header.resize(length, 0);
        }
    } else if header.starts_with(b"PROXY") {
        let end = header.windows(2).position(|two| two == b"\r\n");
        header.truncate(end.map_or(header.len(), |at| at + 2));
    }
    header
}
