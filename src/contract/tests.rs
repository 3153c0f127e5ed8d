//! Every refusal of the three documented APIs, to the letter.

use std::{sync::Arc, time::Duration};

use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};

use super::*;
use crate::{authz::PathError, clock::Timestamp, jwt::InvalidToken, rejection::BadRequest};

fn rejections() -> [(Reason, Rejection); 13] {
    let retry_after = Duration::from_millis(1500);
    [
        Rejection::NotAuthenticated,
        Rejection::TokenExpired,
        Rejection::InvalidToken(InvalidToken::NotAToken),
        Rejection::PermissionMissing { permission: Arc::from("PLANTS READ") },
        Rejection::NotOwner,
        Rejection::NoRoute,
        Rejection::BadRequest(BadRequest::Path(PathError::DotSegment)),
        Rejection::TooLarge(TooLarge::Body),
        Rejection::RateLimited { limit: None, retry_after },
        Rejection::KeysUnavailable { issuer: Arc::from("main"), retry_after },
        Rejection::Overloaded { retry_after },
        Rejection::UpstreamUnreachable("refused".to_owned()),
        Rejection::UpstreamTimeout("30 s".to_owned()),
    ]
    .map(|rejection| (rejection.reason(), rejection))
}

fn render(dialect: Dialect, rejection: &Rejection) -> (u16, String, String, Option<String>) {
    let clock = Clock::manual(Timestamp::from_secs(1_765_536_322));
    let facts = Facts { path: "/plants", request_id: "r-1", clock: &clock };
    let response = Contract::new(dialect).render(rejection, &facts);
    let text = |name: http::HeaderName| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    (response.status().as_u16(), body, text(CONTENT_TYPE).unwrap(), text(WWW_AUTHENTICATE))
}

fn wrong_kind() -> Rejection {
    Rejection::InvalidToken(InvalidToken::WrongClaim("token_type".into()))
}

#[test]
fn hungry_machines_refuses_as_its_document_says() {
    let expected = [
        (401, "Not authenticated"),
        (401, "Token expired"),
        (401, "Invalid token"),
        (403, "Forbidden"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (400, "Bad Request"),
        (413, "Request Entity Too Large"),
        (429, "Too Many Requests"),
        (503, "Auth service unreachable"),
        (503, "Service Unavailable"),
        (502, "Bad Gateway"),
        (504, "Gateway Timeout"),
    ];
    for ((reason, rejection), (status, detail)) in rejections().iter().zip(expected) {
        let challenge = match reason {
            Reason::NotAuthenticated => Some("Bearer".to_owned()),
            Reason::TokenExpired | Reason::InvalidToken => Some("Bearer error=\"invalid_token\"".to_owned()),
            _ => None,
        };
        let body = format!("{{\"detail\":\"{detail}\"}}");
        let rendered = render(Preset::HungryMachines.dialect(), rejection);
        assert_eq!(rendered, (status, body, "application/json".to_owned(), challenge), "{reason}");
    }
    assert_eq!(render(Preset::HungryMachines.dialect(), &wrong_kind()).1, r#"{"detail":"Invalid token"}"#);
}

#[test]
fn homsai_refuses_with_springs_five_keys() {
    let expected = [
        (401, "Unauthorized", "Authentication required"),
        (401, "Unauthorized", "Token expired"),
        (401, "Unauthorized", "Invalid token"),
        (403, "Forbidden", "Permission PLANTS READ required"),
        (403, "Forbidden", "Access denied"),
        (403, "Forbidden", "Access denied"),
        (400, "Bad Request", "Bad request"),
        (413, "Payload Too Large", "Request body too large"),
        (429, "Too Many Requests", "Too many requests"),
        (503, "Service Unavailable", "Authentication temporarily unavailable"),
        (503, "Service Unavailable", "Service temporarily unavailable"),
        (502, "Bad Gateway", "Upstream unreachable"),
        (504, "Gateway Timeout", "Upstream timed out"),
    ];
    for ((reason, rejection), (status, error, message)) in rejections().iter().zip(expected) {
        let challenge = match reason {
            Reason::NotAuthenticated => Some("Bearer".to_owned()),
            Reason::TokenExpired | Reason::InvalidToken => Some("Bearer error=\"invalid_token\"".to_owned()),
            _ => None,
        };
        let body = format!(
            r#"{{"timestamp":"2025-12-12T10:45:22Z","status":{status},"error":"{error}","message":"{message}","path":"/plants"}}"#
        );
        let rendered = render(Preset::Homsai.dialect(), rejection);
        assert_eq!(rendered, (status, body, "application/json".to_owned(), challenge), "{reason}");
    }
}

#[test]
fn uptimehunt_refuses_in_the_words_of_its_document_and_tells_kinds_of_tokens_apart() {
    let token = |message: &str| {
        format!(
            r#"{{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{{"token_class":"AccessToken","token_type":"access","message":"{message}"}}]}}"#
        )
    };
    let cases = [
        (Rejection::NotAuthenticated, r#"{"detail":"Authentication credentials were not provided"}"#.to_owned()),
        (Rejection::TokenExpired, token("Token is expired")),
        (Rejection::InvalidToken(InvalidToken::BadSignature), token("Token is invalid")),
        (Rejection::InvalidToken(InvalidToken::MissingClaim("token_type".into())), token("Token is invalid")),
        (wrong_kind(), token("Token has wrong type")),
    ];
    for (rejection, body) in cases {
        let expected = (401, body, "application/json".to_owned(), Some("Bearer realm=\"api\"".to_owned()));
        assert_eq!(render(Preset::UptimeHunt.dialect(), &rejection), expected);
    }
    for (reason, rejection) in rejections() {
        let (_, body, ..) = render(Preset::UptimeHunt.dialect(), &rejection);
        let detail = serde_json::from_str::<serde_json::Value>(&body).unwrap()["detail"].clone();
        assert!(!detail.as_str().unwrap().ends_with('.'), "{reason}: the document's texts have no period");
    }
}

#[test]
fn without_a_preset_the_rfcs_speak() {
    let (status, body, content_type, challenge) = render(Dialect::default(), &Rejection::TokenExpired);
    assert_eq!(
        (status, content_type.as_str(), challenge.as_deref()),
        (401, "application/problem+json", Some("Bearer error=\"invalid_token\""))
    );
    assert_eq!(body, r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"The token has expired"}"#);
    let missing = Rejection::PermissionMissing { permission: Arc::from("a\"b") };
    let (status, body, _, challenge) = render(Dialect::default(), &missing);
    assert_eq!((status, challenge.as_deref()), (403, Some("Bearer error=\"insufficient_scope\"")));
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["detail"], "Permission a\"b is needed");
}

#[test]
fn a_head_that_is_too_large_is_told_from_a_body() {
    for preset in Preset::ALL {
        assert_eq!(render(preset.dialect(), &Rejection::TooLarge(TooLarge::Head)).0, 431);
        assert_eq!(render(preset.dialect(), &Rejection::TooLarge(TooLarge::Body)).0, 413);
    }
    let own = Dialect::from_table(&"too_large = { status = 400 }".parse().unwrap()).unwrap();
    let clock = Clock::manual(Timestamp::default());
    let facts = Facts { path: "/", request_id: "", clock: &clock };
    assert_eq!(Contract::new(own).render(&Rejection::TooLarge(TooLarge::Head), &facts).status(), 400);
}

#[test]
fn retry_after_is_in_whole_seconds_and_never_too_early() {
    let clock = Clock::manual(Timestamp::default());
    let facts = Facts { path: "/", request_id: "", clock: &clock };
    let contract = Contract::new(Dialect::default());
    for (reason, rejection) in rejections() {
        let response = contract.render(&rejection, &facts);
        let expected = rejection.retry_after().map(|_| "2");
        assert_eq!(response.headers().get("retry-after").map(|value| value.to_str().unwrap()), expected, "{reason}");
    }
}
