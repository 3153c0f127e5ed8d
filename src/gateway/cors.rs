//! Lets pages of other origins use the API: the gateway's part of the Fetch standard (§3.2), where `[cors]` is set.
//!
//! 1. A preflight is `OPTIONS` with one `Origin` and one `Access-Control-Request-Method`. It carries no token, so it is
//!    answered before authentication, with 204: what is allowed is the same on every path, and tells nothing of routes.
//! 2. A preflight of another origin is answered with 204 too, and without a word of CORS: the browser refuses by itself.
//! 3. Its path has to be as good as the path of the request that it announces; else it is no preflight. Any other
//!    `OPTIONS` is a request like every other.
//! 4. Every answer, refusals among them, says who may read it. What the upstream says of that is taken out: with two
//!    voices the laxer one would count. `Vary: Origin` keeps a cache from giving one origin's answer to another.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
};

use crate::config::{self, Origins};

const ANY: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");
/// What the answer to a preflight depends on.
const PREFLIGHT_VARIES: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers");

/// `[cors]`, ready to be sent.
#[derive(Debug)]
pub struct Cors {
    origins: Origins,
    methods: HeaderValue,
    /// `None`: those that are asked for.
    headers: Option<HeaderValue>,
    /// `None`: there are none.
    expose: Option<HeaderValue>,
    credentials: bool,
    max_age: HeaderValue,
}

/// A preflight: whether its origin is allowed, and what it asks.
pub(super) struct Preflight<'r> {
    pub(super) allowed: Option<HeaderValue>,
    /// The method of the request that is to come.
    pub(super) method: Method,
    /// The names of its header fields.
    headers: Option<&'r HeaderValue>,
}

impl Cors {
    /// From the configuration.
    #[must_use]
    pub fn new(settings: config::Cors) -> Self {
        let names = |names: &[HeaderName]| list(names.iter().map(HeaderName::as_str));
        Self {
            methods: list(settings.methods.iter().map(Method::as_str)),
            headers: settings.headers.as_deref().map(names),
            expose: Some(names(&settings.expose)).filter(|names| !names.is_empty()),
            origins: settings.origins,
            credentials: settings.credentials,
            max_age: HeaderValue::from(settings.max_age.as_secs()),
        }
    }

    /// Who may read the answer to a request with these headers; `None`: no page of another origin.
    pub(super) fn reader(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if self.origins == Origins::Any {
            return Some(ANY);
        }
        let origin = only(headers, &ORIGIN)?;
        self.origins.contain(origin.to_str().ok()?).then(|| origin.clone())
    }

    /// What the request asks, if it is a preflight.
    pub(super) fn preflight<'r, B>(&self, request: &'r Request<B>) -> Option<Preflight<'r>> {
        let headers = request.headers();
        if request.method() != Method::OPTIONS {
            return None;
        }
        only(headers, &ORIGIN)?;
        let method = Method::from_bytes(only(headers, &ACCESS_CONTROL_REQUEST_METHOD)?.as_bytes()).ok()?;
        Some(Preflight {
            allowed: self.reader(headers),
            method,
            headers: only(headers, &ACCESS_CONTROL_REQUEST_HEADERS),
        })
    }

    /// The answer to a preflight.
    pub(super) fn answer<B: Default>(&self, preflight: Preflight<'_>) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let fields = response.headers_mut();
        fields.insert(VARY, PREFLIGHT_VARIES);
        let Some(origin) = preflight.allowed else { return response };
        fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            fields.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
        fields.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
        if let Some(headers) = self.headers.clone().or_else(|| preflight.headers.and_then(names)) {
            fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers);
        }
        fields.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        response
    }

    /// Says in an answer who may read it.
    pub(super) fn write(&self, reader: Option<HeaderValue>, headers: &mut HeaderMap) {
        let others: Vec<HeaderName> =
            headers.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
        for name in others {
            headers.remove(name);
        }
        if self.origins != Origins::Any {
            vary_by_origin(headers);
        }
        let Some(reader) = reader else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, reader);
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
        if let Some(expose) = &self.expose {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }
}

/// The field of this name if there is exactly one.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Names and methods are ASCII.
fn list<'a>(words: impl Iterator<Item = &'a str>) -> HeaderValue {
    HeaderValue::try_from(words.collect::<Vec<_>>().join(", ")).unwrap_or(HeaderValue::from_static(""))
}

/// What was asked for, if it is a list of names and nothing else.
fn names(asked: &HeaderValue) -> Option<HeaderValue> {
    let is_name = |name: &[u8]| HeaderName::from_bytes(name.trim_ascii()).is_ok();
    asked.as_bytes().split(|byte| *byte == b',').all(is_name).then(|| asked.clone())
}

fn vary_by_origin(headers: &mut HeaderMap) {
    let varies = headers.get_all(VARY).iter().any(|field| {
        let mut names = field.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        names.any(|name| name == b"*" || name.eq_ignore_ascii_case(b"origin"))
    });
    if !varies {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
}
