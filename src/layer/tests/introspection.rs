//! A token that its issuer is asked about waits for the answer, and for nothing else.

use super::*;
use crate::authn::{Introspector, introspection};

/// A layer whose only issuer is asked.
fn layer(change: impl FnOnce(BearerLayerBuilder) -> BearerLayerBuilder) -> (BearerLayer, Introspector) {
    let (source, introspector) = KeySource::introspected();
    let settings = IssuerSettings::with_source("main", source, Vec::new());
    let builder = BearerLayer::builder().issuer(settings).clock(Clock::manual(NOW));
    (change(builder).build().unwrap(), introspector)
}

async fn answer(introspector: &Introspector, body: &str) {
    let question = introspector.next().await.unwrap();
    introspector.answer(question, introspection::read(body.as_bytes().to_vec()).unwrap(), NOW);
}

#[tokio::test]
async fn a_request_waits_for_the_answer_and_goes_on_with_the_service_that_was_ready() {
    let (layer, introspector) = layer(|builder| builder);
    let mut service = layer.layer(Strict::default());
    let waiting = service.ready().await.unwrap().call(request(Some("opaque")));
    assert_eq!(format!("{waiting:?}"), "ResponseFuture(\"Wait\")");
    let (waited, ()) = tokio::join!(waiting, answer(&introspector, r#"{"active":true,"sub":"u-1"}"#));
    assert_eq!(waited.unwrap().status(), StatusCode::OK);
    let known = service.ready().await.unwrap().call(request(Some("opaque")));
    assert_eq!(format!("{known:?}"), "ResponseFuture(\"Forward\")");
    assert_eq!(known.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn all_who_wait_get_the_answer_although_nothing_is_remembered() {
    let nothing = CacheSettings { entries: 0, ..CacheSettings::default() };
    let (layer, introspector) = layer(|builder| builder.cache(nothing));
    let inner = Inner::default();
    let asks = || ask(&layer, &inner, Some("opaque"));
    let (one, two, three, ()) =
        tokio::join!(asks(), asks(), asks(), answer(&introspector, r#"{"active":true,"sub":"u-1"}"#));
    for answer in [one, two, three] {
        assert_eq!(answer, (StatusCode::OK, "u-1".to_owned()));
    }
}

#[tokio::test]
async fn a_token_that_is_not_active_is_refused_even_where_none_is_needed() {
    let (layer, introspector) = layer(BearerLayerBuilder::optional);
    let inner = Inner::default();
    let (refused, ()) = tokio::join!(ask(&layer, &inner, Some("bad")), answer(&introspector, r#"{"active":false}"#));
    assert_eq!(refused.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&layer, &inner, Some("bad")).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&layer, &inner, None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn no_answer_is_503_and_a_request_that_is_given_up_leaves_nothing_behind() {
    let (layer, introspector) = layer(|builder| builder);
    let inner = Inner::default();
    let fail = async { introspector.fail(introspector.next().await.unwrap(), "down".to_owned()) };
    let (refused, _) = tokio::join!(ask(&layer, &inner, Some("opaque")), fail);
    assert_eq!(refused.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(inner.calls.load(Ordering::Relaxed), 0);
    tokio::select! {
        biased;
        _ = ask(&layer, &inner, Some("opaque")) => panic!("nobody has answered"),
        () = std::future::ready(()) => {}
    }
    answer(&introspector, r#"{"active":true,"sub":"u-1"}"#).await;
    let (answered, ()) =
        tokio::join!(ask(&layer, &inner, Some("opaque")), answer(&introspector, r#"{"active":true,"sub":"u-1"}"#));
    assert_eq!(answered.0, StatusCode::OK, "an answer is for those who waited");
}
