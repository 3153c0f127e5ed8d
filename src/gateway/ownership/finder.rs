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
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// What is found in pieces of this size; `None` if the document ends first.
    fn find_in_pieces(document: &[u8], pointer: &str, size: usize) -> Result<Option<String>, NotFound> {
        let mut finder = Finder::new(pointer);
        for piece in document.chunks(size) {
            if let Some(found) = finder.feed(piece)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    #[track_caller]
    fn find(document: &str, pointer: &str) -> Result<Option<String>, NotFound> {
        let whole = find_in_pieces(document.as_bytes(), pointer, usize::MAX);
        for size in [1, 2, 3, 7] {
            assert_eq!(find_in_pieces(document.as_bytes(), pointer, size), whole, "{document} in pieces of {size}");
        }
        whole
    }

    #[track_caller]
    fn finds(document: &str, pointer: &str, value: &str) {
        assert_eq!(find(document, pointer), Ok(Some(value.to_owned())), "{pointer} of {document}");
    }

    #[test]
    fn a_value_is_found_wherever_it_stands() {
        finds(r#"{"uuid":"a"}"#, "/uuid", "a");
        finds(r#" { "x" : [1, {"uuid":"no"}, "uuid"], "uuid" : "a" , "y":2}"#, "/uuid", "a");
        finds(r#"{"data":{"x":{"id":0},"id":-12}}"#, "/data/id", "-12");
        finds(r#"[[1],{"id":"no"},{"id":"b"}]"#, "/2/id", "b");
        finds(r#"{"list":[[1,2],"no","c"]}"#, "/list/2", "c");
        finds(r#"{"list":[[1,[2,3]],"no"]}"#, "/list/0/1/0", "2");
        finds(r#"{"0":"zero"}"#, "/0", "zero");
        finds(r#"{"":{"":"e"}}"#, "//", "e");
        finds(r#"{"a/b":{"m~n":"x"}}"#, "/a~1b/m~0n", "x");
        finds(r#"{"~1":"x"}"#, "/~01", "x");
        finds(r#"{"\u0075uid":"\u00e9\""}"#, "/uuid", "é\"");
        finds("{\"id\":7}", "/id", "7");
        finds("{\"id\":0\n}", "/id", "0");
    }

    #[test]
    fn the_first_of_two_counts() {
        finds(r#"{"id":"first","id":"second"}"#, "/id", "first");
        assert_eq!(find(r#"{"data":{"x":1},"data":{"id":"second"}}"#, "/data/id"), Err(NotFound::Absent));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for (document, pointer) in [
            ("{}", "/id"),
            ("[]", "/0"),
            (r#"{"x":{"id":"a"}}"#, "/id"),
            (r#"{"id":"a"}"#, "/id/x"),
            (r#"{"id":[]}"#, "/id/0"),
            (r#"["a"]"#, "/1"),
            (r#"["a"]"#, "/00"),
            (r#"["a"]"#, "/-"),
            (r#"{"idx":"a","i":"b","ID":"c"}"#, "/id"),
            (r#""id""#, "/id"),
            ("1", "/id"),
            ("null", "/id"),
        ] {
            assert_eq!(find(document, pointer), Err(NotFound::Absent), "{pointer} of {document}");
        }
    }

    #[test]
    fn a_value_that_names_nothing_is_unusable() {
        let long = format!("\"{}\"", "x".repeat(257));
        let digits = "1".repeat(257);
        for value in ["\"\"", "null", "true", "1.5", "1e3", "01", "-", "{}", "[]", r#""a\u0000""#, &*long, &*digits] {
            assert_eq!(find(&format!("{{\"id\":{value}}}"), "/id"), Err(NotFound::Unusable), "{value}");
        }
        let longest = "é".repeat(128);
        finds(&format!("{{\"id\":\"{longest}\"}}"), "/id", &longest);
        finds(&format!("{{\"id\":\"{}\"}}", r"\u0061".repeat(256)), "/id", &"a".repeat(256));
    }

    #[test]
    fn what_is_no_json_is_said_to_be_none() {
        let deep = "[".repeat(DEEPEST + 1);
        for document in
            ["<html>", "id", "{id:1}", "{\"a\" 1}", "{\"a\":1]", "[1}", "[,1]", "{,}", "{\"a\":\"\n\"}", "}", &*deep]
        {
            assert_eq!(find(document, "/id/x"), Err(NotFound::Malformed), "{document}");
        }
        assert_eq!(find(r#"{"id":"\x"}"#, "/id"), Err(NotFound::Malformed));
    }

    #[test]
    fn while_it_may_come_nothing_is_said() {
        for document in ["", "{", "{\"id\"", "{\"id\":\"a", "{\"id\":12", "[[[[", "{\"x\":\"\\\""] {
            assert_eq!(find(document, "/id"), Ok(None), "{document}");
        }
    }

    #[test]
    fn of_what_is_passed_over_nothing_is_kept() {
        let mut finder = Finder::new("/id");
        finder.feed(b"{\"image\":\"").unwrap();
        for _ in 0..1000 {
            finder.feed(&[b'x'; 10_000]).unwrap();
        }
        finder.feed(b"\",\"").unwrap();
        for _ in 0..1000 {
            finder.feed(&[b'y'; 10_000]).unwrap();
        }
        assert!(finder.captured.capacity() < 64 && finder.open.capacity() < 64);
        assert_eq!(finder.feed(b"\":0,\"id\":\"a\"").unwrap().as_deref(), Some("a"));
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-c\"\\\\/~é\n]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec(("[ab\"/~é]{0,2}", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_finds_what_a_whole_parser_finds(
            document in documents(),
            pointer in "(/([ab\"é]|~0|~1|[0-3]){0,2}){1,3}",
            size in 1_usize..8,
        ) {
            let text = document.to_string();
            let expected = document.pointer(&pointer).and_then(|value| match value {
                Value::String(text) if !text.is_empty() && !text.contains('\n') => Some(text.clone()),
                Value::Number(number) if !number.is_f64() => Some(number.to_string()),
                _ => None,
            });
            let found = find_in_pieces(text.as_bytes(), &pointer, size);
            prop_assert_ne!(&found, &Err(NotFound::Malformed));
            prop_assert_eq!(found.ok().flatten(), expected, "{} of {}", pointer, text);
        }

        #[test]
        fn it_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64), pointer in "(/[a-c0-2]{0,1}){1,3}") {
            let _ = find_in_pieces(&bytes, &pointer, 3);
        }

        #[test]
        fn nor_with_brackets_and_quotes(text in "[\\[\\]{}\",:a01 \\\\-]{0,40}", pointer in "(/[a0]{0,1}){1,3}") {
            let _ = find_in_pieces(text.as_bytes(), &pointer, 1);
        }
    }
}
