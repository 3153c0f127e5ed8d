//! What stands in `Authorization`, down to single bytes; and floods of it.

use proptest::prelude::*;

use super::{Front, refused};
use crate::support::{Client, Gateway, forge::ClaimText};

#[test]
fn what_is_no_bearer_token_is_not_authenticated() {
    let front = Front::new();
    let good = front.good();
    front.refuses_fields(
        "Not authenticated",
        [
            ("nothing", String::new()),
            ("spaces", "   ".to_owned()),
            ("the scheme alone", "Bearer".to_owned()),
            ("the scheme and a space", "Bearer ".to_owned()),
            ("the scheme and a tab", "Bearer\t".to_owned()),
            ("the token alone", good.clone()),
            ("no space", format!("Bearer{good}")),
            ("a hyphen", format!("Bearer-{good}")),
            ("Basic", "Basic YWxpY2U6c2VjcmV0".to_owned()),
            ("Token", format!("Token {good}")),
            ("DPoP", format!("DPoP {good}")),
            ("JWT", format!("JWT {good}")),
            ("another scheme in front", format!("Basic x, Bearer {good}")),
            ("a prefix of the scheme", format!("Beare {good}")),
            ("the scheme in quotes", format!("\"Bearer\" {good}")),
        ],
    );
    let mut client = front.gateway.connect();
    for path in
        [format!("/machines?access_token={good}"), format!("/machines?token={good}&authorization=Bearer%20{good}")]
    {
        refused(&client.ask("GET", &path, None), "in the query", "Not authenticated");
    }
    for field in
        ["Proxy-Authorization", "X-Authorization", "X-Access-Token", "Cookie", "Authorization-", "Authorizatio"]
    {
        let request = format!("GET /machines HTTP/1.1\r\nHost: a\r\n{field}: Bearer {good}\r\n\r\n");
        refused(&client.send(request).response(), field, "Not authenticated");
    }
    let form = format!("access_token={good}");
    let request = format!(
        "POST /machines HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    refused(&client.send(request).response(), "in a form", "Not authenticated");
    front.still_serves(&mut client);
}

#[test]
fn the_scheme_is_matched_without_case_and_before_any_number_of_spaces() {
    let front = Front::new();
    let mut client = front.gateway.connect();
    for scheme in ["bearer ", "BEARER ", "bEaReR ", "Bearer     "] {
        let value = format!("{scheme}{}", front.good());
        assert_eq!(client.ask("GET", "/machines", Some(value.as_bytes())).status, 200, "{scheme}");
    }
}

#[test]
fn a_token_with_anything_around_it_is_refused() {
    let front = Front::new();
    let good = front.good();
    let mut cases: Vec<(String, Vec<u8>)> = [
        ("a tab", format!("Bearer\t{good}")),
        ("a tab behind the space", format!("Bearer \t{good}")),
        ("a space and a tab between tokens", format!("Bearer {good} \t{good}")),
        ("two tokens", format!("Bearer {good} {good}")),
        ("the scheme twice", format!("Bearer Bearer {good}")),
        ("a comma list", format!("Bearer {good},{good}")),
        ("a comma list of schemes", format!("Bearer {good}, Bearer {good}")),
        ("a comma behind", format!("Bearer {good},")),
        ("quotes", format!("Bearer \"{good}\"")),
        ("a colon", format!("Bearer: {good}")),
        ("an equals sign", format!("Bearer ={good}")),
        ("a parameter", format!("Bearer token={good}")),
        ("brackets", format!("Bearer <{good}>")),
        ("percent-encoding", format!("Bearer {}", good.replace('.', "%2E"))),
        ("a wide dot", format!("Bearer {}", good.replace('.', "\u{ff0e}"))),
        ("a byte order mark", format!("Bearer \u{feff}{good}")),
        ("no-break space", format!("Bearer\u{a0}{good}")),
    ]
    .map(|(name, value)| (name.to_owned(), value.into_bytes()))
    .into();
    // Every byte that a header's value may have, in front of, inside and behind a token.
    let strange = (0x21..=0xff_u8).filter(|byte| *byte != 0x7f);
    for byte in strange.filter(|byte| !byte.is_ascii_alphanumeric() && !b"-_".contains(byte)) {
        for at in [0, good.len() / 2, good.len()] {
            let mut value = format!("Bearer {good}").into_bytes();
            value.insert(7 + at, byte);
            cases.push((format!("the byte 0x{byte:02x} at {at}"), value));
        }
    }
    front.refuses_fields("Invalid token", cases);
}

#[test]
fn two_authorization_fields_are_refused_in_whatever_order_and_case() {
    let front = Front::new();
    let good = front.good();
    let mut client = front.gateway.connect();
    for (name, first, second) in [
        ("both good", format!("Authorization: Bearer {good}"), format!("Authorization: Bearer {good}")),
        ("good and empty", format!("Authorization: Bearer {good}"), "authorization:".to_owned()),
        ("empty and good", "AUTHORIZATION: ".to_owned(), format!("Authorization: Bearer {good}")),
        ("Basic and good", "Authorization: Basic eA==".to_owned(), format!("authorization: Bearer {good}")),
        ("good and Basic", format!("Authorization: Bearer {good}"), "aUTHORIZATION: Basic eA==".to_owned()),
    ] {
        let request = format!("GET /machines HTTP/1.1\r\nHost: a\r\n{first}\r\nX: 1\r\n{second}\r\n\r\n");
        refused(&client.send(request).response(), name, "Invalid token");
    }
    front.still_serves(&mut client);
}

#[test]
fn control_characters_in_the_field_are_a_bad_request() {
    let front = Front::new();
    let good = front.good();
    for byte in (0..0x20).chain([0x7f]).filter(|byte| *byte != b'\t') {
        let mut value = format!("Bearer {good}").into_bytes();
        value.insert(20, byte);
        let mut client = front.gateway.connect();
        assert_eq!(client.ask("GET", "/machines", Some(&value)).status, 400, "0x{byte:02x}");
    }
    let folded = format!("GET /machines HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer\r\n {good}\r\n\r\n");
    assert_eq!(front.gateway.connect().send(folded).response().status, 400);
    front.still_serves(&mut front.gateway.connect());
}

/// A good token with something done to it, or something that never was one.
fn values(good: String) -> impl Strategy<Value = Vec<u8>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..200);
    let changed = (any::<prop::sample::Index>(), bytes(), 0_usize..4).prop_map(move |(at, inserted, removed)| {
        let mut token = good.clone().into_bytes();
        let start = at.index(token.len());
        let end = token.len().min(start + removed);
        token.splice(start..end, inserted);
        [b"Bearer ", &token[..]].concat()
    });
    prop_oneof![
        bytes(),
        bytes().prop_map(|bytes| [b"Bearer ", &bytes[..]].concat()),
        "[Bb]earer [A-Za-z0-9_.+/=~-]{0,300}".prop_map(String::into_bytes),
        "Bearer [A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}".prop_map(String::into_bytes),
        changed,
    ]
}

#[test]
fn whatever_bytes_stand_in_the_field_the_answer_is_a_4xx_and_the_upstream_sees_nothing() {
    let front = Front::new();
    let good = front.good();
    let mut runner = proptest::test_runner::TestRunner::default();
    let outcome = runner.run(&values(good.clone()), |value| {
        let text = String::from_utf8_lossy(&value).into_owned();
        // A line end begins another field, which may leave the token whole.
        prop_assume!(!text.contains(&good) && !text.lines().any(|line| line.trim().ends_with(&good)));
        let status = front.gateway.connect().ask("GET", "/machines", Some(&value)).status;
        prop_assert!(matches!(status, 400 | 401 | 431), "{}", status);
        Ok(())
    });
    outcome.unwrap();
    front.still_serves(&mut front.gateway.connect());
}

fn metric(gateway: &Gateway, name: &str) -> u64 {
    let metrics = gateway.admin().get("/metrics").text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("bearergate_{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
}

/// Sends all of these in pipelined batches; how many were answered with each status.
fn flood(client: &mut Client, tokens: impl Iterator<Item = String>) -> std::collections::BTreeMap<u16, usize> {
    let mut statuses = std::collections::BTreeMap::new();
    let tokens: Vec<String> = tokens.collect();
    for batch in tokens.chunks(20) {
        let request = |token: &String| format!("GET /m HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
        client.send(batch.iter().map(request).collect::<String>());
        for _ in batch {
            *statuses.entry(client.response().status).or_default() += 1;
        }
    }
    statuses
}

#[test]
fn a_flood_of_bad_tokens_leaves_nothing_in_the_cache_and_pushes_nothing_out() {
    let front = Front::new();
    let mut client = front.gateway.connect();
    let good = front.good();
    assert_eq!(client.bear("GET", "/m", &good).status, 200);
    let (text, signature) = good.rsplit_once('.').unwrap();
    let forged = (0..20_000_u32).map(|number| match number % 4 {
        // A payload that nobody signed, a signature that nobody made, no token at all, and a kid that nobody has.
        0 => {
            let claims = ClaimText::good().with("jti", &format!("\"{number}\""));
            let payload = crate::support::forge::base64url(claims.json());
            format!("{}.{payload}.{signature}", crate::support::forge::base64url(super::HEADER))
        }
        1 => crate::support::forge::with_signature(&good, |bytes| bytes[..4].copy_from_slice(&number.to_be_bytes())),
        2 => format!("{number}.{text}"),
        _ => format!(
            "{}.{}",
            crate::support::forge::base64url(format!(r#"{{"alg":"ES256","kid":"{number}"}}"#)),
            good.split_once('.').unwrap().1
        ),
    });
    assert_eq!(flood(&mut client, forged), [(401, 20_000)].into());
    assert_eq!(client.bear("GET", "/m", &good).status, 200);
    assert_eq!(metric(&front.gateway, "cache_misses_total"), 20_001);
    assert_eq!(metric(&front.gateway, "cache_hits_total"), 1);
    // The one good token; none of the others.
    assert!(metric(&front.gateway, "cache_entries") <= 1);

    // Good tokens are counted there, so the number above means something.
    let many = (0..400).map(|number| front.claiming(&ClaimText::good().with("jti", &format!("\"{number}\""))));
    assert_eq!(flood(&mut client, many), [(200, 400)].into());
    assert!(metric(&front.gateway, "cache_entries") > 100);
}
