//! What a correctly signed token says, and is not accepted with.

use std::time::Duration;

use bearergate::clock::Timestamp;

use super::{Front, refused};
use crate::support::{NOW, forge::ClaimText};

impl Front {
    /// A token with each of these values of a claim is refused as invalid.
    #[track_caller]
    fn refuses_values(&self, claim: &str, values: &[&str]) {
        let token = |value: &&str| (format!("{claim}: {value}"), self.claiming(&ClaimText::good().with(claim, value)));
        self.refuses(values.iter().map(token));
    }
}

#[test]
fn an_expiry_that_is_no_time_is_refused() {
    let front = Front::new();
    front.refuses([("no exp", front.claiming(&ClaimText::good().without("exp")))]);
    front.refuses_values(
        "exp",
        &[
            "null",
            "\"1765536922\"",
            "true",
            "[1765536922]",
            "{}",
            "-1",
            "-1765536922",
            "-0.1",
            "1e400",
            "1e30",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999999999",
            "1765536922.",
            "0x7fffffff",
        ],
    );
}

#[test]
fn a_token_at_or_past_its_expiry_is_expired_whatever_else_is_wrong_with_its_claims() {
    let front = Front::new();
    let expired = [
        ("at exp", ClaimText::good().with("exp", &NOW.to_string())),
        ("a millisecond before", ClaimText::good().with("exp", "1765536321.999")),
        ("less than a millisecond behind", ClaimText::good().with("exp", "1765536322.0004")),
        ("1970", ClaimText::good().with("exp", "0")),
        ("minus zero", ClaimText::good().with("exp", "-0")),
        ("in exponents", ClaimText::good().with("exp", "1.7e9")),
        ("for another audience", ClaimText::good().with("exp", "1").with("aud", "\"x\"")),
    ];
    let fields = expired.map(|(name, claims)| (name, format!("Bearer {}", front.claiming(&claims))));
    front.refuses_fields("Token expired", fields);
    let foreign = crate::support::forge::Signer::p256();
    let expired = ClaimText::good().with("exp", "1");
    front.refuses([
        ("expired and wrongly signed", foreign.sign(super::HEADER, expired.json())),
        ("expired, of another issuer", front.claiming(&expired.clone().with("iss", "\"https://evil.example\""))),
        ("expired, with crit", front.p256.sign(r#"{"alg":"ES256","crit":["exp"]}"#, expired.json())),
    ]);
}

#[test]
fn a_life_above_the_maximum_is_refused() {
    let front = Front::new();
    let life = |iat: u64, exp: u64| ClaimText::good().with("iat", &iat.to_string()).with("exp", &exp.to_string());
    front.refuses([
        ("an hour and a second", front.claiming(&life(NOW, NOW + 3601))),
        ("most of it over", front.claiming(&life(NOW - 3600, NOW + 1))),
        ("issued in the future", front.claiming(&life(NOW + 3601, NOW + 7200))),
        ("without iat", front.claiming(&life(NOW, NOW + 3601).without("iat"))),
        ("for ever", front.claiming(&life(NOW, 18_446_744_073_709_551))),
    ]);
}

#[test]
fn a_token_that_is_not_valid_yet_or_has_a_time_of_a_wrong_type_is_refused() {
    let front = Front::new();
    front.refuses_values(
        "nbf",
        &["1765536323", "1765536322.0001", "18446744073709551", "null", "\"0\"", "true", "[]", "{}", "-1", "1e400"],
    );
    front.refuses_values("iat", &["null", "\"1765536322\"", "true", "[1765536322]", "-1", "1e400"]);
}

#[test]
fn another_issuer_is_refused() {
    let front = Front::new();
    front.refuses([("no iss", front.claiming(&ClaimText::good().without("iss")))]);
    front.refuses_values(
        "iss",
        &[
            "\"https://id.example.com/\"",
            "\"https://id.example.co\"",
            "\"https://id.example.com.evil.example\"",
            "\"https://ID.example.com\"",
            "\"HTTPS://id.example.com\"",
            "\"http://id.example.com\"",
            "\"\"",
            "\" https://id.example.com\"",
            "\"https://id.example.com\\u0000\"",
            "\"https://id.example.com\\n\"",
            "\"https://id.ex\\u0430mple.com\"",
            "[\"https://id.example.com\"]",
            "{\"https://id.example.com\":1}",
            "null",
            "1",
            "true",
        ],
    );
}

#[test]
fn another_audience_is_refused() {
    let front = Front::new();
    front.refuses([("no aud", front.claiming(&ClaimText::good().without("aud")))]);
    front.refuses_values(
        "aud",
        &[
            "\"authenticate\"",
            "\"authenticatedx\"",
            "\"Authenticated\"",
            "\"\"",
            "\"authenticated \"",
            "\"x authenticated\"",
            "[]",
            "[\"x\"]",
            "[[\"authenticated\"]]",
            "[\"authenticated\",1]",
            "[\"authenticated\",null]",
            "{\"authenticated\":1}",
            "{\"0\":\"authenticated\"}",
            "null",
            "1",
            "true",
        ],
    );
    let several = front.claiming(&ClaimText::good().with("aud", r#"["x","authenticated"]"#));
    assert_eq!(front.gateway.connect().bear("GET", "/machines", &several).status, 200);
}

#[test]
fn a_subject_that_names_nobody_or_breaks_lines_is_refused() {
    let front = Front::new();
    front.refuses([("no sub", front.claiming(&ClaimText::good().without("sub")))]);
    front.refuses_values(
        "sub",
        &[
            r#""""#,
            r#""a\r\nX-Admin: 1""#,
            r#""\n""#,
            r#""a\rb""#,
            r#""a\u0000""#,
            r#""\t""#,
            r#""\u001b[31m""#,
            "\"\u{7f}\"",
            r#""\u0085""#,
            "\"\u{9b}\"",
            "null",
            "1",
            "true",
            r#"["alice"]"#,
            r#"{"alice":1}"#,
            // Surrounding spaces would be gone on the wire: the upstream would see another subject.
            r#"" alice""#,
            r#""alice ""#,
            r#"" ""#,
        ],
    );
}

#[test]
fn a_subject_reaches_the_upstream_as_the_issuer_wrote_it() {
    let front = Front::new();
    let mut client = front.gateway.connect();
    for subject in ["J\u{f6}rg M\u{fc}ller", "a,b;c=\"d\"", "\u{2028}x", "%0d%0aX-Admin: 1", "alice\u{1f600}"] {
        let claims = ClaimText::good().with("sub", &serde_json::json!(subject).to_string());
        assert_eq!(client.bear("GET", "/machines", &front.claiming(&claims)).status, 200, "{subject}");
        let head = front.upstream.received();
        assert!(head.contains(&format!("\r\nx-user-id: {subject}\r\n")), "{head}");
        assert!(!head.to_ascii_lowercase().contains("\r\nx-admin"), "{head}");
    }
}

#[test]
fn a_token_that_asks_for_other_processing_or_is_of_another_kind_is_refused() {
    let front = Front::new();
    let members = [
        r#""crit":[]"#,
        r#""crit":["exp"]"#,
        r#""crit":["b64"],"b64":false"#,
        r#""crit":null"#,
        r#""crit":"exp""#,
        r#""\u0063rit":["x"]"#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""zip":"DEF""#,
        r#""zip":null"#,
        r#""cty":"JWT""#,
        r#""cty":"""#,
        r#""typ":"dpop+jwt""#,
        r#""typ":"logout+jwt""#,
        r#""typ":"secevent+jwt""#,
        r#""typ":"rt+jwt""#,
        r#""typ":"JOSE""#,
        r#""typ":"""#,
        r#""typ":"JWT ""#,
        r#""typ":"x/JWT""#,
        r#""typ":"application/x/JWT""#,
        r#""typ":null"#,
        r#""typ":1"#,
        r#""typ":["JWT"]"#,
    ];
    let token = |member: &str| front.headed(&format!(r#"{{"alg":"ES256","kid":"p256",{member}}}"#));
    front.refuses(members.map(|member| (member, token(member))));
    front.refuses([
        ("an opaque refresh token", "v1.MRjVTXqdQ-s8aGGW2pLBEbxcZPjmG0r7_0wGkV0TPVQ"),
        ("short", "n2xGxWqf4tBq"),
    ]);
    let mut client = front.gateway.connect();
    for member in [r#""typ":"jwt""#, r#""typ":"at+jwt""#, r#""typ":"application/at+JWT""#] {
        assert_eq!(client.bear("GET", "/machines", &token(member)).status, 200, "{member}");
    }
}

#[test]
fn a_token_that_expires_in_the_cache_is_refused_from_that_moment_on() {
    let front = Front::new();
    let token = front.good();
    let mut client = front.gateway.connect();
    for _ in 0..2 {
        assert_eq!(client.bear("GET", "/machines", &token).status, 200);
        front.upstream.received();
    }
    front.clock.advance(Duration::from_millis(599_999));
    assert_eq!(client.bear("GET", "/machines", &token).status, 200);
    front.upstream.received();
    front.clock.advance(Duration::from_millis(1));
    for _ in 0..2 {
        refused(&client.bear("GET", "/machines", &token), "at exp", "Token expired");
    }
    front.clock.advance(Duration::from_secs(100_000));
    refused(&client.bear("GET", "/machines", &token), "long past exp", "Token expired");
    assert!(front.upstream.received_nothing_else());
}

#[test]
fn a_clock_that_is_set_back_lets_no_cached_token_in_before_its_time() {
    let front = Front::new();
    let token = front.claiming(&ClaimText::good().with("nbf", &NOW.to_string()));
    let mut client = front.gateway.connect();
    assert_eq!(client.bear("GET", "/machines", &token).status, 200);
    front.clock.set(Timestamp::from_secs(NOW - 1));
    refused(&client.bear("GET", "/machines", &token), "before nbf", "Invalid token");
    front.clock.set(Timestamp::from_secs(NOW));
    assert_eq!(client.bear("GET", "/machines", &token).status, 200);
}
