//! Which certificate a client is shown, and what a configuration may name.

use std::{fs, net::TcpStream, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use bearergate::config;

use super::{Authority, Issued, secured};
use crate::support::{Setup, Upstream, deployment};

/// The certificate that a gateway shows to a client that asks for `name`.
fn shown(address: std::net::SocketAddr, authority: &Authority, name: &str) -> Option<Vec<u8>> {
    let config = Arc::new(authority.client(None, &[]));
    let mut stream = secured(TcpStream::connect(address).unwrap(), config, name);
    let done = stream.conn.complete_io(&mut stream.sock);
    let shown = stream.conn.peer_certificates().and_then(|chain| chain.first()).map(|first| first.to_vec());
    shown.filter(|_| done.is_ok())
}

#[test]
fn a_client_is_shown_the_certificate_of_the_host_that_it_names() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let one = authority.issue(&["one.example", "127.0.0.1"]);
    let two = authority.issue(&["two.example", "*.two.example"]);
    let certificates = vec![one.store(folder.path(), "one"), two.store(folder.path(), "two")];
    let upstream = Upstream::ok();
    let mut setup = Setup::new(&[upstream.address]);
    setup.tls = Some(config::Tls { certificates, client_auth: None, acme: None });
    let gateway = setup.start();
    let shown = |name: &str| shown(gateway.running.address(), &authority, name);
    for (name, expected) in [
        ("one.example", &one),
        ("two.example", &two),
        ("a.two.example", &two),
        ("TWO.example", &two),
        ("127.0.0.1", &one),
    ] {
        assert_eq!(shown(name).as_deref(), Some(&expected.der[..]), "{name}");
    }
    // The first one, which is not for them.
    for name in ["three.example", "a.b.two.example"] {
        assert_eq!(shown(name), None, "{name}");
    }
}

/// The mistakes of a configuration with this `tls`.
fn mistakes(folder: &Path, tls: &str) -> String {
    let text = format!(
        "[[route]]\nmatch = '* /**'\naccess = 'public'\n[listen]\naddress = '127.0.0.1:0'\ntls = {tls}\n\
         [upstream.default]\nservers = ['builtin:echo']\n"
    );
    match config::parse(&text, "gateway.toml", folder, &|_| None) {
        Ok(loaded) => format!("fine\n{}", loaded.warnings.render(false)),
        Err(mistakes) => mistakes.render(false),
    }
}

fn store(issued: &Issued, folder: &Path, name: &str) {
    let files = issued.store(folder, name);
    fs::set_permissions(files.key, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn what_cannot_be_used_is_said_before_anything_starts() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    store(&authority.issue(&["a.example"]), folder, "a");
    store(&authority.issue(&["b.example"]), folder, "b");
    fs::write(folder.join("ca.pem"), authority.0.pem()).unwrap();
    fs::write(folder.join("empty"), "").unwrap();
    fs::write(folder.join("bad.crt"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for right in [
        "{ cert = 'a.crt', key = 'a.key' }",
        "{ cert = 'a.crt', key = 'a.key', client_ca = 'ca.pem' }",
        "{ certificates = [{ cert = 'a.crt', key = 'a.key' }, { cert = 'b.crt', key = 'b.key' }] }",
    ] {
        assert_eq!(mistakes(folder, right).trim(), "fine", "{right}");
    }
    for (wrong, expected) in [
        ("{ cert = 'a.crt', key = 'b.key' }", "b.key` is not the private key of the certificate"),
        ("{ cert = 'none.crt', key = 'a.key' }", "none.crt` cannot be read: No such file"),
        ("{ cert = 'a.crt', key = 'none.key' }", "none.key` cannot be read: No such file"),
        ("{ cert = 'a.key', key = 'a.key' }", "a.key` has no certificate"),
        ("{ cert = 'a.crt', key = 'a.crt' }", "a.crt` has no private key"),
        ("{ cert = 'empty', key = 'a.key' }", "empty` has no certificate"),
        ("{ cert = 'bad.crt', key = 'a.key' }", "bad.crt` has a certificate that cannot be read"),
        ("{ cert = 'a.crt' }", "`listen.tls.key` is missing"),
        ("{ key = 'a.key' }", "`listen.tls.cert` is missing"),
        ("{ }", "`listen.tls.cert` is missing"),
        ("{ certificates = [] }", "`listen.tls.certificates` is an empty list"),
        ("{ certificates = [{ cert = 'a.crt' }] }", "`listen.tls.certificates.key` is missing"),
        ("{ cert = 'a.crt', key = 'a.key', certificates = [] }", "cannot stand beside `cert` and `key`"),
        ("{ cert = 'a.crt', key = 'a.key', client_ca = 'empty' }", "empty` has no certificate"),
        ("{ cert = 'a.crt', key = 'a.key', client_auth = 'optional' }", "`listen.tls.client_auth` needs `client_ca`"),
        ("{ cert = 'a.crt', key = 'a.key', client_ca = 'ca.pem', client_auth = 'may' }", "must be \"required\""),
        ("{ cert = 'a.crt', key = 'a.key', ciphers = 'x' }", "unknown key `ciphers`"),
    ] {
        let mistakes = mistakes(folder, wrong);
        assert!(mistakes.contains(expected), "{wrong}:\n{mistakes}");
    }
    fs::set_permissions(folder.join("a.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let warned = mistakes(folder, "{ cert = 'a.crt', key = 'a.key' }");
    assert!(warned.starts_with("fine") && warned.contains("can be read by others"), "{warned}");
}

#[test]
fn a_gateway_is_deployed_with_what_its_configuration_names() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let issued = authority.issue(&["localhost"]);
    store(&issued, folder.path(), "tls");
    let upstream = Upstream::ok();
    let text = "[[route]]\nmatch = '* /**'\naccess = 'public'\n[listen]\naddress = '127.0.0.1:0'\nworkers = 1\n\
                tls = { cert = 'tls.crt', key = 'tls.key' }\n";
    let (gateway, _) = deployment::deploy(text, folder.path(), upstream.address);
    assert_eq!(shown(gateway.running.address(), &authority, "localhost").as_deref(), Some(&issued.der[..]));
}
