//! TLS to the servers: they are who they should be, or get nothing.

use std::{net::SocketAddr, sync::Arc, thread};

use bearergate::proxy::upstream::{HealthCheck, Server, Tls, UpstreamSettings};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::aws_lc_rs::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer},
        server::WebPkiClientVerifier,
    },
};

use crate::support::Setup;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn certificate(authority: &Authority, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

/// A server that answers with what was spoken with it; it asks for a certificate of `clients`, if there are any.
fn serve(authority: &Authority, name: &str, alpn: &[&[u8]], clients: Option<&Authority>) -> SocketAddr {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.der().clone()).unwrap();
            let provider = Arc::new(default_provider());
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let (chain, key) = certificate(authority, name);
    let mut config = builder.with_single_cert(vec![chain], key).unwrap();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = async |request: Request<Incoming>, connection: usize| {
        let spoken = format!("{:?} {:?} {}", request.version(), request.uri().scheme_str(), request.uri().path());
        Response::builder().header("x-connection", connection).body(Full::new(Bytes::from(spoken)))
    };
    thread::spawn(move || {
        runtime.block_on(async {
            let mut connection = 0;
            while let Ok((socket, _)) = listener.accept().await {
                connection += 1;
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(socket).await else { return };
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ = server
                        .serve_connection(TokioIo::new(stream), service_fn(|request| answer(request, connection)))
                        .await;
                });
            }
        });
    });
    address
}

fn setup(server: Server, tls: Tls) -> Setup {
    let upstream = UpstreamSettings { tls: Some(tls), ..UpstreamSettings::new("default", vec![server]) };
    Setup { upstream, ..Setup::new(&[]) }
}

fn trusting(authority: &Authority) -> Tls {
    Tls::new(Some(&[authority.der().clone()]), None, None).unwrap()
}

fn https(address: SocketAddr) -> Server {
    Server::http1(address.to_string().parse().unwrap()).over_tls()
}

fn h2(address: SocketAddr) -> Server {
    Server::http2(address.to_string().parse().unwrap()).over_tls()
}

#[test]
fn a_server_of_an_own_authority_is_spoken_with_by_http_1_and_2() {
    let authority = authority();
    let address = serve(&authority, "127.0.0.1", &[b"h2", b"http/1.1"], None);
    for (server, spoken) in [(https(address), "HTTP/1.1 None /x"), (h2(address), "HTTP/2.0 Some(\"https\") /x")] {
        let mut setup = setup(server, trusting(&authority));
        setup.upstream.health_check = Some(HealthCheck::new("/health".parse().unwrap()));
        let gateway = setup.start();
        let mut client = gateway.connect();
        for _ in 0..3 {
            assert_eq!(client.get("/x").text(), spoken);
        }
        let metrics = gateway.admin().get("/metrics").text();
        let well = "bearergate_upstream_errors_total{upstream=\"default\",kind=\"health_check\"} 0\n";
        assert!(metrics.contains(well), "{metrics}");
    }
}

#[test]
fn a_connection_by_tls_is_used_again() {
    let authority = authority();
    let address = serve(&authority, "127.0.0.1", &[b"http/1.1"], None);
    let gateway = setup(https(address), trusting(&authority)).start();
    let mut client = gateway.connect();
    for pause in [0, 0, 300] {
        // Longer than a connection is taken for fresh: whatever TLS had to say on it has come by then.
        thread::sleep(std::time::Duration::from_millis(pause));
        assert_eq!(client.get("/x").header("x-connection"), Some("1"), "{pause}");
    }
}

#[test]
fn whoever_is_somebody_else_gets_nothing() {
    let (authority, other) = (authority(), self::authority());
    let localhost = serve(&authority, "localhost", &[b"h2", b"http/1.1"], None);
    let named = |name: &'static str| {
        let name = Some(rustls_name(name));
        Tls::new(Some(&[authority.der().clone()]), name, None).unwrap()
    };
    for server in [https(localhost), h2(localhost)] {
        for (what, tls, status) in [
            ("another name", trusting(&authority), 502),
            ("its own name", named("localhost"), 200),
            ("a name that it has not", named("api.internal"), 502),
            ("another authority", trusting(&other), 502),
            ("the system's authorities", Tls::new(None, None, None).unwrap(), 502),
        ] {
            assert_eq!(setup(server.clone(), tls).start().get("/x").status, status, "{what}");
        }
        let upstream = UpstreamSettings::new("default", vec![server.clone()]);
        let gateway = Setup { upstream, ..Setup::new(&[]) }.start();
        assert_eq!(gateway.get("/x").status, 502, "without TLS there is no way");
    }
}

fn rustls_name(name: &'static str) -> tokio_rustls::rustls::pki_types::ServerName<'static> {
    name.try_into().unwrap()
}

#[test]
fn a_server_that_asks_who_is_calling_is_shown_a_certificate() {
    let (servers, clients, strangers) = (authority(), authority(), authority());
    let address = serve(&servers, "127.0.0.1", &[b"http/1.1"], Some(&clients));
    let tls = |identity: Option<&Authority>| {
        let identity = identity.map(|authority| {
            let (certificate, key) = certificate(authority, "gateway");
            (vec![certificate], key)
        });
        Tls::new(Some(&[servers.der().clone()]), None, identity).unwrap()
    };
    assert_eq!(setup(https(address), tls(Some(&clients))).start().get("/x").status, 200);
    assert_eq!(setup(https(address), tls(None)).start().get("/x").status, 502);
    assert_eq!(setup(https(address), tls(Some(&strangers))).start().get("/x").status, 502);
}

#[test]
fn h2_is_agreed_upon_or_there_is_no_connection() {
    let authority = authority();
    for alpn in [&[b"http/1.1".as_slice()][..], &[]] {
        let address = serve(&authority, "127.0.0.1", alpn, None);
        assert_eq!(setup(h2(address), trusting(&authority)).start().get("/x").status, 502);
    }
    let address = serve(&authority, "127.0.0.1", &[], None);
    assert_eq!(setup(https(address), trusting(&authority)).start().get("/x").status, 200, "HTTP/1.1 needs no word");
}
