//! `SIGKILL` among writes. Among refreshes of sessions: `tests/it/accounts/credentials/killed.rs`.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use serde_json::json;

use crate::{
    house::{House, configuration, token, token_with, with_path},
    upstream::Upstream,
};

/// Makes what `POST /plants?NAME` asks for, and answers everything else with its path.
fn plants() -> Upstream {
    Upstream::start(|mut line| {
        while let Some((head, _)) = line.request() {
            let path = head.split(' ').nth(1).unwrap();
            let answer = match path.strip_prefix("/plants?") {
                Some(name) => {
                    let body = json!({ "uuid": name }).to_string();
                    format!("HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                }
                None => with_path(&head),
            };
            line.send(answer);
        }
    })
}

const OWNED: &str = "[[route]]\nmatch = '* /plants'\n[[route]]\nmatch = '* /plants/{id}'\nowner = 'plant'\n\
                     [ownership.plant]\nvariable = 'id'\ntable = { learn = { 'POST /plants' = '/uuid' } }";

/// What was promised: the tokens that are revoked, and who made which plant.
#[derive(Default)]
struct Promised {
    revoked: Vec<String>,
    made: Vec<(String, String)>,
}

/// Revokes, until nobody answers.
fn revoke(house: &House, name: &str, done: &AtomicUsize) -> Promised {
    let mut promised = Promised::default();
    for number in 0.. {
        let id = format!("{name}-{number}");
        let Some((status, answer)) = house.revoke(&id) else { break };
        assert_eq!((status, &answer["kept"]), (200, &json!(true)), "{answer}");
        promised.revoked.push(id);
        done.fetch_add(1, Ordering::Relaxed);
    }
    promised
}

/// Makes plants, until nobody answers.
fn make(house: &House, name: &str, done: &AtomicUsize) -> Promised {
    let mut promised = Promised::default();
    let token = token(name);
    for number in 0.. {
        let plant = format!("{name}-{number}");
        let path = format!("/plants?{plant}");
        let Some((status, answer)) = House::post(house.address, &path, Some(&token), &json!({})) else { break };
        assert_eq!((status, &answer["uuid"]), (201, &json!(plant)));
        promised.made.push((name.to_owned(), plant));
        done.fetch_add(1, Ordering::Relaxed);
    }
    promised
}

#[test]
fn what_was_answered_before_a_sigkill_is_so_after_it() {
    let upstream = plants();
    let mut house = House::start(&configuration("store = 'sqlite:state.db'", upstream.address, OWNED));
    let mut promised = Promised::default();
    for (round, least) in [20, 60, 130].into_iter().enumerate() {
        let done = AtomicUsize::new(0);
        let id = house.id();
        let new: Vec<Promised> = thread::scope(|scope| {
            let (house, done) = (&house, &done);
            let revoking = (0..3).map(|at| scope.spawn(move || revoke(house, &format!("token{round}-{at}"), done)));
            let making = (0..3).map(|at| scope.spawn(move || make(house, &format!("person{round}-{at}"), done)));
            let threads: Vec<_> = revoking.chain(making.collect::<Vec<_>>()).collect();
            // On a machine that is busy a time says nothing.
            while done.load(Ordering::Relaxed) < least && !threads.iter().all(thread::ScopedJoinHandle::is_finished) {
                thread::sleep(Duration::from_millis(1));
            }
            crate::program::shell(&format!("kill -KILL {id}"));
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        house.kill();
        house.restart();
        for new in new {
            promised.revoked.extend(new.revoked);
            promised.made.extend(new.made);
        }
        assert!(promised.revoked.len() >= 3 && promised.made.len() >= 3, "both were under way");
        for id in &promised.revoked {
            assert_eq!(house.status("/api", &token_with(json!({ "sub": "alice", "jti": id }))), 401, "{id}");
        }
        for (owner, plant) in &promised.made {
            let path = format!("/plants/{plant}");
            assert_eq!(house.status(&path, &token(owner)), 200, "{owner} made {plant}");
            assert_eq!(house.status(&path, &token("mallory")), 403, "{plant} is {owner}'s alone");
        }
        assert_eq!(house.status("/api", &token_with(json!({ "sub": "alice", "jti": "never revoked" }))), 200);
        assert_eq!(house.status("/plants/never-made", &token("alice")), 403);
    }
    house.terminate();
}
