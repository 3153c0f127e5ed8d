//! The rows of a file to import: comma-separated values (RFC 4180), in UTF-8.
//!
//! 1. The first line names the columns. `resource` and `subject` are needed; `ownership` and `issuer` are chosen on the
//!    command line where they are no columns. An unknown column is refused, and so is one that is there twice.
//! 2. A row is bad, and left out, if it has not as many fields as there are columns, if a field is empty, longer than a
//!    kibibyte, no UTF-8 or has control characters, or if it names what the configuration does not have. Nothing is
//!    trimmed: an identifier that differs in anything is another one.
//! 3. A row without an end (a quotation mark too many) is not read into memory: past a mebibyte the file is given up.

use std::{fmt, io};

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::super::bounded::{Allowance, Bounded};
use crate::authz::ownership::OwnershipRecord;

const COLUMNS: [&str; 4] = ["resource", "subject", "ownership", "issuer"];
/// In bytes. PostgreSQL's index takes 2,700 of a row.
const LONGEST_FIELD: usize = 1024;

/// What the configuration has, and what stands for a column that is not there.
pub(super) struct Names {
    pub(super) ownerships: Vec<String>,
    pub(super) issuers: Vec<String>,
    pub(super) ownership: Option<String>,
    pub(super) issuer: Option<String>,
}

/// What a row says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Row {
    Good(OwnershipRecord),
    /// Counted from 1.
    Bad {
        line: u64,
        mistake: String,
    },
}

/// The rows of a file, one after the other.
pub(super) struct Rows<R> {
    reader: Reader<Bounded<R>>,
    left: Allowance,
    record: ByteRecord,
    columns: Vec<String>,
    names: Names,
}

/// Why a file cannot be read any further.
#[derive(Debug)]
pub(super) struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<csv::Error> for Unreadable {
    fn from(error: csv::Error) -> Self {
        Self(error.to_string())
    }
}

impl<R: io::Read> Rows<R> {
    /// Reads the headings.
    pub(super) fn read(file: R, mut names: Names) -> Result<Self, Unreadable> {
        let (bounded, left) = Bounded::new(file);
        let mut reader = ReaderBuilder::new().has_headers(true).flexible(true).from_reader(bounded);
        let headings = reader.headers()?;
        let columns: Vec<String> = headings.iter().map(|heading| heading.trim().to_owned()).collect();
        if let Some(unknown) = columns.iter().find(|column| !COLUMNS.contains(&column.as_str())) {
            return Err(Unreadable(format!(
                "the first line has {unknown:?}, which is no heading; there are {}",
                COLUMNS.join(", ")
            )));
        }
        let count = |name: &str| columns.iter().filter(|column| *column == name).count();
        if let Some(twice) = COLUMNS.into_iter().find(|name| count(name) > 1) {
            return Err(Unreadable(format!("the first line has the heading `{twice}` twice")));
        }
        if let Some(missing) = ["resource", "subject"].into_iter().find(|name| count(name) == 0) {
            return Err(Unreadable(format!("the first line has no heading `{missing}`")));
        }
        for (option, known, chosen) in
            [("ownership", &names.ownerships, &mut names.ownership), ("issuer", &names.issuers, &mut names.issuer)]
        {
            match (count(option), chosen.as_deref()) {
                (0, name) => *chosen = Some(choose(&format!("--{option}"), name, known).map_err(Unreadable)?),
                (_, None) => {}
                (_, Some(_)) => {
                    return Err(Unreadable(format!("it has a column `{option}` of its own: leave --{option} out")));
                }
            }
        }
        Ok(Self { reader, left, record: ByteRecord::new(), columns, names })
    }

    fn row(&self) -> Result<OwnershipRecord, String> {
        let (fields, columns) = (self.record.len(), self.columns.len());
        if fields != columns {
            return Err(format!("it has {fields} fields, and the first line has {columns}"));
        }
        let Names { ownership, issuer, .. } = &self.names;
        let mut record = OwnershipRecord {
            ownership: ownership.clone().unwrap_or_default(),
            issuer: issuer.clone().unwrap_or_default(),
            ..OwnershipRecord::default()
        };
        for (column, value) in self.columns.iter().zip(&self.record) {
            let value = field(value).map_err(|mistake| format!("`{column}` {mistake}"))?;
            let known = match column.as_str() {
                "ownership" => Some(&self.names.ownerships),
                "issuer" => Some(&self.names.issuers),
                _ => None,
            };
            if known.is_some_and(|known| !known.contains(&value)) {
                return Err(format!("the configuration has no {column} {value:?}"));
            }
            match column.as_str() {
                "ownership" => record.ownership = value,
                "issuer" => record.issuer = value,
                "resource" => record.resource = value,
                _ => record.subject = value,
            }
        }
        Ok(record)
    }
}

impl<R: io::Read> Iterator for Rows<R> {
    type Item = Result<Row, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left.refill();
        match self.reader.read_byte_record(&mut self.record) {
            Ok(false) => None,
            Ok(true) => {
                let line = self.record.position().map_or(0, csv::Position::line);
                Some(Ok(self.row().map_or_else(|mistake| Row::Bad { line, mistake }, Row::Good)))
            }
            Err(error) => Some(Err(error.into())),
        }
    }
}

fn field(value: &[u8]) -> Result<String, &'static str> {
    let text = std::str::from_utf8(value).map_err(|_| "is not UTF-8")?;
    match text {
        "" => Err("is empty"),
        text if text.len() > LONGEST_FIELD => Err("is longer than 1 KiB"),
        text if text.chars().any(char::is_control) => Err("has control characters"),
        text => Ok(text.to_owned()),
    }
}

/// The one that is named, or the only one there is.
pub(super) fn choose(option: &str, name: Option<&str>, known: &[String]) -> Result<String, String> {
    match (name, known) {
        (None, [only]) => Ok(only.clone()),
        (Some(name), known) if known.iter().any(|one| one == name) => Ok(name.to_owned()),
        (_, []) => Err(format!("the configuration has nothing that {option} could be")),
        (_, known) => Err(format!("say {option} with one of: {}", known.join(", "))),
    }
}

/// A line that would be read as this.
pub(super) fn write(record: &OwnershipRecord, text: &mut String) {
    let OwnershipRecord { ownership, resource, issuer, subject } = record;
    for (value, end) in [(ownership, ','), (resource, ','), (issuer, ','), (subject, '\n')] {
        if value.contains([',', '"', '\n', '\r']) {
            text.push('"');
            text.push_str(&value.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(value);
        }
        text.push(end);
    }
}

#[cfg(test)]
mod tests;
