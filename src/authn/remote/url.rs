//! Which URLs key sets are fetched from, and tokens asked about at.
//!
//! 1. `https`, or `http` from this machine itself and from hosts that the operator named: whoever can alter a key set or
//!    an answer on its way can pass as anybody, and questions have tokens in them.
//! 2. No credentials in it, and no address that only a machine's own surroundings answer (link-local, RFC 3927 §2: the
//!    metadata services of clouds).

use std::net::IpAddr;

use http::{Uri, uri::Scheme};

/// Where no TLS is needed, beside this machine itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlainHttp {
    hosts: Vec<String>,
}

/// A URL that key sets may be fetched from, or tokens asked about at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUrl(Uri);

/// Why a URL is not asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyUrlError {
    /// Not an absolute `http` or `https` URL.
    #[error("is no URL of the form https://host/path")]
    NotAUrl,
    /// Without TLS, from another machine that was not named.
    #[error("is not https: whoever is on the way could give other answers")]
    PlainHttp,
    /// A name or a password before the host.
    #[error("has credentials in it, which are not sent")]
    Credentials,
    /// A query where a path is to be added.
    #[error("has a query, and a path is to be added")]
    Query,
    /// An address that is nobody's in particular.
    #[error("is an address that is not asked (link-local, multicast or unspecified)")]
    Address,
}

impl PlainHttp {
    /// These hosts too, as they stand in the URL, without ports.
    pub fn hosts(hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { hosts: hosts.into_iter().map(Into::into).collect() }
    }

    fn allows(&self, host: &str, address: Option<IpAddr>) -> bool {
        let is_this_machine = address.map_or(host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback());
        is_this_machine || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
    }
}

impl KeyUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// See [`KeyUrlError`].
    pub fn parse(text: &str, plain: &PlainHttp) -> Result<Self, KeyUrlError> {
        let uri: Uri = text.parse().map_err(|_| KeyUrlError::NotAUrl)?;
        let (Some(authority), Some(scheme)) = (uri.authority(), uri.scheme()) else {
            return Err(KeyUrlError::NotAUrl);
        };
        if authority.as_str().contains('@') {
            return Err(KeyUrlError::Credentials);
        }
        let host = authority.host();
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        // Brackets hold an address, and nothing else (RFC 3986 §3.2.2).
        let is_bracketed_text = host.contains(['[', ']']) && address.is_none();
        if host.is_empty() || is_bracketed_text || (*scheme != Scheme::HTTP && *scheme != Scheme::HTTPS) {
            return Err(KeyUrlError::NotAUrl);
        }
        if address.is_some_and(is_nobodys) {
            return Err(KeyUrlError::Address);
        }
        if *scheme == Scheme::HTTP && !plain.allows(host, address) {
            return Err(KeyUrlError::PlainHttp);
        }
        Ok(Self(uri))
    }

    pub(super) const fn uri(&self) -> &Uri {
        &self.0
    }

    pub(super) fn is_plain(&self) -> bool {
        self.0.scheme() == Some(&Scheme::HTTP)
    }
}

impl std::fmt::Display for KeyUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

fn is_nobodys(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_multicast() || v4.is_unspecified() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or_else(
            || v6.is_unicast_link_local() || v6.is_multicast() || v6.is_unspecified(),
            |v4| is_nobodys(v4.into()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tls_this_machine_and_named_hosts_are_asked_for_keys() {
        let plain = PlainHttp::hosts(["id.internal"]);
        for good in [
            "https://id.example.com/jwks.json",
            "https://10.0.0.1:8443/jwks",
            "http://127.0.0.1:3000/jwks",
            "http://[::1]/jwks",
            "http://LOCALHOST/jwks?tenant=1",
            "http://ID.internal:80/jwks",
        ] {
            assert!(KeyUrl::parse(good, &plain).is_ok(), "{good}");
        }
        for (bad, error) in [
            ("http://id.example.com/jwks", KeyUrlError::PlainHttp),
            ("http://localhost.example.com/jwks", KeyUrlError::PlainHttp),
            ("http://2130706433/jwks", KeyUrlError::PlainHttp),
            ("http://10.0.0.1/jwks", KeyUrlError::PlainHttp),
            ("https://user:password@id.example.com/jwks", KeyUrlError::Credentials),
            ("https://169.254.169.254/latest", KeyUrlError::Address),
            ("http://169.254.169.254/latest", KeyUrlError::Address),
            ("https://[fe80::1]/jwks", KeyUrlError::Address),
            ("https://[::ffff:169.254.169.254]/jwks", KeyUrlError::Address),
            ("https://0.0.0.0/jwks", KeyUrlError::Address),
            ("https://[fe80::1%25eth0]/jwks", KeyUrlError::NotAUrl),
            ("https://[],/", KeyUrlError::NotAUrl),
            ("https://[]/", KeyUrlError::NotAUrl),
            ("file:///etc/passwd", KeyUrlError::NotAUrl),
            ("ftp://id.example.com/jwks", KeyUrlError::NotAUrl),
            ("/jwks", KeyUrlError::NotAUrl),
            ("id.example.com", KeyUrlError::NotAUrl),
            ("", KeyUrlError::NotAUrl),
        ] {
            assert_eq!(KeyUrl::parse(bad, &plain), Err(error), "{bad}");
        }
    }
}
