use proptest::prelude::*;

use super::*;

const LIMITS: HeadLimits = HeadLimits { bytes: 1000, fields: 10 };

fn request(text: impl AsRef<[u8]>) -> Result<Option<Request<()>>, HeadError> {
    Head::default().request(&mut BytesMut::from(text.as_ref()), LIMITS)
}

fn response(text: &str) -> Result<Option<Response<()>>, HeadError> {
    Head::default().response(&mut BytesMut::from(text), LIMITS)
}

#[test]
fn a_request_has_a_line_and_fields() {
    let mut input = BytesMut::from("GET /a?b=c HTTP/1.1\r\nHost: a\r\nX-One:  1 \t\r\nx-one:\r\n\r\nrest");
    let request = Head::default().request(&mut input, LIMITS).unwrap().unwrap();
    assert_eq!((request.method(), request.version()), (&Method::GET, Version::HTTP_11));
    assert_eq!(request.uri(), "/a?b=c");
    assert_eq!(request.headers()["host"], "a");
    assert_eq!(request.headers().get_all("x-one").iter().collect::<Vec<_>>(), ["1", ""]);
    assert_eq!(input, "rest");
}

#[test]
fn whatever_follows_a_head_is_left() {
    for rest in ["", "x", "\r\n\r\n", "GET /2 HTTP/1.1\r\n\r\n", "GET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n"] {
        let mut input = BytesMut::from(format!("GET / HTTP/1.1\r\nHost: a\r\n\r\n{rest}").as_str());
        let request = Head::default().request(&mut input, LIMITS).unwrap().unwrap();
        assert_eq!((request.uri().path(), request.headers().len()), ("/", 1));
        assert_eq!(input, rest);
    }
    let many = "GET / HTTP/1.1\r\nX: 1\r\n\r\n".repeat(100);
    let (mut input, mut head, mut read) = (BytesMut::from(many.as_str()), Head::default(), 0);
    while head.request(&mut input, LIMITS).unwrap().is_some() {
        read += 1;
    }
    assert_eq!(read, 100, "more than the limit of one");
}

#[test]
fn a_head_that_comes_in_pieces_is_the_same() {
    let whole = "POST /a HTTP/1.0\r\nHost: a\r\n\r\n";
    let (mut head, mut input) = (Head::default(), BytesMut::new());
    for (at, byte) in whole.bytes().enumerate() {
        input.extend_from_slice(&[byte]);
        let read = head.request(&mut input, LIMITS).unwrap();
        assert_eq!(read.is_some(), at + 1 == whole.len(), "{at}");
    }
    assert!(input.is_empty());
}

#[test]
fn one_empty_line_before_a_request_is_skipped_and_two_are_not() {
    assert!(request("\r\nGET / HTTP/1.1\r\n\r\n").unwrap().is_some());
    let two = "\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    assert!(request(two).is_err() && request("\r\n\r").is_err());
    let (mut head, mut input) = (Head::default(), BytesMut::new());
    let refused = two.bytes().position(|byte| {
        input.extend_from_slice(&[byte]);
        head.request(&mut input, LIMITS).is_err()
    });
    assert_eq!(refused, Some(2), "wherever it is cut");
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    for (text, error) in [
        ("GET / HTTP/1.1\nHost: a\n\n", HeadError::LineEnd),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n\r\n", HeadError::LineEnd),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", HeadError::LineEnd),
        ("GET / HTTP/1.1\r\nX: 1\r2\r\n\r\n", HeadError::Value),
        ("GET / HTTP/1.1\r\nX: 1\x002\r\n\r\n", HeadError::Value),
        ("GET / HTTP/1.1\r\nX: 1\r\n 2\r\n\r\n", HeadError::Name),
        ("GET / HTTP/1.1\r\n X: 1\r\n\r\n", HeadError::Name),
        ("GET / HTTP/1.1\r\nX : 1\r\n\r\n", HeadError::Name),
        ("GET / HTTP/1.1\r\n: 1\r\n\r\n", HeadError::Name),
        ("GET / HTTP/1.1\r\nX\r\n\r\n", HeadError::Name),
        ("GET / HTTP/1.1\r\nX\u{e9}: 1\r\n\r\n", HeadError::Name),
        ("GET  / HTTP/1.1\r\n\r\n", HeadError::Target),
        ("GET /a#b HTTP/1.1\r\n\r\n", HeadError::Target),
        ("GET /  HTTP/1.1\r\n\r\n", HeadError::Version),
        ("GET /a b HTTP/1.1\r\n\r\n", HeadError::Version),
        ("GET /\r\n\r\n", HeadError::FirstLine),
        ("GET\r\n\r\n", HeadError::FirstLine),
        (" GET / HTTP/1.1\r\n\r\n", HeadError::FirstLine),
        ("G\u{e9}T / HTTP/1.1\r\n\r\n", HeadError::FirstLine),
        ("GET / HTTP/1.2\r\n\r\n", HeadError::Version),
        ("GET / HTTP/2.0\r\n\r\n", HeadError::Version),
        ("GET / http/1.1\r\n\r\n", HeadError::Version),
        ("GET / HTTP/1.1 \r\n\r\n", HeadError::Version),
        ("\x16\x03\x01", HeadError::FirstLine),
    ] {
        assert_eq!(request(text).unwrap_err(), error, "{text:?}");
    }
}

#[test]
fn a_head_over_its_limits_is_refused_before_it_ends() {
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: 1\r\n".repeat(11));
    let long = format!("GET / HTTP/1.1\r\nX: {}", "1".repeat(1000));
    assert_eq!(request(many).unwrap_err(), HeadError::TooLarge);
    assert_eq!(request(long).unwrap_err(), HeadError::TooLarge);
    assert!(request(format!("GET / HTTP/1.1\r\n{}\r\n", "X: 1\r\n".repeat(10))).unwrap().is_some());
}

#[test]
fn an_answer_has_a_status_and_perhaps_a_reason() {
    for (text, status) in [
        ("HTTP/1.1 200 OK\r\nA: 1\r\n\r\n", 200),
        ("HTTP/1.1 404 \r\n\r\n", 404),
        ("HTTP/1.0 503\r\n\r\n", 503),
        ("HTTP/1.1 299 Caf\u{e9} gr\u{fc}n\r\n\r\n", 299),
    ] {
        assert_eq!(response(text).unwrap().unwrap().status(), status, "{text:?}");
    }
    for text in [
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 200 O\x00K\r\n\r\n",
        "HTTP/3.0 200 OK\r\n\r\n",
        "hello",
        "HTTP/1.1 099 x\r\n\r\n",
        "SSH-2.0-x\r\n",
    ] {
        assert!(response(text).is_err(), "{text:?}");
    }
    assert!(response("HTT").unwrap().is_none());
}

proptest! {
    #[test]
    fn any_bytes_are_a_head_or_are_not(bytes: Vec<u8>) {
        let _ = request(&bytes);
        let _ = Head::default().response(&mut BytesMut::from(&*bytes), LIMITS);
    }

    #[test]
    fn what_is_read_is_what_httparse_reads(
        method in "[A-Z]{1,8}",
        path in "/[a-z0-9/._~-]{0,20}",
        fields in proptest::collection::vec(("[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}", "[ -~\t]{0,30}"), 0..10),
    ) {
        let mut text = format!("{method} {path} HTTP/1.1\r\n");
        for (name, value) in &fields {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        let ours = request(&text).unwrap().unwrap();
        let mut slots = [httparse::EMPTY_HEADER; 10];
        let mut theirs = httparse::Request::new(&mut slots);
        prop_assert!(theirs.parse(text.as_bytes()).unwrap().is_complete());
        prop_assert_eq!(Some(ours.method().as_str()), theirs.method);
        prop_assert_eq!(Some(ours.uri().path()), theirs.path);
        let mut expected = HeaderMap::new();
        for field in theirs.headers.iter() {
            let name: HeaderName = field.name.parse().unwrap();
            expected.append(name, HeaderValue::from_bytes(trim(field.value)).unwrap());
        }
        prop_assert_eq!(ours.headers(), &expected);
    }

    #[test]
    fn wherever_a_head_is_cut_it_reads_the_same(cut in 0usize..70) {
        let whole = "GET /a HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\nX-Long: 0123456789\r\n\r\n";
        let (first, second) = whole.split_at(cut.min(whole.len()));
        let (mut head, mut input) = (Head::default(), BytesMut::from(first));
        prop_assert!(head.request(&mut input, LIMITS).unwrap().is_none());
        input.extend_from_slice(second.as_bytes());
        let request = head.request(&mut input, LIMITS).unwrap().unwrap();
        prop_assert_eq!(request.headers().len(), 3);
        prop_assert!(input.is_empty());
    }
}
