//! What the specification asks for and what broke others, row by row:
//! `tests/checklist/*.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// Rows that belong together.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// What the ids of its rows begin with.
    pub id: String,
    pub title: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub id: String,
    /// Where the specification has it, or who had the fault.
    pub section: String,
    /// How much the specification insists; faults have none.
    #[serde(default)]
    pub level: String,
    /// What is asked for, or what went wrong.
    pub asks: String,
    /// What realpeer does.
    pub does: String,
    /// Named tests, as `FILE::TEST`.
    #[serde(default)]
    pub tests: Vec<String>,
    /// Why one of `library`, `nginx` and `apache` has no test.
    #[serde(default)]
    pub without: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    group: Vec<Group>,
    row: Vec<Row>,
}

/// One of the two lists.
#[derive(Debug, Clone)]
pub struct Checklist {
    pub groups: Vec<Group>,
    pub rows: Vec<Row>,
}

/// The clauses of the specification; vectors name them by their ids.
#[must_use]
pub fn clauses() -> Checklist {
    read("clauses")
}

/// What broke others; vectors name them by `attack ` and the id.
#[must_use]
pub fn attacks() -> Checklist {
    let mut list = read("attacks");
    for row in &mut list.rows {
        row.id = format!("attack {}", row.id);
    }
    list
}

fn read(name: &str) -> Checklist {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../checklist/{name}.toml"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let File { group, row } =
        toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    Checklist { groups: group, rows: row }
}
