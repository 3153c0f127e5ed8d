//! A connection that goes on with WebSocket (RFC 6455), where a route allows that.
//!
//! 1. A handshake is checked in full before anything of it is sent (§4.2.1): `GET` by HTTP/1.1 without a body, `Upgrade`
//!    with `websocket` alone, `Connection` with `upgrade`, one key of 16 bytes, version 13, and subprotocols that are
//!    names, each once.
//! 2. `Upgrade` and `Connection` are ours on the way to the upstream; every other request goes there without them.
//! 3. An answer with 101 counts only if it answers this handshake (§4.1): the same two fields, the right
//!    `Sec-WebSocket-Accept`, and no subprotocol that was not offered. Else it is no valid answer (502). Any other status
//!    is an answer like every other.
//! 4. A client that offered the [`MARKER`] of a token must be answered with one of its offers: with the marker, if the
//!    upstream has chosen none.

use std::fmt;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Version,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
    },
    response::Parts,
};
use http_body::Body as _;

use super::{Incoming, hop_by_hop, pool::Lease};
use crate::http1::{Socket, websocket};

/// The subprotocol that says that the next one in the list is a token.
pub const MARKER: &str = "bearer";

/// A handshake that was checked. A request that has it among its extensions is forwarded as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The right answer to its key.
    accept: String,
    /// The subprotocols that the upstream may choose from.
    offered: Vec<Box<str>>,
    /// Whether the client has offered the marker too.
    marked: bool,
}

impl Handshake {
    /// Of this request, which asks for WebSocket; `marked`: a token was taken out of the subprotocols.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(request: &Request<Incoming>, marked: bool) -> Result<Self, &'static str> {
        let headers = request.headers();
        if *request.method() != Method::GET || request.version() != Version::HTTP_11 {
            return Err("a WebSocket begins with GET of HTTP/1.1");
        }
        if !request.body().is_end_stream() {
            return Err("it has a body");
        }
        if !websocket::is_agreed(headers) {
            return Err("Upgrade has to be websocket alone, and Connection to name it");
        }
        if !only(headers, &SEC_WEBSOCKET_VERSION).is_some_and(websocket::is_version) {
            return Err("Sec-WebSocket-Version has to be 13");
        }
        let key = only(headers, &SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
        let Some(key) = key.filter(|key| websocket::is_key(key)) else {
            return Err("Sec-WebSocket-Key has to be 16 bytes in base64");
        };
        let offered = subprotocols(headers).ok_or("Sec-WebSocket-Protocol has to be a list of different names")?;
        let offered = offered.into_iter().map(Box::from).collect();
        Ok(Self { accept: websocket::accept(key), offered, marked })
    }

    /// Checks an answer with 101, and makes its fields those that the client gets.
    pub(super) fn accept(&self, parts: &mut Parts) -> Result<(), &'static str> {
        let headers = &mut parts.headers;
        if parts.version != Version::HTTP_11 || !websocket::is_agreed(headers) {
            return Err("it switched to something else than WebSocket");
        }
        if only(headers, &SEC_WEBSOCKET_ACCEPT).is_none_or(|accept| *accept != self.accept) {
            return Err("its Sec-WebSocket-Accept does not answer the key");
        }
        if headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
            let chosen = only(headers, &SEC_WEBSOCKET_PROTOCOL);
            if !chosen.is_some_and(|chosen| self.offered.iter().any(|offered| **offered == *chosen)) {
                return Err("it chose a subprotocol that was not offered");
            }
        } else if self.marked {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(MARKER));
        }
        hop_by_hop::strip_response(headers);
        Ok(())
    }
}

/// Says to the upstream what the connection is to become.
pub(super) fn ask(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// The subprotocols of a request, in their order; `None` if what is there is not a list of different names (RFC 6455
/// §4.1).
#[must_use]
pub fn subprotocols(headers: &HeaderMap) -> Option<Vec<&str>> {
    let mut names: Vec<&str> = Vec::new();
    for name in websocket::elements(headers, &SEC_WEBSOCKET_PROTOCOL) {
        let name = std::str::from_utf8(name).ok().filter(|name| is_name(name) && !names.contains(name))?;
        names.push(name);
    }
    Some(names)
}

/// A token of RFC 9110 §5.6.2, which is what RFC 6455 §4.1 means by its ranges.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The value of a field that is there once.
fn only<'h>(headers: &'h HeaderMap, name: &http::HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// A connection to an upstream that has switched to WebSocket. Dropping it closes the connection.
pub struct Upgraded {
    lease: Lease,
}

impl Upgraded {
    pub(super) const fn new(lease: Lease) -> Self {
        Self { lease }
    }

    /// The connection.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.lease.connection.socket
    }

    /// What came behind the answer's head.
    #[must_use]
    pub fn take_read(&mut self) -> Bytes {
        std::mem::take(&mut self.lease.connection.input).freeze()
    }

    /// The upstream's server.
    #[must_use]
    pub fn server(&self) -> &str {
        self.lease.server()
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Upgraded").field("server", &self.server()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn handshake(change: impl FnOnce(&mut Request<Incoming>)) -> Result<Handshake, &'static str> {
        let mut request = Request::get("/ws")
            .header("upgrade", "websocket")
            .header("connection", "Upgrade")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", KEY)
            .body(Incoming::Empty)
            .unwrap();
        change(&mut request);
        Handshake::of(&request, false)
    }

    fn set(name: &'static str, value: &'static str) -> impl FnOnce(&mut Request<Incoming>) {
        move |request| {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }

    fn add(name: &'static str, value: &'static str) -> impl FnOnce(&mut Request<Incoming>) {
        move |request| {
            request.headers_mut().append(name, HeaderValue::from_static(value));
        }
    }

    #[test]
    fn a_handshake_is_right_in_all_its_parts() {
        assert_eq!(handshake(|_| {}).unwrap().accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let offers = handshake(set("sec-websocket-protocol", "app.v1, app.v2")).unwrap().offered;
        assert_eq!(offers, [Box::from("app.v1"), Box::from("app.v2")]);
        let wrong = [
            handshake(|request| *request.method_mut() = Method::POST),
            handshake(|request| *request.method_mut() = Method::HEAD),
            handshake(|request| *request.version_mut() = Version::HTTP_10),
            handshake(|request| *request.version_mut() = Version::HTTP_2),
            handshake(|request| *request.body_mut() = Incoming::Unframed(crate::http1::LengthError::Both)),
            handshake(set("upgrade", "websocket, h2c")),
            handshake(add("upgrade", "websocket")),
            handshake(set("connection", "keep-alive")),
            handshake(set("sec-websocket-version", "8")),
            handshake(add("sec-websocket-version", "13")),
            handshake(set("sec-websocket-version", "13, 8")),
            handshake(set("sec-websocket-key", "x")),
            handshake(add("sec-websocket-key", KEY)),
            handshake(set("sec-websocket-protocol", "a,,b")),
            handshake(set("sec-websocket-protocol", "")),
            handshake(set("sec-websocket-protocol", "a, a")),
            handshake(set("sec-websocket-protocol", "a b")),
            handshake(set("sec-websocket-protocol", "a/b")),
        ];
        for (at, wrong) in wrong.iter().enumerate() {
            assert!(wrong.is_err(), "{at}: {wrong:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_list_of_subprotocols_is_names_or_nothing(lists in proptest::collection::vec("[ -~\u{80}-\u{ff}]{0,30}", 0..4)) {
            let mut headers = HeaderMap::new();
            for list in &lists {
                if let Ok(value) = HeaderValue::from_bytes(list.as_bytes()) {
                    headers.append(SEC_WEBSOCKET_PROTOCOL, value);
                }
            }
            for name in subprotocols(&headers).unwrap_or_default() {
                proptest::prop_assert!(!name.is_empty() && !name.contains([' ', ',', '"', '/', '\t']) && name.is_ascii());
            }
        }
    }
}
