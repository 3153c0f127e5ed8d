//! Which certificate a client is shown, by the host that it names.

use std::{collections::HashMap, fmt, sync::Arc};

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::challenges::{ALPN, Challenges};
use crate::config::tls::Certificate;

/// All certificates, by name.
pub(super) struct Certificates {
    first: Option<Arc<CertifiedKey>>,
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what stands behind `*.`.
    wildcards: HashMap<String, Arc<CertifiedKey>>,
    challenges: Challenges,
}

impl Certificates {
    /// Where two are for the same name the first one is shown.
    pub(super) fn new(certificates: &[Certificate], challenges: Challenges) -> Self {
        let (mut exact, mut wildcards) = (HashMap::new(), HashMap::new());
        for certificate in certificates {
            for name in &certificate.names {
                let (names, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut wildcards, parent),
                    None => (&mut exact, name.as_str()),
                };
                names.entry(name.to_owned()).or_insert_with(|| Arc::clone(&certificate.certified));
            }
        }
        Self { first: certificates.first().map(|first| Arc::clone(&first.certified)), exact, wildcards, challenges }
    }

    /// The one for `name`, in lower case: an exact one before a wildcard, which stands for exactly one label
    /// (RFC 9525 §6.3); else the first of all.
    fn of(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let known = name.and_then(|name| {
            let wildcard = || name.split_once('.').and_then(|(_, parent)| self.wildcards.get(parent));
            self.exact.get(name).or_else(wildcard)
        });
        known.or(self.first.as_ref())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls gives names in lower case.
        if hello.alpn().is_some_and(|protocols| protocols.eq([ALPN])) {
            return self.challenges.get(hello.server_name()?);
        }
        self.of(hello.server_name()).cloned()
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificates").field("names", &self.exact.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Timestamp, config::tls::CertificateFiles};

    fn certificate(names: &[&str]) -> Certificate {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let made = made.unwrap();
        let (cert, key) = (folder.path().join("crt"), folder.path().join("key"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let read = CertificateFiles { cert, key }.read().unwrap().parse().unwrap();
        assert!(read.not_after > Timestamp::from_secs(2_000_000_000));
        read
    }

    #[test]
    fn the_certificate_is_the_most_exact_one_and_else_the_first() {
        let all = [
            certificate(&["first.example"]),
            certificate(&["*.Example.com", "example.com"]),
            certificate(&["api.example.com", "example.com"]),
        ];
        assert_eq!(all[1].names, ["*.example.com", "example.com"]);
        let resolver = Certificates::new(&all, Challenges::default());
        let at = |name: Option<&str>| {
            let found = resolver.of(name).unwrap();
            all.iter().position(|one| Arc::ptr_eq(&one.certified, found)).unwrap()
        };
        for (name, expected) in [
            (None, 0),
            (Some("first.example"), 0),
            (Some("other.example"), 0),
            (Some("example.com"), 1),
            (Some("www.example.com"), 1),
            (Some("api.example.com"), 2),
            (Some("a.www.example.com"), 0),
            (Some("com"), 0),
            (Some(""), 0),
            (Some("*.example.com"), 1),
        ] {
            assert_eq!(at(name), expected, "{name:?}");
        }
        assert!(Certificates::new(&[], Challenges::default()).of(Some("a")).is_none());
    }
}
