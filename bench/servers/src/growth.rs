//! How the cost of a connection grows: with the length of its header, with the
//! number of TLVs, with the connections that wait, and with workers.

use realpeer_e2e::{Mpm, V2, Which};

use crate::Bench;
use crate::case::{Case, Kind, LISTENER, VISITOR, Way};
use crate::load::{Talk, waiting};
use crate::measure::{Spread, grown_instructions, times};
use crate::server::{Server, Setup, Software};
use crate::table::{digits, head, row, spread};
use crate::usage::{most_connections, wait_for_descriptors};

const CASE: Case = Case::new("http", Talk::Http(1), Kind::V2);
const LONGEST: usize = 65_551;

pub(crate) fn run(bench: &Bench) {
    println!("\n## How it grows");
    eprintln!("growth");
    lengths(bench);
    tlvs(bench);
    waiters(bench);
    workers(bench);
}

fn setups(bench: &Bench) -> [Setup; 2] {
    [Software::Nginx(Which::Built), Software::Apache(Mpm::Prefork)]
        .map(|software| Setup { max_header: Some(LONGEST), ..Setup::new(software, bench.upstream) })
}

/// A row with what such a header costs realpeer, in both servers.
fn header_row(bench: &Bench, name: String, header: &[u8]) {
    eprintln!("  {name}");
    let [nginx, apache] = setups(bench).map(|setup| {
        let profile =
            grown_instructions(&setup, &CASE, Way::Realpeer, header, 0, bench.effort.counted);
        digits(profile.total)
    });
    row(&[name, digits(as_number(header.len())), nginx, apache]);
}

fn as_number(n: usize) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "not that many")]
    let n = n as f64;
    n
}

/// One TLV that has to be passed over makes a header as long as it is.
fn lengths(bench: &Bench) {
    head(
        "Instructions of a connection, by the length of its header (one TLV):",
        &["", "bytes", "nginx", "Apache (prefork)"],
    );
    header_row(bench, "no TLV".into(), &V2::proxy(VISITOR, LISTENER).build());
    let all = [100, 500, 1000, 2000, 4096, 16_384, LONGEST];
    let wanted: &[usize] = if bench.full { &all } else { &[100, 4096, LONGEST] };
    for length in wanted {
        let header = V2::proxy(VISITOR, LISTENER).padded_to(*length).build();
        header_row(bench, "one TLV".into(), &header);
    }
}

/// TLVs that say nothing, of a type nobody has asked for.
fn tlvs(bench: &Bench) {
    head(
        "Instructions of a connection, by the number of its TLVs:",
        &["TLVs", "bytes", "nginx", "Apache (prefork)"],
    );
    let all = [0, 1, 10, 100, 1000, 10_000];
    let wanted: &[usize] = if bench.full { &all } else { &[0, 100, 10_000] };
    for count in wanted {
        let mut header = V2::proxy(VISITOR, LISTENER);
        for _ in 0..*count {
            header = header.tlv(0xE5, []);
        }
        header_row(bench, count.to_string(), &header.build());
    }
}

/// A visitor comes while others wait, who have said nothing.
fn waiters(bench: &Bench) {
    let setup = Setup::new(Software::Nginx(Which::Built), bench.upstream);
    let header = CASE.kind.bytes();
    let all = [1, 10, 100, 1000, 10_000];
    let wanted: &[usize] = if bench.full { &all } else { &[1, 1000] };
    head(
        "nginx: instructions of a connection while others wait for their header or request:",
        &["waiting", "no header", "realpeer"],
    );
    for count in wanted {
        let count = (*count).min(most_connections());
        eprintln!("  {count} waiting, instructions");
        let each = [Way::Bare, Way::Realpeer].map(|way| {
            let header: &[u8] = if way == Way::Bare { &[] } else { &header };
            let more = bench.effort.counted;
            digits(grown_instructions(&setup, &CASE, way, header, count, more).total)
        });
        row(&[&[count.to_string()][..], &each].concat());
    }

    head(
        "nginx: microseconds of the worker's processor for a connection, likewise:",
        &["waiting", "no header", "realpeer"],
    );
    let all = [1, 100, 1000, 10_000, 20_000];
    let wanted: &[usize] = if bench.full { &all } else { &[1, 1000, 20_000] };
    for count in wanted {
        let count = (*count).min(most_connections() - bench.effort.burst);
        eprintln!("  {count} waiting, time");
        let each =
            [Way::Bare, Way::Realpeer].map(|way| spread(visitors(bench, &setup, way, count)));
        row(&[&[count.to_string()][..], &each].concat());
    }
}

fn visitors(bench: &Bench, setup: &Setup, way: Way, count: usize) -> Spread {
    let server = bench.cores.of_server(|| Server::start(setup, &CASE, way));
    let worked = server.settle();
    let before = worked.descriptors();
    let others = waiting(server.load.port, count, b"");
    wait_for_descriptors(&worked, before + count);
    worked.wait_until_at_rest();
    let visitors = bench.effort.burst;
    server.load.burst(&worked, visitors);
    let each = (0..bench.effort.rounds).map(|_| {
        let burst = server.load.burst(&worked, visitors);
        burst.server.as_secs_f64() * 1e6 / as_number(visitors)
    });
    let each = Spread::of(each);
    drop(others);
    each
}

fn workers(bench: &Bench) {
    let setup = Setup::new(Software::Nginx(Which::Built), bench.upstream);
    head(
        "nginx: connections in a second, and microseconds of processor for each, by workers \
         (the second shares its processor with the clients):",
        &["workers", "no header", "its own", "realpeer"],
    );
    for workers in [1, 2] {
        eprintln!("  {workers} workers");
        let setup = Setup { workers, ..setup };
        let times = times(&setup, &CASE, &bench.cores, &bench.effort);
        let each = Way::ALL.map(|way| {
            let rate = digits(times.of(way, |round| round.rate).middle);
            format!("{rate}, {}", spread(times.of(way, |round| round.cpu)))
        });
        row(&[&[workers.to_string()][..], &each].concat());
    }
}
