//! A store that cannot be written to, is locked, full or gone, and comes back.

use std::{fs, thread, time::Duration};

use serde_json::{Value, json};
use sqlx::{ConnectOptions, Executor, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{HUNGRY_MACHINES, PASSWORD, Tokens, UNLIMITED, Words, file, hashed, person, runtime};
use crate::{
    accounts::harness::{Api, Kept, json},
    support::client::Response,
};

macro_rules! on_each_fault {
    ($words:ident) => {
        #[test]
        fn locked_by_another_process() {
            super::locked(&$words);
        }

        #[test]
        fn moved_away() {
            super::moved(&$words);
        }
    };
}

mod hungry_machines {
    use super::super::HUNGRY_MACHINES;

    on_each_fault!(HUNGRY_MACHINES);
}

mod homsai {
    use super::super::HOMSAI;

    on_each_fault!(HOMSAI);
}

mod uptimehunt {
    use super::super::UPTIMEHUNT;

    on_each_fault!(UPTIMEHUNT);
}

/// What a store may take to fail, and some more on a machine that is busy.
const IN_TIME: Duration = Duration::from_secs(9);

/// A gateway with somebody who is logged in, and a link of hers.
struct House {
    api: Api,
    tokens: Tokens,
    link: Option<(String, String)>,
}

fn house(words: &Words, kept: &Kept) -> House {
    let api = words.start(kept, UNLIMITED);
    person(kept, "ada@example.com");
    let tokens = words.login(&api, "ada@example.com", PASSWORD);
    let link = words.ask_reset.map(|_| words.link(&api, "ada@example.com"));
    assert_eq!(words.reach(&api, &tokens.access), 200);
    House { api, tokens, link }
}

impl House {
    /// Each endpoint that has to do with what fails, all at once.
    fn ask(&self, words: &Words, writes: bool) -> Vec<(&'static str, Response)> {
        let post = |path, body: &Value| (path, super::post(path, body));
        let mut requests = vec![(words.refresh.0, words.refreshing(&self.tokens.refresh))];
        requests.push(post(words.login, &json!({ "email": "ada@example.com", "password": PASSWORD })));
        requests.push(post(words.login, &json!({ "email": "nobody@example.com", "password": PASSWORD })));
        let bearer = format!("\r\nAuthorization: Bearer {}\r\n", self.tokens.access);
        let logout = super::post(words.logout, &json!({ "refresh_token": self.tokens.refresh }));
        requests.push((words.logout, logout.replacen("\r\n", &bearer, 1)));
        if let Some(path) = words.register {
            requests.push(post(path, &json!({ "email": "new@example.com", "password": PASSWORD })));
        }
        if let Some(path) = words.ask_reset {
            requests.push(post(path, &json!({ "email": "ada@example.com" })));
            requests.push(post(path, &json!({ "email": "nobody@example.com" })));
        }
        for path in ["/auth/me", "/api/v1/auth/me"] {
            let has = words.register.is_some_and(|register| register.starts_with("/api") == path.starts_with("/api"));
            if has && !writes {
                requests.push((path, format!("GET {path} HTTP/1.1\r\nHost: api{bearer}\r\n")));
            }
        }
        let mut clients: Vec<_> = requests.iter().map(|_| self.api.client()).collect();
        for (client, (_, request)) in clients.iter_mut().zip(&requests) {
            client.send(request);
        }
        // Who only forwards does not wait for any of them.
        self.forwards(words);
        requests.iter().zip(&mut clients).map(|((path, _), client)| (*path, client.response())).collect()
    }

    /// A token is verified, and a request forwarded, at once.
    #[expect(clippy::disallowed_methods, reason = "it is about real time")]
    fn forwards(&self, words: &Words) {
        let began = std::time::Instant::now();
        assert_eq!(words.reach(&self.api, &self.tokens.access), 200);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }

    #[expect(clippy::disallowed_methods, reason = "it is about real time")]
    fn assert_unavailable(&self, words: &Words, writes: bool) {
        let began = std::time::Instant::now();
        for (path, answer) in self.ask(words, writes) {
            let (status, said) = words.said(&answer, path);
            // What the outbox does not take is told in the API's own words.
            if words.preset == "uptimehunt" && Some(path) == words.ask_reset && status == 500 {
                assert_eq!(said, "Failed to send password reset email");
            } else {
                assert_eq!((status, said.as_str()), (503, words.unavailable), "{path}");
            }
        }
        assert!(began.elapsed() < IN_TIME, "{:?}", began.elapsed());
        self.forwards(words);
    }

    /// Everything works again, and nothing that failed was half done.
    fn assert_back(self, words: &Words) {
        let Self { api, tokens, link } = self;
        let refreshed = words.tokens_in(&words.try_refresh(&api, &tokens.refresh));
        assert_eq!(words.reach(&api, &refreshed.access), 200);
        words.login(&api, "ada@example.com", PASSWORD);
        if let Some(path) = words.register {
            let new = api.post(path, &json!({ "email": "new@example.com", "password": PASSWORD }));
            assert!([200, 201].contains(&new.status), "nobody was half made: {new:?}");
        }
        if words.ask_reset.is_some() {
            let newer = words.link(&api, "ada@example.com");
            json(&words.reset(&api, (&newer.0, &newer.1), "another password"), 200);
            words.login(&api, "ada@example.com", "another password");
            assert!(link.is_some_and(|link| link != newer));
        }
        assert!(hashed(&api) > 0);
    }
}

/// What has to be done after the store has done its part is done, whether or not anybody still listens.
#[test]
fn a_log_out_is_whole_though_its_client_hangs_up() {
    let (words, kept) = (&HUNGRY_MACHINES, Kept::in_sqlite());
    let House { api, tokens, .. } = house(words, &kept);
    let runtime = runtime();
    let mut other = runtime.block_on(beside(&kept));
    runtime.block_on(other.execute("BEGIN IMMEDIATE")).unwrap();
    let bearer = format!("\r\nAuthorization: Bearer {}\r\n", tokens.access);
    let mut client = api.client();
    client.send(super::post(words.logout, &json!({})).replacen("\r\n", &bearer, 1));
    thread::sleep(Duration::from_millis(300));
    drop(client);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(words.reach(&api, &tokens.access), 200);
    runtime.block_on(other.execute("ROLLBACK")).unwrap();
    let ended = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(50));
        words.reach(&api, &tokens.access) == 401
    });
    assert!(ended, "the session has ended, and its access token counts");
    assert_eq!(words.try_refresh(&api, &tokens.refresh).status, words.unrefreshed);
}

async fn beside(kept: &Kept) -> SqliteConnection {
    SqliteConnectOptions::new().filename(file(kept)).connect().await.unwrap()
}

fn locked(words: &Words) {
    let kept = Kept::in_sqlite();
    let house = house(words, &kept);
    let runtime = runtime();
    let mut other = runtime.block_on(beside(&kept));
    runtime.block_on(other.execute("BEGIN EXCLUSIVE")).unwrap();
    house.assert_unavailable(words, true);
    runtime.block_on(other.execute("ROLLBACK")).unwrap();
    house.assert_back(words);
}

fn moved(words: &Words) {
    let kept = Kept::in_sqlite();
    let house = house(words, &kept);
    let away = file(&kept).with_extension("away");
    fs::rename(file(&kept), &away).unwrap();
    house.assert_unavailable(words, false);
    fs::rename(&away, file(&kept)).unwrap();
    house.assert_back(words);
}
