//! Headers to be written: the options that `encode` and `send` have in common.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStringExt;

use realpeer::{Outgoing, Tlv, Transport, V1_MAX, WriteError, write_v1};

use crate::error::Error;

mod tlvs;

pub use tlvs::Named;

/// What the header says.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Header")]
pub struct Options {
    /// Write a line of version 1; without it, a header of version 2
    #[arg(short = '1', long)]
    #[arg(conflicts_with_all = ["local", "udp", "tlv", "crc32c", "pad_to_multiple"])]
    pub v1: bool,

    /// The client: ADDRESS:PORT, [IPV6]:PORT, unix:PATH, or unix:@NAME for an abstract socket
    #[arg(short, long, value_name = "ADDRESS", value_parser = Endpoint::read)]
    pub source: Option<Endpoint>,

    /// What the client connected to, likewise
    #[arg(short, long, value_name = "ADDRESS", value_parser = Endpoint::read)]
    pub destination: Option<Endpoint>,

    /// Speak for the sender itself (LOCAL), as a health check does
    #[arg(short, long, conflicts_with_all = ["source", "destination", "udp", "unknown"])]
    pub local: bool,

    /// Name no addresses (UNKNOWN in version 1, UNSPEC in version 2)
    #[arg(short, long, conflicts_with_all = ["source", "destination", "udp"])]
    pub unknown: bool,

    /// Say that datagrams are relayed, and not a stream
    #[arg(long)]
    pub udp: bool,

    /// Add a TLV; may be repeated
    ///
    /// NAME is alpn, authority, unique-id, netns, aws-vpce-id, azure-link-id,
    /// gcp-psc-id, or 0xNN for the type itself. Those of TLS go into one SSL TLV:
    /// ssl-version, ssl-cn, ssl-cipher, ssl-sig-alg, ssl-key-alg, ssl-group,
    /// ssl-sig-scheme, ssl-client-cert, ssl-0xNN, and ssl-verified=yes for a client
    /// whose certificate was verified; ssl-client=0xNN and ssl-verify=NUMBER set the
    /// two fields themselves.
    ///
    /// VALUE is text with escapes such as \x00, of the ids a number, of 0xNN hex
    /// digits, and @FILE is what is in the file.
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = Named::read)]
    pub tlv: Vec<Named>,

    /// Add a CRC32c
    #[arg(short, long)]
    pub crc32c: bool,

    /// Pad the header to a multiple of so many bytes, as AWS does to 100
    #[arg(short, long, value_name = "BYTES", default_value_t = 0, hide_default_value = true)]
    pub pad_to_multiple: u16,
}

/// Somebody who talks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Over IP.
    Inet(SocketAddr),
    /// Over a Unix socket with this path; that of an abstract one begins with NUL.
    Unix(Vec<u8>),
}

impl Endpoint {
    fn read(text: &str) -> Result<Endpoint, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = match path.strip_prefix('@') {
                Some(name) => format!("\0{name}"),
                None => path.to_owned(),
            };
            return Ok(Endpoint::Unix(OsString::from(path).into_vec()));
        }
        text.parse().map(Endpoint::Inet).map_err(|_| match text.parse::<std::net::IpAddr>() {
            Ok(ip) => format!("a port is missing, as in {}", SocketAddr::new(ip, 443)),
            Err(_) => "not ADDRESS:PORT, [IPV6]:PORT or unix:PATH; names are not looked up".into(),
        })
    }
}

/// What is relayed.
enum Relayed<'a> {
    Local,
    Unknown,
    Inet(SocketAddr, SocketAddr),
    Unix(&'a [u8], &'a [u8]),
}

impl Options {
    /// Writes the header. Where source or destination are not given, they are the
    /// two ends of the `connection`, if there is one.
    ///
    /// # Errors
    /// Where the options do not go together, or no header can say it.
    pub fn write(&self, connection: Option<(Endpoint, Endpoint)>) -> Result<Vec<u8>, Error> {
        let (own, peer) = connection.unzip();
        let source = self.source.as_ref().or(own.as_ref());
        let destination = self.destination.as_ref().or(peer.as_ref());
        let relayed = match (source, destination) {
            _ if self.local => Relayed::Local,
            _ if self.unknown => Relayed::Unknown,
            (Some(Endpoint::Inet(source)), Some(Endpoint::Inet(destination))) => {
                Relayed::Inet(*source, *destination)
            }
            (Some(Endpoint::Unix(_)), Some(Endpoint::Unix(_)))
                if self.v1 && self.source.is_some() =>
            {
                return Err(Error::with_hint(
                    "no such header: version 1 has no Unix sockets",
                    "Drop --v1, or say --unknown.",
                ));
            }
            (Some(Endpoint::Unix(source)), Some(Endpoint::Unix(destination))) => {
                Relayed::Unix(source, destination)
            }
            (Some(_), Some(_)) => {
                return Err(Error::with_hint(
                    "one of source and destination is a Unix socket and the other is not",
                    "Give both with --source and --destination, or --local, or --unknown.",
                ));
            }
            _ => {
                return Err(Error::with_hint(
                    "whom does the header speak for?",
                    "Give --source and --destination, or --local, or --unknown.",
                ));
            }
        };
        match self.v1 {
            true => self.write_v1(&relayed),
            false => self.write_v2(&relayed),
        }
    }

    fn write_v1(&self, relayed: &Relayed<'_>) -> Result<Vec<u8>, Error> {
        let addresses = match *relayed {
            Relayed::Inet(source, destination) => Some((source, destination)),
            // Version 1 has no other word for these.
            _ => None,
        };
        let mut line = vec![0; V1_MAX];
        let len = write_v1(addresses, &mut line).map_err(refused)?;
        line.truncate(len);
        Ok(line)
    }

    fn write_v2(&self, relayed: &Relayed<'_>) -> Result<Vec<u8>, Error> {
        let values = tlvs::values(&self.tlv)?;
        let tlvs = values.iter().map(|(kind, value)| Tlv { kind: *kind, value });
        let header = match *relayed {
            Relayed::Local => Outgoing::local(),
            Relayed::Unknown => Outgoing::unspec(),
            Relayed::Inet(source, destination) => Outgoing::proxy(source, destination),
            Relayed::Unix(source, destination) => Outgoing::unix(source, destination),
        };
        let header = if self.udp { header.transport(Transport::Datagram) } else { header };
        let header = header.tlvs(tlvs).checksum(self.crc32c).pad_to_multiple(self.pad_to_multiple);
        let mut bytes = vec![0; header.len().map_err(refused)?];
        let len = header.write(&mut bytes).map_err(refused)?;
        bytes.truncate(len);
        Ok(bytes)
    }
}

pub(crate) fn refused(error: WriteError) -> Error {
    let hint = match error {
        WriteError::MixedFamilies => "Version 2 can say it, as it maps IPv4 into IPv6: drop --v1.",
        WriteError::BadAddress => "The path of a Unix socket has up to 108 bytes.",
        WriteError::InvalidTlv => {
            "A unique id has up to 128 bytes, there is one CRC32c, and SSL TLVs must be whole."
        }
        _ => return Error::new(format!("no such header: {error}")),
    };
    Error::with_hint(format!("no such header: {error}"), hint)
}
