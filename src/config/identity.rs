//! `[identity_headers]`: what the upstream is told about the caller.

use http::HeaderName;

use super::{
    context::Context,
    diagnostics::{Diagnostic, Place},
    node::Entry,
    reader::Reader,
    values::{claim_path, one_of, shown},
};
use crate::authn::IdentityHeader;

/// What the upstream is told about the caller, and whether it gets the token too.
#[derive(Clone, Debug, Default)]
pub struct IdentityHeaders {
    /// A header for each of some claims.
    pub headers: Vec<IdentityHeader>,
    /// Whether the token is kept from the upstream. Default: it is passed on.
    pub strip_authorization: bool,
}

/// Headers that are a connection's own (RFC 9110 §7.6.1), that frame a message, or that the proxy itself writes.
const RESERVED: [&str; 19] = [
    "authorization",
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

impl IdentityHeaders {
    pub(super) fn read(reader: Option<Reader<'_>>) -> Self {
        let mut identity = Self::default();
        let Some(mut reader) = reader else { return identity };
        let words = [("keep", false), ("strip", true)];
        identity.strip_authorization = reader.read_or("authorization", false, |node| one_of(node, &words));
        let mut names: Vec<(String, Place)> = Vec::new();
        for entry in reader.entries().filter(|entry| entry.key != "authorization") {
            let claim = reader.parse(&entry.key, &entry.node, claim_path);
            let name = header_name(entry, &mut names, reader.context);
            if let (Some(name), Some(claim)) = (name, claim) {
                identity.headers.push(IdentityHeader { name, claim: claim.value });
            }
        }
        identity
    }
}

fn header_name(entry: &Entry, names: &mut Vec<(String, Place)>, context: &Context<'_>) -> Option<HeaderName> {
    let refuse = |message: String| {
        context.report(Diagnostic::mistake(message).at(entry.place));
        None
    };
    let shown = shown(&entry.key);
    let Ok(name) = HeaderName::from_bytes(entry.key.as_bytes()) else {
        return refuse(format!("`{shown}` is not the name of a header"));
    };
    // What many an upstream cannot tell apart is one name: CGI writes `-`, `_`, `.` and their like alike.
    let canonical = name.as_str().replace(|character: char| !character.is_ascii_alphanumeric(), "-");
    if canonical == "authorization" {
        let message = "`authorization` is written in lower case, and is \"keep\" or \"strip\"";
        return refuse(message.to_owned());
    }
    if RESERVED.contains(&canonical.as_str()) {
        return refuse(format!("the header `{shown}` cannot carry a claim: it belongs to the connection or the proxy"));
    }
    if let Some((_, place)) = names.iter().find(|(other, _)| *other == canonical) {
        let message = format!("the header `{shown}` is there twice: case, `-`, `_` and `.` make no difference");
        context.report(Diagnostic::mistake(message).at(entry.place).related(*place, "the first is here"));
        return None;
    }
    names.push((canonical, entry.place));
    Some(name)
}
