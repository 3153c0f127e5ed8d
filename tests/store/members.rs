//! Users that are created together.

use std::time::Duration;

use bearergate::{
    accounts::{
        Uuid,
        email::Email,
        minter::TokenSettings,
        model::{Aside, NewUser},
        store::{AuditStore, Creation, NewMember, UserStore},
    },
    authn::role_grants::GrantStore,
    jwt::Expectations,
    store::{Location, Store},
};
use serde_json::Map;

use super::{NOW, accounts::uuid, runtime};

fn tokens(issuer: &str, subject_integer: bool) -> TokenSettings {
    let expectations = Expectations { subject_integer, ..Expectations::default() };
    TokenSettings { issuer: issuer.to_owned(), expectations, access_life: Duration::from_secs(900) }
}

fn member(email: &str, id: Uuid, number: Option<u64>, roles: &[&str]) -> NewMember {
    let user = NewUser {
        id,
        number,
        email: Email::parse(email).unwrap(),
        joined: NOW,
        confirmed: Some(NOW),
        disabled: None,
        attributes: Map::new(),
        password: None,
    };
    NewMember { user, roles: roles.iter().map(|&role| role.to_owned()).collect() }
}

/// What each has become: its number, or what was taken.
fn told(creations: &[Creation]) -> Vec<Result<u64, &'static str>> {
    let told = creations.iter().map(|creation| match creation {
        Creation::Created(user) => Ok(user.number),
        Creation::EmailTaken => Err("email"),
        Creation::NumberTaken => Err("number"),
        Creation::IdTaken => Err("id"),
    });
    told.collect()
}

pub(crate) fn one_that_cannot_be_created_hinders_no_other_and_leaves_no_gap(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let (domain, aside) = (uuid(), Aside::event("imported", None));
        let address = |name: &str| format!("{name}@{domain}.example");
        let (first, last) = (uuid(), uuid());
        let start = member(&address("start"), uuid(), None, &[]);
        let base = told(&store.create_users(vec![start], tokens("main", true), aside.clone(), NOW).await.unwrap());
        let base = base[0].unwrap();
        let members = vec![
            member(&address("a"), first, Some(base + 10), &["staff", "staff", "other"]),
            member(&address("A"), uuid(), None, &["never"]),
            member(&address("b"), uuid(), Some(base + 10), &["never"]),
            member(&address("c"), first, None, &["never"]),
            member(&address("d"), last, None, &[]),
        ];
        let issuer = format!("members {domain}");
        let (_, before) = store.grants(None).await.unwrap().unwrap();
        let created = store.create_users(members, tokens(&issuer, true), aside, NOW).await.unwrap();
        assert_eq!(told(&created), [Ok(base + 10), Err("email"), Err("number"), Err("id"), Ok(base + 11)]);
        let (grants, version) = store.grants(Some(before)).await.unwrap().unwrap();
        assert_eq!(version, before + 1, "a gateway reads them once");
        let own = grants.iter().filter(|grant| grant.issuer == issuer);
        let own: Vec<_> = own.map(|grant| (grant.subject.as_str(), grant.role.as_str())).collect();
        let subject = (base + 10).to_string();
        assert_eq!(own, [(subject.as_str(), "other"), (subject.as_str(), "staff")]);
        assert_eq!(store.events(last, 5).await.unwrap()[0].event.kind, "imported");
    });
}

pub(crate) fn roles_are_the_uuids_where_tokens_name_users_so(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let (id, issuer) = (uuid(), format!("members {}", uuid()));
        let member = member(&format!("{id}@example.com"), id, None, &["staff"]);
        let created = store.create_users(vec![member], tokens(&issuer, false), Aside::default(), NOW).await.unwrap();
        assert!(matches!(created.as_slice(), [Creation::Created(_)]));
        let (grants, _) = store.grants(None).await.unwrap().unwrap();
        let own = grants.iter().find(|grant| grant.issuer == issuer).unwrap();
        assert_eq!(own.subject, id.to_string());
    });
}

pub(crate) fn its_form_and_what_is_in_it_are_told(location: &Location) {
    let store = Store::open(location).unwrap();
    runtime().block_on(async {
        let form = store.form().await.unwrap();
        assert_eq!((form.pending.len(), form.unknown.len()), (0, 0));
        assert_eq!(form.version(), form.applied.last().unwrap().version);
        let before = store.figures(NOW).await.unwrap();
        let id = uuid();
        let member = member(&format!("{id}@example.com"), id, None, &[]);
        store.create_users(vec![member], tokens("main", false), Aside::default(), NOW).await.unwrap();
        let after = store.figures(NOW).await.unwrap();
        assert_eq!(after.users, before.users + 1);
        assert!(after.bytes > 0);
    });
}
