//! The vectors: `tests/vectors/*.toml`, described in the README there.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;

use crate::notation;

/// Bytes, and all that the parser has to say of them.
#[derive(Debug, Clone)]
pub struct Vector {
    /// The file it stands in, without its ending.
    pub file: String,
    /// What it is about, the clauses first.
    pub name: String,
    /// Rows of the checklist (`A5`), of the attacks (`attack 3`), of the senders.
    pub clauses: Vec<String>,
    /// The first bytes of the connection.
    pub bytes: Vec<u8>,
    /// After so many of them the verdict comes, and not before; of a header that
    /// is accepted, its length. All of them where the verdict is `more`.
    pub at: usize,
    /// The word for the verdict.
    pub expect: String,
    pub source: Option<SocketAddr>,
    pub destination: Option<SocketAddr>,
    /// `unspec`, `inet`, `inet6` or `unix`.
    pub family: String,
    /// `unspec`, `stream` or `datagram`.
    pub transport: String,
    /// Both addresses of the family `unix`, 108 bytes each.
    pub paths: Option<(Vec<u8>, Vec<u8>)>,
    /// All TLVs in their order, padding too.
    pub tlvs: Vec<(u8, Vec<u8>)>,
    /// Whether a checksum was there.
    pub checksum: bool,
    /// Named fields and their text.
    pub fields: BTreeMap<String, String>,
    /// Named fields that must not be found.
    pub absent: Vec<String>,
    /// Limits that are set for this vector.
    pub max_header: u32,
    pub versions: Vec<u8>,
}

impl Vector {
    /// Whether a header is accepted, with an address or without.
    pub fn is_accepted(&self) -> bool {
        matches!(self.expect.as_str(), "proxy" | "local" | "no_address")
    }

    /// What it is about, without the clauses and without which of many it is.
    pub fn title(&self) -> &str {
        let (_, title) = self.name.split_once(": ").unwrap_or(("", &self.name));
        title.split_once(" [").map_or(title, |(title, _)| title)
    }

    /// Whether the bytes are refused.
    pub fn is_refused(&self) -> bool {
        !self.is_accepted() && self.expect != "more"
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    vector: Vec<Entry>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    text: Option<String>,
    bytes: Option<String>,
    #[serde(default)]
    each: Vec<String>,
    expect: String,
    source: Option<SocketAddr>,
    destination: Option<SocketAddr>,
    family: Option<String>,
    transport: Option<String>,
    paths: Option<[String; 2]>,
    #[serde(default)]
    tlvs: Vec<String>,
    #[serde(default)]
    checksum: bool,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    #[serde(default)]
    absent: Vec<String>,
    max_header: Option<u32>,
    versions: Option<Vec<u8>>,
}

/// All vectors, by file and in the order they stand there.
///
/// # Panics
/// Where a file cannot be understood: says which vector, and why.
pub fn vectors() -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a folder that can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    let vectors: Vec<Vector> = files.iter().flat_map(|path| file(path)).collect();
    assert!(!vectors.is_empty(), "no vectors in {}", folder.display());
    vectors
}

fn file(path: &Path) -> Vec<Vector> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{stem}: {error}"));
    let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{stem}: {error}"));
    let variants = file.vector.into_iter().flat_map(variants);
    variants
        .map(|entry| {
            let name = entry.name.clone();
            vector(&stem, entry).unwrap_or_else(|error| panic!("{stem}, {name}: {error}"))
        })
        .collect()
}

/// One entry for each text in `each`, put where the `$` stands.
fn variants(entry: Entry) -> Vec<Entry> {
    if entry.each.is_empty() {
        return vec![entry];
    }
    let put = |text: &Option<String>, part: &str| {
        text.as_ref().map(|text| {
            assert!(text.contains('$'), "{}: no $ for `each`", entry.name);
            text.replace('$', part)
        })
    };
    let one = |part: &String| Entry {
        name: format!("{} [{part}]", entry.name),
        text: put(&entry.text, part),
        bytes: put(&entry.bytes, part),
        each: Vec::new(),
        ..entry.clone()
    };
    entry.each.iter().map(one).collect()
}

fn vector(file: &str, entry: Entry) -> Result<Vector, String> {
    let (clauses, _) = entry.name.split_once(": ").ok_or("the name has no clause in front")?;
    let (bytes, bar) = match (&entry.text, &entry.bytes) {
        (Some(text), None) => {
            let bar = text.find('|');
            (text.replacen('|', "", 1).into_bytes(), bar)
        }
        (None, Some(bytes)) => notation::read(bytes)?,
        _ => return Err("either `text` or `bytes`".to_owned()),
    };
    let at = bar.unwrap_or(bytes.len());
    if entry.expect == "more" && bar.is_some() || at > bytes.len() {
        return Err("a bar where nothing is decided".to_owned());
    }
    if entry.expect == "proxy" && (entry.source.is_none() || entry.destination.is_none()) {
        return Err("`proxy` needs source and destination".to_owned());
    }
    let (family, transport) = match entry.source {
        Some(SocketAddr::V4(_)) => ("inet", "stream"),
        Some(SocketAddr::V6(_)) => ("inet6", "stream"),
        None => ("unspec", "unspec"),
    };
    let tlv = |text: &String| match notation::bytes(text).split_first() {
        Some((&kind, value)) => Ok((kind, value.to_vec())),
        None => Err("an empty TLV".to_owned()),
    };
    Ok(Vector {
        file: file.to_owned(),
        clauses: clauses.split(", ").map(str::to_owned).collect(),
        bytes,
        at,
        source: entry.source,
        destination: entry.destination,
        family: entry.family.unwrap_or_else(|| family.to_owned()),
        transport: entry.transport.unwrap_or_else(|| transport.to_owned()),
        paths: entry.paths.map(|[a, b]| (notation::bytes(&a), notation::bytes(&b))),
        tlvs: entry.tlvs.iter().map(tlv).collect::<Result<_, _>>()?,
        checksum: entry.checksum,
        fields: entry.fields,
        absent: entry.absent,
        max_header: entry.max_header.unwrap_or(4096),
        versions: entry.versions.unwrap_or_else(|| vec![1, 2]),
        expect: entry.expect,
        name: entry.name,
    })
}
