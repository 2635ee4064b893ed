//! Mail behind a header: SMTP, IMAP and POP3, whose servers speak first, and
//! everybody who is told the client's address.

use realpeer_e2e::{
    AuthHttp, Authority, Client, Dialogue, MailBackend, MailProtocol, Nginx, Site, TlsClient, V2,
    Which, on_each_nginx, v1, wait_until,
};

const VISITOR: &str = "192.0.2.7:4321";
const OTHER: &str = "192.0.2.8:4321";
const LISTENER: &str = "198.51.100.1:443";

const PROTOCOLS: [MailProtocol; 3] = [MailProtocol::Smtp, MailProtocol::Imap, MailProtocol::Pop3];

/// "a" with the password "b".
const PLAIN: &str = "AUTH PLAIN AGEAYg==";

fn name(protocol: MailProtocol) -> &'static str {
    match protocol {
        MailProtocol::Smtp => "smtp",
        MailProtocol::Imap => "imap",
        MailProtocol::Pop3 => "pop3",
    }
}

/// What a server says first.
fn greeting(protocol: MailProtocol) -> &'static str {
    match protocol {
        MailProtocol::Smtp => "220 ",
        MailProtocol::Imap => "* OK",
        MailProtocol::Pop3 => "+OK",
    }
}

fn must_greet(protocol: MailProtocol, client: Client) -> Dialogue<Client> {
    let mut dialogue = Dialogue::over(client);
    let line = dialogue.line();
    assert!(line.starts_with(greeting(protocol)), "{line}");
    dialogue
}

/// Logs in and gives the answer, which the backend has had a part in if it is
/// a good one.
fn log_in<S: std::io::Read + std::io::Write>(
    protocol: MailProtocol,
    dialogue: &mut Dialogue<S>,
) -> String {
    match protocol {
        MailProtocol::Smtp => {
            assert!(dialogue.say("EHLO visitor.example").starts_with("250"));
            dialogue.say(PLAIN)
        }
        MailProtocol::Imap => dialogue.say("a1 LOGIN a b"),
        MailProtocol::Pop3 => {
            assert!(dialogue.say("USER a").starts_with("+OK"));
            dialogue.say("PASS b")
        }
    }
}

fn is_good(protocol: MailProtocol, answer: &str) -> bool {
    let good = match protocol {
        MailProtocol::Smtp => "235",
        MailProtocol::Imap => "a1 OK",
        MailProtocol::Pop3 => "+OK",
    };
    answer.starts_with(good)
}

/// A server for one protocol, what is behind it, and a page to ask in the
/// meantime.
struct Mail {
    nginx: Nginx,
    auth: AuthHttp,
    backend: MailBackend,
    port: u16,
    other: u16,
    protocol: MailProtocol,
}

impl Mail {
    /// A server with these directives, and one that lets everybody in.
    fn start(which: Which, protocol: MailProtocol, listen: &str, directives: &str) -> Self {
        Self::of(Site::new(which), protocol, listen, directives)
    }

    fn of(mut site: Site, protocol: MailProtocol, listen: &str, directives: &str) -> Self {
        let backend = MailBackend::start(protocol);
        let auth = AuthHttp::passing_to(backend.port());
        let (port, other) = (site.port(), site.port());
        let (ask, name) = (auth.directive(), name(protocol));
        site.mail(format!(
            "{ask} server_name mail.example;
             server {{ listen 127.0.0.1:{port} {listen}; protocol {name}; {directives} }}
             server {{ listen 127.0.0.1:{other}; protocol {name}; }}"
        ));
        Self { nginx: site.start(), auth, backend, port, other, protocol }
    }

    /// When somebody else has been served, the worker has done all it had to
    /// do for those who came before.
    fn others_are_served(&self) {
        must_greet(self.protocol, Client::connect(self.other));
    }

    fn logged_in(&self, client: Client) -> Dialogue<Client> {
        let mut dialogue = must_greet(self.protocol, client);
        let answer = log_in(self.protocol, &mut dialogue);
        assert!(is_good(self.protocol, &answer), "{answer}");
        dialogue
    }

    /// The client's address in the last question to auth_http.
    fn last_client(&self) -> String {
        let requests = self.auth.requests();
        let last = requests.last().expect("a question");
        last.header("client-ip").expect("an address").to_owned()
    }
}

on_each_nginx! {
    fn with_require_the_greeting_waits_for_the_whole_header(which) {
        for protocol in PROTOCOLS {
            let mail =
                Mail::start(which, protocol, "", "realpeer require all; realpeer_timeout 600s;");
            let header = V2::proxy(VISITOR, LISTENER).build();
            let mut client = Client::connect(mail.port);
            for byte in &header {
                mail.others_are_served();
                assert!(client.is_quiet(), "greeted before the header was whole");
                client.send([*byte]).wait_until_read();
            }
            mail.logged_in(client);
            assert_eq!(mail.last_client(), "192.0.2.7");
            assert_eq!(mail.nginx.refusals(), []);
        }
    }

    fn with_optional_the_greeting_comes_when_the_time_has_passed(which) {
        for protocol in PROTOCOLS {
            for (policy, named) in [("optional", "192.0.2.7"), ("strip", "127.0.0.1")] {
                let patient = format!("realpeer {policy} all; realpeer_timeout 600s;");
                let mail = Mail::start(which, protocol, "", &patient);
                // Nobody is in a hurry as long as there is time.
                let mut waiting = Client::connect(mail.port);
                mail.others_are_served();
                assert!(waiting.is_quiet(), "{policy}: greeted before the time had passed");
                waiting.send(v1(VISITOR, LISTENER));
                mail.logged_in(waiting);
                assert_eq!(mail.last_client(), named);

                let hasty = format!("realpeer {policy} all; realpeer_timeout 200ms;");
                let mail = Mail::start(which, protocol, "", &hasty);
                mail.logged_in(Client::from("127.0.0.9", mail.port));
                assert_eq!(mail.last_client(), "127.0.0.9");
                assert_eq!(mail.nginx.refusals(), []);
            }
        }
    }

    fn a_client_that_speaks_first_is_no_sender(which) {
        for protocol in PROTOCOLS {
            let mail =
                Mail::start(which, protocol, "", "realpeer optional all; realpeer_timeout 600s;");
            let mut client = Client::connect(mail.port);
            let (first, answer) = match protocol {
                MailProtocol::Smtp => ("NOOP\r\n", "250"),
                MailProtocol::Imap => ("a1 NOOP\r\n", "a1 OK"),
                MailProtocol::Pop3 => ("NOOP\r\n", "+OK"),
            };
            client.send(first);
            let mut dialogue = must_greet(protocol, client);
            let line = dialogue.line();
            assert!(line.starts_with(answer), "{line}");
        }
    }

    fn a_direct_source_is_greeted_at_once(which) {
        for protocol in PROTOCOLS {
            let mail =
                Mail::start(which, protocol, "", "realpeer direct all; realpeer_timeout 600s;");
            mail.logged_in(Client::connect(mail.port));
            assert_eq!(mail.last_client(), "127.0.0.1");
        }
    }

    fn commands_may_be_fused_with_the_header(which) {
        for protocol in PROTOCOLS {
            let mail = Mail::start(which, protocol, "", "realpeer require all;");
            let commands = match protocol {
                MailProtocol::Smtp => format!("EHLO visitor.example\r\n{PLAIN}\r\n"),
                MailProtocol::Imap => "a1 LOGIN a b\r\n".into(),
                MailProtocol::Pop3 => "USER a\r\nPASS b\r\n".into(),
            };
            // A server of mail takes one command at a time, unless it is sent
            // more at once, which only some do.
            let first = commands.split_inclusive("\r\n").next().expect("a command");
            let header = V2::proxy(VISITOR, LISTENER).checksum().build();
            let whole = [&header[..], first.as_bytes()].concat();
            for cut in [0, 1, 15, 16, 20, header.len(), whole.len() - 1] {
                let mut client = Client::connect(mail.port);
                client.send_pieces([&whole[..cut]]).send(&whole[cut..]);
                let mut dialogue = must_greet(protocol, client);
                let mut answer = dialogue.answer();
                for command in commands.split_inclusive("\r\n").skip(1) {
                    answer = dialogue.say(command.trim_end());
                }
                assert!(is_good(protocol, &answer), "cut at {cut}: {answer}");
                assert_eq!(mail.last_client(), "192.0.2.7", "cut at {cut}");
            }
        }
    }

    fn auth_http_is_told_the_client(which) {
        for protocol in PROTOCOLS {
            let mail = Mail::start(which, protocol, "", "realpeer require all;");
            for (header, client) in [
                (v1(VISITOR, LISTENER), "192.0.2.7"),
                (V2::proxy("[2001:db8::7]:4321", "[2001:db8::1]:443").build(), "2001:db8::7"),
                (v1("[::ffff:192.0.2.7]:1", "[::ffff:198.51.100.1]:2"), "192.0.2.7"),
                (V2::local().build(), "127.0.0.1"),
                (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
            ] {
                let mut sender = Client::connect(mail.port);
                sender.send(header);
                mail.logged_in(sender);
                assert_eq!(mail.last_client(), client);
            }
        }
    }

    fn xclient_tells_the_backend_the_client(which) {
        for (header, address) in [
            (v1(VISITOR, LISTENER), "192.0.2.7"),
            (V2::proxy("[2001:db8::7]:4321", "[2001:db8::1]:443").build(), "IPV6:2001:db8::7"),
            (V2::local().build(), "127.0.0.1"),
        ] {
            let mail = Mail::start(which, MailProtocol::Smtp, "", "realpeer require all;");
            let mut client = Client::connect(mail.port);
            client.send(header);
            let mut dialogue = mail.logged_in(client);
            let line = mail.backend.line("XCLIENT ");
            assert_eq!(line, format!("XCLIENT ADDR={address} LOGIN=a NAME=[UNAVAILABLE]"));
            // The conversation goes on with the backend.
            assert!(dialogue.say("NOOP").starts_with("250 fine"));
        }
    }

    fn proxy_protocol_tells_the_backend_the_client(which) {
        for protocol in PROTOCOLS {
            let directives = "realpeer require all; proxy_protocol on;";
            let mail = Mail::start(which, protocol, "", directives);
            let mut client = Client::connect(mail.port);
            client.send(v1(VISITOR, LISTENER));
            mail.logged_in(client);
            let wanted = format!("PROXY TCP4 192.0.2.7 127.0.0.1 4321 {}", mail.port);
            assert_eq!(mail.backend.line("PROXY "), wanted);
        }
    }

    fn tls_from_the_start(which) {
        for protocol in PROTOCOLS {
            let authority = Authority::new();
            let site = Site::new(which);
            let directives = format!("{} realpeer require all;", site.certificate(&authority));
            let mail = Mail::of(site, protocol, "ssl", &directives);
            let header = v1(VISITOR, LISTENER);
            let mut apart = Client::connect(mail.port);
            apart.send_pieces(header.chunks(9));
            for tls in [
                TlsClient::over(apart, &authority),
                TlsClient::fused(Client::connect(mail.port), &authority, &header),
            ] {
                let mut dialogue = Dialogue::over(tls);
                assert!(dialogue.line().starts_with(greeting(protocol)));
                assert!(is_good(protocol, &log_in(protocol, &mut dialogue)));
                assert_eq!(mail.last_client(), "192.0.2.7");
                let asked = mail.auth.requests().pop().expect("a question");
                assert_eq!(asked.header("auth-ssl"), Some("on"));
            }
            // nginx#274: a handshake that fails is logged with the client.
            let mut client = Client::connect(mail.port);
            client.send(v1(OTHER, LISTENER)).send(b"\x16\x03\x01\x00\x04garb").finish().ending();
            let line = mail.nginx.wait_for_error("SSL handshaking");
            assert!(line.contains("client: 192.0.2.8,"), "{line}");
        }
    }

    fn tls_by_starttls(which) {
        for protocol in PROTOCOLS {
            let authority = Authority::new();
            let site = Site::new(which);
            let certificate = site.certificate(&authority);
            let directives = format!("{certificate} starttls on; realpeer require all;");
            let mail = Mail::of(site, protocol, "", &directives);
            let mut client = Client::connect(mail.port);
            client.send(v1(VISITOR, LISTENER));
            let mut dialogue = must_greet(protocol, client);
            let answer = match protocol {
                MailProtocol::Smtp => {
                    dialogue.say("EHLO visitor.example");
                    dialogue.say("STARTTLS")
                }
                MailProtocol::Imap => dialogue.say("a0 STARTTLS"),
                MailProtocol::Pop3 => dialogue.say("STLS"),
            };
            let agreed = ["220", "a0 OK", "+OK"].iter().any(|good| answer.starts_with(good));
            assert!(agreed, "{answer}");
            let mut dialogue = dialogue.start_tls(&authority);
            let answer = log_in(protocol, &mut dialogue);
            assert!(is_good(protocol, &answer), "{answer}");
            assert_eq!(mail.last_client(), "192.0.2.7");
        }
    }

    fn a_refused_connection_is_neither_greeted_nor_asked_about(which) {
        for protocol in PROTOCOLS {
            let directives = "realpeer require 127.0.0.1; realpeer refuse 127.0.0.5;
                              realpeer_timeout 300ms;";
            let mail = Mail::start(which, protocol, "", directives);
            let whole = v1(VISITOR, LISTENER);
            for (source, bytes, end, result, level) in [
                ("127.0.0.1", &b"EHLO a\r\n"[..], false, "no_header", "error"),
                ("127.0.0.1", &whole[..20], true, "truncated", "error"),
                ("127.0.0.1", &whole[..20], false, "timeout", "error"),
                ("127.0.0.1", b"", false, "timeout", "error"),
                ("127.0.0.1", b"", true, "silent", "info"),
                ("127.0.0.5", &whole, false, "untrusted", "error"),
                ("127.0.0.6", &whole, false, "untrusted", "error"),
            ] {
                let mut client = Client::from(source, mail.port);
                let peer = client.local();
                client.send(bytes);
                if end {
                    client.finish();
                }
                client.must_be_closed();
                let refusals = mail.nginx.new_refusals();
                assert_eq!(refusals.len(), 1, "one line per connection: {refusals:#?}");
                assert_eq!(refusals[0].result, result);
                assert_eq!(refusals[0].level, level);
                assert_eq!(refusals[0].peer, peer.to_string());
                assert_eq!(refusals[0].listener, format!("127.0.0.1:{}", mail.port));
            }
            assert_eq!(mail.auth.requests().len(), 0);
            assert_eq!(mail.backend.lines().len(), 0);
        }
    }

    fn the_error_log_names_the_client(which) {
        let auth = AuthHttp::refusing();
        let mut site = Site::new(which);
        let port = site.port();
        site.mail(format!(
            "{} server {{ listen 127.0.0.1:{port}; protocol pop3; realpeer require all; }}",
            auth.directive()
        ));
        let nginx = site.start();
        let mut client = Client::connect(port);
        client.send(v1(VISITOR, LISTENER));
        let mut dialogue = must_greet(MailProtocol::Pop3, client);
        let answer = log_in(MailProtocol::Pop3, &mut dialogue);
        assert_eq!(answer, "-ERR client 192.0.2.7");
        let line = nginx.wait_for_error("client login failed");
        assert!(line.contains("client: 192.0.2.7, server: "), "{line}");
        let line = nginx.wait_for_error("connected to");
        assert!(line.contains("client 192.0.2.7:4321 connected to"), "{line}");
    }

    fn a_listener_without_a_policy_is_left_alone(which) {
        let mail = Mail::start(which, MailProtocol::Imap, "", "realpeer require all;");
        let mut dialogue = must_greet(MailProtocol::Imap, Client::from("127.0.0.9", mail.other));
        assert!(is_good(MailProtocol::Imap, &log_in(MailProtocol::Imap, &mut dialogue)));
        assert_eq!(mail.last_client(), "127.0.0.9");
        assert_eq!(mail.nginx.refusals(), []);
    }

    /// nginx's own trust in a header it has not read itself.
    fn realip_of_mail_changes_nothing(which) {
        let directives = "realpeer require all; set_real_ip_from 127.0.0.0/8;";
        let mail = Mail::start(which, MailProtocol::Pop3, "", directives);
        let mut client = Client::connect(mail.port);
        client.send(v1(VISITOR, LISTENER));
        mail.logged_in(client);
        assert_eq!(mail.last_client(), "192.0.2.7");
    }

    fn connections_end_with_their_clients(which) {
        let mut mail = Mail::start(which, MailProtocol::Smtp, "", "realpeer require all;");
        for _ in 0..5 {
            let mut client = Client::connect(mail.port);
            client.send(v1(VISITOR, LISTENER));
            let mut dialogue = mail.logged_in(client);
            dialogue.say("QUIT");
        }
        wait_until("the end of five sessions", || {
            (mail.nginx.error_log().matches("proxied session done").count() == 5).then_some(())
        });
        mail.nginx.quit();
    }
}
