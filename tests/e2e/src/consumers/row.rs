//! A line of the table.

use std::path::Path;

use crate::consumers::whose::Whose;
use crate::which::Which;

/// The servers it is looked at on.
#[derive(Debug, Clone, Copy)]
pub enum On {
    /// Both versions of nginx.
    Nginx(fn(Which) -> Whose),
    /// Debian's alone, as the other is built without.
    DebianNginx(fn(Which) -> Whose),
    Apache(fn() -> Whose),
    /// Where this module is, which nobody has to have.
    ApacheWith(&'static str, fn() -> Whose),
}

/// Has a server running, and finds out.
pub type Look = Box<dyn Fn() -> Whose + Send>;

/// Something that uses an address.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The heading it stands under.
    pub server: &'static str,
    /// In the words of who configures it.
    pub what: &'static str,
    /// Whose address it has to be.
    pub whose: Whose,
    /// What else there is to say.
    pub note: &'static str,
    pub on: On,
}

impl Row {
    pub(super) const fn new(server: &'static str, what: &'static str, on: On) -> Self {
        Self { server, what, whose: Whose::Client, note: "", on }
    }

    /// One that uses somebody else's, or has something to say besides.
    pub(super) const fn but(self, whose: Whose, note: &'static str) -> Self {
        Self { whose, note, ..self }
    }

    /// The name and the test of each server it is looked at on.
    pub fn looks(&self) -> Vec<(&'static str, Look)> {
        match self.on {
            On::Nginx(look) => vec![
                ("debian_nginx", Box::new(move || look(Which::Debian))),
                ("built_nginx", Box::new(move || look(Which::Built))),
            ],
            On::DebianNginx(look) => vec![("debian_nginx", Box::new(move || look(Which::Debian)))],
            On::Apache(look) | On::ApacheWith(_, look) => vec![("apache", Box::new(look))],
        }
    }

    /// What is not there, and keeps it from being looked at.
    pub fn missing(&self) -> Option<&'static str> {
        match self.on {
            On::ApacheWith(module, _) if !Path::new(module).exists() => Some(module),
            _ => None,
        }
    }
}
