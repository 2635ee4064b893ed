//! Why a command could not be carried out, in words for people.

use std::fmt;
use std::io;
use std::path::Path;

/// What went wrong, and what to do about it.
#[derive(Debug)]
pub enum Error {
    /// The sentence, and where there is something to be done, another one.
    Message {
        /// What is wrong, and where.
        what: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Nobody reads our output any more.
    Pipe,
}

impl Error {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Error::Message { what: what.into(), hint: None }
    }

    pub(crate) fn with_hint(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Error::Message { what: what.into(), hint: Some(hint.into()) }
    }

    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        Error::new(format!("{}: {error}", path.display()))
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Error::Pipe,
            _ => Error::new(error.to_string()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Message { what, hint: None } => f.write_str(what),
            Error::Message { what, hint: Some(hint) } => write!(f, "{what}\n  {hint}"),
            Error::Pipe => f.write_str("the output was closed"),
        }
    }
}

impl std::error::Error for Error {}
