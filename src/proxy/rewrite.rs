//! The one pass over a request's header fields: what is not for the upstream is taken out, then ours are set.

use http::{
    HeaderMap, HeaderName, HeaderValue, Version,
    header::{AUTHORIZATION, CONNECTION, COOKIE, EXPECT},
};

use super::{
    forwarded::{self, Peer},
    hop_by_hop,
    identity::{self, ManagedHeaders},
};

/// No name that is looked for is longer than this.
const LONGEST_KNOWN_NAME: usize = 32;

/// Makes the header fields of a request, received as `version`, the ones that go to the upstream.
pub(super) fn request(
    headers: &mut HeaderMap,
    version: Version,
    peer: &Peer,
    managed: &ManagedHeaders,
    identity: &[(HeaderName, HeaderValue)],
) {
    let mut doomed: Vec<HeaderName> = Vec::new();
    for name in headers.keys() {
        if name == CONNECTION {
            doomed.extend(hop_by_hop::nominated(headers));
        }
        if is_removed(name, peer, managed) {
            doomed.push(name.clone());
        }
    }
    for name in &doomed {
        headers.remove(name);
    }
    if version == Version::HTTP_2 {
        join_cookies(headers);
    }
    forwarded::set(headers, peer);
    for (name, value) in identity {
        headers.insert(name, value.clone());
    }
}

fn is_removed(name: &HeaderName, peer: &Peer, managed: &ManagedHeaders) -> bool {
    if *name == AUTHORIZATION {
        return managed.strips_authorization();
    }
    // The gateway answers an expectation itself, by reading the body (RFC 9110 §10.1.1).
    if *name == EXPECT || managed.is_managed(name) {
        return true;
    }
    let text = name.as_str();
    if text.bytes().any(|byte| identity::fold(byte) != byte) {
        return is_removed_alias(text);
    }
    if forwarded::is_about_origin(text) {
        return !(peer.is_trusted() && forwarded::is_kept_from_trusted(name));
    }
    hop_by_hop::is_hop_by_hop(text)
}

/// A name with `_`, `.` or the like that an upstream may take for one of ours, or for one that frames the message.
fn is_removed_alias(name: &str) -> bool {
    // A longer name can only begin like one that is looked for, and its beginning is then within these bytes.
    let mut folded = [0; LONGEST_KNOWN_NAME];
    let length = name.len().min(LONGEST_KNOWN_NAME);
    for (to, from) in folded.iter_mut().zip(name.bytes()) {
        *to = identity::fold(from);
    }
    let Some(folded) = folded.get(..length).and_then(|folded| std::str::from_utf8(folded).ok()) else {
        return false;
    };
    forwarded::is_about_origin(folded) || hop_by_hop::is_hop_by_hop(folded) || folded == "content-length"
}

/// HTTP/2 may split the cookies; HTTP/1.1 has one field for them (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) else {
        return;
    };
    let mut joined = first.as_bytes().to_vec();
    for crumb in [second].into_iter().chain(crumbs) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
    }
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::AuthorizationHeader;

    fn rewritten(
        fields: &[(&str, &str)],
        version: Version,
        trusted: &[&str],
        authorization: AuthorizationHeader,
    ) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let trusted: Vec<ipnet::IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        let peer = Peer::new("192.0.2.7:4000".parse().unwrap(), &trusted);
        let managed = ManagedHeaders::new(vec![HeaderName::from_static("x-user-id")], authorization);
        let identity = [(HeaderName::from_static("x-user-id"), HeaderValue::from_static("alice"))];
        request(&mut headers, version, &peer, &managed, &identity);
        headers
    }

    fn kept(fields: &[(&str, &str)]) -> Vec<String> {
        let headers = rewritten(fields, Version::HTTP_11, &[], AuthorizationHeader::Keep);
        let ours = ["x-user-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
        headers.keys().map(|name| name.to_string()).filter(|name| !ours.contains(&name.as_str())).collect()
    }

    #[test]
    fn an_ordinary_request_keeps_all_its_fields() {
        let fields = [("host", "a"), ("accept", "*/*"), ("x-request-id", "7"), ("content_type.x", "1"), ("dnt", "1")];
        assert_eq!(kept(&fields), ["host", "accept", "x-request-id", "content_type.x", "dnt"]);
    }

    #[test]
    fn what_could_change_the_url_the_method_or_the_origin_is_removed_in_every_spelling() {
        for name in [
            "X-Original-URL",
            "X-Rewrite-URL",
            "X-Forwarded-Uri",
            "X-Forwarded-Prefix",
            "X-Accel-Redirect",
            "X-HTTP-Method-Override",
            "X_HTTP_Method",
            "X-Method-Override",
            "X_Forwarded_User",
            "X.Forwarded.For",
            "Forwarded",
            "X-Real-IP",
            "X_Real_IP",
            "Proxy",
            "Transfer_Encoding",
            "Content_Length",
            "Proxy_Authorization",
            "TE",
            "Keep-Alive",
            "Upgrade",
            "HTTP2-Settings",
            "Trailer",
            "Expect",
            "x_forwarded_a_very_long_name_that_goes_on_and_on",
        ] {
            assert_eq!(kept(&[("host", "a"), (name, "1")]), ["host"], "{name}");
        }
    }

    #[test]
    fn identity_is_ours_even_when_connection_names_it() {
        let headers = rewritten(
            &[
                ("connection", "x-user-id, authorization, x-drop"),
                ("x-user-id", "root"),
                ("X_User.Id", "root"),
                ("x-drop", "1"),
                ("authorization", "Bearer t"),
            ],
            Version::HTTP_11,
            &[],
            AuthorizationHeader::Keep,
        );
        assert_eq!(headers.get_all("x-user-id").iter().collect::<Vec<_>>(), ["alice"]);
        assert_eq!(headers["authorization"], "Bearer t");
        for gone in ["connection", "x_user.id", "x-drop"] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
    }

    #[test]
    fn authorization_is_stripped_where_the_configuration_says_so() {
        let fields = [("authorization", "Bearer t"), ("authorization", "Bearer u")];
        let headers = rewritten(&fields, Version::HTTP_11, &[], AuthorizationHeader::Strip);
        assert!(!headers.contains_key("authorization"));
    }

    #[test]
    fn a_trusted_proxy_cannot_use_an_alias() {
        let fields =
            [("x-forwarded-for", "203.0.113.9"), ("x_forwarded_for", "203.0.113.10"), ("x-forwarded-port", "1")];
        let headers = rewritten(&fields, Version::HTTP_11, &["192.0.2.0/24"], AuthorizationHeader::Keep);
        assert_eq!(headers["x-forwarded-for"], "203.0.113.9, 192.0.2.7");
        assert!(!headers.contains_key("x_forwarded_for") && !headers.contains_key("x-forwarded-port"));
    }

    #[test]
    fn cookies_of_http_2_become_one_field() {
        let fields = [("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")];
        let headers = rewritten(&fields, Version::HTTP_2, &[], AuthorizationHeader::Keep);
        assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    }

    proptest::proptest! {
        #[test]
        fn no_spelling_of_an_identity_header_gets_through(
            name in "[xX][-_.~!#$%&'*+^`|]([uU][sS][eE][rR]|user)[-_.~!#$%&'*+^`|][iI][dD]",
            others in proptest::collection::vec(("[a-z][a-z0-9_.-]{0,40}", "[ -~]{0,20}"), 0..20),
            connection in "[ -~]{0,40}",
        ) {
            let mut fields = vec![(name.as_str(), "root"), ("connection", connection.as_str())];
            fields.extend(others.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            let headers = rewritten(&fields, Version::HTTP_11, &[], AuthorizationHeader::Keep);
            for (name, value) in &headers {
                let folded: Vec<u8> = name.as_str().bytes().map(identity::fold).collect();
                proptest::prop_assert!(folded != b"x-user-id" || value == "alice", "{name}: {value:?}");
                proptest::prop_assert!(!hop_by_hop::is_hop_by_hop(name.as_str()), "{name}");
            }
            proptest::prop_assert_eq!(&headers["x-forwarded-for"], "192.0.2.7");
        }
    }
}
