//! A web server behind a balancer, with tokio, hyper and rustls: shows its visitors
//! their address, and that of the balancer that relayed them. HTTP/1 and HTTP/2.
//!
//!     tokio-hyper 0.0.0.0:8080 require 10.0.1.0/24 direct 127.0.0.1
//!     tokio-hyper 0.0.0.0:8443 --tls CERTIFICATE KEY require 10.0.1.0/24
//!
//! Policies and sources follow the address to listen on. Certificate and key are
//! PEM files: then the balancer passes TLS through, and the header stands in front
//! of the handshake.

use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::future::ready;
use std::io::Cursor;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use realpeer::{Action, Outcome, Policy, Receiver, Rules, Settings};
use realpeer_examples::{Visit, rules};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, join};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

const USAGE: &str = "usage: tokio-hyper ADDRESS:PORT [--tls CERTIFICATE KEY] \
                     POLICY SOURCE [POLICY SOURCE ...]";

/// As many connections there may be at once; the next ones wait to be accepted.
const CONNECTIONS: usize = 10_000;
/// For the PROXY header; for the handshake of TLS; for the head of a request.
const TIMEOUT: Duration = Duration::from_secs(5);
/// No connection is kept for longer.
const LONGEST: Duration = Duration::from_secs(600);

type Failure = Box<dyn Error + Send + Sync>;

struct Server {
    rules: Rules<'static>,
    tls: Option<TlsAcceptor>,
    http: auto::Builder<TokioExecutor>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<Infallible, Failure> {
    let mut words = env::args().skip(1).peekable();
    let address = words.next().ok_or("an address to listen on is missing")?;
    let mut tls = None;
    if words.next_if_eq("--tls").is_some() {
        let (certificate, key) = words.next().zip(words.next()).ok_or("--tls wants two files")?;
        tls = Some(acceptor(&certificate, &key)?);
    }
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(TIMEOUT);
    http.http2().timer(TokioTimer::new());
    let server = Arc::new(Server { rules: rules(words)?, tls, http });

    let listener = TcpListener::bind(address).await?;
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let slot = slots.clone().acquire_owned().await?;
        match listener.accept().await {
            Ok((stream, peer)) => {
                let server = server.clone();
                tokio::spawn(async move {
                    if let Err(error) = server.serve(stream, peer).await {
                        eprintln!("{error}, peer: {peer}");
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                // Too many open files, for example, which passes.
                eprintln!("accept: {error}");
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

fn acceptor(certificate: &str, key: &str) -> Result<TlsAcceptor, Failure> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Takes the header off, and returns who is there, and what of the application's
/// was read with it.
async fn receive(
    stream: &mut TcpStream,
    peer: SocketAddr,
    policy: Option<Policy>,
) -> Result<(Visit, Vec<u8>), Outcome> {
    let mut buffer = [0; 4096];
    let mut receiver = Receiver::new(policy, Settings::default(), &mut buffer);
    let end = Instant::now() + TIMEOUT;
    while receiver.decision().action == Action::More {
        match timeout_at(end, stream.read(receiver.room())).await {
            Ok(Ok(n)) => receiver.filled(n),
            Ok(Err(_)) => receiver.closed(),
            Err(_) => receiver.timed_out(),
        }
    }
    let decision = receiver.decision();
    match (decision.action, stream.local_addr()) {
        (Action::Refuse, _) => Err(decision.outcome),
        (_, Err(_)) => Err(Outcome::Silent),
        (_, Ok(here)) => Ok((Visit::new(&decision, peer, here), receiver.rest().to_vec())),
    }
}

impl Server {
    async fn serve(&self, mut stream: TcpStream, peer: SocketAddr) -> Result<(), Failure> {
        let policy = self.rules.find(peer.ip().into());
        let (visit, rest) = match receive(&mut stream, peer, policy).await {
            Ok(received) => received,
            Err(outcome) if outcome.is_quiet() => return Ok(()),
            Err(outcome) => return Err(format!("refused {} ({outcome})", outcome.name()).into()),
        };

        // From here on all is as if the visitor had connected himself.
        let (read, write) = stream.into_split();
        let stream = join(Cursor::new(rest).chain(read), write);
        match &self.tls {
            None => self.answer(stream, visit, "none").await,
            Some(tls) => {
                let stream = timeout(TIMEOUT, tls.accept(stream)).await??;
                let version = stream.get_ref().1.protocol_version();
                let name = version.and_then(|version| version.as_str()).unwrap_or("unknown");
                self.answer(stream, visit, name).await
            }
        }
    }

    async fn answer(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        visit: Visit,
        tls: &'static str,
    ) -> Result<(), Failure> {
        let page = service_fn(move |request: Request<_>| {
            let protocol = format!("{:?}", request.version());
            let rows = [("protocol", protocol), ("TLS", tls.to_owned())];
            let page = visit.page("tokio and hyper", &rows);
            ready(
                Response::builder()
                    .header("Content-Type", "text/html; charset=utf-8")
                    .body(Full::<Bytes>::from(page)),
            )
        });
        timeout(LONGEST, self.http.serve_connection(TokioIo::new(stream), page)).await?
    }
}
