//! An identity provider that fails, while tokens of its keys come in.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use aws_lc_rs::rand::SystemRandom;
use bearergate::jwt::{Algorithm, SigningKey};
use serde_json::{Value, json};

use crate::{
    house::{House, configuration, echo, eventually, forged, signed, token},
    load::{Asked, load},
    upstream::Upstream,
};

fn key(id: &str) -> SigningKey {
    SigningKey::generate(Algorithm::EdDsa, &SystemRandom::new()).unwrap().with_key_id(id.to_owned())
}

/// A token of the provider's issuer.
fn by(key: &SigningKey) -> String {
    signed(key, json!({ "iss": "https://id.example.com", "sub": "alice" }))
}

fn set_of(keys: &[&SigningKey]) -> String {
    let keys: Vec<Value> = keys.iter().map(|key| key.public_jwk().unwrap()).collect();
    ok(&json!({ "keys": keys }).to_string())
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[derive(Clone)]
enum Answer {
    Text(String),
    /// Hangs up.
    Down,
    Silent,
    /// A body without an end.
    Endless,
}

struct Provider {
    upstream: Upstream,
    answer: Arc<Mutex<Answer>>,
    requests: Arc<AtomicUsize>,
}

impl Provider {
    fn new(answer: Answer) -> Self {
        let (answer, requests) = (Arc::new(Mutex::new(answer)), Arc::new(AtomicUsize::new(0)));
        let (told, count) = (Arc::clone(&answer), Arc::clone(&requests));
        let upstream = Upstream::start(move |mut line| {
            while line.request().is_some() {
                count.fetch_add(1, Ordering::SeqCst);
                let answer = told.lock().unwrap().clone();
                match answer {
                    Answer::Text(text) => drop(line.send(text)),
                    Answer::Down => return,
                    Answer::Silent => {
                        line.fill();
                        return;
                    }
                    Answer::Endless => {
                        line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                        return while line.send("10\r\n{\"keys\": [      \r\n".repeat(100)) {};
                    }
                }
            }
        });
        Self { upstream, answer, requests }
    }

    /// From now on it answers so; returns when somebody has been answered so.
    fn set(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
        let before = self.requests.load(Ordering::SeqCst);
        eventually(|| self.requests.load(Ordering::SeqCst) > before);
    }

    fn issuer(&self, more: &str) -> String {
        format!(
            "[issuer.provider]\nissuer = 'https://id.example.com'\nalgorithms = ['EdDSA']\nrefresh = '1s'\n\
             refresh_cooldown = '1s'\njwks_url = 'http://{}/jwks'\n{more}",
            self.upstream.address
        )
    }
}

#[test]
fn whatever_a_provider_answers_a_key_that_is_known_stays_good_and_no_other_becomes_so() {
    let (good, next, stranger) = (key("a"), key("b"), key("a"));
    let provider = Provider::new(Answer::Text(set_of(&[&good])));
    let elsewhere = Provider::new(Answer::Text(set_of(&[&stranger])));
    let upstream = echo();
    let mut house = House::start(&configuration("", upstream.address, &provider.issuer("max_stale = '1h'")));
    let known = by(&good);
    eventually(|| house.status("/api", &known) == 200);
    let tokens = [
        ("known", known.clone()),
        ("another issuer's", token("alice")),
        ("forged", forged(&known)),
        ("a stranger's", by(&stranger)),
        ("an unknown key's", by(&next)),
    ];
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{}/jwks\r\nContent-Length: 0\r\n\r\n",
        elsewhere.upstream.address
    );
    let answers = [
        Answer::Down,
        Answer::Text("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".to_owned()),
        Answer::Text(redirect),
        Answer::Text(ok("<html>Sign in</html>")),
        Answer::Text(ok("{\"keys\": []}")),
        Answer::Text("\u{0}\u{1}nonsense\r\n\r\n".to_owned()),
        Answer::Endless,
        Answer::Silent,
    ];
    let (tally, ()) = load(
        house.address,
        10,
        |client, number| {
            // Each of them always has somebody who asks.
            let (kind, token) = &tokens[client % tokens.len()];
            Asked::new(kind, format!("/api/{client}/{number}"), token)
        },
        || {
            for answer in answers {
                provider.set(answer);
                thread::sleep(Duration::from_millis(100));
            }
        },
    );
    tally.assert_each("known", &["200"]);
    tally.assert_each("another issuer's", &["200"]);
    tally.assert_each("forged", &["401"]);
    tally.assert_each("a stranger's", &["401"]);
    tally.assert_only("an unknown key's", &["401", "503"]);
    assert!(tally.slowest("known") < Duration::from_secs(3), "{tally:?}");
    assert_eq!(elsewhere.requests.load(Ordering::SeqCst), 0, "a redirect is not followed");

    // It comes back, with another key in the place of the first.
    provider.set(Answer::Text(set_of(&[&next])));
    eventually(|| house.status("/api", &by(&next)) == 200);
    assert_eq!(house.status("/api", &known), 401, "the key is no more");
    house.terminate();
}

#[test]
fn a_provider_that_is_down_at_the_start_costs_its_own_tokens_alone_and_no_wrong_answer_when_it_comes() {
    let good = key("a");
    let provider = Provider::new(Answer::Down);
    let upstream = echo();
    let mut house = House::start(&configuration("", upstream.address, &provider.issuer("")));
    let (known, other) = (by(&good), token("alice"));
    let forged = forged(&known);
    let (tally, ()) = load(
        house.address,
        6,
        |client, number| {
            let (kind, token) = [("known", &known), ("another issuer's", &other), ("forged", &forged)][client % 3];
            Asked::new(kind, format!("/api/{client}/{number}"), token)
        },
        || {
            thread::sleep(Duration::from_millis(500));
            provider.set(Answer::Text(set_of(&[&good])));
            eventually(|| house.status("/api", &known) == 200);
            thread::sleep(Duration::from_millis(300));
        },
    );
    tally.assert_each("known", &["503", "200"]);
    tally.assert_each("another issuer's", &["200"]);
    tally.assert_each("forged", &["503", "401"]);
    house.terminate();
}

#[test]
fn keys_that_are_too_old_are_no_keys_until_they_come_again() {
    let good = key("a");
    let provider = Provider::new(Answer::Text(set_of(&[&good])));
    let upstream = echo();
    let mut house = House::start(&configuration("", upstream.address, &provider.issuer("max_stale = '3s'")));
    let known = by(&good);
    let forged = forged(&known);
    eventually(|| house.status("/api", &known) == 200);
    let (tally, ()) = load(
        house.address,
        4,
        |client, number| {
            let (kind, token) = [("known", &known), ("forged", &forged)][client % 2];
            Asked::new(kind, format!("/api/{client}/{number}"), token)
        },
        || {
            provider.set(Answer::Down);
            eventually(|| house.status("/api", &known) == 503);
            thread::sleep(Duration::from_millis(300));
            assert_eq!(house.status("/api", &known), 503, "until it is back");
            provider.set(Answer::Text(set_of(&[&good])));
            eventually(|| house.status("/api", &known) == 200);
            thread::sleep(Duration::from_millis(300));
        },
    );
    tally.assert_each("known", &["200", "503"]);
    tally.assert_each("forged", &["401", "503"]);
    house.terminate();
}
