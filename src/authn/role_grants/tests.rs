use aws_lc_rs::rand::SystemRandom;
use serde_json::{Value, json};

use super::*;
use crate::{
    authn::{Authenticator, IssuerSettings, Roles, Vocabulary},
    clock::{Clock, Timestamp},
    jwt::{self, Algorithm, KeySet, SigningKey},
};

const NOW: u64 = 1_800_000_000;

/// Issuers `main` and `other` with the same key; the role `installer` is `PLANTS READ` and `PLANTS UPDATE`.
struct Setup {
    key: SigningKey,
    grants: Arc<RoleGrants>,
    authenticator: Authenticator,
}

impl Setup {
    fn new() -> Self {
        let key = SigningKey::generate(Algorithm::EdDsa, &SystemRandom::new()).unwrap();
        let grants = Arc::new(RoleGrants::default());
        let mut vocabulary = Vocabulary::default();
        for name in ["PLANTS READ", "PLANTS UPDATE", "ADMIN"] {
            vocabulary.intern(name);
        }
        let mut roles = Roles::default();
        roles.insert("installer", ["PLANTS READ", "PLANTS UPDATE"].map(str::to_owned));
        let mut builder = Authenticator::builder()
            .clock(Clock::manual(Timestamp::from_secs(NOW)))
            .vocabulary(vocabulary)
            .roles(roles)
            .role_grants(Arc::clone(&grants));
        for name in ["main", "other"] {
            let keys = KeySet::new(vec![key.verifying_key().clone()]).unwrap();
            builder = builder.issuer(IssuerSettings::new(name, keys).iss(name));
        }
        Self { key, grants, authenticator: builder.build().unwrap() }
    }

    fn token(&self, mut claims: Value) -> String {
        claims["exp"] = json!(NOW + 3600);
        jwt::sign(&self.key, None, claims.as_object().unwrap()).unwrap()
    }

    /// Which of these permissions the token has.
    fn permissions(&self, token: &str) -> Vec<&'static str> {
        let principal = self.authenticator.authenticate_token(token).unwrap();
        let mut names = vec!["PLANTS READ", "PLANTS UPDATE", "ADMIN", "installer"];
        names.retain(|name| principal.has_permission(name));
        names
    }

    fn grant(&self, grants: &[(&str, &str, &str)]) {
        let grant = |&(issuer, subject, role): &(&str, &str, &str)| {
            let [issuer, subject, role] = [issuer, subject, role].map(str::to_owned);
            RoleGrant { issuer, subject, role }
        };
        self.grants.replace(grants.iter().map(grant));
    }
}

const INSTALLER: [&str; 3] = ["PLANTS READ", "PLANTS UPDATE", "installer"];

#[test]
fn a_granted_role_counts_from_the_next_request_on_and_so_does_its_end() {
    let setup = Setup::new();
    let alice = setup.token(json!({ "iss": "main", "sub": "alice", "permissions": ["ADMIN"] }));
    assert_eq!(setup.permissions(&alice), ["ADMIN"]);
    setup.grant(&[("main", "alice", "installer")]);
    assert_eq!(setup.permissions(&alice), ["PLANTS READ", "PLANTS UPDATE", "ADMIN", "installer"]);
    setup.grant(&[("main", "alice", "PLANTS READ")]);
    assert_eq!(setup.permissions(&alice), ["PLANTS READ", "ADMIN"], "a role of no other meaning is a permission");
    setup.grant(&[]);
    assert_eq!(setup.permissions(&alice), ["ADMIN"]);
}

#[test]
fn a_grant_is_of_one_subject_of_one_issuer() {
    let setup = Setup::new();
    let tokens = [
        json!({ "iss": "main", "sub": "alice" }),
        json!({ "iss": "other", "sub": "alice" }),
        json!({ "iss": "main", "sub": "Alice" }),
        json!({ "iss": "main" }),
        json!({ "iss": "main", "sub": "bob", "roles": "installer" }),
    ];
    let tokens = tokens.map(|claims| setup.token(claims));
    setup.grant(&[("main", "alice", "installer"), ("main", "", "installer")]);
    for cached in [false, true] {
        let found = tokens.each_ref().map(|token| setup.permissions(token));
        assert_eq!(found, [INSTALLER.to_vec(), vec![], vec![], vec![], vec![]], "{cached}");
    }
}

#[test]
fn only_those_whose_roles_changed_are_verified_again() {
    let setup = Setup::new();
    let [alice, bob] = ["alice", "bob"].map(|name| setup.token(json!({ "iss": "main", "sub": name })));
    let ask = || [&alice, &bob].map(|token| setup.permissions(token).len());
    assert_eq!(ask(), [0, 0]);
    let misses = || setup.authenticator.cache_stats().misses;
    assert_eq!(misses(), 2);
    setup.grant(&[("main", "alice", "installer")]);
    for _ in 0..3 {
        assert_eq!((ask(), misses()), ([3, 0], 3));
    }
    setup.grant(&[("main", "alice", "installer"), ("main", "carol", "installer")]);
    assert_eq!((ask(), misses()), ([3, 0], 3));
    setup.grant(&[]);
    assert_eq!((ask(), misses()), ([0, 0], 4));
}

#[test]
fn a_role_that_is_taken_away_while_others_ask_is_gone_for_all_at_once() {
    let setup = Setup::new();
    let alice = setup.token(json!({ "iss": "main", "sub": "alice" }));
    let bob = setup.token(json!({ "iss": "main", "sub": "bob" }));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..500 {
                    assert!(matches!(setup.permissions(&alice).len(), 0 | 3));
                    assert_eq!(setup.permissions(&bob).len(), 0);
                }
            });
        }
        for _ in 0..200 {
            setup.grant(&[("main", "alice", "installer")]);
            assert_eq!(setup.permissions(&alice), INSTALLER);
            setup.grant(&[]);
            assert!(setup.permissions(&alice).is_empty());
        }
    });
}
