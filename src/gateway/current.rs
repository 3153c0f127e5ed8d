//! The snapshot as one worker sees it, and how it comes to see the next one.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::{connection::Connection, snapshot::Snapshot};
use crate::proxy::{Context, Upstreams};

/// The snapshot as this worker sees it: the connections to its upstreams are the worker's own.
pub(super) struct Current {
    pub(super) snapshot: Arc<Snapshot>,
    upstreams: Upstreams,
}

impl Current {
    fn new(snapshot: Arc<Snapshot>) -> Rc<Self> {
        let upstreams = Upstreams::new(&snapshot.upstreams);
        Rc::new(Self { snapshot, upstreams })
    }

    /// With the connections of `before` to what has not changed.
    fn after(before: &Self, snapshot: Arc<Snapshot>) -> Rc<Self> {
        let upstreams = Upstreams::after(&before.upstreams, &snapshot.upstreams);
        Rc::new(Self { snapshot, upstreams })
    }

    /// What forwarding needs to know of a request on this connection.
    pub(super) fn context<'a>(&'a self, connection: &'a Connection) -> Context<'a> {
        Context {
            peer: &connection.peer,
            upstreams: &self.upstreams,
            managed: &self.snapshot.managed,
            body_bytes: self.snapshot.limits.body_bytes,
            stall_limit: self.snapshot.limits.body_timeout,
        }
    }
}

/// The newest one, and where it comes from.
pub(super) struct Newest {
    snapshot: Arc<ArcSwap<Snapshot>>,
    current: RefCell<Rc<Current>>,
}

impl Newest {
    pub(super) fn new(snapshot: Arc<ArcSwap<Snapshot>>) -> Self {
        let current = RefCell::new(Current::new(snapshot.load_full()));
        Self { snapshot, current }
    }

    /// What a request is answered from, from its first check to its last.
    pub(super) fn get(&self) -> Rc<Current> {
        let newest = self.snapshot.load();
        let mut current = self.current.borrow_mut();
        if !Arc::ptr_eq(&newest, &current.snapshot) {
            *current = Current::after(&current, Arc::clone(&newest));
        }
        Rc::clone(&current)
    }

    /// Where the newest one is found.
    pub(super) const fn source(&self) -> &Arc<ArcSwap<Snapshot>> {
        &self.snapshot
    }

    /// Something of the one that the last request was answered from.
    pub(super) fn peek<T>(&self, what: impl FnOnce(&Snapshot) -> T) -> T {
        what(&self.current.borrow().snapshot)
    }

    /// Lets go of a snapshot that has been replaced, whether or not a request comes. Never ends.
    pub(super) async fn follow(&self, mut swapped: watch::Receiver<()>) {
        while swapped.changed().await.is_ok() {
            drop(self.get());
        }
        std::future::pending().await
    }
}
