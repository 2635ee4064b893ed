//! An input that is a stream with some parameters in front of it.

use realpeer::{Event, Limits, MAX_HEADER, NoAddress, Policy, Settings, Versions};

/// Bytes in front of the stream.
pub const PARAMETERS: usize = 4;

/// What a connection is decided with.
#[derive(Debug)]
pub struct Stream<'a> {
    pub policy: Option<Policy>,
    pub settings: Settings,
    /// The same, of which the oracle makes its own.
    pub versions: u8,
    pub event: Event,
    pub bytes: &'a [u8],
    seed: u64,
}

impl<'a> Stream<'a> {
    /// `None` where not even the parameters are there.
    pub fn new(data: &'a [u8]) -> Option<Self> {
        let (&[how, limit, a, b], bytes) = data.split_first_chunk::<PARAMETERS>()?;
        let policy = match how & 7 {
            0..=2 => Some(Policy::Require),
            3 => Some(Policy::Optional),
            4 => Some(Policy::Strip),
            5 => Some(Policy::Direct),
            6 => Some(Policy::Refuse),
            _ => None,
        };
        let (versions, bits) = [(Versions::BOTH, 3), (Versions::V1, 1), (Versions::V2, 2)]
            [usize::from(limit >> 6).min(2)];
        let max_header = match limit & 63 {
            0 => 4096,
            1 => MAX_HEADER,
            n => 15 + u32::from(n) * u32::from(n),
        };
        Some(Stream {
            policy,
            settings: Settings {
                limits: Limits { max_header, versions },
                no_address: if how & 8 == 0 { NoAddress::Accept } else { NoAddress::Refuse },
            },
            versions: bits,
            event: [Event::Data, Event::Closed, Event::Timeout, Event::Data]
                [usize::from(how >> 4 & 3)],
            bytes,
            seed: u64::from(u16::from_be_bytes([a, b])) << 1 | 1,
        })
    }

    /// A number below `n`, another one each time: with it the stream is cut.
    pub fn random(&mut self, n: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 8) as usize % n.max(1)
    }

    /// Whether it is read at all.
    pub fn is_read(&self) -> bool {
        self.policy.is_some_and(Policy::reads)
    }
}
