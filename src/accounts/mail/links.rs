//! Links in mails: which site they lead to, and what they are made of.
//!
//! 1. A link leads to the configured site, whatever `Host` a request had. A client may ask for another one
//!    (`frontend_url`); it is used only if it is the configured one or on the allow-list, or below one of them. Whatever
//!    else is asked for, the link leads to the configured site: a reset link to a stranger's is an account for them.
//! 2. A site is `https://host`, `http://host`, with a port and a path if need be, in the one spelling that every browser
//!    reads alike ([`SiteUrl`]). What is spelled otherwise is no site. So a comparison byte by byte is one of scheme, host,
//!    port and path (RFC 6454 §4), and no two parsers can disagree.
//! 3. A path is below another one only behind a `/`.
//! 4. A pattern begins with `$frontend`, or with `$public`, the gateway itself as clients see it. Values in it are
//!    percent-encoded but for unreserved characters (RFC 3986 §2.3), so that none can be more than a piece of one segment
//!    or value. An empty value, `.` and `..` are refused: no encoding keeps them from being a path's own.

use std::{
    fmt::{self, Write as _},
    net::{Ipv4Addr, Ipv6Addr},
};

/// The longest site, in bytes.
const LONGEST: usize = 2048;

/// A site that links lead to: its scheme, host, port and path in their one spelling, without a `/` at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteUrl(String);

/// Why a text is no [`SiteUrl`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SiteUrlError {
    /// It has more than 2,048 bytes.
    #[error("is too long")]
    TooLong,
    /// It begins otherwise.
    #[error("must begin with `https://` or `http://`")]
    Scheme,
    /// A user's name before the host, upper case, letters beyond ASCII, an address in another spelling than its own.
    #[error("must have a host in lower-case ASCII (`xn--` for other letters), and no user before it")]
    Host,
    /// No number from 1 to 65535, or the scheme's own.
    #[error("must have its port as a plain number, or none where it is the scheme's own")]
    Port,
    /// An empty segment, `.`, `..`, `%`, `?`, `#`, or a character that is none of a path's.
    #[error("has something in its path that cannot stand there; a query or a fragment neither")]
    Path,
}

/// Which sites links may lead to.
#[derive(Debug, Clone)]
pub struct Links {
    frontend: SiteUrl,
    allowed: Vec<SiteUrl>,
    public: Option<SiteUrl>,
}

/// What a link is made of: `$frontend/reset-password/$uid/$token`, `$public/auth/confirm?token=$token`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkPattern {
    base: Base,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    Frontend,
    Public,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(String),
}

/// Why a text is no [`LinkPattern`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkPatternError {
    /// It begins otherwise.
    #[error("must begin with `$frontend` or `$public`, and go on with `/`, `?` or `#`")]
    Base,
    /// A `$` with no name behind it: small letters and `_`.
    #[error("has a `$` that no name follows")]
    Name,
    /// What has to be percent-encoded in a URL.
    #[error("has a character that cannot stand in a URL")]
    Character,
}

/// Why there is no link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The pattern names a value that is not given.
    #[error("there is no value `{0}` for the link")]
    NoValue(String),
    /// The value is empty, `.` or `..`.
    #[error("the value `{0}` cannot stand in a link")]
    Unfit(String),
    /// The pattern begins with `$public`, and nobody has said where that is.
    #[error("the link leads to the gateway, and its public URL is not configured")]
    NoPublicUrl,
}

impl SiteUrl {
    /// Reads a site. One `/` at its end is taken away.
    ///
    /// # Errors
    /// See [`SiteUrlError`].
    pub fn parse(text: &str) -> Result<Self, SiteUrlError> {
        canonical(text).map(|site| Self(site.to_owned()))
    }

    /// Itself, without a `/` at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its host, with the port if it has one of its own.
    #[must_use]
    pub fn host(&self) -> &str {
        let behind_scheme = self.0.split_once("://").map_or("", |(_, rest)| rest);
        behind_scheme.split('/').next().unwrap_or_default()
    }

    /// `site` is canonical.
    fn covers(&self, site: &str) -> bool {
        site.strip_prefix(self.as_str()).is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }
}

impl fmt::Display for SiteUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Links {
    /// `frontend`: where links lead. `allowed`: where clients may ask for them to lead. `public`: the gateway, as clients
    /// see it.
    #[must_use]
    pub const fn new(frontend: SiteUrl, allowed: Vec<SiteUrl>, public: Option<SiteUrl>) -> Self {
        Self { frontend, allowed, public }
    }

    /// The site that links lead to for a client that asks for `asked`; without a `/` at the end.
    #[must_use]
    pub fn base<'a>(&'a self, asked: Option<&'a str>) -> &'a str {
        let allowed = |site: &&str| self.frontend.covers(site) || self.allowed.iter().any(|one| one.covers(site));
        asked.and_then(|asked| canonical(asked).ok()).filter(allowed).unwrap_or_else(|| self.frontend.as_str())
    }

    /// Whether a link of this pattern has somewhere to lead to.
    #[must_use]
    pub const fn has_base_of(&self, pattern: &LinkPattern) -> bool {
        matches!(pattern.base, Base::Frontend) || self.public.is_some()
    }

    /// A link of this pattern, with the values of these names.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn link(
        &self,
        pattern: &LinkPattern,
        asked: Option<&str>,
        values: &[(&str, &str)],
    ) -> Result<String, LinkError> {
        let mut link = match (pattern.base, &self.public) {
            (Base::Frontend, _) => self.base(asked),
            (Base::Public, Some(public)) => public.as_str(),
            (Base::Public, None) => return Err(LinkError::NoPublicUrl),
        }
        .to_owned();
        for part in &pattern.parts {
            match part {
                Part::Text(text) => link.push_str(text),
                Part::Value(name) => {
                    let value = values.iter().find(|(known, _)| known == name);
                    let (_, value) = value.ok_or_else(|| LinkError::NoValue(name.clone()))?;
                    if matches!(*value, "" | "." | "..") {
                        return Err(LinkError::Unfit(name.clone()));
                    }
                    encode(value, &mut link);
                }
            }
        }
        Ok(link)
    }
}

impl LinkPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// See [`LinkPatternError`].
    pub fn parse(text: &str) -> Result<Self, LinkPatternError> {
        let (base, mut rest) = match (text.strip_prefix("$frontend"), text.strip_prefix("$public")) {
            (Some(rest), _) => (Base::Frontend, rest),
            (None, Some(rest)) => (Base::Public, rest),
            (None, None) => return Err(LinkPatternError::Base),
        };
        // Anything else would go on with the host.
        if !rest.is_empty() && !rest.starts_with(['/', '?', '#']) {
            return Err(LinkPatternError::Base);
        }
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let (text, value) = rest.split_once('$').map_or((rest, None), |(text, value)| (text, Some(value)));
            if !text.bytes().all(is_literal) {
                return Err(LinkPatternError::Character);
            }
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            }
            let Some(value) = value else { break };
            let end = value.find(|one: char| !one.is_ascii_lowercase() && one != '_').unwrap_or(value.len());
            let (name, behind) = value.split_at(end);
            if name.is_empty() {
                return Err(LinkPatternError::Name);
            }
            parts.push(Part::Value(name.to_owned()));
            rest = behind;
        }
        Ok(Self { base, parts })
    }

    /// The names of the values that it needs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Value(name) => Some(name.as_str()),
        })
    }
}

/// `text` without a `/` at its end, if it is a site in its one spelling.
fn canonical(text: &str) -> Result<&str, SiteUrlError> {
    if text.len() > LONGEST {
        return Err(SiteUrlError::TooLong);
    }
    let site = text.strip_suffix('/').unwrap_or(text);
    let (rest, own_port) = match (site.strip_prefix("https://"), site.strip_prefix("http://")) {
        (Some(rest), _) => (rest, 443),
        (None, Some(rest)) => (rest, 80),
        (None, None) => return Err(SiteUrlError::Scheme),
    };
    let (authority, path) = rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)));
    // The colons of an IPv6 address are within brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if !is_host(host) {
        return Err(SiteUrlError::Host);
    }
    if !port.is_none_or(|port| is_port(port, own_port)) {
        return Err(SiteUrlError::Port);
    }
    if !path.is_none_or(|path| path.split('/').all(is_segment)) {
        return Err(SiteUrlError::Path);
    }
    Ok(site)
}

fn is_host(host: &str) -> bool {
    if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return literal.parse::<Ipv6Addr>().is_ok_and(|address| address.to_string() == literal);
    }
    let is_label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(plain) && !label.starts_with('-') && !label.ends_with('-')
    };
    // Browsers read a name that ends with a number as an IPv4 address, in a dozen spellings (WHATWG URL §3.5).
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
    host.len() <= 253
        && host.split('.').all(is_label)
        && (!is_number || host.parse::<Ipv4Addr>().is_ok_and(|address| address.to_string() == host))
}

fn is_port(port: &str, own: u16) -> bool {
    port.parse::<u16>().is_ok_and(|number| number != 0 && number != own && number.to_string() == port)
}

fn is_segment(segment: &str) -> bool {
    let plain = |byte: u8| is_unreserved(byte) || b"@:+,=".contains(&byte);
    !matches!(segment, "" | "." | "..") && segment.bytes().all(plain)
}

/// What stands in a URL as it is (RFC 3986 §2), but for `$`, which begins a name here, `[` and `]`.
const fn is_literal(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b':' | b'/' | b'?' | b'#' | b'@' | b'!' | b'&' | b'\'' | b'(' | b')')
        || matches!(byte, b'*' | b'+' | b',' | b';' | b'=' | b'%')
}

/// RFC 3986 §2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn encode(value: &str, link: &mut String) {
    for byte in value.bytes() {
        if is_unreserved(byte) {
            link.push(char::from(byte));
        } else {
            // Writing to a `String` does not fail.
            let _ = write!(link, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests;
