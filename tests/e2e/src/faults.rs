//! Has a server run out of what it needs, at the moment that a test names: a
//! library of `tests/faults/` that is loaded into it, and the plan in a file that
//! both look at.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::which::root;

/// As in `tests/faults/plan.h`: numbers, a name, and the names of calls.
const NUMBERS: usize = 4;
const NAMES: usize = NUMBERS * 4 + NAME;
const CALLS: usize = 1024;
const NAME: usize = 32;

/// What may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faulty {
    /// A call that a realpeer module makes: of its server for memory, of the
    /// kernel, for a thread.
    Calls,
    /// A request for memory, whoever in the server makes it.
    Memory,
}

/// Which of the calls fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fails {
    /// None; the calls are counted.
    Never,
    /// This one, the first is 1.
    Once(usize),
    /// This one, and all that come after it.
    From(usize),
}

/// The plan of one server. Nothing fails before there is one.
#[derive(Debug)]
pub struct Faults {
    plan: File,
}

impl Faults {
    /// Makes the library and an empty plan in the folder of a server, and returns
    /// what that needs in its environment.
    pub(crate) fn prepare(what: Faulty, dir: &Path) -> (Self, Preload) {
        let source = match what {
            Faulty::Calls => "calls",
            Faulty::Memory => "memory",
        };
        let library = dir.join(format!("{source}.so"));
        let mut compiler = Command::new("cc");
        compiler
            .args(["-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-o"])
            .arg(&library)
            .arg(root().join(format!("tests/faults/{source}.c")));
        let output = compiler.output().expect("a C compiler");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

        let file = dir.join("faults");
        fs::write(&file, vec![0; NAMES + CALLS * NAME]).expect("own folder");
        let plan = OpenOptions::new().read(true).write(true).open(&file).expect("own folder");
        (Self { plan }, Preload { library, plan: file })
    }

    /// Begins to count, and has it fail.
    pub fn plan(&self, fails: Fails) {
        self.plan_these("", 0, fails);
    }

    /// The same for one function; others are not counted.
    pub fn plan_only(&self, function: &str, fails: Fails) {
        self.plan_these(function, 0, fails);
    }

    /// The same for memory, of so many bytes at least.
    pub fn plan_memory(&self, least: u32, fails: Fails) {
        self.plan_these("", least, fails);
    }

    fn plan_these(&self, function: &str, least: u32, fails: Fails) {
        let (number, and_on) = match fails {
            Fails::Never => (usize::MAX, 0),
            Fails::Once(number) => (number, 0),
            Fails::From(number) => (number, 1),
        };
        let mut only = [0; NAME];
        only[..function.len()].copy_from_slice(function.as_bytes());
        self.plan.write_all_at(&only, (NUMBERS * 4) as u64).expect("own file");
        self.write(1, &[and_on, least, 0]);
        // This one last: it is the first that the server looks at.
        self.write(0, &[u32::try_from(number).unwrap_or(u32::MAX)]);
    }

    /// How many calls there were since the plan was made.
    pub fn calls(&self) -> usize {
        self.read(3) as usize
    }

    /// Does something, and returns when there has been a call after it, or after a
    /// moment: a connection that is closed already makes none.
    pub fn watch_a_moment(&self, act: impl FnOnce()) {
        let before = self.calls();
        act();
        let start = Instant::now();
        while self.calls() == before && start.elapsed() < Duration::from_millis(5) {
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Nothing fails any more. Returns which calls there were since the plan was
    /// made.
    pub fn end(&self) -> Vec<String> {
        self.write(0, &[0]);
        let mut names = vec![0; self.calls().min(CALLS) * NAME];
        self.plan.read_exact_at(&mut names, NAMES as u64).expect("own file");
        let name = |bytes: &[u8]| {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(NAME);
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        };
        let called = names.chunks(NAME).map(name).collect();
        self.plan.write_all_at(&vec![0; names.len()], NAMES as u64).expect("own file");
        called
    }

    fn read(&self, at: u64) -> u32 {
        let mut bytes = [0; 4];
        self.plan.read_exact_at(&mut bytes, at * 4).expect("own file");
        u32::from_ne_bytes(bytes)
    }

    fn write(&self, at: u64, numbers: &[u32]) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
        self.plan.write_all_at(&bytes, at * 4).expect("own file");
    }
}

/// What a server has to be started with.
#[derive(Debug, Clone)]
pub(crate) struct Preload {
    library: PathBuf,
    plan: PathBuf,
}

impl Preload {
    /// The variables of its environment; `first` is what else has to be loaded,
    /// and earlier.
    pub(crate) fn environment(&self, first: Option<String>) -> [(&'static str, String); 2] {
        let library = self.library.display().to_string();
        let libraries = first.into_iter().chain([library]).collect::<Vec<_>>().join(":");
        [("LD_PRELOAD", libraries), ("REALPEER_FAULTS", self.plan.display().to_string())]
    }
}
