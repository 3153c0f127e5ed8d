use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};

use super::*;
use crate::{
    authn::{Authenticator, IssuerSettings, Vocabulary},
    authz::{
        Ownership, RouteSpec,
        ownership::{Owners, OwnersSettings},
    },
    clock::{Clock, Timestamp},
    jwt::{self, Algorithm, KeySet, SigningKey},
};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn principal(issuer: &str, vocabulary: Vocabulary) -> Principal {
    let key = SigningKey::from_secret(Algorithm::Hs256, b"a secret of thirty-two bytes, 32").unwrap();
    let keys = KeySet::new(vec![key.verifying_key().clone()]).unwrap();
    let authenticator = Authenticator::builder()
        .issuer(IssuerSettings::new(issuer, keys))
        .vocabulary(vocabulary)
        .clock(Clock::manual(NOW))
        .build()
        .unwrap();
    let claims = serde_json::json!({ "sub": "ann", "exp": 1_900_000_000 });
    let token = jwt::sign(&key, None, claims.as_object().unwrap()).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    authenticator.authenticate(&headers).unwrap()
}

/// `/plants/{id}` has an owner whom nobody tells, and takes tokens of `main` alone.
fn policy(mode: Mode) -> (Policy, Vocabulary) {
    let spec = |pattern: &str, owner: Option<&str>| RouteSpec {
        patterns: vec![pattern.parse().unwrap()],
        owner: owner.map(str::to_owned),
        issuers: vec!["main".to_owned()],
        upstream: 1,
        mode,
        ..RouteSpec::default()
    };
    let ownership = Ownership { variable: "id".to_owned(), unless: Vec::new() };
    let mut vocabulary = Vocabulary::default();
    let specs = vec![spec("* /plants/{id}", Some("plant")), spec("POST /plants", None)];
    let routes = Routes::build(specs, &[("plant".to_owned(), ownership)], &mut vocabulary).unwrap();
    let settings =
        OwnersSettings { name: "plant".to_owned(), life: std::time::Duration::ZERO, clock: Clock::manual(NOW) };
    let (owners, _nobody) = Owners::new(settings);
    (Policy::new(routes, vec![OwnershipSource::Owners(owners)], Changes::default()), vocabulary)
}

#[test]
fn what_is_enforced_is_never_overruled() {
    let (policy, vocabulary) = policy(Mode::Enforce);
    let ann = principal("main", vocabulary);
    for path in ["/plants/p1", "/nothing"] {
        let found = policy.find(&Method::GET, path).unwrap();
        for who in [None, Some(ann.clone())] {
            assert!(policy.overrule(found.as_ref(), &Method::GET, who).is_none(), "{path}");
        }
    }
}

#[test]
fn an_owner_that_cannot_be_told_is_overruled_with_who_is_known() {
    let (policy, vocabulary) = policy(Mode::Report);
    let ann = principal("main", vocabulary);
    let found = policy.find(&Method::DELETE, "/plants/p1").unwrap();
    let denied = policy.permit(found.as_ref(), &Method::DELETE, Some(ann.clone()), None).unwrap_err();
    assert!(matches!(denied, Denial::OwnerUnknown { .. }), "{denied:?}");
    let permit = policy.overrule(found.as_ref(), &Method::DELETE, Some(ann)).unwrap();
    assert_eq!(permit.principal().and_then(Principal::subject), Some("ann"));
    assert_eq!(permit.rule().upstream(), 1);
    let doubt = Change::Doubt { ownership: 0, resource: "p1".to_owned() };
    assert_eq!(permit.changes(), [doubt], "it changes what a permitted one changes");
}

#[test]
fn a_principal_of_an_issuer_that_the_rule_does_not_accept_counts_as_none() {
    let (policy, vocabulary) = policy(Mode::Report);
    let stranger = principal("other", vocabulary);
    let found = policy.find(&Method::POST, "/plants").unwrap();
    let denied = policy.permit(found.as_ref(), &Method::POST, Some(stranger.clone()), None).unwrap_err();
    assert!(matches!(denied, Denial::IssuerNotAccepted(_)), "{denied:?}");
    let permit = policy.overrule(found.as_ref(), &Method::POST, Some(stranger)).unwrap();
    assert!(permit.principal().is_none());
}

#[test]
fn what_no_rule_covers_is_overruled_only_where_the_policy_says_where_to() {
    let (policy, vocabulary) = policy(Mode::Report);
    let ann = principal("main", vocabulary);
    assert!(policy.overrule(None, &Method::GET, Some(ann.clone())).is_none());
    assert_eq!(policy.unmatched_mode(), Mode::Enforce);
    let policy = policy.report_unmatched(2);
    assert_eq!(policy.unmatched_mode(), Mode::Report);
    let permit = policy.overrule(None, &Method::GET, Some(ann)).unwrap();
    assert_eq!((permit.rule().name(), permit.rule().upstream()), (Rule::NONE, 2));
    assert!(permit.changes().is_empty());
    assert!(Rule::NONE.parse::<crate::authz::Pattern>().is_err(), "no pattern is named like it");
}
