//! What mails say.
//!
//! 1. Each kind of mail has three templates: `NAME.subject`, `NAME.txt`, `NAME.html`. They are in the program; a folder
//!    takes the place of single ones. Files of the folder whose name begins with `_` are for others to include; one that
//!    is named like no template is a mistake.
//! 2. The templates are Jinja's. `.html` is escaped as HTML. A value that there is not is a mistake, not an empty text.
//! 3. Values, each of them there in each template: `link` and `expires_in` (empty where a mail has none), `email`, `name`
//!    (may be empty), `product`.
//! 4. Everything is rendered at the start with sample values, with a name and without: a mistake is found then, with its
//!    file and line, and so is a mail that does not show its link.
//! 5. A subject is one line. A link is one of `http` or `https`. A name is what anybody can enter: one that could be read
//!    as a link or that is longer than 64 characters is left out, or sign-ups would send strangers' words to strangers.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use serde_json::Value;

use super::MailKind;
use crate::accounts::model::NewMail;

macro_rules! built_in {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../../../presets/mail/", $name)))),*]
    };
}

const BUILT_IN: [(&str, &str); 23] = built_in! {
    "_footer.txt" "_layout.html"
    "already_registered.html" "already_registered.subject" "already_registered.txt"
    "confirmation.html" "confirmation.subject" "confirmation.txt"
    "email_changed.html" "email_changed.subject" "email_changed.txt"
    "invitation.html" "invitation.subject" "invitation.txt"
    "password_changed.html" "password_changed.subject" "password_changed.txt"
    "password_reset_done.html" "password_reset_done.subject" "password_reset_done.txt"
    "reset.html" "reset.subject" "reset.txt"
};

/// The longest name that is shown, in characters.
const LONGEST_NAME: usize = 64;

/// A mail as its recipient reads it. Its `Debug` form shows nothing of that.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// HTML.
    pub html: String,
}

/// Why a mail cannot be rendered. Says nothing of what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// There is no such kind; another version of the program has written it, perhaps.
    #[error("there is no template of its name")]
    Unknown,
    /// Its link has ended before it was sent.
    #[error("its link has ended")]
    Over,
    /// It needs a value that it does not have, or has an unfit one: which.
    #[error("its value `{0}` is missing, or none that can be shown")]
    Value(&'static str),
    /// The template cannot be rendered with its values.
    #[error("its template: {0}")]
    Template(TemplateMistake),
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateMistake {
    /// The file, or the name of the template within the program.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub mistake: String,
}

/// All that is wrong with the templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateMistakes(pub Vec<TemplateMistake>);

/// The templates of all mails, checked.
pub struct Templates {
    environment: Environment<'static>,
    /// Where the templates come from that are not the program's own.
    files: BTreeMap<String, PathBuf>,
    product: Option<String>,
}

#[derive(Clone, Copy)]
struct Values<'a> {
    link: &'a str,
    email: &'a str,
    name: &'a str,
    product: &'a str,
    expires_in: &'a str,
}

impl fmt::Debug for Rendered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Rendered([redacted])")
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Templates").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Templates {
    /// The templates of the program, but for those that `folder` has. `product`: what the mails call the service; without
    /// it, the host of the link or else what [`render`](Self::render) is told.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn new(folder: Option<&Path>, product: Option<String>) -> Result<Self, TemplateMistakes> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(
            |name| {
                if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
            },
        );
        let mut templates = Self { environment, files: BTreeMap::new(), product };
        let mut mistakes = Vec::new();
        for (name, source) in BUILT_IN {
            mistakes.extend(templates.add(name, source.to_owned()).err());
        }
        let paths = folder.map_or(Ok(Vec::new()), files).map_err(|mistake| TemplateMistakes(vec![mistake]))?;
        for path in paths {
            mistakes.extend(templates.add_file(path).err());
        }
        if mistakes.is_empty() {
            mistakes = templates.rehearse();
        }
        if mistakes.is_empty() { Ok(templates) } else { Err(TemplateMistakes(mistakes)) }
    }

    /// A mail as `mail` says, which was written `age` ago. `product` is what the service is called if nothing else says so.
    ///
    /// # Errors
    /// See [`RenderError`].
    pub fn render(&self, mail: &NewMail, age: Duration, product: &str) -> Result<Rendered, RenderError> {
        let kind: MailKind = mail.template.parse()?;
        let text = |name| mail.values.get(name).and_then(Value::as_str);
        let link = text("link").unwrap_or_default();
        if !(is_link(link) || link.is_empty() && !kind.needs_link()) {
            return Err(RenderError::Value("link"));
        }
        let expires_in = mail.values.get("expires_in").and_then(Value::as_u64).map(Duration::from_secs);
        if kind.needs_link() && expires_in.is_none() {
            return Err(RenderError::Value("expires_in"));
        }
        let left = expires_in.map(|life| left(life, age).ok_or(RenderError::Over)).transpose()?;
        let values = Values {
            link,
            email: &mail.recipient,
            name: text("name").filter(|name| is_name(name)).unwrap_or_default(),
            product: self.product.as_deref().or_else(|| host(link)).unwrap_or(product),
            expires_in: &left.map(in_words).unwrap_or_default(),
        };
        self.render_kind(kind, &values).map_err(|mistakes| {
            let place = mistakes.into_iter().next().map(|mistake| (mistake.file, mistake.line));
            let (file, line) = place.unwrap_or_default();
            // What is wrong may name a value.
            let mistake = "cannot be rendered".to_owned();
            RenderError::Template(TemplateMistake { file, line, mistake })
        })
    }

    fn add(&mut self, name: &str, source: String) -> Result<(), TemplateMistake> {
        let added = self.environment.add_template_owned(name.to_owned(), source);
        added.map_err(|error| self.mistake(name, &error))
    }

    fn add_file(&mut self, path: PathBuf) -> Result<(), TemplateMistake> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.files.insert(name.clone(), path.clone());
        if !name.starts_with('_') && !BUILT_IN.iter().any(|(known, _)| *known == name) {
            return Err(self.mistake_in(&name, None, "is named like no template".to_owned()));
        }
        let source = fs::read_to_string(path).map_err(|error| self.mistake_in(&name, None, error.to_string()))?;
        self.add(&name, source)
    }

    /// Renders everything with sample values.
    fn rehearse(&self) -> Vec<TemplateMistake> {
        let mut mistakes = Vec::new();
        for kind in MailKind::ALL {
            for (name, has_link) in [("Ada", true), ("", kind.needs_link())] {
                let link = if has_link { "https://app.example.com/link/MQ/sample-of-a-token" } else { "" };
                let expires_in = if has_link { "1 hour" } else { "" };
                let product = self.product.as_deref().unwrap_or("app.example.com");
                let values = Values { link, email: "ada@example.com", name, product, expires_in };
                match self.render_kind(kind, &values) {
                    Err(found) => mistakes.extend(found),
                    Ok(mail) if kind.needs_link() => {
                        let html = mail.html.replace("&#x2f;", "/");
                        for (shown, form) in [(&mail.text, "txt"), (&html, "html")] {
                            if !shown.contains(link) {
                                let name = format!("{}.{form}", kind.as_str());
                                mistakes.push(self.mistake_in(&name, None, "does not show `link`".to_owned()));
                            }
                        }
                    }
                    Ok(_) => {}
                }
            }
        }
        // The second sample finds most of them again.
        let mut known = Vec::new();
        mistakes.retain(|mistake| {
            !known.contains(mistake) && {
                known.push(mistake.clone());
                true
            }
        });
        mistakes
    }

    fn render_kind(&self, kind: MailKind, values: &Values<'_>) -> Result<Rendered, Vec<TemplateMistake>> {
        let Values { link, email, name, product, expires_in } = *values;
        let values = context! { link, email, name, product, expires_in };
        let render = |form: &str| {
            let file = format!("{}.{form}", kind.as_str());
            let rendered = self.environment.get_template(&file).and_then(|template| template.render(values.clone()));
            rendered.map_err(|error| self.mistake(&file, &error))
        };
        let subject = render("subject").and_then(|subject| {
            let line = subject.trim();
            let fits = !line.is_empty() && !line.contains(char::is_control);
            let mistake = || self.mistake_in(&format!("{}.subject", kind.as_str()), None, "is not one line".to_owned());
            if fits { Ok(line.to_owned()) } else { Err(mistake()) }
        });
        match (subject, render("txt"), render("html")) {
            (Ok(subject), Ok(text), Ok(html)) => Ok(Rendered { subject, text, html }),
            (subject, text, html) => Err([subject.err(), text.err(), html.err()].into_iter().flatten().collect()),
        }
    }

    /// `name`: the template that was asked for. The innermost error says where it really is.
    fn mistake(&self, name: &str, error: &minijinja::Error) -> TemplateMistake {
        let mut inner = error;
        while let Some(source) = std::error::Error::source(inner).and_then(|source| source.downcast_ref()) {
            inner = source;
        }
        let what =
            inner.detail().map_or_else(|| inner.kind().to_string(), |detail| format!("{}: {detail}", inner.kind()));
        self.mistake_in(inner.name().unwrap_or(name), inner.line(), what)
    }

    fn mistake_in(&self, name: &str, line: Option<usize>, mistake: String) -> TemplateMistake {
        let file = self.files.get(name).cloned().unwrap_or_else(|| PathBuf::from(name));
        TemplateMistake { file, line, mistake }
    }
}

impl fmt::Display for TemplateMistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        write!(formatter, "{}{line}: {}", self.file.display(), self.mistake)
    }
}

impl fmt::Display for TemplateMistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for TemplateMistake {}

impl std::error::Error for TemplateMistakes {}

/// The templates of a folder, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>, TemplateMistake> {
    let unreadable =
        |error: std::io::Error| TemplateMistake { file: folder.to_owned(), line: None, mistake: error.to_string() };
    let entries = fs::read_dir(folder).map_err(unreadable)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let is_template = |path: &PathBuf| {
        path.extension().is_some_and(|form| ["subject", "txt", "html"].iter().any(|known| form == *known))
    };
    paths.retain(is_template);
    paths.sort();
    Ok(paths)
}

fn is_link(link: &str) -> bool {
    let site = link.strip_prefix("https://").or_else(|| link.strip_prefix("http://"));
    site.is_some_and(|site| !site.is_empty())
        && link.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>\\`".contains(&byte))
}

/// Without its port.
fn host(link: &str) -> Option<&str> {
    let authority = link.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let port = authority.rfind(':').filter(|_| !authority.ends_with(']'));
    Some(&authority[..port.unwrap_or(authority.len())])
}

/// Whether it is shown. What mail programs make links of is not: `example.com`, `www.`, `//`, `@`.
fn is_name(name: &str) -> bool {
    let is_dot_within = |(dot, _): (usize, &str)| name[dot + 1..].starts_with(char::is_alphanumeric);
    name.chars().count() <= LONGEST_NAME
        && !name.contains(|one: char| one.is_control() || "/\\@:<>".contains(one))
        && !name.match_indices('.').any(is_dot_within)
}

/// How long a link is good that was good for `life` a while ago, in whole hours or else minutes unless it is new.
fn left(life: Duration, age: Duration) -> Option<Duration> {
    if age < Duration::from_secs(60) && age < life {
        return Some(life);
    }
    let left = life.checked_sub(age)?.as_secs();
    let unit = if left >= 7200 { 3600 } else { 60 };
    Some(Duration::from_secs(left / unit * unit)).filter(|left| !left.is_zero())
}

/// In its largest unit that leaves nothing over: `1 hour`, `72 hours`, `7 days` from a week on.
fn in_words(life: Duration) -> String {
    let seconds = life.as_secs();
    let units = [(86_400, "day", 7), (3600, "hour", 1), (60, "minute", 1), (1, "second", 0)];
    let fits = |(size, _, least): &(u64, &str, u64)| seconds.is_multiple_of(*size) && seconds / size >= *least;
    let (size, unit, _) = units.into_iter().find(fits).unwrap_or((1, "second", 0));
    let count = seconds / size;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
