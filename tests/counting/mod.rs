//! Counters in memory of a test's, called as C calls them.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ffi::{c_char, c_void};
use std::net::IpAddr;
use std::ptr::null;

use libc::{AF_INET, AF_INET6, AF_UNIX, sockaddr, sockaddr_in, sockaddr_in6, socklen_t};
use realpeer::ffi::*;
use realpeer::{Action, Outcome};

/// Memory, and the counters in it.
pub struct Memory {
    pub counters: realpeer_counters,
    layout: Layout,
}

// Counters are there to be used by several at once.
unsafe impl Sync for Memory {}

pub const NOW: u64 = 1_000_000;
pub const EMPTY: realpeer_counters =
    realpeer_counters { memory: std::ptr::null_mut(), size: 0, listeners: 0, workers: 0 };

impl Memory {
    /// With room for so many listeners, and one more for those without.
    pub fn new(listeners: u32, workers: u32) -> Self {
        let memory = Self::sized(realpeer_counters_size(listeners + 1, workers + 1), workers + 1);
        let made = (memory.counters.listeners, memory.counters.workers);
        assert_eq!(made, (listeners + 1, workers + 1));
        memory
    }

    /// With as many listeners as fit.
    pub fn sized(size: usize, workers: u32) -> Self {
        let layout = Layout::from_size_align(size, REALPEER_COUNTERS_ALIGNMENT).expect("a size");
        let mut counters = EMPTY;
        unsafe {
            let memory = alloc_zeroed(layout).cast::<c_void>();
            let out = &raw mut counters;
            let made = realpeer_counters_create(
                memory,
                size,
                workers,
                NOW,
                out,
                size_of::<realpeer_counters>(),
            );
            assert_eq!(made, 0);
        }
        Memory { counters, layout }
    }

    pub fn get(&self) -> *const realpeer_counters {
        &raw const self.counters
    }

    pub fn configure(&self) {
        assert_eq!(self.configure_with(&[]), 0);
    }

    /// How many of these listeners of "http" have no place of their own.
    pub fn configure_with(&self, names: &[&str]) -> i32 {
        let names = c_names(names);
        unsafe { realpeer_counters_configure(self.get(), names.as_ptr(), names.len()) }
    }

    pub fn take_over(&self, from: &Memory) {
        assert_eq!(unsafe { realpeer_counters_take_over(self.get(), from.get()) }, 0);
    }

    pub fn listener(&self, subsystem: &[u8], name: &[u8]) -> u32 {
        let number = unsafe {
            realpeer_counters_listener(
                self.get(),
                subsystem.as_ptr().cast(),
                subsystem.len(),
                name.as_ptr().cast(),
                name.len(),
            )
        };
        u32::try_from(number).expect("a number")
    }

    pub fn decided(&self, listener: u32, decision: &realpeer_decision, microseconds: u64) -> i32 {
        let size = size_of::<realpeer_decision>();
        unsafe { realpeer_counters_decided(self.get(), listener, decision, size, microseconds) }
    }

    pub fn refused(&self, listener: u32, result: Outcome, who: &Socket, now: u64) -> i32 {
        let (address, len) = who.raw();
        unsafe { realpeer_counters_refused(self.get(), listener, result as i32, address, len, now) }
    }

    pub fn wait(&self, listener: u32, worker: i32, begins: bool) {
        let worker = u32::try_from(worker).expect("a number");
        let done =
            unsafe { realpeer_counters_waiting(self.get(), listener, worker, begins.into()) };
        assert_eq!(done, 0);
    }

    pub fn worker(&self, process: i32) -> i32 {
        unsafe { realpeer_counters_worker(self.get(), process) }
    }

    pub fn text(&self, format: Format, now: u64) -> String {
        unsafe extern "C" fn take(to: *mut c_void, text: *const c_char, len: usize) -> i32 {
            assert_ne!(len, 0);
            unsafe {
                let piece = std::slice::from_raw_parts(text.cast::<u8>(), len);
                (*to.cast::<Vec<u8>>()).extend_from_slice(piece);
            }
            0
        }
        let mut text: Vec<u8> = Vec::new();
        let to = (&raw mut text).cast::<c_void>();
        let done =
            unsafe { realpeer_counters_write(self.get(), format as i32, now, Some(take), to) };
        assert_eq!(done, 0);
        String::from_utf8(text).expect("UTF-8")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text(Format::Json, NOW)).expect("JSON")
    }

    /// The value of a line of Prometheus' that begins so.
    pub fn value(&self, series: &str) -> String {
        let text = self.text(Format::Prometheus, NOW);
        let mut found =
            text.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = found.next().unwrap_or_else(|| panic!("no {series} in\n{text}"));
        assert_eq!(found.next(), None, "{series} twice");
        value.to_owned()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        unsafe { dealloc(self.counters.memory.cast(), self.layout) };
    }
}

/// Listeners of "http".
pub fn c_names(names: &[&str]) -> Vec<realpeer_counters_name> {
    let c_name = |name: &&str| realpeer_counters_name {
        subsystem: c"http".as_ptr(),
        subsystem_len: 4,
        name: name.as_ptr().cast(),
        name_len: name.len(),
    };
    names.iter().map(c_name).collect()
}

/// Whether these have room, and in what.
pub fn plan(
    old: Option<&Memory>,
    names: &[&str],
    workers: u32,
    among: bool,
    size: usize,
) -> realpeer_counters_room {
    let names = c_names(names);
    let mut room = realpeer_counters_room::default();
    let result = unsafe {
        realpeer_counters_plan(
            old.map_or(null(), Memory::get),
            names.as_ptr(),
            names.len(),
            workers,
            among.into(),
            size,
            &raw mut room,
            size_of::<realpeer_counters_room>(),
        )
    };
    assert_eq!(result, 0);
    room
}

/// A decision without a header.
pub fn decision(action: Action, result: Outcome) -> realpeer_decision {
    let mut decision: realpeer_decision = unsafe { std::mem::zeroed() };
    decision.action = action as i32;
    decision.result = result as i32;
    decision
}

/// An address as the kernel has it.
pub enum Socket {
    Inet(sockaddr_in),
    Inet6(sockaddr_in6),
    Unix([u8; 2]),
}

impl Socket {
    pub fn new(ip: &str) -> Self {
        match ip.parse().expect("an address") {
            IpAddr::V4(ip) => {
                let mut raw: sockaddr_in = unsafe { std::mem::zeroed() };
                raw.sin_family = AF_INET as u16;
                raw.sin_addr.s_addr = u32::from_ne_bytes(ip.octets());
                Socket::Inet(raw)
            }
            IpAddr::V6(ip) => {
                let mut raw: sockaddr_in6 = unsafe { std::mem::zeroed() };
                raw.sin6_family = AF_INET6 as u16;
                raw.sin6_addr.s6_addr = ip.octets();
                Socket::Inet6(raw)
            }
        }
    }

    pub fn unix() -> Self {
        Socket::Unix((AF_UNIX as u16).to_ne_bytes())
    }

    fn raw(&self) -> (*const sockaddr, socklen_t) {
        match self {
            Socket::Inet(raw) => ((&raw const *raw).cast(), size_of_val(raw) as socklen_t),
            Socket::Inet6(raw) => ((&raw const *raw).cast(), size_of_val(raw) as socklen_t),
            Socket::Unix(raw) => (raw.as_ptr().cast(), 2),
        }
    }
}

pub fn choose(query: &str, accept: &str) -> i32 {
    let text = |text: &str| if text.is_empty() { null() } else { text.as_ptr().cast() };
    unsafe { realpeer_counters_format(text(query), query.len(), text(accept), accept.len()) }
}
