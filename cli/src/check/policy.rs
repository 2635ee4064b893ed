//! `realpeer check policy`: rules from the command line or a file.

use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;

use super::rules::{Place, RuleList};
use super::{Source, answer};
use crate::error::Error;
use crate::{Verdict, input};

/// By rules that are given
///
/// Rules are written as in nginx.conf, with or without "realpeer" in front:
/// a policy (require, optional, strip, direct, refuse) and its sources, which are
/// addresses, CIDR blocks, unix: or all. A semicolon or the end of a line ends a rule.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The rules, such as "require 192.0.2.0/24; direct all"
    #[arg(short, long, value_name = "RULES", required_unless_present = "file")]
    pub rules: Option<String>,

    /// Read the rules from a file, - for the standard input
    #[arg(short, long, value_name = "FILE", conflicts_with = "rules")]
    pub file: Option<PathBuf>,

    /// Who connects: IP addresses, or unix:
    #[arg(required = true, value_name = "SOURCE", value_parser = Source::read)]
    pub sources: Vec<Source>,
}

/// Says the policy of each source.
///
/// # Errors
/// Where the rules cannot be read or have a fault.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Verdict, Error> {
    let (name, text) = match (&args.rules, &args.file) {
        (Some(rules), _) => ("--rules".into(), rules.clone()),
        (None, file) => {
            let text = input::read(file.as_deref())?;
            let name = file.clone().unwrap_or_else(|| PathBuf::from("-"));
            (name, String::from_utf8_lossy(&text).into_owned())
        }
    };
    let rules = read(&text, name).map_err(Error::new)?;
    for warning in &rules.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    answer(&rules, &args.sources, |_| true, "", out)
}

/// Rules that end with a semicolon or with their line.
fn read(text: &str, name: PathBuf) -> Result<RuleList, String> {
    let file = Rc::new(name);
    let mut rules = RuleList::default();
    for (index, line) in text.lines().enumerate() {
        let place = Place { file: Rc::clone(&file), line: index + 1 };
        let line = line.split_once('#').map_or(line, |(rules, _)| rules);
        for rule in line.split(';') {
            let mut words: Vec<String> = rule.split_whitespace().map(str::to_owned).collect();
            if words.first().is_some_and(|word| word.eq_ignore_ascii_case("realpeer")) {
                words.remove(0);
            }
            if !words.is_empty() {
                rules.add(&words, &place)?;
            }
        }
    }
    rules.prepare()?;
    Ok(rules)
}
