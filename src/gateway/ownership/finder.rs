//! Finds the value that a JSON pointer names (RFC 6901) in a document (RFC 8259) that comes in pieces.
//!
//! 1. The document is looked at byte by byte, and of it nothing is kept but its open brackets, a member's name while it
//!    may be the one that is looked for, and the value itself.
//! 2. Of two members of the same name the first one counts, for what comes later may never come.
//! 3. The value is a string of 1 to 256 bytes without control characters, or an integer. Nothing else names a resource.
//! 4. What is passed over is only read as far as its end has to be found: a number may be malformed there.

/// Brackets that are open at once.
const DEEPEST: usize = 128;
/// Of a value, in bytes.
const LONGEST_VALUE: usize = 256;
/// What an escape makes of one byte, at the longest: `\u0000`.
const LONGEST_ESCAPE: usize = 6;

/// Looks for one value in one document.
#[derive(Debug)]
pub(super) struct Finder {
    /// The pointer's reference tokens, unescaped.
    tokens: Box<[String]>,
    /// How many of them have been followed.
    followed: usize,
    /// In an array on the way: the index of the element to come.
    index: usize,
    /// In an object on the way: whether the name was the right one.
    named: bool,
    open: Vec<Bracket>,
    state: State,
    captured: Vec<u8>,
}

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotFound {
    /// The document is no JSON, or nested too deeply.
    Malformed,
    /// It has nothing there.
    Absent,
    /// What is there names no resource.
    Unusable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Object,
    Array,
}

/// What comes next, or what it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Value,
    ElementOrEnd,
    NameOrEnd,
    Name,
    Colon,
    CommaOrEnd,
    String { what: What, escaped: bool },
    Scalar { wanted: bool },
}

/// What a string is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// The name of a member.
    Name,
    /// A value that is passed over.
    Value,
    /// What is looked for.
    Wanted,
}

impl Finder {
    /// Looks for what `pointer` names, which begins with a `/`.
    pub(super) fn new(pointer: &str) -> Self {
        let tokens = pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"));
        Self {
            tokens: tokens.collect(),
            followed: 0,
            index: 0,
            named: false,
            open: Vec::new(),
            state: State::Value,
            captured: Vec::new(),
        }
    }

    /// Goes on with `bytes`: the value, or `None` if more has to come. It is not asked again after anything else.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Option<String>, NotFound> {
        for byte in bytes {
            if let Some(value) = self.step(*byte)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn step(&mut self, byte: u8) -> Result<Option<String>, NotFound> {
        match self.state {
            State::String { what, escaped } => return self.in_string(byte, what, escaped),
            State::Scalar { wanted } => return self.in_scalar(byte, wanted),
            _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => {}
            State::Value => self.begin_value(byte)?,
            State::ElementOrEnd if byte == b']' => self.close(Bracket::Array)?,
            State::ElementOrEnd => self.begin_value(byte)?,
            State::NameOrEnd if byte == b'}' => self.close(Bracket::Object)?,
            State::NameOrEnd | State::Name if byte == b'"' => self.begin_string(What::Name),
            State::Colon if byte == b':' => self.state = State::Value,
            State::CommaOrEnd => self.comma_or_end(byte)?,
            State::NameOrEnd | State::Name | State::Colon => return Err(NotFound::Malformed),
        }
        Ok(None)
    }

    /// Whether what is open innermost is on the way, and everything before it.
    fn is_on_the_way(&self) -> bool {
        self.open.len() == self.followed + 1
    }

    /// Whether the value that begins now is the next one on the way: its name was the right one, or its index is. The
    /// document itself always is.
    fn is_next(&self) -> bool {
        match self.open.last() {
            None => true,
            Some(Bracket::Object) => self.is_on_the_way() && self.named,
            Some(Bracket::Array) => {
                self.is_on_the_way()
                    && self.tokens.get(self.followed).is_some_and(|token| *token == self.index.to_string())
            }
        }
    }

    fn begin_value(&mut self, byte: u8) -> Result<(), NotFound> {
        let next = self.is_next();
        let inside = !self.open.is_empty();
        let wanted = next && inside && self.followed + 1 == self.tokens.len();
        match byte {
            b'{' | b'[' if wanted => return Err(NotFound::Unusable),
            b'{' => self.open(Bracket::Object, next && inside)?,
            b'[' => self.open(Bracket::Array, next && inside)?,
            b'"' if wanted => self.begin_string(What::Wanted),
            b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n' if next && !wanted => return Err(NotFound::Absent),
            b'"' => self.begin_string(What::Value),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                self.captured.clear();
                self.captured.push(byte);
                self.state = State::Scalar { wanted };
            }
            _ => return Err(NotFound::Malformed),
        }
        Ok(())
    }

    fn open(&mut self, bracket: Bracket, follows: bool) -> Result<(), NotFound> {
        if self.open.len() == DEEPEST {
            return Err(NotFound::Malformed);
        }
        if follows {
            self.followed += 1;
        }
        self.open.push(bracket);
        if self.is_on_the_way() {
            self.index = 0;
        }
        self.state = if bracket == Bracket::Object { State::NameOrEnd } else { State::ElementOrEnd };
        Ok(())
    }

    /// Once the innermost bracket on the way closes, there is nothing more to be found.
    fn close(&mut self, bracket: Bracket) -> Result<(), NotFound> {
        if self.is_on_the_way() {
            return Err(NotFound::Absent);
        }
        match self.open.pop() {
            Some(open) if open == bracket => {
                self.state = State::CommaOrEnd;
                Ok(())
            }
            _ => Err(NotFound::Malformed),
        }
    }

    fn comma_or_end(&mut self, byte: u8) -> Result<(), NotFound> {
        match (byte, self.open.last()) {
            (b',', Some(Bracket::Object)) => self.state = State::Name,
            (b',', Some(Bracket::Array)) => {
                if self.is_on_the_way() {
                    self.index += 1;
                }
                self.state = State::Value;
            }
            (b'}', Some(Bracket::Object)) => self.close(Bracket::Object)?,
            (b']', Some(Bracket::Array)) => self.close(Bracket::Array)?,
            _ => return Err(NotFound::Malformed),
        }
        Ok(())
    }

    fn begin_string(&mut self, what: What) {
        self.captured.clear();
        self.captured.push(b'"');
        self.state = State::String { what, escaped: false };
    }

    fn in_string(&mut self, byte: u8, what: What, escaped: bool) -> Result<Option<String>, NotFound> {
        if byte < b' ' {
            return Err(NotFound::Malformed);
        }
        self.capture(byte, what)?;
        if escaped || byte != b'"' {
            self.state = State::String { what, escaped: !escaped && byte == b'\\' };
            return Ok(None);
        }
        self.state = match what {
            What::Wanted => return self.string().map(Some),
            What::Value => State::CommaOrEnd,
            What::Name => {
                if self.is_on_the_way() {
                    let name = serde_json::from_slice::<String>(&self.captured).ok();
                    self.named = name.is_some() && name.as_ref() == self.tokens.get(self.followed);
                }
                State::Colon
            }
        };
        Ok(None)
    }

    /// Keeps what may be needed of a string. A name that is cut off has no end, and is not the right one.
    fn capture(&mut self, byte: u8, what: What) -> Result<(), NotFound> {
        let longest = match what {
            What::Name if self.is_on_the_way() => self.tokens.get(self.followed).map_or(0, String::len),
            What::Wanted => LONGEST_VALUE,
            What::Name | What::Value => return Ok(()),
        };
        if self.captured.len() < longest * LONGEST_ESCAPE + 2 {
            self.captured.push(byte);
        } else if what == What::Wanted {
            return Err(NotFound::Unusable);
        }
        Ok(())
    }

    fn string(&self) -> Result<String, NotFound> {
        let value: String = serde_json::from_slice(&self.captured).map_err(|_| NotFound::Malformed)?;
        let usable = (1..=LONGEST_VALUE).contains(&value.len()) && !value.chars().any(char::is_control);
        if usable { Ok(value) } else { Err(NotFound::Unusable) }
    }

    fn in_scalar(&mut self, byte: u8, wanted: bool) -> Result<Option<String>, NotFound> {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.') {
            if wanted {
                if self.captured.len() == LONGEST_VALUE {
                    return Err(NotFound::Unusable);
                }
                self.captured.push(byte);
            }
            return Ok(None);
        }
        if wanted {
            return self.integer().map(Some);
        }
        self.state = State::CommaOrEnd;
        self.step(byte)
    }

    fn integer(&self) -> Result<String, NotFound> {
        let text = std::str::from_utf8(&self.captured).map_err(|_| NotFound::Malformed)?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        let canonical = digits == "0" || (!digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()));
        if canonical && !digits.is_empty() { Ok(text.to_owned()) } else { Err(NotFound::Unusable) }
    }
}

#[cfg(test)]
mod tests;
