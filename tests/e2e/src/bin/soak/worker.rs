//! The worker under test, as the system and as nginx see it.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use realpeer_e2e::{Client, PATIENCE};

/// What the worker holds while it has nothing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdings {
    /// Its descriptors, by what they are; how many of each.
    pub descriptors: BTreeMap<String, usize>,
    /// Memory in use, in kB.
    pub resident: u64,
}

impl Holdings {
    pub fn of(worker: u32) -> Self {
        let mut descriptors = BTreeMap::new();
        let entries = fs::read_dir(format!("/proc/{worker}/fd")).into_iter().flatten().flatten();
        for entry in entries {
            let link = fs::read_link(entry.path()).unwrap_or_default();
            let text = link.to_string_lossy();
            // Without its number.
            let what = text.split(":[").next().unwrap_or_default().to_owned();
            *descriptors.entry(what).or_default() += 1;
        }
        let status = fs::read_to_string(format!("/proc/{worker}/status")).unwrap_or_default();
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
            .unwrap_or_default();
        Self { descriptors, resident }
    }

    pub fn count(&self) -> usize {
        self.descriptors.values().sum()
    }
}

/// nginx closes before it is seen to close: none of its descriptors is ours then.
const ASK: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Waits until the connection that asks is the only one, and gives how many
/// there are in the end, the asking one included.
pub fn settle(status: u16) -> u64 {
    let start = Instant::now();
    loop {
        let page = Client::connect(status).send(ASK).ending().response().text();
        let active = page
            .strip_prefix("Active connections: ")
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|number| number.parse().ok())
            .unwrap_or(u64::MAX);
        if active == 1 || start.elapsed() > PATIENCE {
            return active;
        }
        // Only how often it is asked.
        std::thread::sleep(Duration::from_millis(20));
    }
}
