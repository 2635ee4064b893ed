//! Where files are: on this machine, below a folder, or in what `nginx -T` printed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::include;

/// Where the files of a configuration are looked up.
#[derive(Debug)]
pub(super) enum Files {
    /// On this machine, as nginx does.
    Disk,
    /// Below a folder, which is the root of an unpacked file system. Symbolic links
    /// do not lead out of it.
    Root(PathBuf),
    /// In the output of `nginx -T`, and nowhere else.
    Dump(BTreeMap<PathBuf, Vec<u8>>),
}

/// The output of `nginx -T` has each file after a line with this in it.
const HEADING: &[u8] = b"# configuration file ";

/// More than that is no configuration.
const MOST: u64 = 256 << 20;

/// More links than that are a circle, as for Linux.
const MOST_LINKS: usize = 40;

impl Files {
    /// What is in a file.
    pub(super) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self {
            Files::Disk => read_all(File::open(path)?),
            Files::Root(root) => {
                let path = below(root, path)?;
                // Whatever was unpacked there: no device, and no pipe to wait for.
                if !fs::metadata(&path)?.is_file() {
                    return Err(io::Error::other("not a regular file"));
                }
                read_all(File::open(path)?)
            }
            Files::Dump(texts) => texts
                .get(&plain(path))
                .cloned()
                .ok_or_else(|| io::Error::other("not in this output of nginx -T")),
        }
    }

    /// The file of this name or, where the name is a pattern, all files that match it,
    /// which may be none.
    pub(super) fn find(&self, name: &Path) -> io::Result<Vec<PathBuf>> {
        if !include::is_pattern(name.as_os_str()) {
            return Ok(vec![name.to_owned()]);
        }
        match self {
            Files::Disk => include::glob(name),
            Files::Root(root) => find_below(root, name),
            Files::Dump(texts) => {
                let pattern = CString::new(plain(name).as_os_str().as_bytes())?;
                let matches = |path: &&PathBuf| include::matches(&pattern, path.as_os_str());
                Ok(sorted(texts.keys().filter(matches).cloned().collect()))
            }
        }
    }
}

impl Files {
    /// The folder of a pattern that is not there, as where files are those of another
    /// machine.
    pub(super) fn missing_folder(&self, pattern: &Path) -> Option<PathBuf> {
        let is_plain = |part: &Component<'_>| !include::is_pattern(part.as_os_str());
        let folder: PathBuf = pattern.parent()?.components().take_while(is_plain).collect();
        let is_there = match self {
            Files::Disk => folder.as_os_str().is_empty() || folder.exists(),
            Files::Root(root) => below(root, &folder).is_ok_and(|folder| folder.exists()),
            // What is not there is not included.
            Files::Dump(_) => true,
        };
        (!is_there).then_some(folder)
    }
}

impl Files {
    /// Files of an output of `nginx -T` that are not among those that were read.
    pub(super) fn not_in(&self, read: &BTreeSet<PathBuf>) -> Vec<&Path> {
        match self {
            Files::Disk | Files::Root(_) => Vec::new(),
            Files::Dump(texts) => {
                texts.keys().filter(|path| !read.contains(*path)).map(PathBuf::as_path).collect()
            }
        }
    }
}

/// All of a stream of bytes, unless that is too much.
pub(super) fn read_all(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(io::Error::other("more than 256 MiB"));
    }
    Ok(bytes)
}

/// The files in an output of `nginx -T`, and which of them is the main one. None if the
/// text is something else.
pub(super) fn dump(text: &[u8]) -> Option<Result<(PathBuf, Files), String>> {
    let mut lines = text.split_inclusive(|byte| *byte == b'\n').skip_while(|line| is_noise(line));
    let main = heading(lines.next()?)?;
    // nginx -p ./ has relative paths, and then all are.
    let is_next = |path: &PathBuf| main.is_relative() || path.is_absolute();
    let mut texts = BTreeMap::new();
    let mut path = main.clone();
    let mut content = Vec::new();
    for line in lines {
        if let Some(next) = heading(line).filter(is_next) {
            add(&mut texts, path, &content);
            content.clear();
            if texts.contains_key(&next) {
                let error = format!("{} is in this output of nginx -T twice", next.display());
                return Some(Err(error));
            }
            path = next;
        } else {
            content.extend_from_slice(line);
        }
    }
    add(&mut texts, path, &content);
    Some(Ok((main, Files::Dump(texts))))
}

fn add(texts: &mut BTreeMap<PathBuf, Vec<u8>>, path: PathBuf, content: &[u8]) {
    // Messages, where both outputs went to one file and nginx closed its last.
    let mut lines: Vec<_> = content.split_inclusive(|byte| *byte == b'\n').collect();
    while lines.last().is_some_and(|line| is_noise(line)) {
        lines.pop();
    }
    texts.insert(path, lines.concat());
}

/// The file that a line announces.
fn heading(line: &[u8]) -> Option<PathBuf> {
    let line = line.trim_ascii_end();
    let path = line.strip_prefix(HEADING)?.strip_suffix(b":")?;
    // Other comments begin like this, too.
    let is_name = path.starts_with(b"/") || (!path.is_empty() && !path.contains(&b' '));
    is_name.then(|| plain(Path::new(OsStr::from_bytes(path))))
}

/// What nginx says of itself: `nginx: ...` and `2026/12/01 03:20:58 [warn] ...`.
fn is_noise(line: &[u8]) -> bool {
    let date = b"0000/00/00 00:00:00 [";
    let is_dated = line.len() > date.len()
        && line.iter().zip(date).all(|(byte, wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            wanted => byte == wanted,
        });
    line.trim_ascii().is_empty() || line.starts_with(b"nginx: ") || is_dated
}

/// A path without `//` and `/./`.
pub(super) fn plain(path: &Path) -> PathBuf {
    path.components().collect()
}

/// In the order of `glob()`.
fn sorted(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.sort_by(|one, two| one.as_os_str().as_bytes().cmp(two.as_os_str().as_bytes()));
    paths
}

/// Where a path leads to if `root` is the root of the file system.
fn below(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut real = PathBuf::new();
    let mut links = 0;
    let parts = |path: &Path| -> Vec<OsString> {
        path.components().rev().map(|part| part.as_os_str().to_owned()).collect()
    };
    let mut rest = parts(path);
    while let Some(part) = rest.pop() {
        match Path::new(&part).components().next() {
            Some(Component::RootDir | Component::Prefix(_)) => real = PathBuf::new(),
            Some(Component::ParentDir) => drop(real.pop()),
            Some(Component::Normal(name)) => match fs::read_link(root.join(&real).join(name)) {
                Ok(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(io::Error::other("symbolic links lead in a circle"));
                    }
                    rest.extend(parts(&target));
                }
                Err(_) => real.push(name),
            },
            Some(Component::CurDir) | None => {}
        }
    }
    Ok(root.join(real))
}

/// The files below `root` that match a pattern, by their paths from there.
fn find_below(root: &Path, pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.components() {
        let Component::Normal(name) = part else {
            if part == Component::ParentDir {
                found.iter_mut().for_each(|path| path.push(".."));
            }
            continue;
        };
        let is_pattern = include::is_pattern(name) || name.as_bytes().contains(&b'\\');
        let name_pattern = CString::new(name.as_bytes())?;
        let mut next = Vec::new();
        for folder in found {
            let real = below(root, &folder)?;
            if !is_pattern {
                let path = folder.join(name);
                if fs::symlink_metadata(real.join(name)).is_ok() {
                    next.push(path);
                }
                continue;
            }
            let entries = match fs::read_dir(real) {
                Ok(entries) => entries,
                Err(error) if is_no_folder(&error) => continue,
                Err(error) => return Err(error),
            };
            for entry in entries {
                let entry = entry?.file_name();
                if include::matches(&name_pattern, &entry) {
                    next.push(folder.join(entry));
                }
            }
        }
        found = next;
    }
    Ok(sorted(found))
}

fn is_no_folder(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};

    use super::{Files, below, dump};

    #[test]
    fn links_stay_below_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("etc/nginx/sites-available")).unwrap();
        fs::write(root.join("etc/nginx/sites-available/a"), "a").unwrap();
        fs::write(folder.path().join("secret"), "outside").unwrap();
        symlink("/etc/nginx/sites-available", root.join("etc/nginx/sites-enabled")).unwrap();
        symlink("../../../../../secret", root.join("etc/nginx/out")).unwrap();
        symlink("/circle", root.join("circle")).unwrap();
        let files = Files::Root(root.clone());
        let found = files.find(Path::new("/etc/nginx/sites-enabled/*")).unwrap();
        assert_eq!(found, [PathBuf::from("/etc/nginx/sites-enabled/a")]);
        assert_eq!(files.read(found.first().unwrap()).unwrap(), b"a");
        assert_eq!(files.read(Path::new("/etc/nginx/../nginx/sites-enabled/./a")).unwrap(), b"a");
        assert_eq!(below(&root, Path::new("/etc/nginx/out")).unwrap(), root.join("secret"));
        assert!(files.read(Path::new("/etc/nginx/out")).is_err());
        assert!(files.read(Path::new("/etc/nginx")).is_err());
        assert!(files.read(Path::new("/circle")).unwrap_err().to_string().contains("circle"));
    }

    /// The same patterns, on a disk, below a root and in an output, find the same files.
    #[test]
    fn patterns_find_the_same_everywhere() {
        let folder = tempfile::tempdir().unwrap();
        let mut text = String::from("# configuration file /c/nginx.conf:\n\n");
        for name in
            ["a.conf", "a-b/x.conf", "a/x.conf", "b.conf", ".hidden.conf", "sub/sub/a.conf", "*.x"]
        {
            let path = folder.path().join("c").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
            text.push_str(&format!("# configuration file /c/{name}:\n{name}\n"));
        }
        fs::write(folder.path().join("c/nginx.conf"), "").unwrap();
        let (_, output) = dump(text.as_bytes()).unwrap().unwrap();
        let root = Files::Root(folder.path().to_owned());
        for pattern in [
            "/c/*.conf",
            "/c/*/x.conf",
            "/c/none*",
            "/c/[^a].conf",
            "/c/[!a].conf",
            "/c/[[:alpha:]].conf",
            "/c/**/a.conf",
            r"/c/\*.x",
            "/c/.*.conf",
            "/c/[",
            "/c//?.conf",
            "/none/*",
            "/*/a.conf",
            "/c/*/*/a.conf",
            "/c/a.conf/*",
        ] {
            let on_disk = folder.path().join(pattern.trim_start_matches('/'));
            let on_disk: Vec<_> = Files::Disk
                .find(&on_disk)
                .unwrap()
                .iter()
                .map(|path| Path::new("/").join(path.strip_prefix(folder.path()).unwrap()))
                .filter(|path| folder.path().join(path.strip_prefix("/").unwrap()).is_file())
                .collect();
            assert_eq!(root.find(Path::new(pattern)).unwrap(), on_disk, "{pattern}");
            assert_eq!(output.find(Path::new(pattern)).unwrap(), on_disk, "{pattern}");
        }
    }

    #[test]
    fn takes_the_output_of_nginx_apart() {
        let text = "nginx: the configuration file /e/n.conf syntax is ok\n\
                    2026/12/01 03:20:58 [warn] 1#1: x\n\
                    # configuration file /e/n.conf:\na;\n#x\n\n\
                    # configuration file /e//d/e.conf:\nb;\n\n\
                    nginx: configuration file /e/n.conf test is successful\n";
        let (main, files) = dump(text.as_bytes()).unwrap().unwrap();
        assert_eq!(main, Path::new("/e/n.conf"));
        assert_eq!(files.read(&main).unwrap(), b"a;\n#x\n");
        assert_eq!(files.read(Path::new("/e/d/e.conf")).unwrap(), b"b;\n");
        let error = files.read(Path::new("/etc/passwd")).unwrap_err();
        assert_eq!(error.to_string(), "not in this output of nginx -T");
        assert!(dump(b"user x;\n# configuration file /e/n.conf:\n").is_none());
        assert!(dump(b"").is_none());
        let twice =
            "# configuration file /a:\n# configuration file /b:\n# configuration file /a:\n";
        assert!(dump(twice.as_bytes()).unwrap().unwrap_err().contains("/a is in this output"));
    }
}
