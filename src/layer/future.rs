//! The answer to come: the inner service's, or a refusal that is ready.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use pin_project_lite::pin_project;

use super::body::ResponseBody;

pin_project! {
    /// The future of a [`BearerService`](super::BearerService)'s answer.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = KindProjection]
    #[derive(Debug)]
    enum Kind<F> {
        Forward { #[pin] future: F },
        Refuse { response: Option<Response<Bytes>> },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn forward(future: F) -> Self {
        Self { kind: Kind::Forward { future } }
    }

    pub(super) const fn refuse(response: Response<Bytes>) -> Self {
        Self { kind: Kind::Refuse { response: Some(response) } }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Forward { future } => {
                Poll::Ready(ready!(future.poll(context)).map(|response| response.map(ResponseBody::inner)))
            }
            // Polled again after its end, it has nothing more to say.
            KindProjection::Refuse { response } => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response.map(ResponseBody::refusal))))
            }
        }
    }
}
