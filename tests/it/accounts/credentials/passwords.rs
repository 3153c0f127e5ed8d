//! What a password may be: each character counts, and nothing is cut off.

use serde_json::json;

use super::{Words, for_each_api, hashed, person, post};
use crate::accounts::harness::{Api, Kept, json};

for_each_api! {
    a_nul_cuts_nothing_off
    a_password_is_taken_character_for_character
    what_is_too_short_or_too_long_is_refused_before_it_is_hashed
}

/// Sets a password the way that the API has: at sign-up, or by a link.
fn set(words: &Words, api: &Api, email: &str, password: &str) -> u16 {
    if let Some(path) = words.register {
        return api.post(path, &json!({ "email": email, "password": password })).status;
    }
    let (uid, token) = words.link(api, email);
    words.reset(api, (&uid, &token), password).status
}

fn a_password_is_taken_character_for_character(words: &Words, kept: &Kept) {
    let api = words.start(kept, super::UNLIMITED);
    let long = "0123456789abcdef".repeat(64);
    let cases: [(&str, &[&str]); 6] = [
        // 72 bytes and one more, of which the last counts.
        (&long[..73], &[&long[..72], &long[..74]]),
        (&long[..64], &[&long[..63]]),
        (&long, &[&long[..1023]]),
        // Composed and decomposed: two passwords.
        ("p\u{e9}ssw\u{f6}rd \u{1f980}", &["pe\u{301}ssw\u{f6}rd \u{1f980}", "p\u{e9}ssw\u{f6}rd"]),
        ("  spaced out  ", &["spaced out", "  spaced out"]),
        ("CaseMatters\n", &["casematters\n", "CaseMatters"]),
    ];
    for (at, (password, others)) in cases.iter().enumerate() {
        let email = format!("user{at}@example.com");
        if words.register.is_none() {
            person(kept, &email);
        }
        assert!([200, 201].contains(&set(words, &api, &email, password)), "{password:?}");
        for other in *others {
            words.assert_refused(&words.try_login(&api, &email, other));
        }
        words.login(&api, &email, password);
    }
}

/// A NUL is a character like any other, unless the framework lets nobody have one.
fn a_nul_cuts_nothing_off(words: &Words, kept: &Kept) {
    let api = words.start(kept, super::UNLIMITED);
    if words.register.is_none() {
        person(kept, "ada@example.com");
    }
    let status = set(words, &api, "ada@example.com", "before\0behind");
    if words.preset == "uptimehunt" {
        assert_eq!(status, 400);
        assert_eq!(hashed(&api), 0);
        return;
    }
    assert_eq!(status, 200);
    for other in ["before", "before\0", "before\0behine", "beforebehind"] {
        words.assert_refused(&words.try_login(&api, "ada@example.com", other));
    }
    words.login(&api, "ada@example.com", "before\0behind");
}

fn what_is_too_short_or_too_long_is_refused_before_it_is_hashed(words: &Words, kept: &Kept) {
    let api = words.start(kept, super::UNLIMITED);
    if words.register.is_none() {
        person(kept, "ada@example.com");
    }
    let hashes = hashed(&api);
    let short = "\u{1f980}".repeat(words.fewest - 1);
    for (at, refused) in
        [short.as_str(), "", &"x".repeat(1025), &"\u{e9}".repeat(513), &"x".repeat(60_000)].into_iter().enumerate()
    {
        // Nobody gets more than a few mails an hour.
        let email = format!("user{at}@example.com");
        if words.register.is_none() {
            person(kept, &email);
        }
        let status = set(words, &api, &email, refused);
        assert!([400, 422].contains(&status), "{status}: {} bytes", refused.len());
    }
    let login = |password: &str| words.try_login(&api, "ada@example.com", password);
    words.assert_refused(&login(&"x".repeat(9_000)));
    assert!([400, 422].contains(&login(&"x".repeat(60_000)).status));
    // A mebibyte, said to come or sent piece by piece.
    let huge = "x".repeat(1 << 20);
    let body = json!({ "email": "ada@example.com", "password": huge });
    for path in [Some(words.login), words.register, words.confirm_reset].into_iter().flatten() {
        let mut client = api.client();
        let bearer = "\r\nAuthorization: Bearer a.b.c\r\n";
        let taken = client.try_send(post(path, &body).replacen("\r\n", bearer, 1));
        assert!(taken || client.is_closed());
        if taken && words.confirm_reset != Some(path) {
            assert_eq!(words.said(&client.response(), path), (413, words.too_large.to_owned()));
        }
    }
    let mut client = api.client();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let head = format!("POST {} HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n", words.login);
    client.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}1\r\nx\r\n"));
    assert_eq!(words.said(&client.response(), words.login), (413, words.too_large.to_owned()));
    assert_eq!(hashed(&api), hashes);
    let fewest = "\u{1f980}".repeat(words.fewest);
    assert!([200, 201].contains(&set(words, &api, "ada@example.com", &fewest)));
    let tokens = json(&login(&fewest), 200);
    assert!(tokens.get(words.tokens.0).is_some());
}
