//! What a preset says of the endpoints of an API: which there are, what they take, and how they answer.
//!
//! Nothing here knows an API by name. A preset maps its routes, members and bodies onto
//! [commands](super::command::Command), [inputs](super::command::Input) and
//! [failures](super::command::FailureKind); what it does not say is said in the words of its `[dialect]`, or in one of the
//! three [shapes](super::validation::Shape) of validation errors.

mod read;

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::{
    attribute::Attributes,
    command::{Bearer, Command, FailureKind, Input},
    mail::{LinkPattern, MailKind},
    validation::{Field, Shape},
    values::Variable,
};
use crate::{
    authz::Pattern,
    contract::{answer::Answer, template::Template},
};

/// What an API's endpoints are like.
#[derive(Debug, Clone)]
pub struct Plan {
    /// In the order of the preset.
    pub endpoints: Vec<Endpoint>,
    /// What users have beside address and password.
    pub attributes: Attributes,
    /// How mistakes in a body are told.
    pub shape: Shape,
    /// What an access token says, beside what its issuer asks for.
    pub claims: Template<Variable>,
    /// What a refresh token says that is a JWT.
    pub refresh_claims: Template<Variable>,
    /// What the token of a mail says that is a JWT; `None`: it is opaque.
    pub one_time_claims: Option<Template<Variable>>,
    /// Whether an access token says which session it is of, as `session_id` or `sid`.
    pub names_sessions: bool,
    /// The links of mails.
    pub links: HashMap<MailKind, LinkPattern>,
    /// What is said where an endpoint has no words of its own.
    pub failures: Failures,
    /// What is written of them, for a document of the endpoints.
    pub failures_source: Value,
}

/// Words for failures.
pub type Failures = BTreeMap<FailureKind, Answer<Variable>>;

/// One endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its routes.
    pub patterns: Vec<Pattern>,
    /// The query parameters that tell it from others on the same route.
    pub query: Vec<(String, String)>,
    /// What it does.
    pub command: Command,
    /// What the token in `Authorization` is, if the endpoint judges it itself.
    pub bearer: Option<Bearer>,
    /// The members of its body, and what they are to the command.
    pub fields: Vec<(Field, Input)>,
    /// The same of its query.
    pub query_fields: Vec<(String, Input)>,
    /// What it sets beside what it is told: a log-out's `scope`.
    pub scope: Scope,
    /// When it is done.
    pub answer: Answer<Variable>,
    /// When the address is to be confirmed first.
    pub pending: Option<Answer<Variable>>,
    /// When it is not done.
    pub failures: Failures,
    /// What is written there, for a document of the endpoints.
    pub source: Value,
}

/// Which sessions a log-out ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// The caller's.
    #[default]
    Local,
    /// All of the user's.
    Global,
    /// All of the user's but the caller's.
    Others,
}

impl Scope {
    /// Which is called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "local" => Some(Self::Local),
            "global" => Some(Self::Global),
            "others" => Some(Self::Others),
            _ => None,
        }
    }
}

impl Endpoint {
    /// Whether only whoever has an access token comes to it.
    #[must_use]
    pub const fn wants_caller(&self) -> bool {
        self.command.is_of_a_caller()
    }

    /// The member of the body that is `input`.
    #[must_use]
    pub fn member(&self, input: &Input) -> Option<&str> {
        self.fields.iter().find(|(_, known)| known == input).map(|(field, _)| field.member.as_str())
    }
}

impl Plan {
    /// The words for `kind` at `endpoint`, if there are any: the endpoint's own before those of all, and those of this kind
    /// before those of what it is like.
    #[must_use]
    pub fn words<'p>(&'p self, endpoint: &'p Endpoint, kind: FailureKind) -> Option<&'p Answer<Variable>> {
        std::iter::successors(Some(kind), |kind| kind.like())
            .find_map(|kind| endpoint.failures.get(&kind).or_else(|| self.failures.get(&kind)))
    }

    /// What is written of [`words`](Self::words).
    #[must_use]
    pub fn words_source<'p>(&'p self, endpoint: &'p Endpoint, kind: FailureKind) -> Option<&'p Value> {
        std::iter::successors(Some(kind), |kind| kind.like())
            .find_map(|kind| endpoint.source.get(kind.as_str()).or_else(|| self.failures_source.get(kind.as_str())))
    }
}

#[cfg(test)]
mod tests;
