//! Refuses every path that could mean two things (the rule of the canonical path).
//!
//! What is matched here is what is forwarded, byte for byte: nothing is decoded on the way through. So that an upstream
//! that decodes or normalizes cannot read another path than the one that was matched, a path is canonical only when
//!
//! 1. it starts with `/`;
//! 2. no segment is empty, `.` or `..`; a single trailing `/` is allowed, and significant;
//! 3. it has no raw `\`, `;`, control, space or non-ASCII byte;
//! 4. every `%` begins a well-formed sequence (RFC 3986 §2.1), and none decodes, once or again, to `/`, `\`, `;`, `%`,
//!    `.`, a control character or anything that is not UTF-8.
//!
//! A route may allow `%2F`, `%3B`, `%25` or `;`. Even then no segment may become empty, `.` or `..`, with or without
//! parameters behind it.

use std::{borrow::Cow, fmt, str::FromStr};

/// Why a path is not canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Empty, or `*`, or without a leading `/`.
    #[error("the path does not start with a slash")]
    NotAbsolute,
    /// `//`, as it stands or once decoded, or with nothing but parameters between.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// `.` or `..`, as it stands or once decoded.
    #[error("the path has a dot segment")]
    DotSegment,
    /// A byte that has no place in a path.
    #[error("the path has the byte 0x{0:02x}")]
    ForbiddenByte(u8),
    /// `%` that is not followed by two hexadecimal digits.
    #[error("the path has a malformed percent-encoding")]
    MalformedEncoding,
    /// A sequence that decodes to something that would change the path's meaning.
    #[error("the path has an encoded character that is not allowed")]
    ForbiddenEncoding,
    /// Bytes that are not UTF-8 once decoded.
    #[error("the path does not decode to UTF-8")]
    NotUtf8,
    /// Covered by one rule as it stands, and by a stricter one in the eyes of an upstream that takes spellings lightly.
    #[error("the path differs from one that a stricter rule covers in nothing but case, a final slash or an extension")]
    Lookalike,
    /// Canonical only for a route that allows these, and none that does covers it.
    #[error("the path has {0}, which its route does not allow")]
    NotAllowedHere(PathExceptions),
}

/// What a route allows in its paths beyond the canonical form.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct PathExceptions(u8);

impl PathExceptions {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// `%2F`: a slash inside a segment.
    pub const ENCODED_SLASH: Self = Self(1);
    /// `%3B`: a semicolon that begins no parameter.
    pub const ENCODED_SEMICOLON: Self = Self(2);
    /// `%25`: a percent sign.
    pub const ENCODED_PERCENT: Self = Self(4);
    /// `;`: parameters of a segment (RFC 3986 §3.3).
    pub const SEMICOLON: Self = Self(8);

    const NAMES: [(Self, &'static str); 4] = [
        (Self::ENCODED_SLASH, "%2F"),
        (Self::ENCODED_SEMICOLON, "%3B"),
        (Self::ENCODED_PERCENT, "%25"),
        (Self::SEMICOLON, ";"),
    ];

    /// Both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is allowed.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Display for PathExceptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> =
            Self::NAMES.into_iter().filter(|(flag, _)| self.contains(*flag)).map(|(_, name)| name).collect();
        formatter.write_str(&names.join(" "))
    }
}

impl fmt::Debug for PathExceptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PathExceptions({self})")
    }
}

/// Not one of the four exceptions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot be allowed in a path: only \"%2F\", \"%3B\", \"%25\" and \";\" can")]
pub struct UnknownException(String);

impl FromStr for PathExceptions {
    type Err = UnknownException;

    fn from_str(text: &str) -> Result<Self, UnknownException> {
        let found = Self::NAMES.into_iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
        found.map(|(flag, _)| flag).ok_or_else(|| UnknownException(text.to_owned()))
    }
}

/// Checks `path`, and says which exceptions it takes.
///
/// # Errors
/// See [`PathError`]; never [`PathError::NotAllowedHere`], which depends on the route.
pub fn check(path: &str) -> Result<PathExceptions, PathError> {
    let rest = path.strip_prefix('/').ok_or(PathError::NotAbsolute)?;
    let mut taken = PathExceptions::NONE;
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err(PathError::EmptySegment);
        }
        check_segment(segment, &mut taken)?;
    }
    Ok(taken)
}

fn check_segment(segment: &str, taken: &mut PathExceptions) -> Result<(), PathError> {
    let mut encoded = false;
    for byte in segment.bytes() {
        match byte {
            b'%' => encoded = true,
            b';' => *taken = taken.union(PathExceptions::SEMICOLON),
            b'\\' | 0..=b' ' | 0x7f.. => return Err(PathError::ForbiddenByte(byte)),
            _ => {}
        }
    }
    if !segment.is_empty() {
        refuse_unstable(segment)?;
    }
    if !encoded {
        return Ok(());
    }
    let once = decode(segment.as_bytes(), Malformed::Refused, taken)?;
    refuse_unstable_in(&once)?;
    if once.contains('%') {
        // A `%` can only come from `%25`, which the route must allow; what follows it may be anything.
        let twice = decode(once.as_bytes(), Malformed::Kept, taken)?;
        refuse_unstable_in(&twice)?;
    }
    Ok(())
}

fn refuse_unstable_in(decoded: &str) -> Result<(), PathError> {
    decoded.split('/').try_for_each(refuse_unstable)
}

/// Refuses what goes away, or takes another segment with it, when a path is tidied up. `..;x` is `..`, and `;x` nothing,
/// to whoever cuts the parameters off.
fn refuse_unstable(segment: &str) -> Result<(), PathError> {
    match name(segment) {
        "" => Err(PathError::EmptySegment),
        "." | ".." => Err(PathError::DotSegment),
        _ => Ok(()),
    }
}

/// A segment without its parameters.
fn name(segment: &str) -> &str {
    segment.split_once(';').map_or(segment, |(name, _)| name)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Malformed {
    Refused,
    Kept,
}

/// Decodes once, refusing what must not be encoded and noting what a route has to allow.
fn decode(bytes: &[u8], malformed: Malformed, taken: &mut PathExceptions) -> Result<String, PathError> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            decoded.push(*first);
            continue;
        }
        let Some((byte, behind)) = hex_pair(behind) else {
            if malformed == Malformed::Refused {
                return Err(PathError::MalformedEncoding);
            }
            decoded.push(b'%');
            continue;
        };
        rest = behind;
        *taken = taken.union(match byte {
            b'/' => PathExceptions::ENCODED_SLASH,
            b';' => PathExceptions::ENCODED_SEMICOLON,
            b'%' => PathExceptions::ENCODED_PERCENT,
            b'\\' | b'.' => return Err(PathError::ForbiddenEncoding),
            _ => PathExceptions::NONE,
        });
        decoded.push(byte);
    }
    let decoded = String::from_utf8(decoded).map_err(|_| PathError::NotUtf8)?;
    if decoded.chars().any(char::is_control) { Err(PathError::ForbiddenEncoding) } else { Ok(decoded) }
}

fn hex_pair(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let ([high, low], rest) = bytes.split_first_chunk::<2>()?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(*high)? << 4 | digit(*low)?, rest))
}

/// What a route's literal is compared with: the segment as an upstream reads it, decoded and without parameters, so
/// that `/%61dmin` cannot pass by the rule of `/admin`. `segment` must have been [checked](check).
pub(super) fn comparable(segment: &str) -> Cow<'_, str> {
    let decoded = if segment.contains('%') { decoded(segment) } else { Cow::Borrowed(segment) };
    match decoded {
        Cow::Borrowed(text) => Cow::Borrowed(name(text)),
        Cow::Owned(text) => Cow::Owned(name(&text).to_owned()),
    }
}

/// A checked segment, decoded once: the value of a `{variable}`.
pub(crate) fn decoded(segment: &str) -> Cow<'_, str> {
    match decode(segment.as_bytes(), Malformed::Kept, &mut PathExceptions::default()) {
        Ok(text) if text != segment => Cow::Owned(text),
        _ => Cow::Borrowed(segment),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_paths_are_canonical() {
        for path in
            ["/", "/plants", "/plants/", "/a.b/..c/.well-known", "/~u/a:b@c,d=e&f+g!$'()*", "/caf%C3%A9/%20x%41"]
        {
            assert_eq!(check(path), Ok(PathExceptions::NONE), "{path}");
        }
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        use PathError::{
            DotSegment, EmptySegment, ForbiddenByte, ForbiddenEncoding, MalformedEncoding, NotAbsolute, NotUtf8,
        };
        let cases = [
            ("", NotAbsolute),
            ("*", NotAbsolute),
            ("plants", NotAbsolute),
            ("//", EmptySegment),
            ("//plants", EmptySegment),
            ("/a//b", EmptySegment),
            ("/a//", EmptySegment),
            ("/.", DotSegment),
            ("/..", DotSegment),
            ("/a/./b", DotSegment),
            ("/a/../b", DotSegment),
            ("/a/..", DotSegment),
            ("/a/..;/b", DotSegment),
            ("/a/..;x=1/b", DotSegment),
            ("/a/.;/b", DotSegment),
            ("/a\\b", ForbiddenByte(b'\\')),
            ("/a b", ForbiddenByte(b' ')),
            ("/a\tb", ForbiddenByte(b'\t')),
            ("/a\u{7f}", ForbiddenByte(0x7f)),
            ("/é", ForbiddenByte(0xc3)),
            ("/a%", MalformedEncoding),
            ("/a%2", MalformedEncoding),
            ("/a%zz", MalformedEncoding),
            ("/a%2%35", MalformedEncoding),
            ("/a%+1", MalformedEncoding),
            ("/%2e%2e/b", ForbiddenEncoding),
            ("/%2E", ForbiddenEncoding),
            ("/a%2ejpg", ForbiddenEncoding),
            ("/a%5cb", ForbiddenEncoding),
            ("/a%00b", ForbiddenEncoding),
            ("/a%0d%0ab", ForbiddenEncoding),
            ("/a%7f", ForbiddenEncoding),
            ("/a%C2%85", ForbiddenEncoding),
            ("/a%ff", NotUtf8),
            ("/a%C3", NotUtf8),
            ("/a%C0%AF", NotUtf8),
            ("/a%ED%A0%80", NotUtf8),
            ("/%252e%252e/b", ForbiddenEncoding),
            ("/a%255cb", ForbiddenEncoding),
            ("/a%2500", ForbiddenEncoding),
            ("/a%25ff", NotUtf8),
            ("/a/..%2fb", DotSegment),
            ("/a%2F..%2Fb", DotSegment),
            ("/a%252F..%252Fb", DotSegment),
            ("/..%3Bx/b", DotSegment),
        ];
        for (path, error) in cases {
            assert_eq!(check(path), Err(error), "{path:?}");
        }
    }

    #[test]
    fn no_segment_may_be_nothing_to_an_upstream_that_decodes_or_cuts_parameters() {
        for path in
            ["/a/;/b", "/a/;x=1/b", "/a/;", "/a/%3Bx/b", "/a/%253Bx/b", "/%2Fa", "/a%2F/b", "/a%2F%2Fb", "/a%2F;x%2Fb"]
        {
            assert_eq!(check(path), Err(PathError::EmptySegment), "{path}");
        }
    }

    #[test]
    fn what_a_route_has_to_allow_is_named() {
        let cases = [
            ("/a%2fb", PathExceptions::ENCODED_SLASH),
            ("/a%3Bb", PathExceptions::ENCODED_SEMICOLON),
            ("/100%25", PathExceptions::ENCODED_PERCENT),
            ("/a;v=1", PathExceptions::SEMICOLON),
            ("/a%252Fb", PathExceptions::ENCODED_PERCENT.union(PathExceptions::ENCODED_SLASH)),
            ("/a%253Bb", PathExceptions::ENCODED_PERCENT.union(PathExceptions::ENCODED_SEMICOLON)),
            ("/a%2525", PathExceptions::ENCODED_PERCENT),
        ];
        for (path, taken) in cases {
            assert_eq!(check(path), Ok(taken), "{path}");
        }
    }

    #[test]
    fn a_segment_is_compared_as_an_upstream_reads_it() {
        assert_eq!(comparable("%61dmin"), "admin");
        assert_eq!(comparable("admin;v=1"), "admin");
        assert_eq!(comparable("admin%3Bv"), "admin");
        assert_eq!(comparable("Admin"), "Admin");
    }

    proptest! {
        #[test]
        fn no_decoding_of_an_accepted_path_climbs(path in "/(\\.|%2[eEfF5]|%25|;|/|[a-z]|%[0-9a-f]{2}|\\\\){0,12}") {
            if let Ok(taken) = check(&path) {
                let mut text = path.clone();
                for _ in 0..3 {
                    let inside = text.strip_suffix('/').unwrap_or(&text).strip_prefix('/').unwrap_or_default();
                    prop_assert!(!inside.split('/').any(|segment| matches!(name(segment), "." | "..")), "{text}");
                    prop_assert!(inside.is_empty() || !inside.split('/').any(|segment| name(segment).is_empty()), "{text}");
                    let mut ignored = PathExceptions::default();
                    match decode(text.as_bytes(), Malformed::Kept, &mut ignored) {
                        Ok(next) => text = next,
                        Err(_) => break,
                    }
                }
                if taken == PathExceptions::NONE {
                    // Decoding changes no separator: the segments stay the same in number.
                    prop_assert_eq!(path.matches('/').count(), decoded(&path).matches('/').count());
                }
            }
        }

        #[test]
        fn any_text_has_a_defined_outcome(path in "\\PC{0,40}") {
            let _ = check(&path);
        }
    }
}
