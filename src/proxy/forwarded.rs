//! Where a request came from, told to the upstream: `X-Forwarded-For`, `-Proto` and `-Host`, rebuilt on each request.
//!
//! 1. A peer that is not one of the trusted proxies tells nothing: what it sent is replaced.
//! 2. A trusted proxy's `X-Forwarded-For` is kept and its address is added at the end; its `-Proto` and `-Host` are
//!    kept where there is exactly one.
//! 3. Everything else that upstreams are known to read an address, a URL or a method from is removed, whoever sent
//!    it: the client certificate (RFC 9440), `Forwarded` (RFC 7239) and `X-Real-IP`, the URL rewrites (`X-Original-URL`, `X-Rewrite-URL`, …), the method
//!    overrides, `X-Accel-*`, and `Proxy`, which CGI turns into `HTTP_PROXY`. The policy was asked about the real ones.

use std::net::{IpAddr, SocketAddr};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{Entry, HOST},
};
use ipnet::IpNet;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST_NAME: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Who is at the other end of a connection: made once, used for each of its requests.
#[derive(Clone, Debug)]
pub struct Peer {
    address: IpAddr,
    text: HeaderValue,
    trusted: bool,
    scheme: &'static str,
}

impl Peer {
    /// The peer at `address`; its word about earlier hops counts if one of `trusted_proxies` contains it.
    #[must_use]
    pub fn new(address: SocketAddr, trusted_proxies: &[IpNet]) -> Self {
        let address = address.ip().to_canonical();
        // An address in text is made of digits, letters, dots and colons.
        let text = HeaderValue::from_str(&address.to_string()).unwrap_or(HeaderValue::from_static("unknown"));
        Self {
            address,
            text,
            trusted: trusted_proxies.iter().any(|network| network.contains(&address)),
            scheme: "http",
        }
    }

    /// The peer of a connection that is encrypted.
    #[must_use]
    pub const fn over_tls(mut self) -> Self {
        self.scheme = "https";
        self
    }

    /// The scheme of what is asked for over the connection: `http` or `https` (RFC 9110 §4.2).
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Its address; an IPv4 address mapped into IPv6 is shown as IPv4.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Who sent the request as far as one hop can tell: what a trusted proxy has seen, or the peer itself.
    pub(super) fn last_address(&self, headers: &HeaderMap) -> IpAddr {
        let told = || {
            let value = headers.get_all(FOR).iter().next_back()?.as_bytes();
            let last = value.rsplit(|byte| *byte == b',').next()?;
            std::str::from_utf8(last.trim_ascii()).ok()?.parse::<IpAddr>().ok()
        };
        if self.trusted { told().unwrap_or(self.address).to_canonical() } else { self.address }
    }

    /// Whether its word about earlier hops counts.
    #[must_use]
    pub const fn is_trusted(&self) -> bool {
        self.trusted
    }
}

/// Whether a field (lower case, `-` between its words) tells an upstream of another origin, URL or method than the
/// request really has. The three that [`set`] writes are among them.
pub(super) fn is_about_origin(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'x') => {
            name.starts_with("x-forwarded-")
                || name.starts_with("x-original-")
                || name.starts_with("x-accel-")
                || name.starts_with("x-ssl-")
                || matches!(
                    name,
                    "x-arr-clientcert"
                        | "x-client-cert"
                        | "x-client-ip"
                        | "x-cluster-client-ip"
                        | "x-forwarded"
                        | "x-host"
                        | "x-http-method"
                        | "x-http-method-override"
                        | "x-method-override"
                        | "x-real-ip"
                        | "x-rewrite-url"
                        | "x-url-scheme"
                )
        }
        Some(b's') => name.starts_with("ssl-client-"),
        _ => matches!(
            name,
            "client-cert" | "client-cert-chain" | "forwarded" | "front-end-https" | "proxy" | "true-client-ip"
        ),
    }
}

/// The three fields as a trusted proxy may send them.
pub(super) fn is_kept_from_trusted(name: &HeaderName) -> bool {
    *name == FOR || *name == PROTO || *name == HOST_NAME
}

/// Writes the three fields.
pub(super) fn set(headers: &mut HeaderMap, peer: &Peer) {
    let host = headers.get(HOST).cloned();
    if peer.trusted {
        let chain = chain(headers, peer);
        headers.insert(FOR, chain);
        keep_single(headers, PROTO, Some(HeaderValue::from_static(peer.scheme)));
        keep_single(headers, HOST_NAME, host);
        return;
    }
    headers.insert(FOR, peer.text.clone());
    headers.insert(PROTO, HeaderValue::from_static(peer.scheme));
    match host {
        Some(host) => headers.insert(HOST_NAME, host),
        None => headers.remove(HOST_NAME),
    };
}

fn chain(headers: &HeaderMap, peer: &Peer) -> HeaderValue {
    let mut chain: Vec<u8> = Vec::new();
    for value in headers.get_all(FOR).into_iter().chain([&peer.text]) {
        if !chain.is_empty() {
            chain.extend_from_slice(b", ");
        }
        chain.extend_from_slice(value.as_bytes());
    }
    // Joined from values that were valid.
    HeaderValue::from_bytes(&chain).unwrap_or_else(|_| peer.text.clone())
}

fn keep_single(headers: &mut HeaderMap, name: HeaderName, otherwise: Option<HeaderValue>) {
    if headers.get_all(&name).iter().count() == 1 {
        return;
    }
    match (headers.entry(name), otherwise) {
        (Entry::Occupied(mut sent), Some(value)) => {
            sent.insert(value);
        }
        (Entry::Occupied(sent), None) => {
            sent.remove_entry_mult();
        }
        (Entry::Vacant(missing), Some(value)) => {
            missing.insert(value);
        }
        (Entry::Vacant(_), None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str, trusted: &[&str]) -> Peer {
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        Peer::new(address.parse().unwrap(), &trusted)
    }

    fn sent() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("api.example.com"));
        headers.append(FOR, HeaderValue::from_static("203.0.113.9"));
        headers.append(FOR, HeaderValue::from_static("198.51.100.1"));
        headers.insert(PROTO, HeaderValue::from_static("https"));
        headers.insert(HOST_NAME, HeaderValue::from_static("evil.example"));
        headers
    }

    #[test]
    fn a_stranger_tells_nothing_about_earlier_hops() {
        let mut headers = sent();
        set(&mut headers, &peer("192.0.2.7:4000", &["10.0.0.0/8"]));
        let all: Vec<_> = headers.get_all(FOR).iter().collect();
        assert_eq!(all, ["192.0.2.7"]);
        assert_eq!(headers[PROTO], "http");
        assert_eq!(headers[HOST_NAME], "api.example.com");
    }

    #[test]
    fn a_trusted_proxy_is_added_to_the_chain_that_it_sent() {
        let mut headers = sent();
        set(&mut headers, &peer("[::ffff:10.1.2.3]:4000", &["10.0.0.0/8"]));
        let all: Vec<_> = headers.get_all(FOR).iter().collect();
        assert_eq!(all, ["203.0.113.9, 198.51.100.1, 10.1.2.3"]);
        assert_eq!(headers[PROTO], "https");
        assert_eq!(headers[HOST_NAME], "evil.example", "the word of a trusted proxy counts");
    }

    #[test]
    fn two_values_of_a_trusted_proxy_where_one_is_expected_are_not_believed() {
        let mut headers = sent();
        headers.append(PROTO, HeaderValue::from_static("http"));
        headers.append(HOST_NAME, HeaderValue::from_static("other.example"));
        set(&mut headers, &peer("10.1.2.3:4000", &["10.1.2.3/32"]));
        assert_eq!(headers.get_all(PROTO).iter().collect::<Vec<_>>(), ["http"]);
        assert_eq!(headers.get_all(HOST_NAME).iter().collect::<Vec<_>>(), ["api.example.com"]);
    }

    #[test]
    fn a_request_without_host_has_no_forwarded_host() {
        let mut headers = sent();
        headers.remove(HOST);
        set(&mut headers, &peer("192.0.2.7:4000", &[]));
        assert!(!headers.contains_key(HOST_NAME));
    }
}
