//! Why a request passes or does not: every check in the order of the stack, how it went, and the answer.
//!
//! What decides here is what decides there: the same head, routes, verification, policy and contract are asked, and each
//! check is told by its outcome. Nothing is counted and no token is written anywhere. The running gateway waits for keys
//! and owners as it does for a request; a command that has only the configuration cannot ask for them, and says so.

mod credentials;
mod question;
mod rule;
mod step;
pub(crate) mod times;
mod token;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

pub(crate) use self::{
    credentials::Credentials,
    question::Question,
    step::{Step, Verdict},
    token::{Revocations, Trace, detail_of},
};
use super::{
    head, published,
    snapshot::Snapshot,
    waiting::{Wait, Waited},
};
use crate::{
    authn::{Authenticator, AuthnError, Principal},
    authz::{Access, Denial, Match, Permit, Policy, Rule, WebSocketToken},
    clock::Clock,
    config::Limits,
    contract::{Contract, Facts},
    proxy::Incoming,
    rejection::Rejection,
};

/// How long the running gateway waits for keys and owners, in all.
const PATIENCE: Duration = Duration::from_secs(10);
/// Stands where an answer shows the request's id.
const REQUEST_ID: &str = "explained";
/// Outcomes.
pub(crate) const PUBLISHED: &str = "answered by the gateway";
pub(crate) const REPORTED: &str = "let through by report mode";
const ASK_THE_GATEWAY: &str = "only the running gateway knows: ask it with --admin";

/// What decides.
pub(crate) struct Gate<'a> {
    pub(crate) authenticator: &'a Authenticator,
    pub(crate) policy: &'a Policy,
    pub(crate) contract: &'a Contract,
    pub(crate) limits: &'a Limits,
    /// Each rate limit as it is told, by its index.
    pub(crate) rate_limits: Vec<String>,
    pub(crate) clock: &'a Clock,
    /// Each one's name and servers.
    pub(crate) upstreams: Vec<(String, Vec<String>)>,
    pub(crate) strips_authorization: bool,
    /// Whether the gateway answers with keys of its own.
    pub(crate) publishes: bool,
    /// What the operator should know of an issuer without keys.
    pub(crate) keys: Box<dyn Fn(&str) -> String + Send + Sync + 'a>,
    pub(crate) revocations: Revocations,
    /// Whether owners can be asked for.
    pub(crate) is_running: bool,
}

/// Explains what the running gateway would do now.
pub(super) async fn explain(snapshot: &Snapshot, question: &Question) -> Value {
    let gate = Gate::of(snapshot);
    let deadline = Instant::now() + PATIENCE;
    let mut waited = Waited::default();
    loop {
        let (explanation, wait) = gate.explain(question, &waited);
        let Some(wait) = wait else { return explanation };
        if !timeout_at(deadline, waited.add(wait)).await.unwrap_or(false) {
            return explanation;
        }
    }
}

/// A request that would be answered.
enum Decided {
    /// By the upstream.
    Passes(Permit),
    /// By the gateway itself: with its public keys.
    Published,
}

/// A request that would not pass.
struct Refused {
    rejection: Rejection,
    /// Lets it through all the same: report mode.
    overruled: Option<Permit>,
    /// Whether the running gateway may decide otherwise.
    unknown: bool,
}

/// What was found out on the way.
#[derive(Default)]
struct Trail {
    steps: Vec<Step>,
    rule: Option<Value>,
    wait: Option<Wait>,
}

impl Trail {
    fn add(&mut self, name: &str, verdict: Verdict, detail: impl Into<String>) {
        self.steps.push(Step::new(name, verdict, detail));
    }

    /// Of the request itself: in any mode that is the end.
    fn fail(&mut self, name: &str, rejection: Rejection) -> Refused {
        self.add(name, Verdict::Failed, rejection.to_string());
        Refused { rejection, overruled: None, unknown: false }
    }
}

impl<'a> Gate<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let upstreams = snapshot.upstreams.iter().map(|upstream| {
            let servers = upstream.servers.iter().map(ToString::to_string);
            (upstream.name.clone(), servers.collect())
        });
        let authenticator = &*snapshot.authenticator;
        let keys = |issuer: &str| {
            let keys = authenticator.keys(issuer);
            let asked = keys.and_then(|keys| keys.introspection_status());
            let without = if asked.is_some() { "asked about the token" } else { "none have come yet" };
            let fetched = keys.and_then(|keys| keys.status()).and_then(|status| status.last_error);
            let error = asked.and_then(|status| status.last_error).or(fetched);
            error.map_or_else(|| without.to_owned(), |error| format!("the last attempt: {error}"))
        };
        Self {
            authenticator,
            policy: &snapshot.policy,
            contract: &snapshot.contract,
            limits: &snapshot.limits,
            rate_limits: snapshot.rate_limits.all(),
            clock: &snapshot.clock,
            upstreams: upstreams.collect(),
            strips_authorization: snapshot.managed.strips_authorization(),
            publishes: snapshot.published.is_some(),
            keys: Box::new(keys),
            revocations: Revocations::Known,
            is_running: true,
        }
    }

    /// What would be done, as far as that can be told without waiting.
    pub(crate) fn explain_at_once(&self, question: &Question) -> Value {
        self.explain(question, &Waited::default()).0
    }

    /// What would be done, and what the request would wait for first.
    fn explain(&self, question: &Question, waited: &Waited) -> (Value, Option<Wait>) {
        let mut trail = Trail::default();
        let decided = self.decide(question, waited, &mut trail);
        (self.show(question, decided, &trail), trail.wait)
    }

    /// As the stack decides.
    fn decide(&self, question: &Question, waited: &Waited, trail: &mut Trail) -> Result<Decided, Refused> {
        let request = question.request().map_err(|rejection| trail.fail("head", rejection))?;
        head::check(&request, self.limits, "http").map_err(|rejection| trail.fail("head", rejection))?;
        trail.add("head", Verdict::Passed, "");
        let (method, path) = (request.method(), request.uri().path());
        if self.publishes && published::is_asked_for(method, path) {
            return Ok(Decided::Published);
        }
        let found = self.policy.find(method, path).map_err(|error| trail.fail("path", error.into()))?;
        trail.add("path", Verdict::Passed, "it has one meaning only");
        trail.steps.push(rule::step(self.policy, found.as_ref(), path));
        trail.rule = found.as_ref().map(|found| self.describe(found));

        let refuse = |rejection, principal, unknown| {
            let overruled = self.policy.overrule(found.as_ref(), method, principal);
            Refused { rejection, overruled, unknown }
        };
        let principal = self.authenticate(&request, found.as_ref(), waited, trail).map_err(|error| {
            trail.wait = Wait::for_issuer(&error);
            refuse(error.into(), None, false)
        })?;
        let decided = self.policy.permit(found.as_ref(), method, principal.clone(), waited.owner());
        let denial = decided.as_ref().err();
        if let Some(found) = &found {
            trail.steps.extend(rule::steps(self.policy, found, principal.as_ref(), denial, self.is_running));
        }
        trail.wait = denial.and_then(Wait::for_owner).filter(|_| self.is_running);
        decided.map(Decided::Passes).map_err(|denial| {
            let unknown = !self.is_running && matches!(denial, Denial::OwnerAwaited(_) | Denial::OwnerUnknown { .. });
            refuse(denial.into(), principal, unknown)
        })
    }

    fn authenticate(
        &self,
        request: &Request<Incoming>,
        found: Option<&Match<'_>>,
        waited: &Waited,
        trail: &mut Trail,
    ) -> Result<Option<Principal>, AuthnError> {
        let access = found.map_or(Access::Token, |found| found.rule().access());
        if access == Access::Public {
            trail.add("token", Verdict::NotAsked, "the route is public: a token is ignored");
            return Ok(None);
        }
        let mut trace = Trace::default();
        let outcome = self.authenticator.explain(request.headers(), waited.issuer(), |passed| trace.note(passed));
        if matches!(outcome, Err(AuthnError::NotAuthenticated)) {
            if access == Access::Optional {
                trail.add("token", Verdict::NotAsked, "there is none, and the route does not need one");
                return Ok(None);
            }
            trail.add("token", Verdict::Failed, "there is none");
            return Err(AuthnError::NotAuthenticated);
        }
        trail.add("token", Verdict::Passed, "there is one");
        trail.steps.extend(trace.steps(&outcome, self.authenticator, &*self.keys, self.clock.now()));
        trail.steps.push(self.revocations.step(&outcome));
        outcome.map(Some)
    }

    fn describe(&self, found: &Match<'_>) -> Value {
        let rule = found.rule();
        json!({
            "match": rule.name(),
            "access": rule.access().as_str(),
            "permissions": rule.requirement().names().collect::<Vec<_>>(),
            "owner": rule.ownership(),
            "issuers": rule.issuers().collect::<Vec<_>>(),
            "mode": rule.mode().as_str(),
            "rate_limits": rule.limits().iter().filter_map(|at| self.rate_limits.get(*at)).collect::<Vec<_>>(),
            "upgrade": rule.websocket().map_or(&[][..], |_| &["websocket"]),
            "websocket_token": rule.websocket().map(WebSocketToken::as_str),
            "close_at_exp": rule.closes_at_exp(),
            "upstream": self.upstream(rule).map(|(name, _)| name),
            "built_in": !rule.builtin().is_empty(),
        })
    }

    fn show(&self, question: &Question, decided: Result<Decided, Refused>, trail: &Trail) -> Value {
        let (outcome, refusal, permit) = match decided {
            Ok(Decided::Passes(permit)) => ("passes", None, Some(permit)),
            Ok(Decided::Published) => (PUBLISHED, None, None),
            Err(Refused { unknown: true, .. }) => ("not known", None, None),
            Err(Refused { rejection, overruled: Some(permit), .. }) => (REPORTED, Some(rejection), Some(permit)),
            Err(Refused { rejection, overruled: None, .. }) => ("refused", Some(rejection), None),
        };
        let path = question.path();
        let facts = Facts { path, request_id: REQUEST_ID, clock: self.clock };
        json!({
            "method": question.method,
            "path": path,
            "outcome": outcome,
            "reason": refusal.as_ref().map(|rejection| rejection.reason().as_str()),
            "cause": refusal.as_ref().map(ToString::to_string),
            "rule": trail.rule,
            "checks": trail.steps.iter().map(Step::show).collect::<Vec<_>>(),
            "answer": refusal.as_ref().map(|rejection| show_answer(&self.contract.render(rejection, &facts))),
            "forwarded": permit.as_ref().map(|permit| self.show_forwarded(permit)),
        })
    }

    /// Where a request by `rule` goes; `None`: nowhere, the gateway answers itself.
    fn upstream(&self, rule: &Rule) -> Option<&(String, Vec<String>)> {
        self.upstreams.get(rule.upstream()).filter(|_| rule.builtin().is_empty())
    }

    fn show_forwarded(&self, permit: &Permit) -> Value {
        let upstream = self.upstream(permit.rule());
        let identity = permit.principal().map(Principal::identity).unwrap_or_default();
        json!({
            "upstream": upstream.map(|(name, _)| name),
            "built_in": !permit.rule().builtin().is_empty(),
            "servers": upstream.map(|(_, servers)| servers),
            "identity_headers": identity.iter().map(|(name, value)| field(name, value)).collect::<Vec<_>>(),
            "authorization": if self.strips_authorization { "strip" } else { "keep" },
        })
    }
}

fn show_answer(response: &Response<Bytes>) -> Value {
    json!({
        "status": response.status().as_u16(),
        "status_text": response.status().canonical_reason(),
        "headers": response.headers().iter().map(|(name, value)| field(name, value)).collect::<Vec<_>>(),
        "body": String::from_utf8_lossy(response.body()),
    })
}

fn field(name: &http::HeaderName, value: &http::HeaderValue) -> Value {
    json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())])
}
