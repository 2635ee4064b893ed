//! What Apache and its modules do with an address themselves.

use crate::apache_site::ApacheSite;
use crate::consumers::apache_place::Place;
use crate::consumers::nginx_place::connect;
use crate::consumers::row::{On, Row};
use crate::consumers::whose::{BALANCER, CLIENT, PARTIES, Whose};
use crate::mpm::Mpm;

const fn row(what: &'static str, look: fn() -> Whose) -> Row {
    Row::new("Apache", what, On::Apache(look))
}

const EVASIVE: &str = "/usr/lib/apache2/modules/mod_evasive20.so";

pub(super) const ROWS: &[Row] = &[
    row("`Require ip`", || allowed(&[], |ip| format!("Require ip {ip}"))),
    row("`Require host`", require_host),
    row("`Require forward-dns`", || {
        // The only name that everybody knows is the server's own.
        named("Require forward-dns localhost")
    }),
    row("`Require local`", || named("Require local")).but(
        Whose::Client,
        "a client on the balancer's own machine is local if the header says 127.0.0.1",
    ),
    row("`Require expr %{REMOTE_ADDR} == ...`", || {
        allowed(&[], |ip| format!("Require expr \"%{{REMOTE_ADDR}} == '{ip}'\""))
    }),
    row("`Require expr %{CONN_REMOTE_ADDR} == ...`", || {
        allowed(&[], |ip| format!("Require expr \"%{{CONN_REMOTE_ADDR}} == '{ip}'\""))
    }),
    row("`Require expr -R ...`", || allowed(&[], |ip| format!("Require expr \"-R '{ip}/32'\""))),
    row("`Allow from` (mod_access_compat)", || {
        allowed(&["access_compat"], |ip| {
            format!("Require all granted\nOrder deny,allow\nDeny from all\nAllow from {ip}")
        })
    }),
    row("`SetEnvIf Remote_Addr`", || set("SetEnvIf Remote_Addr \"^(.*)$\" SEEN=$1")),
    row("`SetEnvIf Remote_Host`", || set("SetEnvIf Remote_Host \"^(.*)$\" SEEN=$1"))
        .but(Whose::Client, "with `HostnameLookups On` its name"),
    row("`RewriteCond %{REMOTE_ADDR}`", || rewritten("%{REMOTE_ADDR}")),
    row("`RewriteCond %{CONN_REMOTE_ADDR}`", || rewritten("%{CONN_REMOTE_ADDR}")),
    row("`Header ... expr=%{REMOTE_ADDR}`", header),
    row("`RemoteIPInternalProxy`: who may name others in X-Forwarded-For", remoteip),
    row("`CookieTracking` (mod_usertrack)", usertrack)
        .but(Whose::Nobody, "a number by chance, and the time"),
    Row::new("Apache", "mod_evasive: `DOSPageCount`", On::ApacheWith(EVASIVE, evasive)),
    row("mod_status: `ExtendedStatus`", status),
    row("mod_info: `server-info`", info).but(Whose::Nobody, "the configuration alone"),
    row("`CustomLog` with `%a`", || logged("%a")),
    row("`CustomLog` with `%h`", || logged("%h")),
    row("`CustomLog` with `%h`, `HostnameLookups On`", looked_up),
    row("`CustomLog` with `%{c}a`", || logged("%{c}a")),
    row("`CustomLog` with `%A`", || logged("%A")).but(Whose::Server, "where the balancer came to"),
    row("`CustomLog` with `%{REALPEER_PROXY_ADDR}e`", || logged("%{REALPEER_PROXY_ADDR}e"))
        .but(Whose::Balancer, "what it is for"),
    row("`ErrorLog`: `[client ...]`", error_log),
    row("`ErrorLogFormat` with `%a`", || error_format("%a")),
    row("`ErrorLogFormat` with `%{c}a`", || error_format("%{c}a")),
];

/// By whom a rule lets in.
fn allowed(modules: &[&'static str], rule: fn(&str) -> String) -> Whose {
    let locations: String =
        PARTIES.iter().map(|ip| format!("<Location /{ip}>\n{}\n</Location>\n", rule(ip))).collect();
    let place = Place::new(modules, &locations);
    Whose::chosen(|ip| match place.get(&format!("/{ip}")).status {
        // Whoever is let in finds nothing.
        404 => true,
        403 => false,
        status => panic!("{status}"),
    })
}

/// By whom a rule lets in that means 127.0.0.1, when only the client is that,
/// and when only the others are.
fn named(rule: &str) -> Whose {
    let place = Place::new(&[], &format!("<Location />\n{rule}\n</Location>"));
    let only_client = place.get_by("127.0.0.1", BALANCER, "/").status == 200;
    let only_balancer = place.get_by(CLIENT, "127.0.0.1", "/").status == 200;
    match (only_client, only_balancer) {
        (true, false) => Whose::Client,
        (false, true) => Whose::Balancer,
        both => panic!("{both:?}"),
    }
}

/// A name is looked up, so only addresses are asked about that need nobody who
/// is not on this machine.
fn require_host() -> Whose {
    let place = Place::new(&[], "<Location />\nRequire host localhost\n</Location>");
    match place.get_by("127.0.0.1", BALANCER, "/").status {
        200 => Whose::Client,
        _ => Whose::Balancer,
    }
}

fn set(directive: &str) -> Whose {
    let site = ApacheSite::new(Mpm::Event);
    site.page("seen", &["SEEN"]);
    Whose::is(&Place::of(site, &[], directive).get("/page/seen").var("SEEN"))
}

fn rewritten(what: &str) -> Whose {
    let rules =
        format!("RewriteEngine on\nRewriteCond {what} \"^(.*)$\"\nRewriteRule ^/seen$ /by/%1 [R]");
    let answer = Place::new(&["rewrite"], &rules).get("/seen");
    let (_, address) = answer.header("location").and_then(|to| to.split_once("/by/")).expect("one");
    Whose::is(address)
}

fn header() -> Whose {
    let place = Place::new(&["headers"], "Header set X-Seen expr=%{REMOTE_ADDR}");
    Whose::is(place.get("/").header("x-seen").expect("set"))
}

fn remoteip() -> Whose {
    Whose::chosen(|ip| {
        let rules = format!("RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy {ip}");
        let place = Place::new(&["remoteip"], &rules);
        let forwarded = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";
        let answer = connect(CLIENT, BALANCER, place.port).send(forwarded).response();
        answer.var("remote_addr") == "203.0.113.9"
    })
}

fn usertrack() -> Whose {
    let place = Place::new(&["usertrack"], "CookieTracking on");
    Whose::is_in(place.get("/").header("set-cookie").expect("a cookie"))
}

/// One page may be had once in a long time.
fn evasive() -> Whose {
    let mut site = ApacheSite::new(Mpm::Event);
    let dir = site.dir().display().to_string();
    site.config(format!("LoadModule evasive20_module {EVASIVE}"));
    site.config(format!(
        "DOSHashTableSize 3097\nDOSPageCount 1\nDOSPageInterval 600\nDOSSiteCount 1000\n\
         DOSSiteInterval 600\nDOSBlockingPeriod 600\nDOSLogDir {dir}"
    ));
    let place = Place::of(site, &[], "");
    // The third time is one too many.
    place.get("/");
    Whose::counted(|client, balancer| place.get_by(client, balancer, "/").status == 200)
}

fn status() -> Whose {
    let mut site = ApacheSite::new(Mpm::Event);
    site.config("ExtendedStatus On");
    let inside = "<Location /status>\nSetHandler server-status\n</Location>";
    let text = Place::of(site, &["status"], inside).get("/status").text();
    let cells: Vec<_> =
        PARTIES.iter().filter(|ip| text.contains(&format!("<td>{ip}</td>"))).collect();
    assert_eq!(cells.len(), 1, "{text}");
    Whose::is(cells[0])
}

fn info() -> Whose {
    let inside = "<Location /info>\nSetHandler server-info\n</Location>";
    let answer = Place::new(&["info"], inside).get("/info");
    assert_eq!(answer.status, 200);
    // The virtual host's own address stands in the configuration.
    let text = answer.text();
    Whose::chosen(|ip| ip != "127.0.0.1" && text.contains(ip))
}

fn logged(what: &str) -> Whose {
    let site = ApacheSite::new(Mpm::Event);
    let log = site.dir().join("who.log").display().to_string();
    let place = Place::of(site, &[], &format!("CustomLog {log} \"{what}\""));
    place.get("/");
    Whose::is(&place.apache.wait_for_lines("who.log", 1)[0])
}

/// Only the client has a name that everybody knows.
fn looked_up() -> Whose {
    let site = ApacheSite::new(Mpm::Event);
    let log = site.dir().join("who.log").display().to_string();
    let place = Place::of(site, &[], &format!("HostnameLookups On\nCustomLog {log} %h"));
    place.get_by("127.0.0.1", BALANCER, "/");
    match place.apache.wait_for_lines("who.log", 1)[0].as_str() {
        "localhost" => Whose::Client,
        other => Whose::is(other),
    }
}

const DENIED: &str = "<Location />\nRequire all denied\n</Location>";

fn error_log() -> Whose {
    let place = Place::new(&[], DENIED);
    place.get("/");
    let line = place.apache.wait_for_error("AH01630");
    let (_, rest) = line.split_once("[client ").expect("a client");
    Whose::is(rest.split(':').next().unwrap_or_default())
}

fn error_format(what: &str) -> Whose {
    let mut site = ApacheSite::new(Mpm::Event);
    site.config(format!("ErrorLogFormat \"[%t] [%-m:%l] [%a] <{what}> %M\""));
    let place = Place::of(site, &[], DENIED);
    place.get("/");
    let line = place.apache.wait_for_error("AH01630");
    let (_, rest) = line.split_once('<').expect("the format");
    Whose::is(rest.split([':', '>']).next().unwrap_or_default())
}
