//! The programs, where they are, and which version of them it is.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::must_exist;
use crate::which::{Which, root};

/// Who writes the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    HaProxy,
    Nginx(Which),
    Stunnel,
    Hitch,
    Varnish,
    DnsDist,
    Envoy,
    Curl,
    Libcurl,
    Swaks,
    /// These are no programs: their headers are sent as they are documented
    /// and were captured.
    Aws,
    Azure,
    Google,
    NewerNginx,
}

impl Sender {
    pub fn name(self) -> &'static str {
        match self {
            Self::HaProxy => "HAProxy",
            Self::Nginx(Which::Debian) => "nginx 1.22.1",
            Self::Nginx(Which::Built) => "nginx 1.28.3",
            Self::Stunnel => "stunnel",
            Self::Hitch => "hitch",
            Self::Varnish => "Varnish",
            Self::DnsDist => "dnsdist",
            Self::Envoy => "Envoy",
            Self::Curl => "curl",
            Self::Libcurl => "libcurl",
            Self::Swaks => "swaks",
            Self::Aws => "AWS",
            Self::Azure => "Azure",
            Self::Google => "Google Cloud",
            Self::NewerNginx => "nginx 1.31.5",
        }
    }

    /// Whether it is started, and not only its bytes sent.
    pub fn is_program(self) -> bool {
        !matches!(self, Self::Aws | Self::Azure | Self::Google | Self::NewerNginx)
    }

    /// Why it cannot be tried here; those of PyPI may not be had.
    pub fn missing(self) -> Option<String> {
        let path = match self {
            Self::Envoy => envoy(),
            Self::Libcurl => {
                let imports = python_of_senders().is_file()
                    && Command::new(python_of_senders())
                        .args(["-c", "import pycurl; pycurl.HAPROXY_CLIENT_IP"])
                        .output()
                        .is_ok_and(|output| output.status.success());
                return (!imports).then(|| absent("libcurl"));
            }
            _ => return None,
        };
        (!path.is_file()).then(|| absent(self.name()))
    }

    /// The version, as it says itself.
    pub fn version(self) -> Option<String> {
        let (program, argument) = match self {
            Self::HaProxy => (PathBuf::from("/usr/sbin/haproxy"), "-v"),
            Self::Nginx(which) => (which.program(), "-v"),
            Self::Stunnel => (PathBuf::from("/usr/bin/stunnel4"), "-version"),
            Self::Hitch => (PathBuf::from("/usr/sbin/hitch"), "--version"),
            Self::Varnish => (PathBuf::from("/usr/sbin/varnishd"), "-V"),
            Self::DnsDist => (PathBuf::from("/usr/bin/dnsdist"), "--version"),
            Self::Envoy => (envoy(), "--version"),
            Self::Curl => (PathBuf::from("curl"), "--version"),
            Self::Libcurl => (python_of_senders(), "-c"),
            Self::Swaks => (PathBuf::from("swaks"), "--version"),
            _ => return None,
        };
        let mut command = Command::new(program);
        command.arg(argument);
        if self == Self::Libcurl {
            command.arg("import pycurl; print(pycurl.version_info()[1])");
        }
        let output = command.output().ok()?;
        let said = [output.stdout, output.stderr].concat();
        number(&String::from_utf8_lossy(&said))
    }
}

fn absent(name: &str) -> String {
    format!("{name} is not in build/senders: tools/senders says why")
}

/// The first thing in a text that looks like a version.
fn number(text: &str) -> Option<String> {
    // Envoy says its path first, which may have a number in it.
    let text = text.split_once(" version: ").map_or(text, |(_, said)| said);
    text.split(|c: char| !c.is_ascii_digit() && c != '.')
        .find(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()))
        .map(|word| word.trim_end_matches('.').to_owned())
}

pub(super) fn envoy() -> PathBuf {
    // The command that pip makes only calls this one.
    let lib = root().join("build/senders/lib");
    let folders = std::fs::read_dir(&lib).into_iter().flatten().flatten();
    let found = folders.map(|folder| folder.path().join("site-packages/envoy/_bin/envoy"));
    found.into_iter().find(|path| path.is_file()).unwrap_or(lib)
}

pub(super) fn python_of_senders() -> PathBuf {
    root().join("build/senders/bin/python")
}

/// A program that must be installed.
pub(super) fn installed(path: &str) -> &Path {
    must_exist(Path::new(path), "tools/setup senders");
    Path::new(path)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn finds_versions_in_what_programs_say() {
        for (said, version) in [
            ("HAProxy version 2.6.12-1+deb12u4 2026/01/01 - https://x.example", "2.6.12"),
            ("stunnel 5.68 on x86_64-pc-linux-gnu", "5.68"),
            ("hitch 1.7.2", "1.7.2"),
            ("varnishd (varnish-7.1.1 revision 7cee1c5)", "7.1.1"),
            (
                "/lib/python3.11/envoy  version: 9e5580933739775e/1.40.0/Clean/RELEASE/BoringSSL",
                "1.40.0",
            ),
            ("8.16.0-DEV", "8.16.0"),
        ] {
            assert_eq!(number(said).as_deref(), Some(version), "{said}");
        }
        assert_eq!(number("none"), None);
    }
}
