//! `[cors]`: the pages of which other origins may use the API, and for what (Fetch §3.2).
//!
//! 1. `origins` is needed. An origin is written as browsers send it: scheme, host, and a port that is not the scheme's
//!    own, without a slash behind it. `https://*.example.com` is every subdomain at any depth, and not the domain.
//! 2. `"*"` stands alone, and never with `credentials`: any page could then act as whoever visits it.
//! 3. `null` is refused: sandboxed pages of anybody have this origin.

use std::time::Duration;

use http::{HeaderName, Method};

use super::{
    diagnostics::Diagnostic,
    node::Node,
    reader::{At, Reader},
    values::{Mistake, boolean, duration, shown, text},
};

const DEFAULT_MAX_AGE: Duration = Duration::from_secs(600);
const LONGEST_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// What pages may read of answers unless the configuration says otherwise: what the gateway itself says there.
const EXPOSED: [&str; 4] = ["www-authenticate", "retry-after", "ratelimit", "ratelimit-policy"];

/// `[cors]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Whose pages.
    pub origins: Origins,
    /// What they may do. Default: GET, HEAD, POST, PUT, PATCH and DELETE.
    pub methods: Vec<Method>,
    /// The header fields that they may send; `None`: any. Default: `authorization` and `content-type`.
    pub headers: Option<Vec<HeaderName>>,
    /// The header fields of answers that they may read. Default: `www-authenticate`, `retry-after`,
    /// `ratelimit` and `ratelimit-policy`: what the gateway itself says.
    pub expose: Vec<HeaderName>,
    /// Whether browsers may add cookies. A token in `Authorization` needs no such leave. Default false.
    pub credentials: bool,
    /// How long a browser may remember the answer to a preflight, up to a day. Default 10 minutes.
    pub max_age: Duration,
}

/// Whose pages may use the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Anybody's.
    Any,
    /// Those of these origins.
    Some(Vec<OriginPattern>),
}

/// An origin, or the subdomains of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern {
    /// All of it, or what stands before the `*`: `https://`.
    start: Box<str>,
    /// What stands behind the `*`: `.example.com:8443`.
    end: Option<Box<str>>,
}

impl Origins {
    /// Whether a page of `origin`, as a browser writes it, is one of them.
    #[must_use]
    pub fn contain(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Some(patterns) => patterns.iter().any(|pattern| pattern.matches(origin)),
        }
    }
}

impl OriginPattern {
    /// Compared byte for byte: browsers write origins in one way (HTML §7.1.1).
    fn matches(&self, origin: &str) -> bool {
        let Some(end) = &self.end else { return *self.start == *origin };
        let subdomain = origin.strip_prefix(&*self.start).and_then(|rest| rest.strip_suffix(&**end));
        subdomain.is_some_and(|labels| labels.split('.').all(is_label))
    }

    fn parse(written: &str) -> Result<Self, Mistake> {
        let wrong = |message: &str, help: String| Err(Mistake::new(message.to_owned()).help(help));
        if written == "null" {
            return wrong(
                "names the origin `null`, which a sandboxed page of anybody has",
                "serve the page from an origin of its own".to_owned(),
            );
        }
        let Some((scheme, host)) = written.split_once("://") else {
            return wrong("is not an origin", format!("write its scheme: \"https://{}\"", shown(written)));
        };
        if let Some((host, _)) = host.split_once(['/', '?', '#']) {
            let origin = format!("{scheme}://{host}");
            return wrong("is a URL: an origin ends with its host", format!("write \"{}\"", shown(&origin)));
        }
        if written.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let lower = written.to_ascii_lowercase();
            return wrong("has capitals, which browsers do not send", format!("write \"{}\"", shown(&lower)));
        }
        let own_port = if scheme == "https" { ":443" } else { ":80" };
        if let Some(host) = host.strip_suffix(own_port).filter(|_| matches!(scheme, "http" | "https")) {
            let origin = format!("{scheme}://{host}");
            return wrong(
                "has the scheme's own port, which browsers leave out",
                format!("write \"{}\"", shown(&origin)),
            );
        }
        let (name, _) = split_port(host);
        let domain = name.strip_prefix("*.");
        if !is_scheme(scheme)
            || !is_host(domain.unwrap_or(name))
            || split_port(host).1.is_some_and(|port| !is_port(port))
        {
            return wrong(
                "is not an origin",
                "write it like \"https://app.example.com\" or \"https://*.example.com\"".to_owned(),
            );
        }
        match domain {
            Some(domain) if !domain.contains('.') && domain != "localhost" => {
                wrong("names every site below a top-level domain", "name a domain of your own".to_owned())
            }
            Some(_) => {
                let end = host.strip_prefix('*').unwrap_or(host);
                Ok(Self { start: format!("{scheme}://").into(), end: Some(end.into()) })
            }
            None => Ok(Self { start: written.into(), end: None }),
        }
    }
}

impl Cors {
    pub(super) fn read(mut reader: Reader<'_>) -> Option<Self> {
        let origins = origins(&mut reader);
        let methods = reader.some("methods", method).map(values);
        let headers = headers(&mut reader);
        let expose = reader.entry("expose").map(|_| values(reader.any("expose", header_name)));
        let credentials = reader.read_or("credentials", false, boolean);
        let max_age =
            reader.read_or("max_age", DEFAULT_MAX_AGE, |node| duration(node, Duration::ZERO..=LONGEST_MAX_AGE));
        if credentials && let Some(At { value: Origins::Any, place }) = &origins {
            let message = "`cors.origins` = \"*\" with `credentials` would let any page act as whoever visits it";
            reader.context.report(Diagnostic::mistake(message).at(*place).help("name the origins of your pages"));
        }
        reader.finish();
        Some(Self {
            origins: origins?.value,
            methods: methods.unwrap_or_else(|| {
                [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE].into()
            }),
            headers,
            expose: expose.unwrap_or_else(|| EXPOSED.map(HeaderName::from_static).into()),
            credentials,
            max_age,
        })
    }
}

fn values<T>(read: Vec<At<T>>) -> Vec<T> {
    read.into_iter().map(|read| read.value).collect()
}

fn origins(reader: &mut Reader<'_>) -> Option<At<Origins>> {
    let Some(entry) = reader.entry("origins") else {
        reader.missing("origins", "name the origins of your pages: `origins = [\"https://app.example.com\"]`");
        return None;
    };
    let written = reader.some("origins", text)?;
    let place = entry.node.place;
    if let Some(star) = written.iter().find(|read| read.value == "*") {
        if written.len() > 1 {
            reader.report(
                "origins",
                star.place,
                Mistake::new("has \"*\", beside which no other origin means anything"),
            );
        }
        return Some(At { value: Origins::Any, place });
    }
    let patterns = reader.any("origins", |node| OriginPattern::parse(text(node)?));
    Some(At { value: Origins::Some(values(patterns)), place })
}

/// `"*"` allows what is asked for.
fn headers(reader: &mut Reader<'_>) -> Option<Vec<HeaderName>> {
    let default = || Some([http::header::AUTHORIZATION, http::header::CONTENT_TYPE].into());
    let Some(entry) = reader.entry("headers") else { return default() };
    if entry.node.string() == Some("*") {
        return None;
    }
    Some(values(reader.any("headers", header_name)))
}

fn header_name(node: &Node) -> Result<HeaderName, Mistake> {
    let text = text(node)?;
    // A star is a name too, by the letter of RFC 9110 §5.6.2.
    HeaderName::from_bytes(text.as_bytes()).ok().filter(|name| name != "*").ok_or_else(|| {
        let mistake = Mistake::new(format!("must be names of header fields, not \"{}\"", shown(text)));
        if text == "*" {
            mistake.help("`headers = \"*\"` stands alone; in `expose` it has no meaning")
        } else {
            mistake
        }
    })
}

fn method(node: &Node) -> Result<Method, Mistake> {
    let text = text(node)?;
    let method = Method::from_bytes(text.as_bytes()).ok();
    let method = method.filter(|_| text != "*" && !text.bytes().any(|byte| byte.is_ascii_lowercase()));
    method.ok_or_else(|| Mistake::new(format!("must be methods in capitals, not \"{}\"", shown(text))))
}

/// RFC 3986 §3.1.
fn is_scheme(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(inside)
}

/// A name, an address, or one of IPv6 in brackets.
fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => text.split('.').all(is_label),
    }
}

fn is_label(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    !text.is_empty() && text.bytes().all(inside)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// The colons of an IPv6 address stand before its bracket.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    }
}
