//! What mail is sent by and from, and where its links lead: `mail`, `frontend_url`, `frontend_allowed`, `public_url`.

use std::path::PathBuf;

use crate::{
    accounts::mail::{Links, SiteUrl},
    secret::Secret,
};

use super::super::{
    node::Node,
    reader::Reader,
    secrets,
    values::{Mistake, path, text},
};

/// Mail.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    /// The SMTP server: `smtp://`, `smtps://` or `smtp+starttls://`; `None`: mail is written to the log.
    pub smtp: Option<Secret>,
    /// Whom it is from.
    pub from: Option<String>,
    /// What the templates call whom it is from; by default the host of the link.
    pub product: Option<String>,
    /// A folder of templates that replace the built-in ones.
    pub templates: Option<PathBuf>,
    /// Where links lead; `None`: nothing is configured.
    pub links: Option<Links>,
}

impl Mail {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let frontend = reader.read("frontend_url", site);
        let allowed = reader.any("frontend_allowed", site);
        let public = reader.read("public_url", site);
        let mut mail = Self::default();
        let allowed = allowed.into_iter().map(|read| read.value).collect();
        let public = public.map(|read| read.value);
        // Without a site of its own, links that need one lead to the gateway.
        mail.links = frontend
            .map(|read| read.value)
            .or_else(|| public.clone())
            .map(|frontend| Links::new(frontend, allowed, public));
        let Some(mut own) = reader.table("mail") else { return mail };
        mail.smtp = smtp(&mut own);
        mail.from = own.read("from", text).map(|read| read.value.to_owned());
        mail.product = own.read("product", text).map(|read| read.value.to_owned());
        mail.templates = own.read("templates", path).map(|read| own.context.resolve(&read.value, read.place));
        if mail.smtp.is_some() && own.entry("from").is_none() {
            own.missing("from", "add `from = \"Example <no-reply@example.com>\"`");
        }
        own.finish();
        mail
    }
}

/// A server with a password is named by a variable or a file.
fn smtp(reader: &mut Reader<'_>) -> Option<Secret> {
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
