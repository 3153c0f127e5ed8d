//! Texts of a stranger in a gateway.toml: whatever they are, they change nothing but themselves.

use std::fmt::Write as _;

/// A comment is cut behind this many characters.
const LONGEST: usize = 240;

/// A basic string (TOML 1.0) that `gateway.toml` reads as `text`: `${` is escaped too.
pub(super) fn string(text: &str) -> String {
    let mut written = String::from("\"");
    for character in text.replace("${", "$${").chars() {
        match character {
            '"' | '\\' => written.extend(['\\', character]),
            character if is_unseen(character) => {
                // Writing to a string does not fail.
                let _ = write!(written, "\\U{:08X}", u32::from(character));
            }
            character => written.push(character),
        }
    }
    written + "\""
}

/// A list of strings.
pub(super) fn strings(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| string(text)).collect::<Vec<_>>().join(", "))
}

/// A line of comment: what would end or hide it is a space, and so are several spaces.
pub(super) fn comment(text: &str) -> String {
    let text: String = text.chars().map(|one| if is_unseen(one) { ' ' } else { one }).collect();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line = format!("# {}", words.chars().take(LONGEST).collect::<String>());
    if words.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line.push('\n');
    line
}

/// Control characters, and those that are not seen but change how others are (Unicode Bidirectional Algorithm §2).
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_read_as_it_was() {
        assert_eq!(string("a \"b\" \\ ${HOME} é"), r#""a \"b\" \\ $${HOME} é""#);
        assert_eq!(string("a\n\u{202e}"), r#""a\U0000000A\U0000202E""#);
        assert_eq!(strings(&["a".to_owned(), "b".to_owned()]), "[\"a\", \"b\"]");
    }

    #[test]
    fn a_comment_is_one_line() {
        assert_eq!(comment("a\r\n[[route]]\u{2028}\u{85}b  c\u{0}"), "# a [[route]] b c\n");
        assert_eq!(comment(&"x".repeat(300)).chars().count(), LONGEST + 4);
    }
}
