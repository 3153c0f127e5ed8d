//! Where messages go: to an SMTP server, or, in a development run, to the log.

use tracing::info;

use super::{Message, SmtpError, SmtpMistake, SmtpSettings, message::Route, smtp::Smtp};

/// Takes messages.
pub(super) enum Transport {
    /// An SMTP server.
    Smtp(Box<Smtp>),
    /// The log, with the links: for a run on one's own machine.
    Log,
}

impl Transport {
    /// `hello`: what a server knows this one as.
    pub(super) fn new(smtp: Option<&SmtpSettings>, hello: String) -> Result<Self, SmtpMistake> {
        Ok(match smtp {
            Some(settings) => Self::Smtp(Box::new(Smtp::new(settings, hello)?)),
            None => Self::Log,
        })
    }

    /// Returns when `message` is taken.
    pub(super) async fn send(&self, message: &Message) -> Result<(), SmtpError> {
        match self {
            Self::Smtp(smtp) => smtp.send(message).await,
            Self::Log => {
                let Route { local, domain } = &message.recipient;
                let Message { subject, text, .. } = message;
                info!(target: "mail", "no SMTP server is configured; mail to {local}@{domain}: {subject}\n\n{text}");
                Ok(())
            }
        }
    }
}
