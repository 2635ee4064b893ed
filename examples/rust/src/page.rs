//! The page, as HTML.

use std::net::SocketAddr;

use crate::visit::Visit;

const STYLE: &str = "
  body { margin: 2rem auto; padding: 0 1rem; max-width: 52rem;
         font: 1rem/1.5 system-ui, sans-serif; }
  ul { display: flex; flex-wrap: wrap; gap: 1rem; padding: 0; list-style: none; }
  li { flex: 1; padding: .8rem 1rem; border: 1px solid #ccd3dd;
       border-radius: .6rem; }
  b { display: block; font: 1.35rem monospace; overflow-wrap: anywhere; }
  th { padding-right: 1rem; font-weight: 400; text-align: left; }
  td { font-family: monospace; overflow-wrap: anywhere; }
";

pub(crate) fn page(visit: &Visit, server: &str, request: &[(&'static str, String)]) -> String {
    let (visitor, here) = (end("visitor", visit.visitor), end("server", visit.here));
    let balancer = match visit.balancer {
        Some(address) => end("balancer", address),
        None => r#"<b id="balancer">none</b>"#.to_owned(),
    };
    let (header, request) = (table(&visit.header), table(request));
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>realpeer: {title}</title>
<style>{STYLE}</style>
<h1>Who is there, seen from {server} behind a load balancer</h1>
<ul>
<li>Visitor {visitor}
<li>Balancer {balancer}
<li>This server {here}
</ul>
<h2>The header</h2>
{header}
<h2>The request</h2>
{request}
</html>
"#,
        title = visit.visitor.ip(),
    )
}

fn end(id: &str, address: SocketAddr) -> String {
    format!(r#"<b id="{id}">{}</b> port {}"#, address.ip(), address.port())
}

fn table(rows: &[(&'static str, String)]) -> String {
    let rows: String = rows
        .iter()
        .map(|(name, value)| format!("<tr><th>{name}</th><td>{}</td></tr>\n", escaped(value)))
        .collect();
    format!("<table>\n{rows}</table>")
}

/// Somebody else wrote the TLVs.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
