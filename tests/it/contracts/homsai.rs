//! Homsai: Spring's error body, a permission for each resource and verb, plants with owners.

use super::Api;
use crate::support::{
    client::Response,
    forge::{ClaimText, Signer},
};

const PLANT: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

/// What the preset asks its table is here said by the token.
const BY_CLAIM: &str = "[ownership.plant]\nvariable = 'plantUuid'\nclaim = 'plants'\n";

/// A row of the document's table: verbs, path, permission, whether the plant has to be the caller's.
struct Row {
    methods: &'static [&'static str],
    path: String,
    permission: String,
    owned: bool,
}

/// The document's table of routes, written down again from the document.
fn table() -> Vec<Row> {
    let row = |methods, path: &str, permission: &str, owned| Row {
        methods,
        path: path.replace("{plant}", PLANT),
        permission: permission.to_owned(),
        owned,
    };
    let verbs: [(&'static [&'static str], &str); 4] =
        [(&["GET", "HEAD"], "READ"), (&["POST"], "CREATE"), (&["PUT", "PATCH"], "UPDATE"), (&["DELETE"], "DELETE")];
    let mut rows = vec![
        row(&["GET", "HEAD"], "/plants", "PLANTS READ", false),
        row(&["POST"], "/plants", "PLANTS CREATE", false),
        row(&["GET", "HEAD"], "/plants/{plant}", "PLANTS READ", true),
        row(&["PUT", "PATCH"], "/plants/{plant}", "PLANTS UPDATE", true),
        row(&["DELETE"], "/plants/{plant}", "PLANTS DELETE", true),
    ];
    for (path, resource) in [
        ("daily-power-consumptions", "PLANT_POWER_CONSUMPTION"),
        ("hourly-power-consumptions", "PLANT_POWER_CONSUMPTION"),
        ("power-productions", "PLANT_POWER_PRODUCTION"),
        ("daily-predictions", "DAILY_PREDICTIONS"),
        ("energy-type", "ENERGY_TYPE"),
        ("health", "PLANT_HEALTH"),
    ] {
        rows.push(row(&["GET", "HEAD"], &format!("/plants/{{plant}}/{path}"), &format!("{resource} READ"), true));
    }
    for (path, resource, owned) in [
        ("/plants/{plant}/devices", "DEVICES", true),
        ("/plants/{plant}/sensors", "SENSORS", true),
        ("/sensor-types", "SENSOR_TYPES", false),
        ("/device-types", "DEVICE_TYPES", false),
        ("/load-signatures", "LOAD_SIGNATURES", false),
    ] {
        for (methods, action) in verbs {
            let permission = format!("{resource} {action}");
            rows.push(row(methods, path, &permission, owned));
            rows.push(row(methods, &format!("{path}/0b5e"), &permission, owned));
        }
    }
    rows
}

/// Every permission of the table but these.
fn all_but(but: &[&str]) -> Vec<String> {
    let mut permissions: Vec<String> = table().into_iter().map(|row| row.permission).collect();
    permissions.sort();
    permissions.dedup();
    permissions.retain(|permission| !but.contains(&&**permission));
    permissions
}

fn claims<P: AsRef<str>>(permissions: &[P], plants: &str) -> ClaimText {
    let permissions: Vec<&str> = permissions.iter().map(AsRef::as_ref).collect();
    let claims = ClaimText::good().without("iss").without("aud").with("plants", plants);
    claims.with("permissions", &serde_json::json!(permissions).to_string())
}

fn own() -> String {
    format!("[\"another\",\"{PLANT}\"]")
}

fn body(status: u16, error: &str, message: &str, path: &str) -> String {
    format!(
        r#"{{"timestamp":"2025-12-12T10:45:22Z","status":{status},"error":"{error}","message":"{message}","path":"{path}"}}"#
    )
}

#[track_caller]
fn forbidden(response: &Response, head: bool, message: &str, path: &str) {
    let expected = body(403, "Forbidden", message, path);
    if head {
        assert_eq!((response.status, response.header("content-length")), (403, Some(&*expected.len().to_string())));
    } else {
        response.assert_is(path, 403, &[("content-type", "application/json")], &expected);
    }
}

#[track_caller]
fn unauthorized(response: &Response, what: &str, message: &str, path: &str) {
    let challenge = if message == "Authentication required" { "Bearer" } else { r#"Bearer error="invalid_token""# };
    let fields = [("content-type", "application/json"), ("www-authenticate", challenge)];
    response.assert_is(what, 401, &fields, &body(401, "Unauthorized", message, path));
}

#[test]
fn every_route_asks_for_its_permission_and_then_for_the_plants_owner() {
    let api = Api::new("homsai", BY_CLAIM);
    let mut client = api.gateway.connect();
    for Row { methods, path, permission, owned } in table() {
        let right = [permission.as_str()];
        let others = all_but(&right);
        let missing = format!("Permission {permission} required");
        for method in methods {
            let head = *method == "HEAD";
            let mut ask = |claims: &ClaimText| client.bear(method, &path, &api.token(claims));
            let answer = ask(&claims(&right, &own()));
            assert_eq!(answer.status, 200, "{method} {path} with {permission}");
            assert!(api.upstream.received().starts_with(&format!("{method} {path} HTTP/1.1\r\n")));

            forbidden(&ask(&claims(&others, &own())), head, &missing, &path);
            forbidden(&ask(&claims(&others, "[]")), head, &missing, &path);
            let foreign = ask(&claims(&right, "[\"another\"]"));
            if owned {
                forbidden(&foreign, head, "Access denied", &path);
            } else {
                assert_eq!(foreign.status, 200, "{method} {path}");
                api.upstream.received();
            }
            assert!(api.upstream.received_nothing_else(), "{method} {path}");
        }
    }
}

#[test]
fn only_the_literal_permission_is_one() {
    let api = Api::new("homsai", BY_CLAIM);
    let mut client = api.gateway.connect();
    for value in [
        r#"["PLANTS"]"#,
        r#"["PLANTS  READ"]"#,
        r#"["plants read"]"#,
        r#"["PLANTS_READ"]"#,
        r#"["PLANTS:READ"]"#,
        r#"["READ PLANTS"]"#,
        r#"["PLANTS READ "]"#,
        r#"["PLANTS READX"]"#,
        r#"["*"]"#,
        r#"["PLANTS *"]"#,
        r#"["PLANTS","READ"]"#,
        r#"["PLANTS READ,PLANTS CREATE"]"#,
        r#"[["PLANTS READ"]]"#,
        r#"{"PLANTS READ":true}"#,
        "[]",
        "null",
        "true",
        r#""""#,
        "[\"PLANTS\u{a0}READ\"]",
    ] {
        let claims = claims::<&str>(&[], &own()).with("permissions", value);
        forbidden(
            &client.bear("GET", "/plants", &api.token(&claims)),
            false,
            "Permission PLANTS READ required",
            "/plants",
        );
    }
    let none = claims::<&str>(&[], &own()).without("permissions");
    forbidden(&client.bear("GET", "/plants", &api.token(&none)), false, "Permission PLANTS READ required", "/plants");
    // `scope` is not where this API's permissions are.
    let scope = none.with("scope", r#""PLANTS READ""#);
    forbidden(&client.bear("GET", "/plants", &api.token(&scope)), false, "Permission PLANTS READ required", "/plants");
    assert!(api.upstream.received_nothing_else());
}

#[test]
fn a_plant_is_its_owners_by_its_whole_name() {
    let api = Api::new("homsai", BY_CLAIM);
    let mut client = api.gateway.connect();
    let path = format!("/plants/{PLANT}");
    for plants in [
        format!("[\"{}\"]", PLANT.to_uppercase()),
        format!("[\"{PLANT} \"]"),
        format!("[\"{}\"]", &PLANT[..35]),
        format!("[\"{PLANT}0\"]"),
        format!("[\"x,{PLANT}\"]"),
        format!("\"x,{PLANT}\""),
        format!("{{\"{PLANT}\":true}}"),
        format!("[[\"{PLANT}\"]]"),
        "[\"*\"]".to_owned(),
        "\"*\"".to_owned(),
        "[\"\"]".to_owned(),
        "\"\"".to_owned(),
        "null".to_owned(),
        "true".to_owned(),
        "[]".to_owned(),
    ] {
        let token = api.token(&claims(&["PLANTS READ"], &plants));
        forbidden(&client.bear("GET", &path, &token), false, "Access denied", &path);
    }
    let none = api.token(&claims(&["PLANTS READ"], "[]").without("plants"));
    forbidden(&client.bear("GET", &path, &none), false, "Access denied", &path);
    let owner = api.token(&claims(&["PLANTS READ"], &format!("\"{PLANT}\"")));
    // An unknown plant is nobody's; the plant's name is never cut out of a longer path.
    for path in ["/plants/unknown".to_owned(), format!("/plants/unknown/energy-type?plant={PLANT}")] {
        let token = api.token(&claims(&["PLANTS READ", "ENERGY_TYPE READ"], &own()));
        let shown = path.split('?').next().unwrap();
        forbidden(&client.bear("GET", &path, &token), false, "Access denied", shown);
    }
    assert!(api.upstream.received_nothing_else());
    assert_eq!(client.bear("GET", &path, &owner).status, 200);
}

#[test]
fn the_three_401s_come_before_anything_else() {
    let api = Api::new("homsai", BY_CLAIM);
    let mut client = api.gateway.connect();
    let good = claims(&all_but(&[]), &own());
    let foreign = Signer::p256();
    let plant = format!("/plants/{PLANT}");
    for (method, path) in [
        ("GET", "/plants"),
        ("DELETE", &*plant),
        ("PATCH", "/sensor-types/1"),
        ("GET", "/nothing"),
        ("TRACK", "/plants"),
    ] {
        unauthorized(&client.ask(method, path, None), "none", "Authentication required", path);
        unauthorized(&client.ask(method, path, Some(b"Basic x")), "Basic", "Authentication required", path);
        unauthorized(&client.ask(method, path, Some(b"bearer")), "the scheme alone", "Authentication required", path);
        let expired = api.token(&good.clone().with("exp", "1"));
        unauthorized(&client.bear(method, path, &expired), "expired", "Token expired", path);
        for (what, token) in [
            ("garbage", "garbage".to_owned()),
            ("a foreign key", foreign.sign(api.header, good.json())),
            ("expired, a foreign key", foreign.sign(api.header, good.clone().with("exp", "1").json())),
            ("a set-password token", api.token(&good.clone().with("purpose", "\"set_password\""))),
            ("no subject", api.token(&good.clone().without("sub"))),
        ] {
            unauthorized(&client.bear(method, path, &token), what, "Invalid token", path);
        }
    }
    assert!(api.upstream.received_nothing_else());
    let value = format!("bearer {}", api.token(&good));
    assert_eq!(client.ask("GET", "/plants", Some(value.as_bytes())).status, 200);
}

#[test]
fn the_endpoints_that_hand_tokens_out_are_forwarded_with_what_they_were_sent() {
    let api = Api::new("homsai", BY_CLAIM);
    let mut client = api.gateway.connect();
    for (method, path) in [
        ("POST", "/auth/login"),
        ("GET", "/auth/token"),
        ("POST", "/auth/resetPassword"),
        ("POST", "/auth/setPassword"),
    ] {
        for value in [None, Some("Bearer a-refresh-or-set-password-token")] {
            assert_eq!(client.ask(method, path, value.map(str::as_bytes)).status, 200, "{method} {path}");
            let head = api.upstream.received();
            assert!(head.starts_with(&format!("{method} {path} ")), "{head}");
            assert_eq!(crate::support::client::header(&head, "authorization"), value);
        }
    }
    for (method, path) in [
        ("GET", "/auth/login"),
        ("POST", "/auth/token"),
        ("POST", "/auth/setpassword"),
        ("POST", "/auth/login/"),
        ("DELETE", "/auth/token"),
    ] {
        unauthorized(&client.ask(method, path, None), path, "Authentication required", path);
    }
    assert!(api.upstream.received_nothing_else());
}

#[test]
fn anything_else_is_refused_even_to_who_may_everything() {
    let api = Api::new("homsai", BY_CLAIM);
    let mut client = api.gateway.connect();
    let token = api.token(&claims(&all_but(&[]), &own()));
    let plant = |rest: &str| format!("/plants/{PLANT}{rest}");
    for (method, path) in [
        ("GET", "/".to_owned()),
        ("GET", "/plant".to_owned()),
        ("GET", "/plants/".to_owned()),
        ("GET", "/Plants".to_owned()),
        ("PUT", "/plants".to_owned()),
        ("DELETE", "/plants".to_owned()),
        ("POST", plant("")),
        ("POST", plant("/health")),
        ("DELETE", plant("/energy-type")),
        ("GET", plant("/")),
        ("GET", plant("/health/x")),
        ("GET", plant("/devices/1/x")),
        ("OPTIONS", "/plants".to_owned()),
        ("PROPFIND", "/plants".to_owned()),
        ("GET", "/auth/me".to_owned()),
        ("GET", "/actuator/health".to_owned()),
        ("HEAD", "/auth/login".to_owned()),
    ] {
        forbidden(&client.bear(method, &path, &token), method == "HEAD", "Access denied", &path);
    }
    assert!(api.upstream.received_nothing_else());
}

#[test]
fn every_other_refusal_is_springs_body() {
    let api = Api::new("homsai", BY_CLAIM);
    let token = api.token(&claims(&["PLANTS CREATE"], "[]"));
    let expected = [
        (400, "Bad Request", "Bad request", None),
        (400, "Bad Request", "Bad request", None),
        (413, "Payload Too Large", "Request body too large", None),
        (431, "Request Header Fields Too Large", "Request headers too large", None),
        (431, "Request Header Fields Too Large", "Request headers too large", None),
        (502, "Bad Gateway", "Upstream unreachable", None),
        (504, "Gateway Timeout", "Upstream timed out", None),
        (503, "Service Unavailable", "Authentication temporarily unavailable", Some("5")),
        (503, "Service Unavailable", "Service temporarily unavailable", Some("1")),
    ];
    for ((what, response), (status, error, message, retry_after)) in
        api.refusals("/plants", &token).iter().zip(expected)
    {
        let mut fields = vec![("content-type", "application/json")];
        fields.extend(retry_after.map(|seconds| ("retry-after", seconds)));
        let path = if *what == "bad path" { "/a/../b" } else { "/plants" };
        response.assert_is(what, status, &fields, &body(status, error, message, path));
    }
}

#[test]
fn a_path_that_looks_like_json_stays_inside_its_string() {
    let api = Api::new("homsai", BY_CLAIM);
    let mut client = api.gateway.connect();
    for (path, shown) in [
        (r#"/a","status":200,"b":""#, r#"/a\",\"status\":200,\"b\":\""#),
        ("/$permission$path", "/$permission$path"),
        ("/{a}", "/{a}"),
        ("/\u{2028}", "/\u{2028}"),
        ("/%22%7D", "/%22%7D"),
    ] {
        let response = client.ask("GET", path, None);
        if response.status == 401 {
            unauthorized(&response, path, "Authentication required", shown);
        } else {
            let expected = body(400, "Bad Request", "Bad request", shown);
            response.assert_is(path, 400, &[("content-type", "application/json")], &expected);
        }
    }
}
