//! Where vectors are sent, and where named tests look.

use std::path::Path;

use realpeer_e2e::{Place, Subsystem};

/// What is under test, as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Library,
    Nginx,
    Apache,
}

impl Target {
    pub const ALL: [Self; 3] = [Self::Library, Self::Nginx, Self::Apache];

    /// As the checklist calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::Nginx => "nginx",
            Self::Apache => "apache",
        }
    }

    /// The columns that have its vectors.
    pub fn columns(self) -> impl Iterator<Item = Column> {
        Column::ALL.into_iter().filter(move |column| column.target() == self)
    }

    /// What a test looks at, by the file it stands in.
    pub fn of_test(test: &str) -> Vec<Self> {
        let (file, _) = test.split_once("::").unwrap_or((test, ""));
        let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/{file}.rs"));
        match file {
            "examples_c" | "written" | "command" => vec![Self::Library],
            // Those that run before all servers at once.
            "attacks" if test.ends_with("_local_sent_on") => vec![Self::Nginx],
            "consumers_table" if test.contains("::Apache") => vec![Self::Apache],
            "consumers_table" if test.contains("::nginx") => vec![Self::Nginx],
            "attacks" | "consumers_table" => vec![Self::Nginx, Self::Apache],
            _ if !servers.exists() => vec![Self::Library],
            _ if file.starts_with("apache_") => vec![Self::Apache],
            _ => vec![Self::Nginx],
        }
    }
}

/// What vectors are sent to: a kind of listener, of every version and every
/// MPM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    Library,
    NginxHttp,
    NginxHttps,
    NginxStream,
    NginxMail,
    ApacheHttp,
    ApacheHttps,
}

impl Column {
    pub const ALL: [Self; 7] = [
        Self::Library,
        Self::NginxHttp,
        Self::NginxHttps,
        Self::NginxStream,
        Self::NginxMail,
        Self::ApacheHttp,
        Self::ApacheHttps,
    ];

    pub fn of_place(place: Place) -> Self {
        match place {
            Place::Nginx(_, kind) => match kind.subsystem() {
                Subsystem::Http if kind.tls() => Self::NginxHttps,
                Subsystem::Http => Self::NginxHttp,
                Subsystem::Stream => Self::NginxStream,
                Subsystem::Mail => Self::NginxMail,
            },
            Place::Apache(_, tls) => {
                if tls {
                    Self::ApacheHttps
                } else {
                    Self::ApacheHttp
                }
            }
        }
    }

    pub fn target(self) -> Target {
        match self {
            Self::Library => Target::Library,
            Self::ApacheHttp | Self::ApacheHttps => Target::Apache,
            _ => Target::Nginx,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::NginxHttp => "nginx http",
            Self::NginxHttps => "https",
            Self::NginxStream => "stream",
            Self::NginxMail => "mail",
            Self::ApacheHttp => "Apache http",
            Self::ApacheHttps => "https",
        }
    }
}
