//! Asking about tokens over HTTP (RFC 7662).
//!
//! 1. `POST` of the token and the hint that it is an access token (§2.1), form-encoded.
//! 2. The gateway says who it is by HTTP Basic, its id and secret form-encoded first (RFC 6749 §2.3.1): without, anyone
//!    could try tokens here (RFC 7662 §4).
//! 3. Two seconds for everything, the wait for a turn included; 64 questions are under way at most.
//! 4. Only 200 counts, at most 1 MiB, and no redirect is followed. Nothing is asked twice: the client may.

use std::{io, sync::Arc, thread, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{sync::Semaphore, time::timeout};

use super::{KeyUrl, KeyUrlError, PlainHttp, RemoteError, fetch, runtime};
use crate::{
    authn::{
        Introspector, KeySource,
        introspection::{self, Answer},
    },
    clock::Clock,
    secret::Secret,
};

const LIMIT: Duration = Duration::from_secs(2);
const MOST_AT_ONCE: usize = 64;
/// Providers close an idle connection after five seconds or more: one that is about to be closed is not to be used.
const IDLE: Duration = Duration::from_secs(4);

/// Where an issuer is asked about tokens, and as whom.
///
/// ```no_run
/// use bearergate::{
///     authn::{IssuerSettings, remote::{Introspection, PlainHttp}}, clock::Clock, secret::Secret,
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let secret = Secret::from(std::env::var("CLIENT_SECRET")?);
/// let url = "https://id.example.com/introspect";
/// let source = Introspection::new(url, "orders-api", &secret, &PlainHttp::default())?.start("main", &Clock::system())?;
/// let issuer = IssuerSettings::with_source("main", source, Vec::new()).audience("orders");
/// # let _ = issuer;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Introspection {
    url: KeyUrl,
    /// Marked as sensitive, so that it is not shown.
    authorization: HeaderValue,
}

impl Introspection {
    /// Asks at `url`, as `client_id` with `client_secret`.
    ///
    /// # Errors
    /// [`KeyUrlError`]: `url` is not `https`, and not that of this machine or of a host in `plain`.
    pub fn new(url: &str, client_id: &str, client_secret: &Secret, plain: &PlainHttp) -> Result<Self, KeyUrlError> {
        let url = KeyUrl::parse(url, plain)?;
        let credentials = [form_encoded(client_id.as_bytes()), form_encoded(client_secret.expose())].join(":");
        let value = format!("Basic {}", base64_simd::STANDARD.encode_to_string(credentials));
        // Base64 fits into a header: this cannot fail.
        let mut authorization = HeaderValue::from_str(&value).map_err(|_| KeyUrlError::NotAUrl)?;
        authorization.set_sensitive(true);
        Ok(Self { url, authorization })
    }

    /// Where it asks.
    #[must_use]
    pub const fn url(&self) -> &KeyUrl {
        &self.url
    }

    /// Begins to answer the questions of requests, on a thread of its own, until nobody uses the source any more. `name`
    /// is the issuer's in logs.
    ///
    /// # Errors
    /// The system gives no thread, or no TLS.
    pub fn start(self, name: &str, clock: &Clock) -> io::Result<Arc<KeySource>> {
        let (source, introspector) = KeySource::introspected();
        let (runtime, asker) = (runtime()?, Arc::new(Asker::new(self)?));
        let (name, clock) = (Arc::from(name), clock.clone());
        thread::Builder::new().name(format!("introspect-{name}")).spawn(move || {
            runtime.block_on(answer_all(asker, introspector, name, clock));
        })?;
        Ok(source)
    }
}

struct Asker {
    introspection: Introspection,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    turns: Semaphore,
}

/// Questions that are still open at the end are dropped with the runtime, and who waits for them is released.
async fn answer_all(asker: Arc<Asker>, introspector: Introspector, name: Arc<str>, clock: Clock) {
    let introspector = Arc::new(introspector);
    while let Some(question) = introspector.next().await {
        let (asker, introspector) = (Arc::clone(&asker), Arc::clone(&introspector));
        let (name, clock) = (Arc::clone(&name), clock.clone());
        tokio::spawn(async move {
            let asked = timeout(LIMIT, asker.ask(question.token())).await;
            match asked.unwrap_or(Err(RemoteError::Timeout)) {
                Ok(answer) => introspector.answer(question, answer, clock.now()),
                Err(error) => {
                    // An outage is one line, and not one for each request.
                    if introspector.fail(question, error.to_string()) {
                        tracing::warn!(issuer = &*name, %error, "the issuer cannot be asked about a token");
                    }
                }
            }
        });
    }
}

impl Asker {
    fn new(introspection: Introspection) -> io::Result<Self> {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MOST_AT_ONCE)
            .build(fetch::connector()?);
        Ok(Self { introspection, client, turns: Semaphore::new(MOST_AT_ONCE) })
    }

    async fn ask(&self, token: &str) -> Result<Answer, RemoteError> {
        let _turn = self.turns.acquire().await;
        let form = format!("token={}&token_type_hint=access_token", form_encoded(token.as_bytes()));
        let mut request = Request::new(Full::from(form));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.introspection.url.uri().clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, fetch::user_agent());
        headers.insert(AUTHORIZATION, self.introspection.authorization.clone());
        let response = self.client.request(request).await;
        let response = response.map_err(|error| RemoteError::Connect(fetch::with_causes(&error)))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Err(RemoteError::Credentials),
            status => return Err(fetch::unexpected(status)),
        }
        let body = fetch::body(response.into_body()).await?;
        introspection::read(body.into()).map_err(RemoteError::Introspection)
    }
}

/// As `application/x-www-form-urlencoded` has it (RFC 6749 Appendix B): letters, digits and `*-._` stay, a space is `+`.
fn form_encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => text.push(char::from(*byte)),
            b' ' => text.push('+'),
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_form_would_read_otherwise_is_encoded() {
        assert_eq!(form_encoded(b"aZ0*-._~+/= &%:"), "aZ0*-._%7E%2B%2F%3D+%26%25%3A");
        assert_eq!(form_encoded("\u{e9}\0".as_bytes()), "%C3%A9%00");
    }

    #[test]
    fn the_credentials_are_encoded_twice_and_not_shown() {
        // RFC 6749 §2.3.1: each is form-encoded before they are joined.
        let secret = Secret::from("p:w d".to_owned());
        let asked = Introspection::new("https://a.example/i", "id:1", &secret, &PlainHttp::default()).unwrap();
        let expected = format!("Basic {}", base64_simd::STANDARD.encode_to_string("id%3A1:p%3Aw+d"));
        assert_eq!(asked.authorization, expected);
        let shown = format!("{asked:?}");
        assert!(!shown.contains(&expected) && shown.contains("a.example"), "{shown}");
    }
}
