//! The answer to come: the inner service's, a refusal that is ready, or either of them once what the request waits for
//! has ended.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    answered::Answered,
    body::ResponseBody,
    service::{Decision, Gate, Wait, Waited},
};

pin_project! {
    /// The future of a [`BearerService`](super::BearerService)'s answer.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        kind: Kind<S, B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<S, B>
    where
        S: Service<Request<B>>,
    {
        Forward { #[pin] future: S::Future, answered: Answered },
        Refuse { response: Option<Response<Bytes>> },
        Wait { held: Option<Box<Held<S, B>>> },
    }
}

/// A request that waits, with the service that is ready for it.
pub(super) struct Held<S, B> {
    pub(super) service: S,
    pub(super) request: Request<B>,
    pub(super) gate: Arc<Gate>,
    pub(super) wait: Wait,
    pub(super) waited: Waited,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) const fn forward(future: S::Future, answered: Answered) -> Self {
        Self { kind: Kind::Forward { future, answered } }
    }

    pub(super) const fn refuse(response: Response<Bytes>) -> Self {
        Self { kind: Kind::Refuse { response: Some(response) } }
    }

    pub(super) fn wait(held: Held<S, B>) -> Self {
        Self { kind: Kind::Wait { held: Some(Box::new(held)) } }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut kind = self.project().kind;
        loop {
            let held = match kind.as_mut().project() {
                KindProjection::Forward { future, answered } => {
                    return Poll::Ready(ready!(future.poll(context)).map(|response| answered.worded(response)));
                }
                // Polled again after its end, it has nothing more to say.
                KindProjection::Refuse { response } => {
                    let response = response.take().map(|response| Ok(response.map(ResponseBody::refusal)));
                    return response.map_or(Poll::Pending, Poll::Ready);
                }
                KindProjection::Wait { held } => {
                    if let Some(held) = held {
                        ready!(held.wait.poll(context));
                    }
                    held.take()
                }
            };
            let Some(held) = held else { return Poll::Pending };
            let Held { mut service, mut request, gate, wait, mut waited } = *held;
            waited.add(wait);
            kind.set(match gate.decide(&mut request, &waited) {
                Decision::Forward(answered) => Kind::Forward { future: service.call(request), answered },
                Decision::Refuse(response) => Kind::Refuse { response: Some(response) },
                Decision::Wait(wait) => {
                    Kind::Wait { held: Some(Box::new(Held { service, request, gate, wait, waited })) }
                }
            });
        }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.kind {
            Kind::Forward { .. } => "Forward",
            Kind::Refuse { .. } => "Refuse",
            Kind::Wait { .. } => "Wait",
        };
        formatter.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
