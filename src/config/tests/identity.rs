//! `[identity_headers]`: names, claims, and tokens that are signed again.

use std::time::Duration;

use super::*;
use crate::{authn::HeaderFormat, jwt::ClaimPath};

/// Two issuers that sign and one that does not.
const ISSUERS: &str = r#"
[issuer.api]
issuer = "https://id.example.com"
secret = { env = "SECRET" }
[issuer.internal]
issuer = "https://gateway.internal"
signing_keys = "keys"
max_life = "5m"
[issuer.far]
issuer = "https://far.example.com"
jwks_url = "https://far.example.com/jwks.json"
"#;

#[test]
fn a_header_carries_a_claim_and_says_how() {
    let text = "[identity_headers]\nX-A = { claim = 'permissions', format = 'json' }\n\
                X-B = { claim = ['realm_access', 'roles'] }\nX-C = 'https://example.com/roles'\n";
    let headers = config(&format!("{text}{OPEN}")).identity_headers.headers;
    let nested = ClaimPath::nested(["realm_access", "roles"]).unwrap();
    let expected = [
        ("x-a", ClaimPath::from("permissions"), HeaderFormat::Json),
        ("x-b", nested, HeaderFormat::Joined),
        ("x-c", ClaimPath::from("https://example.com/roles"), HeaderFormat::Joined),
    ];
    let found = headers.iter().map(|header| (header.name.as_str(), header.claim.clone(), header.format));
    assert_eq!(found.collect::<Vec<_>>(), expected);
    let wrong = "[identity_headers]\nX-A = { format = 'xml' }\nX-B = { claim = 'b', form = 'json' }\n";
    assert_mistakes(
        &format!("{wrong}{OPEN}"),
        &[
            ("`identity_headers.X-A.claim` is missing", "gateway.toml:2:1"),
            ("`identity_headers.X-A.format` must be \"joined\" or \"json\", not \"xml\"", "gateway.toml:2:18"),
            ("unknown key `form` in `identity_headers.X-B`", "gateway.toml:3:22"),
        ],
    );
}

#[test]
fn tokens_are_signed_again_for_an_issuer_that_signs() {
    let resign = |more: &str| {
        let text = format!("identity_headers.resign = {{ issuer = 'internal'{more} }}\n{ISSUERS}{OPEN}");
        config(&text).identity_headers.resign.unwrap()
    };
    let usual = resign("");
    assert_eq!((usual.issuer.as_str(), usual.lifetime, usual.claims.len()), ("internal", Duration::from_secs(60), 0));
    assert_eq!(usual.header, "authorization");
    let other = resign(", lifetime = '5m', claims = ['email', ['realm_access', 'roles']], header = 'X-Internal-Token'");
    assert_eq!((other.lifetime, other.header.as_str()), (Duration::from_secs(300), "x-internal-token"));
    assert_eq!(other.claims.iter().map(ToString::to_string).collect::<Vec<_>>(), ["email", "realm_access.roles"]);
}

#[test]
fn what_cannot_be_signed_or_sent_is_a_mistake() {
    let public =
        "`identity_headers.resign.issuer` names the issuer \"far\", which cannot sign: it has public keys alone";
    let twice = "the header `X_A` is there twice: case, `-`, `_` and `.` make no difference";
    let nowhere = "`identity_headers.resign.issuer` names the issuer \"nowhere\", which is not there";
    for (resign, expected) in [
        ("{ issuer = 'far' }", public),
        ("{ issuer = 'nowhere' }", nowhere),
        ("{ lifetime = '1m' }", "`identity_headers.resign.issuer` is missing"),
        ("{ issuer = 'internal', lifetime = '2h' }", "`identity_headers.resign.lifetime` must be at most \"1h\""),
        (
            "{ issuer = 'internal', lifetime = '6m' }",
            "`identity_headers.resign.lifetime` must be at most the `max_life` of the issuer \"internal\"",
        ),
        (
            "{ issuer = 'internal', claims = ['exp'] }",
            "`identity_headers.resign.claims` has `exp`, which the gateway sets",
        ),
        ("{ issuer = 'internal', header = 'X_A' }", twice),
        (
            "{ issuer = 'internal', header = 'Host' }",
            "the header `Host` cannot carry a claim: it belongs to the connection or the proxy",
        ),
        ("{ issuer = 'internal', head = 'X' }", "unknown key `head` in `identity_headers.resign`"),
        ("true", "`identity_headers.resign` must be a table, not a boolean"),
    ] {
        let rendered = mistakes(&format!("[identity_headers]\nX-A = 'a'\nresign = {resign}\n{ISSUERS}{OPEN}"));
        assert!(rendered.starts_with(&format!("error: {expected}\n")), "{resign}: {rendered}");
        assert_eq!(rendered.matches("error: ").count(), 1, "{resign}: {rendered}");
    }
    let rendered =
        mistakes(&format!("[identity_headers]\nauthorization = 'keep'\nresign.issuer = 'internal'\n{ISSUERS}{OPEN}"));
    assert!(rendered.starts_with("error: `identity_headers.authorization` has no meaning here"), "{rendered}");
}

#[test]
fn an_issuer_that_has_no_clients_takes_no_presets_place() {
    let internal =
        "[issuer.internal]\nissuer = 'x'\nsigning_keys = 'k'\n[upstream.default]\nservers = ['builtin:echo']\n";
    let names = |text: &str| -> Vec<String> { config(text).issuers.into_iter().map(|issuer| issuer.name).collect() };
    let resign = "identity_headers.resign.issuer = 'internal'\n";
    assert_eq!(names(&format!("preset = 'homsai'\n{internal}")), ["internal"]);
    assert_eq!(names(&format!("preset = 'homsai'\n{resign}{internal}")), ["api", "internal"]);
    let own = "[issuer.own]\nissuer = 'y'\nsigning_keys = 'l'\n";
    assert_eq!(names(&format!("preset = 'homsai'\n{resign}{own}{internal}")), ["own", "internal"]);
}

#[test]
fn identity_headers_are_names_of_their_own() {
    for name in ["Host", "connection", "TE", "Content-Length", "x_forwarded_for", "Transfer.Encoding", "Forwarded"] {
        let rendered = mistakes(&format!("[identity_headers]\n\"{name}\" = \"sub\"\n{OPEN}"));
        assert!(rendered.contains("cannot carry a claim"), "{name}: {rendered}");
    }
    let text = format!(
        "[identity_headers]\nX-User = 'sub'\nx_user = 'name'\n'a b' = 'sub'\nAuthorization = 'sub'\nX-A = 1\nX-B = []\n{OPEN}"
    );
    assert_mistakes(
        &text,
        &[
            ("the header `x_user` is there twice: case, `-`, `_` and `.` make no difference", "gateway.toml:3:1"),
            ("`a b` is not the name of a header", "gateway.toml:4:1"),
            ("`authorization` is written in lower case, and is \"keep\" or \"strip\"", "gateway.toml:5:1"),
            ("`identity_headers.X-A` must be a claim's name or a list of names, not an integer", "gateway.toml:6:7"),
            ("`identity_headers.X-B` is an empty list: name a claim", "gateway.toml:7:7"),
        ],
    );
}
