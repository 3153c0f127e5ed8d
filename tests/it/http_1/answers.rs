//! Upstreams of HTTP/1: answers that come early, late or never, and connections that serve more than one request.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use crate::support::{
    Gateway, Upstream,
    client::{PATIENCE, header},
};

#[test]
fn an_upstream_of_http_1_0_is_spoken_to_again_only_where_it_says_so() {
    for (answer, connections) in [
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok", 1),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, close\r\n\r\nok", 3),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 3),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x, close\r\n\r\nok", 3),
    ] {
        let upstream = Upstream::answering(answer);
        let gateway = Gateway::before(&upstream);
        let mut client = gateway.connect();
        for _ in 0..3 {
            assert_eq!(client.get("/").text(), "ok", "{answer}");
        }
        assert_eq!(upstream.connections(), connections, "{answer}");
    }
}

#[test]
fn an_answer_may_come_while_the_request_is_still_being_sent() {
    let upstream = Upstream::start(|mut line| {
        while line.head().is_some() {
            line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n");
            let mut size = 0;
            while let Some(chunk) = line.chunk().filter(|chunk| !chunk.is_empty()) {
                size += chunk.len();
                // Each piece is answered before the next one is sent.
                line.send(format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8(chunk).unwrap()));
            }
            assert_eq!(size, 9);
            line.send("0\r\n\r\n");
        }
    });
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    for _ in 0..2 {
        client.send("POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").head();
        assert_eq!(client.chunk().unwrap(), b"early");
        for piece in ["one", "two", "six"] {
            client.send(format!("3\r\n{piece}\r\n"));
            assert_eq!(client.chunk().unwrap(), piece.as_bytes());
        }
        client.send("0\r\n\r\n");
        assert_eq!(client.chunk().unwrap(), b"");
    }
    assert_eq!(upstream.connections(), 1, "sent to its end: the connection is good for another request");
}

#[test]
fn a_client_may_send_all_before_it_reads_anything() {
    const SIZE: usize = 24 << 20;
    let upstream = Upstream::start(|mut line| {
        line.head();
        let mut writing = line.stream.try_clone().unwrap();
        let answer = thread::spawn(move || {
            writing.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").as_bytes()).unwrap();
            writing.write_all(&vec![b'y'; SIZE - 1])
        });
        assert_eq!(line.exactly(SIZE).map(|body| body.len()), Some(SIZE));
        answer.join().unwrap().unwrap();
        // What ends the answer ends the request too.
        line.send("y");
    });
    let gateway = Gateway::before(&upstream);
    let mut client = TcpStream::connect(gateway.running.address()).unwrap();
    client.set_write_timeout(Some(PATIENCE)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(client, "PUT /public/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {SIZE}\r\n\r\n").unwrap();
    client.write_all(&vec![b'x'; SIZE]).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer.iter().filter(|byte| **byte == b'y').count(), SIZE);
}

#[test]
fn an_upstream_that_wants_no_body_is_let_go_and_its_answer_passed_on() {
    let upstream = Upstream::start(|mut line| {
        line.head();
        line.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno");
        line.fill();
    });
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.send("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (413, "no"));
    client.send(vec![b'x'; 300_000]);
    assert_eq!(client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").response().status, 401, "the rest was read over");
}

#[test]
fn a_request_with_a_body_is_whole_on_the_second_connection_when_the_first_is_dead() {
    let upstream = Upstream::start(|mut line| {
        // One answer a connection, which is then reset: a request that follows at once may find that out only now.
        if let Some((_, body)) = line.request() {
            socket2::SockRef::from(&line.stream).set_linger(Some(Duration::ZERO)).unwrap();
            line.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}",
                body.len(),
                String::from_utf8(body).unwrap()
            ));
        }
    });
    let gateway = Gateway::before(&upstream);
    let mut lost = 0;
    for round in 0..300 {
        let mut client = gateway.connect();
        let post = |body: &str| format!("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n{body}");
        client.send(post("first") + &post("other"));
        // The reset may have overtaken the first answer too.
        if client.response().status == 502 {
            continue;
        }
        let second = client.response();
        match second.status {
            200 => assert_eq!(second.text(), "other", "round {round}"),
            // Some of it was on its way already.
            502 => lost += 1,
            status => panic!("round {round}: {status}"),
        }
    }
    assert!(lost < 300);
}

#[test]
fn an_answer_without_a_body_is_one_whatever_its_fields_say() {
    for (method, answer, length) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", Some("7")),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", None),
        ("HEAD", "HTTP/1.1 200 OK\r\n\r\n", None),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", None),
        ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", None),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: \"1\"\r\n\r\n", Some("7")),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n", None),
        (
            "GET",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 None\r\n\r\n",
            None,
        ),
    ] {
        let upstream = Upstream::answering(answer);
        let gateway = Gateway::before(&upstream);
        let mut client = gateway.connect();
        for _ in 0..2 {
            let head = client.send(format!("{method} /public/x HTTP/1.1\r\nHost: a\r\n\r\n")).head();
            assert_eq!(header(&head, "content-length"), length, "{method} {answer}");
            assert_eq!(header(&head, "transfer-encoding"), None, "{method} {answer}");
        }
        assert_eq!(client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").response().status, 401, "nothing came between");
        assert_eq!(upstream.connections(), 1, "{method} {answer}");
    }
}

#[test]
fn bytes_that_nobody_asked_for_are_never_an_answer() {
    for (method, answer) in [
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        ),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
        ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil"),
        ("GET", "HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
    ] {
        for apart in [false, true] {
            let upstream = Upstream::start(move |mut line| {
                while line.request().is_some() {
                    let (first, rest) = answer.split_at(answer.rfind("\r\n\r\n").map_or(0, |end| end + 4));
                    line.send(first);
                    if apart {
                        thread::sleep(Duration::from_millis(20));
                    }
                    line.send(rest);
                }
            });
            let gateway = Gateway::before(&upstream);
            for _ in 0..3 {
                let mut client = gateway.connect();
                let head =
                    client.send(format!("{method} /public/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).head();
                assert!(!head.contains(" 502 "), "{head}");
                let mut rest = Vec::new();
                while let Some(chunk) = client.some() {
                    rest.extend(chunk);
                }
                assert!(!String::from_utf8_lossy(&rest).contains("evil"), "{answer:?}");
                thread::sleep(Duration::from_millis(if apart { 40 } else { 10 }));
            }
            assert_eq!(upstream.connections(), 3, "{method} {answer:?}: never used again");
        }
    }
}

#[test]
fn each_byte_may_come_alone() {
    let upstream = Upstream::start(|mut line| {
        while let Some((_, body)) = line.request() {
            let answer = format!(
                "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x};x=\"y\"\r\n{}\r\n0\r\nT: 1\r\n\r\n",
                body.len(),
                String::from_utf8(body).unwrap()
            );
            for byte in answer.bytes() {
                line.send([byte]);
            }
        }
    });
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    let request = "\r\nPOST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n03 ;e\r\nabc\r\n2\r\nde\r\n0\r\nT: x\r\n\r\n";
    for _ in 0..2 {
        for byte in request.bytes() {
            client.send([byte]);
        }
        let response = client.response();
        assert_eq!((response.status, response.text().as_str()), (200, "abcde"));
        assert!(response.header("t").is_none());
    }
}

#[test]
fn large_heads_go_through_both_ways() {
    let value = "v".repeat(20_000);
    let answer = format!("HTTP/1.1 200 OK\r\nX-Large: {}\r\nContent-Length: 2\r\n\r\nok", "w".repeat(100_000));
    let upstream = Upstream::start(move |mut line| {
        while line.request().is_some() {
            line.send(&answer);
        }
    });
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    for _ in 0..2 {
        client.send(format!("GET /public/x HTTP/1.1\r\nHost: a\r\nX-Large: {value}\r\n\r\n"));
        let response = client.response();
        assert_eq!(response.header("x-large").map(str::len), Some(100_000));
        assert!(upstream.received().contains(&value));
    }
    let endless = Upstream::start(|mut line| {
        line.request();
        line.send("HTTP/1.1 200 OK\r\nX: ");
        while line.send([b'x'; 10_000]) {}
    });
    assert_eq!(Gateway::before(&endless).get("/").status, 502);
}
