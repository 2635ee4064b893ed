//! What Apache tells those behind it.

use crate::apache_site::ApacheSite;
use crate::consumers::apache_place::Place;
use crate::consumers::backends::Asked;
use crate::consumers::row::{On, Row};
use crate::consumers::whose::Whose;
use crate::fastcgi::FastCgi;
use crate::mpm::Mpm;

const fn row(what: &'static str, look: fn() -> Whose) -> Row {
    Row::new("Apache: scripts and backends", what, On::Apache(look))
}

pub(super) const ROWS: &[Row] = &[
    row("CGI: `REMOTE_ADDR`", cgi),
    row("mod_include: `REMOTE_ADDR`", || {
        Whose::is(&Place::new(&[], "").get("/").var("remote_addr"))
    }),
    row("mod_proxy_http: X-Forwarded-For", || told("http", "proxy_http", &Asked::over_http())),
    row("mod_proxy_fcgi: `REMOTE_ADDR`", fcgi),
    row("mod_proxy_uwsgi: `REMOTE_ADDR`", || told("uwsgi", "proxy_uwsgi", &Asked::over_uwsgi())),
    row("mod_proxy_scgi: `REMOTE_ADDR`", || told("scgi", "proxy_scgi", &Asked::over_scgi())),
];

fn cgi() -> Whose {
    let mut site = ApacheSite::new(Mpm::Event);
    site.cgi();
    Whose::is(&Place::of(site, &[], "").get("/cgi/env").var("REMOTE_ADDR"))
}

fn told(scheme: &str, module: &'static str, asked: &Asked) -> Whose {
    let inside = format!("ProxyPass /who {scheme}://127.0.0.1:{}/who", asked.port());
    let place = Place::new(&["proxy", module], &inside);
    assert_eq!(place.get("/who").status, 204);
    let text = asked.what();
    let address = match scheme {
        "http" => {
            let line = text.lines().find_map(|line| line.strip_prefix("X-Forwarded-For: "));
            line.expect("the header").to_owned()
        }
        "scgi" => {
            let mut words = text.split('\0').skip_while(|word| *word != "REMOTE_ADDR");
            words.nth(1).expect("the parameter").to_owned()
        }
        _ => {
            // The value comes with its length in two bytes before it.
            let (_, rest) = text.split_once("REMOTE_ADDR").expect("the parameter");
            let value = rest.get(2..).unwrap_or_default();
            value.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect()
        }
    };
    Whose::is(&address)
}

fn fcgi() -> Whose {
    let responder = FastCgi::start();
    let inside = format!("ProxyPass /who fcgi://127.0.0.1:{}/who", responder.port());
    let place = Place::new(&["proxy", "proxy_fcgi"], &inside);
    Whose::is(&place.get("/who").var("REMOTE_ADDR"))
}
