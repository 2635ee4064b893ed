//! How counters lie in shared memory.
//!
//! ```text
//! Head | Listener[listeners] | Source[SOURCES] | Row[workers] | AtomicU32[workers][stride]
//! ```
//!
//! The numbers at the end say how many connections wait in a worker, for each
//! listener; a row of them fills whole cache lines, so that it is one worker's.
//!
//! Everything is atomic, because several processes count at the same time and
//! none takes a lock. Zeroed memory is a valid block of everything but `Head`.
//!
//! Old and new processes share the memory over a reload, so what is here can only
//! change together with [`LAYOUT`]: whoever finds another number there leaves the
//! memory alone and takes fresh one.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64};

/// `realpeer` in ASCII, in the byte order of whoever writes it.
pub(crate) const MAGIC: u64 = 0x7265_616c_7065_6572;
/// Counts up with each change of what is in this file.
pub(crate) const LAYOUT: u32 = 2;

/// Places for numbers of outcomes, see [`super::result::Place`].
pub(crate) const RESULTS: usize = 40;
/// Of these, the first that is a refusal; only refusals are logged.
pub(crate) const REFUSALS_FROM: usize = 8;
/// Places for refusals.
pub(crate) const REFUSALS: usize = RESULTS - REFUSALS_FROM;
/// Numbers of a `realpeer_log_limit`.
pub(crate) const LOG_LIMIT: usize = 64;
/// Buckets of the histogram, the last of which has no upper end.
pub(crate) const BUCKETS: usize = 16;
/// Bytes of a listener's name at most, `unix:` and a path among them.
pub(crate) const NAME: usize = 128;
/// Bytes of a subsystem's name at most.
pub(crate) const SUBSYSTEM: usize = 8;
/// How many refused sources are remembered.
pub(crate) const SOURCES: usize = 64;

/// What the memory is, and how much of everything it has room for.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Head {
    pub(crate) magic: AtomicU64,
    pub(crate) layout: AtomicU32,
    /// Places for listeners. The last one is for those that found no place.
    pub(crate) listeners: AtomicU32,
    /// Rows of who is waiting. The last one is for workers that found none.
    pub(crate) workers: AtomicU32,
    /// How often listeners have been named: one for each configuration.
    pub(crate) generation: AtomicU32,
    /// Seconds since 1970 when counting began.
    pub(crate) started: AtomicU64,
    /// Counts refusals, to know which source was seen longest ago.
    pub(crate) refusals: AtomicU64,
}

/// An address that is listened on, and what came of its connections.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Listener {
    /// 0: free. Odd: the name is being written. Even: named.
    pub(crate) state: AtomicU32,
    /// That of the last configuration that had this listener.
    pub(crate) generation: AtomicU32,
    pub(crate) subsystem: [AtomicU64; SUBSYSTEM / 8],
    pub(crate) name: [AtomicU64; NAME / 8],
    /// Connections by what became of them.
    pub(crate) results: [AtomicU64; RESULTS],
    /// Closed by the server itself before anything was decided.
    pub(crate) dropped: AtomicU64,
    /// Valid headers of version 1, 2, and what may come.
    pub(crate) versions: [AtomicU64; 4],
    /// Valid headers whose CRC32c was there, and right.
    pub(crate) checksums: AtomicU64,
    /// Bytes of valid headers.
    pub(crate) bytes: AtomicU64,
    /// From accept to the complete header, in buckets that do not overlap.
    pub(crate) times: [AtomicU64; BUCKETS],
    /// The same, all added up, in microseconds.
    pub(crate) time: AtomicU64,
    /// Lines that the log was spared, by the place of the result less
    /// [`REFUSALS_FROM`].
    pub(crate) held: [AtomicU64; REFUSALS],
    /// What decides about that: a `realpeer_log_limit`.
    pub(crate) log: [AtomicU32; LOG_LIMIT],
    /// Accepted connections on which another header follows the first.
    pub(crate) another: AtomicU64,
}

/// Who counts in a row of those that wait.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Row {
    /// The process, 0: nobody.
    pub(crate) process: AtomicI32,
}

/// A source that was refused. Many refusals of one source are one of these.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Source {
    /// 0: free. Odd: being written. Even: to be read.
    pub(crate) state: AtomicU64,
    /// [`Head::refusals`] when it was refused last.
    pub(crate) order: AtomicU64,
    /// Seconds since 1970 when that was.
    pub(crate) time: AtomicU64,
    /// How often it was refused.
    pub(crate) count: AtomicU64,
    /// Its address, in network byte order; IPv4 in the first four bytes.
    pub(crate) address: [AtomicU64; 2],
    /// `family | listener << 8`.
    pub(crate) what: AtomicU32,
    /// The result, as [`crate::Outcome`] has it.
    pub(crate) result: AtomicI32,
}

/// Numbers in a cache line.
pub(crate) const LINE: usize = 64 / size_of::<AtomicU32>();

/// Places of a row of those that wait.
pub(crate) const fn stride(listeners: usize) -> usize {
    listeners.div_ceil(LINE).saturating_mul(LINE)
}

/// Bytes of it all.
pub(crate) const fn size(listeners: usize, workers: usize) -> usize {
    size_of::<Head>()
        .saturating_add(listeners.saturating_mul(size_of::<Listener>()))
        .saturating_add(SOURCES.saturating_mul(size_of::<Source>()))
        .saturating_add(rows(workers))
        .saturating_add(
            workers.saturating_mul(stride(listeners)).saturating_mul(size_of::<AtomicU32>()),
        )
}

/// Bytes of the rows' owners, up to where a cache line begins.
pub(crate) const fn rows(workers: usize) -> usize {
    workers.div_ceil(LINE).saturating_mul(64)
}

// Whoever changes a size changes LAYOUT as well.
const _: () = assert!(size_of::<Head>() == 64);
const _: () = assert!(size_of::<Source>() == 64);
const _: () = assert!(size_of::<Row>() == 4);
const _: () = assert!(size_of::<Listener>() == 1216);
