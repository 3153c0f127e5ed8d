//! Where a request comes from.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

use crate::proxy::Peer;

/// Forwarded addresses that are looked at.
const MOST_HOPS: usize = 32;

/// The peer, or the last hop before the trusted proxies.
pub(super) fn client_address(peer: &Peer, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    if !peer.is_trusted() {
        return peer.address();
    }
    let fields = headers.get_all("x-forwarded-for").into_iter().map(HeaderValue::as_bytes);
    let hops: Vec<&[u8]> = fields.flat_map(|field| field.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii).collect();
    let mut nearest = peer.address();
    for hop in hops.iter().rev().take(MOST_HOPS) {
        // Hop by hop: whatever bytes a client has put before them, what the proxies have added counts.
        let Some(address) = std::str::from_utf8(hop).ok().and_then(|hop| hop.parse::<IpAddr>().ok()) else {
            return nearest;
        };
        let address = address.to_canonical();
        nearest = address;
        if !trusted.iter().any(|network| network.contains(&address)) {
            return address;
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_say_where_a_request_comes_from() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let from = |peer: &str, fields: &[&str]| {
            let peer = Peer::new(format!("{peer}:1").parse().unwrap(), &trusted);
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append("x-forwarded-for", HeaderValue::from_bytes(field.as_bytes()).unwrap());
            }
            client_address(&peer, &headers, &trusted).to_string()
        };
        assert_eq!(from("192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(from("10.0.0.1", &["198.51.100.7, 203.0.113.9"]), "203.0.113.9");
        assert_eq!(from("10.0.0.1", &["198.51.100.7", "203.0.113.9, 10.0.0.2"]), "203.0.113.9");
        assert_eq!(from("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(from("10.0.0.1", &["203.0.113.9, x, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(from("10.0.0.1", &["2001:db8::1"]), "2001:db8::1");
        assert_eq!(from("10.0.0.1", &["203.0.113.9, ::ffff:10.0.0.2"]), "203.0.113.9", "a proxy as IPv6 writes it");
        assert_eq!(from("10.0.0.1", &["\u{e4}, 203.0.113.9"]), "203.0.113.9", "no byte hides who has sent it");
    }
}
