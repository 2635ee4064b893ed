//! What the workers of a server hold, as the system sees it.

use std::collections::BTreeMap;
use std::fs;

/// What the workers hold while they have nothing to do, all together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Their descriptors, by what they are; how many of each.
    pub descriptors: BTreeMap<String, usize>,
    /// Memory in use, in kB.
    pub resident: u64,
}

impl Holdings {
    pub fn of(workers: &[u32]) -> Self {
        let mut all = Self::default();
        for worker in workers {
            all.add(*worker);
        }
        all
    }

    fn add(&mut self, worker: u32) {
        let entries = fs::read_dir(format!("/proc/{worker}/fd")).into_iter().flatten().flatten();
        for entry in entries {
            let link = fs::read_link(entry.path()).unwrap_or_default();
            let text = link.to_string_lossy();
            // Without its number.
            let what = text.split(":[").next().unwrap_or_default().to_owned();
            *self.descriptors.entry(what).or_default() += 1;
        }
        let status = fs::read_to_string(format!("/proc/{worker}/status")).unwrap_or_default();
        self.resident += status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok())
            .unwrap_or_default();
    }

    pub fn count(&self) -> usize {
        self.descriptors.values().sum()
    }
}
