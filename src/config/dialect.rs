//! `[dialect]`: read by the contract itself; its mistakes are given their places here.

use super::{
    context::Context,
    diagnostics::{Diagnostic, Place},
    node::{Entry, Value},
    values::{shown, similar},
};
use crate::contract::{Dialect, Mistake, Problem};

/// Reads the merged `[dialect]`; without one it is that of the RFCs.
pub(super) fn read(entry: Option<&Entry>, context: &Context<'_>) -> Option<Dialect> {
    let Some(entry) = entry else { return Some(Dialect::default()) };
    let Some(table) = entry.node.table() else {
        let message = format!("`dialect` must be a table, not {}", entry.node.kind());
        context.report(Diagnostic::mistake(message).at(entry.node.place));
        return None;
    };
    match Dialect::from_table(&table.to_toml()) {
        Ok(dialect) => Some(dialect),
        Err(errors) => {
            errors.iter().for_each(|error| report(error, entry, context));
            None
        }
    }
}

/// Reports a mistake of the table `section`, with its place.
pub(super) fn report(mistake: &Mistake, section: &Entry, context: &Context<'_>) {
    let path: Vec<String> = mistake.path.iter().map(String::as_str).map(shown).collect();
    let (key, value) = places(section, mistake.path.get(1..).unwrap_or_default());
    context.report(match &mistake.problem {
        Problem::UnknownKey(known) => {
            let (name, parents) = path.split_last().map_or(("", &[][..]), |(name, parents)| (name.as_str(), parents));
            let message = format!("unknown key `{name}` in `{}`", parents.join("."));
            let diagnostic = Diagnostic::mistake(message).at(key);
            match similar(name, known.iter().copied()) {
                Some(known) => diagnostic.help(format!("did you mean `{known}`?")),
                None => diagnostic.help(format!("the keys here are {}", known.join(", "))),
            }
        }
        Problem::Value(problem) => Diagnostic::mistake(format!("`{}`: {problem}", path.join("."))).at(value),
    });
}

/// Where the key and its value stand to which `path` leads below `section`, or the nearest that is written down.
fn places(section: &Entry, path: &[String]) -> (Place, Place) {
    let mut place = (section.place, section.place);
    let mut node = &section.node;
    for step in path {
        match &node.value {
            Value::Table(table) => {
                let Some(entry) = table.get(step) else { break };
                place = (entry.place, entry.node.place);
                node = &entry.node;
            }
            Value::Array(elements) => {
                let Some(element) = step.parse::<usize>().ok().and_then(|at| elements.get(at)) else { break };
                place = (element.place, element.place);
                node = element;
            }
            _ => break,
        }
    }
    place
}
