//! Bodies with more in them than was asked for, or with something else.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bearergate::accounts::{email::Email, store::UserStore};
use serde_json::{Value, json};

use super::{PASSWORD, Words, for_each_api, hashed, person, post, runtime, store};
use crate::{
    accounts::harness::{Api, Kept, json},
    support::client::Response,
};

for_each_api! {
    what_nobody_may_set_is_not_set
    a_body_with_two_meanings_has_none
    every_answer_is_not_to_be_stored
    other_methods_reach_no_endpoint
}

fn what_nobody_may_set_is_not_set(words: &Words, kept: &Kept) {
    let api = words.start(kept, "");
    let more = json!({
        "role": "admin", "roles": ["admin"], "is_staff": true, "is_superuser": true, "id": 77, "user_id": 77, "number": 77,
        "permissions": ["PLANTS DELETE"], "subscription_tier": "premium", "date_joined": "1999-01-01T00:00:00Z",
        "disabled": false, "confirmed": true, "email_verified": true, "credential_version": 9, "aud": "other",
        "app_metadata": { "role": "admin" }, "user_metadata": { "role": "admin" }, "scope": "admin", "sub": "77",
        "__proto__": { "is_staff": true }, "constructor": {},
    });
    let mut body = json!({ "email": "ada@example.com", "password": PASSWORD });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    match words.register {
        Some(path) => assert!([200, 201].contains(&api.post(path, &body).status)),
        None => drop(person(kept, "ada@example.com")),
    }
    let tokens = words.tokens_in(&api.post(words.login, &body));
    let claims = URL_SAFE_NO_PAD.decode(tokens.access.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let email = Email::parse("ada@example.com").unwrap();
    let find = || runtime().block_on(store(kept).user_by_email(email.clone())).unwrap().unwrap();
    let user = find();
    assert_eq!((user.number, user.disabled, user.attributes.len()), (1, None, 0), "{:?}", user.attributes);
    for (method, path) in [("PATCH", "/auth/me"), ("PATCH", "/api/v1/auth/profile"), ("PUT", "/api/v1/auth/profile")] {
        if words.register.is_some_and(|register| register.starts_with("/api") == path.starts_with("/api")) {
            let profile = json(&api.send(method, path, Some(&tokens.access), &more), 200).to_string();
            let is_77 = profile.contains(":77") || profile.contains("\"77\"");
            assert!(!is_77 && !profile.contains("premium") && !profile.contains("admin"), "{profile}");
        }
    }
    assert_eq!(find(), user);
    let claims = claims.to_string();
    assert!(!claims.contains("admin") && !claims.contains("\"77\"") && !claims.contains("PLANTS"), "{claims}");
}

/// Each endpoint that takes a body, with a good one.
fn endpoints(words: &Words) -> Vec<(&'static str, Value)> {
    let credentials = json!({ "email": "ada@example.com", "password": PASSWORD });
    let mut endpoints = vec![(words.login, credentials.clone())];
    endpoints.extend(words.register.map(|path| (path, credentials)));
    endpoints.extend(words.ask_reset.map(|path| (path, json!({ "email": "ada@example.com" }))));
    if let (path, true) = words.refresh {
        endpoints.push((path, json!({ "refresh_token": "x" })));
    }
    endpoints
}

fn raw(api: &Api, path: &str, content_type: Option<&str>, body: &[u8]) -> Response {
    let fields: Vec<_> = content_type.map(|given| ("content-type", given.to_owned())).into_iter().collect();
    api.request("POST", path, &fields, body)
}

fn a_body_with_two_meanings_has_none(words: &Words, kept: &Kept) {
    let api = words.start(kept, super::UNLIMITED);
    person(kept, "ada@example.com");
    let json = Some("application/json");
    for (path, body) in endpoints(words) {
        let text = body.to_string();
        let inner = text.trim_end_matches('}').to_owned();
        let twice = format!("{inner},{}", &text[1..]);
        let twice_escaped = format!("{inner},\"\\u0065mail\":\"b@example.com\",\"refresh_\\u0074oken\":\"y\"}}");
        let deep = format!("{inner},\"more\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
        let nested_twice = format!("{inner},\"more\":{{\"a\":1,\"a\":2}}}}");
        let bom = format!("\u{feff}{text}");
        let cases: Vec<Vec<u8>> = [
            twice.as_str(),
            &twice_escaped,
            &deep,
            &nested_twice,
            &bom,
            &format!("{text} x"),
            &format!("{text}{text}"),
            &format!("{text}\0"),
            &format!("[{text}]"),
            &format!("{text},"),
            &format!("{inner},}}"),
            &inner,
            &text.replace('"', "'"),
            &format!("{inner},\"more\":NaN}}"),
            &format!("/**/{text}"),
            "null",
            "\"email\"",
            "email=ada%40example.com&password=a+password+that+nobody+guesses",
        ]
        .into_iter()
        .map(|text| text.as_bytes().to_vec())
        .chain([
            [text.as_bytes(), b"\xff"].concat(),
            text.replacen('"', "\"\u{1}", 1).into_bytes(),
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            text.replace(':', ":\u{a0}").into_bytes(),
        ])
        .collect();
        for case in cases {
            let refused = raw(&api, path, json, &case);
            let shown = String::from_utf8_lossy(&case[..case.len().min(200)]).into_owned();
            assert!([400, 422].contains(&refused.status), "{path} {shown}: {refused:?}");
            words.said(&refused, path);
            assert!(!refused.text().contains(PASSWORD), "{shown}: {refused:?}");
        }
        other_media_types(words, &api, path, &text);
        let long = format!("{}{}", text, " ".repeat(64 << 10));
        assert_eq!(words.said(&raw(&api, path, json, long.as_bytes()), path), (413, words.too_large.to_owned()));
    }
    assert_eq!(hashed(&api), 0);
    words.login(&api, "ada@example.com", PASSWORD);
}

/// JSON that says that it is something else, or does not say what it is.
fn other_media_types(words: &Words, api: &Api, path: &str, text: &str) {
    let types = [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "text/json",
        "application/json, text/plain",
        "application/json; charset=utf-16",
        "application/jsonp",
        "application/xml",
        "",
    ];
    for given in types.into_iter().map(Some).chain([None]) {
        let refused = raw(api, path, given, text.as_bytes());
        assert!([400, 415, 422].contains(&refused.status), "{path} {given:?}: {refused:?}");
        words.said(&refused, path);
        assert!(!refused.text().contains(PASSWORD), "{given:?}: {refused:?}");
    }
    // A form that says that it is one: what a page of another site can send without asking.
    let form = b"email=ada%40example.com&password=a+password+that+nobody+guesses";
    let refused = raw(api, path, Some("application/x-www-form-urlencoded"), form);
    assert!([400, 415, 422].contains(&refused.status), "{path}: {refused:?}");
}

fn every_answer_is_not_to_be_stored(words: &Words, kept: &Kept) {
    let api = words.start(kept, "throttle = { account = '2/15m' }");
    person(kept, "ada@example.com");
    let tokens = words.login(&api, "ada@example.com", PASSWORD);
    let mut answers = vec![
        words.try_login(&api, "ada@example.com", PASSWORD),
        words.try_login(&api, "ada@example.com", "a guess"),
        words.try_login(&api, "ada@example.com", "a guess"),
        words.try_login(&api, "ada@example.com", "a guess"),
        words.try_refresh(&api, &tokens.refresh),
        words.try_refresh(&api, "nothing"),
        api.post(words.login, &json!({})),
        raw(&api, words.login, Some("text/plain"), b"{}"),
        raw(&api, words.login, Some("application/json"), &[b' '; 70_000]),
        api.send("POST", words.logout, None, &json!({})),
        api.send("POST", words.logout, Some("nothing"), &json!({})),
        api.send("POST", words.logout, Some(&tokens.access), &json!({})),
        // Now it is of a session that has ended.
        api.send("POST", words.logout, Some(&tokens.access), &json!({})),
    ];
    for path in [words.register, words.ask_reset, words.confirm_reset].into_iter().flatten() {
        answers.push(api.post(path, &json!({ "email": "bob@example.com", "password": "another password" })));
        answers.push(api.post(path, &json!({ "email": "no address", "password": "x" })));
    }
    for path in ["/auth/me", "/api/v1/auth/me"] {
        if words.register.is_some_and(|register| register.starts_with("/api") == path.starts_with("/api")) {
            answers.push(api.get(path, "nothing"));
            answers.push(api.client().ask("GET", path, None));
        }
    }
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    for answer in &answers {
        assert!(answer.status < 500, "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
        assert_eq!(answer.header("www-authenticate").is_some(), answer.status == 401, "{answer:?}");
    }
    statuses.sort_unstable();
    statuses.dedup();
    assert!([200, 204, 401, 413, 429].iter().all(|status| statuses.contains(status)), "{statuses:?}");
}

fn other_methods_reach_no_endpoint(words: &Words, kept: &Kept) {
    let api = words.start(kept, super::UNLIMITED);
    person(kept, "ada@example.com");
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    let paths = [Some(words.login), words.register, words.ask_reset, words.confirm_reset];
    for path in paths.into_iter().flatten() {
        for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "post", "Post", "POSTS"] {
            let request = post(path, &body).replacen("POST", method, 1);
            let mut client = api.client();
            client.send(&request);
            let head = client.head();
            let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
            assert!([400, 401, 403, 404, 405, 501].contains(&status), "{method} {path}: {head}");
        }
        for method in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
            let fields = [(method, "POST".to_owned())];
            let answer = api.request("GET", path, &fields, b"");
            assert!([401, 403, 404].contains(&answer.status), "{answer:?}");
        }
    }
    assert!(api.upstream.received_nothing_else());
    assert_eq!(hashed(&api), 0);
}
