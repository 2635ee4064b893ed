//! What nginx tells those behind it in `http`, and how it chooses among them.

use crate::client::Client;
use crate::consumers::backends::Asked;
use crate::consumers::nginx_place::{Place, connect};
use crate::consumers::row::{On, Row};
use crate::consumers::whose::{BALANCER, Whose};
use crate::fastcgi::FastCgi;
use crate::site::Site;
use crate::which::Which;

const fn row(what: &'static str, look: fn(Which) -> Whose) -> Row {
    Row::new("nginx, http: backends", what, On::Nginx(look))
}

pub(super) const ROWS: &[Row] = &[
    row("`ip_hash`", |which| balanced(which, "ip_hash;")),
    row("`hash $remote_addr`", |which| balanced(which, "hash $remote_addr;")),
    row("`hash $binary_remote_addr consistent`", |which| {
        balanced(which, "hash $binary_remote_addr consistent;")
    }),
    row("`proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for`", |which| {
        let line = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                    proxy_pass http://127.0.0.1:";
        told(which, &Asked::over_http(), line)
    }),
    row("`proxy_bind $remote_addr`", proxy_bind)
        .but(Whose::Client, "what makes nginx transparent: see `proxy_bind ... transparent`"),
    row("`fastcgi_param REMOTE_ADDR $remote_addr`", fastcgi),
    row("`uwsgi_param REMOTE_ADDR $remote_addr`", |which| {
        told(
            which,
            &Asked::over_uwsgi(),
            "uwsgi_param REMOTE_ADDR $remote_addr; uwsgi_pass 127.0.0.1:",
        )
    }),
    row("`scgi_param REMOTE_ADDR $remote_addr`", |which| {
        told(
            which,
            &Asked::over_scgi(),
            "scgi_param REMOTE_ADDR $remote_addr; scgi_pass 127.0.0.1:",
        )
    }),
    row("`grpc_set_header ... $remote_addr`", grpc),
];

/// `pass` ends before the port.
fn told(which: Which, asked: &Asked, pass: &str) -> Whose {
    let place = Place::http(which, "", &format!("location / {{ {pass}{}; }}", asked.port()));
    assert_eq!(connect("192.0.2.7", BALANCER, place.port).get("/who").status, 204);
    // That it is for this address and port stands in HTTP's head as well.
    Whose::is_in(&asked.what().replace(&format!("127.0.0.1:{}", asked.port()), ""))
}

fn balanced(which: Which, method: &str) -> Whose {
    let mut site = Site::new(which);
    let [one, two] = [site.port(), site.port()];
    let place = Place::of(
        site,
        &format!(
            "server {{ listen 127.0.0.1:{one}; return 200 one; }}
             server {{ listen 127.0.0.1:{two}; return 200 two; }}
             upstream pair {{ {method} server 127.0.0.1:{one}; server 127.0.0.1:{two}; }}"
        ),
        "location / { proxy_pass http://pair; }",
    );
    Whose::spread(|client, balancer| place.get_by(client, balancer, "/").text())
}

/// Only an address of this machine can be bound to without more ado.
fn proxy_bind(which: Which) -> Whose {
    let asked = Asked::peers();
    let place = Place::http(
        which,
        "",
        &format!(
            "location / {{ proxy_bind $remote_addr; proxy_pass http://127.0.0.1:{}; }}",
            asked.port()
        ),
    );
    connect("127.0.0.77", BALANCER, place.port).get("/");
    match asked.what().as_str() {
        "127.0.0.77" => Whose::Client,
        other => Whose::is(other),
    }
}

fn fastcgi(which: Which) -> Whose {
    let responder = FastCgi::start();
    let place = Place::http(
        which,
        "",
        &format!(
            "location / {{ fastcgi_param REMOTE_ADDR $remote_addr; fastcgi_pass 127.0.0.1:{}; }}",
            responder.port()
        ),
    );
    Whose::is(&place.get("/").var("REMOTE_ADDR"))
}

/// To a server of its own that speaks HTTP/2.
fn grpc(which: Which) -> Whose {
    let mut site = Site::new(which);
    let port = site.port();
    let listen = which.http2(&format!("127.0.0.1:{port}"));
    let place = Place::of(
        site,
        &format!("server {{ {listen} return 200 $http_x_client; }}"),
        &format!(
            "location / {{ grpc_set_header X-Client $remote_addr; grpc_pass 127.0.0.1:{port}; }}"
        ),
    );
    let mut client: Client = connect("192.0.2.7", BALANCER, place.port);
    Whose::is(&client.get("/").text())
}
