//! The thread that asks a Supabase Auth server.
//!
//! 1. [`MOST_AT_ONCE`] questions are under way at most, and with those that wait for a turn there are [`MOST_HELD`]. One
//!    more is refused at once.
//! 2. Half of a question's time at most is the wait for a turn. One that is asked at the last moment would be given up at
//!    once, and a refresh token would be used up for nothing.
//! 3. A question whose caller is gone before its turn is not asked. Later it is: what a refresh gives must not be lost.

use std::{io, sync::Arc, thread, time::Duration};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, StatusCode, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT},
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};

use super::{BackendError, Cause, SupabaseSettings};
use crate::authn::remote::{self, fetch};

const API_KEY: HeaderName = HeaderName::from_static("apikey");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// No session is nearly as long.
const MOST_BYTES: usize = 256 * 1024;
const MOST_AT_ONCE: usize = 64;
const MOST_HELD: usize = 256;
/// Servers and balancers close an idle connection after five seconds or more: one that is about to be closed is not to be
/// used, for nobody could tell whether the request on it had arrived.
const IDLE: Duration = Duration::from_secs(4);

/// Where questions are put. Clones lead to the same thread.
#[derive(Clone)]
pub(super) struct Questions {
    sender: mpsc::UnboundedSender<Question>,
    places: Arc<Semaphore>,
}

/// What is to be posted, and where to.
struct Question {
    uri: Uri,
    /// As whom, if that is a user.
    authorization: Option<HeaderValue>,
    body: Bytes,
    reply: oneshot::Sender<Result<Reply, BackendError>>,
    /// Given back when all is done.
    _place: OwnedSemaphorePermit,
}

/// What came, whatever it says.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<HeaderValue>,
    pub(super) body: Bytes,
}

struct Asker {
    settings: SupabaseSettings,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    turns: Semaphore,
}

impl Questions {
    /// Posts `body` to `uri`.
    pub(super) async fn ask(
        &self,
        uri: Uri,
        authorization: Option<HeaderValue>,
        body: Bytes,
    ) -> Result<Reply, BackendError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| BackendError::Busy)?;
        let (reply, answered) = oneshot::channel();
        let question = Question { uri, authorization, body, reply, _place: place };
        self.sender.send(question).map_err(|_| BackendError::Unreachable(Cause::Stopped))?;
        answered.await.unwrap_or(Err(BackendError::Unreachable(Cause::Stopped)))
    }
}

/// Starts the thread. It ends when nobody can ask any more.
pub(super) fn start(settings: SupabaseSettings) -> io::Result<Questions> {
    let (sender, mut questions) = mpsc::unbounded_channel::<Question>();
    let (runtime, asker) = (remote::runtime()?, Arc::new(Asker::new(settings)?));
    thread::Builder::new().name("supabase".to_owned()).spawn(move || {
        runtime.block_on(async {
            while let Some(question) = questions.recv().await {
                tokio::spawn(answer(Arc::clone(&asker), question));
            }
        });
    })?;
    Ok(Questions { sender, places: Arc::new(Semaphore::new(MOST_HELD)) })
}

async fn answer(asker: Arc<Asker>, question: Question) {
    let Question { uri, authorization, body, reply, _place } = question;
    let limit = asker.settings.timeout();
    let deadline = Instant::now() + limit;
    let answered = match timeout(limit / 2, asker.turns.acquire()).await {
        Ok(_turn) if reply.is_closed() => return,
        Ok(_turn) => match timeout_at(deadline, asker.ask(uri, authorization, body)).await {
            Ok(answered) => answered.map_err(BackendError::Unreachable),
            Err(_) => Err(BackendError::Unreachable(Cause::Timeout)),
        },
        Err(_) => Err(BackendError::Busy),
    };
    // Nobody may be waiting any more.
    let _ = reply.send(answered);
}

impl Asker {
    fn new(settings: SupabaseSettings) -> io::Result<Self> {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MOST_AT_ONCE)
            .build(fetch::connector()?);
        Ok(Self { settings, client, turns: Semaphore::new(MOST_AT_ONCE) })
    }

    async fn ask(&self, uri: Uri, authorization: Option<HeaderValue>, body: Bytes) -> Result<Reply, Cause> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(API_KEY, self.settings.key().clone());
        headers.extend(authorization.map(|value| (AUTHORIZATION, value)));
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(ACCEPT, JSON);
        headers.insert(USER_AGENT, fetch::user_agent());
        let response = self.client.request(request).await;
        let (head, body) = response.map_err(|error| Cause::Connect(fetch::with_causes(&error)))?.into_parts();
        let body = Limited::new(body, MOST_BYTES).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() { Cause::TooLarge } else { Cause::Body(fetch::with_causes(&*error)) }
        })?;
        let retry_after = head.headers.get(RETRY_AFTER).cloned();
        Ok(Reply { status: head.status, retry_after, body: body.to_bytes() })
    }
}
