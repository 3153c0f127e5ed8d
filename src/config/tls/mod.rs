//! `[listen] tls`: the certificates that the gateway shows its clients, and those that it asks them for.
//!
//! 1. `{ cert, key }` names one certificate, `{ certificates = [{ cert, key }, …] }` several. A client that names a host
//!    (SNI, RFC 6066 §3) gets the first one that is for it; one that names none, or one that no certificate is for, gets
//!    the first of all.
//! 2. `client_ca` names the certificates that clients' have to lead to; `client_auth = "optional"` lets clients in that
//!    have none, which by default are not.
//! 3. `acme` has a certificate obtained ([`acme`]).
//! 4. The files are read with the configuration, so that a mistake in one is found before anything starts, and again when
//!    they change ([`files`]).

pub mod acme;
pub mod files;

use std::path::PathBuf;

pub use self::{
    acme::Acme,
    files::{Certificate, Contents, TlsError},
};
use super::{
    diagnostics::{Diagnostic, Place},
    reader::Reader,
    secrets::{find, others_can_read},
    values::{Mistake, one_of, path, shown},
};

/// `[listen] tls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// At least one unless there is `acme`; the first is shown to clients that ask for no host, or for one that none is for.
    pub certificates: Vec<CertificateFiles>,
    /// The client certificates that are asked for, if any are.
    pub client_auth: Option<ClientAuth>,
    /// The certificate that an authority is asked for, if one is; it stands behind the others.
    pub acme: Option<Acme>,
}

/// A certificate and its key, in PEM (RFC 7468).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and behind it those that lead to its authority's.
    pub cert: PathBuf,
    /// Its private key: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: PathBuf,
}

/// Which client certificates are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// The certificates, in PEM, that each has to lead to.
    pub ca: PathBuf,
    /// Whether a client without one is refused. Default true.
    pub required: bool,
}

impl Tls {
    /// Reads `tls`, and the files that it names.
    pub(super) fn read(mut reader: Reader<'_>) -> Option<Self> {
        let acme = reader.table("acme").map(Acme::read);
        let first = certificate(&mut reader);
        let several = reader.entry("certificates");
        let mut certificates = Vec::new();
        match (first, several) {
            (Some(First::Whole(certificate)), None) => certificates.push(certificate),
            (Some(First::Broken), None) => {}
            (None, Some(entry)) => {
                if entry.node.elements().is_empty() {
                    reader.report("certificates", entry.node.place, Mistake::new("is an empty list"));
                }
                for node in entry.node.elements() {
                    let path = reader.path_of("certificates");
                    let Some(mut one) = Reader::new(node, node.place, path, reader.context) else { continue };
                    match certificate(&mut one) {
                        Some(First::Whole(certificate)) => certificates.push(certificate),
                        Some(First::Broken) => {}
                        None => one.missing("cert", "a certificate is `{ cert = \"tls.crt\", key = \"tls.key\" }`"),
                    }
                    one.finish();
                }
            }
            (Some(_), Some(entry)) => {
                let mistake =
                    Mistake::new("cannot stand beside `cert` and `key`").help("put them into the list, first");
                reader.report("certificates", entry.node.place, mistake);
            }
            (None, None) if acme.is_some() => {}
            (None, None) => reader.missing("cert", "write `tls = { cert = \"tls.crt\", key = \"tls.key\" }`"),
        }
        let client_auth = client_auth(&mut reader);
        reader.finish();
        let acme = acme.flatten();
        (!certificates.is_empty() || acme.is_some()).then_some(Self { certificates, client_auth, acme })
    }
}

/// What `cert` and `key` of a table say, if one of them is there.
enum First {
    Whole(CertificateFiles),
    /// It has been reported why not.
    Broken,
}

fn certificate(reader: &mut Reader<'_>) -> Option<First> {
    let there = [reader.entry("cert").is_some(), reader.entry("key").is_some()];
    let (cert, key) = (reader.read("cert", path), reader.read("key", path));
    match there {
        [false, false] => return None,
        [true, false] => reader.missing("key", "name the file with the certificate's private key"),
        [false, true] => reader.missing("cert", "name the file with the key's certificate"),
        [true, true] => {}
    }
    let (Some(cert), Some(key)) = (cert, key) else { return Some(First::Broken) };
    let files = CertificateFiles {
        cert: find(reader.context, &cert.value, cert.place),
        key: find(reader.context, &key.value, key.place),
    };
    if others_can_read(&files.key) {
        let message = format!("the private key `{}` can be read by others", shown(&files.key.display().to_string()));
        let warning = Diagnostic::warning(message).at(key.place);
        reader.context.report(warning.help("`chmod 600` keeps it to its owner"));
    }
    match files.read().and_then(|contents| contents.parse()) {
        Ok(_) => Some(First::Whole(files)),
        Err(error) => {
            let place = if error.is_about(&files.key) { key.place } else { cert.place };
            report(reader, &error, place);
            Some(First::Broken)
        }
    }
}

fn client_auth(reader: &mut Reader<'_>) -> Option<ClientAuth> {
    let required = reader.read("client_auth", |node| one_of(node, &[("required", true), ("optional", false)]));
    let Some(ca) = reader.read("client_ca", path) else {
        if let Some(required) = required
            && reader.entry("client_ca").is_none()
        {
            let mistake = Mistake::new("needs `client_ca`").help("it names the certificates that clients' lead to");
            reader.report("client_auth", required.place, mistake);
        }
        return None;
    };
    let auth = ClientAuth {
        ca: find(reader.context, &ca.value, ca.place),
        required: required.is_none_or(|required| required.value),
    };
    if let Err(error) = files::read(&auth.ca).and_then(|bytes| files::roots(&auth.ca, &bytes)) {
        report(reader, &error, ca.place);
    }
    Some(auth)
}

fn report(reader: &Reader<'_>, error: &TlsError, place: Place) {
    let diagnostic = Diagnostic::mistake(error.to_string()).at(place);
    reader.context.report(match error.help() {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    });
}
