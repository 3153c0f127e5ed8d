//! An upstream that resets, breaks off, hangs, drips and talks nonsense, beside one that is well.

use std::{thread, time::Duration};

use socket2::SockRef;

use crate::{
    house::{House, configuration, echo, eventually, token, with_path},
    load::{Asked, load},
    upstream::{Line, Upstream},
};

/// What it can do wrong, and what a client is told then. It answers whatever else it is asked.
const FAULTS: [(&str, &str); 12] = [
    ("reset", "502"),
    ("close", "502"),
    ("half-a-head", "502"),
    ("garbage", "502"),
    ("two-lengths", "502"),
    ("endless-head", "502"),
    ("endless-interim", "502"),
    ("hang", "504"),
    ("drip-head", "504"),
    ("cut", "200 cut"),
    ("cut-chunks", "200 cut"),
    ("reset-in-the-body", "200 cut"),
];

/// Does as the request's path says, `/bad/FAULT/NUMBER`. `None`: the connection is over.
fn serve(line: &mut Line) -> Option<()> {
    let (head, _) = line.request()?;
    let path = head.split(' ').nth(1)?.to_owned();
    match path.split('/').nth(2)? {
        "reset" => SockRef::from(&line.stream).set_linger(Some(Duration::ZERO)).unwrap(),
        "close" => {}
        "half-a-head" => drop(line.send("HTTP/1.1 200 OK\r\nContent-Le")),
        "garbage" => drop(line.send([0x16, 0x03, 0x01, 0x00, 0xff, 0x0a, 0x0a])),
        "two-lengths" => drop(line.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nfour")),
        "endless-head" => {
            line.send("HTTP/1.1 200 OK\r\n");
            while line.send("X-More: of it\r\n".repeat(100)) {}
        }
        "endless-interim" => while line.send("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(10)) {},
        "hang" => drop(line.fill()),
        "drip-head" => {
            line.send("HTTP/1.1 200 OK\r\nX-More: ");
            while line.send("o") {
                thread::sleep(Duration::from_millis(50));
            }
        }
        "cut" => drop(line.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nten bytes.")),
        "cut-chunks" => drop(line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")),
        "reset-in-the-body" => {
            line.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nten bytes.");
            thread::sleep(Duration::from_millis(5));
            SockRef::from(&line.stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        "drip" => {
            for byte in with_path(&head).as_bytes() {
                line.send([*byte]);
                thread::sleep(Duration::from_millis(1));
            }
            return Some(());
        }
        _ => return line.send(with_path(&head)).then_some(()),
    }
    None
}

#[test]
fn what_goes_wrong_behind_the_gateway_is_told_as_what_it_is_and_touches_no_other_request() {
    let bad = Upstream::start(|mut line| while serve(&mut line).is_some() {});
    let good = echo();
    let tail = format!(
        "[[route]]\nmatch = '* /bad/**'\nupstream = 'bad'\n\
         [upstream.bad]\nservers = ['http://{}']\nresponse_timeout = '700ms'",
        bad.address
    );
    let mut house = House::start(&configuration("", good.address, &tail));
    let token = token("alice");
    house.assert_idle();
    let descriptors = house.descriptors();
    let kinds = FAULTS.map(|(fault, _)| fault);
    let (tally, ()) = load(
        house.address,
        16,
        |client, number| {
            let fault = kinds[(number as usize + client) % kinds.len()];
            match client {
                0..6 => Asked::new("good", format!("/api/{client}/{number}"), &token),
                6 => Asked::new("drip", format!("/bad/drip/{number}"), &token),
                7 => Asked::new("good server", format!("/bad/well/{number}"), &token),
                _ => Asked::new(fault, format!("/bad/{fault}/{number}"), &token),
            }
        },
        || thread::sleep(Duration::from_secs(4)),
    );
    for (fault, outcome) in FAULTS {
        tally.assert_each(fault, &[outcome]);
    }
    for kind in ["good", "drip", "good server"] {
        tally.assert_each(kind, &["200"]);
    }
    assert!(tally.of("good", "200") > 100, "{tally:?}");
    assert!(tally.slowest("good") < Duration::from_secs(3), "{tally:?}");
    // What had to do with the faults is put away again; an idle connection may be kept.
    eventually(|| house.descriptors() <= descriptors + 16);
    house.assert_idle();
    assert_eq!(house.status("/bad/well", &token), 200);
    house.terminate();
}
