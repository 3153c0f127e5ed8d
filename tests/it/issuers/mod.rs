//! The program with issuers that other people wrote: `oidc-provider`, a certified OpenID provider, and SimpleJWT in a Django
//! API. Both are real processes on loopback, made ready by `tests/issuers/install.sh FOLDER`; then
//! `BEARERGATE_TEST_ISSUERS=FOLDER cargo test --test it -- --ignored issuers`.

mod availability;
#[cfg(all(feature = "accounts", feature = "sqlite"))]
mod django;
mod introspection;
pub(crate) mod oidc_provider;
mod process;
mod rotation;
mod simplejwt;
mod tokens;

use std::{thread, time::Duration};

/// Waits for what comes by itself.
#[track_caller]
fn eventually(what: impl FnMut() -> bool) {
    let mut what = std::iter::repeat_with(what);
    let came = what.by_ref().take(1000).any(|is_there| {
        if !is_there {
            thread::sleep(Duration::from_millis(20));
        }
        is_there
    });
    assert!(came, "it did not come");
}
