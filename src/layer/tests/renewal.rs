//! A token whose key may be a new one waits for the keys to be fetched; nothing else does.

use super::*;
use crate::authn::{RenewalSettings, Renewer};

const SETTINGS: RenewalSettings =
    RenewalSettings { cooldown: Duration::from_secs(10), max_stale: Duration::from_secs(3600) };

/// A layer whose issuer's keys are renewed, and has those of `known`.
fn layer(known: &Issuer) -> (BearerLayer, Renewer) {
    let (source, renewer) = KeySource::renewed(SETTINGS);
    renewer.succeeded(Some(known.keys()), NOW);
    let settings = IssuerSettings::with_source("main", source, vec![Algorithm::EdDsa]);
    (BearerLayer::builder().issuer(settings).clock(known.clock.clone()).build().unwrap(), renewer)
}

async fn bring(renewer: &Renewer, keys: Option<KeySet>) {
    renewer.asked().await;
    renewer.succeeded(keys, NOW);
    renewer.release();
}

#[tokio::test]
async fn a_request_waits_for_its_key_and_goes_on_with_the_service_that_was_ready() {
    let (old, new) = (Issuer::new(), Issuer::new());
    let (layer, renewer) = layer(&old);
    let mut service = layer.layer(Strict::default());
    let token = new.token(json!({}));
    let answer = service.ready().await.unwrap().call(request(Some(&token)));
    assert_eq!(format!("{answer:?}"), "ResponseFuture(\"Wait\")");
    let (answer, ()) = tokio::join!(answer, bring(&renewer, Some(new.keys())));
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    let answer = service.ready().await.unwrap().call(request(Some(&token))).await;
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn all_that_wait_go_on_together_and_with_a_principal() {
    let (old, new) = (Issuer::new(), Issuer::new());
    let (layer, renewer) = layer(&old);
    let (inner, token) = (Inner::default(), new.token(json!({})));
    let asks = || ask(&layer, &inner, Some(&token));
    let (one, two, three, ()) = tokio::join!(asks(), asks(), asks(), bring(&renewer, Some(new.keys())));
    for answer in [one, two, three] {
        assert_eq!(answer, (StatusCode::OK, "u-1".to_owned()));
    }
}

#[tokio::test]
async fn a_key_that_did_not_come_is_unknown_and_nobody_waits_again_before_the_cooldown_is_over() {
    let (old, new) = (Issuer::new(), Issuer::new());
    let (layer, renewer) = layer(&old);
    let (inner, token) = (Inner::default(), new.token(json!({})));
    let (answer, ()) = tokio::join!(ask(&layer, &inner, Some(&token)), bring(&renewer, None));
    assert_eq!(answer.0, StatusCode::UNAUTHORIZED);
    old.clock.advance(Duration::from_millis(9_999));
    assert_eq!(ask(&layer, &inner, Some(&token)).await.0, StatusCode::UNAUTHORIZED);
    old.clock.advance(Duration::from_millis(1));
    let (answer, ()) = tokio::join!(ask(&layer, &inner, Some(&token)), bring(&renewer, Some(new.keys())));
    assert_eq!(answer.0, StatusCode::OK);
}

#[tokio::test]
async fn a_known_key_is_used_while_others_wait_and_who_gives_up_leaves_nothing_behind() {
    let (old, new) = (Issuer::new(), Issuer::new());
    let (layer, renewer) = layer(&old);
    let inner = Inner::default();
    let (of_old, of_new) = (old.token(json!({})), new.token(json!({})));
    let waiting = ask(&layer, &inner, Some(&of_new));
    let known = ask(&layer, &inner, Some(&of_old));
    tokio::select! {
        biased;
        _ = waiting => panic!("nothing has come"),
        answer = known => assert_eq!(answer.0, StatusCode::OK),
    }
    renewer.asked().await;
    renewer.release();
    assert_eq!(ask(&layer, &inner, Some(&of_new)).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn keys_that_nobody_uses_any_more_need_no_renewing() {
    let issuer = Issuer::new();
    let (layer, renewer) = layer(&issuer);
    assert!(!renewer.is_abandoned());
    drop(layer);
    renewer.asked().await;
    assert!(renewer.is_abandoned());
    renewer.succeeded(Some(issuer.keys()), NOW);
}
