//! What nginx itself does with an address in `http`.

use std::io::Read;
use std::net::Ipv4Addr;
use std::sync::mpsc;

use crate::consumers::backends::Asked;
use crate::consumers::nginx_place::{Place, connect, to_itself};
use crate::consumers::row::{On, Row};
use crate::consumers::whose::{BALANCER, CLIENT, PARTIES, Whose};
use crate::page::location;
use crate::site::Site;
use crate::upstream::Upstream;
use crate::which::Which;

const fn row(what: &'static str, look: fn(Which) -> Whose) -> Row {
    Row::new("nginx, http", what, On::Nginx(look))
}

const fn debian(what: &'static str, look: fn(Which) -> Whose) -> Row {
    Row::new("nginx, http", what, On::DebianNginx(look))
}

pub(super) const ROWS: &[Row] = &[
    row("`$remote_addr`", |which| variable(which, "remote_addr")),
    row("`$realip_remote_addr`", |which| variable(which, "realip_remote_addr")),
    row("`$proxy_protocol_addr`", |which| variable(which, "proxy_protocol_addr")),
    row("`$realpeer_proxy_addr`", |which| variable(which, "realpeer_proxy_addr"))
        .but(Whose::Balancer, "what it is for"),
    row("`$server_addr`", |which| variable(which, "server_addr"))
        .but(Whose::Server, "where the balancer came to"),
    row("`allow`, `deny`", access),
    row("`geo`", |which| mapped(which, "geo $seen")),
    row("`geo` with `proxy`: who may name others", geo_proxy),
    row("`map $remote_addr`", |which| mapped(which, "map $remote_addr $seen")),
    row("`if ($remote_addr = ...)`", condition),
    row("`split_clients $remote_addr`", split_clients),
    row("`limit_req` by `$binary_remote_addr`", limit_req),
    row("`limit_conn` by `$binary_remote_addr`", limit_conn),
    row("`set_real_ip_from`: who may name others in X-Forwarded-For", realip),
    debian("`auth_request`, told by `proxy_set_header`", auth_request),
    debian("`secure_link_md5` with `$remote_addr`", secure_link),
    row("`userid`", userid).but(Whose::Server, "a part of the cookie is the address it came to"),
    row("`access_log`", access_log),
    row("`error_log`: `client:`", error_log),
    row("`debug_connection`", debug_connection)
        .but(Whose::Balancer, "decided when the connection is accepted, before a byte is read"),
];

fn variable(which: Which, name: &str) -> Whose {
    Whose::is(&Place::http(which, "", &location("/", &[name])).get("/").var(name))
}

fn access(which: Which) -> Whose {
    let locations: String = PARTIES
        .iter()
        .map(|ip| format!("location /{ip} {{ allow {ip}; deny all; root /nowhere; }}"))
        .collect();
    let place = Place::http(which, "", &locations);
    // Whoever is let in finds nothing.
    Whose::chosen(|ip| place.get(&format!("/{ip}")).status == 404)
}

fn mapped(which: Which, what: &str) -> Whose {
    let place = Place::http(which, &to_itself(what), &location("/", &["seen"]));
    Whose::is(&place.get("/").var("seen"))
}

fn geo_proxy(which: Which) -> Whose {
    let geo: String = (0..PARTIES.len())
        .map(|n| format!("geo $by{n} {{ proxy {}; default no; 203.0.113.9 yes; }}", PARTIES[n]))
        .collect();
    let place = Place::http(which, &geo, &location("/", &["by0", "by1", "by2"]));
    let page = connect(CLIENT, BALANCER, place.port).send(FORWARDED).response().vars();
    Whose::chosen(|ip| {
        let n = PARTIES.iter().position(|party| *party == ip).expect("one of them");
        page.var(&format!("by{n}")) == "yes"
    })
}

/// A request that names somebody else.
const FORWARDED: &str = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";

fn condition(which: Which) -> Whose {
    let ifs: String = PARTIES
        .iter()
        .map(|ip| format!("if ($remote_addr = {ip}) {{ return 200 {ip}; }}"))
        .collect();
    Whose::is(&Place::http(which, "", &ifs).get("/").text())
}

fn split_clients(which: Which) -> Whose {
    let place = Place::http(
        which,
        "split_clients $remote_addr $half { 50% one; * other; }",
        &location("/", &["half"]),
    );
    Whose::spread(|client, balancer| place.get_by(client, balancer, "/").var("half"))
}

fn limit_req(which: Which) -> Whose {
    let place = Place::http(
        which,
        "limit_req_zone $binary_remote_addr zone=a:1m rate=1r/m;",
        "limit_req zone=a; root /nowhere;",
    );
    Whose::counted(|client, balancer| place.get_by(client, balancer, "/").status == 404)
}

fn limit_conn(which: Which) -> Whose {
    let (asked, was_asked) = mpsc::channel();
    // Keeps whoever asks waiting until he goes.
    let upstream = Upstream::start(move |mut stream| {
        let mut buffer = [0; 1024];
        let _ = stream.read(&mut buffer);
        let _ = asked.send(());
        while matches!(stream.read(&mut buffer), Ok(1..)) {}
    });
    let place = Place::http(
        which,
        "limit_conn_zone $binary_remote_addr zone=a:1m;",
        &format!(
            "limit_conn a 1; root /nowhere;
             location /wait {{ proxy_pass http://127.0.0.1:{}; }}",
            upstream.port()
        ),
    );
    let mut waiting = None;
    Whose::counted(|client, balancer| {
        if waiting.is_none() {
            let mut connection = connect(client, balancer, place.port);
            connection.send("GET /wait HTTP/1.0\r\n\r\n");
            was_asked.recv().expect("a request");
            waiting = Some(connection);
            return true;
        }
        place.get_by(client, balancer, "/").status == 404
    })
}

fn realip(which: Which) -> Whose {
    let mut site = Site::new(which);
    let page = location("/", &["remote_addr"]);
    let ports = PARTIES.map(|ip| {
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all; {page}
                       set_real_ip_from {ip}; real_ip_header X-Forwarded-For; }}"
        ));
        (ip, port)
    });
    let _nginx = site.start();
    Whose::chosen(|ip| {
        let (_, port) = ports.into_iter().find(|(party, _)| *party == ip).expect("one of them");
        let answer = connect(CLIENT, BALANCER, port).send(FORWARDED).response();
        answer.var("remote_addr") == "203.0.113.9"
    })
}

fn auth_request(which: Which) -> Whose {
    let asked = Asked::over_http();
    let place = Place::http(
        which,
        "",
        &format!(
            "location / {{ auth_request /auth; root /nowhere; }}
             location /auth {{ proxy_pass http://127.0.0.1:{}; proxy_pass_request_headers off;
                               proxy_set_header X-Client $remote_addr;
                               proxy_set_header Host auth; }}",
            asked.port()
        ),
    );
    place.get("/");
    Whose::is_in(&asked.what())
}

fn secure_link(which: Which) -> Whose {
    let place = Place::http(
        which,
        "",
        &format!(
            "secure_link $arg_md5; secure_link_md5 \"$remote_addr and a secret\"; {}",
            location("/", &["secure_link"])
        ),
    );
    // MD5 of "ADDRESS and a secret", as such links have it.
    let sums = ["sgMl_Le65d5Wf5Cbd-z8mg", "l8507vU4AgUpelpECfbqyw", "c9i-s0jK7UlK6v0Vc2TX9Q"];
    Whose::chosen(|ip| {
        let n = PARTIES.iter().position(|party| *party == ip).expect("one of them");
        place.get(&format!("/?md5={}", sums[n])).var("secure_link") == "1"
    })
}

fn userid(which: Which) -> Whose {
    let place = Place::http(which, "", &format!("userid on; {}", location("/", &["uid_set"])));
    let page = place.get("/").var("uid_set");
    // uid=0100007F...: four numbers, the first an address as it is in memory.
    let digits = page.split_once('=').map_or("", |(_, digits)| digits);
    let bits = u32::from_str_radix(&digits[..8], 16).expect("digits");
    Whose::is(&Ipv4Addr::from(bits.to_ne_bytes()).to_string())
}

fn access_log(which: Which) -> Whose {
    let site = Site::new(which);
    let log = site.dir().join("who.log").display().to_string();
    let place = Place::of(
        site,
        "log_format who '$remote_addr';",
        &format!("access_log {log} who; root /nowhere;"),
    );
    place.get("/");
    Whose::is(&place.nginx.wait_for_lines("who.log", 1)[0])
}

fn error_log(which: Which) -> Whose {
    let place = Place::http(which, "", "root /nowhere;");
    place.get("/missing");
    let line = place.nginx.wait_for_error("/nowhere/missing");
    let (_, rest) = line.split_once("client: ").expect("a client");
    Whose::is(rest.split(',').next().unwrap_or_default())
}

fn debug_connection(which: Which) -> Whose {
    Whose::chosen(|ip| {
        let mut site = Site::new(which);
        site.events(&format!("debug_connection {ip};"));
        let mut place = Place::of(site, "", "root /nowhere;");
        place.get("/missing");
        // The log is complete then.
        place.nginx.quit();
        place.nginx.error_log().contains(" [debug] ")
    })
}
