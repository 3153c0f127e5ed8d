//! Where an issuer says that its keys are: its metadata (OpenID Connect Discovery 1.0 §4).
//!
//! 1. The metadata is at the issuer's base and `/.well-known/openid-configuration`, unless the URL ends in that.
//! 2. Its `issuer` is the configured one, character by character (§4.3): otherwise somebody else is talking.
//! 3. Its `jwks_uri` may be of another origin, as those of the large providers are; it is under the same rules as a
//!    configured URL, and only metadata that came without TLS may lead to keys without TLS.

use http::{Uri, uri::PathAndQuery};

use super::{KeyUrl, KeyUrlError, PlainHttp, RemoteError};
use crate::jwt::{Json, Shown};

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Where the metadata of the issuer at `base` is.
pub(super) fn metadata_url(base: &KeyUrl, plain: &PlainHttp) -> Result<KeyUrl, KeyUrlError> {
    if base.uri().path().ends_with(WELL_KNOWN) {
        return Ok(base.clone());
    }
    if base.uri().query().is_some() {
        return Err(KeyUrlError::Query);
    }
    let path = format!("{}{WELL_KNOWN}", base.uri().path().trim_end_matches('/'));
    let mut parts = base.uri().clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).map_err(|_| KeyUrlError::NotAUrl)?);
    let uri = Uri::from_parts(parts).map_err(|_| KeyUrlError::NotAUrl)?;
    KeyUrl::parse(&uri.to_string(), plain)
}

/// Where the keys are, by metadata that came from `from`.
pub(super) fn jwks_url(metadata: &[u8], issuer: &str, from: &KeyUrl, plain: &PlainHttp) -> Result<KeyUrl, RemoteError> {
    let json = Json::parse(metadata.to_vec()).map_err(|error| RemoteError::Metadata(error.to_string()))?;
    let text = |name: &str| json.root().get(name).and_then(|value| value.as_str());
    match text("issuer") {
        Some(found) if found == issuer => {}
        Some(other) => return Err(RemoteError::OtherIssuer(Shown::new(other))),
        None => return Err(RemoteError::Metadata("it names no issuer".to_owned())),
    }
    let url = text("jwks_uri").ok_or_else(|| RemoteError::Metadata("it has no `jwks_uri`".to_owned()))?;
    let url = KeyUrl::parse(url, plain).map_err(RemoteError::Url)?;
    if url.is_plain() && !from.is_plain() {
        return Err(RemoteError::Url(KeyUrlError::PlainHttp));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> KeyUrl {
        KeyUrl::parse(text, &PlainHttp::default()).unwrap()
    }

    #[test]
    fn the_well_known_path_is_added_once() {
        let found = |base: &str| metadata_url(&url(base), &PlainHttp::default()).map(|url| url.to_string());
        for (base, metadata) in [
            ("https://a.example", "https://a.example/.well-known/openid-configuration"),
            ("https://a.example/", "https://a.example/.well-known/openid-configuration"),
            ("https://a.example/t/1/", "https://a.example/t/1/.well-known/openid-configuration"),
            (
                "https://a.example/t/.well-known/openid-configuration",
                "https://a.example/t/.well-known/openid-configuration",
            ),
        ] {
            assert_eq!(found(base).as_deref(), Ok(metadata));
        }
        assert_eq!(found("https://a.example/?x=1"), Err(KeyUrlError::Query));
    }

    #[test]
    fn metadata_of_another_issuer_or_that_leads_away_from_tls_is_refused() {
        let found = |text: &str| {
            jwks_url(text.as_bytes(), "https://a.example", &url("https://a.example"), &PlainHttp::default())
        };
        let good = r#"{"issuer":"https://a.example","jwks_uri":"https://keys.example/a"}"#;
        assert_eq!(found(good).unwrap().to_string(), "https://keys.example/a");
        assert!(matches!(found(&good.replacen("a.example", "a.example/", 1)), Err(RemoteError::OtherIssuer(_))));
        for leads_to in ["http://127.0.0.1/jwks", "http://keys.example/a", "https://169.254.169.254/", "file:///a"] {
            let text = good.replace("https://keys.example/a", leads_to);
            assert!(matches!(found(&text), Err(RemoteError::Url(_))), "{leads_to}");
        }
        for text in ["", "<html>", "[]", "{}", r#"{"issuer":"https://a.example"}"#] {
            assert!(matches!(found(text), Err(RemoteError::Metadata(_))), "{text}");
        }
    }
}
