//! More requests than are borne at once.

use std::{thread, time::Duration};

use tokio::time::Instant;

use crate::{
    house::{House, configuration, token, with_path},
    load::{Asked, load},
    upstream::Upstream,
};

/// Longer than a refusal may take, also on a machine that is busy.
const SLOW: Duration = Duration::from_millis(300);

#[test]
fn above_the_limit_of_requests_there_are_fast_refusals_that_say_when_to_come_back_and_the_rest_is_served() {
    let upstream = Upstream::start(|mut line| {
        while let Some((head, _)) = line.request() {
            thread::sleep(SLOW);
            line.send(with_path(&head));
        }
    });
    let mut house = House::start(&configuration("", upstream.address, "[limits]\nrequests = 8"));
    let token = token("alice");
    let (tally, ()) = load(
        house.address,
        40,
        |client, number| Asked::new("request", format!("/api/{client}/{number}"), &token),
        || {
            for _ in 0..20 {
                thread::sleep(Duration::from_millis(100));
                let began = Instant::now();
                assert_eq!(house.ask_admin("/livez").0, 200);
                assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
            }
        },
    );
    // A 503 without `Retry-After` would have been counted as such.
    tally.assert_each("request", &["200", "503"]);
    let (served, refused) = (tally.of("request", "200"), tally.of("request", "503"));
    assert!((8..200).contains(&served), "eight at once, three times a second: {tally:?}");
    assert!(refused > 2 * served, "who is refused has not waited: {tally:?}");
    assert_eq!(house.metric("bearergate_requests_total{outcome=\"refused\",reason=\"overloaded\"}"), refused);
    assert_eq!(house.metric("bearergate_requests_total{outcome=\"forwarded\"}"), served);
    assert_eq!(house.status("/api/after", &token), 200);
    house.terminate();
}
