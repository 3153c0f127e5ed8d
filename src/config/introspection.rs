//! An issuer that is asked about tokens: `introspection_url`, and the keys of an issuer that say as whom (RFC 7662).
//!
//! 1. `client_id` and `client_secret` are both needed: a provider that tells everyone would be an oracle (§4).
//! 2. `https`, or `http` from this machine and from the hosts of `allow_http`.
//! 3. What is said of keys or of a token's header (`algorithms`, `typ`, `refresh` and so on) is a mistake beside it, as
//!    `client_id` and `client_secret` are beside any other source.
//! 4. One issuer at most has it: an opaque token does not say whose it is.

use super::{
    context::Context,
    diagnostics::Diagnostic,
    issuer::Issuer,
    key_source::KeySource,
    node::{Entry, Node},
    reader::{At, Reader},
    remote_keys, secrets,
    values::{Mistake, text},
};
use crate::authn::remote::Introspection;

/// The keys of an issuer that say as whom the gateway asks.
const OPTIONS: [&str; 2] = ["client_id", "client_secret"];

/// The keys of an issuer that a token without a signature and a header has no use for.
pub(super) const WITHOUT_USE: [&str; 6] =
    ["algorithms", "typ", "refresh", "refresh_cooldown", "max_stale", "require_keys"];

/// Reads the source whose URL is `entry`.
pub(super) fn read<'a>(reader: &mut Reader<'a>, entry: &'a Entry) -> Option<Introspection> {
    for key in WITHOUT_USE {
        if let Some(entry) = reader.entry(key) {
            let mistake = Mistake::new("has no use beside `introspection_url`: the issuer is asked, and no key");
            reader.report(key, entry.place, mistake);
        }
    }
    let plain = remote_keys::plain_http(reader);
    let client_id = reader.read("client_id", text);
    let client_secret = reader.entry("client_secret");
    for (key, given) in [("client_id", reader.entry("client_id")), ("client_secret", client_secret)] {
        if given.is_none() {
            let mistake = Mistake::absent(format!("needs `{key}`: the provider has to know who asks"));
            let help =
                "add `client_id = \"gateway\"` and `client_secret = { env = \"NAME\" }`, as the provider has them";
            reader.report("introspection_url", entry.node.place, mistake.help(help));
        }
    }
    let secret = client_secret.and_then(|entry| secrets::read(reader, entry));
    let parse = |node: &Node| {
        let url = text(node)?.to_owned();
        let (Some(id), Some(secret)) = (&client_id, &secret) else {
            return Ok(None);
        };
        Introspection::new(&url, id.value, &secret.secret, &plain).map(Some).map_err(remote_keys::mistake)
    };
    reader.parse("introspection_url", &entry.node, parse)?.value
}

/// Refuses its options where no issuer is asked.
pub(super) fn refuse_options(reader: &mut Reader<'_>) {
    for key in OPTIONS {
        if let Some(entry) = reader.entry(key) {
            reader.report(key, entry.place, Mistake::new("is for an issuer that is asked: `introspection_url`"));
        }
    }
}

/// Refuses a second issuer that is asked.
pub(super) fn report_second(issuers: &[At<Issuer>], context: &Context<'_>) {
    let mut asked = issuers.iter().filter(|issuer| matches!(issuer.value.keys, KeySource::Introspection(_)));
    let Some(first) = asked.next() else { return };
    for second in asked {
        let message =
            format!("the issuers `{}` and `{}` both have `introspection_url`", first.value.name, second.value.name);
        let diagnostic = Diagnostic::mistake(message).at(second.place).related(first.place, "the other one is here");
        context.report(diagnostic.help("an opaque token does not say whose it is, so only one issuer can be asked"));
    }
}
