//! Tokens that are bound to the certificate of a connection: a server says whose that is.

use super::*;
use crate::authn::ClientCertificate;

#[tokio::test]
async fn a_bound_token_needs_the_certificate_that_the_server_has_put_among_the_extensions() {
    let issuer = Issuer::new();
    let (layer, inner) = (issuer.layer().build().unwrap(), Inner::default());
    let (own, other) = (ClientCertificate::of_der(b"own"), ClientCertificate::of_der(b"other"));
    let bound = issuer.token(json!({ "cnf": { "x5t#S256": own.thumbprint() } }));
    // The first is verified, what follows comes from the cache.
    for (certificate, status) in [
        (Some(own), StatusCode::OK),
        (None, StatusCode::UNAUTHORIZED),
        (Some(other), StatusCode::UNAUTHORIZED),
        (Some(own), StatusCode::OK),
    ] {
        let mut request = request(Some(&bound));
        certificate.and_then(|certificate| request.extensions_mut().insert(certificate));
        let response = layer.layer(inner.clone()).oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{certificate:?}");
    }
    assert_eq!(inner.calls.load(Ordering::Relaxed), 2);
    assert_eq!(layer.gate.authenticator.cache_stats().misses, 1);
    // What a client says of itself is no certificate.
    let mut claimed = request(Some(&bound));
    claimed.headers_mut().insert("client-cert", own.thumbprint().parse().unwrap());
    assert_eq!(layer.layer(inner).oneshot(claimed).await.unwrap().status(), StatusCode::UNAUTHORIZED);
}
