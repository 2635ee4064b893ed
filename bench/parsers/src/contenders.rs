//! Who takes part.

use std::net::SocketAddr;

use crate::{CAnswer, Contender, Job, MORE, Pair, Place, REFUSED, bare};

unsafe extern "C" {
    fn bench_bare(data: *const u8, len: usize, answer: *mut CAnswer) -> i64;
    fn bench_nginx_read(answer: *mut CAnswer) -> i32;
    fn bench_nginx_sockaddr(data: *const u8, len: usize, answer: *mut CAnswer) -> i64;
    fn bench_nginx_start() -> i32;
    fn bench_nginx_text(data: *const u8, len: usize, answer: *mut CAnswer) -> i64;
    fn bench_ours(data: *const u8, len: usize, header: *mut [u64; 12]) -> i64;
    fn bench_ours_read(header: *const [u64; 12], answer: *mut CAnswer);
    fn bench_ours_sockaddr(data: *const u8, len: usize, answer: *mut CAnswer) -> i64;
}

/// The first one is ours; others follow what they are to be compared with.
///
/// # Panics
/// Where there is no memory for nginx's pool.
#[must_use]
pub fn contenders() -> Vec<Contender> {
    // SAFETY: what it keeps is of this thread.
    assert_ne!(unsafe { bench_nginx_start() }, 0, "no memory");
    let other = |name, job| Contender { name, job, yardstick: false, read: |_| {} };
    let yardstick = |name, job| Contender { name, job, yardstick: true, read: |_| {} };
    vec![
        other(OURS, Job::Rust(ours)),
        Contender { read: read_ours, ..other(OURS_C, Job::CHeader(bench_ours)) },
        other("realpeer C, sockaddr", Job::C(bench_ours_sockaddr)),
        yardstick(BARE, Job::C(bench_bare)),
        yardstick("bare Rust", Job::Rust(bare::job)),
        other("proxy-protocol", Job::Rust(proxy_protocol)),
        other("proxy-header", Job::Rust(proxy_header)),
        other("ppp", Job::Rust(ppp)),
        other("proxy-protocol-codec", Job::Rust(codec)),
        other("haproxy-protocol", Job::Rust(haproxy_protocol)),
        Contender { read: read_nginx, ..yardstick("nginx, text", Job::C(bench_nginx_text)) },
        other(NGINX, Job::C(bench_nginx_sockaddr)),
    ]
}

pub const OURS: &str = "realpeer";
pub const OURS_C: &str = "realpeer C";
pub const BARE: &str = "bare C";
pub const NGINX: &str = "nginx, sockaddr";

/// Does nothing: what calling costs.
#[must_use]
pub fn nobody() -> Contender {
    #[inline(never)]
    fn nothing(_: &[u8], _: &mut Option<Pair>) -> i64 {
        MORE
    }
    Contender { name: "nobody", job: Job::Rust(nothing), yardstick: true, read: |_| {} }
}

fn read_ours(place: &mut Place) {
    // SAFETY: what a job has filled in.
    unsafe { bench_ours_read(&raw const place.header, &raw mut place.sockets) }
}

fn read_nginx(place: &mut Place) {
    // SAFETY: reads what nginx keeps of the last header.
    if unsafe { bench_nginx_read(&raw mut place.sockets) } == 0 {
        *place = Place::default();
    }
}

const LIMITS: realpeer::Limits =
    realpeer::Limits { max_header: realpeer::MAX_HEADER, versions: realpeer::Versions::BOTH };

/// What a job returns, whose result says by itself whether it is the header's.
fn length(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(REFUSED)
}

#[inline(never)]
fn ours(data: &[u8], out: &mut Option<Pair>) -> i64 {
    use realpeer::{Progress, parse};
    match parse(data, &LIMITS) {
        Ok(Progress::Done(header)) => {
            *out = header.addresses();
            length(header.len())
        }
        Ok(Progress::More { .. }) => MORE,
        Err(_) => REFUSED,
    }
}

#[inline(never)]
fn proxy_protocol(data: &[u8], out: &mut Option<Pair>) -> i64 {
    use proxy_protocol::{ParseError, ProxyHeader, parse, version1, version2};
    let mut rest = data;
    *out = match parse(&mut rest) {
        Ok(ProxyHeader::Version1 { addresses }) => match addresses {
            version1::ProxyAddresses::Ipv4 { source, destination } => {
                Some((source.into(), destination.into()))
            }
            version1::ProxyAddresses::Ipv6 { source, destination } => {
                Some((source.into(), destination.into()))
            }
            version1::ProxyAddresses::Unknown => None,
        },
        Ok(ProxyHeader::Version2 { command, addresses, .. }) => match addresses {
            _ if command == version2::ProxyCommand::Local => None,
            version2::ProxyAddresses::Ipv4 { source, destination } => {
                Some((source.into(), destination.into()))
            }
            version2::ProxyAddresses::Ipv6 { source, destination } => {
                Some((source.into(), destination.into()))
            }
            _ => None,
        },
        Ok(_) => None,
        Err(ParseError::Version1 { source: version1::ParseError::UnexpectedEof })
        | Err(ParseError::Version2 { source: version2::ParseError::UnexpectedEof }) => {
            return MORE;
        }
        Err(_) => return REFUSED,
    };
    length(data.len() - rest.len())
}

#[inline(never)]
fn proxy_header(data: &[u8], out: &mut Option<Pair>) -> i64 {
    use proxy_header::{Error, ParseConfig, ProxyHeader};
    // Its way to do without an allocation, where TLVs are not asked for.
    let config = ParseConfig { include_tlvs: false, ..ParseConfig::default() };
    match ProxyHeader::parse(data, config) {
        Ok((header, len)) => {
            *out = header.proxied_address().map(|of| (of.source, of.destination));
            length(len)
        }
        Err(Error::BufferTooShort) => MORE,
        Err(_) => REFUSED,
    }
}

#[inline(never)]
fn ppp(data: &[u8], out: &mut Option<Pair>) -> i64 {
    use ppp::{HeaderResult, PartialResult, v1, v2};
    let result = HeaderResult::parse(data);
    match &result {
        HeaderResult::V1(Ok(header)) => {
            *out = match header.addresses {
                v1::Addresses::Unknown => None,
                v1::Addresses::Tcp4(of) => Some((
                    SocketAddr::new(of.source_address.into(), of.source_port),
                    SocketAddr::new(of.destination_address.into(), of.destination_port),
                )),
                v1::Addresses::Tcp6(of) => Some((
                    SocketAddr::new(of.source_address.into(), of.source_port),
                    SocketAddr::new(of.destination_address.into(), of.destination_port),
                )),
            };
            length(header.header.len())
        }
        HeaderResult::V2(Ok(header)) => {
            *out = match &header.addresses {
                // What its documentation leaves to the caller.
                _ if header.command == v2::Command::Local => None,
                v2::Addresses::IPv4(of) => Some((
                    SocketAddr::new(of.source_address.into(), of.source_port),
                    SocketAddr::new(of.destination_address.into(), of.destination_port),
                )),
                v2::Addresses::IPv6(of) => Some((
                    SocketAddr::new(of.source_address.into(), of.source_port),
                    SocketAddr::new(of.destination_address.into(), of.destination_port),
                )),
                _ => None,
            };
            length(header.as_bytes().len())
        }
        _ if result.is_incomplete() => MORE,
        _ => REFUSED,
    }
}

/// It wants the header without what follows, and says how to come by that: read up
/// to the line feed in version 1, up to the length that it names in version 2.
#[inline(never)]
fn codec(data: &[u8], out: &mut Option<Pair>) -> i64 {
    use proxy_protocol_codec::{v1, v2};
    if data.first() == Some(&b'P') {
        let Some(end) = data.iter().position(|&byte| byte == b'\n') else { return MORE };
        return match v1::Header::decode(&data[..=end]) {
            Ok(v1::Decoded::Some(header)) => {
                *out = match header.address_pair() {
                    v1::AddressPair::Unspecified => None,
                    v1::AddressPair::Inet { src_ip, dst_ip, src_port, dst_port } => Some((
                        SocketAddr::new(src_ip.into(), src_port),
                        SocketAddr::new(dst_ip.into(), dst_port),
                    )),
                    v1::AddressPair::Inet6 { src_ip, dst_ip, src_port, dst_port } => Some((
                        SocketAddr::new(src_ip.into(), src_port),
                        SocketAddr::new(dst_ip.into(), dst_port),
                    )),
                };
                length(end + 1)
            }
            Ok(v1::Decoded::Partial) => MORE,
            _ => REFUSED,
        };
    }
    let mut len = data.len().min(v2::HEADER_SIZE);
    loop {
        match v2::Header::decode(&data[..len]) {
            Ok(v2::Decoded::Some(decoded)) => {
                *out = match *decoded.header.address_pair() {
                    v2::AddressPair::Inet { src_ip, dst_ip, src_port, dst_port } => Some((
                        SocketAddr::new(src_ip.into(), src_port),
                        SocketAddr::new(dst_ip.into(), dst_port),
                    )),
                    v2::AddressPair::Inet6 { src_ip, dst_ip, src_port, dst_port } => Some((
                        SocketAddr::new(src_ip.into(), src_port),
                        SocketAddr::new(dst_ip.into(), dst_port),
                    )),
                    _ => None,
                };
                return length(len);
            }
            Ok(v2::Decoded::Partial(more)) if len + more.get() <= data.len() => {
                len += more.get();
            }
            Ok(v2::Decoded::Partial(_)) => return MORE,
            _ => return REFUSED,
        }
    }
}

#[inline(never)]
fn haproxy_protocol(data: &[u8], out: &mut Option<Pair>) -> i64 {
    use haproxy_protocol::{Error, ProxyHdrV1, ProxyHdrV2, RemoteAddress};
    let result = if data.first() == Some(&b'P') {
        ProxyHdrV1::parse(data).map(|(len, header)| (len, header.to_remote_addr()))
    } else {
        ProxyHdrV2::parse(data).map(|(len, header)| (len, header.to_remote_addr()))
    };
    match result {
        Ok((len, address)) => {
            *out = match address {
                RemoteAddress::TcpV4 { src, dst } | RemoteAddress::UdpV4 { src, dst } => {
                    Some((src.into(), dst.into()))
                }
                RemoteAddress::TcpV6 { src, dst } | RemoteAddress::UdpV6 { src, dst } => {
                    Some((src.into(), dst.into()))
                }
                RemoteAddress::Local | RemoteAddress::Invalid => None,
            };
            length(len)
        }
        Err(Error::Incomplete { .. }) => MORE,
        Err(_) => REFUSED,
    }
}
