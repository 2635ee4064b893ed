//! Nothing is worth timing that gives wrong answers.

use realpeer_bench_parsers::agreement::{Does, does, strictness};
use realpeer_bench_parsers::contenders::{OURS, contenders};
use realpeer_bench_parsers::rows::{MIXED, rows};
use realpeer_bench_parsers::{Contender, Verdict, rules};

fn is_ours(contender: &Contender) -> bool {
    contender.name.starts_with(OURS)
}

#[test]
fn ours_does_the_whole_job_in_each_row() {
    for row in rows() {
        for contender in contenders().iter().filter(|contender| is_ours(contender)) {
            assert_eq!(does(contender, &row), Does::All, "{}, {}", contender.name, row.name);
        }
    }
}

#[test]
fn ours_judges_each_vector_as_the_vector_says() {
    for contender in contenders().iter().filter(|contender| is_ours(contender)) {
        let of = strictness(contender);
        let faults = [of.accepts, of.refuses, of.mistakes, of.impatient, of.panics];
        assert_eq!(faults, [0; 5], "{}", contender.name);
        assert!(of.to_refuse > 100 && of.to_accept > 100 && of.partial > 10, "{of:?}");
    }
}

/// What the times are divided by is right where it is used.
#[test]
fn yardsticks_read_each_header_right() {
    for row in rows() {
        for contender in contenders().iter().filter(|contender| contender.name.starts_with("bare"))
        {
            assert_eq!(does(contender, &row), Does::All, "{}, {}", contender.name, row.name);
        }
    }
}

/// Each of the others does the whole job somewhere, so that its adapter is right.
#[test]
fn everybody_does_the_job_in_some_rows() {
    let rows = rows();
    for contender in contenders() {
        let right = rows.iter().filter(|row| does(&contender, row) == Does::All).count();
        assert!(right >= 5, "{}: {right} rows", contender.name);
    }
}

/// So that the marks in the tables are not decoration.
#[test]
fn who_does_not_verify_is_found_out() {
    let rows = rows();
    let row = rows.iter().find(|row| row.name == "v2 AWS NLB, CRC32c").unwrap();
    let nginx = contenders().into_iter().find(|contender| contender.name.starts_with("nginx, s"));
    assert_eq!(does(&nginx.unwrap(), row), Does::WithoutLooking);
}

#[test]
fn mixed_rows_are_of_different_headers() {
    for row in rows().iter().filter(|row| row.name.ends_with("mixed")) {
        assert_eq!(row.cases.len(), MIXED);
        let mut all: Vec<_> = row.cases.iter().map(|case| &case.bytes).collect();
        all.sort_unstable();
        all.dedup();
        assert!(all.len() > MIXED * 6 / 10, "{}: {}", row.name, all.len());
        assert!(row.cases.iter().all(|case| matches!(case.verdict, Verdict::Header { .. })));
    }
}

#[test]
fn peers_are_named_by_the_rules_or_not_as_they_should() {
    for v6 in [false, true] {
        let mut set = rules::set(1_000, v6);
        let prepared = realpeer::Rules::prepare(&mut set.rules).unwrap();
        assert!(set.hits.iter().all(|&peer| prepared.find(peer).is_some()));
        assert!(set.misses.iter().all(|&peer| prepared.find(peer).is_none()));
    }
}
