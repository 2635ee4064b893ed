//! The header taken off a socket, in C.
//!
//! The bytes are peeked at first, and then exactly those taken off that are the
//! header's. So nothing of the application's is ever taken, whatever the policy
//! is, and the socket can be handed to anything that wants a socket. Reading no
//! more than is certain would do the same where a header must come; but a line of
//! version 1 would then be read in dozens of pieces, and what turns out to be no
//! header would have been taken off already.
//!
//! Bytes that can only be a header's are taken off as they come, for a socket with
//! bytes in it is always readable, and nobody could wait for more of them.

use core::ffi::c_int;

use libc::{c_short, pollfd, sockaddr, sockaddr_storage, socklen_t};

use super::system::{ENDED, errno, is_broken, low_water, now, peek, poll, take, would_block};
use super::{
    Error, Out, REALPEER_POLICY_NONE, bytes, bytes_mut, realpeer_decision, realpeer_settings,
};
use crate::decide::Action;
use crate::header::V1_MAX;
use crate::policy::Policy;
use crate::receiver::Receiver;
use crate::rules::{Rule, Rules};

/// Milliseconds for the whole header where nothing is set.
pub const REALPEER_DEFAULT_TIMEOUT: i32 = 5000;

/// Bytes that are looked at, at least, if there are so many.
const WINDOW: usize = 1024;
/// Milliseconds between two looks where nothing can be waited for.
const NAP: c_int = 10;

/// A connection whose header is to be taken off its socket. All zeroes, but for
/// what is said here.
///
/// While it waits it needs no more memory than this: see `have`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct realpeer_receiver {
    /// Where the header goes. What is longer is REALPEER_RESULT_TOO_LONG.
    pub buffer: *mut u8,
    /// Rules that realpeer_rules_prepare has prepared, to find the policy with,
    /// where `policy` is REALPEER_POLICY_NONE.
    pub rules: *const Rule,
    /// NULL for the defaults.
    pub settings: *const realpeer_settings,
    /// When the time is over, in milliseconds of CLOCK_MONOTONIC. Set by the first
    /// call that has to wait; whoever counts from an earlier time sets it before.
    pub deadline: u64,
    /// Bytes of `buffer`, REALPEER_V1_MAX at least.
    pub buffer_size: u32,
    /// How many rules there are.
    pub rule_count: u32,
    /// sizeof(realpeer_settings)
    pub settings_size: u32,
    /// The library's: bytes of the header that are off the socket, and in `buffer`.
    /// Set it to 0 for each connection, or the last one's header is taken for its own.
    /// While this is 0 nothing in `buffer` is needed for the next call: all waiting
    /// connections may share one.
    pub have: u32,
    /// The socket: connected, TCP or a Unix stream, blocking or not. Nobody else
    /// may read from it meanwhile.
    pub fd: i32,
    /// REALPEER_POLICY_*. What the rules said is written to here.
    pub policy: i32,
    /// Milliseconds for the whole header, if `deadline` is not set; 0 for
    /// REALPEER_DEFAULT_TIMEOUT, negative for no end, whatever `deadline` says.
    pub timeout_ms: i32,
    /// The library's: bytes that have to be there before the socket is readable, 0
    /// where that was left as it was.
    pub low_water: i32,
}

/// Takes the header off a connected socket, and waits for it.
///
/// Not a byte behind the header is taken: what follows is read from the socket as
/// if nothing had been in front of it. If no header comes where none has to,
/// nothing is taken. The flags of the socket stay as they are and do not count.
///
/// The header, with its TLVs, is at the beginning of `buffer` afterwards. Where the
/// peer breaks the connection, it is as if it had closed it.
///
/// If SO_RCVLOWAT is more than 1 here, set it afterwards: with it the system says
/// that there is nothing as long as there is less, and the header may seem to be
/// late. Where bytes have to be left on the socket for a while, it is 1 afterwards.
///
/// What has messages (SOCK_SEQPACKET) will do only where the header is one of its
/// own: the system takes off whole messages. Where one goes on behind the header,
/// that is lost, and the result is REALPEER_ERROR_INVALID_ARGUMENT.
///
/// `receiver` and `buffer` are written to whatever the result is.
///
/// @param receiver as described there
/// @param receiver_size sizeof(realpeer_receiver)
/// @param out filled in unless an argument is invalid or a system call failed
/// @param out_size sizeof(realpeer_decision)
/// @return REALPEER_ACTION_ACCEPT, REALPEER_ACTION_PASS; REALPEER_ACTION_REFUSE;
///   REALPEER_ERROR_SOCKET, and errno says why; REALPEER_ERROR_INVALID_ARGUMENT.
///   All that is negative means: close the connection.
///
/// # Safety
/// Pointers must be NULL or valid for the size given with them; those in
/// `receiver`, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_receive(
    receiver: *mut realpeer_receiver,
    receiver_size: usize,
    out: *mut realpeer_decision,
    out_size: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { receive(receiver, receiver_size, out, out_size, true) }
}

/// The same, without waiting: returns REALPEER_ACTION_MORE as long as the header
/// is not whole. Call it again when the socket is readable, and when the time is
/// over, which it finds out by itself.
///
/// Where the policy is REALPEER_POLICY_OPTIONAL or REALPEER_POLICY_STRIP, wait for
/// edges (EPOLLET): bytes that may turn out to be the application's stay on the
/// socket, and so it stays readable. For TCP this function prevents that, with
/// SO_RCVLOWAT, which is 1 again afterwards. Bytes that can be the beginning of a
/// header, and have an urgent one (MSG_OOB) behind them, are taken for none.
///
/// @return as realpeer_receive, or REALPEER_ACTION_MORE
///
/// # Safety
/// As for realpeer_receive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_receive_nowait(
    receiver: *mut realpeer_receiver,
    receiver_size: usize,
    out: *mut realpeer_decision,
    out_size: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { receive(receiver, receiver_size, out, out_size, false) }
}

/// # Safety
/// As for realpeer_receive.
unsafe fn receive(
    receiver: *mut realpeer_receiver,
    receiver_size: usize,
    out: *mut realpeer_decision,
    out_size: usize,
    wait: bool,
) -> i32 {
    // SAFETY: the caller's promise.
    let receiver = unsafe { known_part(receiver, receiver_size) };
    let out = Out::new(out, out_size, size_of::<realpeer_decision>());
    let (Some(receiver), Some(out)) = (receiver, out) else {
        return Error::InvalidArgument as i32;
    };
    // SAFETY: the caller's promises on the pointers in `receiver`.
    match unsafe { take_header(receiver, wait) } {
        Err(error) => error as i32,
        Ok(decision) => {
            // SAFETY: the caller's promise on `out`.
            unsafe { out.write(decision) };
            decision.action
        }
    }
}

/// The receiver as this library knows it; the caller's may be longer.
///
/// # Safety
/// `receiver` must be NULL or writable for `size` bytes.
unsafe fn known_part<'a>(
    receiver: *mut realpeer_receiver,
    size: usize,
) -> Option<&'a mut realpeer_receiver> {
    // SAFETY: the caller's promise.
    let raw = unsafe { bytes(receiver.cast::<u8>().cast_const(), size) }?;
    let beyond = raw.get(size_of::<realpeer_receiver>()..)?;
    // What this library does not know it cannot do; so nobody may ask for it.
    if beyond.iter().any(|&byte| byte != 0) {
        return None;
    }
    // SAFETY: the caller's promise, for one struct, which `size` was enough for.
    unsafe { bytes_mut(receiver, 1) }?.first_mut()
}

/// # Safety
/// The pointers in `to` must be NULL or valid for the sizes beside them.
unsafe fn take_header(to: &mut realpeer_receiver, wait: bool) -> Result<realpeer_decision, Error> {
    let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    // SAFETY: the caller's promises.
    let (buffer, rules, settings) = unsafe {
        (
            bytes_mut(to.buffer, size(to.buffer_size)),
            bytes(to.rules, size(to.rule_count)),
            super::header::settings(to.settings, size(to.settings_size)),
        )
    };
    let (Some(buffer), Some(rules), Some(settings)) = (buffer, rules, settings) else {
        return Err(Error::InvalidArgument);
    };
    if buffer.len() < V1_MAX || buffer.len() < size(to.have) {
        return Err(Error::InvalidArgument);
    }
    let mut gone = false;
    if to.policy == REALPEER_POLICY_NONE && !rules.is_empty() {
        match policy_of_peer(to.fd, rules) {
            Ok(policy) => to.policy = policy,
            Err(errno) if is_broken(errno) => gone = true,
            Err(_) => return Err(Error::Socket),
        }
    }
    // Who it was that is gone cannot be asked any more, nor does it matter.
    let policy = if gone { Policy::Require as i32 } else { to.policy };
    let policy = super::decide::policy_of(policy).ok_or(Error::InvalidArgument)?;
    let mut receiver = Receiver::resume(policy, settings, buffer, size(to.have));
    if gone {
        receiver.closed();
    }
    let mut socket = Socket { to, unchanged: 0, ended: false, urgent: false };
    let action = socket.fill(&mut receiver, wait);
    if action? != Action::More {
        socket.restore_low_water();
    }
    Ok(receiver.decision().into())
}

fn policy_of_peer(fd: c_int, rules: &[Rule]) -> Result<i32, c_int> {
    // SAFETY: all zeroes are a valid value of this plain C struct.
    let mut peer: sockaddr_storage = unsafe { core::mem::zeroed() };
    let mut len = socklen_t::try_from(size_of_val(&peer)).unwrap_or(0);
    let peer = (&raw mut peer).cast::<sockaddr>();
    // SAFETY: `peer` has room for `len` bytes.
    if unsafe { libc::getpeername(fd, peer, &raw mut len) } != 0 {
        return Err(errno());
    }
    // SAFETY: `len` bytes of it were filled in.
    let peer = unsafe { super::address::peer(peer, len) };
    let policy = peer.and_then(|peer| Rules::from_prepared(rules).find(peer));
    Ok(policy.map_or(REALPEER_POLICY_NONE, |policy| policy as i32))
}

/// What is known of a socket during one call.
struct Socket<'a> {
    to: &'a mut realpeer_receiver,
    /// Bytes that were there the last time and had to be left.
    unchanged: usize,
    /// Whether nothing can come behind the bytes that are there.
    ended: bool,
    /// Whether a byte that was sent as urgent is there, behind which nobody can look.
    urgent: bool,
}

impl Socket<'_> {
    /// Goes on until there is a decision, or nothing to be had without waiting.
    fn fill(&mut self, receiver: &mut Receiver<'_>, wait: bool) -> Result<Action, Error> {
        loop {
            let decision = receiver.decision();
            if decision.action != Action::More {
                return Ok(decision.action);
            }
            let looked = self.look(receiver, WINDOW.max(decision.need))?;
            if looked == Looked::Progress || receiver.decision().action != Action::More {
                continue;
            }
            let Some(left) = self.time_left()? else {
                receiver.timed_out();
                continue;
            };
            let left = if wait { left } else { 0 };
            match looked {
                Looked::Undecided(n) if self.ended && n == self.unchanged => receiver.closed(),
                // What is in front of it is all that will be seen.
                Looked::Undecided(n) if self.urgent && n == self.unchanged => receiver.timed_out(),
                Looked::Undecided(n) => self.wait_behind(n, left)?,
                _ if wait => drop(self.wait(left, 0)?),
                _ => {}
            }
            if !wait && !self.ended && !self.urgent {
                return Ok(Action::More);
            }
        }
    }

    /// Looks at what is there, and takes off what is certainly the header's.
    fn look(&mut self, receiver: &mut Receiver<'_>, window: usize) -> Result<Looked, Error> {
        let room = receiver.room();
        let window = window.min(room.len());
        let n = match peek(self.to.fd, room.get_mut(..window).unwrap_or(&mut [])) {
            Ok(n) => n,
            Err(errno) if would_block(errno) => return Ok(Looked::Nothing),
            Err(errno) if is_broken(errno) => 0,
            Err(_) => return Err(Error::Socket),
        };
        let at = usize::try_from(self.to.have).unwrap_or(0);
        let wanted = receiver.peeked(n);
        // They are there, and have been seen.
        let mut taken = 0;
        while taken < wanted {
            let n = take(self.to.fd, receiver.taken_mut(at.saturating_add(taken)))?;
            taken = taken.saturating_add(n);
        }
        self.to.have = u32::try_from(at.saturating_add(wanted)).unwrap_or(u32::MAX);
        if wanted > 0 {
            // What was undecided is now decided: every byte counts again.
            self.restore_low_water();
        }
        // A window that is full may hide more, and so may a boundary of what was
        // sent, which ends what can be looked at once.
        Ok(if wanted > 0 || n == window { Looked::Progress } else { Looked::Undecided(n) })
    }

    /// Waits for bytes behind `n` that cannot be taken off yet.
    fn wait_behind(&mut self, n: usize, left: c_int) -> Result<(), Error> {
        let nothing_new = n == self.unchanged;
        self.unchanged = n;
        self.set_low_water(n.saturating_add(1));
        let events = self.wait(left, libc::POLLPRI)?;
        // The end stands behind the bytes: they have to be looked at again.
        self.ended = events & ENDED != 0;
        self.urgent = events & libc::POLLPRI != 0;
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
        let Ok(timeout) = u64::try_from(timeout) else { return Ok(Some(-1)) };
        let now = now()?;
        if self.to.deadline == 0 {
            self.to.deadline = now.saturating_add(timeout);
        }
        match self.to.deadline.saturating_sub(now) {
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
