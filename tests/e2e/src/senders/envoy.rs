//! Envoy, with the header in its transport towards the servers.

use super::place::Receiver;
use super::program::envoy;
use super::starter::{Running, Starter};
use super::visit::{Visited, over_ipv4, over_ipv6};

const EXTENSIONS: &str = "type.googleapis.com/envoy.extensions";

/// Starts it; `listener` is an address of its listener in JSON, with PORT for
/// the port; `header` says what header, `cluster` more of the servers.
fn start(receiver: &Receiver, listener: &str, header: &str, cluster: &str) -> (Running, u16) {
    let mut starter = Starter::new("envoy");
    let front = starter.port();
    let listener = listener.replace("PORT", &front.to_string());
    let target = receiver.port;
    let config = starter.file(
        "envoy.json",
        &format!(
            r#"{{"static_resources": {{
  "listeners": [{{"address": {listener}, "filter_chains": [{{"filters": [{{
    "name": "envoy.filters.network.tcp_proxy", "typed_config": {{
      "@type": "{EXTENSIONS}.filters.network.tcp_proxy.v3.TcpProxy",
      "stat_prefix": "front", "cluster": "behind"}}}}]}}]}}],
  "clusters": [{{"name": "behind", "type": "STATIC", {cluster}
    "load_assignment": {{"cluster_name": "behind", "endpoints": [{{"lb_endpoints": [
      {{"endpoint": {{"address": {{"socket_address":
        {{"address": "127.0.0.1", "port_value": {target}}}}}}}}}]}}]}},
    "transport_socket": {{"name": "envoy.transport_sockets.upstream_proxy_protocol",
      "typed_config": {{
        "@type": "{EXTENSIONS}.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
        "config": {{{header}}},
        "transport_socket": {{"name": "envoy.transport_sockets.raw_buffer", "typed_config": {{
          "@type": "{EXTENSIONS}.transport_sockets.raw_buffer.v3.RawBuffer"}}}}}}}}}}]}}}}"#
        ),
    );
    let arguments = [
        "--config-path",
        &config,
        "--concurrency",
        "1",
        // Two that run at once would share memory by its number.
        "--use-dynamic-base-id",
        "--log-level",
        "warning",
    ];
    (starter.start(&envoy(), &arguments), front)
}

const IPV4: &str = r#"{"socket_address": {"address": "127.0.0.1", "port_value": PORT}}"#;
const IPV6: &str = r#"{"socket_address": {"address": "::1", "port_value": PORT}}"#;

pub(super) fn ipv4(receiver: &Receiver, header: &str) -> Visited {
    let (_envoy, front) = start(receiver, IPV4, header, "");
    over_ipv4(front)
}

pub(super) fn ipv6(receiver: &Receiver, header: &str) -> Visited {
    let (_envoy, front) = start(receiver, IPV6, header, "");
    over_ipv6(front)
}

/// It looks after its servers by itself.
pub(super) fn check(receiver: &Receiver, header: &str) -> Visited {
    let check = r#""health_checks": [{"timeout": "20s", "interval": "0.1s",
        "unhealthy_threshold": 1, "healthy_threshold": 1, "reuse_connection": false,
        "no_traffic_interval": "0.1s", "no_traffic_healthy_interval": "0.1s",
        "http_health_check": {"path": "/check"}}],"#;
    let (_envoy, _) = start(receiver, IPV4, header, check);
    receiver.wait_for(2);
    Visited::nobody()
}
