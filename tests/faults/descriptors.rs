//! No file descriptor left, under load. Whether an idle gateway spins then: `tests/it/cli/process.rs`.

use std::{thread, time::Duration};

use crate::{
    house::{House, configuration, echo, eventually, token},
    load::{Asked, Wire, load},
    program::shell,
};

#[test]
fn without_a_file_descriptor_to_spare_who_is_connected_is_served_and_then_everybody_again() {
    const CLIENTS: u64 = 6;
    let upstream = echo();
    let mut house = House::start(&configuration("", upstream.address, ""));
    let token = token("alice");
    let (tally, crowd) = load(
        house.address,
        CLIENTS as usize,
        |client, number| Asked::new("request", format!("/api/{client}/{number}"), &token),
        || {
            eventually(|| house.metric("bearergate_connections") == CLIENTS);
            thread::sleep(Duration::from_millis(500));
            // It counts the numbers of descriptors, and some below may be free.
            let limit = house.descriptors() + 8;
            shell(&format!("prlimit --pid {} --nofile={limit}:", house.id()));
            let crowd: Vec<_> = (0..60).map(|_| Wire::connect(house.address).unwrap()).collect();
            eventually(|| house.log().contains("no connection can be accepted"));
            thread::sleep(Duration::from_millis(500));
            crowd
        },
    );
    // One that needs a new connection to the upstream just then is told so.
    tally.assert_only("request", &["200", "502"]);
    assert!(tally.of("request", "502") <= CLIENTS && tally.of("request", "200") > 100, "{tally:?}");
    house.assert_idle();
    // Those that the system has connected meanwhile have their turn when others go.
    for mut client in crowd.into_iter().skip(55) {
        assert_eq!(client.ask(&Asked::new("late", "/api/late", &token)).0, "200");
    }
    assert_eq!(house.status("/api/after", &token), 200);
    house.terminate();
}
