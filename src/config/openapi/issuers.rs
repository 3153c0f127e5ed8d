//! What a document says about whose tokens are accepted (OpenAPI Specification 3.1.1 §4.8.27).
//!
//! `openIdConnectUrl` is where an issuer's metadata is, and what stands before `/.well-known` in it is the issuer
//! (OpenID Connect Discovery 1.0 §4): that is all that fetching its keys takes. Other schemes name no keys; their URLs are
//! hints for the operator.

use serde_json::Value;

use super::{OpenApiError, source::Source};
use crate::authn::remote::{PlainHttp, RemoteKeys};

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// More issuers or hints than this are not written down.
const MOST: usize = 8;

/// Issuers, and where else tokens may come from.
#[derive(Clone, Debug, Default)]
pub(super) struct Issuers {
    /// The `iss` of each whose keys can be fetched.
    pub(super) discovered: Vec<String>,
    /// URLs of the document that have to do with tokens.
    pub(super) hints: Vec<String>,
}

impl Issuers {
    pub(super) fn read(source: &Source) -> Result<Self, OpenApiError> {
        let mut issuers = Self::default();
        for (name, node) in source.components("securitySchemes")?.into_iter().flatten() {
            let scheme = source.resolve(node, &format!("components.securitySchemes.{name}"))?;
            match scheme.get("openIdConnectUrl").and_then(Value::as_str) {
                Some(url) => match issuer(url) {
                    Some(issuer) => add(&mut issuers.discovered, issuer),
                    None => add(&mut issuers.hints, url),
                },
                None => {
                    let flows = scheme.get("flows").and_then(Value::as_object).into_iter().flatten();
                    let urls = flows.flat_map(|(_, flow)| ["tokenUrl", "authorizationUrl"].map(|key| flow.get(key)));
                    urls.flatten().filter_map(Value::as_str).for_each(|url| add(&mut issuers.hints, url));
                }
            }
        }
        Ok(issuers)
    }
}

/// The issuer whose metadata this URL leads to, if its keys can be fetched.
fn issuer(url: &str) -> Option<&str> {
    let issuer = url.strip_suffix(WELL_KNOWN).filter(|_| !url.chars().any(char::is_control))?;
    RemoteKeys::discovery(url, issuer, &PlainHttp::default()).is_ok().then_some(issuer)
}

fn add(list: &mut Vec<String>, one: &str) {
    if list.len() < MOST && !list.iter().any(|known| known == one) {
        list.push(one.to_owned());
    }
}
