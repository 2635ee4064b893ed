//! Who waits, and what becomes of that when a process dies.
//!
//! A connection that waits is counted in the row of its process. A process that is
//! killed takes nothing back: whoever looks next finds it gone, and frees its row.
//! Only the last row, of processes that found no other, cannot be cleared so.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering, Ordering::Relaxed};

use super::Counters;
use super::layout::stride;

impl<'a> Counters<'a> {
    pub(crate) fn waiting_rows(self) -> impl Iterator<Item = &'a [AtomicU32]> {
        self.waiting.chunks(stride(self.listeners.len()).max(1))
    }

    /// The row that a process is to count in.
    pub(crate) fn claim(self, process: i32) -> u32 {
        let Some((_, rows)) = self.rows.split_last() else { return 0 };
        let all = || rows.iter().zip(self.waiting_rows()).zip(0_u32..);
        // Whoever had this number of a process before is gone.
        let own = all().find(|((row, _), _)| row.process.load(Relaxed) == process);
        let free = || {
            all().find(|((row, _), _)| {
                row.process.compare_exchange(0, process, Ordering::AcqRel, Relaxed).is_ok()
            })
        };
        match own.or_else(free) {
            Some(((_, waiting), number)) => {
                waiting.iter().for_each(|waiting| waiting.store(0, Relaxed));
                number
            }
            None => u32::try_from(rows.len()).unwrap_or(u32::MAX),
        }
    }

    /// The process that has a row; `None` where there is no such row, 0 where
    /// nobody has it.
    pub(crate) fn process(self, row: u32) -> Option<i32> {
        let row = self.rows.get(usize::try_from(row).ok()?)?;
        Some(row.process.load(Relaxed))
    }

    /// The row of a process that has ended is free, unless somebody has it already.
    pub(crate) fn release(self, row: u32, process: i32) {
        let row = usize::try_from(row).ok().and_then(|row| self.rows.get(row));
        if let Some(row) = row.filter(|_| process != 0) {
            // Whoever lost the race has nothing to do.
            let _ = row.process.compare_exchange(process, 0, Ordering::AcqRel, Relaxed);
        }
    }

    /// One more connection waits, or one fewer.
    pub(crate) fn wait(self, listener: u32, row: u32, begins: bool) {
        let (Ok(listener), Ok(row)) = (usize::try_from(listener), usize::try_from(row)) else {
            return;
        };
        let at = row.saturating_mul(stride(self.listeners.len())).saturating_add(listener);
        let Some(waiting) = self.waiting.get(at) else { return };
        waiting.fetch_add(if begins { 1 } else { u32::MAX }, Relaxed);
    }

    /// How many wait, in all processes there are.
    pub(crate) fn waiting(self, listener: usize) -> u64 {
        let spare = self.rows.len().saturating_sub(1);
        let rows = self.rows.iter().zip(self.waiting_rows()).zip(0_usize..);
        let alive = rows.filter(|((row, _), number)| {
            row.process.load(Ordering::Acquire) != 0 || *number == spare
        });
        let waiting = alive.filter_map(|((_, waiting), _)| waiting.get(listener));
        waiting.map(|waiting| u64::from(waiting.load(Relaxed))).sum()
    }
}
