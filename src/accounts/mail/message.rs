//! A mail as it goes over the wire (RFC 5322, RFC 2045).
//!
//! - `From` is the configured one, `To` the recipient's address alone: no name that anybody could have entered.
//! - `Date` is the clock's. `Message-ID` is 128 random bits at the sender's domain.
//! - `Auto-Submitted: auto-generated` (RFC 3834 §5), so that no holiday notice answers.
//! - `multipart/alternative`: plain text, then HTML, both UTF-8 and written in ASCII.
//! - Where no letter beyond ASCII stands before an `@`, the whole message is ASCII: a domain is written in its ASCII form.
//!   Otherwise addresses are UTF-8 (RFC 6532), and the server has to take that (RFC 6531).
//! - No header is written from anything with a control character in it.

use std::{fmt, fmt::Write as _, str::FromStr};

use aws_lc_rs::rand::SecureRandom;
use mail_builder::{
    MessageBuilder,
    headers::{address::Address, content_type::ContentType, raw::Raw},
    mime::{BodyPart, MimePart},
};

use super::Rendered;
use crate::{
    accounts::{
        NoRandomness,
        email::{Email, EmailError},
    },
    clock::Timestamp,
};

/// Whom mail is from: `no-reply@example.com`, `Orders <no-reply@example.com>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mailbox {
    name: Option<String>,
    email: Email,
}

/// Why a text is no [`Mailbox`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MailboxError {
    /// The address.
    #[error("the address {0}")]
    Email(#[from] EmailError),
    /// The name has a control character in it, or more than 64 characters.
    #[error("the name has more than 64 characters, or a control character")]
    Name,
}

/// A message with its envelope. Its `Debug` form shows nothing of either.
#[derive(Clone)]
pub struct Message {
    pub(super) sender: Route,
    pub(super) recipient: Route,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) bytes: Vec<u8>,
}

/// An address as servers take it: the domain in ASCII.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) local: String,
    pub(super) domain: String,
}

impl Mailbox {
    /// The domain of its address, in ASCII.
    #[must_use]
    pub fn domain(&self) -> String {
        Route::to(&self.email).domain
    }
}

impl FromStr for Mailbox {
    type Err = MailboxError;

    fn from_str(text: &str) -> Result<Self, MailboxError> {
        let text = text.trim();
        let Some((name, email)) = text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) else {
            return Ok(Self { name: None, email: Email::parse(text)? });
        };
        let name = name.trim();
        let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
        if name.contains(char::is_control) || name.chars().count() > 64 {
            return Err(MailboxError::Name);
        }
        Ok(Self { name: (!name.is_empty()).then(|| name.to_owned()), email: Email::parse(email)? })
    }
}

impl Route {
    /// The way to `email`.
    pub(super) fn to(email: &Email) -> Self {
        let before = |text: &str| text.split('@').next().unwrap_or_default().to_owned();
        let behind = |text: &str| text.rsplit('@').next().unwrap_or_default().to_owned();
        Self { local: before(email.as_str()), domain: behind(email.compared()) }
    }

    /// Whether the server has to take more than ASCII.
    pub(super) fn is_beyond_ascii(&self) -> bool {
        !self.local.is_ascii()
    }

    /// As it stands in a header.
    fn header(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }
}

impl Message {
    /// `mail` for `recipient`, from `from`, at the time `now`.
    ///
    /// # Errors
    /// When `random` has none.
    pub fn new(
        from: &Mailbox,
        recipient: &Email,
        mail: Rendered,
        now: Timestamp,
        random: &dyn SecureRandom,
    ) -> Result<Self, NoRandomness> {
        let (sender, recipient) = (Route::to(&from.email), Route::to(recipient));
        let Rendered { subject, text, html } = mail;
        let message_id = format!("{}@{}", random_hex(random)?, sender.domain);
        let parts = ContentType::new("multipart/alternative").attribute("boundary", random_hex(random)?);
        let part = |form, text: &str| MimePart::new(form, BodyPart::Text(text.to_owned().into()));
        let bodies = vec![part("text/plain", &text), part("text/html", &html)];
        let message = MessageBuilder::new()
            .from(Address::new_address(from.name.as_deref(), sender.header()))
            .to(Address::new_address(None::<&str>, recipient.header()))
            .subject(subject.as_str())
            .date(i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
            .message_id(message_id)
            .header("Auto-Submitted", Raw::new("auto-generated"))
            .body(MimePart::new(parts, BodyPart::Multipart(bodies)));
        let mut bytes = Vec::new();
        message.serialize(&mut bytes);
        Ok(Self { sender, recipient, subject, text, bytes })
    }

    /// The message itself, its lines ended by CR and LF.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Message").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// 128 random bits.
fn random_hex(random: &dyn SecureRandom) -> Result<String, NoRandomness> {
    let mut bytes = [0; 16];
    random.fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes.iter().fold(String::with_capacity(32), |mut hex, byte| {
        // Writing to a `String` does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use mail_parser::{MessageParser, MimeHeaders};
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_765_536_322);

    fn rendered(subject: &str, text: &str) -> Rendered {
        Rendered { subject: subject.to_owned(), text: text.to_owned(), html: format!("<p>{text}</p>") }
    }

    fn message(from: &str, to: &str, mail: Rendered) -> Message {
        Message::new(&from.parse().unwrap(), &Email::parse(to).unwrap(), mail, NOW, &SystemRandom::new()).unwrap()
    }

    #[test]
    fn a_message_has_the_headers_and_both_forms() {
        let mail = rendered("Größe ändern", "Hé, two\nlines\n.\n..dots https://app.example.com/?a=b");
        let message = message("\"Orders, Inc.\" <no-reply@example.com>", "ada@münchen.example", mail);
        assert!(message.as_bytes().is_ascii());
        let text = String::from_utf8(message.bytes.clone()).unwrap();
        assert!(text.lines().all(|line| line.len() <= 78), "{text}");
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "{text:?}");
        assert!(text.contains("Date: Fri, 12 Dec 2025 10:45:22 +0000\r\n"), "{text}");
        assert!(text.contains("Auto-Submitted: auto-generated\r\n") && text.contains("MIME-Version: 1.0"), "{text}");
        let parsed = MessageParser::new().parse(message.as_bytes()).unwrap();
        let from = parsed.from().unwrap().first().unwrap();
        assert_eq!((from.name(), from.address()), (Some("Orders, Inc."), Some("no-reply@example.com")));
        let to = parsed.to().unwrap().first().unwrap();
        assert_eq!((to.name(), to.address()), (None, Some("ada@xn--mnchen-3ya.example")));
        assert_eq!(parsed.subject(), Some("Größe ändern"));
        assert_eq!(parsed.body_text(0).unwrap().replace("\r\n", "\n"), message.text);
        assert_eq!(parsed.body_html(0).unwrap().replace("\r\n", "\n"), format!("<p>{}</p>", message.text));
        let types = |part: &mail_parser::MessagePart<'_>| part.content_type().unwrap().subtype().unwrap().to_owned();
        assert_eq!(parsed.parts.iter().map(types).collect::<Vec<_>>(), ["alternative", "plain", "html"]);
        let (id, domain) = parsed.message_id().unwrap().split_once('@').unwrap();
        assert_eq!((id.len(), domain), (32, "example.com"));
    }

    #[test]
    fn letters_beyond_ascii_before_the_at_are_kept() {
        let message = message("no-reply@example.com", "jürgen@münchen.example", rendered("s", "t"));
        assert!(message.recipient.is_beyond_ascii() && !message.sender.is_beyond_ascii());
        let text = String::from_utf8(message.bytes).unwrap();
        assert!(text.contains("To: <jürgen@xn--mnchen-3ya.example>\r\n"), "{text}");
    }

    #[test]
    fn whom_mail_is_from_is_a_name_and_an_address() {
        let read = |text: &str| text.parse::<Mailbox>();
        assert_eq!(read("a@b.co").map(|from| from.name), Ok(None));
        for text in ["Orders <a@b.co>", "\"Orders\" <a@b.co>", " Orders<a@b.co> "] {
            assert_eq!(read(text).unwrap().name.as_deref(), Some("Orders"), "{text}");
        }
        assert_eq!(
            read("<a@MÜNCHEN.example>").map(|from| (from.domain(), from.name)),
            Ok(("xn--mnchen-3ya.example".to_owned(), None))
        );
        assert_eq!(read("Orders\r\nBcc: x <a@b.co>"), Err(MailboxError::Name));
        assert_eq!(read("Orders"), Err(MailboxError::Email(EmailError::At)));
        assert_eq!(read("Orders <a@b.co\r\n>"), Err(MailboxError::Email(EmailError::Domain)));
        assert_eq!(read("a@b.co, c@d.co"), Err(MailboxError::Email(EmailError::At)));
    }

    proptest! {
        #[test]
        fn no_header_comes_of_what_a_mail_says(subject in "\\PC{1,80}", text in "(\\PC|\r\n|\n|\\.){0,80}", name in "\\PC{0,20}") {
            let name: String = name.chars().filter(|one| !one.is_control()).collect();
            let from = Mailbox { name: Some(name), email: Email::parse("a@b.co").unwrap() };
            let mail = rendered(subject.trim(), &text);
            let made = Message::new(&from, &Email::parse("c@d.co").unwrap(), mail, NOW, &SystemRandom::new()).unwrap();
            prop_assert!(made.as_bytes().is_ascii());
            let parsed = MessageParser::new().parse(made.as_bytes()).unwrap();
            let mut names: Vec<_> = parsed.headers().iter().map(|header| header.name().to_lowercase()).collect();
            names.sort();
            let known = ["auto-submitted", "content-type", "date", "from", "message-id", "mime-version", "subject", "to"];
            prop_assert_eq!(names, known);
            prop_assert_eq!(parsed.parts.len(), 3);
            prop_assert_eq!(parsed.to().unwrap().first().unwrap().address(), Some("c@d.co"));
            prop_assert_eq!(parsed.to().unwrap().iter().count(), 1);
        }
    }
}
