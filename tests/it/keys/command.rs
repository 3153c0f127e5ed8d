//! `keys check`, and TLS by an authority that this machine trusts.

use std::{io::Write, net::TcpListener, process::Command, sync::Arc, thread};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, Stream,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer},
};

use super::provider::{Answer, Provider, iss};
use crate::support::forge::Signer;

/// How `bearergate keys check` ended, and what it said.
fn check(arguments: &[&str], authority: Option<&std::path::Path>) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bearergate"));
    command.args(["keys", "check"]).args(arguments).env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    if let Some(authority) = authority {
        command.env("SSL_CERT_FILE", authority);
    }
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn what_the_gateway_would_fetch_is_shown() {
    let key = Signer::ed25519();
    let secret = json!({ "kty": "oct", "kid": "s", "k": "c".repeat(64) });
    let provider = Provider::new(Answer::keys(&[key.jwk("2025\u{1b}[31m", "EdDSA"), secret]));
    let (code, stdout, stderr) = check(&[&provider.url("/jwks")], None);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("2025\\u{1b}[31m") && stdout.contains("EdDSA"), "{stdout}");
    assert!(stderr.contains("a key is left out: key 2 (`s`)"), "{stderr}");

    provider.describe(&json!({ "issuer": iss("main"), "jwks_uri": provider.url("/jwks") }));
    assert_eq!(check(&[&provider.url(""), "--issuer", &iss("main")], None).0, 0);
    let (code, _, stderr) = check(&[&provider.url(""), "--issuer", "https://other.example.com"], None);
    assert_eq!(code, 1);
    assert!(stderr.contains("another issuer"), "{stderr}");
}

#[test]
fn what_cannot_be_fetched_or_must_not_be_is_an_error() {
    let provider = Provider::new(Answer::body("<html>"));
    let (code, _, stderr) = check(&[&provider.url("/jwks")], None);
    assert_eq!(code, 1);
    assert!(stderr.contains("not strict JSON"), "{stderr}");
    for url in ["http://id.example.com/jwks", "https://169.254.169.254/", "jwks.json"] {
        assert_eq!(check(&[url], None).0, 2, "{url}");
    }
}

/// A provider that speaks TLS, for as many connections as come.
fn tls_provider(certificate: CertificateDer<'static>, key: &KeyPair, answer: String) -> u16 {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config =
        ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = Stream::new(&mut connection, &mut stream);
            let mut request = [0; 4096];
            // A client that doesn't trust us hangs up.
            if std::io::Read::read(&mut tls, &mut request).is_ok() {
                let _ = tls.write_all(answer.as_bytes());
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        }
    });
    port
}

#[test]
fn a_provider_with_tls_needs_a_certificate_of_its_name_by_a_trusted_authority() {
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("ca.pem");
    std::fs::write(&trusted, authority.pem()).unwrap();

    let body = json!({ "keys": [Signer::ed25519().jwk("over-tls", "EdDSA")] }).to_string();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let port = tls_provider(certificate.der().clone(), &key, answer);
    let (code, stdout, stderr) = check(&[&format!("https://localhost:{port}/jwks")], Some(&trusted));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("over-tls"), "{stdout}");
    for (url, authority) in [("localhost", None), ("127.0.0.1", Some(trusted.as_path()))] {
        let (code, _, stderr) = check(&[&format!("https://{url}:{port}/jwks")], authority);
        assert_eq!(code, 1);
        assert!(stderr.contains("certificate"), "{stderr}");
    }
}
