//! Hands a message to an SMTP server (RFC 5321).
//!
//! 1. Where to: `smtp://` (no TLS; only to this machine, unless that is said to be all right), `smtp+starttls://` (TLS
//!    before anything else, RFC 3207, or nothing is sent), `smtps://` (RFC 8314 §3.3). Certificates are verified.
//! 2. Each step has its time. The answer to the whole message has three times as much: a server that scans it is slow,
//!    and whoever gives up then sends it again.
//! 3. A refusal is of the *recipient* if it is a 55x to `RCPT` or to the whole message, but for 552 (too much for now, RFC
//!    5321 §4.5.3.1.10) and 555 (a parameter): no other try will do. Any other one, be it 5xx, is the server's or the
//!    configuration's: a wrong password must not cost anybody's mail.
//! 4. A recipient with letters beyond ASCII before the `@` needs a server with SMTPUTF8 (RFC 6531); none is a refusal.
//! 5. What the server says beside the code is not kept: it names the recipient.

use std::{fmt, future::Future, net::IpAddr, time::Duration};

use http::Uri;
use lettre::{
    Address,
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailParameter},
        response::{Category, Code, Detail, Severity},
    },
};
use tokio::time::timeout;

use super::{Message, message::Route};
use crate::secret::Secret;

/// How much longer the answer to a whole message may take.
const SCANNING: u32 = 3;
/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Which server mail is given to.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// `smtp://`, `smtp+starttls://` or `smtps://`, then `[user:password@]host[:port]`; user and password percent-encoded.
    /// Ports, unless said: 25, 587, 465.
    pub url: Secret,
    /// Whether `smtp://` may lead to another machine: whoever is on the way reads the links, and the password.
    pub plain: bool,
    /// Certificates in PEM, of authorities that are trusted beside the well-known ones.
    pub authorities: Option<Vec<u8>>,
    /// How long each step may take. Ten seconds are right.
    pub timeout: Duration,
}

/// Why a server cannot be used. Shows nothing of the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SmtpMistake {
    /// It is no URL, or one with a path.
    #[error("is no URL of the form smtps://user:password@host:465")]
    Url,
    /// Another scheme than those three.
    #[error("must begin with `smtps://`, `smtp+starttls://` or `smtp://`")]
    Scheme,
    /// A user without a password, or the other way round; or something percent-encoded that is no text.
    #[error("must have both a user and a password, percent-encoded, or neither")]
    Credentials,
    /// No TLS to another machine.
    #[error("has no TLS: links and the password would be read on the way")]
    Plain,
    /// The certificates of the authorities.
    #[error("the certificates of its authorities cannot be read")]
    Authorities,
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SmtpError {
    /// For good: the server does not take it for this recipient.
    #[error("the server refused the recipient: {0}")]
    Refused(u16),
    /// For good: the server takes no address with letters beyond ASCII before the `@`.
    #[error("the server takes no address with letters beyond ASCII")]
    BeyondAscii,
    /// This time: at which step, and what the server answered.
    #[error("the server answered {1} to {0}")]
    Answer(Step, u16),
    /// This time: it did not answer in time.
    #[error("the server did not answer to {0} in time")]
    Late(Step),
    /// This time: the connection, or TLS.
    #[error("{0}: {1}")]
    Connection(Step, String),
}

/// What is done with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The connection, with TLS if it begins with that, and `EHLO`.
    Connect,
    /// `STARTTLS`
    StartTls,
    /// `AUTH`
    Login,
    /// `MAIL`
    Sender,
    /// `RCPT`
    Recipient,
    /// `DATA`
    Data,
    /// The message.
    Message,
}

/// A server that takes mail.
pub(super) struct Smtp {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<Credentials>,
    hello: ClientId,
    timeout: Duration,
}

enum Security {
    Plain,
    StartTls(TlsParameters),
    Tls(TlsParameters),
}

impl Smtp {
    /// The server of `settings`, which knows this one as `hello`.
    pub(super) fn new(settings: &SmtpSettings, hello: String) -> Result<Self, SmtpMistake> {
        let uri = Uri::try_from(settings.url.expose()).map_err(|_| SmtpMistake::Url)?;
        let (Some(authority), Some(scheme)) = (uri.authority(), uri.scheme_str()) else {
            return Err(SmtpMistake::Url);
        };
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        if host.is_empty() || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(SmtpMistake::Url);
        }
        let credentials = authority.as_str().rsplit_once('@').map(|(user, _)| credentials(user)).transpose()?;
        let tls = || parameters(&host, settings.authorities.as_deref());
        let (security, port) = match scheme {
            "smtp" if settings.plain || is_this_machine(&host) => (Security::Plain, 25),
            "smtp" => return Err(SmtpMistake::Plain),
            "smtp+starttls" => (Security::StartTls(tls()?), 587),
            "smtps" => (Security::Tls(tls()?), 465),
            _ => return Err(SmtpMistake::Scheme),
        };
        let port = authority.port_u16().unwrap_or(port);
        Ok(Self { host, port, security, credentials, hello: ClientId::Domain(hello), timeout: settings.timeout })
    }

    /// Has the server take `message`.
    pub(super) async fn send(&self, message: &Message) -> Result<(), SmtpError> {
        let mut connection = self.connect().await?;
        let sent = self.hand_over(&mut connection, message).await;
        // Whatever it says to that: it has taken the message, or it has not.
        let _ = timeout(GOODBYE.min(self.timeout), connection.abort()).await;
        sent
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let (tls, start_tls) = match &self.security {
            Security::Plain => (None, None),
            Security::StartTls(tls) => (None, Some(tls)),
            Security::Tls(tls) => (Some(tls.clone()), None),
        };
        let server = (self.host.as_str(), self.port);
        let connect = AsyncSmtpConnection::connect_tokio1(server, Some(self.timeout), &self.hello, tls, None);
        let mut connection = self.step(Step::Connect, connect).await?;
        if let Some(tls) = start_tls {
            self.step(Step::StartTls, connection.starttls(tls.clone(), &self.hello)).await?;
        }
        if let Some(credentials) = &self.credentials {
            self.step(Step::Login, connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials)).await?;
        }
        Ok(connection)
    }

    async fn hand_over(&self, connection: &mut AsyncSmtpConnection, message: &Message) -> Result<(), SmtpError> {
        let mut parameters = Vec::new();
        if message.sender.is_beyond_ascii() || message.recipient.is_beyond_ascii() {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(SmtpError::BeyondAscii);
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let (sender, recipient) = (address(&message.sender), address(&message.recipient));
        self.step(Step::Sender, connection.command(Mail::new(Some(sender), parameters))).await?;
        self.step(Step::Recipient, connection.command(Rcpt::new(recipient, Vec::new()))).await?;
        let go_ahead = self.step(Step::Data, connection.command(Data)).await?.code();
        // Not another step's answer: somebody on the way may have put one before the others (RFC 3207 §6).
        if number(go_ahead) != 354 {
            return Err(SmtpError::Answer(Step::Data, number(go_ahead)));
        }
        let taken = self.step(Step::Message, connection.message(&message.bytes)).await?.code();
        if taken.severity != Severity::PositiveCompletion {
            return Err(SmtpError::Answer(Step::Message, number(taken)));
        }
        Ok(())
    }

    async fn step<T>(
        &self,
        step: Step,
        work: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<T, SmtpError> {
        let patience = self.timeout * if step == Step::Message { SCANNING } else { 1 };
        let done = timeout(patience, work).await.map_err(|_| SmtpError::Late(step))?;
        done.map_err(|error| failure(step, &error))
    }
}

/// [`Email`](crate::accounts::email::Email) has looked at it, with stricter rules.
fn address(route: &Route) -> Address {
    Address::new_dangerous(&route.local, &route.domain)
}

fn failure(step: Step, error: &lettre::transport::smtp::Error) -> SmtpError {
    match error.status() {
        Some(code) if matches!(step, Step::Recipient | Step::Message) && is_for_good(code) => {
            SmtpError::Refused(number(code))
        }
        Some(code) => SmtpError::Answer(step, number(code)),
        None if error.is_timeout() => SmtpError::Late(step),
        // Only these are of this side, and say nothing of what the server said.
        None if error.is_response() => SmtpError::Connection(step, "the server's answer is none of SMTP's".to_owned()),
        None => SmtpError::Connection(step, error.to_string()),
    }
}

fn is_for_good(code: Code) -> bool {
    code.severity == Severity::PermanentNegativeCompletion
        && code.category == Category::MailSystem
        && !matches!(code.detail, Detail::Two | Detail::Five)
}

fn number(code: Code) -> u16 {
    code.severity as u16 * 100 + code.category as u16 * 10 + code.detail as u16
}

fn is_this_machine(host: &str) -> bool {
    host.parse::<IpAddr>().map_or(host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

fn parameters(host: &str, authorities: Option<&[u8]>) -> Result<TlsParameters, SmtpMistake> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(authorities) = authorities {
        builder =
            builder.add_root_certificate(Certificate::from_pem(authorities).map_err(|_| SmtpMistake::Authorities)?);
    }
    builder.build().map_err(|_| SmtpMistake::Authorities)
}

fn credentials(text: &str) -> Result<Credentials, SmtpMistake> {
    let (user, password) = text.split_once(':').ok_or(SmtpMistake::Credentials)?;
    let (user, password) = (decoded(user)?, decoded(password)?);
    if user.is_empty() || password.is_empty() {
        return Err(SmtpMistake::Credentials);
    }
    Ok(Credentials::new(user, password))
}

fn decoded(text: &str) -> Result<String, SmtpMistake> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut pieces = text.split('%');
    bytes.extend(pieces.next().unwrap_or_default().bytes());
    for piece in pieces {
        let digits = piece.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or(SmtpMistake::Credentials)?);
        bytes.extend(piece.bytes().skip(2));
    }
    String::from_utf8(bytes).map_err(|_| SmtpMistake::Credentials)
}

impl SmtpError {
    /// Whether no other try will do.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        match self {
            Self::Refused(_) | Self::BeyondAscii => true,
            Self::Answer(..) | Self::Late(_) | Self::Connection(..) => false,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Connect => "the connection",
            Self::StartTls => "STARTTLS",
            Self::Login => "AUTH",
            Self::Sender => "MAIL",
            Self::Recipient => "RCPT",
            Self::Data => "DATA",
            Self::Message => "the message",
        })
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Smtp").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
