//! What goes well: the project's session in the six keys of the document, and nothing else.

use serde_json::{Value, json};

use super::{Act, EMAIL, ID, KEY, Kept, Project, answer, on_both_stores, said, user};
use crate::{
    accounts::hungry_machines as hm,
    support::{NOW, client::Response},
};

on_both_stores! {
    signup_login_and_refresh_hand_out_the_projects_sessions
    a_signup_that_is_pending_is_wrapped
    what_is_refused_here_is_not_asked_there
    its_tokens_are_good_on_every_path
    whoever_logs_out_is_out_there_and_here
    whoever_cannot_be_logged_out_there_is_not_here
}

fn signup_login_and_refresh_hand_out_the_projects_sessions(kept: &Kept) {
    let project = Project::start(kept);
    let token = project.token(&json!({}));
    let given = json!({
        "access_token": token, "token_type": "bearer", "expires_in": 3600, "expires_at": NOW + 3600,
        "refresh_token": "v1.Mfg2", "user": user(), "weak_password": null,
    });
    let expected = json!({
        "access_token": token, "refresh_token": "v1.Mfg2", "expires_in": 3600, "expires_at": NOW + 3600,
        "token_type": "bearer", "user": { "id": ID, "email": EMAIL },
    });
    let signup = json!({
        "email": EMAIL, "password": hm::PASSWORD, "location_zip": "92101", "home_size_sqft": "2000",
        "pricing_location": null, "subscription_tier": "premium", "role": "admin",
    });
    let refresh = json!({ "refresh_token": "v1.old" });
    for (path, body) in [("/auth/signup", &signup), ("/auth/login", &hm::credentials()), ("/auth/refresh", &refresh)] {
        project.answers(200, &given);
        said(&project.api.post(path, body), 200, &expected.to_string());
    }
    let data = json!({ "location_zip": "92101", "home_size_sqft": 2000 });
    let expected = [
        ("signup", json!({ "email": EMAIL, "password": hm::PASSWORD, "data": data })),
        ("token?grant_type=password", hm::credentials()),
        ("token?grant_type=refresh_token", refresh),
    ];
    let received = project.fake.received();
    assert_eq!(received.len(), expected.len());
    for (received, (path, body)) in received.iter().zip(expected) {
        assert_eq!(received.line, format!("POST /auth/v1/{path} HTTP/1.1"));
        assert_eq!((&received.body, received.headers["apikey"].as_str()), (&body, KEY));
    }
    // As the project dates it, whatever time it is here.
    let mut given = given;
    given["expires_in"] = json!(1800);
    given["expires_at"] = json!(NOW + 5);
    project.answers(200, &given);
    let response = project.api.post("/auth/login", &hm::credentials());
    let said: Value = super::super::super::harness::json(&response, 200);
    assert_eq!((&said["expires_in"], &said["expires_at"]), (&json!(1800), &json!(NOW + 5)));
}

fn a_signup_that_is_pending_is_wrapped(kept: &Kept) {
    let project = Project::start(kept);
    let expected = json!({ "user": { "id": ID, "email": EMAIL } }).to_string();
    let mut beside = json!({ "access_token": null, "refresh_token": null });
    beside["user"] = user();
    for given in [user(), json!({ "user": user() }), beside] {
        project.answers(200, &given);
        said(&project.api.post("/auth/signup", &hm::credentials()), 200, &expected);
    }
}

fn what_is_refused_here_is_not_asked_there(kept: &Kept) {
    let project = Project::start(kept);
    let post = |path: &str, body: Value| project.api.post(path, &body).status;
    assert_eq!(post("/auth/signup", json!({ "email": "nobody", "password": hm::PASSWORD })), 422);
    assert_eq!(post("/auth/signup", json!({ "email": EMAIL })), 422);
    let mut body = hm::credentials();
    body["pricing_location"] = json!(9);
    assert_eq!(post("/auth/signup", body), 422);
    let short = project.api.post("/auth/signup", &json!({ "email": EMAIL, "password": "Zq8!x" }));
    super::detail(&short, 422, "Password should be at least 6 characters");
    let nobody = project.api.post("/auth/login", &json!({ "email": "nobody", "password": hm::PASSWORD }));
    super::detail(&nobody, 400, "Invalid login credentials");
    assert_eq!(post("/auth/refresh", json!({})), 422);
    assert!(project.fake.received().is_empty());
}

fn its_tokens_are_good_on_every_path(kept: &Kept) {
    let project = Project::start(kept);
    let mut client = project.api.client();
    assert_eq!(client.bear("GET", "/machines", &project.token(&json!({}))).status, 200);
    for path in ["/machines", "/auth/me"] {
        for (claims, detail) in [
            (json!({ "exp": NOW }), "Token expired"),
            (json!({ "iss": "https://other.supabase.co/auth/v1" }), "Invalid token"),
            (json!({ "iss": null }), "Invalid token"),
            (json!({ "aud": "anon" }), "Invalid token"),
            (json!({ "aud": null }), "Invalid token"),
            (json!({ "sub": null }), "Invalid token"),
            (json!({ "nbf": NOW + 600 }), "Invalid token"),
        ] {
            super::unauthorized(&client.bear("GET", path, &project.token(&claims)), detail);
        }
        super::unauthorized(&client.ask("GET", path, None), "Not authenticated");
        super::unauthorized(&client.bear("GET", path, "v1.Mfg2"), "Invalid token");
    }
}

fn log_out(project: &Project, token: &str) -> Response {
    project.api.client().bear("POST", "/auth/logout", token)
}

fn whoever_logs_out_is_out_there_and_here(kept: &Kept) {
    let project = Project::start(kept);
    let token = project.token(&json!({}));
    // Older servers and newer ones; and a session that had ended there before.
    let gone = json!({ "code": 403, "error_code": "session_not_found", "msg": "Session from session_id claim does not exist" });
    for (number, act) in [
        answer(204, "", ""),
        answer(200, "Content-Type: application/json\r\n", json!({})),
        answer(403, "Content-Type: application/json\r\n", gone),
    ]
    .into_iter()
    .enumerate()
    {
        let session = format!("5d2f1c0a-6c0b-4f5e-9a54-0d9fd4c4f7a{number}");
        let token = project.token(&json!({ "session_id": session }));
        project.fake.then(Act::Send(act));
        let out = log_out(&project, &token);
        assert_eq!((out.status, out.body.len()), (204, 0), "{}", out.text());
        let received = project.fake.received().pop().unwrap();
        assert_eq!(received.line, "POST /auth/v1/logout?scope=local HTTP/1.1");
        assert_eq!(received.headers["authorization"], format!("Bearer {token}"));
        assert_eq!(received.headers["apikey"], KEY);
        for path in ["/auth/me", "/machines"] {
            super::unauthorized(&project.api.get(path, &token), "Invalid token");
        }
    }
    // Another session of the same user goes on.
    assert_eq!(project.api.get("/auth/me", &token).status, 200);
}

fn whoever_cannot_be_logged_out_there_is_not_here(kept: &Kept) {
    let project = Project::start(kept);
    let token = project.token(&json!({}));
    for act in [
        answer(500, "", ""),
        answer(401, "", json!({ "message": "Invalid API key" })),
        answer(403, "", json!({ "error_code": "bad_jwt" })),
        answer(307, "Location: http://127.0.0.1:1/\r\n", ""),
    ] {
        project.fake.then(Act::Send(act));
        super::detail(&log_out(&project, &token), 502, "Auth service unreachable");
    }
    assert_eq!(project.api.get("/auth/me", &token).status, 200);
    project.fake.then(Act::Send(answer(204, "", "")));
    assert_eq!(log_out(&project, &token).status, 204);
    super::unauthorized(&log_out(&project, &token), "Invalid token");
}
