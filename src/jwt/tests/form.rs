use super::*;

fn form(token: &str) -> InvalidToken {
    UnverifiedToken::parse(token, LIMIT).unwrap_err()
}

#[test]
fn a_token_has_exactly_three_parts() {
    let token = good(Algorithm::Hs256);
    let parts: Vec<&str> = token.split('.').collect();
    for wrong in [
        String::new(),
        ".".to_owned(),
        parts[0].to_owned(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{token}."),
        format!("{token}.{}", parts[2]),
        format!("{}.{}.{}.{}.{}", parts[0], parts[1], parts[2], parts[1], parts[2]),
        ".".repeat(1000),
        format!(r#"{{"protected":"{}","payload":"{}","signature":"{}"}}"#, parts[0], parts[1], parts[2]),
    ] {
        assert_eq!(form(&wrong), InvalidToken::NotThreeParts, "{wrong}");
    }
    assert_eq!(form(".."), InvalidToken::Encoding(Part::Header));
    assert_eq!(form(&format!(".{token}")), InvalidToken::NotThreeParts);
    assert_eq!(form(&format!("{}..{}", parts[0], parts[2])), InvalidToken::Encoding(Part::Payload));
    assert_eq!(form(&format!("{}.{}.", parts[0], parts[1])), InvalidToken::Encoding(Part::Signature));
}

#[test]
fn a_token_over_the_limit_is_refused_before_it_is_read() {
    let token = good(Algorithm::Es256);
    assert!(UnverifiedToken::parse(&token, token.len()).is_ok());
    let limit = token.len() - 1;
    assert_eq!(UnverifiedToken::parse(&token, limit).unwrap_err(), InvalidToken::TooLong { limit });
    assert_eq!(form(&"a".repeat(1 << 20)), InvalidToken::TooLong { limit: LIMIT });
}

#[test]
fn base64url_that_is_not_canonical_is_refused_in_every_part() {
    let token = good(Algorithm::EdDsa);
    let parts: Vec<&str> = token.split('.').collect();
    for (index, part) in [Part::Header, Part::Payload, Part::Signature].into_iter().enumerate() {
        for alter in [
            |text: &str| format!("{text}="),
            |text: &str| format!("{text}=="),
            |text: &str| format!(" {text}"),
            |text: &str| format!("{text}\n"),
            |text: &str| format!("{}\t{}", &text[..4], &text[4..]),
            |text: &str| format!("+{}", &text[1..]),
            |text: &str| format!("/{}", &text[1..]),
            |text: &str| format!("%{}", &text[1..]),
            |text: &str| format!("é{}", &text[2..]),
        ] {
            let mut altered: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            altered[index] = alter(&altered[index]);
            assert_eq!(form(&altered.join(".")), InvalidToken::Encoding(part), "{altered:?}");
        }
    }
}

#[test]
fn stray_bits_in_the_last_character_are_refused() {
    // 64 bytes end in a character that carries two bits; the other four have to be zero.
    let token = good(Algorithm::EdDsa);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let value = alphabet.find(last).unwrap();
    for stray in 1..16 {
        let other = &alphabet[value + stray..=value + stray];
        assert_eq!(form(&format!("{rest}{other}")), InvalidToken::Encoding(Part::Signature));
    }
}

#[test]
fn a_payload_is_exactly_one_strict_json_object() {
    let key = verifying(Algorithm::Hs256);
    for payload in ["[]", "null", "1", r#""a""#, r#"[{"exp":1900000060}]"#] {
        assert_eq!(refusal(&claiming(payload), &key), InvalidToken::NotAnObject(Part::Payload), "{payload}");
    }
    let deep = format!(r#"{{"exp":1900000060,"a":{}{}}}"#, "[".repeat(2500), "]".repeat(2500));
    for payload in [
        r#"{"exp":1900000060}{"exp":1900000060}"#,
        "\u{feff}{\"exp\":1900000060}",
        r#"{"exp":NaN}"#,
        r#"{"exp":1900000060,}"#,
        r#"{"exp":1900000060,"exp":1900000060}"#,
        r#"{"exp":1900000060,"a":{"b":[{"c":1,"\u0063":2}]}}"#,
        "{\"exp\":1900000060,\"sub\":\"a\nb\"}",
        r#"{"exp":1e400}"#,
        "{\"exp\":1900000060}\0",
        &deep,
        "not json",
    ] {
        let reason = refusal(&claiming(payload), &key);
        assert!(matches!(reason, InvalidToken::Json { part: Part::Payload, .. }), "{payload}: {reason}");
    }
}

#[test]
fn a_payload_that_is_not_utf_8_is_refused() {
    let payload = base64url::encode(b"{\"exp\":1900000060,\"sub\":\"\xff\"}");
    let token = format!("{}.{payload}.AAAA", base64url::encode(r#"{"alg":"HS256"}"#));
    assert!(matches!(form(&token), InvalidToken::Json { part: Part::Payload, .. }));
}

#[test]
fn no_refusal_shows_any_part_of_the_token_but_escaped_names() {
    let secretive = r#"{"sub":"ann@example.com","exp":"soon"}"#;
    let reason = refusal(&claiming(secretive), &verifying(Algorithm::Hs256));
    assert!(!format!("{reason} {reason:?}").contains("ann"));
    let reason = form(&token_of(Algorithm::Hs256, r#"{"alg":"no\r\nne\u0000"}"#, PAYLOAD));
    assert_eq!(reason.to_string(), r"the algorithm `no\r\nne\u{0}` is not accepted");
}
