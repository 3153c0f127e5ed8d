//! Where it is kept who owns what, if the gateway itself keeps it.

use crate::authn::revocation::StoreFuture;

/// That a subject owns a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnershipRecord {
    /// The ownership's name in the configuration.
    pub ownership: String,
    /// The resource, as the path names it.
    pub resource: String,
    /// The issuer's name in the configuration (not its `iss`).
    pub issuer: String,
    /// Who owns it.
    pub subject: String,
}

/// Who owns what, as far as the gateway was told. A resource may have several owners.
///
/// Everything is compared byte for byte.
pub trait OwnershipStore: Send + Sync {
    /// Whether it is so.
    fn owns<'a>(&'a self, record: &'a OwnershipRecord) -> StoreFuture<'a, bool>;

    /// Keeps all of them, or none. How many are new.
    fn learn<'a>(&'a self, records: &'a [OwnershipRecord]) -> StoreFuture<'a, u64>;

    /// Forgets every owner of `resource`. How many there were.
    fn forget<'a>(&'a self, ownership: &'a str, resource: &'a str) -> StoreFuture<'a, u64>;
}
