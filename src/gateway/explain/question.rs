//! What is to be explained: a method, a path, and perhaps a token.

use http::{HeaderValue, Method, Request, header};
use serde_json::{Value, json};

use super::Credentials;
use crate::{
    authz::path,
    jwt::InvalidToken,
    proxy::Incoming,
    rejection::{BadRequest, Rejection},
};

/// A request as somebody describes it.
pub(crate) struct Question {
    pub(crate) method: String,
    /// The path, perhaps with a query.
    pub(crate) target: String,
    /// The token, or the value of an `Authorization` field.
    pub(crate) token: Option<String>,
}

impl Question {
    /// Reads `{"method": "GET", "path": "/", "token": "…"}`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
        const MEMBERS: [&str; 3] = ["method", "path", "token"];
        let body: Value = serde_json::from_slice(body).map_err(|error| format!("this is not JSON: {error}"))?;
        let members = body.as_object().ok_or("the body has to be a JSON object")?;
        if let Some(unknown) = members.keys().find(|member| !MEMBERS.contains(&member.as_str())) {
            return Err(format!("unknown member {unknown:?}: there are {}", MEMBERS.join(", ")));
        }
        let text = |member: &str| match members.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("{member:?} has to be a string")),
        };
        let needed = |member: &str| text(member)?.ok_or_else(|| format!("{member:?} is missing"));
        Ok(Self { method: needed("method")?, target: needed("path")?, token: text("token")? })
    }

    /// As [`read`](Self::read) reads it.
    pub(crate) fn show(&self) -> Value {
        json!({ "method": self.method, "path": self.target, "token": self.token })
    }

    pub(super) fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// The request, as far as the checks look at it.
    pub(super) fn request(&self) -> Result<Request<Incoming>, Rejection> {
        let method = Method::from_bytes(self.method.as_bytes()).map_err(|_| Rejection::BadRequest(BadRequest::Method));
        let mut request = Request::new(Incoming::Empty);
        *request.method_mut() = method?;
        // A proxy's or a server's own target (RFC 9112 §3.2) is none that a client of an API sends.
        let target = Some(&self.target).filter(|target| target.starts_with('/')).and_then(|target| target.parse().ok());
        *request.uri_mut() = target.ok_or_else(|| match path::check(self.path()) {
            Err(error) => Rejection::from(error),
            Ok(_) => Rejection::BadRequest(BadRequest::Target("it cannot stand in a request")),
        })?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        if let Some(token) = &self.token {
            let credentials = Credentials::of(token);
            // What no header can hold, no request can carry.
            let value = HeaderValue::from_str(credentials.value()).map_err(|_| InvalidToken::NotAToken);
            headers.insert(header::AUTHORIZATION, value.map_err(Rejection::InvalidToken)?);
        }
        Ok(request)
    }
}
