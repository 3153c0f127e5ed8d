//! A request that asks for WebSocket (RFC 6455), where its route allows that.
//!
//! 1. Everything that is asked of a request is asked of this one: head, route, token, permissions, owner, limits. Only
//!    then the handshake is looked at, so that a stranger learns nothing of it.
//! 2. A page cannot set `Authorization` on a WebSocket. Where the route says so, the token may stand among the
//!    subprotocols, behind the name `bearer`: `new WebSocket(url, ["app.v1", "bearer", token])`. Both are taken out, and the
//!    token becomes the request's `Authorization`: from there on it is like every other one. Two tokens, whichever way they
//!    came, are as bad as two `Authorization`s.
//! 3. With [`Cors`] configured, a page of another origin that is not allowed there is refused (RFC 6455 §10.2): a browser
//!    sends its cookies with a WebSocket to anywhere, and asks nobody. Whoever has shown a token as a subprotocol has got
//!    that from somewhere better than a cookie, and is not asked. Without `[cors]` the upstream has to look.
//! 4. Where the route does not allow it, `Upgrade` is not forwarded, and the request is one like every other.

use http::{
    HeaderMap, HeaderValue, Request, Response,
    header::{AUTHORIZATION, HOST, ORIGIN, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION},
};

use super::Cors;
use crate::{
    authz::{Policy, Rule, WebSocketToken},
    http1::websocket,
    proxy::{
        Incoming,
        upgrade::{Handshake, MARKER},
    },
    rejection::{BadRequest, Rejection},
};

/// Among a request's extensions: the subprotocols had a token's marker, and perhaps a token.
#[derive(Clone, Copy)]
struct Marked;

/// Makes what stands among the subprotocols the request's `Authorization`, where its route takes a token from there.
pub(super) fn prepare(request: &mut Request<Incoming>, policy: &Policy) {
    if !websocket::is_asked_for(request.version(), request.headers()) {
        return;
    }
    let found = policy.find(request.method(), request.uri().path()).ok().flatten();
    if found.is_some_and(|found| found.rule().websocket() == Some(WebSocketToken::Subprotocol))
        && move_tokens(request.headers_mut()).is_some()
    {
        request.extensions_mut().insert(Marked);
    }
}

/// `None`: there is no marker in it, or it is no list, which is refused [later](check).
fn move_tokens(headers: &mut HeaderMap) -> Option<()> {
    let mut kept = Vec::new();
    let mut tokens = Vec::new();
    let mut names = websocket::elements(headers, &SEC_WEBSOCKET_PROTOCOL);
    let mut marked = false;
    while let Some(name) = names.next() {
        if name == MARKER.as_bytes() {
            marked = true;
            tokens.extend(names.next());
        } else {
            kept.push(name);
        }
    }
    drop(names);
    if !marked {
        return None;
    }
    let credentials = |token: &&[u8]| HeaderValue::from_bytes(&[b"Bearer ", *token].concat()).ok();
    let tokens: Vec<HeaderValue> = tokens.iter().filter_map(credentials).collect();
    let kept = HeaderValue::from_bytes(&kept.join(&b", "[..])).ok()?;
    headers.remove(SEC_WEBSOCKET_PROTOCOL);
    if !kept.is_empty() {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, kept);
    }
    for mut token in tokens {
        token.set_sensitive(true);
        headers.append(AUTHORIZATION, token);
    }
    Some(())
}

/// Checks the handshake of a request that may pass by `rule`, if it is one.
///
/// # Errors
/// [`BadRequest::Upgrade`].
pub(super) fn check(request: &mut Request<Incoming>, rule: &Rule, cors: Option<&Cors>) -> Result<(), Rejection> {
    if rule.websocket().is_none() || !websocket::is_asked_for(request.version(), request.headers()) {
        return Ok(());
    }
    let marked = request.extensions().get::<Marked>().is_some();
    let refuse = |cause| Rejection::BadRequest(BadRequest::Upgrade(cause));
    if !marked && cors.is_some_and(|cors| is_foreign(request.headers(), cors)) {
        return Err(refuse("a page of an origin that is not allowed asks for it"));
    }
    let handshake = Handshake::of(request, marked).map_err(refuse)?;
    request.extensions_mut().insert(handshake);
    Ok(())
}

/// Whether it is a page's that is neither of the host itself nor of an origin that is allowed.
fn is_foreign(headers: &HeaderMap, cors: &Cors) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return false };
    let host = || {
        let (_, origin) = origin.to_str().ok()?.split_once("://")?;
        Some(origin.as_bytes().eq_ignore_ascii_case(headers.get(HOST)?.as_bytes()))
    };
    origins.next().is_some() || cors.reader(headers).is_none() && host() != Some(true)
}

/// Says in the refusal of a handshake which version is spoken (RFC 6455 §4.4).
pub(super) fn tell<B>(rejection: &Rejection, response: &mut Response<B>) {
    if matches!(rejection, Rejection::BadRequest(BadRequest::Upgrade(_))) {
        response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(lists: &[&str], authorization: &[&str]) -> (Option<()>, Vec<String>, Vec<String>) {
        let mut headers = HeaderMap::new();
        for (name, values) in [(SEC_WEBSOCKET_PROTOCOL, lists), (AUTHORIZATION, authorization)] {
            for value in values {
                headers.append(&name, HeaderValue::from_str(value).unwrap());
            }
        }
        let moved = move_tokens(&mut headers);
        let all = |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect();
        (moved, all(SEC_WEBSOCKET_PROTOCOL), all(AUTHORIZATION))
    }

    #[test]
    fn the_token_becomes_the_authorization_and_the_rest_stays() {
        let none: Vec<String> = Vec::new();
        assert_eq!(moved(&["bearer, t.o.k"], &[]), (Some(()), none.clone(), vec!["Bearer t.o.k".to_owned()]));
        assert_eq!(moved(&["a,bearer,t", "b"], &[]), (Some(()), vec!["a, b".to_owned()], vec!["Bearer t".to_owned()]));
        assert_eq!(moved(&["a", "bearer", "t"], &[]), (Some(()), vec!["a".to_owned()], vec!["Bearer t".to_owned()]));
        assert_eq!(moved(&["bearer"], &[]), (Some(()), none.clone(), none.clone()));
        assert_eq!(moved(&["a, Bearer, t"], &[]).0, None);
        assert_eq!(moved(&[], &["Bearer t"]), (None, none, vec!["Bearer t".to_owned()]));
    }

    #[test]
    fn two_tokens_stay_two() {
        for (lists, authorization) in [
            (vec!["bearer, t, bearer, u"], vec![]),
            (vec!["bearer, t, bearer, t"], vec![]),
            (vec!["bearer, t", "bearer, u"], vec![]),
            (vec!["bearer, t"], vec!["Bearer u"]),
            (vec!["bearer, t"], vec!["Bearer t"]),
            (vec!["bearer, bearer, bearer, t"], vec![]),
            // An empty place is no token, but it is not nothing either.
            (vec!["bearer, , bearer, t"], vec![]),
        ] {
            assert_eq!(moved(&lists, &authorization).2.len(), 2, "{lists:?} {authorization:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_follows_a_marker_is_not_among_the_subprotocols_any_more(
            before in proptest::collection::vec("[a-z]{1,3}", 0..4),
            after in proptest::collection::vec("[a-z]{1,3}", 0..4),
            token in "[A-Z]{8}",
        ) {
            let names: Vec<&str> =
                before.iter().map(String::as_str).chain(["bearer", &token]).chain(after.iter().map(String::as_str)).collect();
            let (_, kept, tokens) = moved(&[&names.join(",")], &[]);
            proptest::prop_assert!(!kept.concat().contains(&token));
            proptest::prop_assert_eq!(tokens, [format!("Bearer {token}")]);
        }
    }
}
