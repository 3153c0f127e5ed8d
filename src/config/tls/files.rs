//! The files that `tls` names, from their bytes to what rustls uses.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::digest::{self, SHA256};
use rustls::{InconsistentKeys, RootCertStore, crypto::aws_lc_rs::default_provider, sign::CertifiedKey};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer, time::ASN1Time};

use super::{CertificateFiles, Tls};
use crate::{
    clock::Timestamp,
    config::context::{LARGEST_FILE, read_at_most},
    secret::Secret,
};

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` {problem}", shown(.path))]
pub struct TlsError {
    path: PathBuf,
    problem: Problem,
}

fn shown(path: &Path) -> String {
    crate::config::values::shown(&path.display().to_string())
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("cannot be read: {0}")]
    Unreadable(String),
    #[error("is not PEM: {0}")]
    NotPem(String),
    #[error("has no certificate")]
    NoCertificate,
    #[error("has a certificate that cannot be read: {0}")]
    BadCertificate(String),
    #[error("has no private key")]
    NoKey,
    #[error("has a private key that cannot be used: {0}")]
    BadKey(String),
    #[error("is not the private key of the certificate `{0}`")]
    OtherKey(String),
}

impl TlsError {
    fn new(path: &Path, problem: Problem) -> Self {
        Self { path: path.to_owned(), problem }
    }

    /// Whether this file is the one.
    pub(super) fn is_about(&self, path: &Path) -> bool {
        self.path == path
    }

    /// What to do about it, where that is not plain.
    pub(super) const fn help(&self) -> Option<&'static str> {
        match self.problem {
            Problem::NoCertificate => Some("it begins with `-----BEGIN CERTIFICATE-----`"),
            Problem::NoKey => Some("it begins with `-----BEGIN PRIVATE KEY-----`; an encrypted one cannot be used"),
            _ => None,
        }
    }
}

/// The bytes of a certificate's two files, read at the same time.
pub struct CertificateContents {
    files: CertificateFiles,
    cert: Vec<u8>,
    key: Secret,
}

/// A certificate that can be shown to clients.
#[derive(Clone)]
pub struct Certificate {
    /// It with its key.
    pub certified: Arc<CertifiedKey>,
    /// The host names that it is for (`dNSName`, RFC 5280 §4.2.1.6), in lower case; `*.` at the start stands for one
    /// label (RFC 9525 §6.3).
    pub names: Vec<String>,
    /// Its beginning (`notBefore`).
    pub not_before: Timestamp,
    /// Its end (`notAfter`).
    pub not_after: Timestamp,
    /// Its file.
    pub file: PathBuf,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Certificate");
        shown.field("file", &self.file).field("names", &self.names).finish_non_exhaustive()
    }
}

impl CertificateFiles {
    /// A certificate and its key in one file.
    #[must_use]
    pub fn together(file: PathBuf) -> Self {
        Self { cert: file.clone(), key: file }
    }

    /// A certificate and its key as `pem`, which are to stand in these files.
    #[must_use]
    pub fn with(&self, pem: &str) -> CertificateContents {
        CertificateContents { files: self.clone(), cert: pem.into(), key: Secret::new(pem.into()) }
    }

    /// Reads both files.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn read(&self) -> Result<CertificateContents, TlsError> {
        let cert = read(&self.cert)?;
        Ok(CertificateContents { files: self.clone(), cert, key: Secret::new(read(&self.key)?) })
    }
}

impl CertificateContents {
    /// What the files hold.
    ///
    /// # Errors
    /// If one is not what it has to be, or the key is another certificate's.
    pub fn parse(&self) -> Result<Certificate, TlsError> {
        let CertificateFiles { cert, key } = &self.files;
        let chain = certificates(cert, &self.cert)?;
        let private = PrivateKeyDer::from_pem_slice(self.key.expose()).map_err(|error| {
            let problem = match error {
                pem::Error::NoItemsFound => Problem::NoKey,
                error => Problem::NotPem(error.to_string()),
            };
            TlsError::new(key, problem)
        })?;
        let facts = chain.first().map(|first| facts(cert, first)).transpose()?;
        let Facts { names, not_before, not_after } = facts.unwrap_or_default();
        let certified = CertifiedKey::from_der(chain, private, &default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::new(key, Problem::OtherKey(shown(cert)))
            }
            rustls::Error::InvalidCertificate(error) => TlsError::new(cert, Problem::BadCertificate(error.to_string())),
            error => TlsError::new(key, Problem::BadKey(error.to_string())),
        })?;
        Ok(Certificate { certified: Arc::new(certified), names, not_before, not_after, file: cert.clone() })
    }
}

/// The bytes of all files, as they were at one time.
pub struct Contents {
    certificates: Vec<CertificateContents>,
    client_ca: Option<(PathBuf, Vec<u8>)>,
}

impl Tls {
    /// Reads all files.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn contents(&self) -> Result<Contents, TlsError> {
        let mut certificates = self.certificates.iter().map(CertificateFiles::read).collect::<Result<Vec<_>, _>>()?;
        // One that can't be used is as good as none: another one is on its way.
        let obtained = self.acme.as_ref().and_then(|acme| CertificateFiles::together(acme.certificate()).read().ok());
        certificates.extend(obtained.filter(|obtained| obtained.parse().is_ok()));
        let client_ca = match &self.client_auth {
            Some(auth) => Some((auth.ca.clone(), read(&auth.ca)?)),
            None => None,
        };
        Ok(Contents { certificates, client_ca })
    }
}

impl Contents {
    /// A digest by which it is seen whether a file has changed.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut context = digest::Context::new(&SHA256);
        let certificates = self.certificates.iter().flat_map(|one| [one.cert.as_slice(), one.key.expose()]);
        for bytes in certificates.chain(self.client_ca.iter().map(|(_, bytes)| bytes.as_slice())) {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        digest
    }

    /// The certificates, in the order of the configuration.
    ///
    /// # Errors
    /// As [`CertificateContents::parse`].
    pub fn certificates(&self) -> Result<Vec<Certificate>, TlsError> {
        self.certificates.iter().map(CertificateContents::parse).collect()
    }

    /// The certificates that clients' have to lead to, if they are asked for one.
    ///
    /// # Errors
    /// If the file is not what it has to be.
    pub fn client_roots(&self) -> Result<Option<RootCertStore>, TlsError> {
        self.client_ca.as_ref().map(|(path, bytes)| roots(path, bytes)).transpose()
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    read_at_most(path, LARGEST_FILE).map_err(|error| TlsError::new(path, Problem::Unreadable(error)))
}

pub(super) fn roots(path: &Path, bytes: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, bytes)? {
        roots.add(certificate).map_err(|error| TlsError::new(path, Problem::BadCertificate(error.to_string())))?;
    }
    Ok(roots)
}

fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| TlsError::new(path, Problem::NotPem(error.to_string())))?;
    if certificates.is_empty() { Err(TlsError::new(path, Problem::NoCertificate)) } else { Ok(certificates) }
}

/// The host names and the end of a certificate.
#[derive(Default)]
struct Facts {
    names: Vec<String>,
    not_before: Timestamp,
    not_after: Timestamp,
}

fn facts(path: &Path, der: &[u8]) -> Result<Facts, TlsError> {
    let wrong = |error: &dyn fmt::Display| TlsError::new(path, Problem::BadCertificate(error.to_string()));
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| wrong(&error))?;
    let alternative = certificate.subject_alternative_name().map_err(|error| wrong(&error))?;
    let names = alternative.iter().flat_map(|extension| &extension.value.general_names);
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    let time = |time: ASN1Time| Timestamp::from_secs(u64::try_from(time.timestamp()).unwrap_or_default());
    let validity = certificate.validity();
    Ok(Facts { names: names.collect(), not_before: time(validity.not_before), not_after: time(validity.not_after) })
}
