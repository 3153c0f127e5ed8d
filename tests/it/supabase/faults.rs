//! A server that is not there, not itself, or not at its best.

use std::{net::TcpListener, sync::Arc, thread, time::Duration};

use bearergate::accounts::backend::supabase::{BackendError, Cause};
use rcgen::generate_simple_self_signed;
use serde_json::json;
use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, crypto::aws_lc_rs::default_provider, pki_types::PrivateKeyDer,
};

use super::{
    KEY, PASSWORD, TIMEOUT, TOKEN, asking,
    fake::{Act, Fake, answer},
    good, refresh, session, sign_in, sign_up, supabase,
};

/// One session is nearly as long as this at most.
const MOST: usize = 256 * 1024;

/// Why the server counts as unreachable that does this with a refresh, and that the refresh was sent once.
#[track_caller]
fn cause(act: Act, timeout: Duration) -> Cause {
    let fake = Fake::new([act]);
    let supabase = supabase(&fake.url(), timeout);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let refused = runtime.block_on(refresh(&supabase)).unwrap_err();
    assert_eq!(fake.received().len(), 1, "{refused}");
    let shown = format!("{refused} {refused:?}");
    for secret in [KEY, PASSWORD, TOKEN, "header.claims"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    match refused {
        BackendError::Unreachable(cause) => cause,
        other => panic!("{other:?}"),
    }
}

fn cut(bytes: Vec<u8>, missing: usize) -> Vec<u8> {
    bytes[..bytes.len() - missing].to_vec()
}

#[test]
fn one_that_says_nothing_or_too_slowly_is_given_up() {
    let soon = Duration::from_millis(300);
    assert_eq!(cause(Act::Hang, soon), Cause::Timeout);
    assert_eq!(cause(Act::Drip(b"HTTP/1.1 200 OK\r\nX: ".to_vec()), soon), Cause::Timeout);
    assert_eq!(cause(Act::Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{".to_vec()), soon), Cause::Timeout);
    assert_eq!(cause(Act::Send(cut(good(), 1)), soon), Cause::Timeout);
}

#[test]
fn one_that_hangs_up_is_not_asked_again() {
    assert!(matches!(cause(Act::Last(Vec::new()), TIMEOUT), Cause::Connect(_)));
    assert!(matches!(cause(Act::Last(b"HTTP/1.1 200 OK\r\nContent-".to_vec()), TIMEOUT), Cause::Connect(_)));
    assert!(matches!(cause(Act::Last(cut(good(), 1)), TIMEOUT), Cause::Body(_)));
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"acc".to_vec();
    assert!(matches!(cause(Act::Last(chunked), TIMEOUT), Cause::Body(_)));
    // Without a length the end of the connection is the end of the body: JSON tells that it is cut.
    let mut unbounded = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    unbounded.extend(cut(session().to_string().into_bytes(), 1));
    assert!(matches!(cause(Act::Last(unbounded), TIMEOUT), Cause::Unreadable(_)));
}

#[test]
fn one_that_is_no_such_server_is_not_believed() {
    let html = "<!doctype html><title>Invalid login credentials</title>";
    let other = "Content-Type: text/html\r\n";
    assert!(matches!(cause(Act::Send(answer(200, other, html)), TIMEOUT), Cause::Unreadable(_)));
    assert_eq!(cause(Act::Send(answer(404, other, html)), TIMEOUT), Cause::Status(404));
    assert_eq!(cause(Act::Send(answer(502, other, html)), TIMEOUT), Cause::Status(502));
    assert_eq!(cause(Act::Send(answer(500, "", json!({"code":500,"msg":"x"}))), TIMEOUT), Cause::Status(500));
    assert!(matches!(cause(Act::Send(answer(200, "", "{\"access_token\":\"x\"}")), TIMEOUT), Cause::Unreadable(_)));
    assert!(matches!(cause(Act::Send(answer(200, "", "")), TIMEOUT), Cause::Unreadable(_)));
    assert!(matches!(cause(Act::Last(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), TIMEOUT), Cause::Connect(_)));
}

#[test]
fn a_redirect_is_not_followed_wherever_it_leads() {
    let elsewhere = Fake::new([Act::Send(good())]);
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: {}/auth/v1/token?grant_type=refresh_token\r\n", elsewhere.url());
        assert_eq!(cause(Act::Send(answer(status, &location, session())), TIMEOUT), Cause::Redirect(status));
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn an_answer_of_256_kib_is_read_and_a_longer_one_is_not() {
    let of = |length: usize| {
        let mut body = session();
        let rest = length - body.to_string().len();
        body["user"]["user_metadata"]["zip"] = json!("1".repeat(rest + 1));
        assert_eq!(body.to_string().len(), length);
        Act::Send(answer(200, "", body))
    };
    let (_fake, supabase) = asking([of(MOST), of(MOST + 1)]);
    sign_in(&supabase).await.unwrap();
    assert_eq!(sign_in(&supabase).await, Err(BackendError::Unreachable(Cause::TooLarge)));
}

#[test]
fn an_answer_without_end_is_not_read_to_it() {
    let mut endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..64 {
        endless.extend(format!("2000\r\n{}\r\n", " ".repeat(0x2000)).into_bytes());
    }
    assert_eq!(cause(Act::Drip(endless), TIMEOUT), Cause::TooLarge);
}

#[tokio::test]
async fn one_that_is_not_there_is_unreachable_and_back_when_it_is_back() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = supabase(&format!("http://{address}"), TIMEOUT);
    let refused = sign_up(&gone).await.unwrap_err();
    assert!(matches!(&refused, BackendError::Unreachable(Cause::Connect(_))), "{refused:?}");

    let (_fake, supabase) = asking([Act::Last(Vec::new()), Act::Send(good())]);
    assert!(matches!(sign_in(&supabase).await, Err(BackendError::Unreachable(_))));
    sign_in(&supabase).await.unwrap();
}

/// Whether anything of a request was read over TLS comes back by the thread's end.
fn tls_server() -> (u16, thread::JoinHandle<bool>) {
    let own = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config =
        ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut tls = tokio_rustls::rustls::Stream::new(&mut connection, &mut stream);
        std::io::Read::read(&mut tls, &mut [0; 64]).is_ok_and(|count| count > 0)
    });
    (port, served)
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_before_anything_is_sent() {
    let (port, served) = tls_server();
    let supabase = supabase(&format!("https://127.0.0.1:{port}"), TIMEOUT);
    match sign_in(&supabase).await {
        Err(BackendError::Unreachable(Cause::Connect(text))) => assert!(text.contains("certificate"), "{text}"),
        other => panic!("{other:?}"),
    }
    assert!(!served.join().unwrap(), "a request was sent");
}
