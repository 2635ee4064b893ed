//! The decision in C.

use super::{
    Error, Out, REALPEER_POLICY_NONE, bytes, realpeer_address, realpeer_header, realpeer_settings,
};
use crate::decide::{Decision, Event, decide, decide_datagram};
use crate::policy::Policy;

/// What to do with a connection, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct realpeer_decision {
    /// What realpeer_decide returned: REALPEER_ACTION_*.
    pub action: i32,
    /// Why: REALPEER_RESULT_*. With REALPEER_ACTION_REFUSE this is negative, but
    /// for REALPEER_RESULT_NO_ADDRESS where the settings refuse that.
    pub result: i32,
    /// Bytes to take off the stream before the protocol above may see it. With
    /// REALPEER_ACTION_MORE: those that are certainly a header's and may be taken
    /// off already, to be given again with the next call.
    pub consumed: u32,
    /// With REALPEER_ACTION_MORE: bytes the header has at least, those that are
    /// here included. Whoever reads up to this many cannot read past the header.
    pub need: u32,
    /// With REALPEER_ACTION_ACCEPT: the address that replaces the peer's, IPv4
    /// where it came mapped into IPv6. REALPEER_FAMILY_UNSPEC: the connection
    /// keeps its own.
    pub client: realpeer_address,
    /// What the client connected to, for information.
    pub server: realpeer_address,
    /// The header, where a valid one came (`version` is not 0). Of one that is
    /// thrown away only the version is here: nothing that it says may count.
    pub header: realpeer_header,
    /// The policy it was made with, REALPEER_POLICY_*: what the caller set, or what
    /// the rules said. REALPEER_POLICY_NONE: no rule matched, or the peer was gone
    /// before its address could be asked for.
    pub policy: i32,
}

impl realpeer_decision {
    /// What C sees of a decision by this policy.
    #[must_use]
    pub fn new(decision: Decision<'_>, policy: Option<Policy>) -> Self {
        // Nothing here is longer than 65,551 bytes.
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            action: decision.action as i32,
            result: decision.outcome as i32,
            consumed: number(decision.consumed),
            need: number(decision.need),
            client: decision.client.into(),
            server: decision.server.into(),
            header: decision.header.map(Into::into).unwrap_or(realpeer_header {
                version: decision.version.map_or(0, |version| version as u8),
                ..Default::default()
            }),
            policy: policy.map_or(REALPEER_POLICY_NONE, |policy| policy as i32),
        }
    }
}

/// Decides about a connection by the policy for its source and the bytes that
/// have come so far.
///
/// Keeps no state: while it returns REALPEER_ACTION_MORE, ask again with the same
/// bytes and those that have come since, or with the event that ends the wait.
/// With REALPEER_POLICY_DIRECT, REALPEER_POLICY_REFUSE and REALPEER_POLICY_NONE
/// no byte has to be read.
///
/// @param policy what realpeer_rules_find returned
/// @param settings NULL for the defaults
/// @param settings_size sizeof(realpeer_settings)
/// @param data the first bytes of the connection; NULL with length 0 is fine
/// @param event REALPEER_EVENT_*
/// @param out filled in unless an argument is invalid
/// @param out_size sizeof(realpeer_decision)
/// @return REALPEER_ACTION_ACCEPT, REALPEER_ACTION_PASS, REALPEER_ACTION_MORE;
///   REALPEER_ACTION_REFUSE; REALPEER_ERROR_INVALID_ARGUMENT. All that is
///   negative means: close the connection.
///
/// # Safety
/// Pointers must be NULL or valid for the size given with them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_decide(
    policy: i32,
    settings: *const realpeer_settings,
    settings_size: usize,
    data: *const u8,
    len: usize,
    event: i32,
    out: *mut realpeer_decision,
    out_size: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    let (data, settings) =
        unsafe { (bytes(data, len), super::header::settings(settings, settings_size)) };
    let out = Out::new(out, out_size, size_of::<realpeer_decision>());
    let (Some(data), Some(settings), Some(out)) = (data, settings, out) else {
        return Error::InvalidArgument as i32;
    };
    let Some(policy) = policy_of(policy) else { return Error::InvalidArgument as i32 };
    let event = match event {
        0 => Event::Data,
        1 => Event::Closed,
        2 => Event::Timeout,
        _ => return Error::InvalidArgument as i32,
    };
    let decision = decide(policy, &settings, data, event);
    // SAFETY: the caller's promise on `out`.
    unsafe { out.write(realpeer_decision::new(decision, policy)) };
    decision.action as i32
}

/// What realpeer_rules_find returned; the outer `None` where it cannot have.
pub(super) fn policy_of(number: i32) -> Option<Option<Policy>> {
    match Policy::from_number(number) {
        None if number != REALPEER_POLICY_NONE => None,
        policy => Some(policy),
    }
}

/// Decides about one datagram, which has its header in front of its payload. The
/// payload begins at `consumed` bytes.
///
/// There is nothing to wait for: a part of a header is REALPEER_RESULT_TRUNCATED.
/// Only the address of a header with REALPEER_TRANSPORT_DATAGRAM replaces the peer
/// here, as only that of a stream does in realpeer_decide.
///
/// @param policy what realpeer_rules_find returned
/// @param settings NULL for the defaults
/// @param settings_size sizeof(realpeer_settings)
/// @param data the datagram; NULL with length 0 is an empty one
/// @param out filled in unless an argument is invalid
/// @param out_size sizeof(realpeer_decision)
/// @return REALPEER_ACTION_ACCEPT, REALPEER_ACTION_PASS; REALPEER_ACTION_REFUSE;
///   REALPEER_ERROR_INVALID_ARGUMENT. All that is negative means: throw the
///   datagram away.
///
/// # Safety
/// Pointers must be NULL or valid for the size given with them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpeer_decide_datagram(
    policy: i32,
    settings: *const realpeer_settings,
    settings_size: usize,
    data: *const u8,
    len: usize,
    out: *mut realpeer_decision,
    out_size: usize,
) -> i32 {
    // SAFETY: the caller's promises.
    let (data, settings) =
        unsafe { (bytes(data, len), super::header::settings(settings, settings_size)) };
    let out = Out::new(out, out_size, size_of::<realpeer_decision>());
    let (Some(data), Some(settings), Some(out)) = (data, settings, out) else {
        return Error::InvalidArgument as i32;
    };
    let Some(policy) = policy_of(policy) else { return Error::InvalidArgument as i32 };
    let decision = decide_datagram(policy, &settings, data);
    // SAFETY: the caller's promise on `out`.
    unsafe { out.write(realpeer_decision::new(decision, policy)) };
    decision.action as i32
}
