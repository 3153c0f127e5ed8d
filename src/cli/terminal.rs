//! What is written where: colours and boxes for a terminal, plain text for everything else.
//!
//! Text is composed with its colours; the streams take them out where there is no terminal, or `NO_COLOR` is set, and
//! leave them where `CLICOLOR_FORCE` is.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};

use super::failure::Failure;

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const FAINT: Style = Style::new().dimmed();
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();

/// A table is not squeezed into less.
const LEAST_COLUMNS: u16 = 60;

/// Writes to stdout. Nobody reading any more is fine: whoever wanted to know knows.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    is_read(text).map(drop)
}

/// Writes to stdout, and says whether somebody still reads.
pub(super) fn is_read(text: &str) -> Result<bool, Failure> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::Other(format!("cannot write to standard output: {error}"))),
    }
}

/// Writes a line to stderr. Where that is not possible, there is nobody left to tell.
pub(super) fn complain(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Rows below their headings: in a box as wide as the terminal, or as aligned text.
pub(super) fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let boxed = io::stdout().is_terminal();
    let mut table = Table::new();
    table.set_header(headings.iter().map(|heading| Cell::new(heading).add_attribute(Attribute::Bold)));
    table.add_rows(rows);
    if boxed {
        // A terminal that doesn't know its width says 0.
        let fits = table.width().is_some_and(|columns| columns >= LEAST_COLUMNS);
        let arrangement = if fits { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
        table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(arrangement);
    } else {
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.column_iter_mut().for_each(|column| {
            column.set_padding((0, 2));
        });
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A stranger's text: nothing in it moves the cursor, turns the direction of writing or hides.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) { shown.extend(character.escape_default()) } else { shown.push(character) }
    }
    shown
}

/// Control characters, and the invisible ones that change how others are shown (Unicode Bidirectional Algorithm §2).
pub(super) fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}

/// One word of a command for a POSIX shell (XCU §2.2.2).
pub(super) fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:%@+=,-".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word_in_a_shell() {
        assert_eq!(quoted("http://127.0.0.1:8080/a"), "http://127.0.0.1:8080/a");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's $(x)"), r"'it'\''s $(x)'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn what_would_act_on_a_terminal_is_escaped() {
        assert_eq!(shown("a\u{1b}[2J\u{9b}b\u{202e}\n"), r"a\u{1b}[2J\u{9b}b\u{202e}\n");
        assert_eq!(shown("Zoë 東京"), "Zoë 東京");
    }
}
