use std::time::Duration;

use super::*;

fn checked(payload: &str, expected: &Expectations) -> Result<(), VerifyError> {
    verify(&claiming(payload), &verifying(Algorithm::Hs256), expected).map(|_| ())
}

fn refused(payload: &str, expected: &Expectations) -> InvalidToken {
    match checked(payload, expected) {
        Err(VerifyError::Invalid(reason)) => reason,
        other => panic!("{other:?} for {payload}"),
    }
}

fn kind(typ: &str, expected: Option<&str>) -> Result<(), VerifyError> {
    let token = token_of(Algorithm::Hs256, &json!({ "alg": "HS256", "typ": typ }).to_string(), PAYLOAD);
    let expected = Expectations { typ: expected.map(str::to_owned), ..Expectations::default() };
    verify(&token, &verifying(Algorithm::Hs256), &expected).map(|_| ())
}

#[test]
fn a_token_expires_at_exp_and_not_a_millisecond_later() {
    let plain = Expectations::default();
    let lenient = Expectations { leeway: Duration::from_secs(5), ..Expectations::default() };
    for (exp, strictly, leniently) in [
        ("1900000000", true, false),
        ("1900000000.001", false, false),
        ("1900000000.0009", true, false),
        ("1899999995.001", true, false),
        ("1899999995", true, true),
        ("0", true, true),
        ("1900000001", false, false),
    ] {
        let payload = format!(r#"{{"exp":{exp}}}"#);
        assert_eq!(checked(&payload, &plain) == Err(VerifyError::Expired), strictly, "{exp}");
        assert_eq!(checked(&payload, &lenient) == Err(VerifyError::Expired), leniently, "{exp}");
    }
}

#[test]
fn a_token_is_not_valid_before_nbf() {
    let lenient = Expectations { leeway: Duration::from_secs(5), ..Expectations::default() };
    for (nbf, strictly, leniently) in
        [("1900000000", true, true), ("1900000000.5", false, true), ("1900000006", false, false)]
    {
        let payload = format!(r#"{{"exp":1900000060,"nbf":{nbf}}}"#);
        assert_eq!(checked(&payload, &Expectations::default()).is_ok(), strictly, "{nbf}");
        assert_eq!(checked(&payload, &lenient).is_ok(), leniently, "{nbf}");
    }
    let payload = r#"{"exp":1900000060,"nbf":1900000001}"#;
    assert_eq!(refused(payload, &Expectations::default()), InvalidToken::NotYetValid);
}

#[test]
fn an_expired_token_is_expired_whatever_else_is_wrong_with_its_claims() {
    let expected = Expectations { issuer: Some("i".into()), audience: vec!["a".into()], ..Expectations::default() };
    assert_eq!(checked(r#"{"exp":1,"nbf":1900000001,"iss":"other"}"#, &expected), Err(VerifyError::Expired));
}

#[test]
fn the_issuer_is_compared_character_by_character() {
    let expected = Expectations { issuer: Some("https://id.example.com".into()), ..Expectations::default() };
    assert!(checked(PAYLOAD, &expected).is_ok());
    for issuer in [
        "https://id.example.com/",
        "https://ID.example.com",
        "https://id.example.co",
        "https://id.example.com.attacker.example",
        " https://id.example.com",
        "https://id.example.com\\u0000",
        "",
    ] {
        let payload = format!(r#"{{"exp":1900000060,"iss":"{issuer}"}}"#);
        assert_eq!(refused(&payload, &expected), InvalidToken::WrongIssuer, "{issuer}");
    }
    assert_eq!(refused(r#"{"exp":1900000060}"#, &expected), InvalidToken::MissingClaim("iss".into()));
    let array = r#"{"exp":1900000060,"iss":["https://id.example.com"]}"#;
    assert!(matches!(refused(array, &expected), InvalidToken::ClaimType { .. }));
}

#[test]
fn one_of_the_expected_audiences_has_to_be_named() {
    let expected = Expectations { audience: vec!["orders".into(), "stock".into()], ..Expectations::default() };
    for audience in [r#""orders""#, r#"["other","stock"]"#] {
        assert!(checked(&format!(r#"{{"exp":1900000060,"aud":{audience}}}"#), &expected).is_ok());
    }
    for audience in [r#""order""#, r#""orders ""#, r#""Orders""#, r#""orders stock""#, r#"["orders/"]"#, r#""""#] {
        let payload = format!(r#"{{"exp":1900000060,"aud":{audience}}}"#);
        assert_eq!(refused(&payload, &expected), InvalidToken::WrongAudience, "{audience}");
    }
    for payload in [r#"{"exp":1900000060}"#, r#"{"exp":1900000060,"aud":[]}"#] {
        assert_eq!(refused(payload, &expected), InvalidToken::MissingClaim("aud".into()));
    }
    assert!(checked(PAYLOAD, &Expectations::default()).is_ok());
}

#[test]
fn another_kind_of_token_is_refused_and_recognised_as_such() {
    for typ in ["JWT", "jwt", "application/jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
        assert_eq!(kind(typ, None), Ok(()), "{typ}");
    }
    for typ in [
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "refresh+jwt",
        "",
        "JWT ",
        "application/",
        "text/jwt",
        "application/at+jwt/",
    ] {
        let reason = InvalidToken::WrongTyp(Shown::new(typ));
        assert!(reason.is_wrong_kind());
        assert_eq!(kind(typ, None), Err(VerifyError::Invalid(reason)), "{typ}");
    }
    assert_eq!(kind("application/AT+JWT", Some("at+jwt")), Ok(()));
    assert_eq!(kind("at+jwt", Some("application/at+jwt")), Ok(()));
    assert_eq!(kind("dpop+jwt", Some("dpop+jwt")), Ok(()));
    assert!(kind("JWT", Some("at+jwt")).is_err());
    let expected = Expectations { typ: Some("at+jwt".into()), ..Expectations::default() };
    assert_eq!(refused(PAYLOAD, &expected), InvalidToken::MissingTyp);
}

#[test]
fn a_refresh_token_is_no_access_token() {
    let access = ClaimValue { path: ClaimPath::from("token_type"), value: "access".into() };
    let expected = Expectations { required_claims: vec![access], ..Expectations::default() };
    assert!(checked(r#"{"exp":1900000060,"token_type":"access"}"#, &expected).is_ok());
    let refresh = refused(r#"{"exp":1900000060,"token_type":"refresh"}"#, &expected);
    assert_eq!(refresh, InvalidToken::WrongClaim("token_type".into()));
    assert!(refresh.is_wrong_kind());
    let missing = refused(r#"{"exp":1900000060}"#, &expected);
    assert_eq!(missing, InvalidToken::MissingClaim("token_type".into()));
    assert!(!missing.is_wrong_kind());
}

#[test]
fn a_required_claim_is_equal_in_type_and_value() {
    let require = |value: serde_json::Value| Expectations {
        required_claims: vec![ClaimValue { path: ClaimPath::nested(["a", "b"]).unwrap(), value }],
        ..Expectations::default()
    };
    let payload = |value: &str| format!(r#"{{"exp":1900000060,"a":{{"b":{value}}}}}"#);
    for (value, expected) in [("1", json!(1)), ("true", json!(true)), ("-1", json!(-1)), (r#""\u0078""#, json!("x"))] {
        assert!(checked(&payload(value), &require(expected)).is_ok(), "{value}");
    }
    for (value, expected) in [
        ("1.0", json!(1)),
        ("1e0", json!(1)),
        (r#""1""#, json!(1)),
        ("true", json!(1)),
        (r#""true""#, json!(true)),
        ("null", json!(false)),
        (r#"["x"]"#, json!("x")),
        (r#""X""#, json!("x")),
    ] {
        let reason = refused(&payload(value), &require(expected));
        assert_eq!(reason, InvalidToken::WrongClaim("a.b".into()), "{value}");
    }
}

#[test]
fn the_subject_is_named_by_the_configured_claim() {
    let expected =
        Expectations { subject: ClaimPath::from("user_id"), subject_required: true, ..Expectations::default() };
    assert!(checked(r#"{"exp":1900000060,"user_id":1}"#, &expected).is_ok());
    for user in ["1.5", "true", "-1", "1e0", r#""""#, r#""1\r\nX-Admin: 1""#] {
        let payload = format!(r#"{{"exp":1900000060,"user_id":{user}}}"#);
        assert!(matches!(refused(&payload, &expected), InvalidToken::ClaimType { .. }), "{user}");
    }
    let missing = r#"{"exp":1900000060,"sub":"u1"}"#;
    assert_eq!(refused(missing, &expected), InvalidToken::MissingClaim("user_id".into()));
    assert!(checked(r#"{"exp":1900000060}"#, &Expectations::default()).is_ok());
}

#[test]
fn a_life_above_the_maximum_is_refused_however_it_is_told() {
    let expected = Expectations { max_life: Some(Duration::from_secs(60)), ..Expectations::default() };
    assert!(checked(r#"{"exp":1900000060,"iat":1900000000}"#, &expected).is_ok());
    assert!(checked(r#"{"exp":1900000060}"#, &expected).is_ok());
    for payload in [
        r#"{"exp":1900000060,"iat":1899999999}"#,
        r#"{"exp":1900000060.001}"#,
        r#"{"exp":1900003600,"iat":1900003590}"#,
        r#"{"exp":18446744073709551}"#,
    ] {
        assert_eq!(refused(payload, &expected), InvalidToken::LivesTooLong, "{payload}");
    }
    let lenient = Expectations { leeway: Duration::from_secs(1), ..expected };
    assert!(checked(r#"{"exp":1900000060,"iat":1899999999}"#, &lenient).is_ok());
}

#[test]
fn a_report_has_every_check_in_order_and_its_first_failure_is_the_answer() {
    let text = claiming(r#"{"exp":1900000060,"iss":"other","sub":"u"}"#);
    let token = UnverifiedToken::parse(&text, LIMIT).unwrap();
    let expected = Expectations {
        issuer: Some("i".into()),
        max_life: Some(Duration::from_secs(1)),
        audience: vec!["a".into()],
        ..Expectations::default()
    };
    let report = expected.report(token.header(), token.claims(), NOW);
    assert_eq!(report.iter().map(|finding| finding.check).collect::<Vec<_>>(), Check::ALL);
    let outcomes: Vec<&Outcome> = report.iter().map(|finding| &finding.outcome).collect();
    let failed = |reason| Outcome::Failed(VerifyError::Invalid(reason));
    assert_eq!(
        outcomes,
        [
            &Outcome::Passed,
            &Outcome::NotAsked,
            &failed(InvalidToken::WrongIssuer),
            &failed(InvalidToken::MissingClaim("aud".into())),
            &Outcome::NotAsked,
            &Outcome::NotAsked,
            &Outcome::NotAsked,
            &Outcome::Passed,
            &failed(InvalidToken::LivesTooLong),
        ]
    );
    let signed = token.verify_signature(&verifying(Algorithm::Hs256)).unwrap();
    assert_eq!(expected.check(&signed, NOW), Err(VerifyError::Invalid(InvalidToken::WrongIssuer)));
}

#[test]
fn a_token_that_says_it_was_made_for_something_else_is_refused() {
    let purpose = ClaimValue { path: ClaimPath::from("purpose"), value: "set_password".into() };
    let expected = Expectations { forbidden_claims: vec![purpose], ..Expectations::default() };
    let payload = r#"{"exp":1900000060,"purpose":"set_password"}"#;
    assert_eq!(refused(payload, &expected), InvalidToken::ForbiddenClaim("purpose".into()));
    for purpose in [r#""other""#, "null", r#"["set_password"]"#] {
        let payload = format!(r#"{{"exp":1900000060,"purpose":{purpose}}}"#);
        assert_eq!(checked(&payload, &expected), Ok(()), "{purpose}");
    }
    assert_eq!(checked(r#"{"exp":1900000060}"#, &expected), Ok(()));
}

#[test]
fn a_subject_that_has_to_be_a_number_is_one_in_its_only_spelling() {
    let expected =
        Expectations { subject: ClaimPath::from("user_id"), subject_integer: true, ..Expectations::default() };
    for (user_id, fine) in [
        ("1", true),
        (r#""1""#, true),
        ("0", true),
        ("18446744073709551615", true),
        (r#""01""#, false),
        (r#""+1""#, false),
        (r#""abc""#, false),
        (r#""1 ""#, false),
        (r#""18446744073709551616""#, false),
        ("1.5", false),
        ("true", false),
    ] {
        let payload = format!(r#"{{"exp":1900000060,"user_id":{user_id}}}"#);
        assert_eq!(checked(&payload, &expected).is_ok(), fine, "{user_id}");
    }
}
