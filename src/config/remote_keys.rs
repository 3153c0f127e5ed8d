//! Keys that the gateway fetches: `jwks_url`, `discovery_url`, and the keys of an issuer that say how.
//!
//! 1. `https`, or `http` from this machine and from the hosts of `allow_http`.
//! 2. `discovery_url` needs `issuer`: what the metadata says is compared with it.
//! 3. `refresh`, `refresh_cooldown`, `max_stale`, `require_keys` and `allow_http` are mistakes beside any other source;
//!    but `allow_http` is for `introspection_url` too.

use std::time::Duration;

use super::{
    node::Node,
    reader::{At, Reader},
    values::{Mistake, boolean, duration, owned, text},
};
use crate::{
    authn::remote::{KeyUrlError, PlainHttp, RemoteKeys},
    jwt::Algorithm,
};

/// The keys of an issuer that say how its keys are fetched.
const OPTIONS: [&str; 5] = ["refresh", "refresh_cooldown", "max_stale", "require_keys", "allow_http"];

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How keys are fetched, wherever from.
pub(super) struct Options {
    refresh: Duration,
    cooldown: Duration,
    max_stale: Duration,
    plain: PlainHttp,
    /// Whether the gateway is not ready without them.
    pub(super) required: bool,
}

/// Reads them where there is something to fetch.
pub(super) fn options(reader: &mut Reader<'_>) -> Options {
    let refresh = reader.read("refresh", |node| duration(node, SECOND..=DAY * 7));
    let max_stale = reader.read("max_stale", |node| duration(node, SECOND..=DAY * 30));
    let default = |read: &Option<At<Duration>>, value| read.as_ref().map_or(value, |read| read.value);
    let options = Options {
        refresh: default(&refresh, RemoteKeys::DEFAULT_REFRESH),
        cooldown: reader.read_or("refresh_cooldown", RemoteKeys::DEFAULT_COOLDOWN, |node| duration(node, SECOND..=DAY)),
        max_stale: default(&max_stale, RemoteKeys::DEFAULT_MAX_STALE),
        plain: plain_http(reader),
        required: reader.read_or("require_keys", false, boolean),
    };
    if options.max_stale < options.refresh
        && let Some((key, place)) =
            max_stale.map(|read| ("max_stale", read.place)).or(refresh.map(|read| ("refresh", read.place)))
    {
        let mistake = Mistake::new("leaves keys too old before they are fetched again");
        reader.report(key, place, mistake.help("`max_stale` is at least as long as `refresh`"));
    }
    options
}

/// Reads `allow_http`.
pub(super) fn plain_http(reader: &mut Reader<'_>) -> PlainHttp {
    PlainHttp::hosts(reader.some("allow_http", owned).unwrap_or_default().into_iter().map(|read| read.value))
}

/// Refuses them where there is nothing to fetch.
pub(super) fn refuse_options(reader: &mut Reader<'_>) {
    for key in OPTIONS {
        if let Some(entry) = reader.entry(key) {
            let mistake = Mistake::new("is for keys that are fetched: `jwks_url` or `discovery_url`");
            reader.report(key, entry.place, mistake);
        }
    }
}

impl Options {
    /// The keys of `jwks_url`.
    pub(super) fn jwks(&self, node: &Node, algorithms: Vec<Algorithm>) -> Result<RemoteKeys, Mistake> {
        let keys = RemoteKeys::jwks(text(node)?, &self.plain).map_err(mistake)?;
        Ok(self.apply(keys, algorithms))
    }

    /// The keys of `discovery_url`.
    pub(super) fn discovery(
        &self,
        node: &Node,
        issuer: Option<&str>,
        algorithms: Vec<Algorithm>,
    ) -> Result<RemoteKeys, Mistake> {
        let help = "add the exact `iss` of its tokens, which its metadata has to name";
        let issuer = issuer.ok_or_else(|| Mistake::absent("needs `issuer`").help(help))?;
        let keys = RemoteKeys::discovery(text(node)?, issuer, &self.plain).map_err(mistake)?;
        Ok(self.apply(keys, algorithms))
    }

    fn apply(&self, keys: RemoteKeys, algorithms: Vec<Algorithm>) -> RemoteKeys {
        keys.algorithms(algorithms).refresh(self.refresh).cooldown(self.cooldown).max_stale(self.max_stale)
    }
}

/// What to write instead of a URL that is not asked.
pub(super) fn mistake(error: KeyUrlError) -> Mistake {
    let mistake = Mistake::new(error.to_string());
    match error {
        KeyUrlError::PlainHttp => mistake.help("name the host in `allow_http` if the way there is safe"),
        _ => mistake,
    }
}
