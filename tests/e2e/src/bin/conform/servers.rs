//! The vectors, and every kind of listener of the running servers.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::thread;

use realpeer_e2e::{Answer, HeaderLimits, Place, Receivers, Vars, Wanted};
use realpeer_testdata::Vector;

use crate::row::Held;
use crate::target::Column;

/// One connection, as far as it is known without the log.
struct Sent {
    vector: usize,
    place: Place,
    /// Who connected, and to which port.
    ends: (SocketAddr, u16),
    answer: Answer,
}

/// What is wrong, vector by vector and place by place.
pub fn held(vectors: &[Vector]) -> Vec<Held> {
    let limits: BTreeSet<_> = vectors.iter().map(limits).collect();
    let names = vectors.iter().flat_map(|vector| vector.fields.keys().chain(&vector.absent));
    let names: BTreeSet<_> = names.map(|name| variable(name)).collect();
    let wanted = Wanted {
        // A vector that is not decided as it should be is not waited for long.
        timeout: "60s",
        ..Wanted::all(limits.into_iter().collect(), names.into_iter().collect())
    };
    let receivers = Receivers::start(&wanted);
    let sent: Vec<Sent> = thread::scope(|scope| {
        let places: Vec<_> = receivers
            .places()
            .into_iter()
            .enumerate()
            .map(|(number, place)| {
                let receivers = &receivers;
                scope.spawn(move || all(receivers, number, place, vectors))
            })
            .collect();
        places.into_iter().flat_map(|place| place.join().expect("no panic")).collect()
    });
    let refusals = receivers.refusals();
    let judge = |sent: &Sent| {
        let vector = &vectors[sent.vector];
        let logged = refusals.get(&sent.ends).map(|refusal| &*refusal.result);
        let fault = fault(sent, vector, logged);
        Held {
            column: Column::of_place(sent.place),
            vector: sent.vector,
            fault: fault.map(|fault| format!("{:?}: {fault}", sent.place)),
        }
    };
    sent.iter().map(judge).collect()
}

/// Everything to one place, up to the second connection that stays open when it
/// should not: each of these takes long, and two tell enough.
fn all(receivers: &Receivers, number: usize, place: Place, vectors: &[Vector]) -> Vec<Sent> {
    let mut sent = Vec::new();
    let mut left_open = 0;
    for (vector, what) in vectors.iter().enumerate() {
        // Of its own, so that a log line is about nobody else.
        let from = format!("127.{}.{}.{}", 1 + number, vector / 250, 1 + vector % 250);
        let one = send(receivers, place, &from, vector, what);
        left_open += usize::from(one.answer == Answer::Open);
        sent.push(one);
        if left_open == 2 {
            break;
        }
    }
    sent
}

fn limits(vector: &Vector) -> HeaderLimits {
    (vector.max_header, vector.versions.clone())
}

/// The name of a field as variables have it.
fn variable(name: &str) -> String {
    if name.starts_with("0x") { name.to_lowercase() } else { name.to_owned() }
}

/// The bytes up to the one that decides, and a request only where it has to be
/// served: what is refused, is refused by these.
fn send(receivers: &Receivers, place: Place, from: &str, number: usize, vector: &Vector) -> Sent {
    let mut visit = receivers.connect(place, &limits(vector), from);
    let ends = visit.ends();
    let decisive = &vector.bytes[..vector.at];
    let answer = if vector.is_accepted() {
        visit.ask(decisive)
    } else {
        visit.send(decisive);
        if vector.is_refused() { visit.hear() } else { visit.finish() }
    };
    Sent { vector: number, place, ends, answer }
}

fn fault(sent: &Sent, vector: &Vector, logged: Option<&str>) -> Option<String> {
    if !vector.is_accepted() {
        let wanted = match &*vector.expect {
            "more" if vector.bytes.is_empty() => "silent",
            "more" => "truncated",
            word => word,
        };
        return (sent.answer != Answer::Closed || logged != Some(wanted))
            .then(|| format!("{:?}, logged {logged:?}", sent.answer));
    }
    let Answer::Served { client, vars } = &sent.answer else {
        return Some(format!("{:?}, logged {logged:?}", sent.answer));
    };
    let named = (vector.expect == "proxy").then_some((vector.source?, vector.destination?));
    let wanted = named.map_or(sent.ends.0.ip(), |(source, _)| source.ip().to_canonical());
    if client != &wanted.to_string() {
        return Some(format!("the client is {client}"));
    }
    vars.as_ref().and_then(|vars| wrong_variable(sent, vector, vars, named))
}

/// A variable that is not as the vector has it.
fn wrong_variable(
    sent: &Sent,
    vector: &Vector,
    vars: &Vars,
    named: Option<(SocketAddr, SocketAddr)>,
) -> Option<String> {
    let version = if vector.bytes.starts_with(b"P") { "1" } else { "2" };
    let ip = |ip: IpAddr| ip.to_canonical().to_string();
    let of = |value: fn((SocketAddr, SocketAddr)) -> SocketAddr| named.map(value);
    let [source, destination] = [of(|(source, _)| source), of(|(_, destination)| destination)];
    let address = |end: Option<SocketAddr>| end.map_or(String::new(), |end| ip(end.ip()));
    let port = |end: Option<SocketAddr>| end.map_or(String::new(), |end| end.port().to_string());
    let usual = [
        ("realpeer_result", vector.expect.clone()),
        ("realpeer_version", version.to_owned()),
        ("realpeer_addr", address(source)),
        ("realpeer_port", port(source)),
        ("realpeer_server_addr", address(destination)),
        ("realpeer_server_port", port(destination)),
        ("realpeer_proxy_addr", sent.ends.0.ip().to_string()),
        ("realpeer_proxy_port", sent.ends.0.port().to_string()),
    ];
    let usual = usual.into_iter().map(|(name, value)| (name.to_owned(), value));
    let tlv = |name: &String| format!("realpeer_tlv_{}", variable(name));
    let fields = vector.fields.iter().map(|(name, value)| (tlv(name), value.clone()));
    let absent = vector.absent.iter().map(|name| (tlv(name), String::new()));
    usual.chain(fields).chain(absent).find_map(|(name, wanted)| {
        let is = vars.var(&sent.place.variable(&name));
        (is != wanted).then(|| format!("{name} is {is:?}, not {wanted:?}"))
    })
}
