//! The way to the authority: HTTPS alone, with a limit for everything.

use std::{error::Error as StdError, future::Future, path::Path, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::AcmeError;

/// The longest answer that is read, in bytes. A chain of certificates has a few thousand.
const MOST_BYTES: usize = 256 * 1024;
/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// Calls the authority.
pub(super) struct Calls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Calls {
    /// Trusts the certificates in the file `authorities` alone; without one, those that this machine trusts, or Mozilla's.
    pub(super) fn new(authorities: Option<&Path>) -> Result<Self, AcmeError> {
        let provider = aws_lc_rs::default_provider;
        let builder = HttpsConnectorBuilder::new;
        let connector = match authorities {
            Some(file) => {
                let settings = ClientConfig::builder_with_provider(Arc::new(provider()))
                    .with_safe_default_protocol_versions()
                    .map_err(AcmeError::other)?
                    .with_root_certificates(roots(file)?)
                    .with_no_client_auth();
                builder().with_tls_config(settings)
            }
            None => match builder().with_provider_and_native_roots(provider()) {
                Ok(builder) => builder,
                Err(_) => builder().with_provider_and_webpki_roots(provider()).map_err(AcmeError::other)?,
            },
        };
        let connector = connector.https_only().enable_http1().build();
        // Between two certificates are weeks.
        Ok(Self(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(1).build(connector)))
    }
}

fn roots(file: &Path) -> Result<RootCertStore, AcmeError> {
    let wrong = |error: String| AcmeError::Authorities(file.to_owned(), error);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() { Err(wrong("it has no certificate".to_owned())) } else { Ok(roots) }
}

impl HttpClient for Calls {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.clone();
        let other = |error: Box<dyn StdError + Send + Sync>| Error::Other(error);
        Box::pin(async move {
            let call = async {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map_or_else(|never| match never {}, Collected::to_bytes);
                let response = client.request(Request::from_parts(head, Full::new(body))).await;
                let (head, body) = response.map_err(|error| other(error.into()))?.into_parts();
                let body = Limited::new(body, MOST_BYTES).collect().await.map_err(other)?.to_bytes();
                Ok(BytesResponse::from(http::Response::from_parts(head, Full::new(body))))
            };
            let late = |_| other(format!("no answer within {CALL_LIMIT:?}").into());
            tokio::time::timeout(CALL_LIMIT, call).await.map_err(late)?
        })
    }
}
