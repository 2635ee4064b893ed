//! nginx with realpeer in http, stream and mail.

use std::collections::BTreeMap;
use std::path::Path;

use realpeer_e2e::{
    AuthHttp, Authority, PAGE, STREAM_PAGE, Site, StatusPage, Subsystem, Upstream, Watch, Which,
};

use crate::server::{POLICIES, Running, Server};
use crate::target::{NGINX, Target, column_of};

const WIDE: &str = "realpeer_max_header 65551; realpeer_versions 2; \
                    realpeer_no_address refuse; realpeer_timeout 200ms;";

pub fn start(watch: Watch, folder: &Path) -> (Running, Server) {
    let mut site = Site::new(Which::Built);
    site.watched(watch, folder);
    let authority = Authority::new();
    let certificate = site.certificate(&authority);
    let auth = AuthHttp::refusing();
    let behind = Upstream::mirror();
    let targets = NGINX.iter().flat_map(|column| column.targets);
    let ports: BTreeMap<_, _> = targets.map(|target| (*target, site.port())).collect();
    let (status, inner) = (site.port(), site.port());
    let dir = site.dir().display().to_string();
    let policies: String = POLICIES
        .iter()
        .map(|(policy, source)| format!("realpeer {policy} 127.0.{source}.0/24; "))
        .collect();
    let fields = "$server_port $realpeer_result $realpeer_tlv_authority \
                  $realpeer_tlv_ssl_cn $realpeer_tlv_aws_vpce_id $realpeer_tlv_hex_0xEA";
    site.http(format!(
        "{policies} realpeer_timeout 2s; realpeer_log_limit off; log_format soak '{fields}';
         client_header_timeout 1s; keepalive_timeout 1s; lingering_timeout 1s;
         send_timeout 1s;
         server {{ listen 127.0.0.1:{status}; realpeer off; access_log off; stub_status; }}
         server {{ listen 127.0.0.1:{inner}; realpeer off; access_log off; {PAGE} }}"
    ));
    site.stream(format!(
        "{policies} realpeer_timeout 2s; realpeer_log_limit off; log_format soak '{fields}';
         realpeer_access_log on;
         map $status $is_refused {{ default 0; 400 1; 403 1; }}
         map $status $is_served {{ default 1; 400 0; 403 0; }}
         preread_timeout 1s; proxy_timeout 1s; ssl_handshake_timeout 1s;"
    ));
    site.mail(format!(
        "{policies} realpeer_timeout 2s; realpeer_log_limit off; timeout 1s; {}",
        auth.directive()
    ));
    let to = |target| ports[&target];
    for (target, port) in &ports {
        let ssl = if target.is_tls() || *target == Target::StreamTlsPass { "ssl" } else { "" };
        let tls = if ssl.is_empty() { "" } else { &certificate };
        let wide = if target.is_wide() { WIDE } else { "" };
        let subsystem = Subsystem::ALL[column_of(&NGINX, *target)];
        let log = match subsystem {
            Subsystem::Mail => String::new(),
            Subsystem::Stream => format!(
                "access_log {dir}/soak.stream soak if=$is_served;
                 access_log {dir}/soak.refused soak if=$is_refused;"
            ),
            _ => format!("access_log {dir}/soak.{} soak;", subsystem.name()),
        };
        let serve = match target {
            Target::Stream | Target::StreamTls | Target::StreamWide => STREAM_PAGE.to_owned(),
            Target::StreamPreread => format!(
                "ssl_preread on; proxy_pass 127.0.0.1:{}; proxy_protocol on;",
                behind.port()
            ),
            Target::StreamPass => format!("pass 127.0.0.1:{inner};"),
            Target::StreamTlsPass => {
                format!("realpeer off; pass 127.0.0.1:{};", to(Target::Http))
            }
            Target::Pop3 | Target::Pop3Wide => "protocol pop3;".to_owned(),
            Target::Smtp => "protocol smtp;".to_owned(),
            Target::ImapTls => "protocol imap;".to_owned(),
            _ => PAGE.to_owned(),
        };
        site.block(
            subsystem,
            format!("server {{ listen 127.0.0.1:{port} {ssl}; {tls} {log} {wide} {serve} }}"),
        );
    }
    let server = Server {
        authority,
        columns: &NGINX,
        ports,
        status: StatusPage::Nginx(status),
        auth: Some(auth),
        _behind: Some(behind),
    };
    (Running::Nginx(site.start()), server)
}
