//! Whose requests are counted together: small, of one size whatever the client sends, and telling nothing of it.

use std::net::{IpAddr, Ipv6Addr};

use aws_lc_rs::digest::{Context, SHA256};
use http::{HeaderMap, HeaderName};

use crate::authn::Principal;

/// An address, or a hash of what stands for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Address(IpAddr),
    Principal([u8; 16]),
    Header([u8; 16]),
}

impl Key {
    pub(super) fn of_address(address: IpAddr) -> Self {
        Self::Address(network(address))
    }

    /// The same subject of another issuer is somebody else.
    pub(super) fn of_principal(principal: &Principal) -> Self {
        let subject = principal.subject().map(str::as_bytes);
        Self::Principal(hash([Some(principal.issuer().as_bytes()), subject].into_iter().flatten()))
    }

    /// All values count: a second one makes it another key, and nothing tells which one the upstream would read.
    pub(super) fn of_header(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut values = headers.get_all(name).iter().peekable();
        values.peek()?;
        Some(Self::Header(hash(values.map(http::HeaderValue::as_bytes))))
    }
}

/// The address, or the network that one customer of a provider has of IPv6 addresses (RFC 6177): the first 64 bits.
pub(in crate::gateway) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

/// Each part with its length before it, so that no two lists of parts look the same.
fn hash<'p>(parts: impl Iterator<Item = &'p [u8]>) -> [u8; 16] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    let mut half = [0; 16];
    half.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    half
}
