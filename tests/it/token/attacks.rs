//! Attacks on what lies between the parts: several issuers, the cache, the upstream's reading of a header, the
//! configuration's keys.

use base64::{Engine, engine::general_purpose::STANDARD};
use bearergate::{
    authn::{Authenticator, AuthnError, IssuerSettings},
    jwt::{KeySet, Origin},
    rejection::Rejection,
};
use proptest::prelude::*;
use serde_json::json;

use super::refused;
use crate::support::{
    Gateway, NOW, Upstream,
    deployment::{deploy, read},
    forge::{ClaimText, Signer, base64url},
};

/// Three issuers with keys of the same id; the last one asks for no `iss`.
struct Issuers {
    gateway: Gateway,
    upstream: Upstream,
    keys: [Signer; 3],
    _folder: tempfile::TempDir,
}

const HEADER: &str = r#"{"alg":"ES256","kid":"k"}"#;

impl Issuers {
    fn new() -> Self {
        let keys = [Signer::p256(), Signer::p256(), Signer::p256()];
        let folder = tempfile::tempdir().unwrap();
        for (name, key) in ["a", "b", "c"].into_iter().zip(&keys) {
            let set = json!({ "keys": [key.jwk("k", "ES256")] });
            std::fs::write(folder.path().join(format!("{name}.json")), set.to_string()).unwrap();
        }
        let upstream = Upstream::ok();
        let text = "
            [issuer]
            a = { issuer = 'https://a.example', jwks_file = 'a.json' }
            b = { issuer = 'https://b.example', jwks_file = 'b.json' }
            c = { jwks_file = 'c.json' }
            [[route]]
            match = 'GET /any'
            [[route]]
            match = 'GET /a'
            issuers = ['a']
            [[route]]
            match = 'GET /c'
            issuers = ['c']
        ";
        let (gateway, _clock) = deploy(text, folder.path(), upstream.address);
        Self { gateway, upstream, keys, _folder: folder }
    }

    fn token(&self, key: usize, iss: Option<&str>) -> String {
        let claims = ClaimText::good().without("iss");
        let claims = iss.map_or(claims.clone(), |iss| claims.with("iss", &format!("\"{iss}\"")));
        self.keys[key].sign(HEADER, claims.json())
    }
}

#[test]
fn no_issuer_signs_for_another() {
    let issuers = Issuers::new();
    let mut client = issuers.gateway.connect();
    let (a, b, other) = (Some("https://a.example"), Some("https://b.example"), Some("https://other.example"));
    for (key, iss, status) in [
        (0, a, 200),
        (0, b, 401),
        (0, other, 401),
        (0, None, 401),
        (1, a, 401),
        (1, b, 200),
        (1, other, 401),
        (1, None, 401),
        (2, a, 401),
        (2, b, 401),
        (2, other, 200),
        (2, None, 200),
    ] {
        let token = issuers.token(key, iss);
        // Twice, so that the second answer could come from the cache.
        for _ in 0..2 {
            assert_eq!(client.bear("GET", "/any", &token).status, status, "key {key}, iss {iss:?}");
        }
    }
}

#[test]
fn a_token_that_is_cached_on_one_route_is_not_accepted_on_one_of_another_issuer() {
    let issuers = Issuers::new();
    let mut client = issuers.gateway.connect();
    let (a, b) = (issuers.token(0, Some("https://a.example")), issuers.token(1, Some("https://b.example")));
    for _ in 0..2 {
        let statuses = |client: &mut crate::support::Client, token: &str| {
            ["/any", "/a", "/c", "/any"].map(|path| client.bear("GET", path, token).status)
        };
        assert_eq!(statuses(&mut client, &a), [200, 200, 401, 200]);
        assert_eq!(statuses(&mut client, &b), [200, 401, 401, 200]);
    }
    drop(client);
    let mut reached = 0;
    while !issuers.upstream.received_nothing_else() {
        reached += 1;
    }
    assert_eq!(reached, 10);
}

#[test]
fn a_cached_token_with_one_character_changed_is_another_token() {
    let front = super::Front::new();
    let token = front.good();
    let mut client = front.gateway.connect();
    assert_eq!(client.bear("GET", "/machines", &token).status, 200);
    front.upstream.received();
    // The cache is hashed by the last 32 characters: a change before them is found by comparing.
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        refused(&client.bear("GET", "/machines", &changed), &format!("character {at}"), "Invalid token");
    }
    for changed in [format!("A{token}"), token[1..].to_owned(), token[token.len() - 32..].to_owned()] {
        refused(&client.bear("GET", "/machines", &changed), &changed, "Invalid token");
    }
    front.still_serves(&mut client);
}

/// Gateway behind which the upstream is told of `claim`.
fn told(claim: &str) -> (Gateway, Upstream, Signer) {
    let upstream = Upstream::ok();
    let text = format!(
        "issuer.a = {{ secret = {{ env = 'KEY' }} }}\n[[route]]\nmatch = '* /**'\n[[route]]\nmatch = '* /open'\naccess = 'public'\n\
         [identity_headers]\nX-Claim = '{claim}'\nX-User-Id = 'sub'\n"
    );
    let (gateway, _clock) = deploy(&text, std::path::Path::new("/nowhere"), upstream.address);
    (gateway, upstream, Signer::secret(crate::support::deployment::SECRET.as_bytes()))
}

#[test]
fn a_claim_is_told_as_the_issuer_wrote_it_or_not_at_all() {
    let (gateway, upstream, signer) = told("c");
    let mut client = gateway.connect();
    let sign = |value: &str| signer.sign(r#"{"alg":"HS256"}"#, ClaimText::good().with("c", value).json());
    for (value, header) in [
        (r#""a""#, Some("a")),
        (r#""a,b""#, Some("a,b")),
        ("1", Some("1")),
        ("1.50", Some("1.50")),
        ("123456789012345678901234567890", Some("123456789012345678901234567890")),
        ("true", Some("true")),
        (r#"["a b","c",1,false]"#, Some("a b,c,1,false")),
        ("[]", Some("")),
        (r#"{"a":"\u00e9"}"#, Some(r#"{"a":"\u00e9"}"#)),
        (
            r#"{"id":12345678901234567890123,"b":[1.50,{},[],"\""]}"#,
            Some(r#"{"id":12345678901234567890123,"b":[1.50,{},[],"\""]}"#),
        ),
        (r#""\u00e9\ud83d\ude00""#, Some("\u{e9}\u{1f600}")),
        ("null", None),
    ] {
        assert_eq!(client.bear("GET", "/x", &sign(value)).status, 200, "{value}");
        let head = upstream.received();
        assert_eq!(crate::support::client::header(&head, "x-claim"), header, "{value}: {head}");
    }
    for value in [
        r#""a\r\nX-User-Id: root""#,
        r#""\n""#,
        r#""\r""#,
        r#""\u0000""#,
        r#""a\u0085b""#,
        "\"\u{7f}\"",
        r#""\t""#,
        r#"" a""#,
        r#""a ""#,
        r#"["a","b\r\nX-User-Id: root"]"#,
        r#"["a,b"]"#,
        r#"["a",["b"]]"#,
        r#"["a",null]"#,
        r#"["a",{}]"#,
        // Each element would be read back without the spaces around it (RFC 9110 section 5.6.1).
        r#"["a"," b"]"#,
        r#"["a ","b"]"#,
        r#"["a"," ","b"]"#,
    ] {
        assert_eq!(client.bear("GET", "/x", &sign(value)).status, 401, "{value}");
    }
    assert!(upstream.received_nothing_else());
}

#[test]
fn identity_that_a_client_sends_never_arrives_in_any_spelling() {
    let (gateway, upstream, signer) = told("c");
    let mut client = gateway.connect();
    let token = signer.sign(r#"{"alg":"HS256"}"#, ClaimText::good().json());
    let aliases = ["X-User-Id", "x-user-id", "X_USER_ID", "X.User.Id", "x-user_id", "X-Claim", "X_Claim"];
    for path in ["/x", "/open"] {
        for alias in aliases {
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: a\r\n{alias}: root\r\nAuthorization: Bearer {token}\r\n{alias}: root\r\n\r\n"
            );
            assert_eq!(client.send(request).response().status, 200);
            let head = upstream.received();
            assert!(!head.contains("root"), "{path}, {alias}: {head}");
            assert_eq!(head.contains("\r\nx-user-id: alice\r\n"), path == "/x", "{head}");
        }
    }
}

#[test]
fn nothing_public_is_taken_as_a_secret() {
    let Signer::P256(pair) = Signer::p256() else { unreachable!() };
    let der = aws_lc_rs::encoding::AsDer::as_der(aws_lc_rs::signature::KeyPair::public_key(&pair)).unwrap();
    let der = der.as_ref();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
    let jwk = Signer::P256(pair).jwk("k", "ES256");
    let folder = tempfile::tempdir().unwrap();
    for (name, secret) in [
        ("a PEM", pem.clone().into_bytes()),
        ("a PEM behind spaces", format!("\n\n  {pem}").into()),
        ("a PEM behind a byte order mark", format!("\u{feff}{pem}").into()),
        ("a PEM behind what OpenSSL says about it", format!("Bag Attributes\n    friendlyName: x\n{pem}").into()),
        ("a PEM on one line", pem.replace('\n', "\\n").into()),
        ("DER", der.to_vec()),
        ("DER in base64", STANDARD.encode(der).into()),
        ("DER in base64, in lines", format!("{}\n{}", &STANDARD.encode(der)[..64], &STANDARD.encode(der)[64..]).into()),
        ("DER in base64url", base64url(der).into()),
        ("a JWK", jwk.to_string().into()),
        ("a JWK set", json!({ "keys": [jwk] }).to_string().into()),
    ] {
        std::fs::write(folder.path().join("secret"), secret).unwrap();
        let text = "issuer.a = { secret = { file = 'secret', weak = true } }\n[[route]]\nmatch = '* /**'";
        let mistakes = read(text, folder.path(), "127.0.0.1:9".parse().unwrap()).map(|_| name).unwrap_err();
        assert!(mistakes.to_string().contains("public key"), "{name}: {mistakes}");
    }
}

#[test]
fn a_key_that_ends_like_a_line_is_a_key_in_a_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let der = (0..10_000).find_map(|_| {
        let Signer::P256(pair) = Signer::p256() else { unreachable!() };
        let der = aws_lc_rs::encoding::AsDer::as_der(aws_lc_rs::signature::KeyPair::public_key(&pair)).unwrap();
        der.as_ref().ends_with(b"\n").then(|| der.as_ref().to_vec())
    });
    std::fs::write(folder.path().join("secret"), der.unwrap()).unwrap();
    let text = "issuer.a = { secret = { file = 'secret', weak = true } }\n[[route]]\nmatch = '* /**'";
    let mistakes = read(text, folder.path(), "127.0.0.1:9".parse().unwrap()).map(|_| "DER").unwrap_err();
    assert!(mistakes.to_string().contains("public key"), "{mistakes}");
}

#[test]
fn a_key_set_that_could_mean_two_things_or_holds_a_private_key_is_refused() {
    let (one, two) = (Signer::p256().jwk("k", "ES256"), Signer::p256().jwk("k", "ES256"));
    let mut private = one.clone();
    private["d"] = base64url([1; 32]).into();
    let folder = tempfile::tempdir().unwrap();
    let escaped = two.to_string().replace("\"k\"", r#""\u006b""#);
    for (name, set) in [
        ("one kid twice", json!({ "keys": [one, two] }).to_string()),
        ("one kid twice, once escaped", format!(r#"{{"keys":[{one},{escaped}]}}"#)),
        ("two lists", format!(r#"{{"keys":[{one}],"keys":[{one}]}}"#)),
        ("a private key", json!({ "keys": [private] }).to_string()),
        ("a key alone", one.to_string()),
        ("no key", json!({ "keys": [] }).to_string()),
        ("HTML", "<!DOCTYPE html>".to_owned()),
    ] {
        std::fs::write(folder.path().join("keys.json"), set).unwrap();
        let text = "issuer.a.jwks_file = 'keys.json'\n[[route]]\nmatch = '* /**'";
        assert!(read(text, folder.path(), "127.0.0.1:9".parse().unwrap()).is_err(), "{name}");
    }
}

/// A text of a stranger's, with what terminals, logs and headers take for more than text.
fn strange_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        prop::sample::select(vec![
            "\r\n",
            "\0",
            "\u{1b}[2J",
            "\u{9b}31m",
            "\u{202e}",
            "\u{2028}",
            "\u{feff}",
            "\u{7f}",
            "`",
            "\\"
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_cause_that_is_logged_holds_a_strangers_characters(alg in strange_text(), kid in strange_text(), typ in strange_text()) {
        let signer = Signer::p256();
        let set = json!({ "keys": [signer.jwk("k", "ES256")] }).to_string();
        let (keys, _) = KeySet::from_jwks(set.as_bytes(), Origin::File).unwrap();
        let authenticator = Authenticator::builder().issuer(IssuerSettings::new("a", keys)).build().unwrap();
        let claims = json!({ "exp": u32::MAX, "iss": kid, "sub": typ }).to_string();
        for header in [
            json!({ "alg": alg, "kid": "k" }),
            json!({ "alg": "ES256", "kid": kid }),
            json!({ "alg": "ES256", "kid": "k", "typ": typ }),
        ] {
            if let Err(AuthnError::InvalidToken(cause)) = authenticator.authenticate_token(&signer.sign(header.to_string(), &claims)) {
                let shown = Rejection::InvalidToken(cause.clone()).to_string();
                prop_assert!(shown.chars().all(|character| (' '..='~').contains(&character)), "{:?}", shown);
                prop_assert!(shown.len() < 200 && format!("{cause:?}").len() < 300, "{}", shown);
            }
        }
    }
}

#[test]
fn a_claim_named_in_escapes_is_that_claim() {
    let front = super::Front::new();
    let mut client = front.gateway.connect();
    let payload = format!(
        r#"{{"\u0069ss":"https:\/\/id.example.com","s\u0075b":"\u0061lice","a\u0075d":["authenticat\u0065d"],"\u0065xp":{}}}"#,
        NOW + 60
    );
    assert_eq!(client.bear("GET", "/machines", &front.p256.sign(super::HEADER, payload)).status, 200);
    assert!(front.upstream.received().contains("\r\nx-user-id: alice\r\n"));
    front.refuses([
        (
            "iss, escaped and wrong",
            front.claiming(&ClaimText::good().without("iss").and(r"\u0069ss", "\"https://evil\"")),
        ),
        ("exp, escaped and past nbf", front.claiming(&ClaimText::good().and(r"\u006ebf", "1765536999"))),
        ("a Cyrillic name", front.claiming(&ClaimText::good().without("exp").and("e\u{445}p", "1765536999"))),
        ("a name with a zero", front.claiming(&ClaimText::good().without("exp").and(r"exp\u0000", "1765536999"))),
        ("a name in capitals", front.claiming(&ClaimText::good().without("exp").and("EXP", "1765536999"))),
    ]);
}

#[test]
fn what_stands_behind_a_refusal_is_a_body_and_no_request() {
    let front = super::Front::new();
    let mut client = front.gateway.connect();
    let good = front.good();
    let inner = format!("GET /inner HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {good}\r\n\r\n");
    let head = "POST /machines HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n";
    client.send(format!("{head}Content-Length: {}\r\n\r\n{inner}", inner.len()));
    refused(&client.response(), "with a length", "Invalid token");
    client.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len()));
    refused(&client.response(), "in chunks", "Invalid token");
    front.still_serves(&mut client);
}

#[test]
fn a_bad_token_is_not_nobody_where_a_token_is_optional() {
    let upstream = Upstream::ok();
    let text = "issuer.a.secret = { env = 'KEY' }\n[[route]]\nmatch = 'GET /x'\naccess = 'optional'\n\
                [[route]]\nmatch = 'GET /y'\naccess = 'public'\n[identity_headers]\nX-User-Id = 'sub'\n";
    let (gateway, _clock) = deploy(text, std::path::Path::new("/nowhere"), upstream.address);
    let signer = Signer::secret(crate::support::deployment::SECRET.as_bytes());
    let good = signer.sign(r#"{"alg":"HS256"}"#, ClaimText::good().json());
    let expired = signer.sign(r#"{"alg":"HS256"}"#, ClaimText::good().with("exp", "1").json());
    let mut client = gateway.connect();
    for token in [&expired, &good[1..], "x", "a b"] {
        assert_eq!(client.bear("GET", "/x", token).status, 401, "{token}");
    }
    assert!(upstream.received_nothing_else());
    for (path, value, identified) in
        [("/x", None, false), ("/x", Some(&good), true), ("/y", Some(&good), false), ("/y", Some(&expired), false)]
    {
        let value = value.map(|token| format!("Bearer {token}"));
        assert_eq!(client.ask("GET", path, value.as_deref().map(str::as_bytes)).status, 200, "{path}");
        assert_eq!(upstream.received().contains("x-user-id: alice"), identified, "{path}");
    }
}
