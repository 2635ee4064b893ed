//! The dashboard of examples/grafana asks for nothing that the status page does not
//! have, forgets nothing that it has, and its queries are queries.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use realpeer_e2e::{Client, Site, Which};
use serde_json::Value;

fn dashboard() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/grafana/realpeer.json");
    serde_json::from_str(&fs::read_to_string(file).expect("the dashboard")).expect("JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The queries of the panels.
fn queries(dashboard: &Value) -> Vec<String> {
    let panels = list(&dashboard["panels"]).iter();
    let targets = panels.flat_map(|panel| list(&panel["targets"]));
    targets.map(|target| target["expr"].as_str().expect("a query").to_owned()).collect()
}

/// Those that fill its variables: `label_values(SERIES, LABEL)`.
fn variables(dashboard: &Value) -> Vec<(String, String)> {
    let variables = list(&dashboard["templating"]["list"]).iter();
    variables
        .filter(|variable| variable["type"] == "query")
        .map(|variable| {
            let query = variable["definition"].as_str().expect("a query");
            let inner = query.strip_prefix("label_values(").and_then(|it| it.strip_suffix(')'));
            let (series, label) = inner.expect("label_values").rsplit_once(", ").expect("a label");
            assert_eq!(variable["query"]["query"], query);
            (series.to_owned(), label.to_owned())
        })
        .collect()
}

/// What each exported series may be asked by: its labels and their values, with
/// those that Prometheus adds.
type Exported = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn exported(text: &str) -> Exported {
    let mut all = Exported::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().expect("a name");
        let labels = all.entry(name.to_owned()).or_default();
        labels.entry("instance".into()).or_default();
        let inner = line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}'));
        for pair in inner.map_or("", |(inner, _)| inner).split_terminator("\",") {
            let (label, value) = pair.split_once("=\"").expect("a label");
            let value = value.trim_end_matches('"');
            labels.entry(label.to_owned()).or_default().insert(value.to_owned());
        }
    }
    all
}

fn status_page() -> String {
    let mut site = Site::new(Which::Built);
    let (port, status) = (site.port(), site.port());
    site.http(format!(
        "server {{ listen 127.0.0.1:{port}; realpeer require all; }}
         server {{ listen 127.0.0.1:{status}; location / {{ realpeer_status; }} }}"
    ));
    let nginx = site.start();
    Client::connect(port).send("no header").must_be_closed();
    let answer = Client::connect(status).get("/?format=prometheus");
    drop(nginx);
    answer.text()
}

/// Each `name{matchers}` of a query, and the labels of its `by (...)`.
fn series_of(query: &str) -> (Vec<(String, Vec<String>)>, BTreeSet<String>) {
    let is_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let mut series = Vec::new();
    let mut rest = query;
    while let Some(at) = rest.find("realpeer_") {
        rest = &rest[at..];
        let end = rest.find(|char| !is_name(char)).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        let matchers = behind.strip_prefix('{').map_or("", |it| it.split('}').next().expect("one"));
        series
            .push((name.to_owned(), matchers.split_terminator(", ").map(str::to_owned).collect()));
        rest = behind;
    }
    let by = query.split(" by (").skip(1).flat_map(|rest| {
        let inner = rest.split(')').next().expect("one");
        inner.split(", ").map(str::to_owned).collect::<Vec<_>>()
    });
    (series, by.collect())
}

/// What is wrong with a query, and the names in it.
fn compare(query: &str, exported: &Exported, asked: &mut BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let (series, by) = series_of(query);
    assert!(!series.is_empty(), "{query}");
    for (name, matchers) in series {
        asked.insert(name.clone());
        let Some(labels) = exported.get(&name) else {
            wrong.push(format!("there is no {name}: {query}"));
            continue;
        };
        for matcher in matchers {
            let (label, value) = matcher.split_once('=').expect("a matcher");
            let Some(values) = labels.get(label) else {
                wrong.push(format!("{name} has no {label}: {query}"));
                continue;
            };
            let exact = value.strip_prefix('"').map(|value| value.trim_end_matches('"'));
            if exact.is_some_and(|value| !values.contains(value)) {
                wrong.push(format!("{name} has no {matcher}: {query}"));
            }
        }
        wrong.extend(
            by.iter()
                .filter(|label| !labels.contains_key(*label))
                .map(|label| format!("{name} has no {label}: {query}")),
        );
    }
    wrong
}

#[test]
fn the_dashboard_asks_for_what_is_exported() {
    let (dashboard, exported) = (dashboard(), exported(&status_page()));
    let mut asked = BTreeSet::new();
    let mut wrong = Vec::new();
    for query in queries(&dashboard) {
        wrong.extend(compare(&query, &exported, &mut asked));
    }
    for (series, label) in variables(&dashboard) {
        wrong.extend(compare(&series, &exported, &mut BTreeSet::new()));
        let name = series.split('{').next().expect("a name");
        if !exported.get(name).is_some_and(|labels| labels.contains_key(&label)) {
            wrong.push(format!("{series} has no {label}"));
        }
    }
    wrong.extend(
        exported
            .keys()
            .filter(|name| !asked.contains(*name))
            .map(|name| format!("{name} is in no panel")),
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(asked.len() >= 9, "{asked:?}");
}

/// As Prometheus reads them, with the variables filled in as Grafana does.
#[test]
fn the_queries_are_queries() {
    let rules = queries(&dashboard()).iter().enumerate().fold(
        "groups:\n- name: dashboard\n  rules:\n".to_owned(),
        |rules, (number, query)| {
            let query = query
                .replace("$__rate_interval", "1m")
                .replace("$__range", "3h")
                .replace("$instance", ".*")
                .replace("$subsystem", ".*")
                .replace("$listener", "(127.0.0.1:80|unix:/run/a)");
            assert!(!query.contains('$'), "{query}");
            rules + &format!("  - record: query:{number}\n    expr: {}\n", Value::from(query))
        },
    );
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.yml");
    fs::write(&file, rules).expect("own folder");
    let output = Command::new("promtool").args(["check", "rules"]).arg(&file).output();
    let output = output.expect("promtool, see tools/packages.txt");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
