//! Signup, login and refresh by a Supabase Auth server, over real sockets.

mod connections;
pub(crate) mod fake;
mod faults;

use std::{collections::BTreeMap, time::Duration};

use bearergate::{
    accounts::{
        backend::supabase::{BackendError, Cause, RemoteSession, SignedUp, Supabase, SupabaseSettings},
        email::Email,
        password::Password,
        session::Token,
    },
    clock::{Clock, Timestamp},
    secret::Secret,
};
use serde_json::{Map, Value, json};

use self::fake::{Act, Fake, answer};
use crate::support::NOW;

const KEY: &str = "sb_publishable_key";
const PASSWORD: &str = "correct \"horse\" \u{e9}";
const TOKEN: &str = "a refresh token";
const ID: &str = "6f9619ff-8b86-4011-b42d-00c04fc964ff";
/// Longer than any test that does not wait for it.
const TIMEOUT: Duration = Duration::from_secs(20);

fn supabase(url: &str, timeout: Duration) -> Supabase {
    let settings = SupabaseSettings::new(url, &Secret::from(KEY.to_owned())).unwrap().with_timeout(timeout);
    Supabase::start(settings, &Clock::manual(Timestamp::from_secs(NOW))).unwrap()
}

/// A server and who asks it.
fn asking(acts: impl IntoIterator<Item = Act>) -> (Fake, Supabase) {
    let fake = Fake::new(acts);
    let supabase = supabase(&fake.url(), TIMEOUT);
    (fake, supabase)
}

fn session() -> Value {
    let user = json!({ "id": ID, "aud": "authenticated", "email": "Ada@example.com", "user_metadata": { "zip": "1" } });
    json!({
        "access_token": "header.claims.signature", "token_type": "bearer", "expires_in": 3600,
        "expires_at": NOW + 3600, "refresh_token": "another", "user": user, "weak_password": null,
    })
}

fn good() -> Vec<u8> {
    answer(200, "Content-Type: application/json\r\n", session())
}

async fn sign_up(supabase: &Supabase) -> Result<SignedUp, BackendError> {
    let data = json!({ "location_zip": "94107", "pricing_location": 1 }).as_object().unwrap().clone();
    supabase.sign_up(&Email::parse("Ada@example.com").unwrap(), &Password::from(PASSWORD.to_owned()), data).await
}

async fn sign_in(supabase: &Supabase) -> Result<RemoteSession, BackendError> {
    supabase.sign_in(&Email::parse("Ada@example.com").unwrap(), &Password::from(PASSWORD.to_owned())).await
}

async fn refresh(supabase: &Supabase) -> Result<RemoteSession, BackendError> {
    supabase.refresh(&Token::from(TOKEN.to_owned())).await
}

#[tokio::test]
async fn what_is_asked_is_what_the_server_documents_and_nothing_else() {
    let (fake, supabase) = asking([Act::Send(good()), Act::Send(good()), Act::Send(good())]);
    assert!(matches!(sign_up(&supabase).await, Ok(SignedUp::Session(_))));
    sign_in(&supabase).await.unwrap();
    refresh(&supabase).await.unwrap();

    let expected = [
        (
            "POST /auth/v1/signup HTTP/1.1",
            json!({
                "email": "Ada@example.com", "password": PASSWORD,
                "data": { "location_zip": "94107", "pricing_location": 1 },
            }),
        ),
        (
            "POST /auth/v1/token?grant_type=password HTTP/1.1",
            json!({ "email": "Ada@example.com", "password": PASSWORD }),
        ),
        ("POST /auth/v1/token?grant_type=refresh_token HTTP/1.1", json!({ "refresh_token": TOKEN })),
    ];
    let received = fake.received();
    assert_eq!(received.len(), expected.len());
    for (received, (line, body)) in received.iter().zip(expected) {
        assert_eq!((received.line.as_str(), &received.body), (line, &body));
        let headers = BTreeMap::from(
            [
                ("accept", "application/json"),
                ("apikey", KEY),
                ("content-length", &body.to_string().len().to_string()),
                ("content-type", "application/json"),
                ("host", &fake.address.to_string()),
                ("user-agent", concat!("bearergate/", env!("CARGO_PKG_VERSION"))),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        assert_eq!(received.headers, headers);
        assert_eq!(received.connection, 0, "one connection is enough");
    }
}

#[tokio::test]
async fn a_session_comes_back_as_the_server_gave_it() {
    let (_fake, supabase) = asking([Act::Send(good())]);
    let session = sign_in(&supabase).await.unwrap();
    assert_eq!(session.access_token, "header.claims.signature");
    assert_eq!((session.refresh_token.as_str(), session.expires_in, session.expires_at), ("another", 3600, NOW + 3600));
    assert_eq!((session.user.id.to_string().as_str(), session.user.email.as_str()), (ID, "Ada@example.com"));
    assert_eq!(Value::Object(session.user.metadata), json!({ "zip": "1" }));
}

#[tokio::test]
async fn a_signup_that_waits_for_a_mail_gives_the_user() {
    let user = json!({
        "id": ID, "aud": "authenticated", "role": "", "email": "ada@example.com", "phone": "",
        "confirmation_sent_at": "2025-12-12T10:45:22Z", "app_metadata": { "provider": "email" }, "user_metadata": {},
    });
    let (_fake, supabase) = asking([Act::Send(answer(200, "", user))]);
    let Ok(SignedUp::Pending(user)) = sign_up(&supabase).await else { panic!("it is pending") };
    assert_eq!((user.id.to_string().as_str(), user.metadata), (ID, Map::new()));
}

/// A status, headers, a body, and what they mean.
type Row = (u16, &'static str, Value, BackendError);

fn acts(rows: &[Row]) -> Vec<Act> {
    rows.iter().map(|(status, headers, body, _)| Act::Send(answer(*status, headers, body))).collect()
}

const fn later(seconds: u64) -> BackendError {
    BackendError::RateLimited { retry_after: Duration::from_secs(seconds) }
}

// Refusals as the server sends them; each code and each text has its row in the unit tests.

#[tokio::test]
async fn every_refusal_of_a_signup_arrives_as_what_it_is() {
    use BackendError as E;

    let short = "Password should be at least 6 characters.";
    let weak = json!({"code":422,"error_code":"weak_password","msg":short,"weak_password":{"reasons":["length"]}});
    let exists = json!({"code":422,"error_code":"user_already_exists","msg":"User already registered"});
    let invalid = json!({"code":"email_address_invalid","message":"Email address \"a\" is invalid"});
    let closed = json!({"code":422,"error_code":"signup_disabled","msg":"Signups not allowed for this instance"});
    let mails = json!({"code":429,"error_code":"over_email_send_rate_limit","msg":"email rate limit exceeded"});
    let rows = [
        (422, "", exists, E::UserExists),
        (400, "", json!({"code":400,"msg":"User already registered"}), E::UserExists),
        (422, "", weak, E::WeakPassword { message: short.to_owned() }),
        (422, "", json!({"code":422,"msg":short}), E::WeakPassword { message: short.to_owned() }),
        (400, "", invalid, E::InvalidEmail),
        (422, "", closed, E::SignupDisabled),
        (429, "", mails, later(60)),
    ];
    let (fake, supabase) = asking(acts(&rows));
    for (status, _, body, expected) in &rows {
        assert_eq!(sign_up(&supabase).await.unwrap_err(), *expected, "{status} {body}");
    }
    assert_eq!(fake.received().len(), rows.len(), "nothing is asked twice");
}

#[tokio::test]
async fn every_refusal_of_a_login_arrives_as_what_it_is() {
    use BackendError as E;

    let grant = |text: &str| json!({"error":"invalid_grant","error_description":text});
    let wrong = json!({"code":400,"error_code":"invalid_credentials","msg":"Invalid login credentials"});
    let banned = json!({"code":400,"error_code":"user_banned","msg":"User is banned"});
    let rows = [
        (400, "", wrong, E::InvalidCredentials),
        (400, "", grant("Invalid login credentials"), E::InvalidCredentials),
        (400, "", grant("Email not confirmed"), E::NotConfirmed),
        (400, "", json!({"code":400,"error_code":"email_not_confirmed","msg":"x"}), E::NotConfirmed),
        (400, "", banned, E::Banned),
        (429, "Retry-After: 17\r\n", json!({"message":"API rate limit exceeded"}), later(17)),
        (429, "Retry-After: Fri, 12 Dec 2025 10:47:22 GMT\r\n", json!("slow down"), later(120)),
        (503, "Retry-After: 5\r\n", json!({"code":"invalid_credentials"}), E::Unreachable(Cause::Status(503))),
    ];
    let (fake, supabase) = asking(acts(&rows));
    for (status, _, body, expected) in &rows {
        assert_eq!(sign_in(&supabase).await.unwrap_err(), *expected, "{status} {body}");
    }
    assert_eq!(fake.received().len(), rows.len(), "nothing is asked twice");
}

#[tokio::test]
async fn every_refusal_of_a_refresh_arrives_as_what_it_is() {
    use BackendError as E;

    let unknown = "Invalid Refresh Token: Refresh Token Not Found";
    let busy = json!({"code":409,"error_code":"conflict","msg":"Too many concurrent token refresh requests"});
    let rows = [
        (400, "", json!({"error_description":"Invalid Refresh Token: Already Used"}), E::InvalidRefreshToken),
        (400, "", json!({"code":400,"error_code":"refresh_token_not_found","msg":unknown}), E::InvalidRefreshToken),
        (
            400,
            "",
            json!({"code":400,"error_code":"validation_failed","msg":"refresh_token required"}),
            E::InvalidRefreshToken,
        ),
        (409, "", busy, later(1)),
        (401, "", json!({"message":"Invalid API key","hint":"x"}), E::Unreachable(Cause::Key)),
    ];
    let (fake, supabase) = asking(acts(&rows));
    for (status, _, body, expected) in &rows {
        assert_eq!(refresh(&supabase).await.unwrap_err(), *expected, "{status} {body}");
    }
    assert_eq!(fake.received().len(), rows.len(), "nothing is asked twice");
}
