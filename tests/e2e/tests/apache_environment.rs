//! `REALPEER_*` for logs, expressions and programs: in every request of a
//! connection, and not a name too many.

use std::collections::BTreeMap;

use realpeer_e2e::{
    ApacheSite, COMMON_NAMES, Client, Mpm, TEXTS, TLVS, V2, Vars, common_name, every_tlv,
    headers_without_tlvs, nested_ssl, on_each_mpm, v1,
};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

fn visitor() -> V2 {
    V2::proxy(VISITOR, LISTENER)
}

fn variable(name: &str) -> String {
    format!("REALPEER_TLV_{}", name.to_uppercase())
}

/// What a CGI script on a listener with these directives is told, that begins
/// with `REALPEER_`, for each of some headers.
fn told(mpm: Mpm, directives: &str, headers: &[Vec<u8>]) -> Vec<BTreeMap<String, String>> {
    let mut site = ApacheSite::new(mpm);
    site.cgi();
    let port = site.host(directives);
    let _apache = site.start();
    let ask = |header: &Vec<u8>| {
        let answer = Client::connect(port).send(header).get("/cgi/env");
        assert_eq!(answer.status, 200);
        let text = answer.text();
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let ours = lines.filter(|(name, _)| name.contains("REALPEER"));
        ours.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    headers.iter().map(ask).collect()
}

/// The same from a page, for values of more than a line.
fn shown(mpm: Mpm, directives: &str, names: &[&str], headers: &[Vec<u8>]) -> Vec<Vars> {
    let mut site = ApacheSite::new(mpm);
    let variables: Vec<_> = names.iter().map(|name| variable(name)).collect();
    let variables: Vec<_> = variables.iter().map(String::as_str).collect();
    site.page("tlvs", &variables);
    let port = site.host(&format!("RealPeer require all\nRealPeerMaxHeader 65551\n{directives}"));
    let _apache = site.start();
    headers
        .iter()
        .map(|header| Client::connect(port).send(header).get("/page/tlvs").vars())
        .collect()
}

/// A map with these pairs, and the TLVs behind them.
fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| (format!("REALPEER_{name}"), (*value).to_owned())).collect()
}

on_each_mpm! {
    /// A name without a value is not there at all.
    fn a_script_is_told_what_there_is_and_nothing_else(mpm) {
        let headers = [v1(VISITOR, LISTENER), V2::local().build(), b"PROXY UNKNOWN\r\n".to_vec()];
        let mut told = told(mpm, "RealPeer require all", &headers);
        for environment in &mut told {
            // Another one for each connection.
            let port = environment.remove("REALPEER_PROXY_PORT").expect("a port");
            assert!(port.parse::<u16>().is_ok_and(|port| port > 1024), "{port}");
        }
        let [proxy, local, unknown] = &told[..] else { panic!("three") };
        assert_eq!(*proxy, map(&[
            ("RESULT", "proxy"), ("POLICY", "require"), ("VERSION", "1"),
            ("ADDR", "192.0.2.7"), ("PORT", "4321"),
            ("SERVER_ADDR", "198.51.100.1"), ("SERVER_PORT", "443"), ("PROXY_ADDR", "127.0.0.1"),
        ]));
        assert_eq!(*local, map(&[
            ("RESULT", "local"), ("POLICY", "require"), ("VERSION", "2"),
            ("PROXY_ADDR", "127.0.0.1"),
        ]));
        assert_eq!(*unknown, map(&[
            ("RESULT", "no_address"), ("POLICY", "require"), ("VERSION", "1"),
            ("PROXY_ADDR", "127.0.0.1"),
        ]));
    }

    fn a_script_is_told_where_no_header_came(mpm) {
        for (policy, result) in [("direct", "direct"), ("optional", "absent"), ("strip", "absent")] {
            let mut told = told(mpm, &format!("RealPeer {policy} all"), &[Vec::new()]).remove(0);
            told.remove("REALPEER_PROXY_PORT").expect("a port");
            assert_eq!(told, map(&[
                ("RESULT", result), ("POLICY", policy), ("PROXY_ADDR", "127.0.0.1"),
            ]));
        }
    }

    fn without_a_rule_there_is_nothing(mpm) {
        assert_eq!(told(mpm, "", &[Vec::new()]), [BTreeMap::new()]);
        assert_eq!(told(mpm, "RealPeer off", &[Vec::new()]), [BTreeMap::new()]);
    }

    /// What a header of the request says cannot stand in for it; mod_setenvif
    /// asks headers first, whatever the case.
    fn a_request_cannot_set_it(mpm) {
        let mut site = ApacheSite::new(mpm);
        site.cgi();
        let port = site.host(
            "RealPeer require all\nSetEnvIf REALPEER_RESULT ^proxy$ GOOD\n\
             SetEnvIf REALPEER_RESULT ^forged$ BAD\nSetEnvIf REALPEER_TLV_ALPN forged WORSE",
        );
        let apache = site.start();
        let mut client = Client::connect(port);
        client.send(v1(VISITOR, LISTENER));
        for name in ["REALPEER_RESULT", "Realpeer_Result", "realpeer_tlv_alpn"] {
            client.send(format!(
                "GET /cgi/env HTTP/1.1\r\nHost: a\r\n{name}: forged\r\nRealPeer-Addr: no\r\n\r\n"
            ));
            let text = client.response().text();
            assert!(text.contains("\nREALPEER_RESULT=proxy\n"), "{text}");
            assert!(text.contains("\nREALPEER_ADDR=192.0.2.7\n"), "{text}");
            assert!(text.contains("\nGOOD="), "{text}");
            assert!(!text.contains("\nBAD=") && !text.contains("\nWORSE="), "{text}");
        }
        assert_eq!(apache.refusals(), []);
    }

    /// All but what costs: that has to be asked for.
    fn every_tlv_has_a_name(mpm) {
        let mut told = told(mpm, "RealPeer require all", &[every_tlv()]).remove(0);
        told.retain(|name, _| name.contains("_TLV_"));
        let wanted: BTreeMap<_, _> = TLVS
            .iter()
            .filter(|(name, ..)| *name != "ssl_client_cert")
            .map(|(name, text, _)| (variable(name), (*text).to_owned()))
            .collect();
        assert_eq!(told, wanted);
    }

    fn what_costs_is_there_where_it_is_asked_for(mpm) {
        let asked = "RealPeerTLV ssl_client_cert 0xEA 0xf1 hex_authority\nRealPeerTLV hex_0x03";
        let header = every_tlv();
        let sum = header[28 + 3..28 + 7].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut told = told(mpm, &format!("RealPeer require all\n{asked}"), &[header]).remove(0);
        let usual: Vec<_> = TLVS.iter().map(|(name, ..)| variable(name)).collect();
        assert_eq!(told.remove("REALPEER_TLV_SSL_CLIENT_CERT").as_deref(), Some("MAMCAf8="));
        told.retain(|name, _| name.contains("_TLV_") && !usual.contains(name));
        assert_eq!(told, map(&[
            ("TLV_0XEA", r"\x01vpce-0123456789abcdef0"),
            ("TLV_HEX_AUTHORITY", "7777772e6578616d706c65"),
            ("TLV_HEX_0X03", &sum),
        ]));
    }

    fn every_tlv_in_hex(mpm) {
        let names = TLVS.map(|(name, ..)| format!("hex_{name}"));
        let asked = format!("RealPeerTLV {}", names.join(" "));
        let names = names.each_ref().map(String::as_str);
        let shown = shown(mpm, &asked, &names, &[every_tlv()]).remove(0);
        for (name, _, hex) in TLVS {
            assert_eq!(shown.var(&variable(&format!("hex_{name}"))), hex, "{name}");
        }
    }

    fn what_is_not_there_has_no_variable(mpm) {
        let names = TLVS.map(|(name, ..)| format!("hex_{name} {name}")).join(" ");
        let told = told(
            mpm,
            &format!("RealPeer require all\nRealPeerTLV {names}"),
            &headers_without_tlvs(),
        );
        for (number, told) in told.iter().enumerate() {
            let tlvs: Vec<_> = told.iter().filter(|(name, _)| name.contains("_TLV_")).collect();
            // An empty one of a vendor has no text, and says so in hex.
            let tlvs: Vec<_> = tlvs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
            assert!(tlvs.is_empty(), "header {number}: {tlvs:?}");
        }
    }

    fn of_two_the_first_counts_and_local_may_carry_them(mpm) {
        let headers = [
            visitor().tlv(0x02, b"first").tlv(0x02, b"second").build(),
            V2::local().checksum().tlv(0x02, b"www.example").build(),
        ];
        let shown = shown(mpm, "", &["authority"], &headers);
        assert_eq!(shown[0].var("REALPEER_TLV_AUTHORITY"), "first");
        assert_eq!(shown[1].var("REALPEER_TLV_AUTHORITY"), "www.example");
    }

    fn a_common_name_is_given_only_where_it_was_verified(mpm) {
        let headers = COMMON_NAMES.map(|(client, verify, ..)| common_name(client, verify));
        let all = shown(mpm, "RealPeerTLV hex_ssl_cn", &["ssl_verified", "ssl_cn", "hex_ssl_cn"], &headers);
        for ((client, verify, verified, name), shown) in COMMON_NAMES.iter().zip(all) {
            let case = format!("client {client:#x} verify {verify:#x}");
            assert_eq!(shown.var("REALPEER_TLV_SSL_VERIFIED"), *verified, "{case}");
            assert_eq!(shown.var("REALPEER_TLV_SSL_CN"), *name, "{case}");
            assert_eq!(shown.var("REALPEER_TLV_HEX_SSL_CN").is_empty(), name.is_empty(), "{case}");
        }
        let shown = shown(mpm, "", &["ssl_verified", "ssl_cn"], &[nested_ssl()]).remove(0);
        assert_eq!(shown.var("REALPEER_TLV_SSL_CN"), "");
        assert_eq!(shown.var("REALPEER_TLV_SSL_VERIFIED"), "0");
    }

    fn text_cannot_add_a_header_or_a_log_line(mpm) {
        let mut site = ApacheSite::new(mpm);
        site.load("headers");
        let log = site.dir().join("tlv.log").display().to_string();
        let port = site.host(&format!(
            "RealPeer require all\nHeader always set X-Authority %{{REALPEER_TLV_AUTHORITY}}e\n\
             LogFormat \"<%{{REALPEER_TLV_AUTHORITY}}e>\" tlv\nCustomLog {log} tlv"
        ));
        let apache = site.start();
        for (bytes, text) in TEXTS {
            let answer = Client::connect(port).send(visitor().tlv(0x02, bytes).build()).get("/");
            assert_eq!(answer.header("x-authority"), Some(text));
            assert_eq!(answer.header("x-injected"), None);
        }
        let lines = apache.wait_for_lines("tlv.log", TEXTS.len());
        assert_eq!(lines.len(), TEXTS.len());
        // Apache escapes what is escaped once more. The lines come in any order.
        let injected = r"<a\\x0D\\x0AX-Injected: 1>";
        assert!(lines.iter().any(|line| line == injected), "{lines:#?}");
    }

    /// The system starts no program with a variable that is too long.
    fn a_long_tlv_is_there_only_where_it_is_asked_for(mpm) {
        let long = visitor().tlv(0x02, vec![b'x'; 10_000]).tlv(0x01, b"h2").build();
        let unasked = told(mpm, "RealPeer require all\nRealPeerMaxHeader 65551", std::slice::from_ref(&long));
        assert_eq!(unasked[0].get("REALPEER_TLV_AUTHORITY"), None);
        assert_eq!(unasked[0]["REALPEER_TLV_ALPN"], "h2");
        let asked = "RealPeer require all\nRealPeerMaxHeader 65551\nRealPeerTLV authority";
        assert_eq!(told(mpm, asked, &[long])[0]["REALPEER_TLV_AUTHORITY"].len(), 10_000);
    }

    fn a_huge_tlv_can_be_shown(mpm) {
        let value = vec![0xFF; 65_000];
        let header = visitor().tlv(0xE4, &value).build();
        let shown = shown(mpm, "RealPeerTLV 0xe4 hex_0xE4", &["0xe4", "hex_0xe4"], &[header]).remove(0);
        assert!(shown.var("REALPEER_TLV_0XE4") == r"\xFF".repeat(65_000));
        assert!(shown.var("REALPEER_TLV_HEX_0XE4") == "ff".repeat(65_000));
    }

    /// A request that is refused while it is read, one that never came, and
    /// those that Apache makes of one.
    fn every_kind_of_request_has_it(mpm) {
        let mut site = ApacheSite::new(mpm);
        site.load("dir");
        site.load("rewrite");
        site.file("error", "<!--#echo var=\"REALPEER_RESULT\" --> of <!--#echo var=\"REALPEER_ADDR\" -->");
        let dir = site.dir().display().to_string();
        let port = site.host(&format!(
            "RealPeer require all\nTimeout 1\nLimitRequestFieldSize 100\n\
             ErrorDocument 404 /page/error\nErrorDocument 400 /page/error\nAlias /page/error {dir}/error\n\
             RewriteEngine On\nRewriteRule ^/moved$ / [PT]\nFallbackResource disabled"
        ));
        let apache = site.start();
        let mut client = Client::connect(port);
        client.send(v1(VISITOR, LISTENER));
        for _ in 0..2 {
            assert_eq!(client.get("/missing").text(), "proxy of 192.0.2.7");
            assert_eq!(client.get("/moved").var("addr"), "192.0.2.7");
        }
        let ask = |bytes: &[u8]| {
            let mut client = Client::connect(port);
            client.send(v1(VISITOR, LISTENER)).send(bytes).ending();
        };
        ask(b"GARBAGE\r\n\r\n");
        ask(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(200)).as_bytes());
        ask(b"GET / HT");
        let line = apache.wait_for_access(" 408 ");
        assert!(line.starts_with("192.0.2.7:4321 proxy require 127.0.0.1:"), "{line}");
        for line in apache.wait_for_lines("access.log", 7) {
            assert!(line.starts_with("192.0.2.7:4321 proxy require 127.0.0.1:"), "{line}");
        }
        assert_eq!(apache.access_log().matches(" 400 ").count(), 2);
    }

    fn expressions_and_rewriting_use_it(mpm) {
        let mut site = ApacheSite::new(mpm);
        site.load("rewrite");
        let port = site.host(
            "RealPeer require all\nRewriteEngine On\n\
             RewriteCond %{ENV:REALPEER_RESULT} =local\nRewriteRule .* - [R=410]\n\
             <Location />\nRequire expr reqenv('REALPEER_TLV_AUTHORITY') == 'www.example'\n</Location>",
        );
        let _apache = site.start();
        let ask = |header: Vec<u8>| Client::connect(port).send(header).get("/").status;
        assert_eq!(ask(visitor().tlv(0x02, b"www.example").build()), 200);
        assert_eq!(ask(visitor().tlv(0x02, b"www.example.org").build()), 403);
        assert_eq!(ask(visitor().build()), 403);
        assert_eq!(ask(V2::local().build()), 410);
    }
}
