//! A client for the tests of the HTTP examples.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::Issuer;

/// What is answered to a GET with this token: the head in lower case, and the body.
pub(crate) async fn get(address: SocketAddr, path: &str, token: Option<&str>) -> (String, String) {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{authorization}\r\n");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

/// Asks with a good token, none, an expired one and a forged one.
pub(crate) async fn assert_gated(address: SocketAddr, path: &str, issuer: &Issuer) {
    let (head, body) = get(address, path, Some(&issuer.token().unwrap())).await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert_eq!(body, "hello u-1\n");

    let expired = issuer.expired_token().unwrap();
    let forged = Issuer::new().unwrap().token().unwrap();
    let refused = [(None, "Not authenticated"), (Some(&expired), "Token expired"), (Some(&forged), "Invalid token")];
    for (token, detail) in refused {
        let (head, body) = get(address, path, token.map(String::as_str)).await;
        assert!(head.starts_with("http/1.1 401 "), "{detail}: {head}");
        assert!(head.contains("\r\nwww-authenticate: bearer"), "{detail}: {head}");
        assert_eq!(body, format!(r#"{{"detail":"{detail}"}}"#));
    }
}
