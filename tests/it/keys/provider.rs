//! A provider of keys that answers as it is told, and a gateway that fetches from it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use bearergate::clock::Clock;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Gateway, NOW, Upstream, client::header, deployment::deploy, forge::Signer};

/// What the provider does with a request.
#[derive(Clone, Default)]
pub(super) struct Answer {
    /// Empty: the connection is closed without an answer.
    pub(super) bytes: Vec<u8>,
    pub(super) delay: Duration,
    /// Answers 304 to whoever has this already.
    etag: Option<&'static str>,
}

impl Answer {
    pub(super) fn down() -> Self {
        Self::default()
    }

    pub(super) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), ..Self::default() }
    }

    pub(super) fn body(body: impl Into<String>) -> Self {
        Self::body_with("", body)
    }

    pub(super) fn body_with(fields: &str, body: impl Into<String>) -> Self {
        let body = body.into();
        Self::raw(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len()))
    }

    pub(super) fn keys(keys: &[Value]) -> Self {
        Self::body(json!({ "keys": keys }).to_string())
    }

    pub(super) fn tagged(keys: &[Value], etag: &'static str) -> Self {
        let body = json!({ "keys": keys }).to_string();
        Self { etag: Some(etag), ..Self::body_with(&format!("ETag: {etag}\r\n"), body) }
    }

    pub(super) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

/// Answers every path alike, but for the metadata if there is any.
pub(super) struct Provider {
    upstream: Upstream,
    answer: Arc<Mutex<Answer>>,
    metadata: Arc<Mutex<Option<Answer>>>,
    requests: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
}

impl Provider {
    pub(super) fn new(answer: Answer) -> Self {
        let answer = Arc::new(Mutex::new(answer));
        let metadata = Arc::new(Mutex::new(None::<Answer>));
        let (requests, now, most) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let upstream = {
            let (answer, metadata) = (Arc::clone(&answer), Arc::clone(&metadata));
            let (requests, most) = (Arc::clone(&requests), Arc::clone(&most));
            Upstream::start(move |mut line| {
                let Some((head, _)) = line.request() else { return };
                requests.fetch_add(1, Ordering::SeqCst);
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let is_metadata = head.starts_with("GET /.well-known/openid-configuration ");
                let metadata = metadata.lock().unwrap().clone().filter(|_| is_metadata);
                let answer = metadata.unwrap_or_else(|| answer.lock().unwrap().clone());
                thread::sleep(answer.delay);
                now.fetch_sub(1, Ordering::SeqCst);
                if answer.etag.is_some() && header(&head, "if-none-match") == answer.etag {
                    line.send("HTTP/1.1 304 Not Modified\r\n\r\n");
                } else {
                    line.send(answer.bytes);
                }
            })
        };
        Self { upstream, answer, metadata, requests, most_at_once: most }
    }

    pub(super) fn set(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// From now on it has metadata, which says this.
    pub(super) fn describe(&self, metadata: &Value) {
        self.describe_with("", metadata);
    }

    /// As [`describe`](Self::describe), with these fields.
    pub(super) fn describe_with(&self, fields: &str, metadata: &Value) {
        *self.metadata.lock().unwrap() = Some(Answer::body_with(fields, metadata.to_string()));
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.upstream.address)
    }

    /// How many requests have come.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// How many requests were under way together at most.
    pub(super) fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }
}

/// The `iss` of the issuer `name`.
pub(super) fn iss(name: &str) -> String {
    format!("https://{name}.example.com")
}

/// A token of the issuer `name`, of this key, that is good for days.
pub(super) fn token(signer: &Signer, kid: &str, name: &str) -> String {
    let header = json!({ "alg": "EdDSA", "kid": kid });
    let claims = json!({ "iss": iss(name), "sub": "alice", "exp": NOW + 1_000_000 });
    signer.sign(header.to_string(), claims.to_string())
}

/// An issuer that fetches its keys; `more` are further lines.
pub(super) fn issuer(name: &str, source: &str, more: &str) -> String {
    format!("[issuer.{name}]\nissuer = '{}'\nalgorithms = ['EdDSA']\n{source}\n{more}\n", iss(name))
}

/// Every path needs a token but those below `/public`.
pub(super) const ROUTES: &str =
    "[[route]]\nmatch = '* /**'\naccess = 'token'\n[[route]]\nmatch = '* /public/**'\naccess = 'public'\n";

/// A gateway, and what it needs to go on.
pub(super) struct Deployed {
    pub(super) gateway: Gateway,
    pub(super) clock: Clock,
    _upstream: Upstream,
    _folder: TempDir,
}

impl Deployed {
    pub(super) fn new(configuration: &str) -> Self {
        let (upstream, folder) = (Upstream::ok(), tempfile::tempdir().unwrap());
        let (gateway, clock) = deploy(configuration, folder.path(), upstream.address);
        Self { gateway, clock, _upstream: upstream, _folder: folder }
    }

    /// One issuer, `main`, which fetches from `provider`.
    pub(super) fn fetching(provider: &Provider, more: &str) -> Self {
        let source = format!("jwks_url = '{}'", provider.url("/jwks"));
        Self::new(&format!("{}{ROUTES}", issuer("main", &source, more)))
    }

    pub(super) fn status(&self, token: &str) -> u16 {
        self.gateway.connect().bear("GET", "/", token).status
    }

    pub(super) fn admin(&self, path: &str) -> String {
        self.gateway.admin().get(path).text()
    }

    /// What `/keys` says of the first issuer.
    pub(super) fn keys(&self) -> Value {
        let keys: Value = serde_json::from_str(&self.admin("/keys")).unwrap();
        keys[0].clone()
    }

    /// Lets the cooldown pass and has a token ask for new keys; returns when they have come, or have not.
    pub(super) fn refresh(&self) {
        self.clock.advance(Duration::from_secs(10));
        assert_eq!(self.status(&token(&Signer::ed25519(), "unheard-of", "main")), 401);
    }

    /// How many fetches of the issuer `main` came out like this.
    pub(super) fn refreshes(&self, outcome: &str) -> usize {
        let start = format!("bearergate_key_refreshes_total{{issuer=\"main\",outcome=\"{outcome}\"}} ");
        let metrics = self.admin("/metrics");
        metrics.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
    }

    #[track_caller]
    pub(super) fn assert_metric(&self, line: &str) {
        let metrics = self.admin("/metrics");
        assert!(metrics.lines().any(|other| other == line), "{line} is not in {metrics}");
    }
}

/// Waits for what comes by itself.
#[track_caller]
pub(super) fn eventually(what: impl Fn() -> bool) {
    for _ in 0..1000 {
        if what() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("it did not come");
}
