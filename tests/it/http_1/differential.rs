//! However requests come, one by one or behind each other and in any pieces, they get the same answers, and the upstream the
//! same requests. Whatever else comes, nothing comes of it.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::mpsc::{Receiver, channel},
};

use proptest::prelude::*;

use crate::support::{
    Client, Gateway, Upstream,
    client::{PATIENCE, Response},
};

/// Answers with what it got, in chunks or with a length, as the path says, and tells the test.
fn mirror() -> (Upstream, Receiver<(String, Vec<u8>)>) {
    let (tell, told) = channel();
    let upstream = Upstream::start(move |mut line| {
        while let Some((head, body)) = line.request() {
            let is_head = head.starts_with("HEAD ");
            let first = head.split(" HTTP/1.1").next().unwrap();
            let text = format!("{first} {} {}", body.len(), body.iter().map(|byte| u64::from(*byte)).sum::<u64>());
            let answer = match (first.contains("/none"), first.contains("/chunks")) {
                (true, _) => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
                (_, true) if is_head => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
                (_, true) => format!(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{text}\r\n0\r\n\r\n",
                    text.len()
                ),
                (_, false) => {
                    let body = if is_head { "" } else { &*text };
                    format!("HTTP/1.1 201 Made\r\nX-Mirror: 1\r\nContent-Length: {}\r\n\r\n{body}", text.len())
                }
            };
            let _ = tell.send((head, body));
            line.send(answer);
        }
    });
    (upstream, told)
}

#[derive(Clone, Debug)]
struct Asked {
    method: &'static str,
    path: &'static str,
    body: Body,
    field: String,
}

#[derive(Clone, Debug)]
enum Body {
    None,
    Length(Vec<u8>),
    Chunks(Vec<Vec<u8>>, &'static str),
}

impl Asked {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes =
            format!("{} {} HTTP/1.1\r\nHost: api\r\nX-Field: {}\r\n", self.method, self.path, self.field).into_bytes();
        match &self.body {
            Body::None => bytes.extend(b"\r\n"),
            Body::Length(body) => {
                bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
                bytes.extend(body);
            }
            Body::Chunks(chunks, extension) => {
                bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in chunks {
                    bytes.extend(format!("{:X}{extension}\r\n", chunk.len()).into_bytes());
                    bytes.extend(chunk);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\n\r\n");
            }
        }
        bytes
    }

    /// Reads its answer: the status, the fields but for the date, and the body.
    fn answer(&self, client: &mut Client) -> (String, Vec<u8>) {
        let Response { head, body, complete, .. } = if self.method == "HEAD" {
            Response { status: 0, head: client.head(), body: Vec::new(), complete: true }
        } else {
            client.response()
        };
        assert!(complete);
        (head.lines().filter(|line| !line.starts_with("date: ")).collect::<Vec<_>>().join("\n"), body)
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 1..most);
    let body = prop_oneof![
        Just(Body::None),
        bytes(3000).prop_map(Body::Length),
        (prop::collection::vec(bytes(600), 0..5), prop_oneof![Just(""), Just(";a=\"b c\""), Just(" ;x")])
            .prop_map(|(chunks, extension)| Body::Chunks(chunks, extension)),
    ];
    let method = prop_oneof![
        Just("GET"),
        Just("HEAD"),
        Just("POST"),
        Just("PUT"),
        Just("DELETE"),
        Just("OPTIONS"),
        Just("QUERY")
    ];
    // The last two are refused: there is no token.
    let path = prop_oneof![
        Just("/public/a?b=c"),
        Just("/public/chunks"),
        Just("/public/none"),
        Just("/closed"),
        Just("/closed/../x")
    ];
    (method, path, body, "[ -~]{0,40}").prop_map(|(method, path, body, field)| Asked { method, path, body, field })
}

/// What the upstream saw, without what names the request or its connection.
fn seen(told: &Receiver<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let named = |line: &&str| !line.to_ascii_lowercase().starts_with("x-request-id:");
    told.try_iter().map(|(head, body)| (head.lines().filter(named).collect::<Vec<_>>().join("\n"), body)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn requests_behind_each_other_in_any_pieces_are_the_same_as_one_by_one(
        all in prop::collection::vec(asked(), 1..9),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (upstream, told) = mirror();
        let gateway = Gateway::before(&upstream);
        let mut client = gateway.connect();
        let one_by_one: Vec<_> = all.iter().map(|asked| asked.answer(client.send(asked.bytes()))).collect();
        let seen_one_by_one = seen(&told);

        let bytes: Vec<u8> = all.iter().flat_map(Asked::bytes).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        drop(client);
        let mut client = gateway.connect();
        for cut in cuts.windows(2) {
            client.send(&bytes[cut[0]..cut[1]]);
            std::thread::yield_now();
        }
        let behind_each_other: Vec<_> = all.iter().map(|asked| asked.answer(&mut client)).collect();
        prop_assert_eq!(one_by_one, behind_each_other);
        prop_assert_eq!(seen_one_by_one, seen(&told));
        drop(client);
        super::assert_quiet(&gateway);
    }

    #[test]
    fn whatever_comes_is_answered_or_ended_and_never_the_gateways_fault(
        all in prop::collection::vec(asked(), 1..4),
        changes in prop::collection::vec((any::<prop::sample::Index>(), nasty(), 0usize..4), 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let (upstream, told) = mirror();
        let gateway = Gateway::before(&upstream);
        let mut bytes: Vec<u8> = all.iter().flat_map(Asked::bytes).collect();
        for (at, put, take) in changes {
            let at = at.index(bytes.len());
            let end = (at + take).min(bytes.len());
            bytes.splice(at..end, put.iter().copied());
        }
        let answers = exchange(&gateway, &bytes, cut.index(bytes.len() + 1));
        for status in statuses(&answers) {
            prop_assert!(status < 500, "{status}: {:?}", String::from_utf8_lossy(&bytes));
        }
        // What reached the upstream was a request to an open path, whatever it was made of.
        for (head, _) in told.try_iter() {
            let target = head.split(' ').nth(1).unwrap().to_owned();
            prop_assert!(target.starts_with("/public/"), "{head}");
        }
        prop_assert_eq!(gateway.get("/public/still-there").status, 201);
        super::assert_quiet(&gateway);
    }

    #[test]
    fn a_malformed_head_is_refused_and_nothing_of_it_or_behind_it_forwarded(
        before in "[ -9;-~]{0,20}",
        fields in prop::collection::vec("[A-Za-z-]{1,12}: [ -~]{0,30}", 0..6),
        wrong in prop_oneof![
            Just("X : 1"), Just(" X: 1"), Just("X: 1\n"), Just("X: a\rb"), Just("X: a\0b"), Just(": 1"), Just("X"),
            Just("X: 1\r\n 2"), Just("Host: b"), Just("Content-Length: 1\r\nContent-Length: 1"),
            Just("Content-Length: 3\r\nTransfer-Encoding: chunked"), Just("Content-Length: +3"), Just("Content-Length: 3,3"),
            Just("Transfer-Encoding: gzip, chunked"), Just("Transfer-Encoding: Chunked\r\nTransfer-Encoding: chunked"),
        ],
        at in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (upstream, told) = mirror();
        let gateway = Gateway::before(&upstream);
        let mut lines: Vec<String> = fields.iter().filter(|field| !is_framing(field)).cloned().collect();
        lines.insert(at.index(lines.len() + 1), wrong.to_owned());
        let rest = "0\r\n\r\nGET /public/smuggled HTTP/1.1\r\nHost: api\r\n\r\n";
        let bytes = format!("POST /public/x HTTP/1.1\r\nHost: api\r\nX-Before: {before}\r\n{}\r\n\r\n{rest}", lines.join("\r\n"));
        let answers = exchange(&gateway, bytes.as_bytes(), cut.index(bytes.len() + 1));
        prop_assert_eq!(statuses(&answers), [400], "{:?}", bytes);
        prop_assert!(told.try_recv().is_err());
        prop_assert_eq!(upstream.connections(), 0);
    }
}

fn is_framing(field: &str) -> bool {
    let name = field.split(':').next().unwrap().to_ascii_lowercase();
    ["host", "content-length", "transfer-encoding", "expect", "connection"].contains(&&*name)
}

/// What parsers trip over.
fn nasty() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(vec![
            &b"\r"[..],
            b"\n",
            b"\r\n",
            b"\r\n\r\n",
            b"\0",
            b" ",
            b"\t",
            b":",
            b"\x7f",
            b"\xff",
            b"0",
            b";",
            b",",
            b"-",
            b"0\r\n\r\n",
            b"HTTP/1.1",
            b"Content-Length: 3\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Connection: close\r\n",
            b"Expect: 100-continue\r\n",
            b"GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n",
            b"ffffffffffffffff",
        ])
        .prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 0..6),
    ]
}

/// Sends the bytes in two pieces, and then no more. All that comes back until the gateway ends the connection.
fn exchange(gateway: &Gateway, bytes: &[u8], cut: usize) -> Vec<u8> {
    let mut stream = TcpStream::connect(gateway.running.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let (first, second) = bytes.split_at(cut);
    let sent = stream.write_all(first).is_ok() && stream.write_all(second).is_ok();
    if sent {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let (mut answers, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return answers,
            Ok(count) => answers.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return answers,
            Err(error) => panic!("it hangs: {error}: {:?}", String::from_utf8_lossy(bytes)),
        }
    }
}

/// The statuses of the answers. Their bodies hold no status line.
fn statuses(answers: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answers);
    text.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)?.parse().ok()).collect()
}
