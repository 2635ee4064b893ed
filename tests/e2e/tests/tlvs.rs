//! TLVs as variables: every name, absent and doubled ones, and what a sender
//! must not be able to do with them.

use realpeer_e2e::{
    COMMON_NAMES, Client, Ending, Site, TEXTS, TLVS, V2, Vars, Which, common_name, every_tlv,
    headers_without_tlvs, location, nested_ssl, on_each_nginx, stream_return,
};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

/// The names of the TLVs that DESIGN lists.
fn names() -> [&'static str; 16] {
    TLVS.map(|(name, ..)| name)
}

fn visitor() -> V2 {
    V2::proxy(VISITOR, LISTENER)
}

/// Shows the variables `realpeer_tlv_NAME` for `header`.
struct Shown(Vars);

impl Shown {
    fn tlv(&self, name: &str) -> String {
        self.0.var(&format!("realpeer_tlv_{name}"))
    }
}

/// Starts a server of http and one of stream that show `names`, and asks both
/// once with each header; they must say the same.
fn show(which: Which, names: &[&str], headers: &[Vec<u8>]) -> Vec<Shown> {
    let mut site = Site::new(which);
    let (http, stream) = (site.port(), site.port());
    let variables: Vec<_> = names.iter().map(|name| format!("realpeer_tlv_{name}")).collect();
    let variables: Vec<_> = variables.iter().map(String::as_str).collect();
    let page = location("/", &variables);
    site.http(format!("server {{ listen 127.0.0.1:{http}; realpeer require all; {page} }}"));
    let page = stream_return(&variables);
    site.stream(format!("server {{ listen 127.0.0.1:{stream}; realpeer require all; {page} }}"));
    let _nginx = site.start();
    let ask = |header: &Vec<u8>| {
        let vars = Client::connect(http).send(header).get("/").vars();
        let page = Client::connect(stream).send(header).ending().vars();
        assert_eq!(page, vars, "stream and http differ");
        Shown(vars)
    };
    headers.iter().map(ask).collect()
}

on_each_nginx! {
    fn every_name_gives_its_value(which) {
        let shown = show(which, &names(), &[every_tlv()]).remove(0);
        for (name, value, _) in TLVS {
            assert_eq!(shown.tlv(name), value, "{name}");
        }
    }

    fn every_name_gives_its_bytes_in_hex(which) {
        let names = names().map(|name| format!("hex_{name}"));
        let names = names.each_ref().map(String::as_str);
        let shown = show(which, &names, &[every_tlv()]).remove(0);
        for (name, _, hex) in TLVS {
            assert_eq!(shown.tlv(&format!("hex_{name}")), hex, "{name}");
        }
    }

    fn a_number_gives_any_type(which) {
        let names = ["0xea", "0xEA", "hex_0xea", "hex_0xEE", "0xe0", "hex_0x03", "hex_0x04", "0xf1"];
        let header = every_tlv();
        let sum = header[28 + 3..28 + 7].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let shown = show(which, &names, &[header]).remove(0);
        assert_eq!(shown.tlv("0xea"), r"\x01vpce-0123456789abcdef0");
        assert_eq!(shown.tlv("0xEA"), r"\x01vpce-0123456789abcdef0");
        assert!(shown.tlv("hex_0xea").starts_with("01767063652d"));
        assert_eq!(shown.tlv("hex_0xEE"), "0104030201");
        // The checksum as it was sent, not as it is computed over.
        assert_eq!(shown.tlv("hex_0x03"), sum);
        // Padding is nothing.
        assert_eq!(shown.tlv("hex_0x04"), "");
        assert_eq!(shown.tlv("0xf1"), "");
    }

    fn what_is_not_there_is_empty(which) {
        let names: Vec<_> =
            names().iter().flat_map(|name| [(*name).to_owned(), format!("hex_{name}")]).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        for (number, shown) in show(which, &names, &headers_without_tlvs()).iter().enumerate() {
            for name in &names {
                assert_eq!(shown.tlv(name), "", "{name} of header {number}");
            }
        }
    }

    fn an_absent_variable_is_not_found_rather_than_empty(which) {
        let mut site = Site::new(which);
        let port = site.port();
        let log = site.dir().join("absent.log").display().to_string();
        // nginx logs a variable that is not found as a hyphen.
        site.http(format!(
            "log_format absent '$realpeer_tlv_alpn $realpeer_tlv_authority \
                                $realpeer_addr $realpeer_version';
             server {{ listen 127.0.0.1:{port}; realpeer optional all;
                       access_log {log} absent; return 204; }}"
        ));
        let nginx = site.start();
        Client::connect(port).send(visitor().tlv(0x01, b"").build()).get("/");
        Client::connect(port).get("/");
        realpeer_e2e::wait_until("two lines", || {
            (nginx.log("absent.log").lines().count() == 2).then_some(())
        });
        assert_eq!(nginx.log("absent.log"), " - 192.0.2.7 2\n- - - -\n");
    }

    /// CONFORMANCE T13.
    fn of_two_the_first_counts(which) {
        let header = visitor().tlv(0x02, b"first").tlv(0x02, b"second").build();
        let shown = show(which, &["authority", "hex_0x02"], &[header]).remove(0);
        assert_eq!(shown.tlv("authority"), "first");
        assert_eq!(shown.tlv("hex_0x02"), "6669727374");
    }

    /// A LOCAL header may carry them: HAProxy sends it for real traffic that
    /// came over a unix socket.
    fn a_local_header_may_carry_tlvs(which) {
        let header = V2::local().checksum().tlv(0x02, b"www.example").build();
        let shown = show(which, &["authority"], &[header]).remove(0);
        assert_eq!(shown.tlv("authority"), "www.example");
    }

    fn a_common_name_is_given_only_where_it_was_verified(which) {
        let headers = COMMON_NAMES.map(|(client, verify, ..)| common_name(client, verify));
        let shown = show(which, &["ssl_verified", "ssl_cn", "hex_ssl_cn"], &headers);
        for ((client, verify, verified, name), shown) in COMMON_NAMES.iter().zip(shown) {
            let case = format!("client {client:#x} verify {verify:#x}");
            assert_eq!(shown.tlv("ssl_verified"), *verified, "{case}");
            assert_eq!(shown.tlv("ssl_cn"), *name, "{case}");
            assert_eq!(shown.tlv("hex_ssl_cn").is_empty(), name.is_empty(), "{case}");
        }
    }

    fn ssl_tlvs_in_ssl_tlvs_are_not_looked_into(which) {
        let shown = show(which, &["ssl_cn", "ssl_verified"], &[nested_ssl()]).remove(0);
        assert_eq!(shown.tlv("ssl_cn"), "");
        assert_eq!(shown.tlv("ssl_verified"), "0");
    }

    fn text_cannot_add_a_header_or_a_log_line(which) {
        let upstream = realpeer_e2e::Upstream::echo();
        let mut site = Site::new(which);
        let port = site.port();
        let log = site.dir().join("tlv.log").display().to_string();
        site.http(format!(
            "log_format tlv escape=none '<$realpeer_tlv_authority>';
             server {{ listen 127.0.0.1:{port}; realpeer require all;
                       access_log {log} tlv;
                       location / {{
                           add_header X-Authority $realpeer_tlv_authority;
                           proxy_set_header X-Authority $realpeer_tlv_authority;
                           proxy_pass http://127.0.0.1:{}; }} }}",
            upstream.port()
        ));
        let nginx = site.start();
        for (bytes, text) in TEXTS {
            let header = visitor().tlv(0x02, bytes).build();
            let answer = Client::connect(port).send(header).get("/");
            assert_eq!(answer.header("x-authority"), Some(text));
            assert_eq!(answer.header("x-injected"), None);
            let upstream_saw = answer.text();
            assert!(upstream_saw.contains(&format!("X-Authority: {text}\r\n")), "{upstream_saw}");
            assert!(!upstream_saw.contains("\nX-Injected"), "{upstream_saw}");
        }
        realpeer_e2e::wait_until("a line for each", || {
            (nginx.log("tlv.log").lines().count() == TEXTS.len()).then_some(())
        });
        let logged: Vec<_> = TEXTS.iter().map(|(_, text)| format!("<{text}>\n")).collect();
        assert_eq!(nginx.log("tlv.log"), logged.concat());
    }

    /// 64 KiB of text that quadruples when it is escaped.
    /// nginx's own variables have the bytes, whoever has read the header: a line
    /// break splits a response. Ours has text.
    fn native_variables_have_the_bytes_and_ours_have_text(which) {
        let header = visitor().tlv(0x02, b"a\r\nX-Split: yes").tlv(0xe0, b"\0\xff\r\n").build();
        let ours = "add_header X-Ours $realpeer_tlv_authority;";
        let native = "add_header X-Native $proxy_protocol_tlv_authority;";
        let answer = |site: Site, port| {
            let _nginx = site.start();
            Client::connect(port).send(&header).get("/")
        };

        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all; {ours} return 200; }}"
        ));
        let shown = answer(site, port);
        assert_eq!(shown.header("x-ours"), Some(r"a\x0D\x0AX-Split: yes"));
        assert_eq!(shown.header("x-split"), None);

        // There since 1.23.2.
        if which == Which::Debian {
            return;
        }
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all; {native} return 200; }}"
        ));
        let shown = answer(site, port);
        assert_eq!(shown.header("x-native"), Some("a"));
        assert_eq!(shown.header("x-split"), Some("yes"));

        let mut site = Site::native(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port} proxy_protocol; {native} return 200; }}"
        ));
        let shown = answer(site, port);
        assert_eq!(shown.header("x-native"), Some("a"));
        assert_eq!(shown.header("x-split"), Some("yes"));

        // A binary one has each of its bytes.
        let mut site = Site::new(which);
        let port = site.port();
        site.stream(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all;
                       return $proxy_protocol_tlv_0xe0; }}"
        ));
        let _nginx = site.start();
        let bytes = Client::connect(port).send(&header).ending();
        assert_eq!(bytes, Ending::Answered(b"\0\xff\r\n".to_vec()));
    }

    fn a_huge_tlv_can_be_shown(which) {
        let mut site = Site::new(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port}; realpeer require all; realpeer_max_header 65551;
                       location / {{ return 200 $realpeer_tlv_0xe4; }}
                       location /hex {{ return 200 $realpeer_tlv_hex_0xe4; }} }}"
        ));
        let _nginx = site.start();
        let value = vec![0xFF; 65_000];
        let mut client = Client::connect(port);
        let answer = client.send(visitor().tlv(0xE4, &value).build()).get("/");
        assert!(answer.text() == r"\xFF".repeat(65_000), "{} bytes", answer.body.len());
        let answer = client.get("/hex");
        assert!(answer.text() == "ff".repeat(65_000), "{} bytes", answer.body.len());
    }
}
