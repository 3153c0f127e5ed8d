//! `[identity_headers]`: what the upstream is told about the caller.
//!
//! 1. A header's name, and the claim that it carries: alone, or as `{ claim, format }`.
//! 2. `authorization` keeps the client's token from the upstream, or does not.
//! 3. `resign` gives the upstream a token of the gateway's own, signed for an issuer whose private key or secret is known:
//!    in `Authorization` in place of the client's, or in another `header` beside it.

use std::time::Duration;

use http::{HeaderName, header};

use super::{
    context::Context,
    diagnostics::{Diagnostic, Place},
    issuer::Issuer,
    node::{Entry, Node},
    reader::{At, Reader},
    values::{Mistake, claim_path, duration, known, one_of, shown, text},
};
use crate::{
    authn::{HeaderFormat, IdentityHeader},
    jwt::ClaimPath,
};

const SECOND: Duration = Duration::from_secs(1);
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
/// Longer than this is not short.
const LONGEST_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// What the gateway says itself of every token that it signs again.
const OWN_CLAIMS: [&str; 6] = ["iss", "aud", "exp", "nbf", "iat", "jti"];

/// What the upstream is told about the caller, and whether it gets the token too.
#[derive(Clone, Debug, Default)]
pub struct IdentityHeaders {
    /// A header for each of some claims.
    pub headers: Vec<IdentityHeader>,
    /// Whether the token is kept from the upstream. Default: it is passed on.
    pub strip_authorization: bool,
    /// The token of the gateway's own that the upstream gets.
    pub resign: Option<Resign>,
}

/// A token of the gateway's own, in place of the client's.
#[derive(Clone, Debug)]
pub struct Resign {
    /// The issuer that it is signed for, by name: one whose private key or secret is known. Clients cannot use its
    /// tokens, except on routes that name it.
    pub issuer: String,
    /// How long it is good for, a second to an hour. Default 60 s.
    pub lifetime: Duration,
    /// What is copied from the client's token. `sub` always is.
    pub claims: Vec<ClaimPath>,
    /// The header that carries it. Default `Authorization`.
    pub header: HeaderName,
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
    /// `names` are those of all issuers, of wrong ones too.
    pub(super) fn read(reader: Option<Reader<'_>>, names: &[&str], issuers: &[Issuer]) -> Self {
        let mut identity = Self::default();
        let Some(mut reader) = reader else { return identity };
        let words = [("keep", false), ("strip", true)];
        let strip = reader.read("authorization", |node| one_of(node, &words));
        identity.strip_authorization = strip.as_ref().is_some_and(|read| read.value);
        let mut taken: Vec<(String, Place)> = Vec::new();
        for entry in reader.entries().filter(|entry| !["authorization", "resign"].contains(&entry.key.as_str())) {
            let carried = carried(entry, &reader);
            let name = header_name(&entry.key, entry.place, &mut taken, reader.context);
            if let (Some(name), Some((claim, format))) = (name, carried) {
                identity.headers.push(IdentityHeader { name, claim, format });
            }
        }
        if let Some(table) = reader.table("resign") {
            identity.resign = resign(table, names, issuers, &mut taken);
        }
        let replaces = identity.resign.as_ref().is_some_and(|resign| resign.header == header::AUTHORIZATION);
        if let Some(strip) = strip.filter(|_| replaces) {
            let mistake = Mistake::new("has no meaning here: `resign` puts another token in place of the client's");
            let help = "leave it out, or give `resign` another `header`";
            reader.report("authorization", strip.place, mistake.help(help));
        }
        identity
    }
}

/// A claim, or `{ claim = "permissions", format = "json" }`.
fn carried(entry: &Entry, headers: &Reader<'_>) -> Option<(ClaimPath, HeaderFormat)> {
    if entry.node.table().is_none() {
        let claim = headers.parse(&entry.key, &entry.node, claim_path)?;
        return Some((claim.value, HeaderFormat::Joined));
    }
    let mut reader = Reader::new(&entry.node, entry.place, headers.path_of(&entry.key), headers.context)?;
    let claim = reader.read("claim", claim_path);
    if reader.entry("claim").is_none() {
        reader.missing("claim", "name the claim that the header carries: `claim = \"permissions\"`");
    }
    let words = [("joined", HeaderFormat::Joined), ("json", HeaderFormat::Json)];
    let format = reader.read_or("format", HeaderFormat::Joined, |node| one_of(node, &words));
    reader.finish();
    Some((claim?.value, format))
}

fn resign(
    mut reader: Reader<'_>,
    names: &[&str],
    issuers: &[Issuer],
    taken: &mut Vec<(String, Place)>,
) -> Option<Resign> {
    let issuer = reader.read("issuer", |node| known(node, "issuer", names));
    if reader.entry("issuer").is_none() {
        reader.missing("issuer", "name the issuer that signs, one with `signing_keys` or a `secret`");
    }
    let lifetime = reader.read("lifetime", |node| duration(node, SECOND..=LONGEST_LIFETIME));
    let claims = reader.any("claims", copied_claim).into_iter().map(|read| read.value).collect();
    let header = match reader.entry("header") {
        None => Some(header::AUTHORIZATION),
        Some(entry) => reader
            .parse("header", &entry.node, text)
            .and_then(|At { value, place }| header_name(value, place, taken, reader.context)),
    };
    if let Some(At { value, place }) = &issuer
        && let Some(issuer) = issuers.iter().find(|one| Some(one.name.as_str()) == names.get(*value).copied())
    {
        check_signer(issuer, *place, lifetime.as_ref(), &reader);
    }
    reader.finish();
    let issuer = (*names.get(issuer?.value)?).to_owned();
    Some(Resign { issuer, lifetime: lifetime.map_or(DEFAULT_LIFETIME, |read| read.value), claims, header: header? })
}

/// It has to have a key that signs, and to accept what it signs.
fn check_signer(issuer: &Issuer, place: Place, lifetime: Option<&At<Duration>>, resign: &Reader<'_>) {
    let name = shown(&issuer.name);
    if !issuer.keys.signs() {
        let mistake = Mistake::new(format!("names the issuer \"{name}\", which cannot sign: it has public keys alone"));
        resign.report("issuer", place, mistake.help("name one with `signing_keys` or a `secret`"));
    }
    let most = issuer.expectations.max_life;
    if most.is_some_and(|most| lifetime.map_or(DEFAULT_LIFETIME, |read| read.value) > most) {
        let place = lifetime.map_or(resign.place, |read| read.place);
        resign.report(
            "lifetime",
            place,
            Mistake::new(format!("must be at most the `max_life` of the issuer \"{name}\"")),
        );
    }
}

fn copied_claim(node: &Node) -> Result<ClaimPath, Mistake> {
    let claim = claim_path(node)?;
    match OWN_CLAIMS.into_iter().find(|own| claim.names().next() == Some(own)) {
        Some(own) => Err(Mistake::new(format!("has `{own}`, which the gateway sets"))),
        None => Ok(claim),
    }
}

/// `key` stands at `at`; `names` are those that have been given already.
fn header_name(key: &str, at: Place, names: &mut Vec<(String, Place)>, context: &Context<'_>) -> Option<HeaderName> {
    let refuse = |message: String| {
        context.report(Diagnostic::mistake(message).at(at));
        None
    };
    let shown = shown(key);
    let Ok(name) = HeaderName::from_bytes(key.as_bytes()) else {
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
        context.report(Diagnostic::mistake(message).at(at).related(*place, "the first is here"));
        return None;
    }
    names.push((canonical, at));
    Some(name)
}
