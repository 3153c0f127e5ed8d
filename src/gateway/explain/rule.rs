//! The checks of the route: that there is one, whose tokens it takes, permissions, ownership.

use http::Method;

use super::{ASK_THE_GATEWAY, Step, Verdict};
use crate::{
    authn::Principal,
    authz::{Denial, Match, OwnerQuestion, Policy},
};

/// Methods that are asked about where a path has a rule for another one.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Which rule covers the request.
pub(super) fn step(policy: &Policy, found: Option<&Match<'_>>, path: &str) -> Step {
    if let Some(found) = found {
        return Step::new("route", Verdict::Passed, found.rule().name());
    }
    let covered = METHODS.into_iter().filter(|method| matches!(policy.find(method, path), Ok(Some(_))));
    let covered: Vec<String> = covered.map(|method| method.to_string()).collect();
    let detail = if covered.is_empty() {
        "no rule covers it".to_owned()
    } else {
        format!("no rule covers it with this method, only with {}", covered.join(", "))
    };
    Step::new("route", Verdict::Failed, format!("{detail}; who has no good token is told of that instead"))
}

/// What the rule asks of the caller. `denial` is how that ended.
pub(super) fn steps(
    policy: &Policy,
    found: &Match<'_>,
    principal: Option<&Principal>,
    denial: Option<&Denial>,
    is_running: bool,
) -> [Step; 3] {
    let reached = match denial {
        Some(Denial::NotAuthenticated | Denial::NoRoute) => 0,
        Some(Denial::IssuerNotAccepted(_)) => 1,
        Some(Denial::PermissionMissing(_)) => 2,
        Some(Denial::NotOwner | Denial::OwnerAwaited(_) | Denial::OwnerUnknown { .. }) | None => 3,
    };
    let steps =
        [issuers(found), permissions(found, principal), ownership(policy, found, principal, denial, is_running)];
    let mut at = 0;
    steps.map(|mut step| {
        at += 1;
        if step.verdict == Verdict::NotAsked {
            return step;
        }
        if at > reached {
            step.verdict = Verdict::NotReached;
        }
        if let Some(denial) = denial.filter(|_| at == reached && step.verdict != Verdict::Unknown) {
            step.verdict = Verdict::Failed;
            step.detail =
                if step.detail.is_empty() { denial.to_string() } else { format!("{denial}: {}", step.detail) };
        }
        step
    })
}

fn issuers(found: &Match<'_>) -> Step {
    let accepted = found.rule().issuers().collect::<Vec<_>>().join(", ");
    let verdict = if accepted.is_empty() { Verdict::NotAsked } else { Verdict::Passed };
    Step::new("issuer here", verdict, accepted)
}

fn permissions(found: &Match<'_>, principal: Option<&Principal>) -> Step {
    let requirement = found.rule().requirement();
    if requirement.is_empty() {
        return Step::new("permissions", Verdict::NotAsked, "");
    }
    let describe = |name: &str| {
        let granted = principal.is_some_and(|principal| principal.has_permission(name));
        format!("{name} ({})", if granted { "granted" } else { "not granted" })
    };
    let asked = |names: Vec<&str>, between: &str| names.into_iter().map(describe).collect::<Vec<_>>().join(between);
    let all = asked(requirement.all().collect(), ", ");
    let any = asked(requirement.any().collect(), " or ");
    let both = if all.is_empty() || any.is_empty() { "" } else { ", and " };
    Step::new("permissions", Verdict::Passed, format!("{all}{both}{any}"))
}

fn ownership(
    policy: &Policy,
    found: &Match<'_>,
    principal: Option<&Principal>,
    denial: Option<&Denial>,
    is_running: bool,
) -> Step {
    let (verdict, detail) = match principal.map(|principal| policy.owner_question(found, principal)) {
        None if found.rule().ownership().is_none() => (Verdict::NotAsked, String::new()),
        Some(OwnerQuestion::NotAsked) => (Verdict::NotAsked, String::new()),
        Some(OwnerQuestion::Needless) => (Verdict::NotAsked, "the caller has a permission of `unless`".to_owned()),
        None => (Verdict::Passed, String::new()),
        Some(OwnerQuestion::Claim { claim, resource }) => {
            (Verdict::Passed, format!("{resource:?}, by the claim `{claim}`"))
        }
        Some(OwnerQuestion::Asked { ownership, resource }) => match denial {
            Some(Denial::OwnerAwaited(_) | Denial::OwnerUnknown { .. }) if !is_running => {
                (Verdict::Unknown, format!("whose the {ownership} {resource:?} is, {ASK_THE_GATEWAY}"))
            }
            _ => (Verdict::Passed, format!("{resource:?}, by asking for the owner of the {ownership}")),
        },
    };
    Step::new("ownership", verdict, detail)
}
