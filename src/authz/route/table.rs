//! The rules as a tree of segments.

use std::{collections::HashMap, sync::Arc};

use http::Method;

use super::{
    Rule,
    pattern::{Pattern, Segment},
};
use crate::authz::path;

/// Why a rule cannot be part of the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// Two rules cover the same path and method.
    #[error("{pattern:?} and {other:?} cover the same requests, so neither is the more specific one")]
    Tie {
        /// The later one.
        pattern: String,
        /// The earlier one.
        other: String,
    },
    /// The rule names an ownership that is not configured.
    #[error("{pattern:?} names the ownership {ownership:?}, which is not configured")]
    UnknownOwnership {
        /// The rule's pattern.
        pattern: String,
        /// What it names.
        ownership: String,
    },
    /// The rule's path has no variable of the name that its ownership goes by.
    #[error("{pattern:?} has no {{{variable}}}, by which the ownership {ownership:?} knows the resource")]
    VariableMissing {
        /// The rule's pattern.
        pattern: String,
        /// The ownership that it names.
        ownership: String,
        /// The variable that is missing.
        variable: String,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Target(pub(super) Arc<Rule>);

#[derive(Debug, Default)]
pub(super) struct Node {
    literals: HashMap<Box<str>, Node, foldhash::fast::RandomState>,
    variable: Option<Box<Node>>,
    /// Rules that end here.
    here: Methods,
    /// Rules that cover everything below.
    rest: Methods,
}

#[derive(Debug, Default)]
struct Methods {
    named: Vec<(Method, Target)>,
    any: Option<Target>,
}

/// How a path is compared with the rules.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    /// As it stands.
    Exact,
    /// In small letters; `/a/**` covers `/a` too, unless something more specific does.
    Alike,
    /// In small letters.
    AlikeWithoutExtension,
}

impl Node {
    /// Inserts `pattern` as [`Search::Alike`] compares it. Of two that are alike the less demanding one is kept: whoever
    /// wrote both knows that the upstream tells them apart.
    pub(super) fn insert_alike(&mut self, pattern: &Pattern, target: &Target) {
        let mut node = self;
        let mut rest = false;
        for (at, segment) in pattern.segments.iter().enumerate() {
            match segment {
                Segment::Literal(text) if text.is_empty() && at > 0 => {}
                Segment::Literal(text) => node = node.literals.entry(text.to_ascii_lowercase().into()).or_default(),
                Segment::Variable(_) => node = node.variable.get_or_insert_default(),
                Segment::Rest => rest = true,
            }
        }
        let methods = if rest { &mut node.rest } else { &mut node.here };
        methods.insert_alike(pattern, target);
    }

    pub(super) fn insert(&mut self, pattern: &Pattern, target: &Target) -> Result<(), RouteError> {
        let mut node = self;
        let mut rest = false;
        for segment in &pattern.segments {
            match segment {
                Segment::Literal(text) => node = node.literals.entry(text.clone()).or_default(),
                Segment::Variable(_) => node = node.variable.get_or_insert_default(),
                Segment::Rest => rest = true,
            }
        }
        let methods = if rest { &mut node.rest } else { &mut node.here };
        methods.insert(pattern, target)
    }

    /// `path` is what is left, without the slash before it. Every node is visited at most once for a path, so the
    /// work is bounded by the size of the table.
    pub(super) fn find(&self, path: &str, method: &Method, search: Search) -> Option<&Target> {
        let (segment, rest) = match path.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (path, None),
        };
        let mut comparable = path::comparable(segment);
        if search != Search::Exact && comparable.bytes().any(|byte| byte.is_ascii_uppercase()) {
            comparable.to_mut().make_ascii_lowercase();
        }
        let literal = self.literals.get(&*comparable);
        let variable = self.variable.as_deref().filter(|_| !segment.is_empty());
        literal
            .and_then(|node| node.descend(rest, method, search))
            .or_else(|| variable.and_then(|node| node.descend(rest, method, search)))
            .or_else(|| self.rest.find(method))
    }

    fn descend(&self, rest: Option<&str>, method: &Method, search: Search) -> Option<&Target> {
        match rest {
            Some(rest) => self.find(rest, method, search),
            None if search == Search::Alike => self.here.find(method).or_else(|| self.rest.find(method)),
            None => self.here.find(method),
        }
    }
}

impl Methods {
    fn insert(&mut self, pattern: &Pattern, target: &Target) -> Result<(), RouteError> {
        let tie = |other: &Target| RouteError::Tie { pattern: pattern.to_string(), other: other.0.name().to_owned() };
        if pattern.methods.is_empty() {
            return match &self.any {
                Some(other) => Err(tie(other)),
                None => {
                    self.any = Some(target.clone());
                    Ok(())
                }
            };
        }
        for method in &pattern.methods {
            if let Some((_, other)) = self.named.iter().find(|(named, _)| named == method) {
                return Err(tie(other));
            }
            self.named.push((method.clone(), target.clone()));
        }
        Ok(())
    }

    fn insert_alike(&mut self, pattern: &Pattern, target: &Target) {
        let keep = |slot: &mut Target| {
            if target.0.demand() < slot.0.demand() {
                *slot = target.clone();
            }
        };
        if pattern.methods.is_empty() {
            keep(self.any.get_or_insert_with(|| target.clone()));
        }
        for method in &pattern.methods {
            match self.named.iter_mut().find(|(named, _)| named == method) {
                Some((_, slot)) => keep(slot),
                None => self.named.push((method.clone(), target.clone())),
            }
        }
    }

    fn find(&self, method: &Method) -> Option<&Target> {
        let named = |wanted: &Method| self.named.iter().find(|(method, _)| method == wanted).map(|(_, target)| target);
        let as_get = || if *method == Method::HEAD { named(&Method::GET) } else { None };
        named(method).or_else(as_get).or(self.any.as_ref())
    }
}
