use std::{
    future::Future,
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header::AUTHORIZATION};

use super::*;
use crate::{
    authn::{Authenticator, IssuerSettings},
    authz::{Denial, Policy, RouteSpec, Routes},
    clock::{Clock, Timestamp},
    jwt::{self, Algorithm, KeySet, SigningKey},
};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const SECRET: &[u8] = b"a secret of thirty-two bytes, 32";
const LIFE: Duration = Duration::from_secs(10);

/// A policy over `/plants/{plantUuid}`, whoever answers, and somebody to ask.
struct House {
    policy: Policy,
    lookups: Lookups,
    clock: Clock,
    authenticator: Authenticator,
    key: SigningKey,
}

impl House {
    fn new() -> Self {
        let clock = Clock::manual(NOW);
        let settings = OwnersSettings { name: "plant".to_owned(), life: LIFE, clock: clock.clone() };
        let (owners, lookups) = Owners::new(settings);
        let ownership = Ownership { variable: "plantUuid".to_owned(), unless: vec!["ADMIN".to_owned()] };
        let route = |pattern: &str, owner: bool| RouteSpec {
            patterns: vec![pattern.parse().unwrap()],
            owner: owner.then(|| "plant".to_owned()),
            ..RouteSpec::default()
        };
        let specs = vec![route("* /plants/{plantUuid}", true), route("POST /plants", false)];
        let mut vocabulary = Vocabulary::default();
        let routes = Routes::build(specs, &[("plant".to_owned(), ownership)], &mut vocabulary).unwrap();
        let change = |pattern: &str, effect| ChangeRule { pattern: pattern.parse().unwrap(), ownership: 0, effect };
        let changes = vec![
            change("POST /plants", Effect::Learn("/uuid".into())),
            change("DELETE /plants/{plantUuid}", Effect::Forget(1)),
        ];
        let policy = Policy::new(routes, vec![OwnershipSource::Owners(owners)], Changes::new(changes));
        let key = SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap();
        let keys = || KeySet::new(vec![key.verifying_key().clone()]).unwrap();
        let authenticator = Authenticator::builder()
            .issuer(IssuerSettings::new("main", keys()).iss("main"))
            .issuer(IssuerSettings::new("other", keys()).iss("other"))
            .vocabulary(vocabulary)
            .clock(clock.clone())
            .build()
            .unwrap();
        Self { policy, lookups, clock, authenticator, key }
    }

    fn principal(&self, issuer: &str, subject: Option<&str>, permissions: &[&str]) -> Principal {
        let mut claims = serde_json::json!({ "iss": issuer, "exp": 1_900_000_000, "permissions": permissions });
        if let Some(subject) = subject {
            claims["sub"] = subject.into();
        }
        let token = jwt::sign(&self.key, None, claims.as_object().unwrap()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        self.authenticator.authenticate(&headers).unwrap()
    }

    fn decide(&self, method: &Method, path: &str, who: &Principal, waited: Option<&OwnerAwaited>) -> Verdict {
        let found = self.policy.find(method, path).unwrap();
        match self.policy.permit(found.as_ref(), method, Some(who.clone()), waited) {
            Ok(permit) => Verdict::Passes(permit.changes().to_vec()),
            Err(Denial::OwnerAwaited(awaited)) => Verdict::Waits(awaited),
            Err(denial) => Verdict::Denied(denial),
        }
    }

    fn get(&self, who: &Principal, waited: Option<&OwnerAwaited>) -> Verdict {
        self.decide(&Method::GET, "/plants/p1", who, waited)
    }

    fn next(&self) -> Option<Lookup> {
        match std::pin::pin!(self.lookups.next()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(lookup) => lookup,
            Poll::Pending => None,
        }
    }
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Passes(Vec<Change>),
    Waits(OwnerAwaited),
    Denied(Denial),
}

impl Verdict {
    fn awaited(self) -> OwnerAwaited {
        let Self::Waits(awaited) = self else { panic!("{self:?}") };
        awaited
    }

    fn is_unknown(&self) -> bool {
        matches!(self, Self::Denied(Denial::OwnerUnknown { .. }))
    }
}

fn passes() -> Verdict {
    Verdict::Passes(Vec::new())
}

fn not_owner() -> Verdict {
    Verdict::Denied(Denial::NotOwner)
}

#[test]
fn an_answer_is_asked_for_once_and_counts_for_its_life() {
    let house = House::new();
    let ann = house.principal("main", Some("ann"), &[]);
    let (first, second) = (house.get(&ann, None).awaited(), house.get(&ann, None).awaited());
    let lookup = house.next().unwrap();
    let expected = OwnershipRecord {
        ownership: "plant".to_owned(),
        resource: "p1".to_owned(),
        issuer: "main".to_owned(),
        subject: "ann".to_owned(),
    };
    assert_eq!(*lookup.record(), expected);
    assert!(house.next().is_none(), "two requests are one question");
    lookup.owns(true);
    for awaited in [&first, &second] {
        assert_eq!(house.get(&ann, Some(awaited)), passes());
    }
    assert_eq!(house.get(&ann, None), passes(), "it is remembered");
    house.clock.advance(LIFE - Duration::from_millis(1));
    assert_eq!(house.get(&ann, None), passes());
    house.clock.advance(Duration::from_millis(1));
    house.get(&ann, None).awaited();
    house.next().unwrap().owns(false);
    assert_eq!(house.get(&ann, None), not_owner(), "no is remembered too");
}

#[test]
fn an_answer_is_for_one_subject_of_one_issuer_and_one_resource() {
    let house = House::new();
    let ann = house.principal("main", Some("ann"), &[]);
    let awaited = house.get(&ann, None).awaited();
    house.next().unwrap().owns(true);
    for other in [house.principal("other", Some("ann"), &[]), house.principal("main", Some("bob"), &[])] {
        assert!(matches!(house.get(&other, Some(&awaited)), Verdict::Waits(_)), "{other:?}");
        house.next().unwrap().owns(false);
        assert_eq!(house.get(&other, None), not_owner());
    }
    assert_eq!(house.get(&ann, None), passes(), "the answers for others are beside it");
    assert!(matches!(house.decide(&Method::GET, "/plants/p2", &ann, Some(&awaited)), Verdict::Waits(_)));
    assert_eq!(house.next().unwrap().record().resource, "p2");
    let nobody = house.principal("main", None, &[]);
    assert_eq!(house.get(&nobody, None), not_owner());
    assert!(house.next().is_none(), "nobody is not asked for");
}

#[test]
fn without_an_answer_nobody_is_let_in_and_nothing_is_remembered() {
    let house = House::new();
    let ann = house.principal("main", Some("ann"), &[]);
    let awaited = house.get(&ann, None).awaited();
    house.next().unwrap().failed("down");
    let Verdict::Denied(Denial::OwnerUnknown { ownership, cause }) = house.get(&ann, Some(&awaited)) else {
        panic!("it is let in")
    };
    assert_eq!((&*ownership, &*cause), ("plant", "down"));
    let awaited = house.get(&ann, None).awaited();
    drop(house.next().unwrap());
    assert!(house.get(&ann, Some(&awaited)).is_unknown(), "a question that is dropped");
    let House { policy, lookups, .. } = house;
    drop(lookups);
    let found = policy.find(&Method::GET, "/plants/p1").unwrap();
    let denied = policy.permit(found.as_ref(), &Method::GET, Some(ann), None).unwrap_err();
    assert!(matches!(denied, Denial::OwnerUnknown { .. }), "nobody answers any more: {denied:?}");
}

#[test]
fn who_need_not_own_it_is_not_asked_about() {
    let house = House::new();
    let admin = house.principal("main", Some("root"), &["ADMIN"]);
    assert_eq!(house.get(&admin, None), passes());
    assert!(house.next().is_none());
}

#[test]
fn a_write_drops_what_was_remembered_and_what_was_asked_before_it() {
    let house = House::new();
    let ann = house.principal("main", Some("ann"), &[]);
    let owners = house.policy.owners(0).map(Arc::clone).unwrap();
    house.get(&ann, None).awaited();
    house.next().unwrap().owns(true);
    owners.written("p2");
    assert_eq!(house.get(&ann, None), passes(), "another resource's write");
    owners.written("p1");
    let awaited = house.get(&ann, None).awaited();
    let asked_before = house.next().unwrap();
    owners.written("p1");
    asked_before.owns(true);
    assert_eq!(house.get(&ann, Some(&awaited)), passes(), "who waits for it gets it");
    let awaited = house.get(&ann, None).awaited();
    let asked_before = house.next().unwrap();
    owners.learned(asked_before.record());
    asked_before.owns(false);
    assert_eq!(house.get(&ann, Some(&awaited)), not_owner());
    assert_eq!(house.get(&ann, None), passes(), "what was learned meanwhile stays");
}

#[test]
fn what_a_request_changes_is_known_before_it_is_sent() {
    let house = House::new();
    let ann = house.principal("main", Some("ann"), &["ADMIN"]);
    let owner = OwnershipRecord {
        ownership: "plant".to_owned(),
        resource: String::new(),
        issuer: "main".to_owned(),
        subject: "ann".to_owned(),
    };
    let learn = Change::Learn { ownership: 0, pointer: "/uuid".into(), owner };
    assert_eq!(house.decide(&Method::POST, "/plants", &ann, None), Verdict::Passes(vec![learn.clone()]));
    let (resource, ownership) = ("p%C3%A9".to_owned(), 0);
    let forget = Change::Forget { ownership, resource: "pé".to_owned() };
    let doubt = Change::Doubt { ownership, resource: "pé".to_owned() };
    let path = format!("/plants/{resource}");
    assert_eq!(house.decide(&Method::DELETE, &path, &ann, None), Verdict::Passes(vec![forget.clone(), doubt.clone()]));
    assert_eq!(house.decide(&Method::PATCH, &path, &ann, None), Verdict::Passes(vec![doubt.clone()]));
    assert_eq!(house.decide(&Method::GET, &path, &ann, None), passes());
    let nobody = house.principal("main", None, &["ADMIN"]);
    assert_eq!(house.decide(&Method::POST, "/plants", &nobody, None), passes(), "nobody can own it");
    for (status, holds) in [(201, [true, true]), (200, [false, true]), (404, [false, false]), (500, [false, false])] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!([learn.holds(status), forget.holds(status)], holds, "{status}");
        assert!(doubt.holds(status));
    }
}
