//! The responder that nginx's mail proxy asks about each login.

use std::io::Write;
use std::sync::{Arc, Mutex};

use crate::upstream::{Request, Upstream};

/// Runs until it is dropped, and remembers what it was asked.
#[derive(Debug)]
pub struct AuthHttp {
    server: Upstream,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl AuthHttp {
    /// Refuses everybody, with the client's address as the reason, so that
    /// whoever asked can read it: `client ADDRESS`.
    pub fn refusing() -> Self {
        Self::start(|request| {
            let client = request.header("client-ip").unwrap_or_default();
            format!("Auth-Status: client {client}\r\n")
        })
    }

    /// Lets everybody in, to the backend on `port`.
    pub fn passing_to(port: u16) -> Self {
        Self::start(move |_| {
            format!("Auth-Status: OK\r\nAuth-Server: 127.0.0.1\r\nAuth-Port: {port}\r\n")
        })
    }

    fn start(answer: impl Fn(&Request) -> String + Send + Sync + 'static) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let server = Upstream::start(move |mut stream| {
            let request = Request::read(&mut stream);
            if request.head.is_empty() {
                return;
            }
            let answer = format!("HTTP/1.0 200 OK\r\n{}\r\n", answer(&request));
            seen.lock().expect("no panic").push(request);
            // A client of nginx that has gone away is the test's own doing.
            let _ = stream.write_all(answer.as_bytes());
        });
        Self { server, requests }
    }

    /// The directive that has nginx ask here.
    pub fn directive(&self) -> String {
        format!("auth_http 127.0.0.1:{}/auth;", self.server.port())
    }

    /// Everything asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic").clone()
    }
}
