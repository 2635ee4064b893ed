//! `pass` hands a connection of stream to another listener of the same nginx,
//! which may have a policy of its own. From nginx 1.25.5 on.
//!
//! What happens is this. The listener that accepted the connection applies its
//! policy; from then on its client is the peer, as if it had connected itself.
//! The listener that the connection is passed to applies its own policy to
//! that peer: its rules are asked about the client, not about the balancer,
//! and a header that it requires is a second one. Who passes connections on
//! gives a policy to one of the two listeners only.
//!
//! What a header said is known to the module that read it: a request that came
//! this way has the client's address and nginx's own $proxy_protocol_addr, and
//! its $realpeer_ variables speak of the policy of its own listener, if any.
//!
//! Where stream has ended TLS, the second policy looks for its header behind
//! the handshake, in what has been decrypted.

use std::io::Read;

use realpeer_e2e::{
    AuthHttp, Authority, Client, Dialogue, Ending, PAGE, STREAM_PAGE, Site, TlsClient, Upstream,
    V2, Which, location, on_each_nginx, v1,
};

const VISITOR: &str = "192.0.2.7:4321";
const SECOND: &str = "203.0.113.9:999";
const LISTENER: &str = "198.51.100.1:443";

on_each_nginx! {
    fn the_listener_behind_sees_the_client(which) {
        if which == Which::Debian {
            return;
        }
        let mut site = Site::new(which);
        let (front, http, stream) = (site.port(), site.port(), site.port());
        let to_stream = site.port();
        site.stream(format!(
            "server {{ listen 127.0.0.1:{front}; realpeer require 127.0.0.1;
                       pass 127.0.0.1:{http}; }}
             server {{ listen 127.0.0.1:{to_stream}; realpeer require 127.0.0.1;
                       pass 127.0.0.1:{stream}; }}
             server {{ listen 127.0.0.1:{stream}; {STREAM_PAGE} }}"
        ));
        let page = location("/", &["remote_addr", "remote_port", "proxy_protocol_addr"]);
        site.http(format!("server {{ listen 127.0.0.1:{http}; {page} }}"));
        let nginx = site.start();
        let header = v1(VISITOR, LISTENER);
        let mut apart = Client::connect(front);
        apart.send_pieces([&header[..7], &header[7..]]);
        let mut fused = Client::connect(front);
        fused.send([&header[..], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
        for (client, asked) in [(&mut apart, false), (&mut fused, true)] {
            let answer = if asked { client.response() } else { client.get("/") };
            assert_eq!(answer.var("remote_addr"), "192.0.2.7");
            assert_eq!(answer.var("proxy_protocol_addr"), "192.0.2.7");
            // And the connection stays open for more.
            assert_eq!(client.get("/").var("remote_port"), "4321");
        }
        Client::connect(front).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").must_be_closed();
        assert_eq!(nginx.refusal().listener, format!("127.0.0.1:{front}"));

        let page = Client::connect(to_stream).send(&header).ending().vars();
        assert_eq!(page.var("remote_addr"), "192.0.2.7");
    }

    fn a_second_policy_is_asked_about_the_client(which) {
        if which == Which::Debian {
            return;
        }
        let mut site = Site::new(which);
        let (plain, passed) = (site.port(), site.port());
        let (clients, balancers) = (site.port(), site.port());
        let to_balancers = site.port();
        site.stream(format!(
            "server {{ listen 127.0.0.1:{plain}; pass 127.0.0.1:{balancers}; }}
             server {{ listen 127.0.0.1:{passed}; realpeer require 127.0.0.1;
                       pass 127.0.0.1:{clients}; }}
             server {{ listen 127.0.0.1:{to_balancers}; realpeer require 127.0.0.1;
                       pass 127.0.0.1:{balancers}; }}"
        ));
        site.http(format!(
            "server {{ listen 127.0.0.1:{clients}; realpeer require 192.0.2.7; {PAGE} }}
             server {{ listen 127.0.0.1:{balancers}; realpeer require 127.0.0.1; {PAGE} }}"
        ));
        let nginx = site.start();
        let header = v1(VISITOR, LISTENER);

        // Passed on before anybody looked: the one policy there is.
        let answer = Client::connect(plain).send(&header).get("/");
        assert_eq!(answer.var("remote_addr"), "192.0.2.7");
        assert_eq!(answer.var("result"), "proxy");

        // Two policies, two headers; the last one counts.
        let mut client = Client::connect(passed);
        client.send(&header).send(v1(SECOND, LISTENER));
        let answer = client.get("/");
        assert_eq!(answer.var("remote_addr"), "203.0.113.9");
        assert_eq!(answer.var("proxy_addr"), "192.0.2.7");
        assert_eq!(answer.var("proxy_port"), "4321");

        // Two policies, one header.
        let mut client = Client::connect(passed);
        client.send(&header).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").must_be_closed();
        let refusal = nginx.new_refusals().pop().expect("a refusal");
        assert_eq!(refusal.result, "no_header");
        assert_eq!(refusal.peer, "192.0.2.7:4321");
        assert_eq!(refusal.listener, format!("127.0.0.1:{clients}"));

        // The second trusts the balancer, but the client is who comes.
        let mut client = Client::connect(to_balancers);
        client.send(&header).send(v1(SECOND, LISTENER)).must_be_closed();
        let refusal = nginx.new_refusals().pop().expect("a refusal");
        assert_eq!(refusal.result, "untrusted");
        assert_eq!(refusal.peer, "192.0.2.7:4321");
    }

    fn tls_that_stream_has_ended_is_passed_with_its_client(which) {
        if which == Which::Debian {
            return;
        }
        let authority = Authority::new();
        let mut site = Site::new(which);
        let (front, http) = (site.port(), site.port());
        let certificate = site.certificate(&authority);
        site.stream(format!(
            "server {{ listen 127.0.0.1:{front} ssl; {certificate} realpeer require 127.0.0.1;
                       pass 127.0.0.1:{http}; }}"
        ));
        site.http(format!("server {{ listen 127.0.0.1:{http}; {PAGE} }}"));
        let nginx = site.start();
        let header = v1(VISITOR, LISTENER);
        let mut tls = TlsClient::fused(Client::connect(front), &authority, &header);
        for _ in 0..2 {
            let answer = tls.get("/");
            assert_eq!(answer.var("remote_addr"), "192.0.2.7");
            assert_eq!(answer.var("scheme"), "https");
        }
        assert_eq!(nginx.refusals(), []);
    }

    /// What the first policy has read behind its header, the second reads from
    /// there, and what that leaves, http.
    fn behind_tls_two_policies_in_a_row_take_a_header_each(which) {
        if which == Which::Debian {
            return;
        }
        let authority = Authority::new();
        let mut site = Site::new(which);
        let (front, first, second, http) = (site.port(), site.port(), site.port(), site.port());
        let certificate = site.certificate(&authority);
        site.stream(format!(
            "{certificate}
             server {{ listen 127.0.0.1:{front} ssl; pass 127.0.0.1:{first}; }}
             server {{ listen 127.0.0.1:{first}; realpeer require all; pass 127.0.0.1:{second}; }}
             server {{ listen 127.0.0.1:{second}; realpeer require all; pass 127.0.0.1:{http}; }}"
        ));
        site.http(format!("server {{ listen 127.0.0.1:{http}; {PAGE} }}"));
        let nginx = site.start();
        let workers = nginx.workers();
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let headers = [v1(VISITOR, LISTENER), v1(SECOND, LISTENER)];
        // The second is longer than what the first leaves room for, as well.
        let long = V2::proxy(SECOND, LISTENER).checksum().padded_to(3000).build();
        let pieces: [&[&[u8]]; 4] = [
            &[&[&headers[0][..], &headers[1], request].concat()],
            &[&headers[0], &headers[1], request],
            &[&[&headers[0][..], &headers[1][..9]].concat(), &headers[1][9..], request],
            &[&[&headers[0][..], &long, request].concat()],
        ];
        for (number, pieces) in pieces.into_iter().enumerate() {
            let mut tls = TlsClient::over(Client::connect(front), &authority);
            for piece in pieces {
                tls.send(piece);
            }
            let answer = tls.response();
            assert_eq!(answer.var("remote_addr"), "203.0.113.9", "{number}");
            assert_eq!(tls.get("/").var("remote_addr"), "203.0.113.9", "{number}");
        }
        assert_eq!(nginx.refusals(), []);
        assert_eq!(nginx.workers(), workers);
    }

    fn behind_tls_a_second_policy_looks_into_what_was_decrypted(which) {
        if which == Which::Debian {
            return;
        }
        let authority = Authority::new();
        let mut site = Site::new(which);
        let (plain, http) = (site.port(), site.port());
        let (untrusted, others) = (site.port(), site.port());
        let (to_direct, direct) = (site.port(), site.port());
        let certificate = site.certificate(&authority);
        site.stream(format!(
            "{certificate}
             server {{ listen 127.0.0.1:{plain} ssl; pass 127.0.0.1:{http}; }}
             server {{ listen 127.0.0.1:{untrusted} ssl; pass 127.0.0.1:{others}; }}
             server {{ listen 127.0.0.1:{to_direct} ssl; pass 127.0.0.1:{direct}; }}"
        ));
        site.http(format!(
            "server {{ listen 127.0.0.1:{http}; realpeer require 127.0.0.1; {PAGE} }}
             server {{ listen 127.0.0.1:{others}; realpeer require 127.0.0.9; {PAGE} }}
             server {{ listen 127.0.0.1:{direct}; realpeer direct 127.0.0.1; {PAGE} }}"
        ));
        let nginx = site.start();
        let header = v1(VISITOR, LISTENER);
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let fused = [&header[..], request].concat();
        let long = V2::proxy(VISITOR, LISTENER).checksum().padded_to(3000).build();
        let pieces: [&[&[u8]]; 4] = [
            &[&fused],
            &[&header, request],
            &[&header[..9], &header[9..], request],
            &[&long[..2000], &long[2000..], request],
        ];
        for (number, pieces) in pieces.into_iter().enumerate() {
            let mut tls = TlsClient::over(Client::connect(plain), &authority);
            for piece in pieces {
                tls.send(piece);
            }
            let answer = tls.response();
            assert_eq!(answer.var("remote_addr"), "192.0.2.7", "{number}");
            assert_eq!(answer.var("result"), "proxy", "{number}");
            assert_eq!(tls.get("/").var("proxy_addr"), "127.0.0.1", "{number}");
        }
        assert_eq!(nginx.new_refusals(), []);

        // Closed without a word, and with one line in the log.
        for (port, sent, result) in
            [(plain, &request[..], "no_header"), (untrusted, &fused, "untrusted")]
        {
            let mut tls = TlsClient::over(Client::connect(port), &authority);
            tls.send(sent);
            assert_eq!(tls.ending(), Ending::Unanswered);
            let refusals = nginx.new_refusals();
            assert_eq!(refusals.len(), 1, "{refusals:?}");
            assert_eq!(refusals[0].result, result);
        }

        let answer = TlsClient::over(Client::connect(to_direct), &authority).get("/");
        assert_eq!(answer.var("result"), "direct");
    }

    /// These read the socket themselves where there is no TLS.
    fn behind_tls_stream_and_mail_look_into_what_was_decrypted(which) {
        if which == Which::Debian {
            return;
        }
        let authority = Authority::new();
        let mirror = Upstream::mirror();
        let auth = AuthHttp::refusing();
        let mut site = Site::new(which);
        let (to_stream, stream) = (site.port(), site.port());
        let (to_mail, mail) = (site.port(), site.port());
        let certificate = site.certificate(&authority);
        site.stream(format!(
            "{certificate}
             server {{ listen 127.0.0.1:{to_stream} ssl; pass 127.0.0.1:{stream}; }}
             server {{ listen 127.0.0.1:{stream}; realpeer require 127.0.0.1;
                       proxy_pass 127.0.0.1:{}; }}
             server {{ listen 127.0.0.1:{to_mail} ssl; pass 127.0.0.1:{mail}; }}",
            mirror.port()
        ));
        site.mail(format!(
            "{} server {{ listen 127.0.0.1:{mail}; protocol pop3; realpeer require 127.0.0.1; }}",
            auth.directive()
        ));
        let nginx = site.start();
        let header = V2::proxy(VISITOR, LISTENER).checksum().build();
        let payload = vec![b'x'; 5000];
        let whole = [&header[..], &payload].concat();
        for cut in [0, 1, 20, header.len(), header.len() + 1] {
            let mut tls = TlsClient::over(Client::connect(to_stream), &authority);
            tls.send(&whole[..cut]).send(&whole[cut..]);
            let mut echoed = vec![0; payload.len()];
            tls.read_exact(&mut echoed).expect("an echo");
            assert!(echoed == payload, "cut at {cut}");

            let mut tls = TlsClient::over(Client::connect(to_mail), &authority);
            tls.send(&header[..cut.min(header.len())]).send(&header[cut.min(header.len())..]);
            let mut dialogue = Dialogue::over(tls);
            assert!(dialogue.line().starts_with("+OK"));
            dialogue.say("USER a");
            assert_eq!(dialogue.say("PASS b"), "-ERR client 192.0.2.7", "cut at {cut}");
        }
        assert_eq!(nginx.refusals(), []);
    }
}
