//! TLVs as variables: every name, absent and doubled ones, and what a sender
//! must not be able to do with them.

use realpeer_e2e::{
    Client, Site, V2, Vars, Which, location, on_each_nginx, ssl_value, stream_return, v1,
};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

/// The names of the TLVs that DESIGN lists.
const NAMES: [&str; 16] = [
    "alpn",
    "authority",
    "unique_id",
    "netns",
    "ssl_version",
    "ssl_cn",
    "ssl_cipher",
    "ssl_sig_alg",
    "ssl_key_alg",
    "ssl_group",
    "ssl_sig_scheme",
    "ssl_client_cert",
    "ssl_verified",
    "aws_vpce_id",
    "azure_link_id",
    "gcp_psc_id",
];

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

/// A header with every TLV there is a name for.
fn everything() -> Vec<u8> {
    let ssl = ssl_value(
        0x07,
        0,
        &[
            (0x21, b"TLSv1.3"),
            (0x22, b"visitor.example"),
            (0x23, b"TLS_AES_128_GCM_SHA256"),
            (0x24, b"RSA-SHA256"),
            (0x25, b"RSA2048"),
            (0x26, b"secp256r1"),
            (0x27, b"rsa_pss_rsae_sha256"),
            (0x28, b"\x30\x03\x02\x01\xFF"),
        ],
    );
    visitor()
        .checksum()
        .tlv(0x01, b"h2")
        .tlv(0x02, b"www.example")
        .tlv(0x05, b"id-1")
        .tlv(0x20, ssl)
        .tlv(0x30, b"blue")
        .tlv(0xEA, b"\x01vpce-0123456789abcdef0")
        .tlv(0xEE, b"\x01\x04\x03\x02\x01")
        .tlv(0xE0, 49_477_946_121_388_034_u64.to_be_bytes())
        .tlv(0x04, b"padding")
        .build()
}

on_each_nginx! {
    fn every_name_gives_its_value(which) {
        let shown = show(which, &NAMES, &[everything()]).remove(0);
        for (name, value) in [
            ("alpn", "h2"),
            ("authority", "www.example"),
            ("unique_id", "id-1"),
            ("netns", "blue"),
            ("ssl_version", "TLSv1.3"),
            ("ssl_cn", "visitor.example"),
            ("ssl_cipher", "TLS_AES_128_GCM_SHA256"),
            ("ssl_sig_alg", "RSA-SHA256"),
            ("ssl_key_alg", "RSA2048"),
            ("ssl_group", "secp256r1"),
            ("ssl_sig_scheme", "rsa_pss_rsae_sha256"),
            ("ssl_client_cert", "MAMCAf8="),
            ("ssl_verified", "1"),
            ("aws_vpce_id", "vpce-0123456789abcdef0"),
            ("azure_link_id", "16909060"),
            ("gcp_psc_id", "49477946121388034"),
        ] {
            assert_eq!(shown.tlv(name), value, "{name}");
        }
    }

    fn every_name_gives_its_bytes_in_hex(which) {
        let names = NAMES.map(|name| format!("hex_{name}"));
        let names = names.each_ref().map(String::as_str);
        let shown = show(which, &names, &[everything()]).remove(0);
        for (name, value) in [
            ("alpn", "6832"),
            ("authority", "7777772e6578616d706c65"),
            ("unique_id", "69642d31"),
            ("netns", "626c7565"),
            ("ssl_version", "544c5376312e33"),
            ("ssl_cn", "76697369746f722e6578616d706c65"),
            ("ssl_cipher", "544c535f4145535f3132385f47434d5f534841323536"),
            ("ssl_sig_alg", "5253412d534841323536"),
            ("ssl_key_alg", "52534132303438"),
            ("ssl_group", "736563703235367231"),
            ("ssl_sig_scheme", "7273615f7073735f727361655f736861323536"),
            ("ssl_client_cert", "30030201ff"),
            ("ssl_verified", "0700000000"),
            ("aws_vpce_id", "767063652d30313233343536373839616263646566 30"),
            ("azure_link_id", "04030201"),
            ("gcp_psc_id", "00afc7ee0ac80002"),
        ] {
            assert_eq!(shown.tlv(&format!("hex_{name}")), value.replace(' ', ""), "{name}");
        }
    }

    fn a_number_gives_any_type(which) {
        let names = ["0xea", "0xEA", "hex_0xea", "hex_0xEE", "0xe0", "hex_0x03", "hex_0x04", "0xf1"];
        let header = everything();
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
            NAMES.iter().flat_map(|name| [(*name).to_owned(), format!("hex_{name}")]).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let headers = [
            v1(VISITOR, LISTENER),
            visitor().build(),
            V2::local().build(),
            V2::raw(0x21, 0, &[]).build(),
            b"PROXY UNKNOWN\r\n".to_vec(),
            // Sub-TLVs of SSL outside of it are something else.
            visitor().tlv(0x21, b"TLSv1.3").tlv(0x22, b"admin").build(),
            // Vendors' TLVs that are not as the vendors write them.
            visitor()
                .tlv(0xEA, b"\x02vpce-1")
                .tlv(0xEE, b"\x01\x04\x03\x02")
                .tlv(0xE0, b"-----BEGIN CERTIFICATE-----")
                .build(),
            visitor().tlv(0xEA, b"").tlv(0xEE, b"").tlv(0xE0, b"").build(),
        ];
        for (number, shown) in show(which, &names, &headers).iter().enumerate() {
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

    /// CONFORMANCE T9; Dovecot, lighttpd and others trusted the name alone.
    fn a_common_name_is_given_only_where_it_was_verified(which) {
        let cn: &[(u8, &[u8])] = &[(0x22, b"admin")];
        let cases: [(u8, u32, &str, &str); 7] = [
            (0x07, 0, "1", "admin"),
            (0x03, 0, "1", "admin"),
            (0x05, 0, "1", "admin"),
            // No certificate, and a verify field that means nothing.
            (0x01, 0, "0", ""),
            (0x00, 0, "0", ""),
            // Not verified, in either byte order.
            (0x07, 1, "0", ""),
            (0x07, 0x0100_0000, "0", ""),
        ];
        let headers: Vec<_> = cases
            .iter()
            .map(|(client, verify, ..)| visitor().tlv(0x20, ssl_value(*client, *verify, cn)).build())
            .collect();
        let shown = show(which, &["ssl_verified", "ssl_cn", "hex_ssl_cn"], &headers);
        for ((client, verify, verified, name), shown) in cases.iter().zip(shown) {
            let case = format!("client {client:#x} verify {verify:#x}");
            assert_eq!(shown.tlv("ssl_verified"), *verified, "{case}");
            assert_eq!(shown.tlv("ssl_cn"), *name, "{case}");
            assert_eq!(shown.tlv("hex_ssl_cn").is_empty(), name.is_empty(), "{case}");
        }
    }

    /// Netty fell over these.
    fn ssl_tlvs_in_ssl_tlvs_are_not_looked_into(which) {
        let mut inner = ssl_value(7, 0, &[(0x22, b"admin")]);
        for _ in 0..400 {
            inner = ssl_value(7, 1, &[(0x20, &inner)]);
        }
        let headers = [visitor().tlv(0x20, &inner).build()];
        let shown = show(which, &["ssl_cn", "ssl_verified"], &headers).remove(0);
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
        let cases: [(&[u8], &str); 6] = [
            (b"a\r\nX-Injected: 1", r"a\x0D\x0AX-Injected: 1"),
            (b"a\0b\x07\x1b[2J\x7f", r"a\x00b\x07\x1B[2J\x7F"),
            (b"\xff\xfe\x80ok", r"\xFF\xFE\x80ok"),
            (b"back\\slash", r"back\x5Cslash"),
            ("m\u{fc}ller.example".as_bytes(), "m\u{fc}ller.example"),
            // A control character of two bytes.
            ("a\u{85}b".as_bytes(), r"a\xC2\x85b"),
        ];
        for (bytes, text) in cases {
            let header = visitor().tlv(0x02, bytes).build();
            let answer = Client::connect(port).send(header).get("/");
            assert_eq!(answer.header("x-authority"), Some(text));
            assert_eq!(answer.header("x-injected"), None);
            let upstream_saw = answer.text();
            assert!(upstream_saw.contains(&format!("X-Authority: {text}\r\n")), "{upstream_saw}");
            assert!(!upstream_saw.contains("\nX-Injected"), "{upstream_saw}");
        }
        realpeer_e2e::wait_until("a line for each", || {
            (nginx.log("tlv.log").lines().count() == cases.len()).then_some(())
        });
        let logged: Vec<_> = cases.iter().map(|(_, text)| format!("<{text}>\n")).collect();
        assert_eq!(nginx.log("tlv.log"), logged.concat());
    }

    /// 64 KiB of text that quadruples when it is escaped.
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
