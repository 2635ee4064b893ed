//! The clients. They are few lines and do little, so that what is measured is the
//! server.
//!
//! For a time, the server is stopped (SIGSTOP), all connections are opened and the
//! first bytes of each are sent, and then it may go on (SIGCONT): it finds so much
//! work queued that it need not wait for us, while we only take the answers. For how
//! much of the time it had something to do is part of the result.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use realpeer_e2e::PATIENCE;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

use socket2::{Domain, Socket, Type};

use crate::usage::Worked;

/// What a client says behind its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Talk {
    /// So many requests, one after the other; with the last it asks for the end.
    Http(usize),
    /// A handshake, nothing of it known from before, and one request.
    Tls,
    /// Some bytes, which are answered, by whom it is passed on to.
    Bytes,
}

/// Clients that are all alike.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) port: u16,
    pub(crate) header: Vec<u8>,
    /// Whether what follows comes when the header has been read. Not in a burst.
    pub(crate) apart: bool,
    pub(crate) talk: Talk,
    /// How an answer has to end: with the address of the client, where the server
    /// can be asked for it.
    pub(crate) answer_end: Vec<u8>,
}

pub(crate) const BYTES: &[u8] = b"ping\n";
pub(crate) const BYTES_BACK: &[u8] = b"pong\n";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LAST_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// How long all of them took, and what that cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Burst {
    pub(crate) time: Duration,
    /// Processor time of the server.
    pub(crate) server: Duration,
    /// For how long it had to wait for the processor, as others were using it.
    pub(crate) delayed: Duration,
}

/// A connection that has sent its first bytes.
struct Opened {
    stream: TcpStream,
    tls: Option<ClientConnection>,
}

impl Load {
    /// Opens so many connections at once, see above.
    pub(crate) fn burst(&self, worked: &Worked, count: usize) -> Burst {
        let stopped = worked.stop();
        let before = (worked.time(), worked.delay());
        let mut opened: Vec<Opened> = (0..count).map(|_| self.open(worked)).collect();
        let start = Instant::now();
        drop(stopped);
        if let Talk::Http(requests) = self.talk {
            for request in 1..requests {
                for opened in &mut opened {
                    self.answer(&mut opened.stream);
                    send(&mut opened.stream, request_of(request + 1, requests));
                }
            }
        }
        for opened in opened {
            self.finish(opened);
        }
        let time = start.elapsed();
        worked.wait_until_at_rest();
        Burst { time, server: worked.time() - before.0, delayed: worked.delay() - before.1 }
    }

    /// One connection after the other, each from its beginning to its end.
    pub(crate) fn one_by_one(&self, worked: &Worked, count: usize) {
        for _ in 0..count {
            let mut opened = self.open(worked);
            if let Talk::Http(requests) = self.talk {
                for request in 1..requests {
                    self.answer(&mut opened.stream);
                    send(&mut opened.stream, request_of(request + 1, requests));
                }
            }
            self.finish(opened);
        }
    }

    fn open(&self, worked: &Worked) -> Opened {
        let mut stream = connect(self.port);
        let mut first = self.header.clone();
        if self.apart {
            send(&mut stream, &first);
            // It wakes the server, which rests again when it has read it.
            worked.wait_until_at_rest();
            first.clear();
        }
        let mut tls = None;
        match self.talk {
            Talk::Http(requests) => first.extend(request_of(1, requests)),
            Talk::Bytes => first.extend(BYTES),
            Talk::Tls => {
                let connection = tls.insert(new_tls());
                connection.write_tls(&mut first).expect("memory");
            }
        }
        send(&mut stream, &first);
        Opened { stream, tls }
    }

    /// Takes what comes until the server closes.
    fn finish(&self, Opened { mut stream, tls }: Opened) {
        let mut all = Vec::with_capacity(512);
        let ended = match tls {
            None => stream.read_to_end(&mut all),
            Some(tls) => {
                let mut stream = StreamOwned::new(tls, stream);
                stream.write_all(LAST_REQUEST).expect("a server that reads");
                stream.read_to_end(&mut all)
            }
        };
        // A server may close without a word of TLS, once it has answered.
        if let Err(error) = ended {
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
        }
        self.must_be_right(&all);
    }

    /// One answer on a connection that stays open.
    fn answer(&self, stream: &mut TcpStream) {
        let mut room = [0; 1024];
        let mut used = 0;
        while !room[..used].ends_with(&self.answer_end) {
            let n = stream.read(&mut room[used..]).expect("an answer");
            assert_ne!(n, 0, "closed after {:?}", String::from_utf8_lossy(&room[..used]));
            used += n;
        }
        self.must_be_right(&room[..used]);
    }

    fn must_be_right(&self, answer: &[u8]) {
        let good = self.talk == Talk::Bytes || answer.starts_with(b"HTTP/1.1 20");
        let text = || String::from_utf8_lossy(answer);
        assert!(good && answer.ends_with(&self.answer_end), "a wrong answer: {:?}", text());
    }
}

/// Connections that have sent these bytes and wait, until they are dropped.
pub(crate) fn waiting(port: u16, count: usize, part: &[u8]) -> Vec<TcpStream> {
    let one = |n: usize| {
        // An address has not as many ports, and others have some of them.
        let source = Ipv4Addr::new(127, 1, u8::try_from(n / PER_SOURCE).unwrap_or(255), 1);
        let mut stream = connect_from(source, port);
        send(&mut stream, part);
        stream
    };
    (0..count).map(one).collect()
}

const PER_SOURCE: usize = 5000;

fn connect(port: u16) -> TcpStream {
    connect_from(Ipv4Addr::LOCALHOST, port)
}

fn connect_from(source: Ipv4Addr, port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    if source != Ipv4Addr::LOCALHOST {
        socket.bind(&SocketAddr::from((source, 0)).into()).expect("a free port");
    }
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    socket.connect(&target.into()).expect("a listener with room in its queue");
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).expect("an option");
    // The kernel is not to remember hundreds of thousands of ended connections: who
    // has heard the end of the server's answer closes by a reset.
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("an option");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    stream
}

fn send(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).expect("a server that reads");
}

fn request_of(number: usize, all: usize) -> &'static [u8] {
    if number == all { LAST_REQUEST } else { REQUEST }
}

/// Without a look at the certificate, which would cost more than all the rest.
fn new_tls() -> ClientConnection {
    thread_local! {
        static CONFIG: Arc<ClientConfig> = {
            let mut config = ClientConfig::builder()
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody))
                .with_no_client_auth();
            config.resumption = rustls::client::Resumption::disabled();
            Arc::new(config)
        };
    }
    let server = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(CONFIG.with(Arc::clone), server).expect("a configuration")
}

/// Takes any certificate.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}
