//! Where this has been measured, and what.

use std::fs;
use std::process::Command;

use realpeer_e2e::Which;

use crate::Bench;

pub(crate) fn print(bench: &Bench) {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown", |(_, model)| model);
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    println!("- machine: {}, {model}, {cores} processors", said("uname", &["-m"]));
    println!("- system: {}, Linux {}", os(), said("uname", &["-r"]));
    println!("- load before: {}", load());
    for which in [Which::Built, Which::Debian] {
        println!("- {}", said(&which.program().display().to_string(), &["-v"]));
    }
    println!("- {}", said("/usr/sbin/apache2", &["-v"]).replace("Server version: ", ""));
    println!("- {}, {}", said("valgrind", &["--version"]), said("strace", &["--version"]));
    let effort = bench.effort;
    println!(
        "- {} rounds, bursts of {} connections, counts over {} connections",
        effort.rounds, effort.burst, effort.counted
    );
    println!("- date: {}", said("date", &["-u", "+%Y-%m-%d"]));
}

fn os() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("unknown").trim_matches('"').to_owned()
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// The first line.
fn said(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        return format!("no {program}");
    };
    let all = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&all).lines().next().unwrap_or_default().to_owned()
}
