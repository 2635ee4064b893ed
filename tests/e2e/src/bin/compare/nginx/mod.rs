//! nginx's own `proxy_protocol` and realpeer: docs/compared-with-nginx.md

mod case;
mod document;
mod reasons;
mod servers;

use case::Case;

use crate::Made;
use crate::inputs;

pub fn make() -> Made {
    let inputs = inputs::inputs();
    let cases = case::cases(&inputs);
    let faults: Vec<_> = cases.iter().filter_map(fault).collect();
    if faults.is_empty() { Ok(document::document(&cases)) } else { Err(faults) }
}

/// What is wrong with a case: realpeer does not as the vector has it, or
/// differs from nginx for no known reason.
fn fault(case: &Case<'_>) -> Option<String> {
    let what = if case.realpeer != case.wanted() {
        format!("wanted {:?}", case.wanted())
    } else if !case.is_alike() && reasons::reason(case).is_none() {
        "no clause explains this".to_owned()
    } else {
        return None;
    };
    Some(format!(
        "{} {}, {}, {}: nginx {:?}, realpeer {:?}: {what}",
        servers::version(case.which),
        case.kind.name(),
        case.input.vector.name.escape_debug(),
        case.input.split.text(),
        case.native,
        case.realpeer,
    ))
}
