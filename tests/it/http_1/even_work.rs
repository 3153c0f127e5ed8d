//! The work is even: connections are spread over the workers, and nothing that takes long delays the other requests of a
//! worker.

use std::{
    sync::{Arc, Mutex, mpsc::channel},
    thread,
    time::Duration,
};

use tokio::time::Instant;

use crate::support::{Client, Gateway, Setup, Upstream};

/// What the workers count.
fn by_worker(metrics: &str, name: &str) -> Vec<u64> {
    let prefix = format!("bearergate_worker_{name}{{worker=");
    metrics
        .lines()
        .filter(|line| line.starts_with(&prefix))
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn the_busiest_worker_has_not_many_more_than_the_mean() {
    for connections in [8_u64, 64, 1000] {
        let upstream = Upstream::ok();
        let mut setup = Setup::new(&[upstream.address]);
        setup.workers = 2;
        let gateway = setup.start();
        let mut clients: Vec<Client> = (0..connections).map(|_| gateway.connect()).collect();
        for client in &mut clients {
            for _ in 0..3 {
                assert_eq!(client.send("GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n").response().status, 200);
            }
        }
        let metrics = gateway.admin().get("/metrics").text();
        for (name, all) in [("connections", connections), ("requests_total", 3 * connections)] {
            let each = by_worker(&metrics, name);
            assert_eq!((each.len(), each.iter().sum::<u64>()), (2, all), "{each:?}");
            let busiest = *each.iter().max().unwrap() as f64 / (all as f64 / 2.0);
            println!("{connections} connections, {name}: {each:?}, the busiest has {busiest:.2} times the mean");
            assert!(busiest <= if connections < 64 { 1.5 } else { 1.3 }, "{each:?}");
        }
        drop(clients);
        super::assert_quiet(&gateway);
        assert_eq!(by_worker(&gateway.admin().get("/metrics").text(), "connections"), [0, 0]);
    }
}

/// How long each of so many requests on one connection took, sorted.
fn times(client: &mut Client, count: usize, request: &str) -> Vec<Duration> {
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let asked = Instant::now();
            client.send(request).response();
            asked.elapsed()
        })
        .collect();
    times.sort();
    times
}

#[test]
fn a_request_that_is_waited_for_delays_no_other_of_its_worker() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::start(move |mut line| {
        while let Some((head, _)) = line.request() {
            if head.contains("/slow") {
                wait.lock().unwrap().recv().unwrap();
            }
            line.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let gateway = Gateway::before(&upstream);
    let mut slow = gateway.connect();
    slow.send("GET /public/slow HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut drip = gateway.connect();
    drip.send("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx");
    let times = times(&mut gateway.connect(), 200, "GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(times[100] < Duration::from_millis(50), "{:?}", times[100]);
    go.send(()).unwrap();
    assert_eq!(slow.response().status, 200);
}

#[test]
fn a_configuration_that_is_exchanged_delays_no_request() {
    let upstream = Upstream::ok();
    let gateway = Gateway::before(&upstream);
    let (exchanging, address) = (Arc::clone(&gateway.snapshot), upstream.address);
    let (stop, stopped) = channel::<()>();
    let exchanges = thread::spawn(move || {
        let mut count = 0;
        while stopped.try_recv().is_err() {
            exchanging.store(Arc::new(Setup::new(&[address]).snapshot()));
            count += 1;
            thread::sleep(Duration::from_millis(1));
        }
        count
    });
    let times = times(&mut gateway.connect(), 300, "GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n");
    stop.send(()).unwrap();
    let count = exchanges.join().unwrap();
    assert!(count > 10 && times[150] < Duration::from_millis(50), "{count} exchanges, {:?}", times[150]);
}
