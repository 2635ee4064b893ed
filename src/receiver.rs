//! A header taken off a stream, by whatever the stream is read with.
#![forbid(unsafe_code)]

use crate::decide::{Action, Decision, Event, Settings, decide};
use crate::outcome::Outcome;
use crate::policy::Policy;

/// The settings where a header has to fit a buffer of `size` bytes.
pub(crate) fn settings_within(mut settings: Settings, size: usize) -> Settings {
    let most = u32::try_from(size).unwrap_or(u32::MAX);
    settings.limits.max_header = settings.limits.max_header.min(most);
    settings
}

/// [`decide`], where there is room for no more than `size` bytes.
pub(crate) fn decide_within<'a>(
    policy: Option<Policy>,
    settings: &Settings,
    bytes: &'a [u8],
    size: usize,
    event: Event,
) -> Decision<'a> {
    let decision = decide(policy, settings, bytes, event);
    if decision.action == Action::More && bytes.len() >= size {
        // There is no room to wait for more, nor to look at more.
        return Decision {
            action: Action::Refuse,
            outcome: Outcome::TooLong,
            consumed: 0,
            need: 0,
            ..decision
        };
    }
    decision
}

/// Collects the first bytes of one connection in a buffer of the caller, until
/// there is a decision. It does not read: any stream will do, blocking or not.
///
/// There are three ways to use it.
///
/// - Read into [`missing`](Receiver::missing). That is never more than the header
///   still has, so that the next byte of the stream is the application's. With
///   policies that let a connection pass without a header, what was read may be
///   the application's all the same: it is in [`rest`](Receiver::rest). A line of
///   version 1 does not say how long it is, and is read in small pieces.
/// - Read into [`room`](Receiver::room) as much as there is, and take what is the
///   application's from [`rest`](Receiver::rest).
/// - Peek into [`room`](Receiver::room), and take as many bytes off the stream as
///   [`peeked`](Receiver::peeked) says. Nothing of the application's is ever taken.
///
/// The buffer should have room for the longest header that is accepted, and for
/// [`V1_MAX`](crate::V1_MAX) bytes; what does not fit is
/// [`Outcome::TooLong`].
///
/// ```
/// use std::io::{self, Read};
/// use realpeer::{Action, Policy, Receiver, Settings};
///
/// fn take_header(stream: &mut impl Read, receiver: &mut Receiver<'_>) -> io::Result<()> {
///     while receiver.decision().action == Action::More {
///         let n = stream.read(receiver.missing())?;
///         receiver.filled(n);
///     }
///     Ok(())
/// }
///
/// let mut stream = &b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET / HTTP/1.1\r\n"[..];
/// let mut buffer = [0; 4096];
/// let mut receiver = Receiver::new(Policy::Require, Settings::default(), &mut buffer);
/// take_header(&mut stream, &mut receiver)?;
///
/// let decision = receiver.decision();
/// assert_eq!(decision.action, Action::Accept);
/// assert_eq!(decision.client, Some("192.0.2.1:56324".parse().unwrap()));
/// assert_eq!(stream, b"GET / HTTP/1.1\r\n");
/// # Ok::<(), io::Error>(())
/// ```
#[derive(Debug)]
pub struct Receiver<'b> {
    policy: Option<Policy>,
    settings: Settings,
    buffer: &'b mut [u8],
    /// Bytes that were taken off the stream.
    have: usize,
    /// Bytes that are known: those, and behind them what was only looked at.
    seen: usize,
    /// Bytes of the buffer that the caller was given to read or peek to. No more can
    /// have come; what follows them may be another connection's.
    given: usize,
    event: Event,
}

impl<'b> Receiver<'b> {
    /// A connection from a source with this policy (`None`: no rule matched), of
    /// which nothing has been read.
    ///
    /// ```
    /// use realpeer::{Action, Policy, Receiver, Settings};
    ///
    /// let mut buffer = [0; 4096];
    /// let receiver = Receiver::new(Policy::Direct, Settings::default(), &mut buffer);
    /// assert_eq!(receiver.decision().action, Action::Pass); // and no byte was read
    /// ```
    #[must_use]
    pub fn new(
        policy: impl Into<Option<Policy>>,
        settings: Settings,
        buffer: &'b mut [u8],
    ) -> Receiver<'b> {
        let settings = settings_within(settings, buffer.len());
        let policy = policy.into();
        Receiver { policy, settings, buffer, have: 0, seen: 0, given: 0, event: Event::Data }
    }

    /// What to do with the connection, as far as is known.
    ///
    /// ```
    /// use realpeer::{Action, Outcome, Policy, Receiver, Settings};
    ///
    /// let mut buffer = [0; 4096];
    /// let mut receiver = Receiver::new(Policy::Require, Settings::default(), &mut buffer);
    /// assert_eq!(receiver.decision().action, Action::More);
    ///
    /// receiver.room()[..4].copy_from_slice(b"GET ");
    /// receiver.filled(4);
    /// assert_eq!(receiver.decision().outcome, Outcome::NoHeader);
    /// ```
    #[must_use]
    pub fn decision(&self) -> Decision<'_> {
        let bytes = self.buffer.get(..self.seen).unwrap_or(&[]);
        decide_within(self.policy, &self.settings, bytes, self.buffer.len(), self.event)
    }

    /// Where to read to: as many bytes as the header has at least. Empty where
    /// there is a decision.
    ///
    /// ```
    /// use realpeer::{Policy, Receiver, Settings};
    ///
    /// let mut buffer = [0; 4096];
    /// let mut receiver = Receiver::new(Policy::Require, Settings::default(), &mut buffer);
    /// assert_eq!(receiver.missing().len(), 15); // PROXY UNKNOWN, CR, LF: none is shorter
    ///
    /// receiver.missing()[..1].copy_from_slice(b"\r");
    /// receiver.filled(1);
    /// assert_eq!(receiver.missing().len(), 15); // the rest of the 16 bytes of version 2
    /// ```
    #[must_use]
    pub fn missing(&mut self) -> &mut [u8] {
        let decision = self.decision();
        let end = if decision.action == Action::More { decision.need } else { 0 };
        self.give(end.min(self.buffer.len()))
    }

    /// Where to read or peek to: all that is left of the buffer.
    ///
    /// ```
    /// use realpeer::{Policy, Receiver, Settings};
    /// use std::io::Read;
    ///
    /// let mut stream = &b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET / HTTP/1.1\r\n"[..];
    /// let mut buffer = [0; 4096];
    /// let mut receiver = Receiver::new(Policy::Require, Settings::default(), &mut buffer);
    /// let n = stream.read(receiver.room())?;
    /// receiver.filled(n);
    /// assert_eq!(receiver.decision().client, Some("192.0.2.1:56324".parse()?));
    /// assert_eq!(receiver.rest(), b"GET / HTTP/1.1\r\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn room(&mut self) -> &mut [u8] {
        self.give(self.buffer.len())
    }

    fn give(&mut self, end: usize) -> &mut [u8] {
        let to = self.buffer.get_mut(self.have..end).unwrap_or(&mut []);
        self.given = self.given.max(to.len());
        to
    }

    /// So many bytes were read; none means that the peer closed the connection.
    ///
    /// More than [`missing`](Receiver::missing) or [`room`](Receiver::room) had place
    /// for do not count: the buffer may have been another connection's before.
    ///
    /// ```
    /// use realpeer::{Outcome, Policy, Receiver, Settings};
    /// use std::io::Read;
    ///
    /// let mut stream = &b""[..];
    /// let mut buffer = [0; 4096];
    /// let mut receiver = Receiver::new(Policy::Require, Settings::default(), &mut buffer);
    /// let n = stream.read(receiver.missing())?;
    /// receiver.filled(n);
    /// assert_eq!(receiver.decision().outcome, Outcome::Silent);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn filled(&mut self, n: usize) {
        if n == 0 {
            return self.closed();
        }
        let n = n.min(self.given);
        self.given = self.given.saturating_sub(n);
        self.have = self.have.saturating_add(n).min(self.buffer.len());
        self.seen = self.have;
    }

    /// So many bytes were peeked; none means that the peer closed the connection.
    /// Returns how many of them to take off the stream now. They count as read.
    ///
    /// It may be none though more are waited for: as long as the bytes can be the
    /// beginning of a header as well as of something else, they stay.
    ///
    /// ```
    /// use realpeer::{Policy, Receiver, Settings};
    /// use std::io::{Read, Write};
    /// use std::net::{TcpListener, TcpStream};
    ///
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let mut client = TcpStream::connect(listener.local_addr()?)?;
    /// # let (mut stream, _) = listener.accept()?;
    /// client.write_all(b"PROXY UNKNOWN\r\nHELO")?;
    ///
    /// let mut buffer = [0; 4096];
    /// let mut receiver = Receiver::new(Policy::Require, Settings::default(), &mut buffer);
    /// let n = stream.peek(receiver.room())?;
    /// let take = receiver.peeked(n);
    /// stream.read_exact(&mut [0; 4096][..take])?;
    /// # drop(client);
    /// # let mut rest = Vec::new();
    /// # stream.read_to_end(&mut rest)?;
    /// # assert_eq!(rest, b"HELO");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn peeked(&mut self, n: usize) -> usize {
        if n == 0 {
            self.closed();
            return 0;
        }
        let n = n.min(self.given);
        self.given = 0;
        self.seen = self.have.saturating_add(n).min(self.buffer.len());
        let take = self.decision().consumed.saturating_sub(self.have);
        self.have = self.have.saturating_add(take);
        take
    }

    /// The peer closed the connection, or it broke.
    ///
    /// ```
    /// use realpeer::{Outcome, Policy, Receiver, Settings};
    ///
    /// let mut buffer = [0; 4096];
    /// let mut receiver = Receiver::new(Policy::Optional, Settings::default(), &mut buffer);
    /// receiver.closed();
    /// assert_eq!(receiver.decision().outcome, Outcome::Absent); // none had to come
    /// ```
    pub fn closed(&mut self) {
        self.event = Event::Closed;
    }

    /// The time for the header has passed.
    ///
    /// ```
    /// use realpeer::{Action, Outcome, Policy, Receiver, Settings};
    /// use std::io::{ErrorKind, Read};
    /// use std::net::{TcpListener, TcpStream};
    /// use std::time::{Duration, Instant};
    ///
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?)?;
    /// # let (mut stream, _) = listener.accept()?;
    /// let mut buffer = [0; 4096];
    /// let mut receiver = Receiver::new(Policy::Require, Settings::default(), &mut buffer);
    /// let end = Instant::now() + Duration::from_millis(20);
    /// while receiver.decision().action == Action::More {
    ///     // Anew each time: it is the whole header that has to come in time.
    ///     let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    ///     stream.set_read_timeout(Some(left))?;
    ///     match stream.read(receiver.missing()) {
    ///         Ok(n) => receiver.filled(n),
    ///         Err(e) if e.kind() == ErrorKind::WouldBlock => receiver.timed_out(),
    ///         Err(_) => receiver.closed(),
    ///     }
    /// }
    /// assert_eq!(receiver.decision().outcome, Outcome::Timeout);
    /// # drop(client);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timed_out(&mut self) {
        self.event = Event::Timeout;
    }

    /// Bytes that were read and are the application's, the first ones of it; none
    /// as long as there is no decision to go on.
    ///
    /// ```
    /// use realpeer::{Action, Policy, Receiver, Settings};
    /// use std::io::Read;
    ///
    /// let mut stream = &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..];
    /// let mut buffer = [0; 4096];
    /// let mut receiver = Receiver::new(Policy::Optional, Settings::default(), &mut buffer);
    /// while receiver.decision().action == Action::More {
    ///     let n = stream.read(receiver.missing())?;
    ///     receiver.filled(n);
    /// }
    ///
    /// // It could have become "PROXY", and did not.
    /// assert_eq!(receiver.decision().action, Action::Pass);
    /// let mut all = String::new();
    /// receiver.rest().chain(stream).read_to_string(&mut all)?;
    /// assert_eq!(all, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        let decision = self.decision();
        match decision.action {
            Action::Pass | Action::Accept => {
                self.buffer.get(decision.consumed..self.have).unwrap_or(&[])
            }
            _ => &[],
        }
    }
}
