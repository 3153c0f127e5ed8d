//! Whose a resource is, asked at an API of the operator's over HTTP.
//!
//! 1. The variable stands for a whole segment of the path, or in the query, and is percent-encoded there but for what
//!    needs no encoding anywhere (RFC 3986 §2.3): it adds no segment, and `.` and `..` are nobody's.
//! 2. 200 with JSON: what the pointer names (RFC 6901) is the owner, or a list of owners; each a string or an integer,
//!    compared in full with the subject. `null` is nobody.
//! 3. 404 and 410: there is no such resource, so it is nobody's.
//! 4. Anything else is no answer: another status, a redirect, no JSON, nothing where the pointer leads, more than 1 MiB.
//!
//! `http` is fine to any host: it is the operator's own network that is asked, by a URL that the operator wrote.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Request, StatusCode, Uri,
    header::{ACCEPT, AUTHORIZATION, USER_AGENT},
    uri::{PathAndQuery, Scheme},
};
use http_body_util::Empty;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use serde_json::Value;

use super::OwnershipRecord;
use crate::{
    authn::remote::{RemoteError, fetch},
    secret::Secret,
};

/// Most servers close an idle connection after five seconds or more: one that is about to be closed is not to be used.
const IDLE: Duration = Duration::from_secs(4);

/// Where it is asked, and where in the answer the owner stands.
#[derive(Debug, Clone)]
pub struct OwnerCall {
    base: Uri,
    /// The path and the query, with the variable in braces.
    template: String,
    variable: String,
    pointer: String,
    /// Marked as sensitive, so that it is not shown.
    authorization: Option<HeaderValue>,
}

/// Why a URL is not asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallUrlError {
    /// Not an absolute `http` or `https` URL.
    #[error("is no URL of the form http://host/path")]
    NotAUrl,
    /// A name or a password before the host.
    #[error("has credentials in it, which are not sent")]
    Credentials,
    /// The variable does not stand in it.
    #[error("does not have {{{0}}}, which names the resource")]
    NoVariable(String),
    /// The variable is a part of a segment, or stands before the path.
    #[error("may have {{{0}}} as a whole segment of the path, or in the query")]
    Place(String),
    /// Another variable, or a brace of another kind.
    #[error("has braces around something else than {{{0}}}")]
    OtherVariable(String),
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// It could not be asked, or the answer broke off or is too long.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The answer is not JSON.
    #[error("the answer is not JSON")]
    NotJson,
    /// The answer has nothing where the pointer leads, or no owner.
    #[error("the answer has no owner at {0:?}")]
    NoOwner(String),
}

impl OwnerCall {
    /// Asks at `url`, in which `{variable}` stands for the resource; the owner stands at `pointer` in the answer.
    ///
    /// # Errors
    /// See [`CallUrlError`].
    pub fn new(url: &str, variable: &str, pointer: &str) -> Result<Self, CallUrlError> {
        let braced = format!("{{{variable}}}");
        let not_a_url = || CallUrlError::NotAUrl;
        let (scheme, rest) = url.split_once("://").ok_or_else(not_a_url)?;
        let slash = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(slash).ok_or_else(not_a_url)?;
        if authority.contains('@') {
            return Err(CallUrlError::Credentials);
        }
        if !target.contains(&braced) {
            let misplaced = authority.contains(&braced);
            let variable = variable.to_owned();
            return Err(if misplaced { CallUrlError::Place(variable) } else { CallUrlError::NoVariable(variable) });
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if path.split('/').any(|segment| segment.contains(&braced) && segment != braced) {
            return Err(CallUrlError::Place(variable.to_owned()));
        }
        if [path, query].iter().any(|part| part.replace(&braced, "").contains(['{', '}'])) {
            return Err(CallUrlError::OtherVariable(variable.to_owned()));
        }
        let example: Uri = url.replace(&braced, "x").parse().map_err(|_| CallUrlError::NotAUrl)?;
        let is_http = example.scheme() == Some(&Scheme::HTTP) || example.scheme() == Some(&Scheme::HTTPS);
        if !is_http || target.contains('#') || !path.starts_with('/') {
            return Err(CallUrlError::NotAUrl);
        }
        let base = format!("{scheme}://{authority}/").parse().map_err(|_| CallUrlError::NotAUrl)?;
        let (template, variable) = (target.to_owned(), variable.to_owned());
        Ok(Self { base, template, variable, pointer: pointer.to_owned(), authorization: None })
    }

    /// Sends `secret` as `Authorization`; `None` if it can be no field's value.
    #[must_use]
    pub fn authorization(mut self, secret: &Secret) -> Option<Self> {
        let mut value = HeaderValue::from_bytes(secret.expose()).ok()?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Some(self)
    }

    fn uri(&self, resource: &str) -> Option<Uri> {
        if matches!(resource, "" | "." | "..") {
            return None;
        }
        let target = self.template.replace(&format!("{{{}}}", self.variable), &encoded(resource));
        let mut parts = self.base.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
        Uri::from_parts(parts).ok()
    }

    /// Whether `subject` is the owner, by the body of an answer with 200.
    fn names(&self, body: &[u8], subject: &str) -> Result<bool, CallError> {
        let document: Value = serde_json::from_slice(body).map_err(|_| CallError::NotJson)?;
        let no_owner = || CallError::NoOwner(self.pointer.clone());
        match document.pointer(&self.pointer).ok_or_else(no_owner)? {
            Value::Null => Ok(false),
            Value::Array(owners) => owners.iter().try_fold(false, |found, owner| {
                let owner = name(owner).ok_or_else(no_owner)?;
                Ok(found || owner == subject)
            }),
            owner => Ok(name(owner).ok_or_else(no_owner)? == subject),
        }
    }
}

/// An owner as a text.
fn name(owner: &Value) -> Option<String> {
    match owner {
        Value::String(name) => Some(name.clone()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

/// An API that is asked.
pub struct OwnerCaller {
    call: OwnerCall,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl OwnerCaller {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// This machine gives no TLS.
    pub fn new(call: OwnerCall) -> io::Result<Self> {
        let mut client = Client::builder(TokioExecutor::new());
        let client = client.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).build(fetch::connector()?);
        Ok(Self { call, client })
    }

    /// Whether it is so. The time is the caller's to limit.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn owns(&self, record: &OwnershipRecord) -> Result<bool, CallError> {
        let Some(uri) = self.call.uri(&record.resource) else { return Ok(false) };
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, fetch::user_agent());
        headers.extend(self.call.authorization.clone().map(|value| (AUTHORIZATION, value)));
        let response = self.client.request(request).await;
        let response = response.map_err(|error| RemoteError::Connect(fetch::with_causes(&error)))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(false),
            status => return Err(fetch::unexpected(status).into()),
        }
        let body = fetch::body(response.into_body()).await?;
        self.call.names(&body, &record.subject)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(url: &str, pointer: &str) -> OwnerCall {
        OwnerCall::new(url, "id", pointer).unwrap()
    }

    #[test]
    fn the_resource_is_one_segment_whatever_it_is() {
        let asked = |url: &str, resource: &str| call(url, "/o").uri(resource).map(|uri| uri.to_string());
        let url = "http://a.example:81/internal/plants/{id}/owner?as=json";
        for (resource, segment) in [
            ("a-1", "a-1"),
            ("a/../b", "a%2F..%2Fb"),
            ("a?b#c", "a%3Fb%23c"),
            ("%2e%2e", "%252e%252e"),
            ("é \\;", "%C3%A9%20%5C%3B"),
            ("...", "..."),
            ("{id}", "%7Bid%7D"),
        ] {
            let expected = format!("http://a.example:81/internal/plants/{segment}/owner?as=json");
            assert_eq!(asked(url, resource), Some(expected), "{resource}");
        }
        assert_eq!([asked(url, ".."), asked(url, "."), asked(url, "")], [None, None, None]);
        assert_eq!(asked("https://a/?p={id}&q={id}", "a&b=c").as_deref(), Some("https://a/?p=a%26b%3Dc&q=a%26b%3Dc"));
    }

    #[test]
    fn a_url_that_cannot_be_meant_is_refused() {
        use CallUrlError::{Credentials, NoVariable, NotAUrl, OtherVariable, Place};
        let id = || "id".to_owned();
        for (url, error) in [
            ("http://a/plants", NoVariable(id())),
            ("http://{id}/plants", Place(id())),
            ("http://a/plant-{id}", Place(id())),
            ("http://a/{id}.json", Place(id())),
            ("http://a/{id}/{other}", OtherVariable(id())),
            ("http://a/{id}?{", OtherVariable(id())),
            ("http://u:p@a/{id}", Credentials),
            ("ftp://a/{id}", NotAUrl),
            ("/plants/{id}", NotAUrl),
            ("http:///{id}", NotAUrl),
            ("http://a?x={id}", NotAUrl),
            ("http://a/{id}#x", Place(id())),
            ("http://a b/{id}", NotAUrl),
            ("", NotAUrl),
        ] {
            assert_eq!(OwnerCall::new(url, "id", "/o").unwrap_err(), error, "{url}");
        }
    }

    #[test]
    fn the_owner_is_a_text_an_integer_or_one_of_a_list() {
        let names = |body: &str, subject: &str| call("http://a/{id}", "/owner/id").names(body.as_bytes(), subject);
        let no_owner = Err(CallError::NoOwner("/owner/id".to_owned()));
        for (owner, subject, expected) in [
            (r#""alice""#, "alice", Ok(true)),
            (r#""alice""#, "Alice", Ok(false)),
            (r#""alice ""#, "alice", Ok(false)),
            ("7", "7", Ok(true)),
            ("-7", "7", Ok(false)),
            ("18446744073709551615", "18446744073709551615", Ok(true)),
            ("[1,\"alice\"]", "alice", Ok(true)),
            ("[]", "alice", Ok(false)),
            ("null", "alice", Ok(false)),
            ("null", "null", Ok(false)),
            ("7.0", "7", no_owner.clone()),
            ("true", "true", no_owner.clone()),
            ("{}", "alice", no_owner.clone()),
            ("[\"alice\",{}]", "alice", no_owner.clone()),
            ("[[\"alice\"]]", "alice", no_owner.clone()),
        ] {
            assert_eq!(names(&format!("{{\"owner\":{{\"id\":{owner}}}}}"), subject), expected, "{owner}");
        }
        assert_eq!(names("{}", "alice"), no_owner);
        assert_eq!(names("<html>", "alice"), Err(CallError::NotJson));
        assert_eq!(names("", "alice"), Err(CallError::NotJson));
    }

    #[test]
    fn what_authorizes_is_not_shown() {
        let call = call("http://a/{id}", "/o").authorization(&Secret::from("Bearer hunter2".to_owned())).unwrap();
        assert!(!format!("{call:?}").contains("hunter2"));
        assert!(call.authorization(&Secret::from("a\nb".to_owned())).is_none());
    }

    proptest! {
        #[test]
        fn no_resource_gets_out_of_its_segment(resource in any::<String>()) {
            if let Some(uri) = call("http://a/plants/{id}/owner", "/o").uri(&resource) {
                let segments: Vec<_> = uri.path().split('/').collect();
                prop_assert!(segments.len() == 4 && segments[1] == "plants" && segments[3] == "owner", "{}", uri);
                prop_assert!(uri.query().is_none() && !matches!(segments[2], "." | ".."), "{}", uri);
            }
        }
    }
}
