//! One word for each thing that can become of a connection, before every kind
//! of server; src/allowing.rs has what is sent and what must come of it.

use realpeer_e2e::{ALLOWED, Allowing, Front, Kind, Nginx, Site, Which, on_each_nginx};

/// A server of this kind on listeners that differ in what they allow.
fn with_servers(which: Which, kind: Kind, test: impl FnOnce(&Allowing<'_>)) -> (Nginx, Front) {
    let front = Front::new(kind);
    let mut site = Site::new(which);
    let ports = ALLOWED.map(|directives| front.add_port(&mut site, directives));
    let nginx = site.start();
    let workers = nginx.workers();
    let visit = |port, header: &[u8]| {
        let seen = front.visit(port, header);
        assert_eq!(nginx.workers(), workers, "the worker has died");
        seen
    };
    test(&Allowing { logs: &nginx, ports, visit: &visit, words: kind.words() });
    (nginx, front)
}

fn bad_headers_close_the_connection(which: Which, kind: Kind) {
    let mut visits = 0;
    let (mut nginx, front) =
        with_servers(which, kind, |servers| visits = servers.must_refuse_bad_headers());
    // Nothing of what was refused has got through.
    nginx.quit();
    assert_eq!(front.served(&nginx), visits);
}

fn everything_else_refuses(which: Which, kind: Kind) {
    with_servers(which, kind, |servers| servers.must_refuse_everything_else());
}

on_each_nginx! {
    fn bad_headers_close_the_connection_before_http(which) {
        bad_headers_close_the_connection(which, Kind::Http);
    }

    fn bad_headers_close_the_connection_before_https(which) {
        bad_headers_close_the_connection(which, Kind::Https);
    }

    fn bad_headers_close_the_connection_before_stream(which) {
        bad_headers_close_the_connection(which, Kind::Stream);
    }

    fn bad_headers_close_the_connection_before_stream_with_tls(which) {
        bad_headers_close_the_connection(which, Kind::StreamTls);
    }

    fn bad_headers_close_the_connection_before_mail(which) {
        bad_headers_close_the_connection(which, Kind::Mail);
    }

    fn bad_headers_close_the_connection_before_mail_with_tls(which) {
        bad_headers_close_the_connection(which, Kind::MailTls);
    }

    fn everything_else_that_refuses_a_connection_to_http(which) {
        everything_else_refuses(which, Kind::Http);
    }

    fn everything_else_that_refuses_a_connection_to_https(which) {
        everything_else_refuses(which, Kind::Https);
    }

    fn everything_else_that_refuses_a_connection_to_stream(which) {
        everything_else_refuses(which, Kind::Stream);
    }

    fn everything_else_that_refuses_a_connection_to_stream_with_tls(which) {
        everything_else_refuses(which, Kind::StreamTls);
    }

    fn everything_else_that_refuses_a_connection_to_mail(which) {
        everything_else_refuses(which, Kind::Mail);
    }

    fn everything_else_that_refuses_a_connection_to_mail_with_tls(which) {
        everything_else_refuses(which, Kind::MailTls);
    }

    fn valid_headers_are_accepted_by_every_kind_of_server(which) {
        for kind in Kind::ALL {
            with_servers(which, kind, |servers| servers.must_accept_valid_headers());
        }
    }

    fn resets_are_quiet_before_every_kind_of_server(which) {
        for kind in Kind::ALL {
            with_servers(which, kind, |servers| servers.must_be_quiet_about_resets());
        }
    }

    fn what_comes_from_a_sender_cannot_break_the_log_line(which) {
        with_servers(which, Kind::Http, |servers| servers.must_log_bytes_as_text());
    }
}
