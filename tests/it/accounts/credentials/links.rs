//! Links of mails: where they lead, and how often they are good.

use std::time::Duration;

use bearergate::accounts::store::AuditStore;
use serde_json::json;

use super::{PASSWORD, Words, for_each_api, link_in, person, post, runtime, store};
use crate::accounts::harness::{Api, Kept, json};

for_each_api! { homsai HOMSAI:
    a_link_leads_where_the_configuration_says
    a_link_is_good_once_the_newest_alone_and_not_for_ever
    a_link_is_good_for_its_user_alone
}
for_each_api! { uptimehunt UPTIMEHUNT:
    a_link_leads_where_the_configuration_says
    a_link_is_good_once_the_newest_alone_and_not_for_ever
    a_link_is_good_for_its_user_alone
}

fn a_link_leads_where_the_configuration_says(words: &Words, kept: &Kept) {
    let api = words.start(kept, super::UNLIMITED);
    let path = words.ask_reset.unwrap();
    let forged = [
        "Host: evil.example",
        "Host: app.example.com.evil.example",
        "Host: api\r\nX-Forwarded-Host: evil.example",
        "Host: api\r\nForwarded: host=evil.example;proto=https",
        "Host: api\r\nX-Host: evil.example\r\nX-Original-URL: https://evil.example/\r\nOrigin: https://evil.example",
        "Host: api\r\nReferer: https://evil.example/\r\nX-Forwarded-Proto: gopher\r\nX-Forwarded-Prefix: //evil.example",
    ];
    let urls = [
        "https://evil.example",
        "https://app.example.com.evil.example",
        "https://app.example.com@evil.example",
        "//evil.example",
        "javascript:alert(1)",
        "https://evil.example/?https://app.example.com",
    ];
    let bodies = urls.map(|url| json!({ "frontend_url": url }));
    let cases = forged.iter().map(|head| (*head, json!({}))).chain(bodies.into_iter().map(|body| ("Host: api", body)));
    for (at, (head, mut body)) in cases.enumerate() {
        let email = format!("user{at}@example.com");
        person(kept, &email);
        body["email"] = email.as_str().into();
        let mut client = api.client();
        json(&client.send(post(path, &body).replacen("Host: api", head, 1)).response(), 200);
        let mails = api.smtp.wait_for(at + 1);
        let mail = String::from_utf8_lossy(&mails[at].data).into_owned();
        assert!(link_in(&mails[at].data).starts_with("https://app.example.com/"), "{head} {body}: {mail}");
        assert!(!mail.contains("evil") && !mail.contains("alert(1)") && !mail.contains("gopher"), "{mail}");
    }
}

fn life(words: &Words) -> Duration {
    Duration::from_secs(if words.preset == "homsai" { 72 * 3600 } else { 3600 })
}

fn a_link_is_good_once_the_newest_alone_and_not_for_ever(words: &Words, kept: &Kept) {
    let api = words.start(kept, super::UNLIMITED);
    person(kept, "ada@example.com");
    let set = |link: &(String, String), password: &str| words.reset(&api, (&link.0, &link.1), password).status;
    let useless = |link: &(String, String)| {
        let status = set(link, "yet another password");
        assert!([400, 401].contains(&status), "{status}");
    };
    let (first, second) = (words.link(&api, "ada@example.com"), words.link(&api, "ada@example.com"));
    useless(&first);
    // A password that cannot be does not use it up.
    assert_eq!(set(&second, "short"), 400);
    let mut clients: Vec<_> = (0..8).map(|_| api.client()).collect();
    let request = redeeming(words, &second, "the second password");
    for client in &mut clients {
        client.send(&request);
    }
    let set_by = clients.iter_mut().map(|client| client.response().status);
    assert_eq!(set_by.filter(|status| *status == 200).count(), 1, "of many at once one is");
    useless(&second);
    words.login(&api, "ada@example.com", "the second password");

    let late = words.link(&api, "ada@example.com");
    api.clock.advance(life(words));
    useless(&late);
    let in_time = words.link(&api, "ada@example.com");
    api.clock.advance(life(words) - Duration::from_secs(1));
    assert_eq!(set(&in_time, "the third password"), 200);
    // Whoever remembers the password needs none.
    let forgotten = words.link(&api, "ada@example.com");
    words.login(&api, "ada@example.com", "the third password");
    useless(&forgotten);
}

fn redeeming(words: &Words, (uid, token): &(String, String), password: &str) -> String {
    let path = words.confirm_reset.unwrap();
    let bearer = format!("\r\nAuthorization: Bearer {token}\r\n");
    if words.preset == "homsai" {
        return post(path, &json!({ "password": password })).replacen("\r\n", &bearer, 1);
    }
    post(path, &json!({ "uid": uid, "token": token, "new_password": password }))
}

fn a_link_is_good_for_its_user_alone(words: &Words, kept: &Kept) {
    let api = words.start(kept, super::UNLIMITED);
    let (ada, bob) = (person(kept, "ada@example.com"), person(kept, "bob@example.com"));
    let (hers, his) = (words.link(&api, "ada@example.com"), words.link(&api, "bob@example.com"));
    if !hers.0.is_empty() {
        let crossed = words.reset(&api, (&his.0, &hers.1), "a stolen password");
        assert_eq!(words.said(&crossed, ""), (400, "Invalid or expired reset link".to_owned()));
        // Other spellings of the same user are nobody's, so that each has no tries of its own.
        for uid in ["MDE", "MDAx", "KzE", "MSA", "MQ==", "MR", ""] {
            let refused = words.reset(&api, (uid, &hers.1), "a stolen password");
            assert_eq!(refused.status, 400, "{uid}");
        }
    }
    other_tokens_are_no_links(words, &api, &his);
    json(&words.reset(&api, (&hers.0, &hers.1), "another password"), 200);
    words.login(&api, "ada@example.com", "another password");
    words.login(&api, "bob@example.com", PASSWORD);
    let events = |user| runtime().block_on(store(kept).events(user, 50)).unwrap();
    let set = |user| events(user).iter().filter(|entry| entry.event.kind == "password_set").count();
    assert_eq!((set(ada.id), set(bob.id)), (1, 0));
}

/// Neither is a link's token good for anything else.
fn other_tokens_are_no_links(words: &Words, api: &Api, his: &(String, String)) {
    assert_eq!(words.reach(api, &his.1), 401);
    assert_eq!(words.try_refresh(api, &his.1).status, words.unrefreshed);
    let tokens = words.login(api, "bob@example.com", PASSWORD);
    for other in [&tokens.access, &tokens.refresh] {
        let refused = words.reset(api, (&his.0, other), "a stolen password").status;
        assert!([400, 401, 403].contains(&refused), "{refused}");
    }
}
