//! A record as a line.
//!
//! - JSON: one object; what is not known is left out. Control characters and the separators of lines and paragraphs that
//!   Unicode has are escaped beside what JSON asks for, so that nobody takes one line for two.
//! - Combined: the format of Apache's `%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`, the time in UTC. What is not
//!   printable ASCII, a quote or a backslash is `\xHH`, as nginx writes it, and so is a space in the user's name.

use std::io::{self, Write};

use http::Version;

use super::record::{Outcome, Record, Text};
use crate::{clock::Timestamp, config::AccessLogFormat};

/// Writes lines. It remembers the last second's text: records come in the order of their end.
#[derive(Debug)]
pub(super) struct Formatter {
    format: AccessLogFormat,
    second: Option<u64>,
    time: String,
}

impl Formatter {
    pub(super) const fn new(format: AccessLogFormat) -> Self {
        Self { format, second: None, time: String::new() }
    }

    /// Adds the line of a request that ended at `at`.
    pub(super) fn line(&mut self, record: &Record, at: Timestamp, out: &mut Vec<u8>) {
        if self.second != Some(at.as_secs()) {
            self.second = Some(at.as_secs());
            self.time = match self.format {
                AccessLogFormat::Json => at.to_string().trim_end_matches('Z').to_owned(),
                AccessLogFormat::Combined => common_time(at),
            };
        }
        // Writing into memory can't fail.
        let _ = match self.format {
            AccessLogFormat::Json => self.json(record, at, out),
            AccessLogFormat::Combined => self.combined(record, out),
        };
    }

    fn json(&self, record: &Record, at: Timestamp, out: &mut Vec<u8>) -> io::Result<()> {
        write!(out, "{{\"time\":\"{}.{:03}Z\",\"client\":\"{}\"", self.time, at.as_millis() % 1000, record.client)?;
        member(out, "method", Some(record.method.as_str()))?;
        let path = record.texts.get(Text::Path).unwrap_or_default();
        member(out, "path", Some(path))?;
        let micros = record.ended.saturating_duration_since(record.started).as_micros();
        write!(out, ",\"version\":\"{}\",\"status\":{}", version(record.version), status(record))?;
        write!(out, ",\"bytes\":{},\"duration_us\":{micros}", record.bytes)?;
        write!(out, ",\"outcome\":\"{}\"", record.outcome.as_str())?;
        if let Outcome::Refused(reason) = record.outcome {
            write!(out, ",\"reason\":\"{reason}\"")?;
        }
        if let Some(reason) = record.would_refuse {
            write!(out, ",\"would_refuse\":\"{reason}\"")?;
        }
        if let Some(side) = record.broke_off {
            write!(out, ",\"broke_off\":\"{}\"", side.as_str())?;
        }
        for (name, text) in [
            ("rule", Text::Rule),
            ("issuer", Text::Issuer),
            ("subject", Text::Subject),
            ("upstream", Text::Upstream),
            ("server", Text::Server),
        ] {
            member(out, name, record.texts.get(text))?;
        }
        match record.texts.get(Text::Id) {
            Some(id) => member(out, "request_id", Some(id))?,
            None => write!(out, ",\"request_id\":\"{}\"", record.id)?,
        }
        member(out, "user_agent", record.texts.get(Text::Agent))?;
        out.extend_from_slice(b"}\n");
        Ok(())
    }

    fn combined(&self, record: &Record, out: &mut Vec<u8>) -> io::Result<()> {
        write!(out, "{} - ", record.client)?;
        let texts = &record.texts;
        plain(out, texts.get(Text::Subject), true)?;
        write!(out, " [{}] \"", self.time)?;
        plain(out, Some(record.method.as_str()), false)?;
        out.push(b' ');
        plain(out, texts.get(Text::Path), false)?;
        write!(out, " {}\" {} {} \"", version(record.version), status(record), record.bytes)?;
        plain(out, texts.get(Text::Referer), false)?;
        out.extend_from_slice(b"\" \"");
        plain(out, texts.get(Text::Agent), false)?;
        out.extend_from_slice(b"\"\n");
        Ok(())
    }
}

/// A request that got no answer has nginx's number for that, which its readers know.
const fn status(record: &Record) -> u16 {
    if record.status == 0 { 499 } else { record.status }
}

/// As the first line of a request says it; with HTTP/2, as others write it.
fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

/// `10/Oct/2000:13:55:36 +0000`
fn common_time(at: Timestamp) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds)
        .map(|time| time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string())
        .unwrap_or_else(|_| at.to_string())
}

/// `,"name":"value"`, if there is a value.
fn member(out: &mut Vec<u8>, name: &str, value: Option<&str>) -> io::Result<()> {
    let Some(value) = value else { return Ok(()) };
    write!(out, ",\"{name}\":\"")?;
    if value.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\') {
        out.extend_from_slice(value.as_bytes());
    } else {
        for character in value.chars() {
            match character {
                '"' | '\\' => write!(out, "\\{character}")?,
                '\u{2028}' | '\u{2029}' => write!(out, "\\u{:04x}", u32::from(character))?,
                // All of them are below U+00A0.
                control if control.is_control() => write!(out, "\\u{:04x}", u32::from(control))?,
                character => write!(out, "{character}")?,
            }
        }
    }
    out.push(b'"');
    Ok(())
}

/// A text of the Combined Log Format, `-` where there is none.
fn plain(out: &mut Vec<u8>, value: Option<&str>, is_word: bool) -> io::Result<()> {
    for byte in value.unwrap_or("-").bytes() {
        match byte {
            b'"' | b'\\' | 0..=0x1f | 0x7f.. => write!(out, "\\x{byte:02X}")?,
            b' ' if is_word => out.extend_from_slice(b"\\x20"),
            byte => out.push(byte),
        }
    }
    Ok(())
}
