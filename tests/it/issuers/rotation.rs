//! A key rotation while requests run.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
};

use super::{
    eventually,
    oidc_provider::{Provider, Trusting, kid},
};

/// Requests that go on until this is dropped.
struct Load<'a> {
    stop: &'a AtomicBool,
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
    }
}

/// What became of requests.
#[derive(Default)]
struct Count {
    passed: AtomicUsize,
    refused: AtomicUsize,
}

impl Count {
    fn add(&self, status: u16) {
        let count = if status == 200 { &self.passed } else { &self.refused };
        count.fetch_add(1, SeqCst);
    }

    /// Waits for so many more that passed.
    #[track_caller]
    fn await_passed(&self, more: usize) {
        let wanted = self.passed.load(SeqCst) + more;
        eventually(|| self.passed.load(SeqCst) >= wanted);
    }
}

#[test]
#[ignore = "needs oidc-provider"]
fn no_request_with_a_published_key_fails_while_the_provider_rotates() {
    let mut provider = Provider::start();
    let gateway = Trusting::start(provider.port(), "refresh = '2s'");
    let shop = provider.shop();
    let old: Vec<String> = (0..20).map(|_| shop.token()).collect();
    let old_kid = kid(&old[0]);

    let (of_old, fresh_of_old, fresh_of_new) = (Count::default(), Count::default(), Count::default());
    let (stop_old, stop_fresh) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let (old_load, fresh_load) = (Load { stop: &stop_old }, Load { stop: &stop_fresh });
        let with_old = scope.spawn(|| {
            let tokens = old.iter().cycle().take_while(|_| !stop_old.load(SeqCst));
            tokens.for_each(|token| of_old.add(gateway.status(token)));
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop_fresh.load(SeqCst) {
                    let token = shop.token();
                    let count = if kid(&token) == old_kid { &fresh_of_old } else { &fresh_of_new };
                    // The second time from the cache.
                    (0..2).for_each(|_| count.add(gateway.status(&token)));
                }
            });
        }
        of_old.await_passed(100);
        fresh_of_old.await_passed(100);

        provider.rotate();
        fresh_of_new.await_passed(100);
        of_old.await_passed(100);

        drop(old_load);
        with_old.join().unwrap();
        provider.retire();
        eventually(|| old.iter().all(|token| gateway.status(token) == 401));
        fresh_of_new.await_passed(100);
        drop(fresh_load);
    });
    let refused = [&of_old, &fresh_of_old, &fresh_of_new].map(|count| count.refused.load(SeqCst));
    assert_eq!(refused, [0; 3], "none whose key was published");
    assert_eq!(gateway.refreshes("replaced"), 3, "the first key, both, the new one alone");
    assert!(old.iter().all(|token| gateway.status(token) == 401));
}
