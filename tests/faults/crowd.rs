//! Very many connections on which nothing is asked.

use std::{net::TcpStream, time::Duration};

use tokio::time::Instant;

use crate::{
    house::{House, configuration, echo, eventually, token},
    load::{Asked, load},
    program::shell,
};

const WANTED: usize = 10_000;

/// What the system allows a process, this one included from now on.
fn descriptors() -> usize {
    let limit = shell("ulimit -Hn");
    let limit = limit.trim().parse().unwrap_or(1 << 20).min(1 << 20);
    shell(&format!("prlimit --pid {} --nofile={limit}:", std::process::id()));
    limit
}

#[test]
fn ten_thousand_idle_connections_hold_nobody_up() {
    let limit = descriptors();
    // The gateway gives clients half of what is left beside its own.
    let crowd = WANTED.min((limit - 48) / 2 - 64);
    assert!(crowd >= 200, "the system allows {limit} descriptors");
    let upstream = echo();
    let house_of = configuration("", upstream.address, "[limits]\nidle_timeout = '10m'\nheader_timeout = '10m'");
    let mut house = House::start_after(&format!("ulimit -n {limit};"), &house_of);
    let token = token("alice");
    assert_eq!(house.status("/api/before", &token), 200);
    let before = house.proc_status("VmRSS");

    let mut idle: Vec<_> = (0..crowd).map(|_| TcpStream::connect(house.address).unwrap()).collect();
    let connections = || house.metric("bearergate_connections");
    eventually(|| connections() >= crowd as u64);
    let each = (house.proc_status("VmRSS").saturating_sub(before)) * 1024 / crowd as u64;
    assert!(each < 12 * 1024, "{each} bytes for each idle connection");
    house.assert_idle();

    let (tally, ()) = load(
        house.address,
        16,
        |client, number| Asked::new("request", format!("/api/{client}/{number}"), &token),
        || {
            let began = Instant::now();
            assert_eq!(house.ask_admin("/livez").0, 200);
            assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
            std::thread::sleep(Duration::from_secs(1));
        },
    );
    tally.assert_each("request", &["200"]);
    // And none of them was hung up on.
    for stream in &mut idle {
        stream.set_nonblocking(true).unwrap();
        let error = stream.peek(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
    drop(idle);
    eventually(|| connections() < 64);
    assert_eq!(house.status("/api/after", &token), 200);
    house.terminate();
}
