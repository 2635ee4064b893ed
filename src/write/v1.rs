//! The line of text (section 2.1).

use core::net::{IpAddr, SocketAddr};

use super::{WriteError, write_whole};
use crate::address::{write_groups, write_v4};
use crate::text::Sink;

/// Writes a version 1 line with source and destination of the relayed connection,
/// or `PROXY UNKNOWN` where they are not known or not TCP. Returns its length, at
/// most [`V1_MAX`](crate::V1_MAX).
///
/// IPv6 addresses are written in groups to their end, as the grammar has it, those
/// with an IPv4 address in them too. Zones are left out.
///
/// # Errors
/// [`WriteError::MixedFamilies`] or [`WriteError::NoRoom`].
///
/// ```
/// use realpeer::{V1_MAX, write_v1};
///
/// let mut line = [0; V1_MAX];
/// let client = "192.0.2.1:56324".parse().unwrap();
/// let server = "198.51.100.7:443".parse().unwrap();
/// let len = write_v1(Some((client, server)), &mut line)?;
/// assert_eq!(&line[..len], b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n");
///
/// let len = write_v1(None, &mut line)?;
/// assert_eq!(&line[..len], b"PROXY UNKNOWN\r\n");
/// # Ok::<(), realpeer::WriteError>(())
/// ```
pub fn write_v1(
    addresses: Option<(SocketAddr, SocketAddr)>,
    out: &mut [u8],
) -> Result<usize, WriteError> {
    let Some((source, destination)) = addresses else {
        return write_whole(out, |line| line.extend(b"PROXY UNKNOWN\r\n"));
    };
    let family = match (source.ip(), destination.ip()) {
        (IpAddr::V4(_), IpAddr::V4(_)) => b"4 ",
        (IpAddr::V6(_), IpAddr::V6(_)) => b"6 ",
        _ => return Err(WriteError::MixedFamilies),
    };
    write_whole(out, |line| {
        line.extend(b"PROXY TCP");
        line.extend(family);
        ip(line, source.ip());
        ip(line, destination.ip());
        line.decimal(source.port().into());
        line.push(b' ');
        line.decimal(destination.port().into());
        line.extend(b"\r\n");
    })
}

/// The address and the space behind it.
fn ip(line: &mut Sink<'_>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => write_v4(line, ip),
        IpAddr::V6(ip) => write_groups(line, ip),
    }
    line.push(b' ');
}
