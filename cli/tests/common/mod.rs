//! The command, called as from a shell.
#![allow(dead_code, unreachable_pub)] // every test uses a part of it

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// What a call gave.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// The command with these arguments, not started yet.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_realpeer"));
    command.args(args);
    command
}

/// Calls the command with an empty standard input.
pub fn call(args: &[&str]) -> Answer {
    call_with(args, b"")
}

/// Calls the command with `input` on its standard input.
pub fn call_with(args: &[&str], input: &[u8]) -> Answer {
    let mut child = command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command");
    // A command that does not want its input closes it.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    answer(child.wait_with_output().expect("an end"))
}

pub fn answer(output: Output) -> Answer {
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Answer {
        code: output.status.code().expect("an exit status, not a signal"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

impl Answer {
    #[track_caller]
    pub fn is(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.out.contains(text), "no {text:?} in {self:#?}");
        self
    }

    #[track_caller]
    pub fn complains(&self, text: &str) -> &Self {
        assert!(self.err.contains(text), "no {text:?} in {self:#?}");
        self
    }
}

/// Runs the command within this process, which is fast enough for thousands.
#[track_caller]
pub fn run(args: &[&str]) -> (Result<realpeer_cli::Verdict, String>, Vec<u8>) {
    use clap::Parser;
    let args = ["realpeer"].iter().chain(args);
    let cli = realpeer_cli::Cli::try_parse_from(args).expect("arguments that are understood");
    let mut out = Vec::new();
    let done = realpeer_cli::run(&cli, &mut out).map_err(|error| error.to_string());
    (done, out)
}
