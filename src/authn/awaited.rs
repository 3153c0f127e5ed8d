//! What a request waits for, once, before it is looked at again.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    Renewal,
    introspection::{Answer, AwaitedAnswer, Introspections},
};

/// The end of what is being asked for a token's sake: then it is worth
/// [authenticating after it](super::Authenticator::authenticate_after). No runtime is needed to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited(What);

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// The issuer's keys are fetched anew.
    Keys(Renewal),
    /// The issuer is asked about the token.
    Answer(AwaitedAnswer),
}

impl Awaited {
    /// What the issuer behind `asked` said of `token`; `None` if it said nothing, or was not asked about this one.
    pub(super) fn answer_about(&self, token: &str, asked: &Arc<Introspections>) -> Option<Answer> {
        match &self.0 {
            What::Keys(_) => None,
            What::Answer(awaited) => awaited.about(token, asked),
        }
    }
}

impl From<Renewal> for Awaited {
    fn from(renewal: Renewal) -> Self {
        Self(What::Keys(renewal))
    }
}

impl From<AwaitedAnswer> for Awaited {
    fn from(answer: AwaitedAnswer) -> Self {
        Self(What::Answer(answer))
    }
}

impl Future for Awaited {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.get_mut().0 {
            What::Keys(renewal) => Pin::new(renewal).poll(context),
            What::Answer(answer) => Pin::new(answer).poll(context),
        }
    }
}
