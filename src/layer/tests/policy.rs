//! A policy as a layer: what routes ask, in which order, and who is waited for.

use http::Method;

use super::*;
use crate::{
    authn::{RenewalSettings, Revocations, revocation::Target},
    authz::{
        Ownership, OwnershipSource, Permit, RouteError, RouteSpec,
        ownership::{Lookups, Owners, OwnersSettings},
    },
};

/// Everything that a route can ask, with orders that a claim lists and files that somebody is asked about.
fn policy(issuer: &Issuer, owners: &Arc<Owners>) -> PolicyLayerBuilder {
    PolicyLayer::builder(issuer.layer().dialect(Preset::Homsai))
        .route("GET /public/**", RouteSpec::public())
        .route("GET /maybe", RouteSpec::optional())
        .route("* /orders", RouteSpec::token().permission("ORDERS READ"))
        .route("* /orders/{id}", RouteSpec::token().permission("ORDERS READ").permission("ORDERS FIND").owner("order"))
        .route("* /files/{id}", RouteSpec::token().owner("file"))
        .route("GET /any", RouteSpec::token().any_permission(["A", "B"]))
        .route("GET /other", RouteSpec::token().issuer("main"))
        .ownership("order", Ownership::of("id").unless("ADMIN"), OwnershipSource::Claim("orders".into()))
        .ownership("file", Ownership::of("id"), OwnershipSource::Owners(Arc::clone(owners)))
}

fn owners(issuer: &Issuer) -> (Arc<Owners>, Lookups) {
    let life = Duration::from_secs(10);
    Owners::new(OwnersSettings { name: "file".to_owned(), life, clock: issuer.clock.clone() })
}

fn request(method: &Method, path: &str, token: Option<&str>) -> Request<String> {
    let mut request = super::request(token);
    *request.method_mut() = method.clone();
    *request.uri_mut() = path.parse().unwrap();
    request
}

/// The status, and the message of a refusal, or who was seen where.
async fn ask(layer: &PolicyLayer, method: Method, path: &str, token: Option<&str>) -> (u16, String) {
    let seen = service_fn(|request: Request<String>| async move {
        let permit = request.extensions().get::<Arc<Permit>>().unwrap();
        let principal = request.extensions().get::<Principal>();
        assert_eq!(permit.principal().map(Principal::subject), principal.map(Principal::subject));
        let who = principal.and_then(Principal::subject).unwrap_or("nobody");
        let answer = format!("{who} {} by {}", request.uri().path(), permit.rule().name());
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(answer)))
    });
    let response = layer.layer(seen).oneshot(request(&method, path, token)).await.unwrap();
    let status = response.status().as_u16();
    let body = String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let message =
        serde_json::from_str(&body).map(|body: serde_json::Value| body["message"].as_str().map(str::to_owned));
    (status, message.ok().flatten().unwrap_or(body))
}

#[tokio::test]
async fn each_route_asks_what_it_says_in_the_order_of_the_contract() {
    let issuer = Issuer::new();
    let (owners, _lookups) = owners(&issuer);
    let layer = policy(&issuer, &owners).build().unwrap();
    let plain = issuer.token(json!({}));
    let reader = issuer.token(json!({ "permissions": ["ORDERS READ", "B"], "orders": ["7"] }));
    let finder = issuer.token(json!({ "permissions": ["ORDERS FIND", "ORDERS READ"], "orders": ["7"] }));
    let admin = issuer.token(json!({ "permissions": ["ORDERS FIND", "ORDERS READ", "ADMIN"] }));
    let expired = issuer.token(json!({ "exp": NOW.as_secs() }));
    let login = "Authentication required";
    for (path, token, status, answer) in [
        ("/public/x", None, 200, "nobody /public/x by GET /public/**"),
        ("/public/x", Some(&plain), 200, "nobody /public/x by GET /public/**"),
        ("/public/x", Some(&expired), 200, "nobody /public/x by GET /public/**"),
        ("/maybe", None, 200, "nobody /maybe by GET /maybe"),
        ("/maybe", Some(&plain), 200, "u-1 /maybe by GET /maybe"),
        ("/maybe", Some(&expired), 401, "Token expired"),
        ("/orders", None, 401, login),
        ("/orders", Some(&expired), 401, "Token expired"),
        ("/orders", Some(&plain), 403, "Permission ORDERS READ required"),
        ("/orders", Some(&reader), 200, "u-1 /orders by * /orders"),
        ("/orders/8", None, 401, login),
        ("/orders/8", Some(&reader), 403, "Permission ORDERS FIND required"),
        ("/orders/8", Some(&finder), 403, "Access denied"),
        ("/orders/7", Some(&finder), 200, "u-1 /orders/7 by * /orders/{id}"),
        ("/orders/8", Some(&admin), 200, "u-1 /orders/8 by * /orders/{id}"),
        ("/any", Some(&plain), 403, "Permission A required"),
        ("/any", Some(&reader), 200, "u-1 /any by GET /any"),
        ("/other", Some(&plain), 200, "u-1 /other by GET /other"),
        ("/nowhere", None, 401, login),
        ("/nowhere", Some(&admin), 403, "Access denied"),
    ] {
        let (found, body) = ask(&layer, Method::GET, path, token.map(String::as_str)).await;
        assert_eq!((found, body.as_str()), (status, answer), "{path}");
    }
    assert_eq!(ask(&layer, Method::POST, "/public/x", None).await.0, 401, "another method is not covered");
    assert_eq!(ask(&layer, Method::POST, "/any", Some(&reader)).await.0, 403);
}

#[tokio::test]
async fn the_path_that_is_matched_is_the_one_that_the_service_sees() {
    let issuer = Issuer::new();
    let (owners, _lookups) = owners(&issuer);
    let layer = policy(&issuer, &owners).build().unwrap();
    for path in ["/public/%41%20", "/public/a:b", "/public/x/"] {
        let seen = format!("nobody {path} by GET /public/**");
        assert_eq!(ask(&layer, Method::GET, path, None).await, (200, seen));
    }
    for path in ["/public/../orders", "/public/%2e%2e/orders", "/public//x", "/public/x;y", "/public/%2forders", "*"] {
        assert_eq!(ask(&layer, Method::GET, path, None).await.0, 400, "{path}");
    }
}

#[tokio::test]
async fn whose_a_resource_is_is_asked_once_waited_for_and_remembered() {
    let issuer = Issuer::new();
    let (owners, lookups) = owners(&issuer);
    let layer = policy(&issuer, &owners).build().unwrap();
    let token = issuer.token(json!({}));
    let get = |id: &str| {
        let path = format!("/files/{id}");
        let (layer, token) = (&layer, &token);
        async move { ask(layer, Method::GET, &path, Some(token)).await.0 }
    };
    for (id, owns, status) in [("mine", true, 200), ("theirs", false, 403)] {
        let answering = async {
            let lookup = lookups.next().await.unwrap();
            assert_eq!((lookup.record().resource.as_str(), lookup.record().subject.as_str()), (id, "u-1"));
            lookup.owns(owns);
        };
        let (one, other, ()) = tokio::join!(get(id), get(id), answering);
        assert_eq!((one, other), (status, status), "{id}");
        assert_eq!(get(id).await, status, "it is remembered");
    }
    let failing = async { lookups.next().await.unwrap().failed("the database is gone") };
    assert_eq!(tokio::join!(get("x"), failing).0, 503);
    let dropping = async { drop(lookups.next().await.unwrap()) };
    assert_eq!(tokio::join!(get("x"), dropping).0, 503);
    drop(lookups);
    assert_eq!(get("x").await, 503, "nobody answers any more");
    assert_eq!(get("mine").await, 200);
}

#[tokio::test]
async fn a_write_makes_the_owner_be_asked_for_again_even_if_nobody_waited_for_its_answer() {
    let issuer = Issuer::new();
    let (owners, lookups) = owners(&issuer);
    let layer = policy(&issuer, &owners).build().unwrap();
    let token = issuer.token(json!({}));
    let delete = || request(&Method::DELETE, "/files/1", Some(&token));
    let first = ask(&layer, Method::GET, "/files/1", Some(&token));
    assert_eq!(tokio::join!(first, async { lookups.next().await.unwrap().owns(true) }).0.0, 200);
    let answer = layer.layer(Inner::default()).oneshot(delete()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let again = ask(&layer, Method::GET, "/files/1", Some(&token));
    assert_eq!(tokio::join!(again, async { lookups.next().await.unwrap().owns(true) }).0.0, 200);
    let hanging = service_fn(|_: Request<String>| std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>());
    let mut given_up = Box::pin(layer.layer(hanging).oneshot(delete()));
    assert!(tokio::time::timeout(Duration::from_millis(1), &mut given_up).await.is_err());
    drop(given_up);
    let again = ask(&layer, Method::GET, "/files/1", Some(&token));
    assert_eq!(tokio::join!(again, async { lookups.next().await.unwrap().owns(false) }).0.0, 403);
}

#[tokio::test]
async fn a_request_waits_for_its_key_and_then_for_the_owner_with_the_service_that_was_ready() {
    let (old, new) = (Issuer::new(), Issuer::new());
    let settings = RenewalSettings { cooldown: Duration::from_secs(10), max_stale: Duration::from_secs(3600) };
    let (source, renewer) = KeySource::renewed(settings);
    renewer.succeeded(Some(old.keys()), NOW);
    let issuer = IssuerSettings::with_source("main", source, vec![Algorithm::EdDsa]);
    let (owners, lookups) = owners(&old);
    let layer = PolicyLayer::builder(BearerLayer::builder().issuer(issuer).clock(old.clock.clone()))
        .route("GET /files/{id}", RouteSpec::token().owner("file"))
        .ownership("file", Ownership::of("id"), OwnershipSource::Owners(owners))
        .build()
        .unwrap();
    let mut service = layer.layer(Strict::default());
    let token = new.token(json!({}));
    let answer = service.ready().await.unwrap().call(request(&Method::GET, "/files/1", Some(&token)));
    let bringing = async {
        renewer.asked().await;
        renewer.succeeded(Some(new.keys()), NOW);
        renewer.release();
        lookups.next().await.unwrap().owns(true);
    };
    let (answer, ()) = tokio::join!(answer, bringing);
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_revoked_token_is_refused_and_more_permissions_than_a_word_has_bits_are_told_apart() {
    let issuer = Issuer::new();
    let revocations = Arc::new(Revocations::new(issuer.clock.clone()));
    let bearer = issuer.layer().dialect(Preset::Homsai).revocations(Arc::clone(&revocations));
    let routes = (0..200).fold(PolicyLayer::builder(bearer), |builder, number| {
        builder.route(&format!("GET /{number}"), RouteSpec::token().permission(&format!("P{number}")))
    });
    let layer = routes.build().unwrap();
    let token = issuer.token(json!({ "jti": "j", "permissions": ["P0", "P63", "P64", "P130", "P199", "unknown"] }));
    for number in 0..200 {
        let granted = [0, 63, 64, 130, 199].contains(&number);
        let status = ask(&layer, Method::GET, &format!("/{number}"), Some(&token)).await.0;
        assert_eq!(status, if granted { 200 } else { 403 }, "{number}");
    }
    revocations.revoke("main", Target::Id("j".to_owned()), Revocations::DEFAULT_LIFE);
    assert_eq!(ask(&layer, Method::GET, "/0", Some(&token)).await.0, 401);
}

#[test]
fn a_policy_that_cannot_be_kept_is_refused_when_it_is_built() {
    let issuer = Issuer::new();
    let builder = || PolicyLayer::builder(issuer.layer());
    let error = |builder: PolicyLayerBuilder| builder.build().unwrap_err();
    let pattern = error(builder().route("nonsense", RouteSpec::public()).route("GET /x", RouteSpec::public()));
    assert!(matches!(&pattern, PolicyLayerError::Pattern { pattern, .. } if pattern == "nonsense"), "{pattern}");
    let asks = error(builder().route("GET /x", RouteSpec::public().permission("A")));
    assert_eq!(asks, PolicyLayerError::PublicAsks("GET /x".to_owned()));
    let tie = error(builder().route("GET /{a}", RouteSpec::token()).route("GET /{b}", RouteSpec::token()));
    assert!(
        matches!(&tie, PolicyLayerError::Routes(errors) if matches!(errors[..], [RouteError::Tie { .. }])),
        "{tie}"
    );
    let owner = error(builder().route("GET /{a}", RouteSpec::token().owner("b")));
    assert!(matches!(&owner, PolicyLayerError::Routes(_)), "{owner}");
    let named = error(builder().route("GET /x", RouteSpec::token().issuer("other")));
    assert_eq!(named.to_string(), "\"GET /x\" names the issuer \"other\", which was not added");
    let twice = error(PolicyLayer::builder(issuer.layer().issuer(issuer.settings())));
    assert!(matches!(twice, PolicyLayerError::Issuers(_)), "{twice}");
}

#[tokio::test]
async fn without_routes_nobody_gets_in() {
    let issuer = Issuer::new();
    let layer = PolicyLayer::builder(issuer.layer().optional()).build().unwrap();
    assert_eq!(ask(&layer, Method::GET, "/", None).await.0, 401);
    assert_eq!(ask(&layer, Method::GET, "/", Some(&issuer.token(json!({})))).await.0, 404);
}

#[test]
fn a_principal_is_asked_for_permissions_by_name() {
    let issuer = Issuer::new();
    let layer = issuer.layer().build().unwrap();
    let token = issuer.token(json!({ "permissions": ["PLANTS READ"], "scope": "a b" }));
    let caller = layer.gate.authenticator.authenticate_token(&token).unwrap();
    let missing = |permission: &str| Err(Rejection::PermissionMissing { permission: permission.into() });
    for permission in ["PLANTS READ", "a", "b"] {
        assert_eq!(caller.require(permission), Ok(()), "{permission}");
    }
    for permission in ["PLANTS", "READ", "plants read", "a b", ""] {
        assert_eq!(caller.require(permission), missing(permission));
    }
    assert_eq!(caller.require_any(&["x", "b"]), Ok(()));
    assert_eq!(caller.require_any(&["x", "y"]), missing("x"));
    assert_eq!(caller.require_any(&[]), missing(""));
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn what_an_axum_handler_refuses_is_said_in_the_words_of_the_layer_in_front() {
    use axum::{Router, routing::get};

    async fn refund(caller: Principal) -> Result<&'static str, Rejection> {
        caller.require("ORDERS REFUND")?;
        Ok("refunded")
    }

    let issuer = Issuer::new();
    let (token, clerk) = (issuer.token(json!({})), issuer.token(json!({ "permissions": ["ORDERS REFUND"] })));
    let routes = Router::new().route("/refund", get(refund));
    let policy = PolicyLayer::builder(issuer.layer().dialect(Preset::Homsai)).route("GET /refund", RouteSpec::token());
    let policy = routes.clone().layer(policy.build().unwrap());
    let bearer = routes.clone().layer(issuer.layer().dialect(Preset::Homsai).build().unwrap());
    for router in [policy, bearer] {
        let ask = |token: &str| {
            router.clone().oneshot(request(&Method::GET, "/refund", Some(token)).map(axum::body::Body::from))
        };
        let refused = ask(&token).await.unwrap();
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        let body = refused.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["message"], &body["path"]), (&json!("Permission ORDERS REFUND required"), &json!("/refund")));
        assert_eq!(ask(&clerk).await.unwrap().into_body().collect().await.unwrap().to_bytes(), "refunded");
    }
    let caller = issuer.layer().build().unwrap().gate.authenticator.authenticate_token(&token).unwrap();
    let mut unguarded = request(&Method::GET, "/refund", None).map(axum::body::Body::from);
    unguarded.extensions_mut().insert(caller);
    assert_eq!(routes.oneshot(unguarded).await.unwrap().status(), StatusCode::FORBIDDEN, "in the words of the RFC");
}

#[cfg(feature = "tonic")]
#[tokio::test]
async fn a_grpc_service_has_its_methods_for_routes() {
    let issuer = Issuer::new();
    let layer = PolicyLayer::builder(issuer.layer().refuse_with(GrpcRefusals))
        .route("POST /shop.v1.Orders/List", RouteSpec::token().permission("ORDERS READ"))
        .route("POST /grpc.health.v1.Health/{method}", RouteSpec::public())
        .build()
        .unwrap();
    let reader = issuer.token(json!({ "permissions": ["ORDERS READ"] }));
    for (path, token, status) in [
        ("/shop.v1.Orders/List", None, Some("16")),
        ("/shop.v1.Orders/List", Some(issuer.token(json!({}))), Some("7")),
        ("/shop.v1.Orders/List", Some(reader.clone()), None),
        ("/shop.v1.Orders/Delete", Some(reader), Some("12")),
        ("/grpc.health.v1.Health/Check", None, None),
    ] {
        let response = layer.layer(Inner::default()).oneshot(request(&Method::POST, path, token.as_deref())).await;
        let response = response.unwrap();
        let found = response.headers().get("grpc-status").map(|status| status.to_str().unwrap());
        assert_eq!((response.status(), found), (StatusCode::OK, status), "{path}");
    }
    let status = tonic::Status::from(Rejection::NotOwner);
    assert_eq!((status.code(), status.message()), (tonic::Code::PermissionDenied, "not_owner"));
}
