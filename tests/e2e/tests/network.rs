//! More than the loopback: users, a balancer, two nginx, one Apache and a
//! monitor on hosts and networks of their own, with both families.
//!
//! Skipped, and counted as ignored, where no network namespaces can be had.

mod network_parts;

use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Trial};
use network_parts::place::{Hosts, Place, SERVERS};
use network_parts::trials::TRIALS;

fn main() {
    let arguments = Arguments::from_args();
    let (place, missing) = match Hosts::new() {
        Ok(hosts) => (Arc::new(Mutex::new(Some(Place::new(hosts)))), false),
        Err(why) => {
            eprintln!("skipped: hosts in networks of their own: {why}");
            (Arc::new(Mutex::new(None)), true)
        }
    };
    let trials = SERVERS.iter().flat_map(|server| {
        let place = &place;
        TRIALS.iter().map(move |(name, trial)| {
            let place = Arc::clone(place);
            let test = move || {
                // One that has failed keeps no other from running.
                let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
                trial(place.as_mut().expect("not skipped"), *server);
                Ok(())
            };
            Trial::test(format!("{name}::at_{}", server.name()), test).with_ignored_flag(missing)
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    // Ends the servers, which look at their logs then.
    drop(place);
    conclusion.exit();
}
