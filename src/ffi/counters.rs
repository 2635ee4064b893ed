//! Counters in C.

use core::ffi::c_void;
use core::slice;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use libc::{sockaddr, socklen_t};

use super::address::peer;
use super::{Error, Out, bytes, realpeer_decision};
use crate::counters::count::Brought;
use crate::counters::layout::{self, Head, LAYOUT, Listener, MAGIC, Row, SOURCES, Source};
use crate::counters::names::Named;
use crate::counters::plan::Needs;
use crate::counters::result::{Done, Kind};
use crate::counters::{Counters, room};
use crate::outcome::Outcome;

/// What the memory of counters has to be aligned to.
pub const REALPEER_COUNTERS_ALIGNMENT: usize = 64;
/// Changes with how counters lie in memory. Processes that share memory have to
/// agree on it: it may stand in the name under which they find the memory.
pub const REALPEER_COUNTERS_LAYOUT: u32 = 2;

const _: () = assert!(REALPEER_COUNTERS_LAYOUT == LAYOUT);
const _: () = assert!(REALPEER_COUNTERS_ALIGNMENT == align_of::<Head>());

/// Counters in memory of the caller's that processes may share: all is counted
/// with atomic operations, and nobody waits for anybody. Each process may have a
/// struct of its own, as the memory may lie elsewhere there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct realpeer_counters {
    /// Where they are, aligned to REALPEER_COUNTERS_ALIGNMENT.
    pub memory: *mut c_void,
    /// Bytes there.
    pub size: usize,
    /// Listeners that there is room for. The last one stands for all those that
    /// found none.
    pub listeners: u32,
    /// Processes that there is room for. The last one stands for all those that
    /// found none.
    pub workers: u32,
}

/// A listener of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct realpeer_counters_name {
    /// What listens, such as "http", at most 8 bytes.
    pub subsystem: *const core::ffi::c_char,
    /// Bytes of it.
    pub subsystem_len: usize,
    /// Where, such as "192.0.2.1:443", at most 128 bytes.
    pub name: *const core::ffi::c_char,
    /// Bytes of it.
    pub name_len: usize,
}

/// Whether a configuration has room in the counters there are, and what others it
/// would take.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct realpeer_counters_room {
    /// Bytes of new counters.
    pub size: usize,
    /// Bytes in which all listeners and workers have room.
    pub enough: usize,
    /// Processes that new counters have room for, as realpeer_counters_create wants
    /// it.
    pub workers: u32,
    /// Listeners of the configuration, each counted once.
    pub names: u32,
    /// How many of them have room in the counters there are.
    pub placed: u32,
    /// How many of the workers have.
    pub seated: u32,
    /// 1: the counters there are should be kept; 0: new ones should be made, which
    /// then take over what was counted.
    pub keep: i32,
}

/// The listeners of a configuration.
///
/// # Safety
/// `names` must be NULL or readable, for `'a`, as so many realpeer_counters_name,
/// whose texts are NULL or readable for their length.
unsafe fn listeners<'a>(
    names: *const realpeer_counters_name,
    count: usize,
) -> Option<impl Iterator<Item = Named<'a>> + Clone> {
    // SAFETY: the caller's promise.
    let names = unsafe { bytes(names, count)? };
    Some(names.iter().map(|name| {
        // SAFETY: the caller's promise.
        unsafe {
            (
                bytes(name.subsystem.cast::<u8>(), name.subsystem_len).unwrap_or(&[]),
                bytes(name.name.cast::<u8>(), name.name_len).unwrap_or(&[]),
            )
        }
    }))
}

/// Cuts memory up.
///
/// # Safety
/// `memory` must be readable and writable for `size` bytes, for `'a`, and hold
/// counters or zeroes.
unsafe fn cut<'a>(
    memory: *mut c_void,
    size: usize,
    listeners: u32,
    workers: u32,
) -> Option<Counters<'a>> {
    let (listeners, workers) = (usize::try_from(listeners).ok()?, usize::try_from(workers).ok()?);
    let fits = layout::size(listeners, workers) <= size && isize::try_from(size).is_ok();
    let start = memory.cast::<u8>();
    if start.is_null() || !start.cast::<Head>().is_aligned() || !fits {
        return None;
    }
    let sources_at =
        size_of::<Head>().saturating_add(listeners.saturating_mul(size_of::<Listener>()));
    let rows_at = sources_at.saturating_add(SOURCES.saturating_mul(size_of::<Source>()));
    let waiting_at = rows_at.saturating_add(layout::rows(workers));
    let waiting = workers.saturating_mul(layout::stride(listeners));
    // SAFETY: layout::size() is the end of the last of these, and is within the
    // memory. Each begins where a cache line does, which is enough for all of
    // them. All of it is atomic integers, for which any bytes will do.
    unsafe {
        Some(Counters {
            head: &*start.cast::<Head>(),
            listeners: slice::from_raw_parts(
                start.add(size_of::<Head>()).cast::<Listener>(),
                listeners,
            ),
            sources: slice::from_raw_parts(start.add(sources_at).cast::<Source>(), SOURCES),
            rows: slice::from_raw_parts(start.add(rows_at).cast::<Row>(), workers),
            waiting: slice::from_raw_parts(start.add(waiting_at).cast::<AtomicU32>(), waiting),
        })
    }
}

/// # Safety
/// `counters` must be NULL or what realpeer_counters_create or
/// realpeer_counters_open has filled in, and its memory still be there.
pub(super) unsafe fn counters<'a>(counters: *const realpeer_counters) -> Option<Counters<'a>> {
    // SAFETY: the caller's promises.
    unsafe {
        let [counters] = bytes(counters, 1)? else { return None };
        cut(counters.memory, counters.size, counters.listeners, counters.workers)
    }
}

fn done(found: Option<()>) -> i32 {
    found.map_or(Error::InvalidArgument as i32, |()| 0)
}

/// Bytes that counters take.
///
/// @param listeners one more than there will be
/// @param workers one more than there will be processes at a time, those that are
///   about to end included
#[unsafe(no_mangle)]
pub extern "C" fn realpeer_counters_size(listeners: u32, workers: u32) -> usize {
    match (usize::try_from(listeners), usize::try_from(workers)) {
        (Ok(listeners), Ok(workers)) => layout::size(listeners, workers),
        _ => usize::MAX,
    }
}

/// Makes counters in memory, with room for as many listeners as fit. All of them
/// are 0. Nobody may use the memory meanwhile.
///
/// @param memory aligned to REALPEER_COUNTERS_ALIGNMENT
/// @param workers see realpeer_counters_size
/// @param now seconds since 1970
/// @param out filled in where counters were made
/// @param out_size sizeof(realpeer_counters)
/// @return 0; REALPEER_ERROR_NO_ROOM where not even two listeners fit, or workers
///   is 0; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// `memory` must be NULL or writable for `size` bytes, `out` NULL or writable for
/// `out_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_counters_create(
    memory: *mut c_void,
    size: usize,
    workers: u32,
    now: u64,
    out: *mut realpeer_counters,
    out_size: usize,
) -> i32 {
    let Some(out) = Out::new(out, out_size, size_of::<realpeer_counters>()) else {
        return Error::InvalidArgument as i32;
    };
    let fit = usize::try_from(workers).map_or(0, |workers| room(size, workers));
    let listeners = u32::try_from(fit).unwrap_or(u32::MAX);
    if memory.is_null() || !memory.cast::<Head>().is_aligned() {
        return Error::InvalidArgument as i32;
    }
    if listeners < 2 || workers == 0 {
        return Error::NoRoom as i32;
    }
    // SAFETY: the caller's promises; zeroes are what counters begin with.
    unsafe {
        memory.cast::<u8>().write_bytes(0, size);
        let Some(counters) = cut(memory, size, listeners, workers) else {
            return Error::InvalidArgument as i32;
        };
        counters.begin(now);
        out.write(realpeer_counters { memory, size, listeners, workers });
    }
    0
}

/// Finds counters that somebody has made in this memory.
///
/// @param out filled in where there are some
/// @param out_size sizeof(realpeer_counters)
/// @return 0; REALPEER_ERROR_NOT_FOUND where there are none, or those of a library
///   with another REALPEER_COUNTERS_LAYOUT; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// As for realpeer_counters_create.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_counters_open(
    memory: *mut c_void,
    size: usize,
    out: *mut realpeer_counters,
    out_size: usize,
) -> i32 {
    let Some(out) = Out::new(out, out_size, size_of::<realpeer_counters>()) else {
        return Error::InvalidArgument as i32;
    };
    // SAFETY: the caller's promises.
    unsafe {
        let Some(Counters { head, .. }) = cut(memory, size, 0, 0) else {
            return Error::InvalidArgument as i32;
        };
        let ours = head.magic.load(Relaxed) == MAGIC && head.layout.load(Relaxed) == LAYOUT;
        let (listeners, workers) = (head.listeners.load(Relaxed), head.workers.load(Relaxed));
        if !ours || cut(memory, size, listeners, workers).is_none() {
            return Error::NotFound as i32;
        }
        out.write(realpeer_counters { memory, size, listeners, workers });
    }
    0
}

/// Whether a configuration goes on with the counters there are, and how large new
/// ones have to be. Counters are kept where all listeners and workers have room in
/// them, whatever their size, and where new ones would have room for no more of them.
/// Nothing is changed.
///
/// @param old the counters of now; NULL: there are none
/// @param names the listeners of the configuration; the same one may come again
/// @param workers processes that the configuration has at a time
/// @param among 1: processes that are about to end are among these, as the server never
///   has more; 0: they come on top
/// @param size bytes that new counters are to have; 0: as many as it takes, with room
///   for twice as many listeners
/// @param out filled in
/// @param out_size sizeof(realpeer_counters_room)
/// @return 0; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// `old` as for realpeer_counters_configure; `names` must be NULL or an array of
/// `count`, whose texts are NULL or readable for their length; `out` NULL or writable
/// for `out_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_counters_plan(
    old: *const realpeer_counters,
    names: *const realpeer_counters_name,
    count: usize,
    workers: u32,
    among: i32,
    size: usize,
    out: *mut realpeer_counters_room,
    out_size: usize,
) -> i32 {
    let Some(out) = Out::new(out, out_size, size_of::<realpeer_counters_room>()) else {
        return Error::InvalidArgument as i32;
    };
    // SAFETY: the caller's promises.
    let (old, names) = unsafe { (counters(old), listeners(names, count)) };
    let (Some(names), Ok(workers)) = (names, usize::try_from(workers)) else {
        return Error::InvalidArgument as i32;
    };
    let size = (size != 0).then_some(size);
    let plan = Needs { names, workers, among: among != 0, size, old }.plan();
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let room = realpeer_counters_room {
        size: plan.fresh.size,
        enough: plan.enough,
        workers: number(plan.fresh.rows.saturating_add(1)),
        names: number(plan.names),
        placed: number(plan.placed),
        seated: number(plan.seated),
        keep: plan.keep.into(),
    };
    // SAFETY: the caller's promise.
    unsafe { out.write(room) };
    0
}

/// A new configuration comes, with these listeners. Those that have a place keep it,
/// and the others get one before realpeer_counters_take_over gives any to listeners
/// that are gone. Listeners that the configuration has no longer keep their counts for
/// as long as no other needs their place; then the last one has them. One process at a
/// time may do this.
///
/// @param names the listeners; the same one may come again
/// @return how many have no place of their own; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// `counters` must be NULL or have been filled in by realpeer_counters_create or
/// realpeer_counters_open, and the memory still be there. `names` must be NULL or an
/// array of `count`, whose texts are NULL or readable for their length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_counters_configure(
    counters: *const realpeer_counters,
    names: *const realpeer_counters_name,
    count: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    let (counters, names) = unsafe { (self::counters(counters), listeners(names, count)) };
    let (Some(counters), Some(names)) = (counters, names) else {
        return Error::InvalidArgument as i32;
    };
    i32::try_from(counters.configure(names)).unwrap_or(i32::MAX)
}

/// The number of a listener: the one that it had, or the place of one that neither
/// this configuration nor the one before has. Where there is no room it is the
/// last one, which stands for all of these. One process at a time may ask.
///
/// @param subsystem what listens, such as "http", at most 8 bytes
/// @param name where, such as "192.0.2.1:443", at most 128 bytes
/// @return the number; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// As for realpeer_counters_configure; texts must be NULL or readable for their
/// length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_counters_listener(
    counters: *const realpeer_counters,
    subsystem: *const core::ffi::c_char,
    subsystem_len: usize,
    name: *const core::ffi::c_char,
    name_len: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    let (counters, subsystem, name) = unsafe {
        (
            self::counters(counters),
            bytes(subsystem.cast::<u8>(), subsystem_len),
            bytes(name.cast::<u8>(), name_len),
        )
    };
    let (Some(counters), Some(subsystem), Some(name)) = (counters, subsystem, name) else {
        return Error::InvalidArgument as i32;
    };
    i32::try_from(counters.number((subsystem, name))).unwrap_or(Error::InvalidArgument as i32)
}

/// Takes over what was counted elsewhere, into new counters, once those have been
/// configured: listeners that are gone get places that are left, and what was counted
/// for others is added to the last one. Who waits stays where it is.
///
/// @return 0; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// As for realpeer_counters_configure, for both.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_counters_take_over(
    counters: *const realpeer_counters,
    from: *const realpeer_counters,
) -> i32 {
    // SAFETY: the caller's promises.
    let (counters, from) = unsafe { (self::counters(counters), self::counters(from)) };
    done(counters.zip(from).map(|(counters, from)| counters.take_over(from)))
}

/// A place for a process, which says there how many of its connections wait. To be
/// asked for once, when the process begins.
///
/// @param process its number, as getpid() has it
/// @return the number of the place, the last one where there is no other;
///   REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// As for realpeer_counters_configure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_counters_worker(
    counters: *const realpeer_counters,
    process: i32,
) -> i32 {
    // SAFETY: the caller's promise.
    match unsafe { self::counters(counters) } {
        Some(counters) if process > 0 => {
            i32::try_from(counters.claim(process)).unwrap_or(Error::InvalidArgument as i32)
        }
        _ => Error::InvalidArgument as i32,
    }
}

/// Whose place it is. Whoever shows the counters, or begins to count, should ask
/// the system whether that process still is, and else call
/// realpeer_counters_ended: a process that was killed could not.
///
/// @param worker 0 and up
/// @return the process; 0 where it is nobody's; REALPEER_ERROR_NOT_FOUND where
///   there is no such place; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// As for realpeer_counters_configure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_counters_process(
    counters: *const realpeer_counters,
    worker: u32,
) -> i32 {
    // SAFETY: the caller's promise.
    match unsafe { self::counters(counters) } {
        Some(counters) => counters.process(worker).unwrap_or(Error::NotFound as i32),
        None => Error::InvalidArgument as i32,
    }
}

/// A process has ended: none of its connections waits any more. It counts only
/// where the place is still that of this process.
///
/// @return 0; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// As for realpeer_counters_configure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_counters_ended(
    counters: *const realpeer_counters,
    worker: u32,
    process: i32,
) -> i32 {
    // SAFETY: the caller's promise.
    done(unsafe { self::counters(counters) }.map(|counters| counters.release(worker, process)))
}

/// A connection begins to wait for its header, or ceases to.
///
/// @param listener what realpeer_counters_listener returned
/// @param worker what realpeer_counters_worker returned
/// @param begins 1 or 0
/// @return 0; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// As for realpeer_counters_configure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_counters_waiting(
    counters: *const realpeer_counters,
    listener: u32,
    worker: u32,
    begins: i32,
) -> i32 {
    // SAFETY: the caller's promise.
    done(
        unsafe { self::counters(counters) }
            .map(|counters| counters.wait(listener, worker, begins != 0)),
    )
}

/// A connection has been decided about: counts its result, and its header where a
/// valid one came.
///
/// @param listener what realpeer_counters_listener returned
/// @param decision what realpeer_decide has filled in
/// @param decision_size sizeof(realpeer_decision)
/// @param microseconds from accept until now
/// @return 0; REALPEER_ERROR_INVALID_ARGUMENT, also where nothing is decided yet
///
/// # Safety
/// As for realpeer_counters_configure; `decision` must be NULL or readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_counters_decided(
    counters: *const realpeer_counters,
    listener: u32,
    decision: *const realpeer_decision,
    decision_size: usize,
    microseconds: u64,
) -> i32 {
    if decision_size < size_of::<realpeer_decision>() {
        return Error::InvalidArgument as i32;
    }
    // SAFETY: the caller's promises.
    let (counters, decision) = unsafe { (self::counters(counters), bytes(decision, 1)) };
    let (Some(counters), Some([decision])) = (counters, decision) else {
        return Error::InvalidArgument as i32;
    };
    let done = match decision.action {
        2 => Done::Accepted,
        1 => Done::Passed,
        -1 => Done::Refused,
        _ => return Error::InvalidArgument as i32,
    };
    let Some(outcome) = Outcome::from_number(decision.result) else {
        return Error::InvalidArgument as i32;
    };
    let header = &decision.header;
    let brought = (header.version != 0).then_some(Brought {
        version: header.version,
        // Of a header that is thrown away there is only the version.
        bytes: header.length.max(decision.consumed),
        checksum_verified: header.checksum_verified != 0,
        microseconds,
    });
    counters.decided(listener, Kind { done, outcome }, brought);
    0
}

/// Another header follows that of an accepted connection, as
/// realpeer_another_header has found.
///
/// @param listener what realpeer_counters_listener returned
/// @return 0; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// As for realpeer_counters_configure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_counters_another(
    counters: *const realpeer_counters,
    listener: u32,
) -> i32 {
    // SAFETY: the caller's promise.
    done(unsafe { self::counters(counters) }.map(|counters| counters.another_header(listener)))
}

/// A connection was closed before anything was decided, for a reason of the
/// server's own.
///
/// @return 0; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// As for realpeer_counters_configure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_counters_dropped(
    counters: *const realpeer_counters,
    listener: u32,
) -> i32 {
    // SAFETY: the caller's promise.
    done(unsafe { self::counters(counters) }.map(|counters| counters.dropped(listener)))
}

/// Remembers who was refused. There is room for the last 64; whoever is refused
/// again and again has one place, and so have all IPv6 addresses that agree in
/// their first 64 bits.
///
/// @param listener what realpeer_counters_listener returned
/// @param result why
/// @param address who connected
/// @param now seconds since 1970
/// @return 0; REALPEER_ERROR_NOT_FOUND where the address is of another family;
///   REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// As for realpeer_counters_configure; `address` must be NULL or readable for
/// `address_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_counters_refused(
    counters: *const realpeer_counters,
    listener: u32,
    result: i32,
    address: *const sockaddr,
    address_len: socklen_t,
    now: u64,
) -> i32 {
    // SAFETY: the caller's promises.
    let (counters, peer) = unsafe { (self::counters(counters), peer(address, address_len)) };
    let (Some(counters), Some(outcome)) = (counters, Outcome::from_number(result)) else {
        return Error::InvalidArgument as i32;
    };
    let Some(peer) = peer else { return Error::NotFound as i32 };
    counters.refused(listener, peer, outcome, now);
    0
}

/// Where a listener's realpeer_log_limit is, in the memory of the counters.
///
/// @param listener what realpeer_counters_listener returned
/// @return it; NULL where an argument is invalid
///
/// # Safety
/// As for realpeer_counters_configure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_counters_log(
    counters: *const realpeer_counters,
    listener: u32,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    let listener = unsafe { self::counters(counters) }.and_then(|all| all.listener(listener));
    // All of it is atomic, so it may be written to.
    listener.map_or(core::ptr::null_mut(), |listener| listener.log.as_ptr().cast_mut().cast())
}

/// The line of a refused connection was held back.
///
/// @param listener what realpeer_counters_listener returned
/// @param result why it was refused
/// @return 0; REALPEER_ERROR_INVALID_ARGUMENT
///
/// # Safety
/// As for realpeer_counters_configure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_counters_held(
    counters: *const realpeer_counters,
    listener: u32,
    result: i32,
) -> i32 {
    // SAFETY: the caller's promise.
    let counters = unsafe { self::counters(counters) };
    let kind = Outcome::from_number(result).map(|outcome| Kind { done: Done::Refused, outcome });
    done(counters.zip(kind).map(|(counters, kind)| counters.held(listener, kind)))
}
