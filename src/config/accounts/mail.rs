//! What mail is sent by and from, and where its links lead: `mail`, `frontend_url`, `frontend_allowed`, `public_url`.

use std::{path::Path, time::Duration};

use crate::{
    accounts::mail::{Links, MailSettings, Mailbox, Mailer, SiteUrl, SmtpSettings},
    secret::Secret,
};

use super::super::{
    context::Files,
    node::Node,
    reader::Reader,
    secrets,
    values::{Mistake, boolean, duration, parsed, path, text},
};

/// How long each step of handing a mail over may take, unless it is said.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Whom mail is from that only goes to the log.
const NOBODY: &str = "no-reply@gateway.invalid";

/// Mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// How it is sent.
    pub settings: MailSettings,
    /// Where links lead; `None`: nothing is configured.
    pub links: Option<Links>,
}

impl Mail {
    /// `None`: something is wrong, which has been said.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let frontend = reader.read("frontend_url", site);
        let allowed = reader.any("frontend_allowed", site);
        let public = reader.read("public_url", site);
        let allowed = allowed.into_iter().map(|read| read.value).collect();
        let public = public.map(|read| read.value);
        // Without a site of its own, links that need one lead to the gateway.
        let frontend = frontend.map(|read| read.value).or_else(|| public.clone());
        let links = frontend.map(|frontend| Links::new(frontend, allowed, public));
        let from = NOBODY.parse().ok()?;
        let mut settings = MailSettings { smtp: None, from, templates: None, product: None };
        let Some(mut own) = reader.table("mail") else { return Some(Self { settings, links }) };
        settings.smtp = smtp(&mut own);
        settings.from = own.read_or("from", settings.from, parsed::<Mailbox>);
        settings.product = own.read("product", text).map(|read| read.value.to_owned());
        settings.templates = own.read("templates", path).map(|read| own.context.resolve(&read.value, read.place));
        if let Some(folder) = &settings.templates {
            note_templates(folder, own.context.files);
        }
        if settings.smtp.is_some() && own.entry("from").is_none() {
            own.missing("from", "add `from = \"Example <no-reply@example.com>\"`");
        }
        let place = own.place;
        own.finish();
        // Templates and server are looked at now, so that a mistake is not found with the first mail.
        if let Err(mistake) = Mailer::new(&settings) {
            reader.report("mail", place, Mistake::new(format!("cannot be used: {mistake}")));
            return None;
        }
        Some(Self { settings, links })
    }
}

/// A template that comes or goes is a change as much as one that is written.
fn note_templates(folder: &Path, files: &Files) {
    files.note(folder);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        files.note(&entry.path());
    }
}

/// The server.
fn smtp(reader: &mut Reader<'_>) -> Option<SmtpSettings> {
    let plain = reader.read_or("plain", false, boolean);
    let ca = reader.read("ca", path);
    let timeout = reader.read_or("timeout", TIMEOUT, |node| duration(node, Duration::from_millis(100)..=TIMEOUT * 30));
    let authorities = match ca {
        Some(ca) => {
            let file = reader.context.files.read(&reader.context.resolve(&ca.value, ca.place));
            let refuse =
                |error: String| reader.report("ca", ca.place, Mistake::new(format!("cannot be read: {error}")));
            Some(file.map_err(refuse).ok()?)
        }
        None => None,
    };
    let url = smtp_url(reader)?;
    Some(SmtpSettings { url, plain, authorities, timeout })
}

/// A server with a password is named by a variable or a file.
fn smtp_url(reader: &mut Reader<'_>) -> Option<Secret> {
    let entry = reader.entry("smtp")?;
    if entry.node.table().is_some() {
        return secrets::read(reader, entry).map(|named| named.secret);
    }
    let read = reader.parse("smtp", &entry.node, text)?;
    if read.value.contains('@') {
        reader.context.problems.hide(read.place);
        let mistake = Mistake::new("must not hold a password in the configuration itself");
        reader.report("smtp", read.place, mistake.help("write `smtp = { env = \"SMTP_URL\" }`"));
        return None;
    }
    Some(Secret::from(read.value.to_owned()))
}

fn site(node: &Node) -> Result<SiteUrl, Mistake> {
    SiteUrl::parse(text(node)?).map_err(|error| Mistake::new(error.to_string()))
}
