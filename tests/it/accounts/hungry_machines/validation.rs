//! Bodies that are none, in FastAPI's arrays, at every endpoint that reads one.

use serde_json::{Value, json};

use super::{Api, EMAIL, Kept, PASSWORD, credentials, on_both_stores, patch, said, sign_up, start};
use crate::support::client::Response;

on_both_stores! {
    a_field_that_is_missing_is_named_with_what_was_given
    a_body_that_is_no_json_object_is_an_array_at_every_endpoint
    values_of_another_type_are_each_named
    a_patch_needs_an_object_too
    a_body_without_end_is_not_read
}

/// The endpoints that need no token, and what they need.
const OPEN: [(&str, &[&str]); 3] = [
    ("/auth/signup", &["email", "password"]),
    ("/auth/login", &["email", "password"]),
    ("/auth/refresh", &["refresh_token"]),
];

fn raw(api: &Api, path: &str, content_type: Option<&str>, body: &str) -> Response {
    let fields: Vec<_> = content_type.map(|value| ("content-type", value.to_owned())).into_iter().collect();
    api.request("POST", path, &fields, body.as_bytes())
}

#[track_caller]
fn errors(response: &Response, errors: Value) {
    said(response, 422, &json!({ "detail": errors }).to_string());
}

fn missing(name: &str, given: &Value) -> Value {
    json!({ "type": "missing", "loc": ["body", name], "msg": "Field required", "input": given })
}

fn a_field_that_is_missing_is_named_with_what_was_given(kept: &Kept) {
    let api = start(kept);
    for (path, needed) in OPEN {
        let all: Vec<Value> = needed.iter().map(|name| missing(name, &json!({}))).collect();
        errors(&api.post(path, &json!({})), all.into());
    }
    let given = json!({ "email": EMAIL });
    errors(&api.post("/auth/login", &given), json!([missing("password", &given)]));
    // A secret is not shown, wherever else something is wrong.
    let response = api.post("/auth/login", &json!({ "password": PASSWORD }));
    assert_eq!(response.status, 422);
    assert!(!response.text().contains(PASSWORD), "{}", response.text());
    let response = api.post("/auth/login", &json!({ "email": EMAIL, "pasword": PASSWORD }));
    assert!(response.text().contains(r#""loc":["body","password"]"#) && !response.text().contains(PASSWORD));
}

fn a_body_that_is_no_json_object_is_an_array_at_every_endpoint(kept: &Kept) {
    const JSON: Option<&str> = Some("application/json");
    const NO_OBJECT: &str = "Input should be a valid dictionary or object to extract fields from";
    let api = start(kept);
    for (path, _) in OPEN {
        let empty = json!([{ "type": "missing", "loc": ["body"], "msg": "Field required", "input": null }]);
        errors(&raw(&api, path, JSON, ""), empty.clone());
        errors(&raw(&api, path, None, ""), empty);
        for (body, at, error) in [
            ("{", 1, "Expecting property name enclosed in double quotes"),
            ("{\"email\":\"a\",}", 13, "Expecting property name enclosed in double quotes"),
            ("nonsense", 0, "Expecting value"),
        ] {
            let response = raw(&api, path, JSON, body);
            let error = json!({
                "type": "json_invalid", "loc": ["body", at], "msg": "JSON decode error", "input": {},
                "ctx": { "error": error },
            });
            errors(&response, json!([error]));
        }
        for body in ["[]", "\"text\"", "1"] {
            // Where a secret may be in it, what was given is not shown.
            let response = raw(&api, path, JSON, body);
            let kind = "model_attributes_type";
            errors(&response, json!([{ "type": kind, "loc": ["body"], "msg": NO_OBJECT, "input": "**********" }]));
        }
        // A form, and JSON that does not say that it is some.
        for content_type in [Some("application/x-www-form-urlencoded"), Some("text/plain"), None] {
            for body in ["email=user%40example.com&password=securepassword", &credentials().to_string()] {
                let response = raw(&api, path, content_type, body);
                assert_eq!(response.status, 422, "{path} {content_type:?} {body}: {}", response.text());
                let said: Value = serde_json::from_slice(&response.body).unwrap();
                let error = &said["detail"][0];
                assert_eq!((&error["type"], &error["loc"]), (&json!("model_attributes_type"), &json!(["body"])));
                assert_eq!(error["msg"], NO_OBJECT);
                assert!(!response.text().contains(PASSWORD), "{}", response.text());
            }
        }
    }
}

fn values_of_another_type_are_each_named(kept: &Kept) {
    let api = start(kept);
    let body = json!({
        "email": 1, "password": true, "location_zip": 92101, "home_size_sqft": 1.5, "pricing_location": "one",
    });
    let error = |kind: &str, name: &str, text: &str, input: Value| json!({ "type": kind, "loc": ["body", name], "msg": text, "input": input });
    let response = api.post("/auth/signup", &body);
    let text = "Input should be a valid string";
    let hidden: Value = serde_json::from_slice(&response.body).unwrap();
    let hidden = hidden["detail"][1]["input"].clone();
    assert_ne!(hidden, json!(true));
    let fraction = "Input should be a valid integer, got a number with a fractional part";
    let parsing = "Input should be a valid integer, unable to parse string as an integer";
    errors(
        &response,
        json!([
            error("string_type", "email", text, json!(1)),
            error("string_type", "password", text, hidden),
            error("string_type", "location_zip", text, json!(92101)),
            error("int_from_float", "home_size_sqft", fraction, json!(1.5)),
            error("int_parsing", "pricing_location", parsing, json!("one")),
        ]),
    );
    let response = api.post("/auth/refresh", &json!({ "refresh_token": 1 }));
    assert_eq!(response.status, 422);
    assert!(response.text().contains(r#""type":"string_type","loc":["body","refresh_token"]"#));
    // And where a token is due: nothing is said of the body before that.
    assert_eq!(patch(&api, "garbage", &json!([])).status, 401);
    let session = sign_up(&api);
    errors(
        &patch(&api, &session.access, &json!({ "home_size_sqft": 1.5, "location_zip": false })),
        json!([
            error("string_type", "location_zip", text, json!(false)),
            error("int_from_float", "home_size_sqft", fraction, json!(1.5)),
        ]),
    );
}

fn a_body_without_end_is_not_read(kept: &Kept) {
    let api = start(kept);
    let long = format!(r#"{{"email":"{EMAIL}","password":"{}"}}"#, "x".repeat(70_000));
    let response = raw(&api, "/auth/login", Some("application/json"), &long);
    assert_eq!((response.status, response.text().as_str()), (413, r#"{"detail":"Request Entity Too Large"}"#));
}

fn a_patch_needs_an_object_too(kept: &Kept) {
    let api = start(kept);
    let session = sign_up(&api);
    let bearer = ("authorization", format!("Bearer {}", session.access));
    let patch = |content_type: &str, body: &str| {
        let fields = [("content-type", content_type.to_owned()), bearer.clone()];
        api.request("PATCH", "/auth/me", &fields, body.as_bytes())
    };
    let error = |kind: &str, at: Value, text: &str, input: Value| json!([{ "type": kind, "loc": at, "msg": text, "input": input }]);
    let no_body = error("missing", json!(["body"]), "Field required", Value::Null);
    errors(&patch("application/json", ""), no_body);
    let no_object = "Input should be a valid dictionary or object to extract fields from";
    let expected = |input: Value| error("model_attributes_type", json!(["body"]), no_object, input);
    errors(&patch("application/json", "[]"), expected(json!([])));
    errors(&patch("application/x-www-form-urlencoded", "location_zip=1"), expected(json!("location_zip=1")));
    for body in ["{\"location_zip\":\"1\",\"location_zip\":\"2\"}", "{\"location_zip\":\"1\"", "{'location_zip':'1'}"] {
        let response = patch("application/json", body);
        assert!(response.status == 422 && response.text().contains(r#""type":"json_invalid""#), "{}", response.text());
    }
    said(&api.get("/auth/me", &session.access), 200, &super::unset(&session.user));
}
