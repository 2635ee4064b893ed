//! What nginx does with an address in `mail`.

use std::net::UdpSocket;

use crate::auth_http::AuthHttp;
use crate::consumers::nginx_place::connect;
use crate::consumers::row::{On, Row};
use crate::consumers::whose::{BALANCER, CLIENT, Whose};
use crate::dialogue::Dialogue;
use crate::mail_backend::{MailBackend, MailProtocol};
use crate::nginx::Nginx;
use crate::site::Site;
use crate::wait::PATIENCE;
use crate::which::Which;

const fn row(what: &'static str, look: fn(Which) -> Whose) -> Row {
    Row::new("nginx, mail", what, On::Nginx(look))
}

pub(super) const ROWS: &[Row] = &[
    row("`auth_http`: Client-IP", |which| {
        let login = LogIn::new(which, "");
        let asked = login.auth.requests().pop().expect("a question");
        Whose::is(asked.header("client-ip").expect("an address"))
    }),
    row("`xclient`: ADDR", |which| Whose::is_in(&LogIn::new(which, "").backend.line("XCLIENT "))),
    row("`resolver`: whose name is looked up for SMTP", resolver),
    row("`proxy_protocol on`, to a backend", |which| {
        let line = LogIn::new(which, "proxy_protocol on;").backend.line("PROXY ");
        Whose::is(line.split(' ').nth(2).unwrap_or_default())
    }),
    row("`error_log`: `client:`", |which| {
        let line = LogIn::new(which, "").nginx.wait_for_error("client logged in");
        let (_, rest) = line.split_once("client: ").expect("a client");
        Whose::is(rest.split(',').next().unwrap_or_default())
    }),
];

fn resolver(which: Which) -> Whose {
    let dns = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    dns.set_read_timeout(Some(PATIENCE)).expect("an option");
    let address = dns.local_addr().expect("a bound socket");
    let mut site = Site::new(which);
    let port = site.port();
    site.mail(format!(
        "{} server_name mail.example; resolver {address} ipv6=off;
         server {{ listen 127.0.0.1:{port}; protocol smtp; realpeer require all; }}",
        AuthHttp::refusing().directive()
    ));
    let _nginx = site.start();
    let mut client = connect(CLIENT, BALANCER, port);
    let mut question = [0; 512];
    let (length, nginx) = dns.recv_from(&mut question).expect("a question");
    let found = Whose::chosen(|ip| {
        // As in 7.2.0.192.in-addr.arpa: each part after its length.
        let name: Vec<u8> = ip
            .split('.')
            .rev()
            .chain(["in-addr", "arpa"])
            .flat_map(|part| {
                [&[u8::try_from(part.len()).expect("short")], part.as_bytes()].concat()
            })
            .collect();
        question[..length].windows(name.len()).any(|bytes| bytes == name)
    });
    // There is no such name, and the conversation begins.
    question[2..4].copy_from_slice(&[0x81, 0x83]);
    dns.send_to(&question[..length], nginx).expect("nginx");
    assert!(Dialogue::over(&mut client).line().starts_with("220 "), "no greeting");
    found
}

/// Somebody who has logged in to send mail.
struct LogIn {
    nginx: Nginx,
    auth: AuthHttp,
    backend: MailBackend,
}

impl LogIn {
    fn new(which: Which, directives: &str) -> Self {
        let backend = MailBackend::start(MailProtocol::Smtp);
        let auth = AuthHttp::passing_to(backend.port());
        let mut site = Site::new(which);
        let port = site.port();
        site.mail(format!(
            "{} server_name mail.example;
             server {{ listen 127.0.0.1:{port}; protocol smtp; realpeer require all;
                       {directives} }}",
            auth.directive()
        ));
        let nginx = site.start();
        let mut dialogue = Dialogue::over(connect(CLIENT, BALANCER, port));
        assert!(dialogue.line().starts_with("220 "), "no greeting");
        assert!(dialogue.say("EHLO visitor.example").starts_with("250"), "no welcome");
        // "a" with the password "b".
        assert!(dialogue.say("AUTH PLAIN AGEAYg==").starts_with("235"), "not let in");
        Self { nginx, auth, backend }
    }
}
