//! The PROXY protocol over real sockets.

use std::{net::TcpStream, time::Duration};

use bearergate::config::Limits;

use crate::support::{Client, Gateway, Setup, Upstream, client::header};

const GET: &str = "GET /public/a HTTP/1.1\r\nHost: a\r\n\r\n";

fn gateway(upstream: &Upstream, trusted: &str) -> Gateway {
    let limits = Limits { header_timeout: Duration::from_millis(300), ..Limits::default() };
    let mut setup = Setup::new(&[upstream.address]).limits(limits);
    setup.proxy_protocol = vec![trusted.parse().unwrap()];
    setup.start()
}

fn version_2(command: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, 0x11][..], &length, rest].concat()
}

fn closed(gateway: &Gateway) -> u64 {
    let text = gateway.admin().get("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix("bearergate_proxy_protocol_refused_total "));
    line.unwrap().parse().unwrap()
}

#[test]
fn the_address_of_the_header_is_the_clients() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream, "127.0.0.0/8");
    let version_2_of_client = version_2(0x21, &[203, 0, 113, 9, 10, 0, 0, 1, 0x0f, 0xa0, 0, 80, 4, 0, 1, 0]);
    for (prefix, expected) in [
        (b"PROXY TCP4 203.0.113.9 10.0.0.1 4000 80\r\n".to_vec(), "203.0.113.9"),
        (b"PROXY TCP6 2001:db8::9 ::1 4000 80\r\n".to_vec(), "2001:db8::9"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (version_2_of_client, "203.0.113.9"),
        (version_2(0x20, &[]), "127.0.0.1"),
    ] {
        let mut client = gateway.connect();
        assert_eq!(client.send([&prefix, GET.as_bytes()].concat()).response().status, 200);
        assert_eq!(header(&upstream.received(), "x-forwarded-for"), Some(expected));
        assert_eq!(client.send(GET).response().status, 200, "the header is that of the connection");
        assert_eq!(header(&upstream.received(), "x-forwarded-for"), Some(expected));
        // Byte by byte it is the same.
        let mut slow = gateway.connect();
        for byte in &prefix {
            slow.send([*byte]);
            std::thread::sleep(Duration::from_micros(200));
        }
        assert_eq!(slow.send(GET).response().status, 200);
        assert_eq!(header(&upstream.received(), "x-forwarded-for"), Some(expected));
    }
    assert_eq!(closed(&gateway), 0);
}

#[test]
fn without_a_header_a_connection_of_a_balancer_is_closed() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream, "127.0.0.0/8");
    let wrong: [&[u8]; 6] = [
        GET.as_bytes(),
        b"PROXY TCP4 203.0.113.9 10.0.0.1 4000 80\n\r\n",
        b"PROXY TCP4 203.0.113.9",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        b"",
    ];
    for bytes in wrong {
        assert!(gateway.connect().send(bytes).is_closed(), "{bytes:?}");
    }
    drop(TcpStream::connect(gateway.running.address()).unwrap());
    while closed(&gateway) < 7 {
        std::thread::yield_now();
    }
    assert!(upstream.received_nothing_else());
}

#[test]
fn a_header_of_anybody_else_is_no_request() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream, "192.0.2.0/24");
    let mut client = gateway.connect();
    let refused = client.send(format!("PROXY TCP4 203.0.113.9 10.0.0.1 4000 80\r\n{GET}")).response();
    assert_eq!(refused.status, 400);
    assert!(client.is_closed() && upstream.received_nothing_else());
    assert_eq!(gateway.connect().send(version_2(0x20, &[])).response().status, 400);
    assert_eq!(gateway.connect().send(GET).response().status, 200);
    assert_eq!(header(&upstream.received(), "x-forwarded-for"), Some("127.0.0.1"));
}

#[test]
fn an_address_of_the_header_may_be_a_trusted_proxys() {
    let upstream = Upstream::ok();
    let mut setup = Setup::new(&[upstream.address]);
    setup.proxy_protocol = vec!["127.0.0.1/32".parse().unwrap()];
    setup.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    let gateway = setup.start();
    for (source, expected) in [("10.1.1.1", "198.51.100.7, 10.1.1.1"), ("203.0.113.9", "203.0.113.9")] {
        let head = format!("PROXY TCP4 {source} 10.0.0.1 4000 80\r\n");
        let forwarded = "GET /public/a HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n";
        let mut client: Client = gateway.connect();
        assert_eq!(client.send(head).send(forwarded).response().status, 200);
        assert_eq!(header(&upstream.received(), "x-forwarded-for"), Some(expected));
    }
}

#[test]
fn the_ceiling_for_one_address_is_that_of_the_header() {
    let upstream = Upstream::ok();
    let mut setup = Setup::new(&[upstream.address]);
    setup.limits = Limits { connections_per_address: 2, ..Limits::default() };
    setup.proxy_protocol = vec!["127.0.0.0/8".parse().unwrap()];
    let gateway = setup.start();
    let from = |head: &str| {
        let mut client = gateway.connect();
        client.try_send(format!("{head}{GET}"));
        client
    };
    let of = |last: u8| format!("PROXY TCP4 203.0.113.{last} 10.0.0.1 4000 80\r\n");
    let mut open: Vec<Client> = (0..2).map(|_| from(&of(1))).collect();
    open.iter_mut().for_each(|client| assert_eq!(client.response().status, 200));
    assert!(from(&of(1)).is_closed());
    for _ in 0..2 {
        open.push(from(&of(2)));
        assert_eq!(open.last_mut().unwrap().response().status, 200, "another client of the same balancer");
        // The balancer's own count is apart, and is that of its address.
        open.push(from("PROXY UNKNOWN\r\n"));
        assert_eq!(open.last_mut().unwrap().response().status, 200);
    }
    assert!(from("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n").is_closed());
    let metrics = gateway.admin().get("/metrics").text();
    assert!(metrics.contains("bearergate_connections_refused_total{reason=\"address\"} 2\n"), "{metrics}");
}

#[test]
fn what_follows_the_addresses_is_read_over_as_far_as_it_may_be_long() {
    let upstream = Upstream::ok();
    let gateway = gateway(&upstream, "127.0.0.0/8");
    let with = |tlv: usize| {
        version_2(0x21, &[&[203, 0, 113, 9, 10, 0, 0, 1, 0x0f, 0xa0, 0, 80][..], &vec![b'G'; tlv]].concat())
    };
    for tlv in [1, 500, 4096 - 16 - 12] {
        let header_and_request = [with(tlv), GET.into()].concat();
        let mut client = gateway.connect();
        for piece in header_and_request.chunks(999) {
            client.send(piece);
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(client.response().status, 200, "{tlv}");
        assert_eq!(header(&upstream.received(), "x-forwarded-for"), Some("203.0.113.9"));
    }
    for tlv in [4096 - 16 - 11, 65_535 - 12] {
        let mut client = gateway.connect();
        client.try_send([with(tlv), GET.into()].concat());
        assert!(client.is_closed(), "{tlv}");
    }
    assert!(upstream.received_nothing_else());
}
