//! TLS over a connection that has its PROXY header already.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::certificates::{Authority, Certificate};
use crate::client::{Client, Ending, read_to_end, request};
use crate::http::Response;

/// A TLS client that trusts one authority and calls its server `localhost`.
#[derive(Debug)]
pub struct TlsClient {
    stream: StreamOwned<ClientConnection, Fused>,
}

impl TlsClient {
    /// Speaks TLS from now on; the handshake comes with the first use.
    pub fn over(client: Client, trusted: &Authority) -> Self {
        Self::fused(client, trusted, &[])
    }

    /// The same with `header` and the first TLS record in one segment.
    pub fn fused(client: Client, trusted: &Authority, header: &[u8]) -> Self {
        let config = builder(trusted).with_no_client_auth();
        Self::with_config(client, config, header)
    }

    /// With a certificate of its own to show.
    pub fn identified(client: Client, trusted: &Authority, own: &Certificate) -> Self {
        let config = builder(trusted)
            .with_client_auth_cert(vec![own.der.clone()], own.key())
            .expect("a usable certificate");
        Self::with_config(client, config, &[])
    }

    fn with_config(client: Client, config: ClientConfig, header: &[u8]) -> Self {
        let server = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(Arc::new(config), server).expect("a configuration");
        let stream = Fused { stream: client.into_stream(), header: header.to_vec() };
        Self { stream: StreamOwned::new(tls, stream) }
    }

    /// Sends the first bytes of the handshake and no more.
    pub fn say_hello(&mut self) {
        // A server that has closed already is found out by reading.
        let _ = self.stream.conn.write_tls(&mut self.stream.sock);
    }

    /// The connection below.
    pub fn stream(&self) -> &TcpStream {
        &self.stream.sock.stream
    }

    /// The bytes a handshake begins with.
    pub fn first_record(trusted: &Authority) -> Vec<u8> {
        let server = ServerName::try_from("localhost").expect("a name");
        let config = builder(trusted).with_no_client_auth();
        let mut tls = ClientConnection::new(Arc::new(config), server).expect("a configuration");
        let mut bytes = Vec::new();
        tls.write_tls(&mut bytes).expect("memory");
        bytes
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).expect("a server that reads");
        self.stream.flush().expect("a server that reads");
        self
    }

    #[track_caller]
    pub fn response(&mut self) -> Response {
        Response::read(&mut self.stream)
    }

    /// Asks for `path` and reads the answer; the connection stays open.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Response {
        self.send(request(path)).response()
    }

    /// Shakes hands and reads until the server closes.
    #[track_caller]
    pub fn ending(&mut self) -> Ending {
        read_to_end(&mut self.stream)
    }

    /// Sends the first record of the handshake and reads what comes back as
    /// it is, be it TLS or not.
    pub fn raw_ending_after_hello(mut self) -> Ending {
        self.say_hello();
        read_to_end(&mut self.stream.sock.stream)
    }
}

impl Read for TlsClient {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.read(bytes)
    }
}

impl Write for TlsClient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn builder(
    trusted: &Authority,
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der()).expect("a certificate");
    ClientConfig::builder().with_root_certificates(roots)
}

/// A stream whose first write carries a header in front.
#[derive(Debug)]
struct Fused {
    stream: TcpStream,
    header: Vec<u8>,
}

impl Write for Fused {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.header.is_empty() {
            return self.stream.write(bytes);
        }
        let mut all = std::mem::take(&mut self.header);
        all.extend(bytes);
        self.stream.write_all(&all)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Read for Fused {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.read(bytes)
    }
}
