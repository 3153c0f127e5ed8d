//! A provider that is not always there.

use super::{
    eventually,
    oidc_provider::{Provider, Trusting, kid},
};
use crate::support::Client;

#[test]
#[ignore = "needs oidc-provider"]
fn a_provider_that_is_down_at_the_start_is_awaited_and_the_rest_works() {
    let provider = Provider::start();
    let (port, before) = (provider.port(), provider.shop().token());
    drop(provider);
    let gateway = Trusting::start(port, "");
    let answer = gateway.read(&before);
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some(), "{}", answer.head);
    assert_eq!(Client::connect(gateway.address()).ask("GET", "/public", None).status, 200);
    assert_eq!(gateway.admin("/readyz"), "ready\nkeys missing: main\n");
    assert!(gateway.keys()["last_error"].as_str().unwrap().contains("cannot be reached"));

    let provider = Provider::start_on(port);
    let token = provider.shop().token();
    eventually(|| match gateway.status(&token) {
        200 => true,
        status => (assert_eq!(status, 503), false).1,
    });
    assert_eq!(gateway.status(&before), 401, "its key has gone");
    assert_eq!(gateway.admin("/readyz"), "ready\n");
}

#[test]
#[ignore = "needs oidc-provider"]
fn a_provider_that_is_killed_leaves_its_keys_and_comes_back_with_another() {
    let provider = Provider::start();
    let (port, cached, unseen) = (provider.port(), provider.shop().token(), provider.shop().token());
    let (patient, eager) = (Trusting::start(port, ""), Trusting::start(port, "refresh = '1s'"));
    let both = || [&patient, &eager].into_iter();
    assert!(both().all(|gateway| gateway.status(&cached) == 200));
    drop(provider);
    eventually(|| eager.keys()["last_error"].is_string());
    assert!(both().all(|gateway| gateway.status(&cached) == 200 && gateway.status(&unseen) == 200));

    let provider = Provider::start_on(port);
    let new = provider.shop().token();
    assert_ne!(kid(&new), kid(&cached));
    assert_eq!(patient.status(&new), 200, "the first request with it");
    assert_eq!(["replaced", "unchanged", "failed"].map(|outcome| patient.refreshes(outcome)), [2, 0, 0]);
    assert_eq!((patient.status(&cached), patient.status(&unseen)), (401, 401));
    eventually(|| eager.status(&new) == 200 && eager.status(&cached) == 401);
    assert!(eager.refreshes("failed") > 0 && eager.keys()["last_error"].is_null());
}
