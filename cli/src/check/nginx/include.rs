//! Patterns of `include`, understood as nginx understands them.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Whether nginx looks for files instead of taking the name as it is. What else
/// `glob()` knows works then, too.
pub(super) fn is_pattern(name: &OsStr) -> bool {
    name.as_bytes().iter().any(|byte| b"*?[".contains(byte))
}

/// The files that match a pattern, which may be none.
pub(super) fn glob(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    c_glob(&CString::new(pattern.as_os_str().as_bytes())?)
}

/// Whether `glob()` would find a file of this name, or of this path.
#[allow(unsafe_code)]
pub(super) fn matches(pattern: &CStr, name: &OsStr) -> bool {
    let Ok(name) = CString::new(name.as_bytes()) else { return false };
    let flags = libc::FNM_PATHNAME | libc::FNM_PERIOD;
    // SAFETY: two strings.
    unsafe { libc::fnmatch(pattern.as_ptr(), name.as_ptr(), flags) == 0 }
}

/// What the C library finds, which is what nginx asks. Crates have other ideas of
/// files that begin with a dot, of `[^a]`, and of `**`.
#[allow(unsafe_code)]
fn c_glob(pattern: &CStr) -> io::Result<Vec<PathBuf>> {
    // SAFETY: a plain C struct, which glob() fills in.
    let mut found: libc::glob_t = unsafe { std::mem::zeroed() };
    // SAFETY: a string, no function to be called, and room for the answer.
    let result = unsafe { libc::glob(pattern.as_ptr(), 0, None, &raw mut found) };
    let mut files = Vec::new();
    if result == 0 && !found.gl_pathv.is_null() {
        for index in 0..found.gl_pathc {
            // SAFETY: there are so many strings, which end with a zero byte.
            let path = unsafe { CStr::from_ptr(*found.gl_pathv.add(index)) };
            files.push(OsStr::from_bytes(path.to_bytes()).into());
        }
    }
    // SAFETY: what glob() has filled in, and once.
    unsafe { libc::globfree(&raw mut found) };
    match result {
        0 | libc::GLOB_NOMATCH => Ok(files),
        libc::GLOB_NOSPACE => Err(io::ErrorKind::OutOfMemory.into()),
        _ => Err(io::Error::other("not all folders can be read")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use crate::check::nginx::files::Files;

    /// Each of these was shown to nginx 1.22.1.
    #[test]
    fn patterns_are_those_of_the_c_library() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.conf", "b.conf", ".hidden.conf", "sub/a.conf", "sub/sub/a.conf", "*.x"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        for (pattern, wanted) in [
            ("a.conf", &["a.conf"][..]),
            ("none.conf", &["none.conf"]),
            ("{a,b}.conf", &["{a,b}.conf"]),
            ("*.conf", &["a.conf", "b.conf"]),
            ("none*", &[]),
            ("[^a].conf", &["b.conf"]),
            ("[!a].conf", &["b.conf"]),
            ("[[:alpha:]].conf", &["a.conf", "b.conf"]),
            ("**/a.conf", &["sub/a.conf"]),
            (r"\*.x", &["*.x"]),
            (".*.conf", &[".hidden.conf"]),
            ("[", &[]),
        ] {
            let found: Vec<_> = Files::Disk
                .find(&folder.path().join(pattern))
                .unwrap()
                .iter()
                .map(|path| path.strip_prefix(folder.path()).unwrap().to_owned())
                .collect();
            assert_eq!(found, wanted.iter().map(std::path::PathBuf::from).collect::<Vec<_>>());
        }
    }
}
