//! Which rule covers a request: the most specific one.
//!
//! 1. The path is [checked](super::path); one that could mean two things is refused.
//! 2. Segment by segment, a literal goes before a `{variable}`, and that before `/**`. A literal is compared with what
//!    an upstream would read, so no encoding of `/admin` passes by its rule.
//! 3. Among the rules of one path the method decides: a named one goes before `*`. `GET` covers `HEAD` unless a rule
//!    names `HEAD` (RFC 9110 §9.3.2).
//! 4. Two rules for the same path and method are an error when the table is built: no order of lines decides.
//! 5. Many an upstream takes `/Admin`, `/admin/` and `/admin.json` for `/admin`. A path that a variable or `/**` covers is
//!    refused if one that differs from it in nothing else falls under another, stricter rule.
//! 6. If the path takes an exception (`%2F`, `;` …), the rule must allow it; otherwise the path is refused.

mod pattern;
mod spec;
mod table;

use std::{borrow::Cow, sync::Arc};

use http::Method;

use self::table::{Node, Search, Target};
pub use self::{
    pattern::{Pattern, PatternError},
    spec::{Access, Mode, RouteSpec, WebSocketToken},
    table::RouteError,
};
use super::{
    ownership::{OwnerCheck, Ownership},
    path::{self, PathError, PathExceptions},
    permission::Requirement,
};
use crate::authn::Vocabulary;

/// One pattern of a [`RouteSpec`], ready to be checked.
#[derive(Debug)]
pub struct Rule {
    name: Box<str>,
    /// Whether it covers one path only.
    is_literal: bool,
    access: Access,
    requirement: Requirement,
    owner: Option<OwnerCheck>,
    upstream: usize,
    builtin: Box<[usize]>,
    allow: PathExceptions,
    issuers: Box<[Box<str>]>,
    mode: Mode,
    websocket: Option<WebSocketToken>,
    close_at_exp: bool,
    limits: Box<[usize]>,
}

impl Rule {
    /// The name of what stands for a rule where there is none. No pattern reads like this.
    pub const NONE: &str = "-";

    /// The pattern, as the configuration writes it: `GET /plants/{plantUuid}`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it asks for a token.
    #[must_use]
    pub const fn access(&self) -> Access {
        self.access
    }

    /// The permissions that it asks for.
    #[must_use]
    pub const fn requirement(&self) -> &Requirement {
        &self.requirement
    }

    /// The name of the ownership that it checks.
    #[must_use]
    pub fn ownership(&self) -> Option<&str> {
        self.owner.as_ref().map(|check| &**check.name())
    }

    /// The index of the upstream that it forwards to.
    #[must_use]
    pub const fn upstream(&self) -> usize {
        self.upstream
    }

    /// The built-in endpoints that answer in the upstream's place, by their indices; empty: none.
    #[must_use]
    pub const fn builtin(&self) -> &[usize] {
        &self.builtin
    }

    /// The issuers that it accepts, by their names in the configuration; none: all.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().map(|name| &**name)
    }

    /// What becomes of a request that may not pass.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether a connection may go on with WebSocket, and where the token of its handshake may stand.
    #[must_use]
    pub const fn websocket(&self) -> Option<WebSocketToken> {
        self.websocket
    }

    /// Whether what is answered ends with the token at the latest.
    #[must_use]
    pub const fn closes_at_exp(&self) -> bool {
        self.close_at_exp
    }

    /// The rate limits that its requests count against, by their indices; empty: none.
    #[must_use]
    pub const fn limits(&self) -> &[usize] {
        &self.limits
    }

    /// Stands for the rule of a request that none covers, in report mode.
    pub(super) fn of_nothing(upstream: usize) -> Self {
        Self {
            name: Self::NONE.into(),
            is_literal: false,
            access: Access::Token,
            requirement: Requirement::default(),
            owner: None,
            upstream,
            builtin: Box::default(),
            allow: PathExceptions::NONE,
            issuers: Box::default(),
            mode: Mode::Report,
            websocket: None,
            close_at_exp: false,
            limits: Box::default(),
        }
    }

    /// Whether it asks anything beyond a token.
    pub(super) fn asks(&self) -> bool {
        !self.requirement.is_empty() || self.owner.is_some()
    }

    /// How much it asks for.
    fn demand(&self) -> Demand {
        if self.asks() || !self.issuers.is_empty() {
            Demand::More
        } else if self.access == Access::Token {
            Demand::Token
        } else {
            Demand::Nothing
        }
    }

    /// Whether a caller who passes `other` may fail here.
    fn is_stricter_than(&self, other: &Self) -> bool {
        match (self.demand(), other.demand()) {
            (Demand::More, Demand::More) => !std::ptr::eq(self, other) && !self.asks_the_same_as(other),
            (demand, other) => demand > other,
        }
    }

    /// Whether everybody who passes one passes the other. Of whom a resource is, that is not known.
    fn asks_the_same_as(&self, other: &Self) -> bool {
        self.owner.is_none()
            && other.owner.is_none()
            && self.access == other.access
            && self.requirement == other.requirement
            && self.issuers == other.issuers
    }

    pub(super) const fn owner(&self) -> Option<&OwnerCheck> {
        self.owner.as_ref()
    }

    /// `internal`: it has to be named.
    pub(super) fn accepts_issuer(&self, issuer: &str, internal: bool) -> bool {
        self.issuers.is_empty() && !internal || self.issuers.iter().any(|accepted| &**accepted == issuer)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Demand {
    #[default]
    Nothing,
    Token,
    /// A permission, ownership, or a certain issuer.
    More,
}

/// All rules.
#[derive(Debug, Default)]
pub struct Routes {
    root: Node,
    /// The same, for paths that are only spelled alike.
    alike: Node,
    /// What the strictest rule asks for.
    strictest: Demand,
    rules: Vec<Arc<Rule>>,
}

/// The rule that covers a request, and the path that it was found with.
#[derive(Debug, Clone)]
pub struct Match<'a> {
    rule: &'a Arc<Rule>,
    path: &'a str,
}

impl<'a> Match<'a> {
    /// The rule.
    #[must_use]
    pub const fn rule(&self) -> &'a Arc<Rule> {
        self.rule
    }

    /// The path.
    #[must_use]
    pub const fn path(&self) -> &'a str {
        self.path
    }

    /// The path's segment with this index, decoded once.
    pub(super) fn segment(&self, index: usize) -> Option<Cow<'a, str>> {
        self.path.split('/').nth(index + 1).map(path::decoded)
    }
}

impl Routes {
    /// Builds the table. Every permission that a rule names gets its place in `vocabulary`, and the sources of `ownerships`
    /// are known by their place in the list ([`Policy`](super::Policy)).
    ///
    /// # Errors
    /// Every [`RouteError`] there is, not the first one only.
    pub fn build(
        specs: Vec<RouteSpec>,
        ownerships: &[(String, Ownership)],
        vocabulary: &mut Vocabulary,
    ) -> Result<Self, Vec<RouteError>> {
        let mut routes = Self::default();
        let mut errors = Vec::new();
        for spec in &specs {
            for pattern in &spec.patterns {
                if let Err(error) = routes.add(spec, pattern, ownerships, vocabulary) {
                    errors.push(error);
                }
            }
        }
        if errors.is_empty() { Ok(routes) } else { Err(errors) }
    }

    fn add(
        &mut self,
        spec: &RouteSpec,
        pattern: &Pattern,
        ownerships: &[(String, Ownership)],
        vocabulary: &mut Vocabulary,
    ) -> Result<(), RouteError> {
        let owner = spec.owner.as_ref().map(|name| {
            let at = ownerships.iter().position(|(known, _)| known == name);
            let (at, (_, ownership)) = at.and_then(|at| Some((at, ownerships.get(at)?))).ok_or_else(|| {
                RouteError::UnknownOwnership { pattern: pattern.to_string(), ownership: name.clone() }
            })?;
            let segment = pattern.variable(&ownership.variable).ok_or_else(|| RouteError::VariableMissing {
                pattern: pattern.to_string(),
                ownership: name.clone(),
                variable: ownership.variable.clone(),
            })?;
            Ok(OwnerCheck::new(name, at, segment, ownership, vocabulary))
        });
        let rule = Arc::new(Rule {
            name: pattern.to_string().into(),
            is_literal: pattern.is_literal(),
            access: spec.access,
            owner: owner.transpose()?,
            requirement: Requirement::new(&spec.permissions, &spec.any_permission, vocabulary),
            upstream: spec.upstream,
            builtin: spec.builtin.clone().into(),
            allow: spec.allow,
            issuers: spec.issuers.iter().map(|name| name.as_str().into()).collect(),
            mode: spec.mode,
            websocket: spec.websocket,
            close_at_exp: spec.close_at_exp,
            limits: spec.limits.clone().into(),
        });
        let target = Target(Arc::clone(&rule));
        self.root.insert(pattern, &target)?;
        self.alike.insert_alike(pattern, &target);
        self.strictest = self.strictest.max(rule.demand());
        self.rules.push(rule);
        Ok(())
    }

    /// The rule for a request; `None` if none covers it.
    ///
    /// # Errors
    /// [`PathError`] when the path could mean two things, looks like one that a stricter rule covers, or takes an
    /// exception that its rule does not allow.
    pub fn find<'a>(&'a self, method: &Method, path: &'a str) -> Result<Option<Match<'a>>, PathError> {
        let taken = path::check(path)?;
        let rest = path.strip_prefix('/').ok_or(PathError::NotAbsolute)?;
        let rule = self.root.find(rest, method, Search::Exact).map(|target| &target.0);
        let allowed = rule.map_or(PathExceptions::NONE, |rule| rule.allow);
        if !allowed.contains(taken) {
            return Err(PathError::NotAllowedHere(taken));
        }
        if rule.is_some_and(|rule| self.may_look_stricter(rule) && self.looks_stricter(rest, method, rule)) {
            return Err(PathError::Lookalike);
        }
        Ok(rule.map(|rule| Match { rule, path }))
    }

    /// Whether any path of `rule` can look like a stricter rule's.
    fn may_look_stricter(&self, rule: &Rule) -> bool {
        !rule.is_literal && (self.strictest == Demand::More || self.strictest > rule.demand())
    }

    /// Whether `path`, which `rule` covers, differs only in its spelling from one that a stricter rule covers.
    fn looks_stricter(&self, path: &str, method: &Method, rule: &Rule) -> bool {
        let stricter = |path, search| {
            let alike = self.alike.find(path, method, search);
            alike.is_some_and(|alike| alike.0.is_stricter_than(rule))
        };
        let whole = path.strip_suffix('/').unwrap_or(path);
        let extension = whole
            .rsplit_once('.')
            .filter(|(name, extension)| !name.is_empty() && !name.ends_with('/') && !extension.contains('/'));
        stricter(whole, Search::Alike)
            || extension.is_some_and(|(name, _)| stricter(name, Search::AlikeWithoutExtension))
    }

    /// All rules, in the order of the configuration.
    #[must_use]
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }
}

#[cfg(test)]
mod tests;
