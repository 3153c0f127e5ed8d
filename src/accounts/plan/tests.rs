//! What presets may say, and what they may not.

use serde_json::json;

use super::*;
use crate::contract::Preset;

fn plan(text: &str) -> Result<Plan, Vec<String>> {
    let table: toml::Table = text.parse().unwrap();
    Plan::read(&table).map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
}

const LOGIN: &str = r#"
    [[endpoint]]
    match = "POST /login"
    command = "authenticate"
    fields = { mail = "login", password = "password" }
    answer = { status = 200, body = { token = "$access_token", user = "$user" } }
"#;

#[test]
fn every_shipped_preset_has_a_plan() {
    for preset in Preset::ALL {
        let file: toml::Table = preset.source().parse().unwrap();
        let mut accounts = file["accounts"].as_table().unwrap().clone();
        accounts.retain(|key, _| Plan::KEYS.contains(&key));
        let plan = Plan::read(&accounts).unwrap();
        let has = |command| plan.endpoints.iter().any(|endpoint| endpoint.command == command);
        assert!(has(Command::Authenticate) && has(Command::Refresh) && has(Command::LogOut), "{preset:?}");
    }
}

#[test]
fn the_users_form_is_put_wherever_it_is_named() {
    let plan = plan(&format!("user = {{ id = '$user.number' }}\n{LOGIN}")).unwrap();
    let body = plan.endpoints[0].answer.body(|variable| {
        std::borrow::Cow::Owned(match variable {
            Variable::UserNumber => 7.into(),
            Variable::AccessToken => "t".into(),
            other => panic!("{other:?}"),
        })
    });
    assert_eq!(body, r#"{"token":"t","user":{"id":7}}"#);
}

#[test]
fn words_are_looked_for_near_by_first_and_then_among_those_for_what_is_like_it() {
    let text = format!(
        "user = {{ id = '$user.id' }}\n{LOGIN}\n    invalid_credentials = {{ status = 401 }}\n[failures]\ninvalid_credentials = {{ status = 400 }}\n\
         disabled = {{ status = 403 }}\ninvalid = {{ status = 422 }}"
    );
    let plan = plan(&text).unwrap();
    let status = |kind| plan.words(&plan.endpoints[0], kind).map(|answer| answer.status().as_u16());
    assert_eq!(status(FailureKind::InvalidCredentials), Some(401));
    assert_eq!(status(FailureKind::Disabled), Some(403));
    assert_eq!(status(FailureKind::NotConfirmed), Some(401));
    assert_eq!(status(FailureKind::PasswordCommon), Some(422));
    assert_eq!(status(FailureKind::Throttled), None);
}

#[test]
fn all_mistakes_are_found_at_once_and_named() {
    let found = plan(
        r#"
        validation = "soap"
        claims = { sub = "$user.name" }
        links = { rest = "$frontend/x", reset = "https://example.com/$token" }
        user = { zip = "$user.zip" }
        failures = { lost = { status = 400 } }
        attributes = { zip = { type = "string" }, size = { type = "integer", default = "0", mix = 1 } }
        [[endpoint]]
        command = "log_in"
        fields = { mail = "emial" }
        [[endpoint]]
        match = ["POST /login", "login"]
        command = "authenticate"
        fields = { email = "email" }
        answer = { status = 500, body = "$x" }
        taken = { status = 400, body = { detail = "$nobody" } }
        taek = { status = 400 }
        scope = "everybody"
        bearer = "cookie"
        "#,
    )
    .unwrap_err();
    let all = found.join("\n");
    for part in [
        "accounts.validation:",
        "accounts.claims: $user.name",
        "accounts.links.rest: there is no such mail",
        "accounts.links.reset:",
        "accounts.failures.lost: unknown key",
        "accounts.attributes.zip.type:",
        "accounts.attributes.size.default:",
        "accounts.attributes.size.mix: unknown key",
        "accounts.endpoint.0.match: an endpoint needs its routes",
        "accounts.endpoint.0.command: the commands are",
        "accounts.endpoint.0.fields.mail: `emial`",
        "accounts.endpoint.0.answer: an endpoint needs its answer",
        "accounts.endpoint.1.match: is not valid",
        "accounts.endpoint.1.fields: `authenticate` needs Password",
        "accounts.endpoint.1.answer.status: the status here is a number from 200 to 399",
        "accounts.endpoint.1.taken.body: $nobody is not a value",
        "accounts.endpoint.1.taek: unknown key",
        "accounts.endpoint.1.scope:",
        "accounts.endpoint.1.bearer:",
    ] {
        assert!(all.contains(part), "{part} is not in\n{all}");
    }
}

#[test]
fn of_what_was_set_elsewhere_only_that_is_taken_which_could_have_been_set_here() {
    let text = "
        [attributes]
        zip = { type = 'text' }
        short = { type = 'text', max_length = 2 }
        size = { type = 'integer' }
        place = { type = 'integer', min = 1, max = 8 }
        zone = { type = 'text', format = 'time-zone', null = 'or-empty-clears' }
        tier = { type = 'text', one_of = ['free', 'premium'], writable = false }
    ";
    let attributes = plan(text).unwrap().attributes;
    let taken = |given: Value| Value::Object(attributes.settable_of(given.as_object().unwrap()));
    let good = json!({ "zip": "", "short": "ab", "size": -1, "place": 8, "zone": "UTC" });
    assert_eq!(taken(good.clone()), good);
    for bad in [
        json!({ "zip": 1, "short": "abc", "size": "1", "place": 9, "zone": "", "tier": "premium", "role": "admin" }),
        json!({ "zip": "\u{0}", "short": null, "size": 1.5, "place": true, "zone": "x", "tier": null }),
        json!({ "zip": "x".repeat(10_001), "size": [], "place": {} }),
    ] {
        assert_eq!(taken(bad.clone()), json!({}), "{bad}");
    }
}
