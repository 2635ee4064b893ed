//! What is tried at each server.

use std::net::{IpAddr, SocketAddr};

use realpeer_e2e::network::{Host, Net};
use realpeer_e2e::{Client, Ending, V2, Vars, v1};

use super::place::{BALANCER, Front, Place, Server, WEB, from, fronts};

pub type Try = fn(&mut Place, Server);

pub const TRIALS: &[(&str, Try)] = &[
    ("clients_are_seen_through_the_balancer", clients_are_seen_through_the_balancer),
    ("access_goes_by_the_client", access_goes_by_the_client),
    ("a_header_forged_beside_the_balancer_is_refused", forged_beside_the_balancer),
    ("a_client_who_goes_round_the_balancer_is_refused", round_the_balancer),
    ("a_header_forged_by_a_client_of_the_balancer_is_no_header", forged_by_a_client),
    ("a_monitor_gets_through_as_direct", a_monitor_gets_through_as_direct),
];

/// Somebody who is nowhere in these networks.
const FORGED: [&str; 2] = ["192.0.2.200:4321", "[2001:db8:c::200]:4321"];
const LISTENER: [&str; 2] = ["198.51.100.21:8080", "[2001:db8:5::21]:8080"];

/// Headers of both versions, in which both families are lied about.
fn forged() -> [Vec<u8>; 4] {
    [
        v1(FORGED[0], LISTENER[0]),
        v1(FORGED[1], LISTENER[1]),
        V2::proxy(FORGED[0], LISTENER[0]).build(),
        V2::proxy(FORGED[1], LISTENER[1]).checksum().build(),
    ]
}

fn fronts_of(server: Server) -> impl Iterator<Item = Front> {
    fronts().into_iter().filter(move |front| front.server == server)
}

/// Asks for the page, after whatever else has been sent.
fn page(mut client: Client, of: u16) -> Vars {
    if of == WEB { client.get("/").vars() } else { client.ending().vars() }
}

/// Our address, and the page.
#[track_caller]
fn visit(host: &Host, target: SocketAddr, of: u16) -> (SocketAddr, Vars) {
    from(host, target, move |client| (client.local(), page(client, of)))
}

fn clients_are_seen_through_the_balancer(place: &mut Place, server: Server) {
    let (hosts, running) = place.parts();
    for front in fronts_of(server) {
        let balancer = Net::SERVERS.addresses(BALANCER);
        let proxy = balancer.into_iter().find(|ip| ip.is_ipv4() == front.target.is_ipv4());
        for (host, number) in [(&hosts.visitor, 7), (&hosts.other, 8)] {
            // The client's family is not that between balancer and server.
            for (index, address) in Net::CLIENTS.addresses(number).into_iter().enumerate() {
                let target = SocketAddr::new(balancer[index], front.port);
                let (own, page) = visit(host, target, front.target.port());
                let what = format!("{} by {address} through {front:?}", host.name());
                assert_eq!(own.ip(), address, "{what}");
                assert_eq!(page.var("remote_addr"), address.to_string(), "{what}");
                assert_eq!(page.var("remote_port"), own.port().to_string(), "{what}");
                assert_eq!(page.var("result"), "proxy", "{what}");
                assert_eq!(page.var("policy"), "require", "{what}");
                assert_eq!(page.var("server_port"), front.port.to_string(), "{what}");
                assert_eq!(Some(canonical(&page.var("proxy_addr"))), proxy, "{what}");
            }
        }
    }
    assert_eq!(running.logs(server).new_refusals(), []);
}

fn access_goes_by_the_client(place: &mut Place, server: Server) {
    let (hosts, running) = place.parts();
    for front in fronts_of(server).filter(|front| front.target.port() == WEB) {
        for balancer in Net::SERVERS.addresses(BALANCER) {
            let target = SocketAddr::new(balancer, front.port);
            let status = |host| from(host, target, |mut client| client.get("/private").status);
            // Allowed in, but nothing there.
            assert_eq!(status(&hosts.visitor), 404, "{front:?}");
            assert_eq!(status(&hosts.other), 403, "{front:?}");
        }
    }
    assert_eq!(running.logs(server).new_refusals(), []);
}

/// Sends this to each address and port of the server, and must be refused as
/// somebody whom it does not know.
#[track_caller]
fn must_be_refused(place: &mut Place, server: Server, who: fn(&Place) -> &Host, words: &[u8]) {
    place.parts();
    for address in server.addresses() {
        for port in server.ports() {
            let target = SocketAddr::new(address, *port);
            let words = words.to_owned();
            let (own, ending) = from(who(place), target, move |mut client| {
                let own = client.local();
                (own, client.send(words).send("GET / HTTP/1.0\r\n\r\n").ending())
            });
            assert_eq!(ending, Ending::Unanswered, "{own} at {target}");
            let (_, running) = place.parts();
            let refusals = running.refusals(server, 1);
            let said: Vec<_> = refusals
                .iter()
                .map(|refusal| {
                    let peer: SocketAddr = refusal.peer.parse().expect("an address");
                    (refusal.result.as_str(), peer.ip().to_canonical(), peer.port())
                })
                .collect();
            assert_eq!(said, [("untrusted", own.ip(), own.port())]);
        }
    }
}

fn forged_beside_the_balancer(place: &mut Place, server: Server) {
    let neighbour: fn(&Place) -> &Host = |place| &place.hosts.neighbour;
    for header in forged() {
        must_be_refused(place, server, neighbour, &header);
    }
    must_be_refused(place, server, neighbour, b"");
    must_be_refused(place, server, neighbour, &V2::local().build());
    // And who comes through the balancer comes through.
    clients_are_seen_through_the_balancer(place, server);
}

fn round_the_balancer(place: &mut Place, server: Server) {
    for header in forged() {
        must_be_refused(place, server, |place| &place.hosts.visitor, &header);
    }
    must_be_refused(place, server, |place| &place.hosts.visitor, b"");
}

/// The balancer writes its own header before whatever a client says.
fn forged_by_a_client(place: &mut Place, server: Server) {
    let (hosts, running) = place.parts();
    for front in fronts_of(server) {
        for header in forged() {
            for balancer in Net::SERVERS.addresses(BALANCER) {
                let target = SocketAddr::new(balancer, front.port);
                let words = header.clone();
                let (own, ending) = from(&hosts.visitor, target, move |mut client| {
                    let own = client.local();
                    (own, client.send(words).send("GET / HTTP/1.0\r\n\r\n").finish().ending())
                });
                if front.target.port() == WEB {
                    // No request begins like that; the log knows who it was.
                    assert!(!answered_with(&ending, "200"), "{ending:?}");
                    running
                        .logs(server)
                        .wait_for_access(&format!("{own} ").replace(['[', ']'], ""));
                } else {
                    assert_eq!(ending.vars().var("remote_addr"), own.ip().to_string());
                }
            }
        }
    }
    let logs = running.logs(server);
    for forged in ["192.0.2.200:", "2001:db8:c::200:"] {
        for log in [logs.access_log(), logs.log("stream.log")] {
            assert!(!log.lines().any(|line| line.starts_with(forged)), "{log}");
        }
    }
    assert_eq!(running.logs(server).new_refusals(), []);
}

fn answered_with(ending: &Ending, status: &str) -> bool {
    match ending {
        Ending::Answered(bytes) => String::from_utf8_lossy(bytes).split(' ').nth(1) == Some(status),
        Ending::Unanswered => false,
    }
}

fn a_monitor_gets_through_as_direct(place: &mut Place, server: Server) {
    let (hosts, running) = place.parts();
    for address in server.addresses() {
        for port in server.ports() {
            let target = SocketAddr::new(address, *port);
            let (own, page) = visit(&hosts.monitor, target, *port);
            assert_eq!(page.var("result"), "direct");
            assert_eq!(page.var("policy"), "direct");
            for name in ["remote_addr", "proxy_addr"] {
                assert_eq!(canonical(&page.var(name)), own.ip(), "{name} at {target}");
            }
            // Its word counts for nothing: to the web it is a bad request.
            for header in forged() {
                let (own, ending) = from(&hosts.monitor, target, move |mut client| {
                    let own = client.local();
                    (own, client.send(header).send("GET / HTTP/1.0\r\n\r\n").finish().ending())
                });
                if *port == WEB {
                    assert!(!answered_with(&ending, "200"), "{ending:?}");
                } else {
                    assert_eq!(canonical(&ending.vars().var("remote_addr")), own.ip());
                }
            }
        }
    }
    assert_eq!(running.logs(server).new_refusals(), []);
}

/// nginx has the addresses of IPv4 clients of a dual-stack listener as those of
/// IPv6 that stand for them.
fn canonical(address: &str) -> IpAddr {
    address.parse::<IpAddr>().expect("an address").to_canonical()
}
