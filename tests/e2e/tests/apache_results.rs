//! One word for each thing that can become of a connection to Apache, as
//! nginx's tests have it: src/allowing.rs.

use realpeer_e2e::{
    ALLOWED, Allowing, Apache, ApacheFront, ApacheSite, Mpm, as_apache, on_each_mpm,
};

/// Apache on listeners that differ in what they allow.
fn with_servers(mpm: Mpm, front: &ApacheFront, test: impl FnOnce(&Allowing<'_>)) -> Apache {
    let mut site = ApacheSite::new(mpm);
    // Else the kernel keeps connections to itself on which nothing comes.
    site.config("AcceptFilter http none\nAcceptFilter https none");
    let ports = ALLOWED.map(|directives| front.host(&mut site, &as_apache(directives)));
    let apache = site.start();
    let visit = |port, header: &[u8]| front.visit(port, header);
    let words = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    test(&Allowing { logs: &apache, ports, visit: &visit, words });
    apache
}

fn bad_headers_close_the_connection(mpm: Mpm, front: &ApacheFront) {
    let mut visits = 0;
    let mut apache = with_servers(mpm, front, |servers| visits = servers.must_refuse_bad_headers());
    // Nothing of what was refused has got through.
    apache.stop();
    assert_eq!(apache.access_log().lines().count(), visits);
}

on_each_mpm! {
    fn bad_headers_close_the_connection_before_http(mpm) {
        bad_headers_close_the_connection(mpm, &ApacheFront::plain());
    }

    fn bad_headers_close_the_connection_before_https(mpm) {
        bad_headers_close_the_connection(mpm, &ApacheFront::tls());
    }

    fn everything_else_that_refuses_a_connection_to_http(mpm) {
        with_servers(mpm, &ApacheFront::plain(), |servers| servers.must_refuse_everything_else());
    }

    fn everything_else_that_refuses_a_connection_to_https(mpm) {
        with_servers(mpm, &ApacheFront::tls(), |servers| servers.must_refuse_everything_else());
    }

    fn valid_headers_are_accepted(mpm) {
        for front in ApacheFront::both() {
            with_servers(mpm, &front, |servers| servers.must_accept_valid_headers());
        }
    }

    fn resets_are_quiet(mpm) {
        for front in ApacheFront::both() {
            with_servers(mpm, &front, |servers| servers.must_be_quiet_about_resets());
        }
    }

    fn what_comes_from_a_sender_cannot_break_the_log_line(mpm) {
        let front = ApacheFront::plain();
        with_servers(mpm, &front, |servers| servers.must_log_bytes_as_text());
    }
}
