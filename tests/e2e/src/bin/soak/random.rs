//! Numbers that are the same again for the same seed, whatever thread asks.

use std::ops::RangeInclusive;

/// splitmix64: a state of one word, and every connection has one of its own.
#[derive(Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// For connection `number` of the run with this seed.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut random = Self { state: seed };
        random.state = random.next() ^ number.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        random
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    pub fn within(&mut self, range: RangeInclusive<usize>) -> usize {
        let count = (range.end() - range.start() + 1) as u64;
        range.start() + usize::try_from(self.next() % count).expect("less than the range")
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.within(0..=99) < percent
    }

    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.within(0..=all.len() - 1)]
    }

    /// One of some values, each as often as its weight says.
    pub fn weighted<T: Copy>(&mut self, all: &[(usize, T)]) -> T {
        let sum: usize = all.iter().map(|(weight, _)| weight).sum();
        let mut at = self.within(0..=sum - 1);
        for (weight, value) in all {
            if at < *weight {
                return *value;
            }
            at -= weight;
        }
        unreachable!("weights add up");
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}
