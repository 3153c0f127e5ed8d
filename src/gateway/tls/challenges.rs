//! What an authority is shown that wants to know whether a name leads here (RFC 8737).

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustls::sign::CertifiedKey;

/// What such an authority says in ALPN, and nothing else (RFC 8737 §4).
pub(super) const ALPN: &[u8] = b"acme-tls/1";

/// The proofs that may be asked for now, by name.
#[derive(Clone, Default)]
pub struct Challenges(Arc<Mutex<HashMap<String, Arc<CertifiedKey>>>>);

impl Challenges {
    /// What to show for `name`, which is in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.lock().get(name).cloned()
    }

    /// Shows this for `name` from now on, or nothing any more.
    pub fn set(&self, name: &str, proof: Option<Arc<CertifiedKey>>) {
        let name = name.to_ascii_lowercase();
        match proof {
            Some(proof) => self.lock().insert(name, proof),
            None => self.lock().remove(&name),
        };
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<CertifiedKey>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Challenges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.lock().keys()).finish()
    }
}
