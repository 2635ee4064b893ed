//! nginx: with no header, with its own `proxy_protocol` and realip, with realpeer.

use realpeer_e2e::Which;

use crate::Bench;
use crate::case::{Case, HTTP, Kind, STREAM, Way};
use crate::load::Talk;
use crate::report::{call_table, instruction_table, memory, time_tables};
use crate::server::{Server, Setup, Software};
use crate::table::{digits, head, row};

pub(crate) fn run(bench: &Bench) {
    let whiches: &[Which] =
        if bench.full { &[Which::Built, Which::Debian] } else { &[Which::Built] };
    for which in whiches {
        let setup = Setup::new(Software::Nginx(*which), bench.upstream);
        let name = if *which == Which::Built { "1.28.3" } else { "1.22.1" };
        println!("\n## nginx {name}");
        eprintln!("nginx {name}");
        let cases: Vec<Case> = HTTP.into_iter().chain(STREAM).collect();
        instruction_table(bench, &setup, &cases);
        call_table(bench, &setup, &cases);
        memory_table(bench, &setup);
        let timed: Vec<Case> =
            cases.into_iter().filter(|case| !case.apart && case.kind != Kind::Aws).collect();
        time_tables(bench, &setup, &timed);
    }
}

/// Those who wait have sent nothing, or the beginning of what is expected.
fn memory_table(bench: &Bench, setup: &Setup) {
    let count = bench.effort.waiting.min(crate::usage::most_connections());
    let case = Case::new("http", Talk::Http(1), Kind::V2);
    head(
        &format!("Bytes of the worker's memory for each of {count} connections that wait:"),
        &["what they have sent", "no header", "its own", "realpeer", "realpeer - no header"],
    );
    let rows: [(&str, &[&[u8]; 3]); 3] = [
        ("nothing", &[b"", b"", b""]),
        ("the beginning of a request, or of a line", &[b"GET / HT", b"", b"PROXY TCP4 192"]),
        (
            "the beginning of a request, or of a v2 header",
            &[b"GET / HT", b"", b"\r\n\r\n\0\r\nQUIT\n\x21\x11"],
        ),
    ];
    for (name, parts) in rows {
        let mut each = Way::ALL.iter().zip(parts).map(|(way, part)| {
            // It closes a connection whose header does not come at once.
            if *way == Way::Native && name != "nothing" {
                return None;
            }
            let server = bench.cores.of_server(|| Server::start(setup, &case, *way));
            Some(memory(&server, &server.settle(), count, part))
        });
        let mut next = || each.next().flatten();
        let (bare, native, realpeer) = (next(), next(), next());
        let text = |n: Option<f64>| n.map_or("cannot wait".to_owned(), digits);
        let more = realpeer.zip(bare).map(|(one, other)| one - other);
        row(&[name.to_owned(), text(bare), text(native), text(realpeer), text(more)]);
    }
}
