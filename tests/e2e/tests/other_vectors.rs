//! Inputs of other projects' test suites, before every kind of listener of the
//! running servers: whole, cut in two at every place, and byte by byte.
//!
//! They are not ours to copy: `REALPEER_OTHER_VECTORS` names the file, a JSON
//! object a line, and where it is not set this says that it was skipped.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::thread;

use realpeer_e2e::{Answer, HeaderLimits, Page, Place, Receivers, Visit, Wanted};
use serde_json::Value;

/// Where the servers differ from the reading that comes with the inputs, and
/// why.
const ARGUED: &[(&str, &str)] = &[];

/// As many connections wait at a time as every server takes, those of its other
/// listener beside them.
const AT_ONCE: usize = 20;
/// Of a header longer than this not every cut is tried, nor is every byte of it
/// looked at before the next is sent.
const SHORT: usize = 1000;

struct Input {
    id: String,
    spec: String,
    /// Up to the end of the header, where there is one.
    bytes: Vec<u8>,
    source: Option<SocketAddr>,
}

impl Input {
    fn read(line: &str) -> Self {
        let value: Value = serde_json::from_str(line).expect("JSON");
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let hex = text("bytes_hex");
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        let mut bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        let spec = text("spec");
        if let (Some(length), true) = (value["header_len"].as_u64(), spec == "accept") {
            // What follows is a request of ours, that there is an answer to.
            bytes.truncate(usize::try_from(length).expect("a length"));
        }
        let source = text("src");
        let source = source.split_once('|').and_then(|(ip, port)| {
            Some(SocketAddr::new(ip.parse::<IpAddr>().ok()?, port.parse().ok()?))
        });
        Self { id: text("id"), spec, bytes, source }
    }

    fn is_accepted(&self) -> bool {
        self.spec == "accept"
    }

    fn cuts(&self) -> impl Iterator<Item = usize> {
        let length = self.bytes.len();
        let often = move |cut: &usize| *cut < 300 || cut + 300 > length || cut % 61 == 0;
        (1..length).filter(move |cut| length < SHORT || often(cut))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Whole,
    Cut(usize),
    Bytes,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Cut(_) => "cut in two",
            Self::Bytes => "byte by byte",
        }
    }
}

/// One connection, as far as it is known without the log.
struct Sent {
    input: usize,
    way: Way,
    place: Place,
    ends: (SocketAddr, u16),
    answer: Answer,
}

/// One place, and all that is sent there.
struct Sender<'a> {
    receivers: &'a Receivers,
    place: Place,
    number: usize,
    inputs: &'a [Input],
    connected: usize,
    sent: Vec<Sent>,
    page: Page,
}

impl<'a> Sender<'a> {
    /// From an address of its own, so that a log line is about nobody else.
    fn connect(&mut self) -> Visit<'a> {
        let (number, connected) = (self.number, self.connected);
        self.connected += 1;
        let from = format!("127.{}.{}.{}", 1 + number, connected / 250, 1 + connected % 250);
        self.receivers.connect(self.place, &limits(), &from)
    }

    fn end(&mut self, visit: Visit<'_>, input: usize, way: Way, rest: &[u8]) {
        let ends = visit.ends();
        let what = &self.inputs[input];
        let answer = if what.is_accepted() {
            visit.ask(rest)
        } else {
            let mut visit = visit;
            visit.send(rest);
            if what.spec == "need_more" { visit.finish() } else { visit.hear() }
        };
        self.sent.push(Sent { input, way, place: self.place, ends, answer });
    }

    fn whole_and_cut(&mut self) {
        let inputs = self.inputs;
        let ways = inputs.iter().enumerate().flat_map(|(number, input)| {
            let cuts = input.cuts().map(Way::Cut);
            std::iter::once(Way::Whole).chain(cuts).map(move |way| (number, way))
        });
        let ways: Vec<_> = ways.collect();
        for some in ways.chunks(AT_ONCE) {
            let visits = some.iter().map(|(number, way)| {
                let mut visit = self.connect();
                let cut = if let Way::Cut(cut) = way { *cut } else { 0 };
                let (first, rest) = inputs[*number].bytes.split_at(cut);
                visit.send(first);
                (visit, *number, *way, rest)
            });
            let visits: Vec<_> = visits.collect();
            // The first parts have been read by then.
            self.page.visit_twice();
            for (visit, number, way, rest) in visits {
                self.end(visit, number, way, rest);
            }
        }
    }

    fn byte_by_byte(&mut self) {
        let inputs = self.inputs;
        let numbers: Vec<_> = (0..inputs.len()).filter(|i| !inputs[*i].bytes.is_empty()).collect();
        for some in numbers.chunks(AT_ONCE) {
            let mut visits: Vec<_> = some.iter().map(|number| (self.connect(), *number)).collect();
            let longest = some.iter().map(|number| inputs[*number].bytes.len()).max();
            for at in 0..longest.unwrap_or_default() {
                for (visit, number) in &mut visits {
                    // The last byte comes with what is said behind it.
                    if at + 1 < inputs[*number].bytes.len() {
                        visit.send(&inputs[*number].bytes[at..=at]);
                    }
                }
                if at < SHORT {
                    self.page.visit_twice();
                }
            }
            for (visit, number) in visits {
                let last = inputs[number].bytes.len() - 1;
                self.end(visit, number, Way::Bytes, &inputs[number].bytes[last..]);
            }
        }
    }
}

fn limits() -> HeaderLimits {
    (65_551, vec![1, 2])
}

fn fault(sent: &Sent, input: &Input, logged: Option<&str>) -> Option<String> {
    let wanted_word = |word: &str| match &*input.spec {
        "not_proxy" => word == "no_header",
        "need_more" => word == "truncated" || word == "silent",
        _ => !["no_header", "truncated", "silent", "timeout", "untrusted"].contains(&word),
    };
    if !input.is_accepted() {
        let is_right = sent.answer == Answer::Closed && logged.is_some_and(wanted_word);
        return (!is_right).then(|| format!("{:?}, logged {logged:?}", sent.answer));
    }
    let Answer::Served { client, vars } = &sent.answer else {
        return Some(format!("{:?}, logged {logged:?}", sent.answer));
    };
    let own = sent.ends.0.ip().to_string();
    let Some(source) = input.source else {
        return (*client != own).then(|| format!("the client is {client}"));
    };
    let ip = source.ip().to_canonical().to_string();
    let Some(vars) = vars else {
        // Mail does not say whether the header had an address for TCP.
        return (*client != ip && *client != own).then(|| format!("the client is {client}"));
    };
    let var = |name: &str| vars.var(&sent.place.variable(name));
    if var("realpeer_result") != "proxy" {
        // LOCAL, Unix sockets and datagrams give no address to a TCP connection.
        return (*client != own).then(|| format!("the client is {client}"));
    }
    let port = source.port().to_string();
    let is_right = *client == ip && var("realpeer_addr") == ip && var("realpeer_port") == port;
    (!is_right).then(|| format!("the client is {client}, {}", var("realpeer_port")))
}

#[test]
fn every_input_comes_out_as_the_specification_has_it() {
    let Some(path) = std::env::var_os("REALPEER_OTHER_VECTORS") else {
        println!("skipped: REALPEER_OTHER_VECTORS does not name the inputs of other projects");
        return;
    };
    let text = fs::read_to_string(path).expect("a file");
    let mut inputs: Vec<_> = text.lines().map(Input::read).collect();
    inputs.retain(|input| input.spec != "either");
    let wanted = Wanted { timeout: "600s", ..Wanted::all(vec![limits()], Vec::new()) };
    let receivers = Receivers::start(&wanted);
    let sent: Vec<Sent> = thread::scope(|scope| {
        let places: Vec<_> = receivers
            .places()
            .into_iter()
            .enumerate()
            .map(|(number, place)| {
                let (receivers, inputs) = (&receivers, &inputs[..]);
                scope.spawn(move || {
                    let page = receivers.page(place);
                    let sent = Vec::new();
                    let mut sender =
                        Sender { receivers, place, number, inputs, connected: 0, sent, page };
                    sender.whole_and_cut();
                    sender.byte_by_byte();
                    sender.sent
                })
            })
            .collect();
        places.into_iter().flat_map(|place| place.join().expect("no panic")).collect()
    });
    let refusals = receivers.refusals();
    // Connections that came out right, and all, by what was sent and how.
    let mut counts: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    let mut faults = BTreeMap::new();
    for sent in &sent {
        let input = &inputs[sent.input];
        let logged = refusals.get(&sent.ends).map(|refusal| &*refusal.result);
        let count = counts.entry((&input.spec, sent.way.name())).or_default();
        count.1 += 1;
        match fault(sent, input, logged) {
            None => count.0 += 1,
            Some(fault) => {
                let first = format!("{:?}, {:?}: {fault}", sent.place, sent.way);
                faults.entry(&*input.id).or_insert((0, first)).0 += 1;
            }
        }
    }
    println!("{} inputs at {} places", inputs.len(), receivers.places().len());
    for ((spec, way), (right, all)) in &counts {
        println!("{spec}, {way}: {right} of {all} connections");
    }
    for (id, (count, first)) in &faults {
        println!("{id}: {count} times not so, first {first}");
    }
    let argued: Vec<_> = ARGUED.iter().map(|(id, _)| *id).collect();
    let wrong: Vec<_> = faults.keys().collect();
    assert!(wrong.iter().all(|id| argued.contains(id)), "{wrong:?}");
    assert!(argued.iter().all(|id| wrong.contains(&id)), "argued and right: {argued:?}");
}
