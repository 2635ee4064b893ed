//! A virtual host of Apache behind a policy, plain or with TLS, and a client
//! that gets from it what Apache takes for the client's address.

use crate::apache_site::ApacheSite;
use crate::certificates::Authority;
use crate::client::Client;
use crate::front::Seen;
use crate::http::Response;
use crate::tls::TlsClient;

#[derive(Debug)]
pub struct ApacheFront {
    authority: Option<Authority>,
}

impl ApacheFront {
    pub fn plain() -> Self {
        Self { authority: None }
    }

    pub fn tls() -> Self {
        Self { authority: Some(Authority::new()) }
    }

    pub fn both() -> [Self; 2] {
        [Self::plain(), Self::tls()]
    }

    /// Whom clients have to trust where it speaks TLS.
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// Adds a virtual host on a port of its own.
    pub fn host(&self, site: &mut ApacheSite, directives: &str) -> u16 {
        match &self.authority {
            Some(authority) => site.tls_host(authority, directives),
            None => site.host(directives),
        }
    }

    /// Sends a header in a piece of its own, and asks for the page.
    #[track_caller]
    pub fn visit(&self, port: u16, header: &[u8]) -> Seen {
        let mut client = Client::connect(port);
        client.send(header);
        self.ask(client)
    }

    /// What a client gets that has sent all it has to, or nothing.
    #[track_caller]
    pub fn ask(&self, client: Client) -> Seen {
        let peer = client.local();
        let vars = self.get(client, "/").vars();
        Seen { peer, client: vars.var("remote_addr"), vars: Some(vars) }
    }

    #[track_caller]
    pub fn get(&self, mut client: Client, path: &str) -> Response {
        match &self.authority {
            Some(authority) => TlsClient::over(client, authority).get(path),
            None => client.get(path),
        }
    }

    /// The same, the header and the first bytes behind it in one segment.
    #[track_caller]
    pub fn visit_fused(&self, client: Client, header: &[u8]) -> Seen {
        let peer = client.local();
        let vars = self.get_fused(client, header).vars();
        Seen { peer, client: vars.var("remote_addr"), vars: Some(vars) }
    }

    #[track_caller]
    fn get_fused(&self, mut client: Client, header: &[u8]) -> Response {
        match &self.authority {
            Some(authority) => TlsClient::fused(client, authority, header).get("/"),
            None => {
                let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
                client.send([header, request].concat()).response()
            }
        }
    }
}
