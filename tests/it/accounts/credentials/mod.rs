//! Credentials under attack, and faults behind them: what has to hold for every API alike.

mod bodies;
mod crowd;
mod faults;
mod guessing;
mod killed;
mod links;
mod passwords;
mod postgres;
mod program;
mod secrets;
mod sessions;
mod trail;

use std::{net::IpAddr, path::PathBuf, sync::LazyLock};

use aws_lc_rs::rand::SystemRandom;
use bearergate::{
    accounts::{
        Uuid,
        email::Email,
        model::{Aside, NewUser, User},
        password::{Hasher, HasherLimits, PasswordPolicy},
        store::{Creation, UserStore},
    },
    clock::Timestamp,
    secret::Secret,
    store::{Location, Store},
};
use mail_parser::MessageParser;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use super::harness::{Api, Kept, text};
use crate::support::{Client, NOW, client::Response};

/// What three APIs call the same things.
#[derive(Debug)]
pub(super) struct Words {
    preset: &'static str,
    login: &'static str,
    /// A login that is refused.
    refused: (u16, &'static str),
    /// A refresh with a token in the body; otherwise with one in `Authorization`.
    refresh: (&'static str, bool),
    unrefreshed: u16,
    register: Option<&'static str>,
    ask_reset: Option<&'static str>,
    confirm_reset: Option<&'static str>,
    logout: &'static str,
    throttled: &'static str,
    unavailable: &'static str,
    busy: &'static str,
    too_large: &'static str,
    /// The names of the two tokens.
    tokens: (&'static str, &'static str),
    /// The fewest characters of a password.
    fewest: usize,
}

pub(super) const HUNGRY_MACHINES: Words = Words {
    preset: "hungry-machines",
    login: "/auth/login",
    refused: (400, "Invalid login credentials"),
    refresh: ("/auth/refresh", true),
    unrefreshed: 400,
    register: Some("/auth/signup"),
    ask_reset: None,
    confirm_reset: None,
    logout: "/auth/logout",
    throttled: "Too Many Requests",
    unavailable: "Database unavailable",
    busy: "Service Unavailable",
    too_large: "Request Entity Too Large",
    tokens: ("access_token", "refresh_token"),
    fewest: 6,
};

pub(super) const HOMSAI: Words = Words {
    preset: "homsai",
    login: "/auth/login",
    refused: (401, "Invalid username or password"),
    refresh: ("/auth/token", false),
    unrefreshed: 401,
    register: None,
    ask_reset: Some("/auth/resetPassword"),
    confirm_reset: Some("/auth/setPassword"),
    logout: "/auth/logout",
    throttled: "Too many requests",
    unavailable: "Service temporarily unavailable",
    busy: "Service temporarily unavailable",
    too_large: "Request body too large",
    tokens: ("accessToken", "refreshToken"),
    fewest: 8,
};

pub(super) const UPTIMEHUNT: Words = Words {
    preset: "uptimehunt",
    login: "/api/v1/auth/login",
    refused: (400, "Invalid credentials"),
    refresh: ("/api/v1/auth/refresh", true),
    unrefreshed: 401,
    register: Some("/api/v1/auth/register"),
    ask_reset: Some("/api/v1/auth/password-reset/request"),
    confirm_reset: Some("/api/v1/auth/password-reset/confirm"),
    logout: "/api/v1/auth/logout",
    throttled: "Request was throttled",
    unavailable: "Service temporarily unavailable, try again later",
    busy: "Service temporarily unavailable, try again later",
    too_large: "Request body too large",
    tokens: ("access_token", "refresh_token"),
    fewest: 8,
};

/// Each of them is a test of each API on each store.
macro_rules! for_each_api {
    ($($test:ident)*) => {
        $crate::accounts::credentials::for_each_api! { hungry_machines HUNGRY_MACHINES: $($test)* }
        $crate::accounts::credentials::for_each_api! { homsai HOMSAI: $($test)* }
        $crate::accounts::credentials::for_each_api! { uptimehunt UPTIMEHUNT: $($test)* }
    };
    ($module:ident $words:ident: $($test:ident)*) => {
        mod $module {
            mod sqlite {
                $(
                    #[test]
                    fn $test() {
                        let kept = $crate::accounts::harness::Kept::in_sqlite();
                        super::super::$test(&$crate::accounts::credentials::$words, &kept);
                    }
                )*
            }

            mod postgres {
                $(
                    #[test]
                    #[ignore = "needs a PostgreSQL server"]
                    fn $test() {
                        let kept = $crate::accounts::harness::Kept::in_postgres();
                        super::super::$test(&$crate::accounts::credentials::$words, &kept);
                    }
                )*
            }
        }
    };
}

use for_each_api;

/// Of everybody who is made by [`person`].
const PASSWORD: &str = "a password that nobody guesses";
/// A route that every token opens.
const OPEN: &str = "[[route]]\nmatch = 'GET /anything'\n";
const UNLIMITED: &str = "throttle = { account = 'off', address = 'off' }";

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The store of a gateway, from beside it.
fn store(kept: &Kept) -> Store {
    let sqlite = kept.url.strip_prefix("sqlite:").map(|path| Location::Sqlite(path.into()));
    Store::open(&sqlite.unwrap_or_else(|| Location::Postgres(Secret::from(kept.url.clone())))).unwrap()
}

/// The file of a store that is in one.
fn file(kept: &Kept) -> PathBuf {
    kept.url.strip_prefix("sqlite:").unwrap().into()
}

/// Somebody with [`PASSWORD`], as an operator would add them.
fn person(kept: &Kept, email: &str) -> User {
    static HASH: LazyLock<String> = LazyLock::new(|| {
        let hasher = Hasher::new(HasherLimits::default(), SystemRandom::new()).unwrap();
        let password = PASSWORD.to_owned().into();
        let hash = runtime().block_on(hasher.hash_new(&password, PasswordPolicy::default(), &[]));
        hash.unwrap().as_str().to_owned()
    });
    person_with(kept, email, Some(HASH.clone()))
}

fn person_with(kept: &Kept, email: &str, password: Option<String>) -> User {
    let joined = Timestamp::from_secs(NOW);
    let user = NewUser {
        id: Uuid::random(&SystemRandom::new()).unwrap(),
        number: None,
        email: Email::parse(email).unwrap(),
        joined,
        confirmed: Some(joined),
        disabled: None,
        attributes: Map::new(),
        password,
    };
    match runtime().block_on(store(kept).create_user(user, Aside::default(), joined)).unwrap() {
        Creation::Created(user) => *user,
        other => panic!("{other:?}"),
    }
}

/// Both tokens of somebody.
#[derive(Clone)]
struct Tokens {
    access: String,
    refresh: String,
}

impl Words {
    fn start(&self, kept: &Kept, accounts: &str) -> Api {
        Api::start(self.preset, kept, OPEN, accounts)
    }

    #[track_caller]
    fn try_login(&self, api: &Api, email: &str, password: &str) -> Response {
        api.post(self.login, &json!({ "email": email, "password": password }))
    }

    #[track_caller]
    fn login(&self, api: &Api, email: &str, password: &str) -> Tokens {
        self.tokens_in(&self.try_login(api, email, password))
    }

    #[track_caller]
    fn tokens_in(&self, response: &Response) -> Tokens {
        let body = super::harness::json(response, 200);
        let (access, refresh) = self.tokens;
        // Where refreshing leaves the refresh token alone, it need not be said again.
        let refresh = body.get(refresh).map_or("", |_| text(&body, refresh));
        Tokens { access: text(&body, access).to_owned(), refresh: refresh.to_owned() }
    }

    #[track_caller]
    fn try_refresh(&self, api: &Api, token: &str) -> Response {
        match self.refresh {
            (path, true) => api.post(path, &json!({ "refresh_token": token })),
            (path, false) => api.get(path, token),
        }
    }

    /// What to send for that.
    fn refreshing(&self, token: &str) -> String {
        match self.refresh {
            (path, true) => post(path, &json!({ "refresh_token": token })),
            (path, false) => format!("GET {path} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {token}\r\n\r\n"),
        }
    }

    /// The text of a refusal in the API's shape, which it must have.
    #[track_caller]
    fn said(&self, response: &Response, path: &str) -> (u16, String) {
        let value: Value =
            serde_json::from_slice(&response.body).unwrap_or_else(|error| panic!("{error}: {response:?}"));
        assert_eq!(response.header("content-type"), Some("application/json"), "{response:?}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{response:?}");
        let names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        if self.preset == "homsai" {
            assert_eq!(names, ["timestamp", "status", "error", "message", "path"], "{value}");
            assert_eq!((&value["status"], &value["path"]), (&json!(response.status), &json!(path)), "{value}");
            return (response.status, text(&value, "message").to_owned());
        }
        // What is wrong with the body as such, in Django REST framework's map of fields.
        if words_of_fields(&names) && self.preset == "uptimehunt" && response.status == 400 {
            return (response.status, value.to_string());
        }
        assert_eq!(names, ["detail"], "{value}");
        (response.status, value["detail"].as_str().map_or_else(|| value["detail"].to_string(), str::to_owned))
    }

    #[track_caller]
    fn assert_refused(&self, response: &Response) {
        let (status, told) = self.refused;
        assert_eq!(self.said(response, self.login), (status, told.to_owned()));
    }

    /// Its `Retry-After`.
    #[track_caller]
    fn assert_throttled(&self, response: &Response, path: &str) -> u64 {
        assert_eq!(self.said(response, path), (429, self.throttled.to_owned()));
        let after = response.header("retry-after").unwrap_or_else(|| panic!("{response:?}")).parse().unwrap();
        assert!((1..=17 * 60).contains(&after), "{after}");
        after
    }

    #[track_caller]
    fn reach(&self, api: &Api, token: &str) -> u16 {
        api.get("/anything", token).status
    }

    /// A new password by the token of a mail.
    #[track_caller]
    fn reset(&self, api: &Api, (uid, token): (&str, &str), password: &str) -> Response {
        self.reset_from(api, "127.0.0.1", (uid, token), password)
    }

    #[track_caller]
    fn reset_from(&self, api: &Api, source: &str, (uid, token): (&str, &str), password: &str) -> Response {
        let path = self.confirm_reset.unwrap();
        let (bearer, body) = if self.preset == "homsai" {
            (format!("Authorization: Bearer {token}\r\n"), json!({ "password": password }))
        } else {
            (String::new(), json!({ "uid": uid, "token": token, "new_password": password }))
        };
        from(api, source, &post(path, &body).replacen("\r\n", &format!("\r\n{bearer}"), 1))
    }

    /// Asks for a link and takes it out of the mail: the user, as it has it, and the token.
    #[track_caller]
    fn link(&self, api: &Api, email: &str) -> (String, String) {
        let older: Vec<_> = api.smtp.mails().iter().map(|mail| links_in(&mail.data)).collect();
        let before = older.len();
        super::harness::json(&api.post(self.ask_reset.unwrap(), &json!({ "email": email })), 200);
        // A mail about something that was done before has none; and one that could not be forgotten comes again.
        let mut links = (before..).map(|at| links_in(&api.smtp.wait_for(at + 1)[at].data));
        parts(&links.find(|link| link.is_some() && !older.contains(link)).flatten().unwrap())
    }
}

/// The link of a mail.
#[track_caller]
fn link_in(mail: &[u8]) -> String {
    links_in(mail).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(mail)))
}

fn links_in(mail: &[u8]) -> Option<String> {
    let mail = MessageParser::default().parse(mail).unwrap();
    let text = mail.body_text(0).unwrap().into_owned();
    text.split_whitespace().find(|word| word.starts_with("http")).map(str::to_owned)
}

/// Whom a link is for, if it says so, and its token.
fn parts(link: &str) -> (String, String) {
    if let Some((_, token)) = link.split_once("?token=") {
        return (String::new(), token.to_owned());
    }
    let mut parts = link.rsplit('/');
    let (token, uid) = (parts.next().unwrap(), parts.next().unwrap());
    (uid.to_owned(), token.to_owned())
}

fn words_of_fields(names: &[&str]) -> bool {
    ["non_field_errors", "email", "password", "refresh_token", "uid", "token", "new_password"].contains(&names[0])
}

/// The bytes of a request with a JSON body.
fn post(path: &str, body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// What is answered to somebody at this address of the machine's own.
#[track_caller]
fn from(api: &Api, source: &str, request: &str) -> Response {
    let mut client = Client::connect_from(source.parse::<IpAddr>().unwrap(), api.gateway.running.address());
    client.send(request).response()
}

/// A number of the metrics.
#[track_caller]
fn metric(api: &Api, name: &str) -> u64 {
    let metrics = api.gateway.admin().ask("GET", "/metrics", None).text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name}: {metrics}")).parse().unwrap()
}

fn hashed(api: &Api) -> u64 {
    metric(api, "bearergate_passwords_hashed_total")
}
