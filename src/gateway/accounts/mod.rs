//! The built-in endpoints within the gateway: what they are made of, and how a request gets to them.

pub mod prepare;
mod serve;
mod told;

pub use self::prepare::{AccountsError, Running};
pub(super) use self::serve::serve;
use super::{Revoker, revoker::Kept};
use crate::{
    accounts::engine::Revoke,
    authn::revocation::{Revocation, StoreFuture},
};

impl Revoke for Revoker {
    fn revoke(&self, revocation: Revocation) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            match Self::revoke(self, revocation).await? {
                Kept::InStore | Kept::InMemory => Ok(()),
                Kept::NotYet(error) => Err(error.into()),
            }
        })
    }
}
