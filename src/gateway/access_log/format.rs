//! A record as a line.
//!
//! - JSON: one object; what is not known is left out. Control characters and the separators of lines and paragraphs that
//!   Unicode has are escaped beside what JSON asks for, so that nobody takes one line for two.
//! - Combined: the format of Apache's `%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`, the time in UTC. What is not
//!   printable ASCII, a quote or a backslash is `\xHH`, as nginx writes it, and so is a space in the user's name.

use std::{
    fmt::{self, Write},
    net::IpAddr,
};

use http::Version;

use super::record::{BrokeOff, Outcome, Record, Text};
use crate::{clock::Timestamp, config::AccessLogFormat, gateway::request_log::RequestId, rejection::Reason};

/// Writes lines. It remembers the last second's text: records come in the order of their end.
#[derive(Debug)]
pub(super) struct Formatter {
    format: AccessLogFormat,
    second: Option<u64>,
    time: String,
    /// The line that is being made.
    line: String,
}

impl Formatter {
    pub(super) const fn new(format: AccessLogFormat) -> Self {
        Self { format, second: None, time: String::new(), line: String::new() }
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
        self.line.clear();
        // Writing into memory can't fail.
        let _ = match self.format {
            AccessLogFormat::Json => json(record, &self.time, at, &mut self.line),
            AccessLogFormat::Combined => combined(record, &self.time, &mut self.line),
        };
        out.extend_from_slice(self.line.as_bytes());
    }
}

fn json(record: &Record, time: &str, at: Timestamp, out: &mut String) -> fmt::Result {
    let mut number = itoa::Buffer::new();
    let millis = at.as_millis() % 1000;
    let zeros = if millis < 10 {
        "00"
    } else if millis < 100 {
        "0"
    } else {
        ""
    };
    push(out, &["{\"time\":\"", time, ".", zeros, number.format(millis), "Z\",\"client\":\""]);
    address(out, record.client)?;
    out.push('"');
    member(out, "method", Some(record.method.as_str()))?;
    member(out, "path", Some(&record.texts.get(Text::Path).unwrap_or_default()))?;
    let micros = record.ended.saturating_duration_since(record.started).as_micros();
    push(out, &[",\"version\":\"", version(record.version), "\",\"status\":", number.format(status(record))]);
    push(out, &[",\"bytes\":", number.format(record.bytes)]);
    if let Some(received) = record.received {
        push(out, &[",\"received\":", number.format(received)]);
    }
    push(out, &[",\"duration_us\":", number.format(u64::try_from(micros).unwrap_or(u64::MAX))]);
    push(out, &[",\"outcome\":\"", record.outcome.as_str(), "\""]);
    let reason = if let Outcome::Refused(reason) = record.outcome { Some(reason.as_str()) } else { None };
    member(out, "reason", reason)?;
    member(out, "would_refuse", record.would_refuse.map(Reason::as_str))?;
    member(out, "broke_off", record.broke_off.map(BrokeOff::as_str))?;
    for (name, text) in [
        ("rule", Text::Rule),
        ("issuer", Text::Issuer),
        ("subject", Text::Subject),
        ("upstream", Text::Upstream),
        ("server", Text::Server),
        ("request_id", Text::Id),
        ("user_agent", Text::Agent),
    ] {
        match record.texts.get(text) {
            Some(value) => member(out, name, Some(&value))?,
            None if text == Text::Id => own_id(out, record.id),
            None => {}
        }
    }
    out.push_str("}\n");
    Ok(())
}

fn combined(record: &Record, time: &str, out: &mut String) -> fmt::Result {
    let texts = &record.texts;
    address(out, record.client)?;
    out.push_str(" - ");
    plain(out, texts.get(Text::Subject).as_deref(), true)?;
    push(out, &[" [", time, "] \""]);
    plain(out, Some(record.method.as_str()), false)?;
    out.push(' ');
    plain(out, texts.get(Text::Path).as_deref(), false)?;
    let mut number = itoa::Buffer::new();
    push(out, &[" ", version(record.version), "\" ", number.format(status(record))]);
    push(out, &[" ", number.format(record.bytes), " \""]);
    let referer = texts.get(Text::Referer);
    // A query may hold secrets.
    plain(out, referer.as_deref().and_then(|referer| referer.split(['?', '#']).next()), false)?;
    out.push_str("\" \"");
    plain(out, texts.get(Text::Agent).as_deref(), false)?;
    out.push_str("\"\n");
    Ok(())
}

fn push(out: &mut String, texts: &[&str]) {
    texts.iter().for_each(|text| out.push_str(text));
}

/// Its member. What is written for every request is worth some lines: `write!` takes four times as long.
fn own_id(out: &mut String, id: RequestId) {
    out.push_str(",\"request_id\":\"");
    for (at, part) in id.parts().into_iter().enumerate() {
        if at > 0 {
            out.push('-');
        }
        let digits = (u64::BITS - part.leading_zeros()).div_ceil(4).max(1);
        let digit = |place: u32| char::from_digit(u32::try_from(part >> (4 * place) & 0xf).unwrap_or(0), 16);
        out.extend((0..digits).rev().filter_map(digit));
    }
    out.push('"');
}

fn address(out: &mut String, address: IpAddr) -> fmt::Result {
    let IpAddr::V4(address) = address else { return write!(out, "{address}") };
    let mut number = itoa::Buffer::new();
    for (at, octet) in address.octets().into_iter().enumerate() {
        push(out, &[if at == 0 { "" } else { "." }, number.format(octet)]);
    }
    Ok(())
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
fn member(out: &mut String, name: &str, value: Option<&str>) -> fmt::Result {
    let Some(value) = value else { return Ok(()) };
    push(out, &[",\"", name, "\":\""]);
    if is_plain(value) {
        out.push_str(value);
    } else {
        for character in value.chars() {
            match character {
                '"' | '\\' => push(out, &["\\", character.encode_utf8(&mut [0; 4])]),
                '\u{2028}' | '\u{2029}' => write!(out, "\\u{:04x}", u32::from(character))?,
                // All of them are below U+00A0.
                control if control.is_control() => write!(out, "\\u{:04x}", u32::from(control))?,
                character => out.push(character),
            }
        }
    }
    out.push('"');
    Ok(())
}

/// A text of the Combined Log Format, `-` where there is none.
fn plain(out: &mut String, value: Option<&str>, is_word: bool) -> fmt::Result {
    let value = value.filter(|value| !value.is_empty()).unwrap_or("-");
    if is_plain(value) && !is_word {
        out.push_str(value);
        return Ok(());
    }
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' | 0..=0x1f | 0x7f.. => write!(out, "\\x{byte:02X}")?,
            b' ' if is_word => out.push_str("\\x20"),
            byte => out.push(char::from(byte)),
        }
    }
    Ok(())
}

/// Whether nothing in it is escaped. All of it is looked at, which the compiler does many bytes at a time.
fn is_plain(value: &str) -> bool {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\');
    value.bytes().fold(true, |plain, byte| plain & is_plain(byte))
}
