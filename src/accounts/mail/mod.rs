//! Mail, from the outbox to its recipient.
//!
//! Vocabulary: a [`Letter`] is what is to be told; it is kept as a [`NewMail`] in the transaction of what it is about.
//! [`Templates`] make the text of it, and [`Links`] the link in it. A [`Mailer`] makes a [`Message`] of that and hands it
//! over; the [`Sender`] says when, and what becomes of it.
//!
//! 1. Whoever writes a letter builds its link first, with [`Links::link`]: where it leads is the configuration's to say,
//!    never the request's.
//! 2. The answer to the request does not wait for the mail: neither its time nor its status tells who has an account.
//! 3. Each mail is sent at least once ([`Sender`]).
//! 4. Without an SMTP server mails go to the log, links included, at `info` under the target `mail`: that is for
//!    development. With one, nothing of a mail stands in a log or an error, not even whom it is for.

mod letter;
mod links;
mod message;
mod sender;
mod smtp;
mod template;
mod transport;

use std::{fmt, path::PathBuf};

use aws_lc_rs::rand::SecureRandom;

use self::transport::Transport;
pub use self::{
    letter::{Letter, MailKind},
    links::{LinkError, LinkPattern, LinkPatternError, Links, SiteUrl, SiteUrlError},
    message::{Mailbox, MailboxError, Message},
    sender::{MailFigures, Sender, Waker},
    smtp::{SmtpError, SmtpMistake, SmtpSettings, Step},
    template::{RenderError, Rendered, TemplateMistake, TemplateMistakes, Templates},
};
use super::{NoRandomness, email::Email, model::NewMail};
use crate::clock::Timestamp;

/// How mail is sent.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The server. `None`: mails go to the log.
    pub smtp: Option<SmtpSettings>,
    /// Whom they are from.
    pub from: Mailbox,
    /// A folder with templates that take the place of the program's.
    pub templates: Option<PathBuf>,
    /// What the mails call the service. `None`: the host of the link, or the domain of `from`.
    pub product: Option<String>,
}

/// Why mail cannot be sent as the settings say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MailMistake {
    /// The server's URL.
    #[error("the SMTP URL {0}")]
    Smtp(#[from] SmtpMistake),
    /// The templates: one line each.
    #[error("{0}")]
    Templates(#[from] TemplateMistakes),
}

/// Why a mail was not sent. Says neither whom it was for nor what was in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Its recipient's address is none.
    #[error("its recipient has no address that mail could go to")]
    Recipient,
    /// It cannot be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// The server.
    #[error(transparent)]
    Smtp(#[from] SmtpError),
    /// It took too long altogether.
    #[error("sending it takes too long")]
    Late,
}

/// Makes messages of mails, and hands them over.
pub struct Mailer {
    transport: Transport,
    templates: Templates,
    from: Mailbox,
}

impl SendError {
    /// Whether no other try will do.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        match self {
            Self::Recipient | Self::Render(RenderError::Over) => true,
            Self::Smtp(error) => error.is_permanent(),
            Self::Render(_) | Self::Random(_) | Self::Late => false,
        }
    }
}

impl Mailer {
    /// Reads and tries the templates; does not look for the server.
    ///
    /// # Errors
    /// See [`MailMistake`].
    pub fn new(settings: &MailSettings) -> Result<Self, MailMistake> {
        Ok(Self {
            transport: Transport::new(settings.smtp.as_ref(), settings.from.domain())?,
            templates: Templates::new(settings.templates.as_deref(), settings.product.clone())?,
            from: settings.from.clone(),
        })
    }

    /// Whether mails only go to the log.
    #[must_use]
    pub const fn only_logs(&self) -> bool {
        matches!(self.transport, Transport::Log)
    }

    /// Renders `mail`, which was `written` then, and hands it over, dated `now`.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(
        &self,
        mail: &NewMail,
        written: Timestamp,
        now: Timestamp,
        random: &(dyn SecureRandom + Send + Sync),
    ) -> Result<(), SendError> {
        let recipient = Email::parse(&mail.recipient).map_err(|_| SendError::Recipient)?;
        let rendered = self.templates.render(mail, now.since(written), &self.from.domain())?;
        let message = Message::new(&self.from, &recipient, rendered, now, random)?;
        Ok(self.transport.send(&message).await?)
    }
}

impl fmt::Debug for Mailer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mailer").field("only_logs", &self.only_logs()).finish_non_exhaustive()
    }
}
