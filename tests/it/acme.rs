//! Certificates from a real authority: pebble, which Let's Encrypt tests its clients with.
//!
//! `BEARERGATE_TEST_PEBBLE` names the program; `pebble-challtestsrv`, which resolves every name to this host, stands
//! beside it.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use rcgen::{CertificateParams, KeyPair};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::time::Instant;

use crate::cli::support::{Folder, Gateway};

const PATIENCE: Duration = Duration::from_secs(60);
const NAMES: [&str; 2] = ["api.example.com", "www.example.com"];

/// Ends with its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Pebble {
    folder: PathBuf,
    acme: u16,
    management: u16,
    _processes: [Process; 2],
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

impl Pebble {
    /// One that looks for proofs at this port.
    fn start(folder: &Path, port: u16) -> Self {
        let program = PathBuf::from(std::env::var_os("BEARERGATE_TEST_PEBBLE").unwrap());
        let folder = folder.join("pebble");
        fs::create_dir_all(&folder).unwrap();
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        fs::write(folder.join("own.pem"), own.pem()).unwrap();
        fs::write(folder.join("own.key"), key.serialize_pem()).unwrap();
        let (acme, management, names, control) = (free_port(), free_port(), free_port(), free_port());
        let settings = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{acme}"), "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": folder.join("own.pem"), "privateKey": folder.join("own.key"),
            "httpPort": free_port(), "tlsPort": port,
        }});
        fs::write(folder.join("settings.json"), settings.to_string()).unwrap();
        let resolver = Command::new(program.with_file_name("pebble-challtestsrv"))
            .args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", ""])
            .args(["-dns01", &format!("127.0.0.1:{names}"), "-management", &format!("127.0.0.1:{control}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let authority = Command::new(&program)
            .args(["-config", folder.join("settings.json").to_str().unwrap()])
            .args(["-dnsserver", &format!("127.0.0.1:{names}")])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .stdout(fs::File::create(folder.join("log")).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pebble = Self { folder, acme, management, _processes: [Process(resolver), Process(authority)] };
        until("pebble listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, pebble.management)).ok());
        until("pebble listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, pebble.acme)).ok());
        pebble
    }

    /// The certificates that its own are signed with. They are made anew at each start.
    fn roots(&self) -> RootCertStore {
        let own = CertificateDer::from_pem_file(self.folder.join("own.pem")).unwrap();
        let mut trusted = RootCertStore::empty();
        trusted.add(own).unwrap();
        let mut line = connect(self.management, "localhost", &trusted).unwrap();
        line.write_all(b"GET /roots/0 HTTP/1.0\r\nhost: localhost\r\n\r\n").unwrap();
        let answer = read(&mut line);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(answer.as_bytes()).unwrap()).unwrap();
        roots
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }

    /// A gateway's configuration that has its certificate from this authority.
    fn configuration(&self, port: u16) -> String {
        let [first, second] = NAMES;
        format!(
            r#"
[listen]
address = "127.0.0.1:{port}"
workers = 1
[listen.tls.acme]
domains = ["{first}", "{second}"]
contact = ["mailto:ops@example.com"]
directory = "https://localhost:{}/dir"
ca = "pebble/own.pem"
agree_to_terms = true
[admin]
address = "127.0.0.1:0"
[upstream.default]
servers = ["builtin:echo"]
[[route]]
match = "GET /public"
access = "public"
"#,
            self.acme
        )
    }
}

type Line = StreamOwned<ClientConnection, TcpStream>;

/// A connection to whoever can show a certificate for `name` that is signed by one of `roots`.
fn connect(port: u16, name: &str, roots: &RootCertStore) -> std::io::Result<Line> {
    let settings = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut session = ClientConnection::new(Arc::new(settings), name).unwrap();
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(session, socket))
}

fn read(line: &mut Line) -> String {
    let mut answer = Vec::new();
    match line.read_to_end(&mut answer) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => panic!("{error}"),
        Ok(_) | Err(_) => String::from_utf8(answer).unwrap(),
    }
}

/// The certificate that is shown for `name` and serves, if there is one.
fn shown(port: u16, name: &str, roots: &RootCertStore) -> Option<CertificateDer<'static>> {
    let mut line = connect(port, name, roots).ok()?;
    line.write_all(format!("GET /public HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
    let answer = read(&mut line);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    Some(line.conn.peer_certificates()?.first()?.clone().into_owned())
}

#[test]
#[ignore = "needs pebble: BEARERGATE_TEST_PEBBLE"]
fn a_certificate_is_obtained_kept_and_shown_again_after_a_restart() {
    let (folder, port) = (Folder::with(""), free_port());
    let pebble = Pebble::start(folder.path(), port);
    folder.write("gateway.toml", pebble.configuration(port));
    let gateway = Gateway::spawn(folder.command(&["run"]));
    let roots = pebble.roots();
    let first = until("a certificate", || shown(port, NAMES[0], &roots));
    assert_eq!(shown(port, NAMES[1], &roots).as_ref(), Some(&first), "one for both names");
    assert!(shown(port, "other.example.com", &roots).is_none());
    assert_eq!(gateway.terminate().code, 0);
    assert_eq!(pebble.log().matches("POST /order-plz").count(), 1, "{}", pebble.log());

    // Nobody gives certificates any more: the one that is kept does.
    drop(pebble);
    let gateway = Gateway::spawn(folder.command(&["run"]));
    assert_eq!(until("the certificate that was kept", || shown(port, NAMES[0], &roots)), first);
    assert_eq!(gateway.terminate().code, 0);
}

#[test]
#[ignore = "needs pebble: BEARERGATE_TEST_PEBBLE"]
fn without_an_authority_nobody_is_shown_anything_and_the_gateway_says_why() {
    let (folder, port) = (Folder::with(""), free_port());
    let pebble = Pebble::start(folder.path(), port);
    folder.write("gateway.toml", pebble.configuration(port));
    let roots = pebble.roots();
    // Its own certificate stays: it is who it says, and is not there.
    drop(pebble);
    let gateway = Gateway::spawn(folder.command(&["run"]));
    assert!(shown(port, NAMES[0], &roots).is_none());
    let log = gateway.terminate().stderr;
    assert!(log.contains("no new certificate"), "{log}");
}
