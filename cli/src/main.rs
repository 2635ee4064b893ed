//! The command `realpeer`. All of it is in the library beside this file.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use realpeer_cli::{Cli, Error};

fn main() -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let done = realpeer_cli::run(&Cli::parse(), &mut out)
        .and_then(|verdict| out.flush().map(|()| verdict).map_err(Error::from));
    match done {
        Ok(verdict) => verdict.into(),
        // Whoever read our output has had enough of it: that is no failure of ours.
        Err(Error::Pipe) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nowhere left to say that this did not work.
            let _ = writeln!(io::stderr(), "realpeer: {error}");
            ExitCode::from(2)
        }
    }
}
