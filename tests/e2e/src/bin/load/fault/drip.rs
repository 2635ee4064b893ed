//! Slow clients: one byte a second. Half of them have their whole header there in
//! time, and must be served; the others never will, and each byte does not give
//! them more time.

use std::io;
use std::time::{Duration, Instant};

use super::{ALL_KINDS, Fault, Round, Scale, Scene, count, headers, on_all, usual_needs};
use crate::crowd::{Crowd, State};
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
    Needs { timeout: scale.pace + TICK * 2, reuseport: true, ..usual_needs(scale) }
}

/// What a client says after his header, and what shows that he is known by it.
fn words(kind: Kind) -> (&'static [u8], &'static str) {
    match kind {
        Kind::Http => (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", "remote_addr=192.0.2.7\n"),
        Kind::Stream => (b"", "remote_addr=192.0.2.7\n"),
        Kind::Mail => (b"USER a\r\nPASS b\r\nQUIT\r\n", "-ERR client 192.0.2.7\r\n"),
    }
}

fn round(scene: &Scene) -> Round {
    let ports = scene.ports();
    let each = scene.scale.crowd(scene.scale.waiting / 25) / ports.len() / 2;
    let half = each.max(1) * ports.len();
    let seconds = seconds(scene.scale);
    let [line, _] = headers();
    let rest = line.len() - seconds;
    let begin = Instant::now();
    let open = |port: &u16| Crowd::open(&[*port], half / ports.len(), &[line[..rest].to_vec()]);
    let quick: io::Result<Vec<_>> = ports.iter().map(open).collect();
    let slow = Crowd::open(&ports, half, &[line[..1].to_vec()]);
    let (Ok(quick), Ok(slow)) = (quick, slow) else {
        scene.must(false, || "not so many can be opened".into());
        return Round::new(0..=u64::MAX, String::new());
    };

    // A slow one says less in all its time than a header has.
    for sent in 1..line.len() - 2 {
        let tick = TICK * u32::try_from(sent).expect("a few");
        std::thread::sleep(tick.saturating_sub(begin.elapsed()));
        for (crowd, (kind, _)) in quick.iter().zip(&scene.server.ports) {
            if sent > seconds {
                break;
            }
            let mut next = vec![line[rest + sent - 1]];
            if sent == seconds {
                next.extend(words(*kind).0);
            }
            crowd.say(&next);
        }
        slow.say(&line[sent..=sent]);
        if sent >= seconds && slow.count(State::Open) == 0 {
            break;
        }
    }
    // It has had all the time that its bytes take.
    let (stuck, answered) = slow.wait(Duration::ZERO);
    scene.must(stuck == 0, || format!("{stuck} of {half} slow ones go on without end"));
    scene.must(answered == 0, || format!("{answered} slow ones were answered"));

    let answered = quick.into_iter().zip(&scene.server.ports);
    let served: usize = answered.map(|(crowd, (kind, _))| crowd.answered(words(*kind).1)).sum();
    scene.must(served == half, || format!("only {served} of {half} were served"));
    Round {
        at_once: 2 * half,
        ..Round::new(
            count(half)..=count(half),
            format!("{half} served after {seconds} s, {half} slower ones thrown out"),
        )
    }
}
