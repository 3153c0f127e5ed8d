//! No file descriptor left, under load. Whether an idle gateway spins then: `tests/it/cli/process.rs`.

use std::{thread, time::Duration};

use crate::{
    house::{House, configuration, echo, token},
    load::{Asked, Wire, load},
    program::shell,
};

#[test]
fn without_a_file_descriptor_to_spare_who_is_connected_is_served_and_then_everybody_again() {
    let upstream = echo();
    let mut house = House::start(&configuration("", upstream.address, ""));
    let token = token("alice");
    let (tally, crowd) = load(
        house.address,
        6,
        |client, number| Asked::new("request", format!("/api/{client}/{number}"), &token),
        || {
            thread::sleep(Duration::from_millis(300));
            let open = house.descriptors();
            shell(&format!("prlimit --pid {} --nofile={}", house.id(), open + 4));
            let crowd: Vec<_> = (0..60).map(|_| Wire::connect(house.address).unwrap()).collect();
            thread::sleep(Duration::from_secs(1));
            assert!(house.descriptors() <= open + 4);
            crowd
        },
    );
    tally.assert_each("request", &["200"]);
    house.assert_idle();
    // Those that the system has connected meanwhile wait for their turn, which comes when others go.
    let waiting = crowd.into_iter().skip(55);
    for mut client in waiting {
        assert_eq!(client.ask(&Asked::new("late", "/api/late", &token)).0, "200");
    }
    shell(&format!("prlimit --pid {} --nofile=1024", house.id()));
    assert_eq!(house.status("/api/after", &token), 200);
    assert!(house.log().contains("no connection can be accepted"), "{}", house.log());
    house.terminate();
}
