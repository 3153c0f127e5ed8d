//! UptimeHunt: SimpleJWT's words, `Bearer` in exact case, kinds of tokens told apart.

use super::Api;
use crate::support::{
    NOW,
    client::Response,
    deployment::SECRET,
    forge::{ClaimText, Signer},
};

const MISSING: &str = r#"{"detail":"Authentication credentials were not provided"}"#;
const EXPIRED: &str = r#"{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"AccessToken","token_type":"access","message":"Token is expired"}]}"#;
const INVALID: &str = r#"{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"AccessToken","token_type":"access","message":"Token is invalid"}]}"#;
const WRONG_TYPE: &str = r#"{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"AccessToken","token_type":"access","message":"Token has wrong type"}]}"#;

/// As SimpleJWT writes them.
fn claims() -> ClaimText {
    let claims = ClaimText::good().without("iss").without("sub").without("aud");
    claims.with("token_type", "\"access\"").with("user_id", "1").with("jti", "\"b5a7c1e0\"")
}

#[track_caller]
fn unauthorized(response: &Response, what: &str, body: &str) {
    let fields = [("content-type", "application/json"), ("www-authenticate", r#"Bearer realm="api""#)];
    response.assert_is(what, 401, &fields, body);
}

#[test]
fn anything_but_bearer_in_exact_case_with_something_behind_it_was_not_provided() {
    let api = Api::new("uptimehunt", "");
    let good = api.token(&claims());
    let mut client = api.gateway.connect();
    for path in ["/api/v1/auth/me", "/api/monitors", "/", "/elsewhere"] {
        unauthorized(&client.ask("GET", path, None), path, MISSING);
        for value in [
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            format!("bearer {good}"),
            format!("BEARER {good}"),
            format!("JWT {good}"),
            "Basic x".to_owned(),
            good.clone(),
        ] {
            unauthorized(&client.ask("GET", path, Some(value.as_bytes())), &value, MISSING);
        }
    }
    assert_eq!(client.bear("GET", "/api/v1/auth/me", &good).status, 200);
    api.upstream.received();
    assert!(api.upstream.received_nothing_else());
}

#[test]
fn a_token_is_expired_invalid_or_of_a_wrong_type() {
    let api = Api::new("uptimehunt", "");
    let mut client = api.gateway.connect();
    let now = NOW.to_string();
    let refresh = claims().with("token_type", "\"refresh\"");
    let header = api.header;
    for (what, token, body) in [
        ("expired", api.token(&claims().with("exp", &now)), EXPIRED),
        ("an expired refresh token", api.token(&refresh.clone().with("exp", &now)), EXPIRED),
        ("a refresh token", api.token(&refresh), WRONG_TYPE),
        ("another type", api.token(&claims().with("token_type", "\"sliding\"")), WRONG_TYPE),
        ("the type in capitals", api.token(&claims().with("token_type", "\"ACCESS\"")), WRONG_TYPE),
        ("a type that is no string", api.token(&claims().with("token_type", "[\"access\"]")), WRONG_TYPE),
        ("no token_type", api.token(&claims().without("token_type")), INVALID),
        ("no user_id", api.token(&claims().without("user_id")), INVALID),
        ("user_id 1.5", api.token(&claims().with("user_id", "1.5")), INVALID),
        ("user_id 1.0", api.token(&claims().with("user_id", "1.0")), INVALID),
        ("user_id 1e0", api.token(&claims().with("user_id", "1e0")), INVALID),
        ("user_id true", api.token(&claims().with("user_id", "true")), INVALID),
        ("user_id null", api.token(&claims().with("user_id", "null")), INVALID),
        ("user_id -1", api.token(&claims().with("user_id", "-1")), INVALID),
        ("user_id \"\"", api.token(&claims().with("user_id", "\"\"")), INVALID),
        ("user_id [1]", api.token(&claims().with("user_id", "[1]")), INVALID),
        ("no exp", api.token(&claims().without("exp")), INVALID),
        ("not yet valid", api.token(&claims().with("nbf", "1765536999")), INVALID),
        ("malformed", "x.y".to_owned(), INVALID),
        ("two tokens", format!("{0} {0}", api.token(&claims())), INVALID),
        ("another secret", Signer::secret(&SECRET.as_bytes()[1..]).sign(header, claims().json()), INVALID),
        ("an empty secret", Signer::secret(b"").sign(header, claims().json()), INVALID),
        ("expired and wrongly signed", Signer::secret(b"x").sign(header, claims().with("exp", "1").json()), INVALID),
        ("none", api.signer.sign(r#"{"alg":"none"}"#, claims().json()), INVALID),
        ("HS512", api.signer.sign(r#"{"alg":"HS512"}"#, claims().json()), INVALID),
    ] {
        unauthorized(&client.bear("GET", "/api/v1/auth/me", &token), what, body);
    }
    assert!(api.upstream.received_nothing_else());
    for user_id in ["1", "\"1\"", "18446744073709551615"] {
        let token = api.token(&claims().with("user_id", user_id));
        assert_eq!(client.bear("GET", "/api/v1/auth/me", &token).status, 200, "{user_id}");
    }
}

#[test]
fn the_endpoints_that_hand_tokens_out_are_public_and_nothing_else_is() {
    let api = Api::new("uptimehunt", "");
    let mut client = api.gateway.connect();
    let public = ["register", "login", "refresh", "password-reset/request", "password-reset/confirm"];
    for endpoint in public {
        let path = format!("/api/v1/auth/{endpoint}");
        assert_eq!(client.ask("POST", &path, None).status, 200, "{path}");
        assert!(api.upstream.received().starts_with(&format!("POST {path} ")));
        for (method, path) in [("GET", path.clone()), ("PUT", path.clone()), ("POST", format!("{path}/"))] {
            unauthorized(&client.ask(method, &path, None), &path, MISSING);
        }
    }
    let protected =
        [("GET", "me"), ("PUT", "profile"), ("PATCH", "profile"), ("POST", "change-password"), ("POST", "logout")];
    for (method, endpoint) in protected {
        let path = format!("/api/v1/auth/{endpoint}");
        unauthorized(&client.ask(method, &path, None), &path, MISSING);
        assert_eq!(client.bear(method, &path, &api.token(&claims())).status, 200, "{path}");
        assert!(api.upstream.received().starts_with(&format!("{method} {path} ")));
    }
    assert!(api.upstream.received_nothing_else());
}

#[test]
fn every_other_refusal_is_a_detail() {
    let more = "
        [ownership.box]
        variable = 'box'
        claim = 'boxes'
        [[route]]
        match = 'GET /api/boxes/{box}'
        owner = 'box'
        [[route]]
        match = 'GET /api/admin'
        permissions = ['ADMIN']
    ";
    let api = Api::new("uptimehunt", more);
    let token = api.token(&claims());
    let mut client = api.gateway.connect();
    let json = [("content-type", "application/json")];
    for (path, status, detail) in [
        ("/api/admin", 403, "You do not have permission to perform this action"),
        ("/api/boxes/1", 403, "You do not have permission to perform this action"),
        ("/elsewhere", 404, "Not found"),
        ("/", 404, "Not found"),
        ("/API/v1/auth/me", 404, "Not found"),
    ] {
        client.bear("GET", path, &token).assert_is(path, status, &json, &format!(r#"{{"detail":"{detail}"}}"#));
    }
    let expected = [
        (400, "Malformed request", None),
        (400, "Malformed request", None),
        (413, "Request body too large", None),
        (431, "Request headers too large", None),
        (431, "Request headers too large", None),
        (502, "Bad gateway", None),
        (504, "Gateway timeout", None),
        (503, "Service temporarily unavailable, try again later", Some("5")),
        (503, "Service temporarily unavailable, try again later", Some("1")),
    ];
    for ((what, response), (status, detail, retry_after)) in api.refusals("/api/x", &token).iter().zip(expected) {
        let mut fields = json.to_vec();
        fields.extend(retry_after.map(|seconds| ("retry-after", seconds)));
        response.assert_is(what, status, &fields, &format!(r#"{{"detail":"{detail}"}}"#));
    }
}
