//! The files that `include` names, found as nginx finds them.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The file of this name or, where the name is a pattern, all files that match it,
/// which may be none.
pub(super) fn files(name: &Path) -> io::Result<Vec<PathBuf>> {
    let bytes = name.as_os_str().as_bytes();
    // These alone make nginx look for files; what else glob() knows works then, too.
    if bytes.iter().any(|byte| b"*?[".contains(byte)) {
        glob(&CString::new(bytes)?)
    } else {
        Ok(vec![name.to_owned()])
    }
}

/// What the C library finds, which is what nginx asks. Crates have other ideas of
/// files that begin with a dot, of `[^a]`, and of `**`.
#[allow(unsafe_code)]
fn glob(pattern: &CStr) -> io::Result<Vec<PathBuf>> {
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

    use super::files;

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
            let found: Vec<_> = files(&folder.path().join(pattern))
                .unwrap()
                .iter()
                .map(|path| path.strip_prefix(folder.path()).unwrap().to_owned())
                .collect();
            assert_eq!(found, wanted.iter().map(std::path::PathBuf::from).collect::<Vec<_>>());
        }
    }
}
