//! The rows of a file: comma-separated values (RFC 4180), or JSON Lines, in UTF-8, with a byte order mark or without.
//!
//! 1. The first line of comma-separated values names the columns. An unknown one is refused, and so is one that is there
//!    twice, and a file without `email` or `password_hash`. A row is bad if it has not as many fields as there are columns.
//! 2. A line of JSON is an object, strictly: no member twice. It is bad if it has a member that is unknown.
//! 3. A row without an end is not read into memory: past a mebibyte the file is given up.

use std::{
    fmt,
    io::{BufRead, BufReader, Read},
};

use csv::{ByteRecord, Reader, ReaderBuilder};
use serde_json::{Map, Value};

use super::{
    Format,
    lines::{Lines, Noting},
    member::{Members, NEEDED},
};
use crate::{
    accounts::store::NewMember,
    cli::bounded::{Allowance, Bounded},
    jwt::Json,
};

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What a row says. Lines are counted from 1.
pub(super) enum Row {
    Good { line: u64, member: Box<NewMember> },
    Bad { line: u64, mistake: String },
}

/// The rows of a file, one after the other.
pub(super) struct Rows<'a, R> {
    source: Source<R>,
    allowance: Allowance,
    members: Members<'a>,
}

enum Source<R> {
    Csv { reader: Reader<Bounded<Noting<R>>>, lines: Lines, columns: Vec<String>, record: ByteRecord },
    Jsonl { reader: BufReader<Bounded<R>>, line: u64 },
}

/// Why a file cannot be read any further.
#[derive(Debug)]
pub(super) struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'a, R: Read> Rows<'a, R> {
    /// Reads the headings, if there are any.
    pub(super) fn read(format: Format, file: R, members: Members<'a>) -> Result<Self, Unreadable> {
        if format == Format::Jsonl {
            let (file, allowance) = Bounded::new(file);
            return Ok(Self { source: Source::Jsonl { reader: BufReader::new(file), line: 0 }, allowance, members });
        }
        let (file, lines) = Noting::new(file);
        let (file, allowance) = Bounded::new(file);
        let mut reader = ReaderBuilder::new().has_headers(true).flexible(true).from_reader(file);
        let headings = reader.headers().map_err(|error| Unreadable(error.to_string()))?;
        let columns: Vec<String> = headings.iter().map(|heading| heading.trim().to_owned()).collect();
        check(&columns, &members).map_err(Unreadable)?;
        let source = Source::Csv { reader, lines, columns, record: ByteRecord::new() };
        Ok(Self { source, allowance, members })
    }
}

fn check(columns: &[String], members: &Members<'_>) -> Result<(), String> {
    for (at, column) in columns.iter().enumerate() {
        if !members.knows(column) {
            let names = members.names();
            return Err(format!("the first line has {column:?}, which is no heading; there are {names}"));
        }
        if columns.iter().take(at).any(|other| other == column) {
            return Err(format!("the first line has the heading `{column}` twice"));
        }
    }
    match NEEDED.into_iter().find(|needed| !columns.iter().any(|column| column == needed)) {
        Some(missing) => Err(format!("the first line has no heading `{missing}`")),
        None => Ok(()),
    }
}

impl<R: Read> Iterator for Rows<'_, R> {
    type Item = Result<Row, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        self.allowance.refill();
        let (line, values) = match &mut self.source {
            Source::Csv { reader, lines, columns, record } => match reader.read_byte_record(record) {
                Ok(false) => return None,
                Ok(true) => {
                    let line = lines.of(record.position().map_or(0, csv::Position::byte));
                    (line, fields(columns, record, &self.members))
                }
                Err(error) => return Some(Err(Unreadable(error.to_string()))),
            },
            Source::Jsonl { reader, line } => match next_line(reader, line) {
                Ok(None) => return None,
                Ok(Some(bytes)) => (*line, object(bytes, &self.members)),
                Err(error) => return Some(Err(Unreadable(error.to_string()))),
            },
        };
        let row = match values.and_then(|values| self.members.member(values)) {
            Ok(member) => Row::Good { line, member: Box::new(member) },
            Err(mistake) => Row::Bad { line, mistake },
        };
        Some(Ok(row))
    }
}

fn fields(columns: &[String], record: &ByteRecord, members: &Members<'_>) -> Result<Map<String, Value>, String> {
    if record.len() != columns.len() {
        return Err(format!("it has {} fields, and the first line has {}", record.len(), columns.len()));
    }
    let mut values = Map::new();
    for (column, field) in columns.iter().zip(record) {
        let text = std::str::from_utf8(field).map_err(|_| format!("`{column}` is not UTF-8"))?;
        values.extend(members.typed(column, text)?.map(|value| (column.clone(), value)));
    }
    Ok(values)
}

/// The next line that is not empty. `line`: which the last one was.
fn next_line(reader: &mut impl BufRead, line: &mut u64) -> std::io::Result<Option<Vec<u8>>> {
    loop {
        let mut bytes = Vec::new();
        if reader.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        if *line == 0 && bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        *line += 1;
        if !bytes.trim_ascii().is_empty() {
            return Ok(Some(bytes));
        }
    }
}

fn object(bytes: Vec<u8>, members: &Members<'_>) -> Result<Map<String, Value>, String> {
    let json = Json::parse(bytes).map_err(|error| format!("it is no JSON: {error}"))?;
    let Value::Object(values) = json.root().to_json() else { return Err("it is no JSON object".to_owned()) };
    if let Some(unknown) = values.keys().find(|name| !members.knows(name)) {
        return Err(format!("it has {unknown:?}, which is no member; there are {}", members.names()));
    }
    if !values.contains_key("password_hash") {
        return Err("it has no `password_hash`; of a user without a password it is null".to_owned());
    }
    Ok(values)
}

#[cfg(test)]
mod tests;
