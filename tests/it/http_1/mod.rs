//! HTTP/1, byte for byte.

mod ambiguous;
mod answers;
mod connection;
mod differential;
mod even_work;

use std::{thread, time::Duration};

use crate::support::Gateway;

/// Waits until no connection is open and no request is in flight.
#[track_caller]
fn assert_quiet(gateway: &Gateway) {
    for _ in 0..200 {
        let metrics = gateway.admin().get("/metrics").text();
        if ["connections 0", "requests_in_flight 0"]
            .iter()
            .all(|gauge| metrics.contains(&format!("bearergate_{gauge}\n")))
        {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{}", gateway.admin().get("/metrics").text());
}
