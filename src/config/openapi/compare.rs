//! A configuration against the document: what no route covers, what is asked for, and what nobody needs.
//!
//! 1. Every operation is looked up as a request would be, with a sample for each variable. A path that is refused is as
//!    little covered as one without a rule.
//! 2. A rule that lets in somebody whom the document keeps out asks for less; one that keeps out somebody whom it lets in
//!    asks for more (ownership and issuers, which a document cannot say, are more).
//! 3. A pattern, or a method of one, that no operation was covered by is unused. `GET` covers `HEAD`.

use std::collections::HashMap;

use http::Method;

use super::{Demand, Document, Operation, template::sample};
use crate::{
    authn::Vocabulary,
    authz::{RouteError, RouteSpec},
    config::Config,
};

/// How a configuration and a document differ.
#[derive(Clone, Debug)]
pub struct Comparison<'a> {
    /// Operations that no route covers, each with the reason.
    pub uncovered: Vec<(&'a Operation, String)>,
    /// Operations whose route asks for less than the document does.
    pub weaker: Vec<Difference<'a>>,
    /// Operations whose route asks for more than the document does.
    pub stricter: Vec<Difference<'a>>,
    /// Routes, or methods of them, that no operation has: `GET|PUT /pets`.
    pub unused: Vec<String>,
}

/// An operation, and its route that asks for something else.
#[derive(Clone, Debug)]
pub struct Difference<'a> {
    /// The operation.
    pub operation: &'a Operation,
    /// The route's pattern.
    pub route: String,
    /// What the route asks for.
    pub demand: Demand,
    /// The ownership that the route asks for besides.
    pub owner: Option<String>,
    /// The issuers that the route accepts; empty: all.
    pub issuers: Vec<String>,
}

impl Document {
    /// Compares.
    ///
    /// # Errors
    /// None for a configuration that was loaded: its routes have been built before.
    pub fn compare(&self, config: &Config) -> Result<Comparison<'_>, Vec<RouteError>> {
        let routes = config.routes(&mut Vocabulary::default())?;
        let patterns =
            config.routes.iter().flat_map(|spec| spec.patterns.iter().map(move |one| (one.to_string(), spec)));
        let patterns: Vec<(String, &RouteSpec)> = patterns.collect();
        let specs: HashMap<&str, &RouteSpec> = patterns.iter().map(|(name, spec)| (name.as_str(), *spec)).collect();
        let mut used: HashMap<String, Vec<Method>> = HashMap::new();
        let mut compared =
            Comparison { uncovered: Vec::new(), weaker: Vec::new(), stricter: Vec::new(), unused: Vec::new() };
        for operation in &self.operations {
            let path = sample(&operation.path);
            let rule = match routes.find(&operation.method, &path) {
                Ok(Some(found)) => found.rule(),
                Ok(None) => {
                    compared.uncovered.push((operation, "no route matches".to_owned()));
                    continue;
                }
                Err(error) => {
                    compared.uncovered.push((operation, error.to_string()));
                    continue;
                }
            };
            let by = used.entry(rule.name().to_owned()).or_default();
            if !by.contains(&operation.method) {
                by.push(operation.method.clone());
            }
            let Some(spec) = specs.get(rule.name()) else { continue };
            let demand = Demand::of(spec);
            let is_more = spec.owner.is_some() || !spec.issuers.is_empty() || !operation.demand.implies(&demand);
            let is_less = !demand.implies(&operation.demand);
            let (owner, issuers) = (spec.owner.clone(), spec.issuers.clone());
            let difference = Difference { operation, route: rule.name().to_owned(), demand, owner, issuers };
            if is_less {
                compared.weaker.push(difference);
            } else if is_more {
                compared.stricter.push(difference);
            }
        }
        compared.unused = patterns
            .iter()
            .filter_map(|(name, _)| unused(name, used.get(name).map(Vec::as_slice).unwrap_or_default()))
            .collect();
        Ok(compared)
    }
}

/// What of the pattern `name` is left, when operations of these methods were covered by it.
fn unused(name: &str, used: &[Method]) -> Option<String> {
    let (methods, path) = name.split_once(' ')?;
    if methods == "*" {
        return used.is_empty().then(|| name.to_owned());
    }
    let named: Vec<&str> = methods.split('|').collect();
    let is_used = |method: &str| used.iter().any(|by| by == method);
    let covers_head = |method: &str| method == "GET" && !named.contains(&"HEAD") && is_used("HEAD");
    let left: Vec<&str> = named.iter().copied().filter(|method| !is_used(method) && !covers_head(method)).collect();
    (!left.is_empty()).then(|| format!("{} {path}", left.join("|")))
}
