//! TLS to the servers of an upstream: who they have to be, and who the gateway is to them.
//!
//! 1. A server's certificate is always verified, against the authorities that are configured, or else those that the system
//!    trusts, or, where it has none, those of Mozilla. There is no way to leave that out.
//! 2. It has to be for the name in the server's URL, or the one that is configured.
//! 3. TLS 1.2 and 1.3 are spoken. `https://` offers `http/1.1`, `h2://` offers `h2` and takes nothing else (RFC 9113 §3.2).

use std::{fmt, io, sync::Arc};

use ::aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use hyper_rustls::ConfigBuilderExt as _;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier, client::WantsClientCert, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Protocol, Server};

/// What a certificate and its key are read into.
pub type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// How the servers of an upstream are spoken with by TLS.
#[derive(Clone)]
pub struct Tls {
    http1: TlsConnector,
    http2: TlsConnector,
    name: Option<ServerName<'static>>,
    made_of: [u8; SHA256_OUTPUT_LEN],
}

/// Made of the same certificates, name and key.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.made_of == other.made_of
    }
}

impl Eq for Tls {}

/// What TLS cannot be spoken with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A certificate of an authority that cannot be used.
    #[error("a certificate cannot be used: {0}")]
    Authority(String),
    /// The client's certificate or key cannot be used, or they don't belong together.
    #[error("the certificate and the key cannot be used: {0}")]
    Identity(String),
    /// The cryptographic library refuses the versions.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

impl Tls {
    /// TLS that trusts `authorities`, or those of the system if there are none; a server has to be `name` instead of the one
    /// in its URL, if that is given, and is shown `identity` if it asks who is calling.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn new(
        authorities: Option<&[CertificateDer<'static>]>,
        name: Option<ServerName<'static>>,
        identity: Option<Identity>,
    ) -> Result<Self, TlsError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Setup(error.to_string()))?;
        let made_of = digest(authorities, name.as_ref(), identity.as_ref());
        let builder = match authorities {
            Some(authorities) => builder.with_root_certificates(roots(authorities)?),
            None => trusting_the_system(builder),
        };
        let config = match identity {
            Some((chain, key)) => {
                builder.with_client_auth_cert(chain, key).map_err(|error| TlsError::Identity(error.to_string()))?
            }
            None => builder.with_no_client_auth(),
        };
        let offering = |protocol: &[u8]| {
            let mut config = config.clone();
            config.alpn_protocols = vec![protocol.to_vec()];
            TlsConnector::from(Arc::new(config))
        };
        Ok(Self { http1: offering(b"http/1.1"), http2: offering(b"h2"), name, made_of })
    }

    /// Speaks TLS with `server` at the other end of `socket`.
    pub(in crate::proxy) async fn connect(
        &self,
        server: &Server,
        socket: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => ServerName::try_from(server.host_and_port().0.to_owned()).map_err(io::Error::other)?,
        };
        match server.protocol {
            Protocol::Http1 => self.http1.connect(name, socket).await,
            Protocol::Http2 => {
                let stream = self.http2.connect(name, socket).await?;
                if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                    return Err(io::Error::other("it does not speak HTTP/2: it has not chosen `h2` (ALPN)"));
                }
                Ok(stream)
            }
        }
    }
}

/// Without the key.
impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Tells whether two are made of the same. Lengths keep apart what stands side by side.
fn digest(
    authorities: Option<&[CertificateDer<'static>]>,
    name: Option<&ServerName<'static>>,
    identity: Option<&Identity>,
) -> [u8; SHA256_OUTPUT_LEN] {
    let mut context = Context::new(&SHA256);
    let mut add = |piece: &[u8]| {
        context.update(&(piece.len() as u64).to_le_bytes());
        context.update(piece);
    };
    add(&[u8::from(authorities.is_some()), u8::from(identity.is_some())]);
    authorities.unwrap_or_default().iter().for_each(|authority| add(authority));
    add(name.map(ServerName::to_str).unwrap_or_default().as_bytes());
    if let Some((chain, key)) = identity {
        chain.iter().for_each(|certificate| add(certificate));
        add(key.secret_der());
    }
    let mut made_of = [0; SHA256_OUTPUT_LEN];
    made_of.copy_from_slice(context.finish().as_ref());
    made_of
}

fn roots(authorities: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).map_err(|error| TlsError::Authority(error.to_string()))?;
    }
    Ok(roots)
}

fn trusting_the_system(
    builder: ConfigBuilder<ClientConfig, WantsVerifier>,
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    builder.clone().with_native_roots().unwrap_or_else(|_| builder.with_webpki_roots())
}
