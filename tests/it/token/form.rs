//! What is no token at all: encoding, parts, and JSON that two readers could read in two ways.

use super::{Front, HEADER};
use crate::support::forge::{ClaimText, base64url};

#[test]
fn base64_in_another_spelling_is_refused() {
    let front = Front::new();
    let token = front.good();
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { unreachable!() };
    let mut cases = Vec::new();
    for (name, part, at) in [("header", header, 0), ("payload", payload, 1), ("signature", signature, 2)] {
        let spellings = [
            ("padded", format!("{part}=")),
            ("padded twice", format!("{part}==")),
            ("a character short", part[..part.len() - 1].to_owned()),
            ("a character more", format!("{part}A")),
            ("plus", format!("+{}", &part[1..])),
            ("slash", format!("/{}", &part[1..])),
            ("tilde", format!("~{}", &part[1..])),
            ("empty", String::new()),
        ];
        for (what, spelling) in spellings {
            let mut changed = parts.clone();
            changed[at] = &spelling;
            cases.push((format!("{name}: {what}"), changed.join(".")));
        }
    }
    // 64 bytes leave four bits of the last character over: other values of them are other spellings.
    let stray = ["B", "R", "h", "x"].map(|last| format!("{}{last}", &token[..token.len() - 1]));
    cases.extend(stray.map(|token| ("stray bits".to_owned(), token)));
    // Correctly signed as they are spelled, so that only the spelling is wrong.
    let claims = ClaimText::good().json();
    for (what, text) in [
        ("signed with padding", format!("{}.{}=", base64url(HEADER), base64url(claims.clone() + "  "))),
        ("signed with a plus", format!("{}.+{}", base64url(HEADER), base64url(&claims))),
        ("signed with an empty payload", format!("{}.", base64url(HEADER))),
        ("signed with an empty header", format!(".{}", base64url(&claims))),
    ] {
        cases.push((what.to_owned(), front.p256.sign_text(&text)));
    }
    front.refuses(cases);
}

#[test]
fn anything_but_three_parts_is_refused() {
    let front = Front::new();
    let token = front.good();
    let (two, _) = token.rsplit_once('.').unwrap();
    front.refuses([
        ("one part", base64url(HEADER)),
        ("two parts", two.to_owned()),
        ("four parts", format!("{token}.{}", base64url("x"))),
        ("a dot behind", format!("{token}.")),
        ("a dot in front", format!(".{token}")),
        ("two dots together", token.replacen('.', "..", 1)),
        ("five parts", format!("{}.a.b.c.d", base64url(r#"{"alg":"dir","enc":"A128GCM"}"#))),
        ("dots alone", "..".to_owned()),
        ("1,000 dots", ".".repeat(1000)),
        ("8,191 dots", ".".repeat(8191)),
        ("the JSON serialization, encoded", base64url(r#"{"payload":"","signatures":[]}"#)),
        ("a character", "a".to_owned()),
        ("over the limit", "a".repeat(8193)),
        ("far over the limit", "a".repeat(30_000)),
        (
            "a good token over the limit",
            front.claiming(&ClaimText::good().with("x", &format!("\"{}\"", "x".repeat(7000)))),
        ),
    ]);
}

#[test]
fn the_json_serialization_is_refused() {
    let front = Front::new();
    let token = front.good();
    let parts: Vec<&str> = token.split('.').collect();
    let flattened = format!(r#"{{"protected":"{}","payload":"{}","signature":"{}"}}"#, parts[0], parts[1], parts[2]);
    let general = format!(
        r#"{{"payload":"{}","signatures":[{{"protected":"{}","signature":"{}"}}]}}"#,
        parts[1], parts[0], parts[2]
    );
    front.refuses([("flattened", flattened), ("general", general)]);
}

#[test]
fn a_payload_that_is_not_one_json_object_is_refused() {
    let front = Front::new();
    let good = ClaimText::good().json();
    let inner = &good[1..good.len() - 1];
    let deep = |open: &str, close: &str, count: usize| {
        format!("{{{inner},\"a\":{}1{}}}", open.repeat(count), close.repeat(count))
    };
    let cases = [
        ("an array", format!("[{good}]").into_bytes()),
        ("null", b"null".to_vec()),
        ("a string", b"\"a\"".to_vec()),
        ("a number", b"1".to_vec()),
        ("white space", b"  ".to_vec()),
        ("two objects", format!("{good}{good}").into()),
        ("something behind", format!("{good}x").into()),
        ("NUL behind", format!("{good}\0").into()),
        ("a byte order mark", format!("\u{feff}{good}").into()),
        ("UTF-16", good.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("a comment", format!("/**/{good}").into()),
        ("a comma too many", format!("{{{inner},}}").into()),
        ("no end", format!("{{{inner}").into()),
        ("vertical tab", format!("\u{b}{good}").into()),
        ("no-break space", format!("\u{a0}{good}").into()),
        ("nested 33 deep", deep("[", "]", 32).into()),
        ("objects 33 deep", deep("{\"a\":", "}", 32).into()),
        ("2,500 open brackets", format!("{{{inner},\"a\":{}", "[".repeat(2500)).into()),
        ("2,500 open brackets alone", "[".repeat(2500).into()),
    ];
    let payloads = cases.into_iter().map(|(name, payload)| (name, front.p256.sign(HEADER, payload)));
    front.refuses(payloads);
}

#[test]
fn a_payload_with_a_value_that_is_no_json_is_refused() {
    let front = Front::new();
    let good = ClaimText::good().json();
    let inner = &good[1..good.len() - 1];
    let mut cases: Vec<(String, Vec<u8>)> = Vec::new();
    for value in [
        "NaN",
        "Infinity",
        "-Infinity",
        "undefined",
        "01",
        "+1",
        "1.",
        ".1",
        "1e",
        "0x1",
        "1e400",
        "-1e400",
        "'a'",
        "True",
        r#""\x""#,
        r#""\u12""#,
        r#""\ud800""#,
        r#""\udc00""#,
        r#""\ud800\ud800""#,
        r#""\ud83d""#,
        "\"\u{1}\"",
        "\"a\nb\"",
        "\"\t\"",
    ] {
        cases.push((format!("the value {value:?}"), format!("{{{inner},\"a\":{value}}}").into()));
    }
    for bytes in
        [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3", b"\xe2\x82", b"\x80", b"\xc3\\u00a9"]
    {
        let payload = [format!("{{{inner},\"a\":\"").as_bytes(), bytes, b"\"}"].concat();
        cases.push((format!("the bytes {bytes:02x?}"), payload));
    }
    front.refuses(cases.into_iter().map(|(name, payload)| (name, front.p256.sign(HEADER, payload))));
}

/// 10,000 levels do not fit into the token's limit, so the limit is not what this gateway refuses by.
#[test]
fn ten_thousand_levels_are_refused_where_they_fit_into_the_limit() {
    use crate::support::{
        Upstream,
        deployment::{SECRET, deploy},
        forge::Signer,
    };

    let upstream = Upstream::ok();
    let text = "preset = 'uptimehunt'\nissuer.api.secret = { env = 'KEY' }\nlimits.token_bytes = '512KiB'\nlimits.header_bytes = '1MiB'";
    let folder = tempfile::tempdir().unwrap();
    let (gateway, _clock) = deploy(text, folder.path(), upstream.address);
    let signer = Signer::secret(SECRET.as_bytes());
    let mut client = gateway.connect();
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]"), ("[", "")] {
        let payload = format!("{{\"exp\":2000000000,\"a\":{}1{}}}", open.repeat(10_000), close.repeat(10_000));
        assert_eq!(client.bear("GET", "/api/x", &signer.sign(r#"{"alg":"HS256"}"#, payload)).status, 401);
    }
    // Many members take no quadratic time, and a duplicate among them is found.
    let members: Vec<_> = (0..20_000).map(|number| format!("\"m{number}\":1")).collect();
    let start = r#""exp":1765536400,"user_id":1,"token_type":"access""#;
    for (last, status) in [("\"m20000\":1", 200), ("\"m1000\\u0030\":1", 401)] {
        let payload = format!("{{{start},{},{last}}}", members.join(","));
        assert_eq!(client.bear("GET", "/api/x", &signer.sign(r#"{"alg":"HS256"}"#, payload)).status, status, "{last}");
    }
}

#[test]
fn a_member_that_is_there_twice_is_refused_at_any_depth_and_in_any_spelling() {
    let front = Front::new();
    let claims = ClaimText::good;
    let payloads = [
        ("exp twice, the good one last", claims().with("exp", "1").and("exp", "1765536400")),
        ("exp twice, the same", claims().and("exp", "1765536922")),
        ("sub twice", claims().and("sub", "\"mallory\"")),
        ("sub escaped", claims().and(r"s\u0075b", "\"mallory\"")),
        ("iss escaped", claims().and(r"\u0069ss", "\"https://evil.example\"")),
        ("an unknown claim", claims().and("x", "1").and("x", "2")),
        ("empty names", claims().and("", "1").and("", "2")),
        ("one level down", claims().with("a", r#"{"b":1,"b":2}"#)),
        ("in an array", claims().with("a", r#"[{"b":1,"b":1}]"#)),
        ("five levels down", claims().with("a", r#"{"a":{"a":{"a":{"b":1,"\u0062":1}}}}"#)),
        ("a slash escaped", claims().and("a/b", "1").and(r"a\/b", "1")),
        ("a pair of surrogates", claims().and("\u{1f600}", "1").and(r"\ud83d\ude00", "1")),
    ];
    let mut cases: Vec<_> = payloads.iter().map(|(name, claims)| (*name, front.claiming(claims))).collect();
    for header in [
        r#"{"alg":"none","alg":"ES256"}"#,
        r#"{"alg":"ES256","alg":"ES256"}"#,
        r#"{"alg":"ES256","kid":"p256","kid":"p256"}"#,
        r#"{"alg":"ES256","kid":"p256","\u006bid":"rsa"}"#,
        r#"{"alg":"ES256","x":{"y":1,"y":1}}"#,
    ] {
        cases.push((header, front.headed(header)));
    }
    front.refuses(cases);
}
