//! `check --openapi`: the configuration against an OpenAPI document, finding by finding.
//!
//! The answer is no (1) if an operation is not covered, or its route asks for less than the document. What asks for more,
//! and routes that the document does not know, are told and are no mistakes.

use std::{path::Path, process::ExitCode};

use super::{
    failure::Failure,
    init,
    terminal::{BAD, BOLD, GOOD, complain, print, shown, table},
};
use crate::{
    authz::Access,
    config::{
        Config,
        openapi::{Comparison, Demand, Difference},
    },
    gateway::PrepareError,
};

pub(super) fn run(path: &Path, config: &Config) -> Result<ExitCode, Failure> {
    let document = init::load(path)?;
    let compared = document.compare(config).map_err(PrepareError::Routes)?;
    for warning in document.warnings() {
        complain(&format!("{BOLD}warning{BOLD:#}: {}", shown(warning)));
    }
    let (total, uncovered) = (document.operations().len(), compared.uncovered.len());
    let is_fine = uncovered == 0 && compared.weaker.is_empty();
    let verdict = match (uncovered, compared.weaker.len()) {
        (0, 0) => format!("{GOOD}all covered{GOOD:#}"),
        (0, weaker) => format!("all covered, {BAD}{weaker} by less than the document asks for{BAD:#}"),
        (uncovered, _) => format!("{BAD}{uncovered} not covered{BAD:#}"),
    };
    let name = shown(&path.display().to_string());
    let operations = if total == 1 { "operation" } else { "operations" };
    print(&format!("{name}: {total} {operations}, {verdict}\n{}", findings(&compared)))?;
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn findings(compared: &Comparison<'_>) -> String {
    let mut text = String::new();
    let mut section = |title: &str, headings: &[&str], rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            text.push_str(&format!("\n{BOLD}{title}{BOLD:#}\n{}", table(headings, rows)));
        }
    };
    let uncovered = compared.uncovered.iter().map(|(operation, why)| vec![shown(&operation.name()), shown(why)]);
    section("No route covers", &["OPERATION", "WHY"], uncovered.collect());
    let headings = ["OPERATION", "DOCUMENT", "ROUTE", "ASKS FOR"];
    section("A route asks for less", &headings, compared.weaker.iter().map(row).collect());
    section("A route asks for more (no mistake)", &headings, compared.stricter.iter().map(row).collect());
    let unused = compared.unused.iter().map(|route| vec![shown(route)]);
    section("No operation has (no mistake)", &["ROUTE"], unused.collect());
    text
}

fn row(difference: &Difference<'_>) -> Vec<String> {
    let mut asked = spelled(&difference.demand);
    if let Some(owner) = &difference.owner {
        asked.extend([", owner ", &shown(owner)]);
    }
    if !difference.issuers.is_empty() {
        asked.extend([", issuer ", &shown(&difference.issuers.join(" or "))]);
    }
    let operation = difference.operation;
    vec![shown(&operation.name()), spelled(&operation.demand), shown(&difference.route), asked]
}

fn spelled(demand: &Demand) -> String {
    let any = demand.any.join(" or ");
    let parts = demand.all.iter().cloned().chain((!any.is_empty()).then_some(any)).collect::<Vec<_>>();
    match (demand.access, parts.is_empty()) {
        (Access::Public, _) => "nothing".to_owned(),
        (Access::Optional, _) => "nothing (token optional)".to_owned(),
        (Access::Token, true) => "a token".to_owned(),
        (Access::Token, false) => shown(&parts.join(", ")),
    }
}
