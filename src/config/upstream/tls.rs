//! `tls = { ca, server_name, cert, key }`: who the servers have to be, and who the gateway is to them.

use std::path::Path;

use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};

use crate::{
    config::{
        reader::{At, Reader},
        values::{Mistake, shown, text},
    },
    proxy::upstream::{Identity, Tls, TlsError},
};

/// How TLS is spoken: as the system trusts, unless `tls` says something else. `None` if no server `is_needed` for.
pub(super) fn read(upstream: &mut Reader<'_>, is_needed: bool) -> Option<Tls> {
    let Some(entry) = upstream.entry("tls") else {
        // It can't fail for anything that stands in the file.
        return if is_needed { Tls::new(None, None, None).ok() } else { None };
    };
    let mut reader = upstream.table("tls")?;
    let authorities = reader.read("ca", text).and_then(|path| certificates(&reader, "ca", &path));
    let name = reader.read("server_name", |node| {
        let name = text(node)?;
        let wrong = || Mistake::new(format!("must be a host's name or an IP address, not \"{}\"", shown(name)));
        ServerName::try_from(name.to_owned()).map_err(|_| wrong())
    });
    let identity = identity(&mut reader);
    reader.finish();
    if !is_needed {
        let mistake = Mistake::new("is of no use: no server has `https://` or `h2://`");
        upstream.report("tls", entry.place, mistake);
        return None;
    }
    let made = Tls::new(authorities.as_deref(), name.map(|name| name.value), identity);
    let key = match &made {
        Ok(_) => return made.ok(),
        Err(TlsError::Authority(_)) => "tls.ca",
        Err(TlsError::Identity(_)) => "tls.cert",
        Err(TlsError::Setup(_)) => "tls",
    };
    if let Err(error) = made {
        upstream.report(key, entry.place, Mistake::new(format!("is not right: {error}")));
    }
    None
}

fn identity(reader: &mut Reader<'_>) -> Option<Identity> {
    let [cert, key] = ["cert", "key"].map(|name| reader.entry(name).is_some());
    match (cert, key) {
        (true, false) => reader.missing("key", "name the file of the certificate's private key"),
        (false, true) => reader.missing("cert", "name the file of the key's certificate"),
        (true, true) | (false, false) => {}
    }
    let chain = reader.read("cert", text).and_then(|path| certificates(reader, "cert", &path));
    let key = reader.read("key", text).and_then(|path| {
        let bytes = contents(reader, "key", &path)?;
        let key = PrivateKeyDer::from_pem_slice(&bytes).ok();
        if key.is_none() {
            reader.report("key", path.place, Mistake::new("names a file without a private key in PEM"));
        }
        key
    });
    chain.zip(key)
}

fn certificates(reader: &Reader<'_>, key: &str, path: &At<&str>) -> Option<Vec<CertificateDer<'static>>> {
    let bytes = contents(reader, key, path)?;
    let read = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let certificates = read.ok().filter(|certificates| !certificates.is_empty());
    if certificates.is_none() {
        reader.report(key, path.place, Mistake::new("names a file without a certificate in PEM"));
    }
    certificates
}

fn contents(reader: &Reader<'_>, key: &str, path: &At<&str>) -> Option<Vec<u8>> {
    let file = reader.context.resolve(Path::new(path.value), path.place);
    let read = reader.context.files.read(&file);
    read.map_err(|error| {
        let message = format!("names \"{}\", which cannot be read: {error}", shown(&file.display().to_string()));
        reader.report(key, path.place, Mistake::new(message));
    })
    .ok()
}
