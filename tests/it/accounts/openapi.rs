//! `/openapi.json` on the admin address: what it says of the endpoints is what they answer.

use serde_json::{Value, json};

use super::harness::{Api, Kept, text};
use crate::support::{Client, client::Response};

struct Documented {
    api: Api,
    document: Value,
}

impl Documented {
    fn start(preset: &str, kept: &Kept) -> Self {
        let api = Api::start(preset, kept, "", "throttle = { account = 'off', address = 'off' }");
        let answer = Client::connect(api.gateway.running.admin_address().unwrap()).get("/openapi.json");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        Self { api, document: serde_json::from_slice(&answer.body).unwrap() }
    }

    /// Sends a request, and compares the answer with what the document says of it.
    #[track_caller]
    fn ask(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> Response {
        let response = self.api.send(method, path, token, body);
        let route = path.split('?').next().unwrap();
        let operation = &self.document["paths"][route][method.to_ascii_lowercase()];
        assert!(operation.is_object(), "{method} {route} is not documented");
        let documented = &operation["responses"][response.status.to_string()];
        assert!(documented.is_object(), "{} of {method} {route} is not in {operation:#}", response.status);
        let schema = &documented["content"]["application/json"]["schema"];
        if response.body.is_empty() {
            assert!(schema.is_null(), "{method} {route}: {schema}");
        } else {
            let body: Value = serde_json::from_slice(&response.body).unwrap();
            let errors: Vec<String> =
                jsonschema::validator_for(schema).unwrap().iter_errors(&body).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{method} {route} {}: {errors:?}\n{body}\n{schema:#}", response.status);
        }
        response
    }

    /// Everything that makes no sense.
    fn ask_nonsense(&self, method: &str, path: &str, token: Option<&str>) {
        for body in [json!({}), json!([]), json!({ "email": 1, "password": [], "x": null }), json!("x")] {
            self.ask(method, path, token, &body);
        }
    }
}

fn body(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap()
}

#[test]
fn hungry_machines_answers_as_documented() {
    let kept = Kept::in_sqlite();
    let api = Documented::start("hungry-machines", &kept);
    let user = json!({ "email": "a@example.com", "password": "correct horse", "pricing_location": 3 });
    for path in ["/auth/signup", "/auth/login", "/auth/refresh"] {
        api.ask_nonsense("POST", path, None);
    }
    let session = body(&api.ask("POST", "/auth/signup", None, &user));
    api.ask("POST", "/auth/signup", None, &user);
    api.ask("POST", "/auth/signup", None, &json!({ "email": "b@example.com", "password": "x" }));
    api.ask("POST", "/auth/login", None, &user);
    api.ask("POST", "/auth/login", None, &json!({ "email": "a@example.com", "password": "x" }));
    api.ask("POST", "/auth/refresh", None, &json!({ "refresh_token": session["refresh_token"] }));
    api.ask("POST", "/auth/refresh", None, &json!({ "refresh_token": "x" }));
    let token = Some(text(&session, "access_token"));
    for token in [None, Some("x"), token] {
        api.ask("GET", "/auth/me", token, &Value::Null);
        api.ask("PATCH", "/auth/me", token, &json!({ "timezone": "Europe/Rome", "location_zip": null }));
    }
    api.ask("PATCH", "/auth/me", token, &json!({ "pricing_location": 9 }));
    api.ask("GET", "/auth/confirm", None, &Value::Null);
    api.ask("GET", "/auth/confirm?token=x", None, &Value::Null);
    api.ask("POST", "/auth/logout", token, &Value::Null);
    api.ask("GET", "/auth/me", token, &Value::Null);
}

#[test]
fn uptimehunt_answers_as_documented() {
    let kept = Kept::in_sqlite();
    let api = Documented::start("uptimehunt", &kept);
    let base = "/api/v1/auth";
    let ask = |method: &str, path: &str, token: Option<&str>, body: &Value| {
        api.ask(method, &format!("{base}{path}"), token, body)
    };
    for path in ["/register", "/login", "/refresh", "/password-reset/request", "/password-reset/confirm"] {
        api.ask_nonsense("POST", &format!("{base}{path}"), None);
    }
    let user = json!({ "email": "a@example.com", "password": "securepassword123" });
    let session = body(&ask("POST", "/register", None, &user));
    ask("POST", "/register", None, &user);
    ask("POST", "/register", None, &json!({ "email": "a", "password": "short" }));
    ask("POST", "/login", None, &user);
    ask("POST", "/login", None, &json!({ "email": "a@example.com", "password": "wrong" }));
    ask("POST", "/refresh", None, &json!({ "refresh_token": session["refresh_token"] }));
    ask("POST", "/refresh", None, &json!({ "refresh_token": "x" }));
    let token = Some(text(&session, "access_token"));
    for token in [None, Some("x"), token] {
        ask("GET", "/me", token, &Value::Null);
        ask("PUT", "/profile", token, &json!({ "first_name": "A" }));
        ask("PATCH", "/profile", token, &json!({ "email": "not an address" }));
    }
    api.ask_nonsense("POST", &format!("{base}/change-password"), token);
    ask("POST", "/change-password", token, &json!({ "current_password": "x", "new_password": "long enough" }));
    ask("POST", "/password-reset/request", None, &json!({ "email": "a@example.com" }));
    let confirm = |uid: &str| json!({ "uid": uid, "token": "x", "new_password": "long enough" });
    ask("POST", "/password-reset/confirm", None, &confirm("MQ"));
    ask("POST", "/password-reset/confirm", None, &confirm("?"));
    let change = json!({ "current_password": "securepassword123", "new_password": "newsecurepassword456" });
    ask("POST", "/change-password", token, &change);
    ask("GET", "/me", token, &Value::Null);
    ask("POST", "/logout", token, &Value::Null);
}

#[test]
fn homsai_answers_as_documented() {
    let kept = Kept::in_sqlite();
    let api = Documented::start("homsai", &kept);
    for path in ["/auth/login", "/auth/resetPassword", "/auth/setPassword"] {
        api.ask_nonsense("POST", path, None);
    }
    api.ask("POST", "/auth/login", None, &json!({ "email": "a@example.com", "password": "wrong one" }));
    api.ask("POST", "/auth/resetPassword", None, &json!({ "email": "a@example.com" }));
    for token in [None, Some("x")] {
        api.ask("GET", "/auth/token", token, &Value::Null);
        api.ask("POST", "/auth/setPassword", token, &json!({ "newPassword": "long enough" }));
        api.ask("POST", "/auth/logout", token, &Value::Null);
    }
}
