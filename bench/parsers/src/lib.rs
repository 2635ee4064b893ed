//! realpeer's parser and rules beside those of others: the same job for all, in
//! one process, in rounds that take turns.
//!
//! The job is to make of the first bytes of a connection the socket addresses of
//! source and destination, in the form that the contender's language has for
//! them, and the length of the header. Each contender's answers are compared with
//! what the header was made from before anything is timed.

pub mod agreement;
pub mod bare;
pub mod contenders;
pub mod count;
pub mod rows;
pub mod rules;
pub mod table;
pub mod timing;

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Source and destination.
pub type Pair = (SocketAddr, SocketAddr);

/// What there is to say of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Header { len: usize, addresses: Option<Pair> },
    More,
    Refused,
}

/// What a job returns for [`Verdict::More`]; else the length of the header.
pub const MORE: i64 = 0;
/// What it returns for [`Verdict::Refused`].
pub const REFUSED: i64 = -1;

/// Where jobs put their addresses, each in a form of its own.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Of contenders in Rust.
    pub pair: Option<Pair>,
    /// Of those in C.
    pub sockets: CAnswer,
    /// A `realpeer_header`.
    pub header: [u64; 12],
}

/// `bench_answer` of c/answer.h.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct CAnswer {
    source: libc::sockaddr_in6,
    destination: libc::sockaddr_in6,
}

impl Default for Place {
    fn default() -> Self {
        let none = libc::sockaddr_in6 {
            sin6_family: 0,
            sin6_port: 0,
            sin6_flowinfo: 0,
            sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
            sin6_scope_id: 0,
        };
        Place { pair: None, sockets: CAnswer { source: none, destination: none }, header: [0; 12] }
    }
}

impl CAnswer {
    fn pair(&self) -> Option<Pair> {
        Some((address(&self.source)?, address(&self.destination)?))
    }
}

fn address(from: &libc::sockaddr_in6) -> Option<SocketAddr> {
    let port = u16::from_be(from.sin6_port);
    match i32::from(from.sin6_family) {
        // What follows the port is the address in the one, in the other nothing.
        libc::AF_INET => {
            let ip = from.sin6_flowinfo.to_ne_bytes();
            Some(SocketAddrV4::new(ip.into(), port).into())
        }
        libc::AF_INET6 => {
            let ip = Ipv6Addr::from(from.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, port, 0, 0).into())
        }
        _ => None,
    }
}

/// A job in C.
pub type InC<T> = unsafe extern "C" fn(*const u8, usize, *mut T) -> i64;

/// Never inlined into the loop that times them, so that those in Rust have no
/// advantage over those in C.
#[derive(Clone, Copy)]
pub enum Job {
    Rust(fn(&[u8], &mut Option<Pair>) -> i64),
    C(InC<CAnswer>),
    CHeader(InC<[u64; 12]>),
}

#[derive(Clone, Copy)]
pub struct Contender {
    pub name: &'static str,
    pub job: Job,
    /// Whether it is only there to be compared with.
    pub yardstick: bool,
    /// Makes `Place::sockets` of what the job left elsewhere.
    pub read: fn(&mut Place),
}

impl Contender {
    /// What it says of `bytes`.
    #[must_use]
    pub fn verdict(&self, bytes: &[u8]) -> Verdict {
        let mut place = Place::default();
        match self.run(bytes, &mut place) {
            MORE => Verdict::More,
            len @ 1.. => {
                (self.read)(&mut place);
                let addresses = match self.job {
                    Job::Rust(_) => place.pair,
                    _ => place.sockets.pair(),
                };
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                Verdict::Header { len, addresses }
            }
            _ => Verdict::Refused,
        }
    }

    fn run(&self, bytes: &[u8], place: &mut Place) -> i64 {
        // SAFETY: the pointers are valid for what the jobs read and write.
        match self.job {
            Job::Rust(job) => job(bytes, &mut place.pair),
            Job::C(job) => unsafe { job(bytes.as_ptr(), bytes.len(), &mut place.sockets) },
            Job::CHeader(job) => unsafe { job(bytes.as_ptr(), bytes.len(), &mut place.header) },
        }
    }
}
