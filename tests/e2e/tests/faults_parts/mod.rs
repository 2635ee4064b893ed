//! The ways that a connection can go through nginx's modules, and what is taken
//! for it on each of them.

use realpeer_e2e::{Kind, V2, v1};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";
const VISITOR6: &str = "[2001:db8::7]:4321";
const LISTENER6: &str = "[2001:db8::1]:443";

/// One way through the module.
pub struct Way {
    pub name: &'static str,
    pub kind: Kind,
    /// The address of the peer; "unix:" for a socket in a file.
    pub peer: &'static str,
    /// Addresses to listen on.
    pub listen: &'static str,
    pub policy: &'static str,
    /// What is sent, each after the server has had time for the one before; the
    /// request comes with the last one where there is no TLS.
    pub pieces: Vec<Vec<u8>>,
    /// The address that is served, and the result; None: the connection is refused.
    pub client: Option<(&'static str, &'static str)>,
    /// How often memory is taken: for a part that waits for the rest, for what is
    /// longer than the worker's buffer, for TLVs, for the client, for a request that
    /// has come with the header, and for the variables of a page.
    pub kept: usize,
    pub buffers: usize,
    pub tlvs: usize,
    pub clients: usize,
    pub requests: usize,
    pub variables: usize,
    /// What else is called that may fail.
    pub also: &'static [&'static str],
}

impl Default for Way {
    /// A line from 127.0.0.1 to a server of http that wants one.
    fn default() -> Self {
        Self {
            name: "a line",
            kind: Kind::Http,
            peer: "127.0.0.1",
            listen: "127.0.0.1:{port}",
            policy: "realpeer require all;",
            pieces: vec![v1(VISITOR, LISTENER)],
            client: Some(("192.0.2.7", "proxy")),
            kept: 0,
            buffers: 0,
            tlvs: 0,
            clients: 1,
            requests: 1,
            variables: 6,
            also: &["ngx_handle_read_event"],
        }
    }
}

impl Way {
    /// The memory that is taken before the connection goes on.
    pub fn connection(&self) -> Vec<&'static str> {
        let mut calls = vec!["ngx_pool_cleanup_add"];
        calls.extend(std::iter::repeat_n("ngx_pnalloc", self.kept));
        calls.extend(std::iter::repeat_n("ngx_palloc", self.buffers));
        calls.extend(std::iter::repeat_n("ngx_pnalloc", self.tlvs));
        let client = ["ngx_palloc", "ngx_pnalloc", "ngx_pcalloc", "ngx_pnalloc"];
        calls.extend(std::iter::repeat_n(client, self.clients).flatten());
        calls.extend(std::iter::repeat_n("ngx_pnalloc", self.requests));
        calls
    }

    /// All memory that is taken.
    pub fn memory(&self) -> Vec<&'static str> {
        let mut calls = self.connection();
        calls.extend(std::iter::repeat_n("ngx_pnalloc", self.variables));
        calls
    }
}

/// With TLVs, one of so many bytes.
fn binary(length: usize) -> Vec<u8> {
    V2::proxy(VISITOR, LISTENER).tlv(0x02, *b"shop.example").tlv(0xE5, vec![7; length]).build()
}

const LONG: &str = "realpeer require all; realpeer_max_header 65551;";
const READS: &[&str] = &["ngx_handle_read_event", "recv"];

pub fn ways() -> Vec<Way> {
    let usual = Way::default;
    let header = || vec![binary(20)];
    let in_pieces = |length: usize| binary(length).chunks(length / 2 + 50).map(Vec::from).collect();
    let own = Some(("127.0.0.1", "absent"));
    vec![
        usual(),
        Way { name: "TLVs", pieces: header(), tlvs: 1, variables: 8, ..usual() },
        Way {
            name: "in pieces",
            pieces: in_pieces(300),
            kept: 1,
            buffers: 1,
            tlvs: 1,
            requests: 0,
            variables: 8,
            ..usual()
        },
        Way {
            name: "60,000 bytes",
            policy: LONG,
            pieces: vec![binary(59_900)],
            buffers: 6,
            tlvs: 1,
            requests: 0,
            variables: 8,
            ..usual()
        },
        Way {
            name: "IPv6",
            peer: "::1",
            listen: "[::1]:{port}",
            pieces: vec![v1(VISITOR6, LISTENER6)],
            client: Some(("2001:db8::7", "proxy")),
            ..usual()
        },
        Way {
            name: "one of two addresses",
            listen: "127.0.0.1:{port} *:{port}",
            also: &["ngx_connection_local_sockaddr", "ngx_handle_read_event"],
            ..usual()
        },
        Way { name: "unix", peer: "unix:", listen: "unix:{dir}/socket", variables: 5, ..usual() },
        Way {
            name: "LOCAL",
            pieces: vec![V2::local().build()],
            client: Some(("127.0.0.1", "local")),
            clients: 0,
            variables: 2,
            ..usual()
        },
        Way { name: "optional, with a header", policy: "realpeer optional all;", ..usual() },
        Way {
            name: "optional, without",
            policy: "realpeer optional all;",
            pieces: vec![],
            client: own,
            clients: 0,
            variables: 1,
            ..usual()
        },
        Way {
            name: "strip",
            policy: "realpeer strip all;",
            client: Some(("127.0.0.1", "stripped")),
            clients: 0,
            variables: 2,
            ..usual()
        },
        Way {
            name: "direct",
            policy: "realpeer direct all;",
            pieces: vec![],
            client: Some(("127.0.0.1", "direct")),
            clients: 0,
            requests: 0,
            variables: 1,
            also: &[],
            ..usual()
        },
        Way {
            name: "refused",
            policy: "realpeer refuse all;",
            client: None,
            clients: 0,
            requests: 0,
            variables: 0,
            also: &[],
            ..usual()
        },
        Way {
            name: "no header",
            pieces: vec![b"nonsense".to_vec()],
            client: None,
            clients: 0,
            requests: 0,
            variables: 0,
            ..usual()
        },
        Way {
            name: "too late",
            policy: "realpeer require all; realpeer_timeout 20ms;",
            pieces: vec![b"P".to_vec()],
            client: None,
            kept: 1,
            clients: 0,
            requests: 0,
            variables: 0,
            ..usual()
        },
        Way { name: "TLS", kind: Kind::Https, requests: 0, also: READS, ..usual() },
        Way {
            name: "TLS, 60,000 bytes in pieces",
            kind: Kind::Https,
            policy: LONG,
            pieces: in_pieces(59_900),
            buffers: 6,
            tlvs: 1,
            requests: 0,
            variables: 8,
            also: READS,
            ..usual()
        },
        Way {
            name: "stream",
            kind: Kind::Stream,
            pieces: header(),
            tlvs: 1,
            requests: 0,
            variables: 8,
            also: READS,
            ..usual()
        },
        Way {
            name: "stream with TLS",
            kind: Kind::StreamTls,
            pieces: in_pieces(300),
            kept: 1,
            buffers: 1,
            tlvs: 1,
            requests: 0,
            variables: 8,
            also: READS,
            ..usual()
        },
        Way { name: "mail", kind: Kind::Mail, requests: 0, variables: 0, also: READS, ..usual() },
        Way {
            name: "mail with TLS",
            kind: Kind::MailTls,
            requests: 0,
            variables: 0,
            also: READS,
            ..usual()
        },
    ]
}
