//! Headers that the library writes, read by others: HAProxy, nginx's own
//! `proxy_protocol`, Varnish. All of them have to see the same fields.

use std::net::SocketAddr;

use realpeer::{Outgoing, Ssl, Tlv, V1_MAX, types, write_ssl, write_v1};
use realpeer_e2e::{Client, HaProxy, Response, Site, Varnish, Which, location, on_each_nginx};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";
const VISITOR6: &str = "[2001:db8::7]:4321";
const LISTENER6: &str = "[2001:db8::1]:443";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A header, what it says, and what of it is in TLVs.
struct Written {
    name: &'static str,
    bytes: Vec<u8>,
    source: Option<SocketAddr>,
    destination: Option<SocketAddr>,
    has_tlvs: bool,
}

fn line(name: &'static str, addresses: Option<(&str, &str)>) -> Written {
    let addresses = addresses.map(|(source, destination)| (address(source), address(destination)));
    let mut bytes = vec![0; V1_MAX];
    let len = write_v1(addresses, &mut bytes).expect("a line");
    bytes.truncate(len);
    let (source, destination) = addresses.unzip();
    Written { name, bytes, source, destination, has_tlvs: false }
}

fn binary<'a, T: Iterator<Item = Tlv<'a>> + Clone>(
    name: &'static str,
    header: &Outgoing<'a, T>,
    addresses: Option<(&str, &str)>,
    has_tlvs: bool,
) -> Written {
    let mut bytes = vec![0; header.len().expect("a length")];
    header.write(&mut bytes).expect("a header");
    let addresses = addresses.map(|(source, destination)| (address(source), address(destination)));
    let (source, destination) = addresses.unzip();
    Written { name, bytes, source, destination, has_tlvs }
}

/// One of everything that can be written.
fn written() -> Vec<Written> {
    let ssl = {
        let within = [
            Tlv { kind: types::SSL_VERSION, value: b"TLSv1.3" },
            Tlv { kind: types::SSL_CN, value: b"the visitor" },
            Tlv { kind: types::SSL_CIPHER, value: b"TLS_AES_256_GCM_SHA384" },
        ];
        let mut value = vec![0; 256];
        let client = Ssl::SSL | Ssl::CERT_CONN | Ssl::CERT_SESS;
        let len = write_ssl(client, 0, within, &mut value).expect("a value");
        value.truncate(len);
        value
    };
    let tlvs = [
        Tlv { kind: types::ALPN, value: b"h2" },
        Tlv { kind: types::AUTHORITY, value: b"www.example.com" },
        Tlv { kind: types::UNIQUE_ID, value: b"an-id" },
        Tlv { kind: types::SSL, value: &ssl },
    ];
    let (v4, v6) = ((VISITOR, LISTENER), (VISITOR6, LISTENER6));
    let pair = |(source, destination)| Outgoing::proxy(address(source), address(destination));
    // As HAProxy has it, an IPv4 address in IPv6.
    let mixed = ("[::ffff:192.0.2.7]:4321", LISTENER6);
    vec![
        line("a line", Some(v4)),
        line("a line with IPv6", Some(v6)),
        line("a line with IPv4 in IPv6", Some(mixed)),
        line("a line that knows nobody", None),
        binary("a header", &pair(v4), Some(v4), false),
        binary("a header with IPv6", &pair(v6), Some(v6), false),
        binary("a header of both families", &pair((VISITOR, LISTENER6)), Some(mixed), false),
        binary("a header with a checksum", &pair(v4).checksum(true), Some(v4), false),
        binary("a header with TLVs", &pair(v4).tlvs(tlvs), Some(v4), true),
        binary(
            "a header with all",
            &pair(v6).tlvs(tlvs).checksum(true).pad_to_multiple(512),
            Some(v6),
            true,
        ),
        binary("a header of AWS", &pair(v4).checksum(true).pad_to_multiple(100), Some(v4), false),
        binary("a header for itself", &Outgoing::local(), None, false),
        binary(
            "a header of AWS for itself",
            &Outgoing::local().checksum(true).pad_to_multiple(100),
            None,
            false,
        ),
    ]
}

/// The answer to a request behind each header.
fn ask(port: u16, written: &Written) -> (Response, SocketAddr) {
    let mut client = Client::connect(port);
    let own = client.local();
    (client.send(&written.bytes).get("/"), own)
}

/// Address and port as text, in the one form that counts.
fn same_address(seen: (&str, &str), wanted: SocketAddr, name: &str) {
    let ip = seen.0.parse().unwrap_or_else(|_| panic!("{name}: {seen:?}"));
    let port = seen.1.parse().unwrap_or_else(|_| panic!("{name}: {seen:?}"));
    let seen = realpeer::canonical(SocketAddr::new(ip, port));
    assert_eq!(seen, realpeer::canonical(wanted), "{name}");
}

#[test]
fn haproxy_reads_what_is_written() {
    let mut haproxy = HaProxy::new();
    let page = "mode http\n    http-request return status 200 content-type text/plain lf-string \
                \"src=%[src]\\nsport=%[src_port]\\ndst=%[dst]\\ndport=%[dst_port]\\n\
                authority=%[fc_pp_authority]\\nid=%[fc_pp_unique_id]\\n\
                header=%[fc_rcvd_proxy]\\n\"";
    let port = haproxy.listener("accept-proxy", page, 9, "disabled");
    let _haproxy = haproxy.start();
    for written in written() {
        let (answer, own) = ask(port, &written);
        let var = |name: &str| answer.var(name);
        assert_eq!(var("header"), "1", "{}", written.name);
        let source = written.source.unwrap_or(own);
        same_address((&var("src"), &var("sport")), source, written.name);
        if let Some(destination) = written.destination {
            same_address((&var("dst"), &var("dport")), destination, written.name);
        }
        let tlvs = if written.has_tlvs { ("www.example.com", "an-id") } else { ("-", "-") };
        let seen = (var("authority"), var("id"));
        let seen = (seen.0.as_str(), seen.1.as_str());
        assert!(
            seen == tlvs || !written.has_tlvs && seen == ("", ""),
            "{}: {seen:?}",
            written.name
        );
    }

    // One bit, and HAProxy shows that it looks.
    let mut header = written().swap_remove(7).bytes;
    *header.last_mut().expect("bytes") ^= 1;
    Client::connect(port).send(header).send("GET / HTTP/1.1\r\n\r\n").must_be_closed();
}

on_each_nginx! {
    fn nginx_reads_what_is_written(which) {
        let mut site = Site::native(which);
        let port = site.port();
        let mut variables = vec![
            "proxy_protocol_addr",
            "proxy_protocol_port",
            "proxy_protocol_server_addr",
            "proxy_protocol_server_port",
        ];
        if which == Which::Built {
            // Debian's does not know them.
            variables.extend([
                "proxy_protocol_tlv_alpn",
                "proxy_protocol_tlv_authority",
                "proxy_protocol_tlv_unique_id",
                "proxy_protocol_tlv_ssl_verify",
                "proxy_protocol_tlv_ssl_version",
                "proxy_protocol_tlv_ssl_cn",
                "proxy_protocol_tlv_ssl_cipher",
            ]);
        }
        let page = location("/", &variables);
        site.http(format!("server {{ listen 127.0.0.1:{port} proxy_protocol; {page} }}"));
        let nginx = site.start();
        for written in written() {
            let (answer, _) = ask(port, &written);
            let var = |name: &str| answer.var(&format!("proxy_protocol_{name}"));
            match written.source.zip(written.destination) {
                Some((source, destination)) => {
                    same_address((&var("addr"), &var("port")), source, written.name);
                    let server = (var("server_addr"), var("server_port"));
                    same_address((&server.0, &server.1), destination, written.name);
                }
                None => assert_eq!(var("addr"), "", "{}", written.name),
            }
            if written.has_tlvs && which == Which::Built {
                for (name, wanted) in [
                    ("alpn", "h2"),
                    ("authority", "www.example.com"),
                    ("unique_id", "an-id"),
                    ("ssl_verify", "0"),
                    ("ssl_version", "TLSv1.3"),
                    ("ssl_cn", "the visitor"),
                    ("ssl_cipher", "TLS_AES_256_GCM_SHA384"),
                ] {
                    assert_eq!(var(&format!("tlv_{name}")), wanted, "{}", written.name);
                }
            }
        }
        drop(nginx);
    }
}

#[test]
fn varnish_reads_what_is_written() {
    let varnish = Varnish::page(&[
        ("src", "client.ip"),
        ("sport", "std.port(client.ip)"),
        ("dst", "server.ip"),
        ("dport", "std.port(server.ip)"),
        ("alpn", "proxy.alpn()"),
        ("authority", "proxy.authority()"),
        ("tls", "proxy.is_ssl()"),
        ("cert", "proxy.client_has_cert_conn()"),
        ("verify", "proxy.ssl_verify_result()"),
        ("version", "proxy.ssl_version()"),
        ("cn", "proxy.client_cert_cn()"),
        ("cipher", "proxy.ssl_cipher()"),
    ]);
    for written in written() {
        // It refuses UNKNOWN, which the specification has it accept.
        if written.bytes == b"PROXY UNKNOWN\r\n" {
            Client::connect(varnish.port()).send(&written.bytes).must_be_closed();
            continue;
        }
        let (answer, own) = ask(varnish.port(), &written);
        let var = |name: &str| answer.var(name);
        let source = written.source.unwrap_or(own);
        same_address((&var("src"), &var("sport")), source, written.name);
        if let Some(destination) = written.destination {
            same_address((&var("dst"), &var("dport")), destination, written.name);
        }
        if written.has_tlvs {
            for (name, wanted) in [
                ("alpn", "h2"),
                ("authority", "www.example.com"),
                ("tls", "true"),
                ("cert", "true"),
                ("verify", "0"),
                ("version", "TLSv1.3"),
                ("cn", "the visitor"),
                ("cipher", "TLS_AES_256_GCM_SHA384"),
            ] {
                assert_eq!(var(name), wanted, "{}: {name}", written.name);
            }
        }
    }
}
