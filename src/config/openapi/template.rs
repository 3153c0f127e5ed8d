//! From a path of the document to a route's path (OpenAPI Specification 3.1.1 §4.8.8, path templating).
//!
//! 1. A whole segment in braces is a variable. Its name keeps letters, digits and `_`; the same name of the document is
//!    the same in every route, and two names stay two.
//! 2. A part of a segment in braces (`/{file}.json`, `/{from}-{to}`), a query or a fragment is nothing that a route's path
//!    can say: there is none.
//! 3. Everything else is literal, percent-encoded where a request has to encode it. What no request can have by the rule
//!    of the [canonical path](crate::authz::path) cannot be said either.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    fmt::Write as _,
};

use crate::authz::{
    PathError, PathExceptions,
    path::{check, decoded},
};

/// A path with more segments gets no route.
const MOST_SEGMENTS: usize = 100;

/// What stands for the value of every variable. Nothing in it could be taken for a literal or an extension.
const SAMPLE: &str = "sample-7f3a";

/// Why a path of the document is no route's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Inexpressible {
    #[error("a variable is a whole segment, and {0:?} is not")]
    PartOfSegment(String),
    #[error("a route's path has no query and no fragment")]
    Query,
    #[error("{0}")]
    Path(#[from] PathError),
    #[error("it has {0}, which a route would have to allow")]
    Exception(PathExceptions),
    #[error("it has more than {MOST_SEGMENTS} segments")]
    TooLong,
}

/// A route's path.
pub(super) struct Template {
    pub(super) path: String,
    /// The same for all paths that differ in the names of variables only.
    pub(super) shape: String,
}

/// The names of variables, each the same wherever it stands.
#[derive(Default)]
pub(super) struct Names {
    known: HashMap<String, String>,
    taken: HashSet<String>,
    counts: HashMap<String, usize>,
}

impl Names {
    pub(super) fn template(&mut self, path: &str) -> Result<Template, Inexpressible> {
        if path.contains(['?', '#']) {
            return Err(Inexpressible::Query);
        }
        if path.split('/').count() > MOST_SEGMENTS {
            return Err(Inexpressible::TooLong);
        }
        let mut template = Template { path: String::new(), shape: String::new() };
        let mut own = HashSet::new();
        for segment in path.split('/').skip(1) {
            let (part, shape) = if segment.contains(['{', '}']) {
                let name = variable(segment).ok_or_else(|| Inexpressible::PartOfSegment(segment.to_owned()))?;
                (format!("{{{}}}", self.unique(name, &mut own)), "{}".to_owned())
            } else {
                let literal = literal(segment)?;
                (literal.clone(), literal)
            };
            template.path.extend(["/", &part]);
            template.shape.extend(["/", &shape]);
        }
        match check(&template.path)? {
            PathExceptions::NONE => Ok(template),
            taken => Err(Inexpressible::Exception(taken)),
        }
    }

    /// The name of a variable in a path that has `own` already.
    fn unique(&mut self, name: &str, own: &mut HashSet<String>) -> String {
        let known = self.known.get(name).cloned();
        let mut chosen = known.unwrap_or_else(|| {
            let chosen = self.fresh(&plain(name));
            self.known.insert(name.to_owned(), chosen.clone());
            chosen
        });
        while !own.insert(chosen.clone()) {
            chosen = self.fresh(&chosen);
        }
        chosen
    }

    /// A name that begins like `base` and is nobody's yet.
    fn fresh(&mut self, base: &str) -> String {
        let count = self.counts.entry(base.to_owned()).or_default();
        loop {
            *count += 1;
            let name = if *count == 1 { base.to_owned() } else { format!("{base}_{count}") };
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// The name in `{name}`.
fn variable(segment: &str) -> Option<&str> {
    let name = segment.strip_prefix('{')?.strip_suffix('}')?;
    (!name.is_empty() && !name.contains(['{', '}'])).then_some(name)
}

/// A name as a pattern takes it.
fn plain(name: &str) -> String {
    let plain: String = name.chars().map(|one| if one.is_ascii_alphanumeric() { one } else { '_' }).collect();
    if plain.starts_with(|first: char| first.is_ascii_digit()) { format!("_{plain}") } else { plain }
}

/// A segment without variables, in the one spelling that all that mean the same have.
fn literal(segment: &str) -> Result<String, Inexpressible> {
    let encoded = encoded(segment, b"%;");
    match check(&format!("/{encoded}"))? {
        PathExceptions::NONE => Ok(self::encoded(&decoded(&encoded), b"")),
        taken => Err(Inexpressible::Exception(taken)),
    }
}

/// Percent-encodes what has no business in a segment (RFC 3986 §3.3), and what a pattern reads as its own.
fn encoded(segment: &str, kept: &[u8]) -> String {
    let mut encoded = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()+,=:@".contains(&byte) || kept.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// A path that a request to the operation could have, without its query.
pub(super) fn sample(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let segments = path.split('/').map(|segment| {
        let mut sample = String::new();
        let mut rest = segment;
        while let Some((before, (_, after))) =
            rest.split_once('{').and_then(|(before, behind)| Some((before, behind.split_once('}')?)))
        {
            sample.extend([before, SAMPLE]);
            rest = after;
        }
        sample.push_str(rest);
        encoded(&sample, b"%;")
    });
    segments.collect::<Vec<String>>().join("/")
}

/// Decodes a URI's fragment (RFC 6901 §6). What is malformed stays as it is.
pub(super) fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex = behind.get(..2).filter(|_| *first == b'%').and_then(|pair| std::str::from_utf8(pair).ok());
        let pair = hex.filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<String, Inexpressible> {
        Names::default().template(text).map(|template| template.path)
    }

    #[test]
    fn a_whole_segment_in_braces_is_a_variable_with_a_name_that_patterns_take() {
        for (given, made) in [
            ("/", "/"),
            ("/pets/", "/pets/"),
            ("/pets/{petId}", "/pets/{petId}"),
            ("/a/{pet-id}/{pet_id}", "/a/{pet_id}/{pet_id_2}"),
            ("/a/{id}/b/{id}", "/a/{id}/b/{id_2}"),
            ("/a/{2nd}/{é}", "/a/{_2nd}/{_}"),
            ("/a/{proxy+}", "/a/{proxy_}"),
        ] {
            assert_eq!(path(given).as_deref(), Ok(made), "{given}");
        }
    }

    #[test]
    fn a_name_is_the_same_in_every_path_and_two_names_stay_two() {
        let mut names = Names::default();
        let mut made = |text| names.template(text).unwrap().path;
        assert_eq!(made("/a/{pet-id}"), "/a/{pet_id}");
        assert_eq!(made("/b/{pet.id}"), "/b/{pet_id_2}");
        assert_eq!(made("/c/{pet-id}/{pet_id_2}"), "/c/{pet_id}/{pet_id_2_2}");
        assert_eq!(made("/d/{pet.id}"), "/d/{pet_id_2}");
    }

    #[test]
    fn a_literal_has_one_spelling() {
        for (given, made) in [
            ("/caf\u{e9}", "/caf%C3%A9"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/%7Euser/a%20b/a b", "/~user/a%20b/a%20b"),
            ("/a*b/**", "/a%2Ab/%2A%2A"),
            ("/\"quoted\"", "/%22quoted%22"),
        ] {
            assert_eq!(path(given).as_deref(), Ok(made), "{given}");
        }
    }

    #[test]
    fn what_a_route_cannot_say_exactly_gets_none() {
        use Inexpressible::{Exception, PartOfSegment, Path, Query, TooLong};
        for (given, why) in [
            ("/a/{x}.json", PartOfSegment("{x}.json".to_owned())),
            ("/a/{x}{y}", PartOfSegment("{x}{y}".to_owned())),
            ("/a/{from}-{to}", PartOfSegment("{from}-{to}".to_owned())),
            ("/a/{}", PartOfSegment("{}".to_owned())),
            ("/a/{x", PartOfSegment("{x".to_owned())),
            ("/a/{x/y}", PartOfSegment("{x".to_owned())),
            ("/a?b=c", Query),
            ("/a#b", Query),
            ("/a//b", Path(PathError::EmptySegment)),
            ("/a/../b", Path(PathError::DotSegment)),
            ("/a%2e", Path(PathError::ForbiddenEncoding)),
            ("/a\\b", Path(PathError::ForbiddenEncoding)),
            ("/a\nb", Path(PathError::ForbiddenEncoding)),
            ("/a%zz", Path(PathError::MalformedEncoding)),
            ("/a;v=1", Exception(PathExceptions::SEMICOLON)),
            ("/a%2Fb", Exception(PathExceptions::ENCODED_SLASH)),
        ] {
            assert_eq!(path(given), Err(why), "{given}");
        }
        assert_eq!(path(&"/a".repeat(101)), Err(TooLong));
    }

    #[test]
    fn a_sample_is_a_path_of_a_request() {
        assert_eq!(sample("/a/{x}/{y}.json?q={z}"), "/a/sample-7f3a/sample-7f3a.json");
        assert_eq!(sample("/a/{from}-{to}/caf\u{e9}/{open"), "/a/sample-7f3a-sample-7f3a/caf%C3%A9/%7Bopen");
    }

    #[test]
    fn a_fragment_is_decoded() {
        assert_eq!(percent_decoded("/paths/~1a~1%7Bid%7d"), "/paths/~1a~1{id}");
        for same in ["%", "%7", "%zz", "%ff", "%+1", "\u{e9}%\u{e9}"] {
            assert_eq!(percent_decoded(same), same);
        }
    }
}
