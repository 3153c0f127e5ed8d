//! One public key in PEM (RFC 7468 §13), and clear words for what is often given instead.

use rustls_pki_types::pem::{PemObject, SectionKind};

use crate::jwt::Shown;

use super::KeyError;

/// The SubjectPublicKeyInfo of a PEM with exactly one section, a `PUBLIC KEY`.
pub(super) fn public_key(pem: &[u8]) -> Result<Vec<u8>, KeyError> {
    let text = std::str::from_utf8(pem).map_err(|_| KeyError::NotPem)?;
    let mut labels = text.lines().filter_map(|line| line.trim_end().strip_prefix("-----BEGIN ")?.strip_suffix("-----"));
    let label = labels.next().ok_or(KeyError::NotPem)?;
    // EC private keys often stand behind their parameters: what matters is that one is there.
    if label.ends_with("PRIVATE KEY") || labels.clone().any(|label| label.ends_with("PRIVATE KEY")) {
        return Err(KeyError::PrivatePem);
    }
    match label {
        _ if labels.next().is_some() => Err(KeyError::SeveralPemSections),
        "PUBLIC KEY" => match <(SectionKind, Vec<u8>)>::from_pem_slice(pem) {
            Ok((SectionKind::PublicKey, der)) => Ok(der),
            Ok(_) | Err(_) => Err(KeyError::NotPem),
        },
        "RSA PUBLIC KEY" => Err(KeyError::Pkcs1Pem),
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => Err(KeyError::CertificatePem),
        other => Err(KeyError::OtherPem(Shown::new(other))),
    }
}
