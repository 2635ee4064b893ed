//! The recipes of the documents do what is said of them there, on nginx and on Apache:
//! TLS that ends at the balancer, pods that call their own Service, and a header with
//! the name of the client's certificate for a backend.

use realpeer_e2e::{
    Apache, ApacheSite, Authority, COMMON_NAMES, Client, Ending, FastCgi, HaProxy, Logs, Mpm,
    Nginx, PAGE, Port, Recipe, Response, Site, TlsClient, Upstream, V2, Which, common_name,
    on_each_mpm, on_each_nginx, ssl_value, v1,
};

const VISITOR: &str = "192.0.2.7:4321";
const BALANCER: &str = "127.0.1.7";

/// What the backend was sent under this name, in each line that has it.
fn received(answer: &Response, name: &str) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let head = answer.text();
    let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    lines
        .filter(|(have, _)| have.replace('_', "-").eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
        .collect()
}

/// A request with these header fields.
fn request(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")
}

// --- TLS ends at the balancer ----------------------------------------------------

const TLS: &str = "## TLS ends at the balancer";

/// The ports of the balancer, as the header has them.
#[derive(Debug, Clone, Copy)]
struct Ports {
    plain: u16,
    tls: u16,
}

const USUAL: Ports = Ports { plain: 80, tls: 443 };

/// A server as the recipe has it, and where it listens.
fn nginx_for_tls(
    which: Which,
    backend: &Upstream,
    programs: &FastCgi,
    ports: Ports,
) -> (Nginx, u16) {
    let mut site = Site::new(which);
    let port = site.port();
    let backend = backend.port();
    let recipe = Recipe::new("policies.md", TLS, "nginx")
        .with("listen      8080;", format!("listen 127.0.0.1:{port};"))
        .with("proxy:443 ", format!("proxy:{} ", ports.tls))
        .with("proxy:80 ", format!("proxy:{} ", ports.plain))
        // nginx redirects to such a place itself.
        .with("location / {", "location /own/ { proxy_pass http://127.0.0.1:3000; }\nlocation / {")
        // And as the page says of programs.
        .with(
            "location / {",
            format!(
            "location /cgi/env {{ fastcgi_pass 127.0.0.1:{}; fastcgi_param REMOTE_ADDR $remote_addr;
                                  fastcgi_param HTTPS $client_https if_not_empty; }}
             location / {{",
            programs.port()
        ),
        )
        .with(
            "    server {",
            format!(
                "map $realpeer_result:$realpeer_server_port $client_https {{ proxy:{} on; }}
             server {{",
                ports.tls
            ),
        )
        .with("127.0.0.1:3000", format!("127.0.0.1:{backend}"));
    site.http(recipe.inside("http"));
    (site.start(), port)
}

fn apache_for_tls(mpm: Mpm, backend: &Upstream, ports: Ports) -> (Apache, u16) {
    let mut site = ApacheSite::new(mpm);
    for module in ["dir", "headers", "proxy", "proxy_http", "rewrite"] {
        site.load(module);
    }
    site.cgi();
    let port = site.port();
    let nothing = site.dir().join("nothing").display().to_string();
    let backend = backend.port();
    let recipe = Recipe::new("policies.md", TLS, "apache")
        .with("Listen 8080", format!("Listen 127.0.0.1:{port}"))
        .with("*:8080", format!("127.0.0.1:{port}"))
        .with("\"^443$\"", format!("\"^{}$\"", ports.tls))
        .with("} =80", format!("}} ={}", ports.plain))
        // Apache redirects to a folder itself.
        .with(
            "ProxyPass        /",
            format!("Alias /own {nothing}\nProxyPass /own !\nProxyPass /cgi !\nProxyPass /"),
        )
        .with("127.0.0.1:3000", format!("127.0.0.1:{backend}"));
    site.config(recipe.text());
    (site.start(), port)
}

/// What becomes of a client of each kind, by a header of its own. `host` is what the
/// server calls itself, and `own` where it redirects a client to that asks for /own.
#[track_caller]
fn must_send_each_where_it_belongs(port: u16, host: &str, own: &str) {
    let ask = |header: &[u8], fields: &str, path: &str| {
        let mut client = Client::from(BALANCER, port);
        client.send(header).send(request(path, fields)).response()
    };
    let (plain, tls) = ("198.51.100.1:80", "198.51.100.1:443");
    let from_plain = [
        v1(VISITOR, plain),
        V2::proxy(VISITOR, plain).build(),
        v1("[2001:db8::7]:4321", "[2001:db8::1]:80"),
    ];
    for header in from_plain {
        let answer = ask(&header, "X-Forwarded-Proto: https\r\n", "/a/b?c=d&e");
        assert_eq!(answer.status, 301);
        let location = format!("https://{host}/a/b?c=d&e");
        assert_eq!(answer.header("location"), Some(location.as_str()));
    }
    let from_tls = [
        v1(VISITOR, tls),
        V2::proxy(VISITOR, tls).build(),
        v1("[2001:db8::7]:4321", "[2001:db8::1]:443"),
    ];
    for header in from_tls {
        for fields in ["", "X-Forwarded-Proto: http\r\n", "x-forwarded-proto: a\r\n"] {
            let answer = ask(&header, fields, "/");
            assert_eq!(received(&answer, "X-Forwarded-Proto"), ["https"]);
        }
        let answer = ask(&header, "", "/own");
        assert_eq!((answer.status, answer.header("location")), (301, Some(own)));
    }
    // Health checks, clients without an address, and another port of the balancer.
    let without_a_scheme = [
        V2::local().build(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        V2::raw(0x21, 0, &[]).build(),
        v1(VISITOR, "198.51.100.1:8443"),
        v1(VISITOR, "198.51.100.1:4430"),
    ];
    for header in &without_a_scheme {
        let answer = ask(header, "X-Forwarded-Proto: https\r\n", "/");
        assert_eq!(received(&answer, "X-Forwarded-Proto"), ["http"]);
    }
    // Programs.
    let https = |header: &[u8]| {
        let text = ask(header, "HTTPS: on\r\n", "/cgi/env").text();
        assert!(text.contains("REMOTE_ADDR="), "{text}");
        text.lines().any(|line| line == "HTTPS=on")
    };
    assert!(https(&v1(VISITOR, tls)));
    assert!(!without_a_scheme.iter().any(|header| https(header)));
}

/// The balancer of the recipe before a server at `port`, and its clients.
#[track_caller]
fn must_work_with_haproxy(logs: &Logs, port: u16, [plain, tls]: &[Port; 2], host: &str) {
    let authority = Authority::new();
    let certificate = authority.issue("localhost");
    let mut haproxy = HaProxy::new();
    let pem = haproxy.dir().join("example.pem");
    std::fs::write(&pem, certificate.pem + &certificate.key_pem).expect("own folder");
    let (plain, tls) = (plain.number(), tls.number());
    let recipe = Recipe::new("policies.md", TLS, "haproxy")
        .with("bind :80\n", format!("bind 127.0.0.1:{plain}\n"))
        .with("bind :443 ", format!("bind 127.0.0.1:{tls} "))
        .with("/etc/ssl/private/example.pem", pem.display().to_string())
        .with("127.0.2.10:8080", format!("127.0.0.1:{port} source {BALANCER}"));
    haproxy.section(&[plain, tls], recipe.text());
    let _haproxy = haproxy.start();

    let answer = Client::connect(plain).get("/a?b");
    assert_eq!(answer.status, 301);
    assert_eq!(answer.header("location"), Some(format!("https://{host}/a?b").as_str()));
    let mut client = TlsClient::over(Client::connect(tls), &authority);
    client.send(request("/", "X-Forwarded-Proto: http\r\n"));
    assert_eq!(received(&client.response(), "X-Forwarded-Proto"), ["https"]);
    let check = logs.wait_for_access(&format!(" local require {BALANCER}:"));
    assert!(check.contains(" 200 \"GET / "), "{check}");
}

// --- pods that call the Service --------------------------------------------------

const PODS: &str = "### Pods that call the Service";
const POD: &str = "127.0.4.9";
const NODE: &str = "127.0.9.3";

/// What comes of a connection.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Served {
        result: &'static str,
        client: String,
    },
    /// The header was a request, and not a good one.
    BadRequest,
    Refused(&'static str),
}

/// What a pod that is treated like this can do, by the table of the document.
fn outcome(pods: &str, source: &'static str, header: bool) -> Outcome {
    let visitor = || Outcome::Served { result: "proxy", client: "192.0.2.7".into() };
    let own = |result| Outcome::Served { result, client: source.into() };
    match (source, header, pods) {
        // A pod with this address cannot be told from the balancer.
        (BALANCER, true, _) => visitor(),
        (BALANCER, false, _) => Outcome::Refused("no_header"),
        (POD, _, "unnamed") => Outcome::Refused("untrusted"),
        (POD, true, "direct") => Outcome::BadRequest,
        (POD, true, _) => visitor(),
        (POD, false, "direct") => own("direct"),
        (POD, false, _) => own("absent"),
        _ => Outcome::Refused("untrusted"),
    }
}

/// What operators have before they come to the recipe, that, and what it warns of.
const FOR_PODS: [&str; 3] = ["unnamed", "direct", "optional"];

/// The recipe with this policy for the pods' network.
fn recipe_for_pods(pods: &str) -> Recipe {
    let recipe = Recipe::new("policies.md", PODS, "nginx");
    match pods {
        "unnamed" => recipe.with("realpeer direct  127.0.4.0/24;", ""),
        _ => recipe.with("realpeer direct ", format!("realpeer {pods} ")),
    }
}

#[track_caller]
fn must_treat_pods_as_the_table_says(logs: &Logs, port: u16, pods: &str) {
    let headers = [
        Vec::new(),
        v1(VISITOR, "198.51.100.1:443"),
        V2::proxy(VISITOR, "198.51.100.1:443").build(),
    ];
    for source in [BALANCER, POD, NODE] {
        for header in &headers {
            let case = format!("{source} {:?}, pods are {pods}", String::from_utf8_lossy(header));
            let mut client = Client::from(source, port);
            client.send(header).send(request("/", "Connection: close\r\n"));
            let ending = client.ending();
            let wanted = outcome(pods, source, !header.is_empty());
            let refused: Vec<_> = logs.new_refusals();
            match &wanted {
                Outcome::Refused(result) => {
                    assert_eq!(ending, Ending::Unanswered, "{case}");
                    let [refusal] = &refused[..] else { panic!("{case}: {refused:?}") };
                    assert_eq!(refusal.result, *result, "{case}");
                    assert!(refusal.peer.starts_with(&format!("{source}:")), "{case}: {refusal:?}");
                    let first = refusal.first_bytes.as_deref();
                    let request = first.is_some_and(|first| first.starts_with("GET / HTTP/1.1"));
                    assert_eq!(request, *result == "no_header", "{case}: {refusal:?}");
                }
                Outcome::BadRequest => assert_eq!(ending.response().status, 400, "{case}"),
                Outcome::Served { result, client } => {
                    let page = ending.response();
                    assert_eq!(page.var("remote_addr"), *client, "{case}");
                    assert_eq!(page.var("result"), *result, "{case}");
                }
            }
            assert_eq!(refused.len(), usize::from(matches!(wanted, Outcome::Refused(_))), "{case}");
        }
    }

    // And the balancer itself, for a client from elsewhere.
    let mut haproxy = HaProxy::new();
    let front = haproxy.listener("", "", port, &format!("send-proxy-v2 source {BALANCER}"));
    let _haproxy = haproxy.start();
    let page = Client::from("127.0.0.9", front).get("/");
    assert_eq!(page.var("remote_addr"), "127.0.0.9");
    assert_eq!(page.var("proxy_addr"), BALANCER);
    assert_eq!(logs.new_refusals(), []);
}

// --- the name in the client's certificate ----------------------------------------

const FOR_A_BACKEND: &str = "### Headers for a backend";

/// Apache as the document has it, after this change.
fn apache_with_names(
    mpm: Mpm,
    backend: &Upstream,
    change: &dyn Fn(Recipe) -> Recipe,
) -> (Apache, u16) {
    let mut site = ApacheSite::new(mpm);
    for module in ["headers", "proxy", "proxy_http"] {
        site.load(module);
    }
    let port = site.port();
    let recipe = Recipe::new("apache.md", FOR_A_BACKEND, "apache")
        .with("Listen 80\n", format!("Listen 127.0.0.1:{port}\n"))
        .with("127.0.0.1:3000", format!("127.0.0.1:{}", backend.port()));
    site.config(change(recipe).text());
    (site.start(), port)
}

/// What the backend gets as the name after this header, the client adding these fields.
#[track_caller]
fn name_after(port: u16, header: &[u8], fields: &str) -> Vec<String> {
    let mut client = Client::from(BALANCER, port);
    let answer = client.send(header).send(request("/", fields)).response();
    received(&answer, "Client-CN")
}

/// Fields of a client that would like to be the administrator.
const FORGED: [&str; 5] = [
    "",
    "Client-CN: root\r\n",
    "client-cn: root\r\nCLIENT-CN: root\r\n",
    "Client_CN: root\r\n",
    "client_cn: root\r\nClient-CN: root\r\n",
];

/// A name comes from a verified certificate, or not at all.
#[track_caller]
fn must_name_none_but_the_verified(port: u16) {
    let nameless = [v1(VISITOR, "198.51.100.1:443"), V2::local().build()];
    for forged in FORGED {
        for (client, verify, _, name) in COMMON_NAMES {
            let wanted = if name.is_empty() { vec![] } else { vec![name] };
            let case = format!("client {client:#x} verify {verify:#x} {forged:?}");
            assert_eq!(name_after(port, &common_name(client, verify), forged), wanted, "{case}");
        }
        for header in &nameless {
            assert_eq!(name_after(port, header, forged), Vec::<String>::new(), "{forged:?}");
        }
        assert_eq!(name_after(port, &with_name(b""), forged), Vec::<String>::new(), "{forged:?}");
    }
}

/// A verified certificate with this name.
fn with_name(name: &[u8]) -> Vec<u8> {
    let header = V2::proxy(VISITOR, "198.51.100.1:443");
    header.tlv(0x20, ssl_value(7, 0, &[(0x22, name)])).build()
}

// --- nginx -----------------------------------------------------------------------

on_each_nginx! {
    fn nginx_redirects_only_what_came_to_port_80_of_the_balancer(which) {
        let (backend, programs) = (Upstream::echo(), FastCgi::start());
        let (nginx, port) = nginx_for_tls(which, &backend, &programs, USUAL);
        must_send_each_where_it_belongs(port, "localhost", "/own/");
        assert_eq!(nginx.refusals(), []);
    }

    fn nginx_behind_haproxy_that_ends_tls_redirects_no_check(which) {
        let (backend, programs) = (Upstream::echo(), FastCgi::start());
        let ports = [Port::claim(), Port::claim()];
        let [plain, tls] = ports.each_ref().map(Port::number);
        let (nginx, port) = nginx_for_tls(which, &backend, &programs, Ports { plain, tls });
        must_work_with_haproxy(&nginx, port, &ports, "localhost");
    }

    fn nginx_serves_pods_beside_the_balancer(which) {
        for pods in FOR_PODS {
            let mut site = Site::new(which);
            let port = site.port();
            let recipe = recipe_for_pods(pods)
                .with("listen 8080;", format!("listen 127.0.0.1:{port}; {PAGE}"));
            site.http(recipe.inside("http"));
            let nginx = site.start();
            must_treat_pods_as_the_table_says(&nginx, port, pods);
        }
    }

    /// What the page for Apache says of nginx.
    fn nginx_sends_no_name_where_there_is_none(which) {
        let backend = Upstream::echo();
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require {BALANCER};
                       location / {{ proxy_pass http://127.0.0.1:{};
                                     proxy_set_header Client-CN $realpeer_tlv_ssl_cn; }} }}",
            backend.port()
        ));
        let _nginx = site.start();
        must_name_none_but_the_verified(port);
    }
}

// --- Apache ----------------------------------------------------------------------

on_each_mpm! {
    fn apache_redirects_only_what_came_to_port_80_of_the_balancer(mpm) {
        let backend = Upstream::echo();
        let (apache, port) = apache_for_tls(mpm, &backend, USUAL);
        let own = "https://www.example.com/own/";
        must_send_each_where_it_belongs(port, "www.example.com", own);
        assert_eq!(apache.refusals(), []);
    }

    fn apache_behind_haproxy_that_ends_tls_redirects_no_check(mpm) {
        let backend = Upstream::echo();
        let ports = [Port::claim(), Port::claim()];
        let [plain, tls] = ports.each_ref().map(Port::number);
        let (apache, port) = apache_for_tls(mpm, &backend, Ports { plain, tls });
        must_work_with_haproxy(&apache, port, &ports, "www.example.com");
    }

    fn apache_serves_pods_beside_the_balancer(mpm) {
        for pods in FOR_PODS {
            let mut site = ApacheSite::new(mpm);
            let port = site.host(&recipe_for_pods(pods).apache_rules());
            let apache = site.start();
            must_treat_pods_as_the_table_says(&apache, port, pods);
        }
    }

    /// The trap that the document names, so that it is known to be one.
    fn apache_sends_null_where_a_header_is_set_from_a_variable_without_a_value(mpm) {
        let backend = Upstream::echo();
        let safe = "\"expr=-n reqenv('REALPEER_TLV_SSL_CN')\"";
        let (_apache, port) = apache_with_names(mpm, &backend, &|recipe| recipe.with(safe, ""));
        assert_eq!(name_after(port, &common_name(7, 0), ""), ["admin"]);
        for header in [common_name(7, 1), v1(VISITOR, "198.51.100.1:443"), V2::local().build()] {
            assert_eq!(name_after(port, &header, ""), ["(null)"]);
        }
        // And where nothing is dropped first, a client is who it claims to be.
        let (_apache, port) = apache_with_names(mpm, &backend, &|recipe| {
            recipe.with("RequestHeader unset Client-CN", "").with("RequestHeader unset Client_CN", "")
        });
        assert_eq!(name_after(port, &common_name(7, 1), "Client-CN: root\r\n"), ["root"]);
        assert_eq!(name_after(port, &common_name(7, 1), "Client_CN: root\r\n"), ["root"]);
    }

    fn apache_sends_a_name_only_where_a_certificate_was_verified(mpm) {
        let backend = Upstream::echo();
        let (_apache, port) = apache_with_names(mpm, &backend, &|recipe| recipe);
        must_name_none_but_the_verified(port);
    }

    /// The example of the section on variables, before a backend.
    fn apache_lets_no_client_name_the_balancer(mpm) {
        let backend = Upstream::echo();
        let mut site = ApacheSite::new(mpm);
        for module in ["headers", "proxy", "proxy_http"] {
            site.load(module);
        }
        let port = site.port();
        let recipe = Recipe::new("apache.md", "## Variables", "apache")
            .with("Listen 80\n", format!("Listen 127.0.0.1:{port}\n"))
            .with("logs/access.log", "brief.log");
        site.config(recipe.text());
        site.config(format!("ProxyPass / http://127.0.0.1:{}/", backend.port()));
        let _apache = site.start();
        for forged in FORGED {
            let forged = forged.to_lowercase().replace("client", "X").replace("cn", "Balancer");
            let mut client = Client::from(BALANCER, port);
            client.send(v1(VISITOR, "198.51.100.1:443")).send(request("/", &forged));
            assert_eq!(received(&client.response(), "X-Balancer"), [BALANCER], "{forged:?}");
        }
    }

    /// The other form of the document, and what it does with a name of no letters.
    fn apache_asks_env_in_place_of_the_expression(mpm) {
        let backend = Upstream::echo();
        let safe = "\"expr=-n reqenv('REALPEER_TLV_SSL_CN')\"";
        let (_apache, port) = apache_with_names(mpm, &backend, &|recipe| {
            recipe.with(safe, "env=REALPEER_TLV_SSL_CN")
        });
        for forged in FORGED {
            assert_eq!(name_after(port, &common_name(7, 0), forged), ["admin"]);
            assert_eq!(name_after(port, &common_name(7, 1), forged), Vec::<String>::new());
        }
        assert_eq!(name_after(port, &with_name(b""), ""), [""]);
    }
}
