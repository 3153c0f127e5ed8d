//! `POST /api/v1/auth/password-reset/request`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{REQUEST, each, says, sign_up, start, start_with, takes_json_alone};
use crate::accounts::{
    harness::{Api, Kept},
    on_both_stores,
};

on_both_stores! {
    everybody_gets_the_same_answer_and_the_user_a_mail
    what_is_needed_is_said
    the_link_leads_where_the_configuration_says
    a_site_that_is_allowed_is_led_to
    nobodys_mailbox_is_filled
    only_json_is_read
}

pub(super) const SENT: &str = r#"{"status":"PASSWORD_RESET_SENT","detail":"If an account with that email exists, a password reset link has been sent."}"#;

fn ask(api: &Api, body: Value) {
    says(&api.post(REQUEST, &body), &body.to_string(), 200, SENT);
}

fn everybody_gets_the_same_answer_and_the_user_a_mail(kept: &Kept) {
    let api = start(kept);
    sign_up(&api, "User@example.com");
    sign_up(&api, "disabled@example.com");
    api.disable("disabled@example.com", "2");
    let before = api.hashed();
    for email in ["nobody@example.com", "disabled@example.com", "USER@EXAMPLE.COM", "nobody@example.com"] {
        ask(&api, json!({ "email": email }));
    }
    assert_eq!(api.hashed(), before, "neither costs a hash");
    let (recipient, subject, text) = api.mail(1);
    // Where the account's mail goes, however it was spelled.
    assert_eq!(recipient, "User@example.com");
    assert!(subject.contains("Reset your password"), "{subject}");
    assert!(text.contains("https://app.example.com/reset-password/MQ/"), "{text}");
    assert!(!text.contains("nobody"), "{text}");
}

fn what_is_needed_is_said(kept: &Kept) {
    let api = start(kept);
    let needed = json!({ "detail": "Email is required" });
    let no_address = json!({ "email": ["Enter a valid email address."] });
    each(
        &api,
        ("POST", REQUEST, None),
        &[
            (json!({}), needed.clone()),
            (json!({ "frontend_url": "https://app.example.com" }), needed.clone()),
            (json!({ "email": "" }), needed.clone()),
            (json!({ "email": null }), needed.clone()),
            (json!({ "email": "nonsense" }), no_address.clone()),
            (json!({ "email": [] }), no_address),
            (
                json!({ "email": "user@example.com", "frontend_url": [] }),
                json!({ "frontend_url": ["Not a valid string."] }),
            ),
        ],
    );
    says(&api.request("POST", REQUEST, &[], b""), "no body", 400, &needed.to_string());
}

fn the_link_leads_where_the_configuration_says(kept: &Kept) {
    let api = start_with(kept, "frontend_allowed = ['https://status.example.com']");
    let sites = [
        "https://evil.example.net",
        "https://app.example.com.evil.example.net",
        "https://app.example.com@evil.example.net",
        "https://evil.example.net/https://app.example.com",
        "https://evil.example.net#https://app.example.com",
        "https://evil.example.net?https://app.example.com",
        "//evil.example.net",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com/../evil",
        "https://app.example.com\\@evil.example.net",
        "https://status.example.comevil.net",
        "https:evil.example.net",
        "javascript:alert(1)",
        "https://APP.example.com.",
        "\thttps://evil.example.net",
        "https://ɑpp.example.com",
        "",
        "nonsense",
    ];
    for (number, site) in sites.into_iter().enumerate() {
        let email = format!("u{number}@example.com");
        sign_up(&api, &email);
        ask(&api, json!({ "email": email, "frontend_url": site }));
        // The same for nobody.
        ask(&api, json!({ "email": "nobody@example.com", "frontend_url": site }));
        let (_, _, text) = api.mail(number + 1);
        assert!(text.contains("https://app.example.com/reset-password/"), "{site:?}: {text}");
        assert!(!text.contains("evil") && !text.contains("8443"), "{site:?}: {text}");
        let sent = String::from_utf8(api.smtp.mails()[number].data.clone()).unwrap();
        assert!(!sent.contains("evil"), "{site:?}: {sent}");
        // Requests count for their address, whoever they are for.
        api.clock.advance(Duration::from_secs(60));
    }
    let fields = [
        ("content-type", "application/json".to_owned()),
        ("origin", "https://evil.example.net".to_owned()),
        ("x-forwarded-host", "evil.example.net".to_owned()),
    ];
    let answer = api.request("POST", REQUEST, &fields, json!({ "email": "u0@example.com" }).to_string().as_bytes());
    says(&answer, "another host", 200, SENT);
    assert!(api.mail(sites.len() + 1).2.contains("https://app.example.com/reset-password/MQ/"));
}

fn a_site_that_is_allowed_is_led_to(kept: &Kept) {
    let api = start_with(kept, "frontend_allowed = ['https://status.example.com', 'http://localhost:5173']");
    for (number, (site, start)) in [
        ("https://status.example.com", "https://status.example.com/reset-password/"),
        ("https://status.example.com/", "https://status.example.com/reset-password/"),
        ("http://localhost:5173", "http://localhost:5173/reset-password/"),
        ("https://app.example.com/team", "https://app.example.com/team/reset-password/"),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("u{number}@example.com");
        sign_up(&api, &email);
        ask(&api, json!({ "email": email, "frontend_url": site }));
        // Each of them gets two: the link, and that it was used.
        let link = api.link(2 * number + 1, start);
        let (uid, token) = link.split_once('/').unwrap();
        let change = json!({ "uid": uid, "token": token, "new_password": super::OTHER });
        assert_eq!(api.post(super::CONFIRM, &change).status, 200, "{site}");
        api.mail(2 * number + 2);
    }
}

fn nobodys_mailbox_is_filled(kept: &Kept) {
    let api = start(kept);
    sign_up(&api, "user@example.com");
    for _ in 0..8 {
        ask(&api, json!({ "email": "user@example.com" }));
        ask(&api, json!({ "email": "nobody@example.com" }));
    }
    api.smtp.wait_for(5);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(api.smtp.mails().len(), 5, "five an hour");
}

fn only_json_is_read(kept: &Kept) {
    takes_json_alone(&start(kept), "POST", REQUEST, None);
}
