//! Starts real nginx, Apache and HAProxy for realpeer's tests, and talks to them.
//!
//! A test is written once and runs on both nginx versions, see
//! [`on_each_nginx`]. It makes a [`Site`], claims ports, says what goes into
//! the `http`, `stream` or `mail` block, starts it, and sends bytes with a
//! [`Client`]:
//!
//! ```ignore
//! on_each_nginx! {
//!     fn a_required_header_gives_the_client(which) {
//!         let mut site = Site::new(which);
//!         let port = site.port();
//!         site.http(format!(
//!             "server {{ listen 127.0.0.1:{port}; realpeer require all; {PAGE} }}"
//!         ));
//!         let nginx = site.start();
//!         let header = v1("192.0.2.7:4321", "198.51.100.1:443");
//!         let answer = Client::connect(port).send(&header).get("/");
//!         assert_eq!(answer.var("remote_addr"), "192.0.2.7");
//!     }
//! }
//! ```
//!
//! Apache is tested on each of its multi-processing modules, see
//! [`on_each_mpm`], with an [`ApacheSite`] in place of the `Site`.
//!
//! What is the same before every kind of server is written for a [`Front`],
//! which has one behind it.
//!
//! `REALPEER_E2E_VALGRIND=1 cargo test -p realpeer-e2e` runs nginx under valgrind
//! and fails where that complains about the module (some ten minutes).
//!
//! `REALPEER_E2E_MOD_REALPEER=FILE` has the tests of Apache load another build of
//! the module.
//!
//! Everything a test starts is stopped when its guard is dropped, and a test
//! that leaves an alert in nginx's log fails. Waiting is always for a
//! condition ([`wait_until`]), bounded by [`PATIENCE`], which is generous: a
//! loaded machine must not fail a test.

mod allowing;
mod apache;
mod apache_front;
mod apache_page;
mod apache_site;
mod auth_http;
mod certificates;
mod check;
mod client;
pub mod consumers;
mod curl;
mod dialogue;
mod dnsdist;
mod fastcgi;
mod faults;
mod folder;
mod front;
mod h2;
mod haproxy;
mod header;
mod holdings;
mod http;
mod instruments;
mod log;
mod logs;
mod mail_backend;
mod mpm;
pub mod network;
mod nginx;
mod other_module;
mod page;
mod policies;
mod port;
mod process;
mod program;
mod receivers;
mod recipe;
pub mod senders;
mod site;
mod status_page;
mod subsystem;
mod tls;
mod tlvs;
mod trio;
mod upstream;
mod varnish;
mod vocabulary;
mod wait;
mod watch;
mod which;
mod workshop;

pub use allowing::{ALLOWED, Allowing, as_apache, must_refuse};
pub use apache::Apache;
pub use apache_front::ApacheFront;
pub use apache_site::ApacheSite;
pub use auth_http::AuthHttp;
pub use certificates::{Authority, Certificate};
pub use check::Check;
pub use client::{Client, Ending, get_on_unix_socket, is_quiet, is_taken};
pub use curl::Curl;
pub use dialogue::Dialogue;
pub use dnsdist::DnsDist;
pub use fastcgi::FastCgi;
pub use faults::{Fails, Faults, Faulty};
pub use front::{Front, Kind, Seen};
pub use h2::{h2_bodies, h2_requests};
pub use haproxy::HaProxy;
pub use header::{V2, aws_header, ssl_value, v1};
pub use holdings::Holdings;
pub use http::Response;
pub use log::{HeldBack, Refusal};
pub use logs::Logs;
pub use mail_backend::{MailBackend, MailProtocol};
pub use mpm::Mpm;
pub use nginx::Nginx;
pub use page::{NATIVE_PAGE, PAGE, STREAM_PAGE, Vars, location, stream_return};
pub use policies::{POLICIES, Policed};
pub use port::Port;
pub use program::Program;
pub use receivers::{
    Answer, HeaderLimits, NGINX_KINDS, Page, Place, Receivers, Visit, Wanted, usual_limits,
};
pub use recipe::Recipe;
pub use site::Site;
pub use status_page::{StatusPage, open_sockets};
pub use subsystem::Subsystem;
pub use tls::TlsClient;
pub use tlvs::{
    COMMON_NAMES, TEXTS, TLVS, common_name, every_tlv, headers_without_tlvs, nested_ssl,
};
pub use trio::{Trio, Waiting};
pub use upstream::{Request, Upstream};
pub use varnish::Varnish;
pub use vocabulary::{Refused, Valid, bad_headers, nameless_headers, valid_headers};
pub use wait::{PATIENCE, wait_until};
pub use watch::Watch;
pub use which::Which;
pub use workshop::{Running, Workshop};

/// Writes each test once and runs it on both versions of nginx.
///
/// A failure names the version: `it_works::on_debian_nginx` and
/// `it_works::on_built_nginx`.
#[macro_export]
macro_rules! on_each_nginx {
    ($($(#[$note:meta])* fn $name:ident($which:ident) $body:block)+) => {$(
        $(#[$note])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn run($which: $crate::Which) $body

            #[test]
            fn on_debian_nginx() {
                run($crate::Which::Debian);
            }

            #[test]
            fn on_built_nginx() {
                run($crate::Which::Built);
            }
        }
    )+};
}

/// Writes each test of Apache once and runs it on all its multi-processing
/// modules: `it_works::on_event`, `on_worker` and `on_prefork`.
#[macro_export]
macro_rules! on_each_mpm {
    ($($(#[$note:meta])* fn $name:ident($mpm:ident) $body:block)+) => {$(
        $(#[$note])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn run($mpm: $crate::Mpm) $body

            #[test]
            fn on_event() {
                run($crate::Mpm::Event);
            }

            #[test]
            fn on_worker() {
                run($crate::Mpm::Worker);
            }

            #[test]
            fn on_prefork() {
                run($crate::Mpm::Prefork);
            }
        }
    )+};
}
