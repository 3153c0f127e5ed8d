//! One pass over the bytes. Strings are unescaped in place: the unescaped form is never longer, and what is left over
//! becomes spaces, so that the whole buffer is still the text that all nodes point into.
//!
//! UTF-8 is checked once, at the end, for the whole buffer. Unescaping before that hides no bad sequence: what is written
//! is always a whole character, so bytes on either side of it stay as wrong as they were.

use std::ops::Range;

use super::{Json, JsonError, JsonProblem, Kind, MAX_DEPTH, Node};

/// Up to this many members of an object are compared each with each; more are sorted, so that no document takes
/// quadratic time.
const COMPARED_PAIRWISE: usize = 16;

pub(super) fn parse(bytes: Vec<u8>) -> Result<Json, JsonError> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(JsonError { problem: JsonProblem::Size, at: 0 });
    }
    // A claims set has about one node for eight bytes.
    let nodes = Vec::with_capacity(bytes.len() / 8 + 4);
    let mut parser = Parser { bytes, at: 0, nodes };
    parser.skip_white_space();
    parser.value(0)?;
    parser.skip_white_space();
    if parser.at != parser.bytes.len() {
        return Err(parser.error(JsonProblem::Trailing));
    }
    let text = String::from_utf8(parser.bytes)
        .map_err(|error| JsonError { problem: JsonProblem::Utf8, at: error.utf8_error().valid_up_to() })?;
    Ok(Json { text, nodes: parser.nodes })
}

struct Parser {
    bytes: Vec<u8>,
    at: usize,
    nodes: Vec<Node>,
}

impl Parser {
    /// Calls itself at most [`MAX_DEPTH`] deep.
    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        match self.peek()? {
            b'"' => self.string(),
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.literal(b"true", Kind::True),
            b'f' => self.literal(b"false", Kind::False),
            b'n' => self.literal(b"null", Kind::Null),
            _ => Err(self.error(JsonProblem::Byte)),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), JsonError> {
        let node = self.open(Kind::Object, depth)?;
        let mut members = 0;
        if !self.closes(b'}')? {
            loop {
                if self.peek()? != b'"' {
                    return Err(self.error(JsonProblem::Byte));
                }
                self.string()?;
                self.skip_white_space();
                if self.peek()? != b':' {
                    return Err(self.error(JsonProblem::Byte));
                }
                self.at += 1;
                self.skip_white_space();
                self.value(depth + 1)?;
                members += 1;
                if self.ends(b'}')? {
                    break;
                }
            }
        }
        self.close(node);
        self.refuse_duplicates(node, members)
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        let node = self.open(Kind::Array, depth)?;
        if !self.closes(b']')? {
            loop {
                self.value(depth + 1)?;
                if self.ends(b']')? {
                    break;
                }
            }
        }
        self.close(node);
        Ok(())
    }

    fn open(&mut self, kind: Kind, depth: usize) -> Result<usize, JsonError> {
        if depth == MAX_DEPTH {
            return Err(self.error(JsonProblem::Depth));
        }
        let node = self.nodes.len();
        self.push(kind, self.at, self.at);
        self.at += 1;
        self.skip_white_space();
        Ok(node)
    }

    fn close(&mut self, node: usize) {
        let (end, next) = (offset(self.at), offset(self.nodes.len()));
        self.nodes[node].end = end;
        self.nodes[node].next = next;
    }

    /// Steps over `bracket`, if it follows.
    fn closes(&mut self, bracket: u8) -> Result<bool, JsonError> {
        let closes = self.peek()? == bracket;
        self.at += usize::from(closes);
        Ok(closes)
    }

    /// Behind a value: steps over the comma or the closing bracket, and says whether it was the bracket.
    fn ends(&mut self, bracket: u8) -> Result<bool, JsonError> {
        self.skip_white_space();
        match self.peek()? {
            b',' => {
                self.at += 1;
                self.skip_white_space();
                Ok(false)
            }
            byte if byte == bracket => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(self.error(JsonProblem::Byte)),
        }
    }

    fn refuse_duplicates(&self, object: usize, members: usize) -> Result<(), JsonError> {
        if members < 2 {
            return Ok(());
        }
        let name = |at: &usize| self.nodes.get(*at);
        // Behind a name is its value, and behind that the next name.
        let next = |at: &usize| self.nodes.get(name(at)?.next as usize).map(|value| value.next as usize);
        let names = std::iter::successors(Some(object + 1), next)
            .take(members)
            .filter_map(|at| name(&at).map(|node| node.start as usize..node.end as usize));
        let duplicate = if members <= COMPARED_PAIRWISE {
            let mut prints = [0; COMPARED_PAIRWISE];
            let mut alike = false;
            for (count, name) in names.clone().enumerate() {
                let print = fingerprint(&self.bytes, name);
                alike |= prints[..count].contains(&print);
                prints[count] = print;
            }
            alike && {
                let names: Vec<&[u8]> = names.map(|name| &self.bytes[name]).collect();
                names.iter().enumerate().any(|(count, name)| names[..count].contains(name))
            }
        } else {
            let mut sorted: Vec<&[u8]> = names.map(|name| &self.bytes[name]).collect();
            sorted.sort_unstable();
            sorted.windows(2).any(|pair| pair[0] == pair[1])
        };
        if duplicate {
            return Err(JsonError { problem: JsonProblem::Duplicate, at: self.nodes[object].start as usize });
        }
        Ok(())
    }

    /// At the opening quote.
    #[inline]
    fn string(&mut self) -> Result<(), JsonError> {
        let start = self.at + 1;
        self.at = plain_end(&self.bytes, start);
        if self.bytes.get(self.at) == Some(&b'"') {
            self.push(Kind::String, start, self.at);
            self.at += 1;
            return Ok(());
        }
        match self.peek()? {
            b'\\' => self.escaped_string(start),
            _ => Err(self.error(JsonProblem::Control)),
        }
    }

    /// At the first backslash of a string that began at `start`: moves what follows to the left as it gets shorter.
    #[cold]
    fn escaped_string(&mut self, start: usize) -> Result<(), JsonError> {
        let mut written = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    let character = self.escape()?;
                    written += character.encode_utf8(&mut self.bytes[written..]).len();
                }
                0..0x20 => return Err(self.error(JsonProblem::Control)),
                _ => {
                    let plain = self.at;
                    self.at = plain_end(&self.bytes, plain);
                    self.bytes.copy_within(plain..self.at, written);
                    written += self.at - plain;
                }
            }
        }
        self.push(Kind::String, start, written);
        self.bytes[written..self.at].fill(b' ');
        self.at += 1;
        Ok(())
    }

    /// At a backslash: the character that the escape stands for. Each escape is at least as long as the character's UTF-8.
    fn escape(&mut self) -> Result<char, JsonError> {
        self.at += 1;
        let character = match self.peek()? {
            escaped @ (b'"' | b'\\' | b'/') => char::from(escaped),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return Err(self.error(JsonProblem::Escape)),
        };
        self.at += 1;
        Ok(character)
    }

    /// At the `u` of `\u`.
    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        let lone = JsonError { problem: JsonProblem::Surrogate, at: start };
        let first = self.hexadecimal()?;
        let code = match first {
            0xd800..0xdc00 => {
                if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                    return Err(lone);
                }
                self.at += 1;
                let second = self.hexadecimal()?;
                if !(0xdc00..0xe000).contains(&second) {
                    return Err(lone);
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            _ => first,
        };
        char::from_u32(code).ok_or(lone)
    }

    /// At the `u` of `\u`: the value of the four digits behind it.
    fn hexadecimal(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            self.at += 1;
            let digit = char::from(self.peek()?).to_digit(16).ok_or_else(|| self.error(JsonProblem::Escape))?;
            code = code << 4 | digit;
        }
        self.at += 1;
        Ok(code)
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        if self.bytes[self.at] == b'-' {
            self.at += 1;
        }
        match self.peek()? {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        let exponent = matches!(self.bytes.get(self.at), Some(b'e' | b'E'));
        if exponent {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        // The largest double has 309 digits.
        if (exponent || self.at - start >= 309) && !self.is_finite(start) {
            return Err(JsonError { problem: JsonProblem::Range, at: start });
        }
        self.push(Kind::Number, start, self.at);
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        if !self.peek()?.is_ascii_digit() {
            return Err(self.error(JsonProblem::Byte));
        }
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        Ok(())
    }

    fn is_finite(&self, start: usize) -> bool {
        let text = std::str::from_utf8(&self.bytes[start..self.at]);
        text.is_ok_and(|text| text.parse::<f64>().is_ok_and(f64::is_finite))
    }

    fn literal(&mut self, text: &[u8], kind: Kind) -> Result<(), JsonError> {
        let start = self.at;
        for expected in text {
            if self.peek()? != *expected {
                return Err(self.error(JsonProblem::Byte));
            }
            self.at += 1;
        }
        self.push(kind, start, self.at);
        Ok(())
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        let next = offset(self.nodes.len() + 1);
        self.nodes.push(Node { kind, start: offset(start), end: offset(end), next });
    }

    fn skip_white_space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Result<u8, JsonError> {
        self.bytes.get(self.at).copied().ok_or_else(|| self.error(JsonProblem::End))
    }

    const fn error(&self, problem: JsonProblem) -> JsonError {
        JsonError { problem, at: self.at }
    }
}

/// Where, from `at` on, the next byte of a string is that means something, or the end. Eight bytes at a time: strings are
/// most of a token.
fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let marks = meaningful(u64::from_le_bytes(*eight));
        if marks != 0 {
            return at + marks.trailing_zeros() as usize / 8;
        }
        at += eight.len();
    }
    while bytes.get(at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)) {
        at += 1;
    }
    at
}

/// The first eight bytes of a name: equal names have equal ones, and comparing a number costs nothing. They are read at
/// once, and what of them is not the name's is shifted out.
fn fingerprint(text: &[u8], name: Range<usize>) -> u64 {
    let rest = text.get(name.start..).unwrap_or_default();
    let eight = rest.first_chunk().copied().unwrap_or_else(|| {
        let mut last = [0; 8];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        last
    });
    match name.len() {
        0 => 0,
        length => u64::from_le_bytes(eight) << (64 - 8 * length.min(8)),
    }
}

/// Eight times the byte 1.
const ONES: u64 = u64::from_le_bytes([1; 8]);

/// Marks, in the highest bit of each, the bytes of `word` that are below `bound`, at most 128.
const fn below(word: u64, bound: u64) -> u64 {
    word.wrapping_sub(ONES * bound) & !word
}

/// Marks the bytes of `word` that are a quote, a backslash or a control character, by their highest bit. Above the lowest
/// mark there may be wrong ones: a subtraction borrows upwards only.
const fn meaningful(word: u64) -> u64 {
    let quote = word ^ (ONES * 0x22);
    let backslash = word ^ (ONES * 0x5c);
    (below(quote, 1) | below(backslash, 1) | below(word, 0x20)) & (ONES * 0x80)
}

/// Offsets into the text and the nodes fit: [`parse`] has refused longer documents, and no value is shorter than a byte.
#[expect(clippy::cast_possible_truncation, reason = "no document is longer than u32::MAX")]
const fn offset(value: usize) -> u32 {
    value as u32
}
