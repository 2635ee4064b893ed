//! A flood of broken connections, and what it writes to the error log: few lines,
//! and each connection either has one or is counted in one.
//!
//! `REALPEER_FLOOD=100000` floods with so many connections; 5,000 are usual.

use std::env;
use std::thread;

use realpeer_e2e::{
    Apache, ApacheSite, Client, Front, HeldBack, Kind, Logs, Mpm, Refusal, Site, on_each_mpm,
    on_each_nginx, wait_until,
};

/// Connections at a time.
const CLIENTS: usize = 8;

fn flood_size() -> usize {
    match env::var("REALPEER_FLOOD") {
        Ok(number) => number.parse().expect("a number of connections"),
        Err(_) => 5000,
    }
}

/// Broken in two ways, by turns; each is closed before the next is made.
fn flood(port: u16, size: usize) {
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                for number in (client..size).step_by(CLIENTS) {
                    let mut client = Client::connect(port);
                    client.reset_at_the_end();
                    let bytes = if number % 4 == 0 { "PROXY nonsense\r\n" } else { "GET / HTTP" };
                    client.send(bytes).must_be_closed();
                }
            });
        }
    });
}

/// Lines, what they say was held back, and the bytes of all this.
#[derive(Debug)]
struct Written {
    refusals: Vec<Refusal>,
    held_back: Vec<HeldBack>,
    bytes: usize,
}

impl Written {
    fn about(port: u16, logs: &Logs) -> Self {
        let listener = format!("127.0.0.1:{port}");
        let (log, part) = (logs.error_log(), format!(", listener: {listener}"));
        let ours = log.lines().filter(|line| line.contains(&part));
        let (mut refusals, mut held_back) = (logs.refusals(), logs.held_back());
        refusals.retain(|refusal| refusal.listener == listener);
        held_back.retain(|line| line.listener == listener);
        Self { refusals, held_back, bytes: ours.map(|line| line.len() + 1).sum() }
    }

    fn lines_of(&self, result: &str) -> usize {
        self.refusals.iter().filter(|refusal| refusal.result == result).count()
    }

    /// How many connections all this speaks of.
    fn told_of(&self, result: &str) -> usize {
        let held_back = self.held_back.iter().filter(|line| line.result == result);
        let held_back: u64 = held_back.map(|line| line.lines).sum();
        self.lines_of(result) + usize::try_from(held_back).expect("not so many")
    }

    #[track_caller]
    fn must_tell_of(&self, bad_v1: usize, no_header: usize) {
        assert_eq!(self.told_of("bad_v1"), bad_v1);
        assert_eq!(self.told_of("no_header"), no_header);
        assert!(self.held_back.iter().all(|line| line.level == "error"), "{:?}", self.held_back);
    }

    /// A burst of 20 for each, and all day long not one more.
    #[track_caller]
    fn must_be_short(&self, ends: usize) {
        assert_eq!((self.lines_of("bad_v1"), self.lines_of("no_header")), (20, 20));
        assert!((2..=2 * ends).contains(&self.held_back.len()), "{:#?}", self.held_back);
        assert!(self.bytes < 40 * 400 + 2 * ends * 200, "{} bytes", self.bytes);
    }
}

const LIMIT: &str = "realpeer_log_limit 1r/m burst=20;";

fn shares(size: usize) -> (usize, usize) {
    let bad_v1 = size.div_ceil(4);
    (bad_v1, size - bad_v1)
}

on_each_nginx! {
    fn a_flood_writes_a_bounded_log(which) {
        let mut site = Site::new(which);
        site.main("worker_processes 2;");
        let ports = [Kind::Http, Kind::Stream].map(|kind| {
            Front::new(kind).add_port(&mut site, &format!("realpeer require all; {LIMIT}"))
        });
        let mut nginx = site.start();
        for port in ports {
            flood(port, flood_size());
        }
        nginx.quit();
        for port in ports {
            let written = Written::about(port, &nginx);
            println!("{} bytes for {}", written.bytes, flood_size());
            let (bad_v1, no_header) = shares(flood_size());
            written.must_tell_of(bad_v1, no_header);
            // The workers share the limit, and one of them tells what is left.
            written.must_be_short(2);
        }
    }

    /// Nobody has to connect, and nothing has to end, for it to be told.
    fn what_was_held_back_is_told_when_the_flood_is_over(which) {
        let mut site = Site::new(which);
        let port = Front::new(Kind::Http)
            .add_port(&mut site, "realpeer require all; realpeer_log_limit 50r/s burst=5;");
        let nginx = site.start();
        flood(port, 400);
        let written = wait_until("all to be told of", || {
            let written = Written::about(port, &nginx);
            (written.told_of("bad_v1") == 100 && written.told_of("no_header") == 300)
                .then_some(written)
        });
        assert!(!written.held_back.is_empty());
    }

    fn a_worker_that_is_killed_takes_nothing_with_it(which) {
        let mut site = Site::new(which);
        let port = Front::new(Kind::Http)
            .add_port(&mut site, &format!("realpeer require all; {LIMIT}"));
        let mut nginx = site.start();
        nginx.expect_alerts();
        flood(port, 400);
        let before = nginx.workers();
        kill(before[0]);
        wait_until("another worker", || (nginx.workers() != before && !nginx.workers().is_empty()).then_some(()));
        flood(port, 400);
        nginx.quit();
        let written = Written::about(port, &nginx);
        written.must_tell_of(200, 600);
        written.must_be_short(1);
    }

    fn a_reload_tells_what_was_held_back(which) {
        let mut site = Site::new(which);
        let port = Front::new(Kind::Http)
            .add_port(&mut site, &format!("realpeer require all; {LIMIT}"));
        let mut nginx = site.start();
        flood(port, 400);
        nginx.reload(|_| ());
        wait_until("all to be told of", || {
            let written = Written::about(port, &nginx);
            (written.told_of("bad_v1") == 100 && written.told_of("no_header") == 300).then_some(())
        });
    }

    /// Health checks have lines only where they are asked for, and then no more
    /// than others.
    fn quiet_refusals_are_held_back_as_well(which) {
        let mut site = Site::new(which);
        let port = Front::new(Kind::Stream)
            .add_port(&mut site, &format!("realpeer require all; {LIMIT}"));
        let unheard = Front::new(Kind::Http)
            .add_port(&mut site, &format!("realpeer require all; {LIMIT} error_log error2.log error;"));
        let mut nginx = site.start();
        for port in [port, unheard] {
            for _ in 0..30 {
                Client::connect(port).finish().must_be_closed();
            }
        }
        nginx.quit();
        let written = Written::about(port, &nginx);
        assert_eq!(written.lines_of("silent"), 20);
        let [held_back] = &written.held_back[..] else { panic!("{:?}", written.held_back) };
        assert_eq!((held_back.lines, &*held_back.level), (10, "info"));
        assert_eq!(nginx.log("error2.log"), "");
    }

    fn without_a_limit_each_has_a_line(which) {
        let mut site = Site::new(which);
        let port = Front::new(Kind::Http)
            .add_port(&mut site, "realpeer require all; realpeer_log_limit off;");
        let nginx = site.start();
        flood(port, 400);
        assert_eq!(nginx.refusals().len(), 400);
        assert_eq!(nginx.held_back(), []);
    }
}

fn apache_with(mpm: Mpm, limit: &str) -> (Apache, u16) {
    let mut site = ApacheSite::new(mpm);
    let port = site.host(&format!("RealPeer require all\nRealPeerLogLimit {limit}"));
    (site.start(), port)
}

on_each_mpm! {
    fn a_flood_writes_a_bounded_log_of_apache(mpm) {
        let (mut apache, port) = apache_with(mpm, "1r/m burst=20");
        flood(port, flood_size());
        apache.stop();
        let written = Written::about(port, &apache);
        println!("{mpm:?}: {} bytes for {}", written.bytes, flood_size());
        let (bad_v1, no_header) = shares(flood_size());
        written.must_tell_of(bad_v1, no_header);
        written.must_be_short(2);
    }

    /// Within ten seconds, by the parent.
    fn apache_tells_what_was_held_back_when_the_flood_is_over(mpm) {
        let (apache, port) = apache_with(mpm, "50r/s burst=5");
        flood(port, 400);
        wait_until("all to be told of", || {
            let written = Written::about(port, &apache);
            (written.told_of("bad_v1") == 100 && written.told_of("no_header") == 300).then_some(())
        });
        assert!(!apache.held_back().is_empty());
    }

    fn a_graceful_restart_tells_what_was_held_back(mpm) {
        let (mut apache, port) = apache_with(mpm, "1r/m burst=20");
        flood(port, 400);
        apache.graceful(|_| ());
        wait_until("all to be told of", || {
            let written = Written::about(port, &apache);
            (written.told_of("bad_v1") == 100 && written.told_of("no_header") == 300).then_some(())
        });
    }
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("small")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("a worker");
}
