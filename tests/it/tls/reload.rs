//! Certificates that are replaced while the gateway runs.

use std::{
    fs,
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bearergate::gateway::Tls;

use super::{Secure, secured};
use crate::support::{Client, Upstream};

fn tls(secure: &Secure) -> Arc<Tls> {
    Arc::clone(secure.gateway.snapshot.load().tls.as_ref().unwrap())
}

/// When the certificate ends, by the metrics.
fn end(secure: &Secure) -> String {
    secure.metric("bearergate_tls_certificate_not_after_seconds{certificate=\"0\",name=\"localhost\"}")
}

#[test]
fn new_files_are_used_and_what_cannot_be_used_changes_nothing() {
    let upstream = Upstream::ok();
    let secure = Secure::before(&upstream);
    let tls = tls(&secure);
    let mut open = secure.connect();
    assert_eq!(open.get("/a").status, 200);
    let before = end(&secure);
    assert!(!tls.reload().unwrap(), "nothing has changed");

    let renewed =
        secure.authority.issue_with(&["localhost"], |params| params.not_after = rcgen::date_time_ymd(2099, 1, 1));
    // The certificate comes first, and the key is still the old one's.
    fs::write(secure.folder.path().join("tls.crt"), &renewed.pem).unwrap();
    for _ in 0..2 {
        let refused = tls.reload().unwrap_err().to_string();
        assert!(refused.contains("is not the private key of the certificate"), "{refused}");
    }
    assert_eq!((end(&secure), secure.connect().get("/a").status), (before, 200));
    assert_eq!(secure.metric("bearergate_tls_reloads_total{outcome=\"failed\"}"), "1");

    renewed.store(secure.folder.path(), "tls");
    assert!(tls.reload().unwrap() && !tls.reload().unwrap());
    assert_eq!(end(&secure), "4070908800");
    assert_eq!((secure.connect().get("/a").status, open.get("/a").status), (200, 200));
    assert_eq!(secure.metric("bearergate_tls_reloads_total{outcome=\"replaced\"}"), "1");

    fs::remove_file(secure.folder.path().join("tls.key")).unwrap();
    assert!(tls.reload().unwrap_err().to_string().contains("cannot be read"));
    assert_eq!(secure.connect().get("/a").status, 200);
}

#[test]
fn no_handshake_fails_while_certificates_are_replaced() {
    let upstream = Upstream::ok();
    let secure = Secure::before(&upstream);
    let tls = tls(&secure);
    let done = Arc::new(AtomicBool::new(false));
    let client = || {
        let (address, done) = (secure.address(), Arc::clone(&done));
        let config = Arc::new(secure.authority.client(None, &["http/1.1"]));
        std::thread::spawn(move || {
            let mut count = 0;
            while !done.load(Ordering::Relaxed) || count < 5 {
                let stream = secured(TcpStream::connect(address).unwrap(), Arc::clone(&config), "localhost");
                assert_eq!(Client::over(stream).get("/a").status, 200);
                count += 1;
            }
            count
        })
    };
    let clients = [client(), client()];
    for _ in 0..20 {
        secure.authority.issue(&["localhost"]).store(secure.folder.path(), "tls");
        assert!(tls.reload().unwrap());
    }
    done.store(true, Ordering::Relaxed);
    let count: u64 = clients.into_iter().map(|client| client.join().unwrap()).sum();
    secure.handshakes("done", count);
}

#[test]
fn files_that_change_are_found_without_being_told() {
    let upstream = Upstream::ok();
    let secure = Secure::before(&upstream);
    secure.authority.issue(&["localhost", "new.example"]).store(secure.folder.path(), "tls");
    let until = tokio::time::Instant::now() + crate::support::client::PATIENCE;
    while secure.metric("bearergate_tls_reloads_total{outcome=\"replaced\"}") != "1" {
        assert!(tokio::time::Instant::now() < until);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(secure.connect().get("/a").status, 200);
}
