//! Every sender in every way, and what is expected of it.

use super::place::{Place, Receiver};
use super::program::Sender;
use super::visit::Visited;
use super::wanted::Tlv::{Is, Long, Some as Any};
use super::wanted::Whose::{Senders, SendersNamed, Visitors};
use super::wanted::{Read, Tlv, Wanted};
use super::{balancers, checks, clients, clouds, dns, envoy, tls_ends, varnish};
use crate::which::Which;

/// A sender in one of its ways.
#[derive(Debug)]
pub struct Row {
    pub sender: Sender,
    /// Behind the sender's name: what a test is called.
    pub test: &'static str,
    /// What the sender was told, or who came to it.
    pub how: &'static str,
    pub(super) visit: fn(&Receiver, &str) -> Visited,
    /// For `visit`: the words of its configuration that matter.
    pub(super) words: &'static str,
    pub places: &'static [Place],
    pub wanted: Wanted,
}

impl Row {
    /// As a test is called: the sender, and the way.
    pub fn name(&self) -> String {
        let sender = self.sender.name().to_lowercase().replace([' ', '.'], "_");
        format!("{sender}::{}", self.test)
    }
}

const HTTP: &[Place] = &[Place::Http(Which::Debian), Place::Http(Which::Built), Place::Apache];
const TLS_AND_HTTP2: &[Place] =
    &[Place::Https(Which::Debian), Place::Https(Which::Built), Place::ApacheTls];
const STREAM_AND_APACHE: &[Place] =
    &[Place::Stream(Which::Debian), Place::Stream(Which::Built), Place::Apache];
const MAIL: &[Place] = &[Place::Mail(Which::Debian), Place::Mail(Which::Built)];
const DATAGRAMS: &[Place] = &[Place::Datagrams];

type Tlvs = &'static [(&'static str, Tlv)];

const NONE: Tlvs = &[];
const CHECKSUM: Tlvs = &[("hex_0x03", Long(8))];

const V1: Wanted = Wanted::v1(Visitors);
const V2: Wanted = Wanted::v2(Visitors, NONE);
/// A header without an address: version 1 says UNKNOWN.
const UNKNOWN: Wanted = Wanted::Read(Read { result: "no_address", ..Read::v1(Senders) });
const LOCAL: Wanted = Wanted::v2(Senders, NONE);
const OWN_V1: Wanted = Wanted::v1(SendersNamed);

const DIRECT: Wanted = Wanted::Read(Read { result: "direct", version: None, ..Read::v1(Senders) });

const TLS: Tlvs = &[("ssl_version", Is("TLSv1.3")), ("ssl_verified", Is("0"))];
/// HAProxy says that there is none.
const NO_TLS: Tlvs = &[("ssl_verified", Is("0"))];
const TLS_NAMED: Tlvs =
    &[("ssl_version", Is("TLSv1.3")), ("ssl_verified", Is("1")), ("ssl_cn", Is("visitor.example"))];
const EVERYTHING: Tlvs = &[
    ("hex_0x03", Long(8)),
    ("unique_id", Is("connection-1")),
    ("authority", Is("localhost")),
    ("ssl_version", Is("TLSv1.3")),
    ("ssl_verified", Is("1")),
    ("ssl_cn", Is("visitor.example")),
    ("ssl_cipher", Any),
    ("ssl_key_alg", Any),
    ("ssl_sig_alg", Is("ecdsa-with-SHA256")),
];
const HITCH: Tlvs = &[
    ("authority", Is("localhost")),
    ("ssl_version", Is("TLSv1.3")),
    ("ssl_cipher", Any),
    ("ssl_verified", Is("0")),
];
/// The client's certificate, as text, in a type of its own.
const HITCH_NAMED: Tlvs = &[
    ("authority", Is("localhost")),
    ("ssl_version", Is("TLSv1.3")),
    ("ssl_cipher", Any),
    ("ssl_verified", Is("1")),
    ("hex_0xe0", Any),
];
const DNSDIST: Tlvs =
    &[("alpn", Is("dot")), ("unique_id", Is("question-1")), ("hex_0xe0", Is("78"))];
const ENVOY: Tlvs = &[
    ("authority", Is("www.example")),
    ("unique_id", Is("id-1")),
    ("gcp_psc_id", Is("49477946121388034")),
    ("hex_0xe0", Is("00afc7ee0ac80002")),
];
/// The bytes of the values in base64.
const ENVOY_TLVS: &str = r#""version": "V2", "added_tlvs": [
    {"type": 2, "value": "d3d3LmV4YW1wbGU="}, {"type": 5, "value": "aWQtMQ=="},
    {"type": 224, "value": "AK/H7grIAAI="}]"#;

const fn v2(tlvs: Tlvs) -> Wanted {
    Wanted::v2(Visitors, tlvs)
}

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    Row { sender: Sender::HaProxy, test: "send_proxy", how: "`send-proxy`",
        visit: balancers::haproxy, words: "send-proxy",
        places: HTTP, wanted: V1 },
    Row { sender: Sender::HaProxy, test: "send_proxy_ipv6", how: "`send-proxy`, over IPv6",
        visit: balancers::haproxy_ipv6, words: "send-proxy",
        places: HTTP, wanted: V1 },
    Row { sender: Sender::HaProxy, test: "send_proxy_mixed", how: "`send-proxy`, `set-src` an IPv6 address on IPv4",
        visit: balancers::haproxy_mixed, words: "send-proxy",
        places: HTTP, wanted: V1 },
    Row { sender: Sender::HaProxy, test: "send_proxy_unix", how: "`send-proxy`, over a Unix socket",
        visit: balancers::haproxy_unix, words: "send-proxy",
        places: HTTP, wanted: UNKNOWN },
    Row { sender: Sender::HaProxy, test: "send_proxy_v2", how: "`send-proxy-v2`",
        visit: balancers::haproxy, words: "send-proxy-v2",
        places: HTTP, wanted: V2 },
    Row { sender: Sender::HaProxy, test: "send_proxy_v2_ipv6", how: "`send-proxy-v2`, over IPv6",
        visit: balancers::haproxy_ipv6, words: "send-proxy-v2",
        places: HTTP, wanted: V2 },
    Row { sender: Sender::HaProxy, test: "send_proxy_v2_mixed", how: "`send-proxy-v2`, `set-src` an IPv6 address on IPv4",
        visit: balancers::haproxy_mixed, words: "send-proxy-v2",
        places: HTTP, wanted: V2 },
    Row { sender: Sender::HaProxy, test: "send_proxy_v2_unix", how: "`send-proxy-v2`, over a Unix socket",
        visit: balancers::haproxy_unix, words: "send-proxy-v2",
        places: HTTP, wanted: LOCAL },
    Row { sender: Sender::HaProxy, test: "crc32c", how: "`send-proxy-v2`, `crc32c`",
        visit: balancers::haproxy, words: "send-proxy-v2 proxy-v2-options crc32c",
        places: HTTP, wanted: v2(CHECKSUM) },
    Row { sender: Sender::HaProxy, test: "unique_id", how: "`send-proxy-v2`, `unique-id`",
        visit: balancers::haproxy, words: "send-proxy-v2 proxy-v2-options unique-id",
        places: HTTP, wanted: v2(&[("unique_id", Is("connection-1"))]) },
    Row { sender: Sender::HaProxy, test: "authority", how: "`send-proxy-v2`, `authority`, over TLS",
        visit: balancers::haproxy_tls_without, words: "send-proxy-v2 proxy-v2-options authority",
        places: HTTP, wanted: v2(&[("authority", Is("localhost"))]) },
    Row { sender: Sender::HaProxy, test: "send_proxy_v2_ssl", how: "`send-proxy-v2-ssl`, over TLS",
        visit: balancers::haproxy_tls_without, words: "send-proxy-v2-ssl",
        places: HTTP, wanted: v2(TLS) },
    Row { sender: Sender::HaProxy, test: "send_proxy_v2_ssl_cn", how: "`send-proxy-v2-ssl-cn`, over TLS with a certificate",
        visit: balancers::haproxy_tls_with_certificate, words: "send-proxy-v2-ssl-cn",
        places: HTTP, wanted: v2(TLS_NAMED) },
    Row { sender: Sender::HaProxy, test: "send_proxy_v2_ssl_cn_anonymous", how: "`send-proxy-v2-ssl-cn`, over TLS without a certificate",
        visit: balancers::haproxy_tls_without, words: "send-proxy-v2-ssl-cn",
        places: HTTP, wanted: v2(TLS) },
    Row { sender: Sender::HaProxy, test: "send_proxy_v2_ssl_cn_plain", how: "`send-proxy-v2-ssl-cn`, without TLS",
        visit: balancers::haproxy, words: "send-proxy-v2-ssl-cn",
        places: HTTP, wanted: v2(NO_TLS) },
    Row { sender: Sender::HaProxy, test: "everything", how: "`send-proxy-v2-ssl-cn`, all `proxy-v2-options`, over TLS with a certificate",
        visit: balancers::haproxy_tls_with_certificate, words: "send-proxy-v2-ssl-cn proxy-v2-options crc32c,unique-id,authority,ssl,cert-cn,cert-key,cert-sig,ssl-cipher",
        places: HTTP, wanted: v2(EVERYTHING) },
    Row { sender: Sender::HaProxy, test: "http_check_v1", how: "check by `httpchk`, `send-proxy`",
        visit: checks::haproxy_http, words: "send-proxy",
        places: HTTP, wanted: OWN_V1 },
    Row { sender: Sender::HaProxy, test: "http_check_v2", how: "check by `httpchk`, `send-proxy-v2`",
        visit: checks::haproxy_http, words: "send-proxy-v2",
        places: HTTP, wanted: LOCAL },
    Row { sender: Sender::HaProxy, test: "http_check_v2_crc32c", how: "check by `httpchk`, `send-proxy-v2`, `crc32c`",
        visit: checks::haproxy_http, words: "send-proxy-v2 proxy-v2-options crc32c",
        places: HTTP, wanted: Wanted::v2(Senders, CHECKSUM) },
    Row { sender: Sender::HaProxy, test: "connect_check_v1", how: "check by connecting, `send-proxy`",
        visit: checks::haproxy_connect, words: "send-proxy",
        places: HTTP, wanted: Wanted::Quiet },
    Row { sender: Sender::HaProxy, test: "connect_check_v2", how: "check by connecting, `send-proxy-v2`",
        visit: checks::haproxy_connect, words: "send-proxy-v2",
        places: HTTP, wanted: Wanted::Quiet },

    Row { sender: Sender::Nginx(Which::Debian), test: "ipv4", how: "`proxy_protocol on`",
        visit: balancers::nginx_debian, words: "IPv4",
        places: HTTP, wanted: V1 },
    Row { sender: Sender::Nginx(Which::Debian), test: "ipv6", how: "`proxy_protocol on`, over IPv6",
        visit: balancers::nginx_debian, words: "IPv6",
        places: HTTP, wanted: V1 },
    Row { sender: Sender::Nginx(Which::Debian), test: "unix", how: "`proxy_protocol on`, over a Unix socket",
        visit: balancers::nginx_debian, words: "Unix",
        places: HTTP, wanted: UNKNOWN },

    Row { sender: Sender::Nginx(Which::Built), test: "ipv4", how: "`proxy_protocol on`",
        visit: balancers::nginx_built, words: "IPv4",
        places: HTTP, wanted: V1 },
    Row { sender: Sender::Nginx(Which::Built), test: "ipv6", how: "`proxy_protocol on`, over IPv6",
        visit: balancers::nginx_built, words: "IPv6",
        places: HTTP, wanted: V1 },
    Row { sender: Sender::Nginx(Which::Built), test: "unix", how: "`proxy_protocol on`, over a Unix socket",
        visit: balancers::nginx_built, words: "Unix",
        places: HTTP, wanted: UNKNOWN },

    Row { sender: Sender::NewerNginx, test: "v2", how: "`proxy_protocol v2`, as it is written",
        visit: clouds::newer_nginx, words: "",
        places: HTTP, wanted: v2(CHECKSUM) },

    Row { sender: Sender::Stunnel, test: "ipv4", how: "`protocol = proxy`",
        visit: tls_ends::stunnel, words: "127.0.0.1",
        places: HTTP, wanted: V1 },
    Row { sender: Sender::Stunnel, test: "ipv6", how: "`protocol = proxy`, over IPv6",
        visit: tls_ends::stunnel, words: "::1",
        places: HTTP, wanted: V1 },

    Row { sender: Sender::Hitch, test: "v1", how: "`write-proxy-v1`",
        visit: tls_ends::hitch, words: "127.0.0.1\nwrite-proxy-v1 = on",
        places: HTTP, wanted: V1 },
    Row { sender: Sender::Hitch, test: "v1_ipv6", how: "`write-proxy-v1`, over IPv6",
        visit: tls_ends::hitch, words: "::1\nwrite-proxy-v1 = on",
        places: HTTP, wanted: V1 },
    Row { sender: Sender::Hitch, test: "v2", how: "`write-proxy-v2`",
        visit: tls_ends::hitch, words: "127.0.0.1\nwrite-proxy-v2 = on",
        places: HTTP, wanted: v2(HITCH) },
    Row { sender: Sender::Hitch, test: "v2_ipv6", how: "`write-proxy-v2`, over IPv6",
        visit: tls_ends::hitch, words: "::1\nwrite-proxy-v2 = on",
        places: HTTP, wanted: v2(HITCH) },
    Row { sender: Sender::Hitch, test: "v2_no_tlvs", how: "`write-proxy-v2`, `proxy-tlv = off`",
        visit: tls_ends::hitch, words: "127.0.0.1\nwrite-proxy-v2 = on\nproxy-tlv = off",
        places: HTTP, wanted: v2(&[("authority", Is("localhost"))]) },
    Row { sender: Sender::Hitch, test: "v2_client_certificate", how: "`write-proxy-v2`, with a client's certificate",
        visit: tls_ends::hitch, words: "127.0.0.1\nwrite-proxy-v2 = on\nproxy-client-cert = on\nclient-verify = required\nclient-verify-ca = \"AUTHORITY\"",
        places: HTTP, wanted: v2(HITCH_NAMED) },

    Row { sender: Sender::Varnish, test: "v1", how: "`.proxy_header = 1`",
        visit: varnish::ipv4, words: ".proxy_header = 1;",
        places: HTTP, wanted: V1 },
    Row { sender: Sender::Varnish, test: "v1_ipv6", how: "`.proxy_header = 1`, over IPv6",
        visit: varnish::ipv6, words: ".proxy_header = 1;",
        places: HTTP, wanted: V1 },
    Row { sender: Sender::Varnish, test: "v2", how: "`.proxy_header = 2`",
        visit: varnish::ipv4, words: ".proxy_header = 2;",
        places: HTTP, wanted: V2 },
    Row { sender: Sender::Varnish, test: "v2_ipv6", how: "`.proxy_header = 2`, over IPv6",
        visit: varnish::ipv6, words: ".proxy_header = 2;",
        places: HTTP, wanted: V2 },
    Row { sender: Sender::Varnish, test: "probe_v1", how: "probe, `.proxy_header = 1`",
        visit: varnish::probe, words: ".proxy_header = 1;",
        places: HTTP, wanted: OWN_V1 },
    Row { sender: Sender::Varnish, test: "probe_v2", how: "probe, `.proxy_header = 2`",
        visit: varnish::probe, words: ".proxy_header = 2;",
        places: HTTP, wanted: LOCAL },

    Row { sender: Sender::DnsDist, test: "tcp", how: "`useProxyProtocol`, over TCP",
        visit: dns::tcp, words: "",
        places: STREAM_AND_APACHE, wanted: V2 },
    Row { sender: Sender::DnsDist, test: "tcp_tlvs", how: "`useProxyProtocol`, `SetProxyProtocolValuesAction`, over TCP",
        visit: dns::tcp, words: "addAction(AllRule(), SetProxyProtocolValuesAction({[1]='dot', [5]='question-1', [224]='x'}))",
        places: STREAM_AND_APACHE, wanted: v2(DNSDIST) },
    Row { sender: Sender::DnsDist, test: "https", how: "`useProxyProtocol`, `dohPath`: the header is inside TLS",
        visit: dns::https, words: "",
        places: TLS_AND_HTTP2, wanted: Wanted::Refused("no_header") },
    Row { sender: Sender::DnsDist, test: "udp", how: "`useProxyProtocol`, over UDP",
        visit: dns::udp, words: "",
        places: DATAGRAMS, wanted: V2 },
    Row { sender: Sender::DnsDist, test: "udp_ipv6", how: "`useProxyProtocol`, over UDP and IPv6",
        visit: dns::udp_ipv6, words: "",
        places: DATAGRAMS, wanted: V2 },
    Row { sender: Sender::DnsDist, test: "udp_tlvs", how: "`useProxyProtocol`, `SetProxyProtocolValuesAction`, over UDP",
        visit: dns::udp, words: "addAction(AllRule(), SetProxyProtocolValuesAction({[1]='dot', [5]='question-1', [224]='x'}))",
        places: DATAGRAMS, wanted: v2(DNSDIST) },
    Row { sender: Sender::DnsDist, test: "udp_check", how: "check, `useProxyProtocol`, over UDP",
        visit: dns::udp_check, words: "",
        places: DATAGRAMS, wanted: LOCAL },

    Row { sender: Sender::Envoy, test: "v1", how: "`version: V1`",
        visit: envoy::ipv4, words: r#""version": "V1""#,
        places: HTTP, wanted: V1 },
    Row { sender: Sender::Envoy, test: "v1_ipv6", how: "`version: V1`, over IPv6",
        visit: envoy::ipv6, words: r#""version": "V1""#,
        places: HTTP, wanted: V1 },
    Row { sender: Sender::Envoy, test: "v2", how: "`version: V2`",
        visit: envoy::ipv4, words: r#""version": "V2""#,
        places: HTTP, wanted: V2 },
    Row { sender: Sender::Envoy, test: "v2_ipv6", how: "`version: V2`, over IPv6",
        visit: envoy::ipv6, words: r#""version": "V2""#,
        places: HTTP, wanted: V2 },
    Row { sender: Sender::Envoy, test: "v2_added_tlvs", how: "`version: V2`, `added_tlvs`",
        visit: envoy::ipv4, words: ENVOY_TLVS,
        places: HTTP, wanted: v2(ENVOY) },
    Row { sender: Sender::Envoy, test: "check_v1", how: "check by HTTP, `version: V1`",
        visit: envoy::check, words: r#""version": "V1""#,
        places: HTTP, wanted: OWN_V1 },
    Row { sender: Sender::Envoy, test: "check_v2", how: "check by HTTP, `version: V2`",
        visit: envoy::check, words: r#""version": "V2""#,
        places: HTTP, wanted: LOCAL },

    Row { sender: Sender::Curl, test: "haproxy_protocol", how: "`--haproxy-protocol`",
        visit: clients::curl, words: "127.0.0.1",
        places: HTTP, wanted: OWN_V1 },
    Row { sender: Sender::Curl, test: "haproxy_protocol_ipv6", how: "`--haproxy-protocol`, over IPv6",
        visit: clients::curl, words: "[::1]",
        places: HTTP, wanted: OWN_V1 },

    Row { sender: Sender::Libcurl, test: "client_ip", how: "`CURLOPT_HAPROXY_CLIENT_IP`, IPv4 over IPv4",
        visit: clients::libcurl, words: "127.0.0.1 192.0.2.7",
        places: HTTP, wanted: V1 },
    Row { sender: Sender::Libcurl, test: "client_ip_v6", how: "`CURLOPT_HAPROXY_CLIENT_IP`, IPv6 over IPv6",
        visit: clients::libcurl, words: "[::1] 2001:db8::7",
        places: HTTP, wanted: V1 },
    Row { sender: Sender::Libcurl, test: "client_ip_mixed", how: "`CURLOPT_HAPROXY_CLIENT_IP`, IPv6 over IPv4",
        visit: clients::libcurl_refused, words: "127.0.0.1 2001:db8::7",
        places: HTTP, wanted: Wanted::Refused("bad_v1") },

    Row { sender: Sender::Swaks, test: "v1", how: "`--proxy-version 1`",
        visit: clients::swaks, words: "--proxy-version 1 --proxy-family TCP4 --proxy-source 192.0.2.7 --proxy-source-port 4321 --proxy-dest 198.51.100.1 --proxy-dest-port 25",
        places: MAIL, wanted: V1 },
    Row { sender: Sender::Swaks, test: "v1_ipv6", how: "`--proxy-version 1`, IPv6",
        visit: clients::swaks, words: "--proxy-version 1 --proxy-family TCP6 --proxy-source 2001:db8::7 --proxy-source-port 4321 --proxy-dest 2001:db8::1 --proxy-dest-port 25",
        places: MAIL, wanted: V1 },
    Row { sender: Sender::Swaks, test: "v2", how: "`--proxy-version 2`",
        visit: clients::swaks, words: "--proxy-version 2 --proxy-family AF_INET --proxy-source 192.0.2.7 --proxy-source-port 4321 --proxy-dest 198.51.100.1 --proxy-dest-port 25",
        places: MAIL, wanted: V2 },
    Row { sender: Sender::Swaks, test: "v2_ipv6", how: "`--proxy-version 2`, IPv6",
        visit: clients::swaks, words: "--proxy-version 2 --proxy-family AF_INET6 --proxy-source 2001:db8::7 --proxy-source-port 4321 --proxy-dest 2001:db8::1 --proxy-dest-port 25",
        places: MAIL, wanted: V2 },
    Row { sender: Sender::Swaks, test: "v2_local", how: "`--proxy-command LOCAL`, written as command 2",
        visit: clients::swaks, words: "--proxy-version 2 --proxy-command LOCAL --proxy-family AF_INET --proxy-source 192.0.2.7 --proxy-source-port 4321 --proxy-dest 198.51.100.1 --proxy-dest-port 25",
        places: MAIL, wanted: Wanted::Refused("bad_command") },

    Row { sender: Sender::Aws, test: "nlb", how: "NLB",
        visit: clouds::aws, words: "",
        places: HTTP, wanted: v2(CHECKSUM) },
    Row { sender: Sender::Aws, test: "nlb_private_link", how: "NLB, through PrivateLink",
        visit: clouds::aws_private_link, words: "vpce-0123456789abcdef0",
        places: HTTP, wanted: v2(&[("hex_0x03", Long(8)), ("aws_vpce_id", Is("vpce-0123456789abcdef0"))]) },
    Row { sender: Sender::Aws, test: "nlb_check", how: "NLB, health check",
        visit: clouds::aws_check, words: "",
        places: HTTP, wanted: Wanted::v2(Senders, &[("hex_0x03", Is("bce5951f"))]) },
    Row { sender: Sender::Aws, test: "classic", how: "Classic ELB",
        visit: clouds::aws_classic, words: "",
        places: HTTP, wanted: V1 },
    Row { sender: Sender::Aws, test: "classic_check", how: "Classic ELB, health check without a header, `direct`",
        visit: clouds::aws_classic_check, words: "127.0.0.2",
        places: HTTP, wanted: DIRECT },

    Row { sender: Sender::Azure, test: "private_link", how: "Private Link",
        visit: clouds::azure, words: "",
        places: HTTP, wanted: v2(&[("azure_link_id", Is("16909060"))]) },
    Row { sender: Sender::Azure, test: "probe", how: "Private Link, probe",
        visit: clouds::azure_probe, words: "",
        places: HTTP, wanted: LOCAL },

    Row { sender: Sender::Google, test: "private_service_connect", how: "Private Service Connect",
        visit: clouds::google, words: "",
        places: HTTP, wanted: v2(&[("gcp_psc_id", Is("49477946121388034")), ("hex_0xe0", Is("00afc7ee0ac80002"))]) },
];
