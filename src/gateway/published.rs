//! The public halves of the keys that the gateway signs with: `/.well-known/jwks.json` on the main listener (RFC 7517
//! §5), for those who verify its tokens elsewhere; and the watch over their folders.
//!
//! 1. A folder is read again every two seconds. If other keys count now, they replace those that verify, the current one
//!    signs what the upstream gets, and they are published; what is no key leaves everything as it was, and is said once.
//! 2. `GET` and `HEAD` alone are answered, before any route: another method is a request like any other.
//! 3. Five minutes in caches (RFC 9111 §5.2.2.1), and an entity tag by which a client learns that nothing is new (RFC
//!    9110 §13.1.2).

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};

use super::{
    keys::{KeysError, key_set},
    signing_keys::{self, Stage},
};
use crate::{
    authn::{CurrentKey, KeySource},
    clock::Clock,
    config::{Issuer, KeySource as ConfiguredSource},
    jwt::VerifyingKey,
};

const PATH: &str = "/.well-known/jwks.json";
/// How often the folders are looked at.
const POLL: Duration = Duration::from_secs(2);

/// What is published now. The watch ends with this.
pub struct Published {
    document: Arc<ArcSwap<Document>>,
    _watching: mpsc::Sender<()>,
}

struct Document {
    body: Bytes,
    tag: HeaderValue,
}

/// An issuer that signs, and what verifies its tokens.
struct Watched {
    issuer: Issuer,
    source: Arc<KeySource>,
    /// Where whoever signs for it finds its current key.
    current: Option<CurrentKey>,
    public: Vec<Value>,
    failing: bool,
}

impl Published {
    /// Publishes the keys of those of `issuers` that have a folder of them, and watches it. `source` is what verifies
    /// an issuer's tokens, `current` where whoever signs for it finds its key. `None` if there is nobody to publish anything of.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn start<'a>(
        issuers: impl IntoIterator<Item = &'a Issuer>,
        source: impl Fn(&str) -> Option<Arc<KeySource>>,
        current: impl Fn(&str) -> Option<CurrentKey>,
        clock: &Clock,
    ) -> Result<Option<Self>, KeysError> {
        let signing = issuers.into_iter().filter(|issuer| matches!(issuer.keys, ConfiguredSource::SigningKeys(_)));
        let watched = signing.filter_map(|issuer| {
            let source = source(&issuer.name)?;
            let current = current(&issuer.name);
            Some(Watched { issuer: issuer.clone(), source, current, public: Vec::new(), failing: false })
        });
        let mut watched: Vec<Watched> = watched.collect();
        if watched.is_empty() {
            return Ok(None);
        }
        for watched in &mut watched {
            watched.look(clock)?;
        }
        let document = Arc::new(ArcSwap::from_pointee(Document::of(&watched)));
        let (watching, ended) = mpsc::channel::<()>();
        let (shown, clock) = (Arc::clone(&document), clock.clone());
        let watch = move || {
            while ended.recv_timeout(POLL) == Err(mpsc::RecvTimeoutError::Timeout) {
                let changed: Vec<bool> = watched.iter_mut().map(|watched| watched.look_again(&clock)).collect();
                if changed.contains(&true) {
                    shown.store(Arc::new(Document::of(&watched)));
                }
            }
        };
        let started = thread::Builder::new().name("signing-keys".to_owned()).spawn(watch);
        started.map_err(|error| KeysError::Io { path: "the thread that watches the keys".into(), error })?;
        Ok(Some(Self { document, _watching: watching }))
    }

    /// The answer, if the request is for the document.
    pub(super) fn answer<B>(&self, request: &Request<B>) -> Option<Response<Bytes>> {
        if !is_asked_for(request.method(), request.uri().path()) {
            return None;
        }
        let document = self.document.load();
        let known = is_known(request.headers(), &document.tag);
        let mut response = Response::new(if known { Bytes::new() } else { document.body.clone() });
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        headers.insert(header::ETAG, document.tag.clone());
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
        }
        Some(response)
    }
}

/// Whether this is a request for the document.
pub(super) fn is_asked_for(method: &Method, path: &str) -> bool {
    path == PATH && [Method::GET, Method::HEAD].contains(method)
}

/// Whether a tag of `If-None-Match` is this one, by weak comparison (RFC 9110 §8.8.3.2).
fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let fields = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|field| field.to_str().ok());
    let mut tags = fields.flat_map(|field| field.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known).as_bytes() == tag.as_bytes())
}

impl Document {
    fn of(watched: &[Watched]) -> Self {
        let keys: Vec<&Value> = watched.iter().flat_map(|watched| &watched.public).collect();
        let body = Bytes::from(json!({ "keys": keys }).to_string());
        let hash = digest::digest(&digest::SHA256, &body);
        let hash: String = hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let tag = HeaderValue::try_from(format!("\"{hash}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        Self { body, tag }
    }
}

impl Watched {
    /// Whether other keys count than before; those verify from now on.
    fn look(&mut self, clock: &Clock) -> Result<bool, KeysError> {
        let ConfiguredSource::SigningKeys(folder) = &self.issuer.keys else { return Ok(false) };
        let keys = signing_keys::accepted(folder, &self.issuer, clock.now())?;
        let verifying: Vec<VerifyingKey> = keys.iter().map(|staged| staged.key.verifying_key().clone()).collect();
        let public: Vec<Value> = verifying.iter().filter_map(VerifyingKey::public_jwk).collect();
        // None at all: somebody is moving the folder. The next look tells.
        if public == self.public || public.is_empty() {
            return Ok(false);
        }
        self.source.replace(key_set(verifying, folder)?);
        self.public = public;
        let newest = keys.into_iter().find(|staged| staged.stage == Stage::Current);
        if let (Some(current), Some(newest)) = (&self.current, newest) {
            current.store(Arc::new(newest.key));
        }
        Ok(true)
    }

    /// As [`look`](Self::look); a mistake is said once, and changes nothing.
    fn look_again(&mut self, clock: &Clock) -> bool {
        let looked = self.look(clock);
        let issuer = &self.issuer.name;
        match &looked {
            Ok(true) => tracing::info!(issuer, keys = self.public.len(), "the signing keys have changed"),
            Ok(false) => {}
            Err(error) if self.failing => tracing::debug!(%error, issuer, "the signing keys stay as they were"),
            Err(error) => tracing::error!(%error, issuer, "the signing keys stay as they were"),
        }
        self.failing = looked.is_err();
        looked.unwrap_or(false)
    }
}
