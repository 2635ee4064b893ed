//! Slow clients: one byte a second. Half of them have their whole header there in
//! time, and must be served; the others never will, and each byte does not give
//! them more time.

use std::time::{Duration, Instant};

use realpeer_e2e::PATIENCE;

use super::{ALL_KINDS, Fault, Round, Scale, Scene, count, headers, on_all, usual_needs};
use crate::crowd::{Crowd, read_out, say};
use crate::server::{Kind, Needs};

pub const FAULT: Fault = Fault {
    name: "slow drip",
    on: on_all,
    needs,
    round,
    visited: ALL_KINDS,
    places: true,
    alarms: &[],
};

const TICK: Duration = Duration::from_secs(1);

/// Seconds for which those that are served drip.
fn seconds(scale: &Scale) -> usize {
    usize::try_from(scale.pace.as_secs()).expect("some seconds")
}

fn needs(scale: &Scale) -> Needs {
    // On a busy machine a second may be longer.
    Needs { timeout: (scale.pace + TICK) * 2, ..usual_needs(scale) }
}

fn round(scene: &Scene) -> Round {
    let half = scene.scale.crowd(scene.scale.waiting / 25) / 2;
    let half = half.max(1);
    let seconds = seconds(scene.scale);
    let ports = scene.ports();
    let [line, _] = headers();
    let rest = line.len() - seconds;
    let begin = Instant::now();
    let quick = Crowd::open(&ports, half, |_| &line[..rest]);
    let slow = Crowd::open(&ports, half, |_| &line[..1]);
    let (Ok(mut quick), Ok(mut slow)) = (quick, slow) else {
        scene.must(false, || "not so many can be opened".into());
        return Round::new(0..=u64::MAX, String::new());
    };
    let mut sent = 1;
    let longest = scene.timeout + PATIENCE;
    // A slow one sends more than it has time for; no header ends with those.
    while begin.elapsed() < longest && sent + 2 < line.len() {
        std::thread::sleep(
            (TICK * u32::try_from(sent).expect("a few")).saturating_sub(begin.elapsed()),
        );
        if sent <= seconds {
            for stream in &mut quick.members {
                drop(say(stream, &line[rest + sent - 1..rest + sent]));
            }
        }
        for stream in &mut slow.members {
            drop(say(stream, &line[sent..=sent]));
        }
        sent += 1;
        if sent > seconds && begin.elapsed() > scene.timeout {
            break;
        }
    }
    let (stuck, answered) = slow.wait(longest);
    scene.must(stuck == 0, || format!("{stuck} of {half} slow ones were never thrown out"));
    scene.must(answered == 0, || format!("{answered} slow ones were answered"));

    // Whether they have been known by the address in it.
    let mut served = 0;
    for (n, mut stream) in quick.members.into_iter().enumerate() {
        let (kind, _) = scene.server.ports[n % ports.len()];
        let (words, wanted) = match kind {
            Kind::Http => (
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                "remote_addr=192.0.2.7\n",
            ),
            Kind::Stream => ("", "remote_addr=192.0.2.7\n"),
            Kind::Mail => ("USER a\r\nPASS b\r\nQUIT\r\n", "-ERR client 192.0.2.7\r\n"),
        };
        stream.set_nonblocking(false).expect("an option");
        drop(say(&mut stream, words.as_bytes()));
        let answer = read_out(stream).unwrap_or_default();
        served += usize::from(String::from_utf8_lossy(&answer).contains(wanted));
    }
    scene.must(served == half, || format!("only {served} of {half} were served"));
    Round::new(
        count(half)..=count(half),
        format!("{half} served after {seconds} s, {half} thrown out"),
    )
}
