//! What nginx does with an address in `stream`.

use std::io::Read;

use crate::client::Ending;
use crate::consumers::backends::Asked;
use crate::consumers::nginx_place::{Place, connect, to_itself};
use crate::consumers::row::{On, Row};
use crate::consumers::whose::{BALANCER, CLIENT, PARTIES, Whose};
use crate::page::stream_return;
use crate::site::Site;
use crate::upstream::Upstream;
use crate::which::Which;

const fn row(what: &'static str, look: fn(Which) -> Whose) -> Row {
    Row::new("nginx, stream", what, On::Nginx(look))
}

pub(super) const ROWS: &[Row] = &[
    row("`$remote_addr`", |which| variable(which, "remote_addr")),
    row("`$realip_remote_addr`", |which| variable(which, "realip_remote_addr")),
    row("`$proxy_protocol_addr`", |which| variable(which, "proxy_protocol_addr")),
    row("`$realpeer_proxy_addr`", |which| variable(which, "realpeer_proxy_addr"))
        .but(Whose::Balancer, "what it is for"),
    row("`allow`, `deny`", access),
    row("`geo`", |which| mapped(which, "geo $seen")),
    row("`map $remote_addr`", |which| mapped(which, "map $remote_addr $seen")),
    row("`split_clients $remote_addr`", split_clients),
    row("`limit_conn` by `$binary_remote_addr`", limit_conn),
    row("`hash $remote_addr`", |which| balanced(which, "hash $remote_addr;")),
    row("`hash $remote_addr consistent`", |which| balanced(which, "hash $remote_addr consistent;")),
    row("`proxy_protocol on`, to a backend", proxy_protocol),
    row("`proxy_bind $remote_addr`", proxy_bind),
    row("`access_log`", access_log),
    row("`error_log`: `client:`", error_log),
];

fn variable(which: Which, name: &str) -> Whose {
    Whose::is(&Place::stream(which, "", &stream_return(&[name])).returned().var(name))
}

fn access(which: Which) -> Whose {
    Whose::chosen(|ip| {
        let inside = format!("allow {ip}; deny all; {}", stream_return(&["remote_addr"]));
        let place = Place::stream(which, "", &inside);
        connect(CLIENT, BALANCER, place.port).ending() != Ending::Unanswered
    })
}

fn mapped(which: Which, what: &str) -> Whose {
    let place = Place::stream(which, &to_itself(what), &stream_return(&["seen"]));
    Whose::is(&place.returned().var("seen"))
}

fn split_clients(which: Which) -> Whose {
    let halves = "split_clients $remote_addr $half { 50% one; * other; }";
    let place = Place::stream(which, halves, &stream_return(&["half"]));
    Whose::spread(|client, balancer| {
        connect(client, balancer, place.port).ending().vars().var("half")
    })
}

fn limit_conn(which: Which) -> Whose {
    let upstream = Upstream::mirror();
    let place = Place::stream(
        which,
        "limit_conn_zone $binary_remote_addr zone=a:1m;",
        &format!("limit_conn a 1; proxy_pass 127.0.0.1:{};", upstream.port()),
    );
    let mut first = None;
    Whose::counted(|client, balancer| {
        let mut connection = connect(client, balancer, place.port);
        let has_room = connection.send("a").read(&mut [0]).is_ok_and(|length| length == 1);
        // The first one stays.
        first.get_or_insert(connection);
        has_room
    })
}

fn balanced(which: Which, method: &str) -> Whose {
    let mut site = Site::new(which);
    let [port, one, two] = [site.port(), site.port(), site.port()];
    site.stream(format!(
        "upstream pair {{ {method} server 127.0.0.1:{one}; server 127.0.0.1:{two}; }}
         server {{ listen 127.0.0.1:{one}; return at=one; }}
         server {{ listen 127.0.0.1:{two}; return at=two; }}
         server {{ listen 127.0.0.1:{port}; realpeer require all; proxy_pass pair; }}"
    ));
    let _nginx = site.start();
    Whose::spread(|client, balancer| connect(client, balancer, port).ending().vars().var("at"))
}

fn proxy_protocol(which: Which) -> Whose {
    let asked = Asked::a_line();
    let inside = format!("proxy_protocol on; proxy_pass 127.0.0.1:{};", asked.port());
    let place = Place::stream(which, "", &inside);
    connect(CLIENT, BALANCER, place.port).ending();
    let line = asked.what();
    Whose::is(line.split(' ').nth(2).unwrap_or_default())
}

/// Only an address of this machine can be bound to without more ado.
fn proxy_bind(which: Which) -> Whose {
    let asked = Asked::peers();
    let inside = format!("proxy_bind $remote_addr; proxy_pass 127.0.0.1:{};", asked.port());
    let place = Place::stream(which, "", &inside);
    connect("127.0.0.77", BALANCER, place.port).get("/");
    match asked.what().as_str() {
        "127.0.0.77" => Whose::Client,
        other => Whose::is(other),
    }
}

fn access_log(which: Which) -> Whose {
    let place = Place::stream(which, "", &stream_return(&["remote_addr"]));
    place.returned();
    let line = place.nginx.wait_for_lines("stream.log", 1).remove(0);
    Whose::is(line.split(':').next().unwrap_or_default())
}

fn error_log(which: Which) -> Whose {
    // All are named who are kept out.
    let inside = format!("deny all; {}", stream_return(&["remote_addr"]));
    let place = Place::stream(which, "", &inside);
    connect(CLIENT, BALANCER, place.port).must_be_closed();
    let line = place.nginx.wait_for_error("access forbidden by rule");
    let (_, rest) = line.split_once("client: ").expect("a client");
    assert!(PARTIES.iter().any(|ip| rest.starts_with(ip)), "{line}");
    Whose::is(rest.split(',').next().unwrap_or_default())
}
