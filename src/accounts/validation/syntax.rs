//! What is wrong with JSON in the words of Python's `json`, which both frameworks pass on, and where. The strict parser has
//! said that it is wrong; this looks for what the frameworks would have said.

use super::Problem;
use crate::jwt::{JsonError, JsonProblem};

/// Why a body is not strict JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syntax {
    /// What is wrong.
    pub fault: SyntaxFault,
    /// Where, in characters from 0.
    pub at: usize,
    /// The line, from 1.
    pub line: usize,
    /// The character of the line, from 1.
    pub column: usize,
}

/// What is wrong with JSON. The texts are those of Python's `json`, up to [`Bom`](Self::Bom); then come ours, for what it
/// lets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxFault {
    /// No value where one must be.
    #[error("Expecting value")]
    Value,
    /// No name of a member where one must be.
    #[error("Expecting property name enclosed in double quotes")]
    Name,
    /// No colon behind a name.
    #[error("Expecting ':' delimiter")]
    Colon,
    /// No comma or bracket behind a value.
    #[error("Expecting ',' delimiter")]
    Comma,
    /// Something behind the value.
    #[error("Extra data")]
    Extra,
    /// A string without an end.
    #[error("Unterminated string starting at")]
    Unterminated,
    /// A raw control character in a string.
    #[error("Invalid control character at")]
    Control,
    /// A backslash with something behind it that is no escape.
    #[error("Invalid \\escape")]
    Escape,
    /// `\u` without four hexadecimal digits.
    #[error("Invalid \\uXXXX escape")]
    UnicodeEscape,
    /// A byte order mark.
    #[error("Unexpected UTF-8 BOM (decode using utf-8-sig)")]
    Bom,
    /// An object with two members of one name; it begins here.
    #[error("Duplicate property name in the object starting at")]
    Duplicate,
    /// More than 32 levels of arrays and objects.
    #[error("Nesting too deep")]
    Depth,
    /// Half of a surrogate pair.
    #[error("Lone surrogate")]
    Surrogate,
    /// A number that no double can hold.
    #[error("Number out of range")]
    Range,
    /// 4 GiB or more.
    #[error("Document too large")]
    Size,
}

/// What is wrong with `body`, which is not strict JSON.
pub(super) fn explain(body: &[u8], error: JsonError) -> Problem {
    let Ok(text) = std::str::from_utf8(body) else { return Problem::NotUtf8 };
    if text.starts_with('\u{feff}') {
        return syntax(text, SyntaxFault::Bom, 0);
    }
    let fault = match error.problem {
        JsonProblem::Duplicate => SyntaxFault::Duplicate,
        JsonProblem::Depth => SyntaxFault::Depth,
        JsonProblem::Surrogate => SyntaxFault::Surrogate,
        JsonProblem::Range => SyntaxFault::Range,
        JsonProblem::Size => SyntaxFault::Size,
        JsonProblem::End
        | JsonProblem::Byte
        | JsonProblem::Trailing
        | JsonProblem::Control
        | JsonProblem::Escape
        | JsonProblem::Utf8 => {
            let mut scan = Scan { bytes: body, at: 0 };
            let (fault, at) = scan.document().err().unwrap_or((SyntaxFault::Value, error.at));
            return syntax(text, fault, at);
        }
    };
    syntax(text, fault, error.at)
}

fn syntax(text: &str, fault: SyntaxFault, at: usize) -> Problem {
    // The scan stops at characters; the parser may stop within one.
    let before = text.get(..at.min(text.len())).unwrap_or(text);
    let (line, column) = before.chars().fold((1, 1), |(line, column), character| match character {
        '\n' => (line + 1, 1),
        _ => (line, column + 1),
    });
    Problem::Malformed(Syntax { fault, at: before.chars().count(), line, column })
}

type Found = (SyntaxFault, usize);

/// What may come next.
#[derive(Clone, Copy)]
enum Next {
    Value,
    ValueOrEnd,
    Name,
    NameOrEnd,
    CommaOrEnd,
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn document(&mut self) -> Result<(), Found> {
        let mut open = Vec::new();
        let mut next = Next::Value;
        loop {
            self.skip_white_space();
            let byte = self.peek();
            next = match (next, byte) {
                (Next::NameOrEnd, Some(b'}')) | (Next::ValueOrEnd, Some(b']')) => self.close(&mut open),
                (Next::Name | Next::NameOrEnd, _) => self.name()?,
                (Next::Value | Next::ValueOrEnd, Some(bracket @ (b'{' | b'['))) => {
                    self.at += 1;
                    open.push(bracket);
                    if bracket == b'{' { Next::NameOrEnd } else { Next::ValueOrEnd }
                }
                (Next::Value | Next::ValueOrEnd, _) => self.scalar()?,
                (Next::CommaOrEnd, byte) => match (open.last(), byte) {
                    (None, None) => return Ok(()),
                    (None, Some(_)) => return Err((SyntaxFault::Extra, self.at)),
                    (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')) => self.close(&mut open),
                    (Some(bracket), Some(b',')) => {
                        self.at += 1;
                        if *bracket == b'{' { Next::Name } else { Next::Value }
                    }
                    (Some(_), _) => return Err((SyntaxFault::Comma, self.at)),
                },
            }
        }
    }

    fn close(&mut self, open: &mut Vec<u8>) -> Next {
        self.at += 1;
        open.pop();
        Next::CommaOrEnd
    }

    fn name(&mut self) -> Result<Next, Found> {
        if self.peek() != Some(b'"') {
            return Err((SyntaxFault::Name, self.at));
        }
        self.string()?;
        self.skip_white_space();
        if self.peek() != Some(b':') {
            return Err((SyntaxFault::Colon, self.at));
        }
        self.at += 1;
        Ok(Next::Value)
    }

    fn scalar(&mut self) -> Result<Next, Found> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match rest.first() {
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => {
                let literal = [&b"null"[..], b"true", b"false"].into_iter().find(|literal| rest.starts_with(literal));
                self.at += literal.ok_or((SyntaxFault::Value, self.at))?.len();
            }
        }
        Ok(Next::CommaOrEnd)
    }

    /// At the opening quote.
    fn string(&mut self) -> Result<(), Found> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err((SyntaxFault::Unterminated, start)),
                Some(b'"') => break,
                Some(b'\\') => self.escape(start)?,
                Some(0..0x20) => return Err((SyntaxFault::Control, self.at)),
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self, start: usize) -> Result<(), Found> {
        let backslash = self.at;
        self.at += 1;
        match self.peek() {
            None => return Err((SyntaxFault::Unterminated, start)),
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 1..self.at + 5).unwrap_or_default();
                if digits.len() != 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err((SyntaxFault::UnicodeEscape, self.at));
                }
                self.at += 4;
            }
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {}
            Some(_) => return Err((SyntaxFault::Escape, backslash)),
        }
        self.at += 1;
        Ok(())
    }

    /// As much as is a number: what is left of `1.` or `01` cannot stand behind a value.
    fn number(&mut self) -> Result<(), Found> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err((SyntaxFault::Value, start)),
        }
        if self.peek() == Some(b'.') && self.is_digit(self.at + 1) {
            self.at += 1;
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.bytes.get(self.at + 1), Some(b'+' | b'-')));
            if self.is_digit(self.at + 1 + sign) {
                self.at += 1 + sign;
                self.digits();
            }
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.is_digit(self.at) {
            self.at += 1;
        }
    }

    fn is_digit(&self, at: usize) -> bool {
        self.bytes.get(at).is_some_and(u8::is_ascii_digit)
    }

    fn skip_white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}
