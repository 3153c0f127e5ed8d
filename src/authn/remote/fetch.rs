//! One document over HTTP.
//!
//! 1. At most 1 MiB of body. The time is the caller's to limit.
//! 2. No redirect is followed: what was configured is asked, nobody else.
//! 3. Only 200 counts, and 304 (RFC 9110 §15.4.5) after a conditional request: then the document is the one known.
//! 4. `Cache-Control: max-age` (RFC 9111 §5.2.2.1) is the caller's to heed.

use std::{error::Error, io, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, ETAG, IF_NONE_MATCH, USER_AGENT},
};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::crypto::aws_lc_rs;

use super::{KeyUrl, RemoteError};

const MOST_BYTES: usize = 1024 * 1024;

/// Asks for documents.
pub(super) struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

/// A document as it was last fetched.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) url: KeyUrl,
    pub(super) body: Bytes,
    etag: Option<HeaderValue>,
}

impl Document {
    pub(super) const fn new(url: KeyUrl) -> Self {
        Self { url, body: Bytes::new(), etag: None }
    }
}

impl Fetcher {
    pub(super) fn new() -> io::Result<Self> {
        // A connection that idled for minutes is more likely to be dead than alive.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector()?);
        Ok(Self { client })
    }

    /// Brings `document` up to date. How long it is good for, if that is said.
    pub(super) async fn fetch(&self, document: &mut Document) -> Result<Option<Duration>, RemoteError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = document.url.uri().clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, application/jwk-set+json"));
        headers.insert(USER_AGENT, user_agent());
        if let Some(etag) = &document.etag {
            headers.insert(IF_NONE_MATCH, etag.clone());
        }
        let response = self.client.request(request).await.map_err(|error| RemoteError::Connect(with_causes(&error)))?;
        let max_age = max_age(response.headers());
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if document.etag.is_some() => return Ok(max_age),
            status => return Err(unexpected(status)),
        }
        let etag = response.headers().get(ETAG).cloned();
        document.body = body(response.into_body()).await?;
        document.etag = etag;
        Ok(max_age)
    }
}

/// Trusts the authorities that this machine trusts; where it has none, Mozilla's as of this build.
pub(super) fn connector() -> io::Result<HttpsConnector<HttpConnector>> {
    let provider = aws_lc_rs::default_provider;
    let connector = match HttpsConnectorBuilder::new().with_provider_and_native_roots(provider()) {
        Ok(connector) => connector,
        Err(_) => HttpsConnectorBuilder::new().with_provider_and_webpki_roots(provider()).map_err(io::Error::other)?,
    };
    Ok(connector.https_or_http().enable_http1().build())
}

pub(super) const fn user_agent() -> HeaderValue {
    HeaderValue::from_static(concat!("bearergate/", env!("CARGO_PKG_VERSION")))
}

/// The error of a status that does not count.
pub(super) fn unexpected(status: StatusCode) -> RemoteError {
    let code = status.as_u16();
    if status.is_redirection() { RemoteError::Redirect(code) } else { RemoteError::Status(code) }
}

/// A body to its end, unless it is too large.
pub(super) async fn body(body: Incoming) -> Result<Bytes, RemoteError> {
    let collected = Limited::new(body, MOST_BYTES).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() { RemoteError::TooLarge } else { RemoteError::Body(with_causes(&*error)) }
    })?;
    Ok(collected.to_bytes())
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let directives = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|value| value.to_str().ok());
    let mut directives = directives.flat_map(|value| value.split(','));
    directives.find_map(|directive| {
        let (name, seconds) = directive.trim().split_once('=')?;
        let seconds = seconds.trim_matches('"').parse().ok()?;
        name.eq_ignore_ascii_case("max-age").then_some(Duration::from_secs(seconds))
    })
}

/// The error and what it comes from: the outermost says only that it went wrong.
pub(super) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_found_among_other_directives() {
        let age =
            |value: &'static str| max_age(&HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(value))]));
        assert_eq!(age("public, Max-Age=60, must-revalidate"), Some(Duration::from_secs(60)));
        assert_eq!(age("max-age=\"60\""), Some(Duration::from_secs(60)));
        assert_eq!(age("s-maxage=60"), None);
        assert_eq!(age("max-age=-1"), None);
        assert_eq!(age("max-age"), None);
    }
}
