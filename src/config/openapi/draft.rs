//! A gateway.toml that asks for what the document asks for.
//!
//! 1. Operations of one path that stand together and ask for the same share a route. Paths that differ in nothing but the
//!    names of variables are one path: what each of them asks for is asked for.
//! 2. An operation whose path no pattern says exactly is named in a comment, and gets no route. Where another one's route
//!    covers its requests, that one asks for what it asks too.
//! 3. Keys come from the issuers that the document names (`openIdConnectUrl`); where it names none, the issuer lacks its
//!    key source, which is the one thing that has to be filled in.
//! 4. The text is read as every configuration is, with a key source put in, and compared with the document. Only then is
//!    it given away.

use std::{collections::HashMap, path::Path};

use http::Method;

use super::{
    Comparison, Demand, Difference, Document, OpenApiError, Operation,
    template::{Names, Template},
    toml::{comment, string, strings},
};
use crate::{
    authz::Access,
    config::{self, context::LARGEST_FILE},
};

/// A gateway.toml, and what to say about it.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The file's text.
    pub text: String,
    /// How many routes it has.
    pub routes: usize,
    /// How many of them are public.
    pub public: usize,
    /// How many operations have a route of their own.
    pub covered: usize,
    /// Whether an issuer has no key source yet.
    pub lacks_keys: bool,
    /// Each operation without a route of its own, or whose requests are refused all the same, and why.
    pub uncovered: Vec<(String, String)>,
    /// Where it is stricter than the document, or otherwise odd; each with the operations that it is about.
    pub warnings: Vec<(String, Vec<String>)>,
}

impl Document {
    /// The gateway.toml of this document. `name` is what comments call it.
    ///
    /// # Errors
    /// [`OpenApiError::NoOperation`], [`OpenApiError::TooLarge`] and [`OpenApiError::NotProven`].
    pub fn draft(&self, name: &str) -> Result<Draft, OpenApiError> {
        let mut parts = parts(&self.operations);
        if parts.iter().all(|part| part.rule().is_none()) {
            return Err(OpenApiError::NoOperation);
        }
        let complete = |parts: &[Part<'_>]| self.text(name, parts, "signing_keys = \"keys\"\n");
        // An operation without a rule of its own may fall under another one's.
        for difference in self.read_back(&complete(&parts))?.weaker {
            if let Some(rule) = covering(&mut parts, &difference) {
                rule.ask_for(difference.operation);
            }
        }
        let compared = self.read_back(&complete(&parts))?;
        if let Some(found) = compared.weaker.first() {
            return Err(OpenApiError::NotProven(format!("{} asks for less than {found:?}", found.route)));
        }
        let mut uncovered: Vec<(&Operation, String)> = parts.iter().filter_map(Part::uncovered).collect();
        // A route of its own is not enough for a path that looks like a stricter rule's.
        for (operation, why) in compared.uncovered {
            if !uncovered.iter().any(|(known, _)| std::ptr::eq(*known, operation)) {
                uncovered.push((operation, why));
            }
        }
        let rules = || parts.iter().filter_map(Part::rule);
        let routes = || groups(&parts).filter_map(|group| group.first().and_then(Part::rule));
        Ok(Draft {
            text: self.text(name, &parts, ""),
            routes: routes().count(),
            public: routes().filter(|first| first.demand.access == Access::Public).count(),
            covered: self.operations.len() - uncovered.len(),
            lacks_keys: needs_issuer(&parts) && self.issuers.discovered.is_empty(),
            uncovered: uncovered.into_iter().map(|(operation, why)| (operation.name(), why)).collect(),
            warnings: self.warnings.iter().map(|one| (one.clone(), Vec::new())).chain(notes(rules())).collect(),
        })
    }

    /// What a complete configuration makes of the document; first of all it must load.
    fn read_back(&self, text: &str) -> Result<Comparison<'_>, OpenApiError> {
        if text.len() as u64 > LARGEST_FILE {
            return Err(OpenApiError::TooLarge);
        }
        let loaded = config::parse(text, "gateway.toml", Path::new(""), &|_| None);
        let loaded = loaded.map_err(|mistakes| OpenApiError::NotProven(mistakes.to_string()))?;
        self.compare(&loaded.config).map_err(|errors| OpenApiError::NotProven(format!("{errors:?}")))
    }

    /// The file, with this key source where the document names none.
    fn text(&self, name: &str, parts: &[Part<'_>], key_source: &str) -> String {
        let mut text = comment(&format!("Policy of {}, from its OpenAPI document {name}.", self.title));
        text.push_str("# The most specific route counts, and what no route covers is refused.\n");
        text.push_str("\n[upstream.default]\nservers = [\"http://127.0.0.1:8000\"]     # where the API itself is\n");
        if needs_issuer(parts) {
            text.push_str(&self.issuer_tables(key_source));
        }
        text.extend(groups(parts).map(group_text));
        text
    }

    /// The tables of all issuers; one that the document does not name gets `key_source`.
    fn issuer_tables(&self, key_source: &str) -> String {
        let hint = |url: &String| comment(&format!("The document mentions {url}"));
        let hints: String = self.issuers.hints.iter().map(hint).collect();
        if self.issuers.discovered.is_empty() {
            return format!("\n[issuer.main]\n{key_source}{hints}{KEY_SOURCES}{AUDIENCE}");
        }
        let table = |(at, issuer): (usize, &String)| {
            let name = if at == 0 { "main".to_owned() } else { format!("main_{}", at + 1) };
            let issuer = string(issuer);
            format!("\n[issuer.{name}]\nissuer = {issuer}\ndiscovery_url = {issuer}\n{AUDIENCE}")
        };
        self.issuers.discovered.iter().enumerate().map(table).collect()
    }
}

const KEY_SOURCES: &str = "\
# The document does not say where the keys of its tokens are. Fill in one of these:
# issuer = \"https://id.example.com\"
# discovery_url = \"https://id.example.com\"    # with `issuer`: OpenID Connect
# jwks_url = \"https://id.example.com/jwks.json\"
# jwks_file = \"keys.json\"
# public_key = \"key.pem\"                      # with `algorithms`
# secret = { env = \"JWT_SECRET\" }
";

const AUDIENCE: &str =
    "# audience = \"this-api\"                       # whom the tokens are for; without it, anybody\n";

/// What the file has, in its order.
enum Part<'a> {
    Rule(Rule<'a>),
    /// Why it has no rule of its own.
    Uncovered(&'a Operation, String),
}

/// What one rule is for: operations of one method and, up to the names of variables, one path.
struct Rule<'a> {
    method: &'a Method,
    path: String,
    operations: Vec<&'a Operation>,
    demand: Demand,
    notes: Vec<String>,
}

fn parts(operations: &[Operation]) -> Vec<Part<'_>> {
    let mut names = Names::default();
    let mut parts: Vec<Part<'_>> = Vec::new();
    // Where the rule of a method and a shape is.
    let mut places = HashMap::new();
    for operation in operations {
        let Template { path, shape } = match names.template(&operation.path) {
            Ok(template) => template,
            Err(error) => {
                parts.push(Part::Uncovered(operation, error.to_string()));
                continue;
            }
        };
        let place = *places.entry((&operation.method, shape)).or_insert(parts.len());
        match parts.get_mut(place) {
            Some(Part::Rule(rule)) => {
                rule.ask_for(operation);
                rule.operations.push(operation);
            }
            _ => parts.push(Part::Rule(Rule {
                method: &operation.method,
                path,
                operations: vec![operation],
                demand: operation.demand.clone(),
                notes: operation.notes.clone(),
            })),
        }
    }
    parts
}

/// Parts that share a route: rules of one path that ask for the same.
fn groups<'p, 'a>(parts: &'p [Part<'a>]) -> impl Iterator<Item = &'p [Part<'a>]> {
    parts.chunk_by(|one, other| match (one.rule(), other.rule()) {
        (Some(one), Some(other)) => one.path == other.path && one.demand == other.demand,
        _ => false,
    })
}

fn needs_issuer(parts: &[Part<'_>]) -> bool {
    parts.iter().filter_map(Part::rule).any(|rule| rule.demand.access != Access::Public)
}

/// The rule that covers the operation of `difference`.
fn covering<'p, 'a>(parts: &'p mut [Part<'a>], difference: &Difference<'_>) -> Option<&'p mut Rule<'a>> {
    let (methods, path) = difference.route.split_once(' ')?;
    let method = &difference.operation.method;
    let is_named = methods.split('|').any(|name| name == method);
    let wanted = if is_named { method } else { &Method::GET };
    let mut rules = parts.iter_mut().filter_map(|part| if let Part::Rule(rule) = part { Some(rule) } else { None });
    rules.find(|rule| rule.path == path && rule.method == wanted)
}

/// Every note, with the operations that it is about.
fn notes<'p>(rules: impl Iterator<Item = &'p Rule<'p>>) -> Vec<(String, Vec<String>)> {
    let mut notes: Vec<(String, Vec<String>)> = Vec::new();
    let mut places = HashMap::new();
    for rule in rules {
        for note in &rule.notes {
            let place = *places.entry(note).or_insert(notes.len());
            let names = rule.operations.iter().map(|operation| operation.name());
            match notes.get_mut(place) {
                Some((_, known)) => known.extend(names),
                None => notes.push((note.clone(), names.collect())),
            }
        }
    }
    notes
}

impl Rule<'_> {
    /// Asks for what `operation` asks too.
    fn ask_for(&mut self, operation: &Operation) {
        if self.demand != operation.demand {
            self.demand = self.demand.clone().both(operation.demand.clone());
            self.note(format!("{} covers {} too: what each of them asks for is asked for", self.path, operation.path));
        }
        operation.notes.iter().for_each(|note| self.note(note.clone()));
    }

    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

impl<'a> Part<'a> {
    const fn rule(&self) -> Option<&Rule<'a>> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::Uncovered(..) => None,
        }
    }

    fn uncovered(&self) -> Option<(&'a Operation, String)> {
        match self {
            Self::Rule(_) => None,
            Self::Uncovered(operation, why) => Some((operation, why.clone())),
        }
    }
}

/// A route of the file, or why there is none.
fn group_text(parts: &[Part<'_>]) -> String {
    let mut text = "\n".to_owned();
    let rules: Vec<&Rule<'_>> = parts.iter().filter_map(Part::rule).collect();
    for part in parts {
        match part {
            Part::Rule(rule) => text.extend(rule.operations.iter().map(|operation| titled(operation))),
            Part::Uncovered(operation, why) => {
                text.push_str(&titled(operation));
                text.push_str(&comment(&format!("No route of its own: {why}.")));
            }
        }
    }
    let Some(first) = rules.first() else { return text };
    for (note, _) in notes(rules.iter().copied()) {
        text.push_str(&comment(&format!("Note: {note}.")));
    }
    let methods: Vec<&str> = rules.iter().map(|rule| rule.method.as_str()).collect();
    let matched = string(&format!("{} {}", methods.join("|"), first.path));
    text.extend(["[[route]]\nmatch = ", &matched, "\n"]);
    if first.demand.access != Access::Token {
        text.extend(["access = \"", first.demand.access.as_str(), "\"\n"]);
    }
    for (key, permissions) in [("permissions", &first.demand.all), ("any_permission", &first.demand.any)] {
        if !permissions.is_empty() {
            text.extend([key, " = ", &strings(permissions), "\n"]);
        }
    }
    text
}

fn titled(operation: &Operation) -> String {
    comment(&format!("{} {}", operation.name(), operation.title))
}
