//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// How long anything may take before a test gives up on it. A test that passes never
/// waits for so long: it only says how long a hang is looked at, and is long enough
/// for a machine that does much else at the same time.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// Asks `probe` until it has an answer, and panics with `what` when it has
/// none after [`PATIENCE`].
#[track_caller]
pub fn wait_until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        // Only how often the condition is looked at; nothing depends on it.
        // Most are met in no time.
        let pause = if start.elapsed() < Duration::from_millis(5) { 50 } else { 2000 };
        std::thread::sleep(Duration::from_micros(pause));
    }
}
