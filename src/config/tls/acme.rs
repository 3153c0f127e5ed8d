//! `[listen.tls.acme]`: a certificate that an authority gives by ACME (RFC 8555).

use std::path::PathBuf;

use http::Uri;
use rustls_pki_types::DnsName;

use crate::config::{
    diagnostics::Diagnostic,
    reader::{At, Reader},
    secrets::find,
    values::{Mistake, boolean, path, shown, text},
};

/// The authority that is asked where none is configured: Let's Encrypt.
pub const DEFAULT_DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// What is asked of which authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// The names that the certificate is for, in lower case. At least one.
    pub domains: Vec<String>,
    /// Whom the authority may write to, as URLs (`mailto:ops@example.com`).
    pub contact: Vec<String>,
    /// The URL of the authority's directory (RFC 8555 §7.1.1).
    pub directory: String,
    /// A file of the only certificates that the authority's own server is trusted by, as PEM; `None`: the machine's.
    pub authorities: Option<PathBuf>,
    /// Where account, key and certificate are kept. Default: `acme` in the state folder.
    pub folder: PathBuf,
}

impl Acme {
    /// Where the certificate stands with its key: the accounts of two authorities are kept apart.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.account_folder().join("certificate.pem")
    }

    /// The folder of the authority's account.
    #[must_use]
    pub fn account_folder(&self) -> PathBuf {
        let authority = self.directory.parse::<Uri>().ok().and_then(|url| url.into_parts().authority);
        let authority = authority.map(|authority| authority.as_str().replace([':', '[', ']', '@'], "_"));
        self.folder.join(authority.unwrap_or_default())
    }

    /// Reads the table.
    pub(super) fn read(mut reader: Reader<'_>) -> Option<Self> {
        if !cfg!(feature = "acme") {
            let mistake = "`listen.tls.acme` needs a program that is built with the feature `acme`";
            reader.context.report(Diagnostic::mistake(mistake).at(reader.place));
        }
        let domains = reader.some("domains", domain);
        if domains.is_none() && reader.entry("domains").is_none() {
            reader.missing("domains", "write `domains = [\"api.example.com\"]`");
        }
        let contact = reader.any("contact", contact).into_iter().map(|contact| contact.value).collect();
        let directory = reader.read_or("directory", DEFAULT_DIRECTORY.to_owned(), directory);
        let authorities = reader.read("ca", path).map(|ca| find(reader.context, &ca.value, ca.place));
        let folder = reader.read("folder", path).map(|At { value, place }| reader.context.resolve(&value, place));
        let folder = folder.unwrap_or_else(|| reader.context.state_folder.join("acme"));
        if !reader.read_or("agree_to_terms", false, boolean) {
            reader
                .missing("agree_to_terms", "read the authority's terms of service, and write `agree_to_terms = true`");
        }
        reader.finish();
        let domains = domains?.into_iter().map(|domain| domain.value).collect();
        Some(Self { domains, contact, directory, authorities, folder })
    }
}

fn domain(node: &crate::config::node::Node) -> Result<String, Mistake> {
    let name = text(node)?;
    if name.starts_with("*.") {
        let mistake = Mistake::new(format!("cannot have the wildcard \"{}\"", shown(name)));
        return Err(mistake.help("the proof on the TLS listener (RFC 8737) is for one name: list them"));
    }
    let wrong = || Mistake::new(format!("must be a host's name, not \"{}\"", shown(name)));
    let known = DnsName::try_from(name).map_err(|_| wrong())?;
    if name.ends_with('.') || name.parse::<std::net::IpAddr>().is_ok() {
        return Err(wrong());
    }
    Ok(known.to_lowercase_owned().as_ref().to_owned())
}

fn contact(node: &crate::config::node::Node) -> Result<String, Mistake> {
    let url = text(node)?;
    let is_mail =
        url.strip_prefix("mailto:").is_some_and(|address| address.contains('@') && !address.contains([' ', ',', '?']));
    if is_mail {
        return Ok(url.to_owned());
    }
    Err(Mistake::new(format!("must be `mailto:` and an address, not \"{}\"", shown(url))))
}

fn directory(node: &crate::config::node::Node) -> Result<String, Mistake> {
    let url = text(node)?;
    let is_https = url.starts_with("https://") && url.parse::<Uri>().is_ok_and(|url| url.host().is_some());
    if is_https { Ok(url.to_owned()) } else { Err(Mistake::new("must be an `https://` URL")) }
}
