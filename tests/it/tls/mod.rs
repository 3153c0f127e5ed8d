//! TLS with clients: what they are shown, what they have to show, and that HTTP over it is the same HTTP.

mod certificates;
mod clients;
mod http;
mod programs;
mod reload;
mod slow;
mod websocket;

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bearergate::config::{
    self,
    tls::{CertificateFiles, ClientAuth},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};

use crate::support::{Client, Gateway, Setup, Upstream, client::PATIENCE};

/// Who signs certificates, of servers and of clients.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate, and its key in DER.
struct Issued {
    der: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        // Two of the same name would be taken for each other.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mut params = CertificateParams::default();
        let name = format!("authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self, names: &[&str]) -> Issued {
        self.issue_with(names, |_| {})
    }

    fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Issued { der: certificate.der().clone(), pem: certificate.pem(), key }
    }

    /// What a client that trusts this authority is made of.
    fn client(&self, own: Option<&Issued>, protocols: &[&str]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match own {
            Some(own) => {
                let key = PrivateKeyDer::try_from(own.key.serialize_der()).unwrap();
                builder.with_client_auth_cert(vec![own.der.clone()], key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config
    }
}

impl Issued {
    /// Puts it into files.
    fn store(&self, folder: &Path, name: &str) -> CertificateFiles {
        let (cert, key) = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
        fs::write(&cert, &self.pem).unwrap();
        fs::write(&key, self.key.serialize_pem()).unwrap();
        CertificateFiles { cert, key }
    }
}

/// A gateway with one certificate, for `localhost`.
struct Secure {
    gateway: Gateway,
    authority: Authority,
    folder: TempDir,
}

impl Secure {
    fn before(upstream: &Upstream) -> Self {
        Self::with(Setup::new(&[upstream.address]), None)
    }

    /// One that asks for certificates of its authority.
    fn asking(upstream: &Upstream, required: bool) -> Self {
        Self::with(Setup::new(&[upstream.address]), Some(required))
    }

    fn with(mut setup: Setup, client_auth: Option<bool>) -> Self {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let certificates = vec![authority.issue(&["localhost"]).store(folder.path(), "tls")];
        let ca = folder.path().join("ca.pem");
        fs::write(&ca, authority.0.pem()).unwrap();
        let client_auth = client_auth.map(|required| ClientAuth { ca, required });
        setup.tls = Some(config::Tls { certificates, client_auth, acme: None });
        Self { gateway: setup.start(), authority, folder }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.running.address()
    }

    /// A client of HTTP/1.1.
    fn connect(&self) -> Client {
        self.connect_by(self.authority.client(None, &["http/1.1"]))
    }

    fn connect_by(&self, config: ClientConfig) -> Client {
        Client::over(secured(TcpStream::connect(self.address()).unwrap(), Arc::new(config), "localhost"))
    }

    /// The value of a line of the metrics that begins so.
    fn metric(&self, line: &str) -> String {
        let text = self.gateway.admin().get("/metrics").text();
        let found = text.lines().find_map(|one| one.strip_prefix(line));
        found.unwrap_or_else(|| panic!("no {line}: {text}")).trim().to_owned()
    }

    /// How many handshakes came to this, when that is so many.
    fn handshakes(&self, outcome: &str, expected: u64) {
        let line = format!("bearergate_tls_handshakes_total{{outcome=\"{outcome}\"}}");
        let until = tokio::time::Instant::now() + PATIENCE;
        while self.metric(&line) != expected.to_string() {
            assert!(tokio::time::Instant::now() < until, "{outcome}: {}", self.metric(&line));
            std::thread::yield_now();
        }
    }
}

/// TLS over `stream` to the server `name`; its handshake is done with the first byte.
fn secured(stream: TcpStream, config: Arc<ClientConfig>, name: &str) -> StreamOwned<ClientConnection, TcpStream> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    StreamOwned::new(ClientConnection::new(config, name).unwrap(), stream)
}
