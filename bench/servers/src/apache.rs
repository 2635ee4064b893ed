//! Apache: with no header, with its own mod_remoteip, with realpeer.

use realpeer_e2e::Mpm;

use crate::Bench;
use crate::case::{Case, HTTP, Kind};
use crate::report::{call_table, instruction_table, time_tables};
use crate::server::{Setup, Software};

pub(crate) fn run(bench: &Bench) {
    let mpms: &[Mpm] = &[Mpm::Event, Mpm::Prefork];
    for mpm in mpms {
        let setup = Setup::new(Software::Apache(*mpm), bench.upstream);
        println!("\n## Apache, {}", mpm.name());
        eprintln!("Apache, {}", mpm.name());
        // A header that comes apart from the request makes no difference to it.
        let cases: Vec<Case> =
            HTTP.into_iter().filter(|case| !case.apart && case.kind != Kind::Aws).collect();
        instruction_table(bench, &setup, &cases);
        if *mpm == Mpm::Prefork {
            // How often threads wake each other is not the same twice.
            call_table(bench, &setup, &cases);
        } else {
            // A process has one connection at a time: nothing to be queued.
            time_tables(bench, &setup, &cases);
        }
    }
}
