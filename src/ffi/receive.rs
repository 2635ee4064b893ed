//! How the header is taken off a socket.
//!
//! The bytes are peeked at first, and then exactly those taken off that are the
//! header's. So nothing of the application's is ever taken, whatever the policy
//! is, and the socket can be handed to anything that wants a socket. Reading no
//! more than is certain would do the same where a header must come; but a line of
//! version 1 would then be read in dozens of pieces, and what turns out to be no
//! header would have been taken off already.
//!
//! Bytes that can only be a header's are taken off as they come, for a socket with
//! bytes in it is always readable, and no poll could wait for more of them.

use core::ffi::c_int;
use core::slice;

use libc::{c_short, pollfd};

use super::socket::{REALPEER_DEFAULT_TIMEOUT, realpeer_receiver};
use super::system::{
    ENDED, PeekOffset, identity, is_broken, is_unconnected, low_water, now, peek, peer_of, poll,
    take, would_block,
};
use super::{Buffer, Error, REALPEER_POLICY_NONE, bytes, realpeer_decision};
use crate::decide::{Action, Decision, Event, Settings};
use crate::header::V1_MAX;
use crate::policy::Policy;
use crate::receiver::{decide_within, settings_within};
use crate::rules::{Rule, Rules};

/// Bytes that are looked at, at least, if there are so many.
const WINDOW: usize = 1024;
/// Milliseconds between two looks where nothing can be waited for, at first, and as
/// long as nothing happens, at last.
const NAP: c_int = 10;
const LONGEST_NAP: c_int = 320;

impl realpeer_receiver {
    /// Drops what is remembered where that is about another socket than this.
    pub(super) fn forget_another_socket(&mut self) {
        if self.socket != 0 && self.socket != identity(self.fd) {
            self.low_water = 0;
            self.forget();
        }
    }

    pub(super) fn remember_socket(&mut self) {
        if self.socket == 0 {
            self.socket = identity(self.fd);
        }
    }

    /// Leaves nothing of this connection for the next one.
    pub(super) fn forget(&mut self) {
        if self.low_water != 0 {
            low_water(self.fd, 1);
        }
        self.have = 0;
        self.retry_ms = 0;
        self.low_water = 0;
        self.found_policy = 0;
        self.ends = 0;
        self.socket = 0;
    }
}

/// # Safety
/// The pointers in `to` must be NULL or valid for the sizes beside them, and the
/// first `have` bytes of its buffer be those that earlier calls have put there.
pub(super) unsafe fn take_header(
    to: &mut realpeer_receiver,
    wait: bool,
) -> Result<realpeer_decision, Error> {
    let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    // SAFETY: the caller's promises.
    let (rules, settings) = unsafe {
        (
            bytes(to.rules, size(to.rule_count)),
            super::header::settings(to.settings, size(to.settings_size)),
        )
    };
    let buffer = Buffer::new(to.buffer, size(to.buffer_size));
    let (Some(buffer), Some(rules), Some(settings)) = (buffer, rules, settings) else {
        return Err(Error::InvalidArgument);
    };
    let have = size(to.have);
    // Bytes that no call has put there are no header of this connection.
    let strange = have != 0 && to.socket == 0;
    if buffer.size < V1_MAX || buffer.size < have || strange {
        return Err(Error::InvalidArgument);
    }
    let mut gone = false;
    let mut policy = to.policy;
    if policy == REALPEER_POLICY_NONE && !rules.is_empty() {
        if to.found_policy == REALPEER_POLICY_NONE {
            match policy_of_peer(to.fd, rules)? {
                Some(found) => to.found_policy = found,
                None => gone = true,
            }
        }
        policy = to.found_policy;
    }
    let policy = super::decide::policy_of(policy).ok_or(Error::InvalidArgument)?;
    let settings = settings_within(settings, buffer.size);
    let mut first = First { buffer, have, seen: have, policy, settings, event: Event::Data };
    if gone {
        // Who it was cannot be asked any more, nor does it matter.
        first.policy = Some(Policy::Require);
        first.event = Event::Closed;
    }
    if first.decision().action == Action::More {
        let peek_offset = PeekOffset::suspend(to.fd)?;
        let mut socket = Socket { to, unchanged: 0, ended: false, urgent: false, readable: false };
        let filled = socket.fill(&mut first, wait);
        peek_offset.resume(first.have.saturating_sub(have));
        filled?;
    }
    Ok(realpeer_decision::new(first.decision(), policy))
}

/// What the rules say; `None` where the peer is gone, of which nothing is known any
/// more.
fn policy_of_peer(fd: c_int, rules: &[Rule]) -> Result<Option<i32>, Error> {
    match peer_of(fd) {
        Ok(peer) => {
            let policy = peer.and_then(|peer| Rules::from_prepared(rules).find(peer));
            Ok(Some(policy.map_or(REALPEER_POLICY_NONE, |policy| policy as i32)))
        }
        Err(libc::ENOTCONN) if is_unconnected(fd) => Err(Error::NotConnected),
        Err(errno) if is_broken(errno) => Ok(None),
        Err(_) => Err(Error::Socket),
    }
}

/// The first bytes of a connection, in memory of the caller's that need not be
/// initialised: no more of it becomes a slice than has been written to.
struct First {
    /// Writable for its size as long as this is.
    buffer: Buffer,
    /// Bytes that were taken off the socket.
    have: usize,
    /// Bytes that are known, and initialised: those, and what was only looked at.
    seen: usize,
    policy: Option<Policy>,
    settings: Settings,
    event: Event,
}

impl First {
    fn decision(&self) -> Decision<'_> {
        // SAFETY: so many bytes have been written to the buffer, which nothing else
        // changes meanwhile.
        let bytes = unsafe { slice::from_raw_parts(self.buffer.to.cast_const(), self.seen) };
        decide_within(self.policy, &self.settings, bytes, self.buffer.size, self.event)
    }

    /// Where to peek to, and how many bytes.
    fn room(&self, most: usize) -> (*mut u8, usize) {
        let room = self.buffer.size.saturating_sub(self.have);
        (self.buffer.to.wrapping_add(self.have), room.min(most))
    }

    /// So many bytes were peeked; returns how many of them to consume now.
    fn peeked(&mut self, n: usize) -> usize {
        if n == 0 {
            self.event = Event::Closed;
            return 0;
        }
        self.seen = self.have.saturating_add(n).min(self.buffer.size);
        self.decision().consumed.saturating_sub(self.have)
    }
}

/// What is known of a socket during one call.
struct Socket<'a> {
    to: &'a mut realpeer_receiver,
    /// Bytes that were there the last time and had to be left.
    unchanged: usize,
    /// Whether nothing can come after the bytes that are there.
    ended: bool,
    /// Whether a byte that was sent as urgent is there, which hides what follows.
    urgent: bool,
    /// Whether the system calls it readable all the same.
    readable: bool,
}

impl Socket<'_> {
    /// Goes on until there is a decision, or nothing to be had without waiting.
    fn fill(&mut self, first: &mut First, wait: bool) -> Result<(), Error> {
        let (retry, awaited) = (self.to.retry_ms, self.to.low_water);
        self.to.retry_ms = 0;
        loop {
            let decision = first.decision();
            if decision.action != Action::More {
                return Ok(());
            }
            let looked = self.look(first, WINDOW.max(decision.need))?;
            if looked == Looked::Progress || first.decision().action != Action::More {
                continue;
            }
            let Some(left) = self.time_left()? else {
                first.event = Event::Timeout;
                continue;
            };
            match looked {
                Looked::Undecided(n) if self.ended && n == self.unchanged => {
                    first.event = Event::Closed;
                    continue;
                }
                // What is before it is all that will be seen.
                Looked::Undecided(n) if self.urgent && n == self.unchanged => {
                    first.event = Event::Timeout;
                    continue;
                }
                Looked::Undecided(n) => {
                    let again = n != self.unchanged;
                    self.wait_behind(n, if wait { left } else { 0 })?;
                    if self.readable && !wait {
                        if again {
                            // More may have come just now.
                            continue;
                        }
                        // Nothing has since the last call.
                        let same = c_int::try_from(n.saturating_add(1)) == Ok(awaited);
                        self.to.retry_ms = next_nap(if same { retry } else { 0 }, left);
                    }
                }
                _ if wait => drop(self.wait(left, 0)?),
                _ => {}
            }
            if !wait && !self.ended && !self.urgent {
                return Ok(());
            }
        }
    }

    /// Looks at what is there, and consumes what is certainly the header's.
    fn look(&mut self, first: &mut First, window: usize) -> Result<Looked, Error> {
        let (room, window) = first.room(window);
        // SAFETY: so many bytes may be written to there.
        let n = match unsafe { peek(self.to.fd, room, window) } {
            Ok(n) => n,
            Err(errno) if would_block(errno) => return Ok(Looked::Nothing),
            Err(libc::ENOTCONN | libc::EINVAL) if is_unconnected(self.to.fd) => {
                return Err(Error::NotConnected);
            }
            Err(errno) if is_broken(errno) => 0,
            Err(_) => return Err(Error::Socket),
        };
        let wanted = first.peeked(n);
        // They are there, and have been seen.
        let mut taken = 0;
        while taken < wanted {
            let (at, left) = first.room(wanted.saturating_sub(taken));
            // SAFETY: as above.
            let n = unsafe { take(self.to.fd, at, left)? };
            first.have = first.have.saturating_add(n);
            taken = taken.saturating_add(n);
        }
        self.to.have = u32::try_from(first.have).unwrap_or(u32::MAX);
        if wanted > 0 {
            // What was undecided is now decided: every byte counts again.
            self.restore_low_water();
        }
        // A window that is full may hide more, and so may a boundary of what was
        // sent, which ends what can be looked at once.
        Ok(if wanted > 0 || n == window { Looked::Progress } else { Looked::Undecided(n) })
    }

    /// Waits for bytes after `n` that cannot be consumed yet.
    fn wait_behind(&mut self, n: usize, left: c_int) -> Result<(), Error> {
        let nothing_new = n == self.unchanged;
        self.unchanged = n;
        self.set_low_water(n.saturating_add(1));
        let events = self.wait(left, libc::POLLPRI)?;
        // The end comes after the bytes: they have to be looked at again.
        self.ended = events & ENDED != 0;
        self.urgent = events & libc::POLLPRI != 0;
        self.readable = events & libc::POLLIN != 0;
        if nothing_new && left != 0 && events != 0 && !self.ended {
            // Linux calls a Unix socket readable whatever SO_RCVLOWAT says.
            poll(&mut [], if left < 0 { NAP } else { left.min(NAP) })?;
        }
        Ok(())
    }

    fn wait(&self, left: c_int, also: c_short) -> Result<c_short, Error> {
        let events = libc::POLLIN | ENDED | also;
        let mut one = [pollfd { fd: self.to.fd, events, revents: 0 }];
        poll(&mut one, left)?;
        let [pollfd { revents, .. }] = one;
        if revents & libc::POLLNVAL != 0 { Err(Error::Socket) } else { Ok(revents) }
    }

    /// Milliseconds that are left, -1 where there is no end; `None` where none are.
    fn time_left(&mut self) -> Result<Option<c_int>, Error> {
        let timeout = match self.to.timeout_ms {
            0 => REALPEER_DEFAULT_TIMEOUT,
            timeout => timeout,
        };
        let Ok(timeout) = u64::try_from(timeout) else {
            self.to.ends = 0;
            return Ok(Some(-1));
        };
        let now = now()?;
        if self.to.deadline != 0 {
            self.to.ends = self.to.deadline;
        } else if self.to.ends == 0 {
            self.to.ends = now.saturating_add(timeout);
        }
        match self.to.ends.saturating_sub(now) {
            0 => Ok(None),
            left => Ok(Some(c_int::try_from(left).unwrap_or(c_int::MAX))),
        }
    }

    /// Where this does not work, the socket is readable more often than need be.
    fn set_low_water(&mut self, bytes: usize) {
        let Ok(bytes) = c_int::try_from(bytes) else { return };
        if self.to.low_water != bytes && low_water(self.to.fd, bytes) {
            self.to.low_water = bytes;
        }
    }

    fn restore_low_water(&mut self) {
        if self.to.low_water != 0 && low_water(self.to.fd, 1) {
            self.to.low_water = 0;
        }
    }
}

/// What was seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looked {
    /// Nothing is there, or the end.
    Nothing,
    /// Something was taken off, and there may be more.
    Progress,
    /// So many bytes, which may be the application's and were left.
    Undecided(usize),
}

/// How long to wait for bytes that the system will not report: twice as long as the
/// last time, `left` milliseconds at most.
fn next_nap(last: c_int, left: c_int) -> c_int {
    let nap = last.saturating_mul(2).clamp(NAP, LONGEST_NAP);
    if left < 0 { nap } else { nap.min(left) }
}
