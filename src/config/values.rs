//! Single values: texts, numbers, durations, sizes, paths of claims. Strict: what is almost right is refused, with what
//! to write.

use std::{ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration};

use super::node::{Node, Value};
use crate::jwt::ClaimPath;

/// Why a value is not accepted. The message goes on behind the key's name: "must be …".
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// Whether something else is missing: see `Diagnostic::missing`.
    pub(super) absent: bool,
}

impl Mistake {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, absent: false }
    }

    /// Something that the value names is not there.
    pub(super) fn absent(message: impl Into<String>) -> Self {
        Self { absent: true, ..Self::new(message) }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// "must be a boolean, not an integer"
    pub(super) fn kind(expected: &str, node: &Node) -> Self {
        Self::new(format!("must be {expected}, not {}", node.kind()))
    }
}

/// A text from outside for a message: without control characters, and cut.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// The known word that `word` is likely to mean.
pub(super) fn similar<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_lowercase();
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|one| (strsim::damerau_levenshtein(&word, &one.to_lowercase()), one))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, one)| one)
}

/// A string that is not empty and has no control characters.
pub(super) fn text(node: &Node) -> Result<&str, Mistake> {
    let text = node.string().ok_or_else(|| Mistake::kind("a string", node))?;
    if text.is_empty() {
        return Err(Mistake::new("is empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(Mistake::new("must not contain control characters"));
    }
    Ok(text)
}

/// [`text`], for a list or a table that keeps it.
pub(super) fn owned(node: &Node) -> Result<String, Mistake> {
    text(node).map(str::to_owned)
}

/// A text that `T` reads; `T`'s error says what is wrong.
pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(node: &Node) -> Result<T, Mistake> {
    text(node)?.parse().map_err(|error| Mistake::new(format!("is not valid: {error}")))
}

pub(super) fn boolean(node: &Node) -> Result<bool, Mistake> {
    match node.value {
        Value::Boolean(value) => Ok(value),
        _ => Err(Mistake::kind("`true` or `false`", node)),
    }
}

/// A path in the file system; relative ones are the caller's to resolve.
pub(super) fn path(node: &Node) -> Result<PathBuf, Mistake> {
    text(node).map(PathBuf::from)
}

/// A whole number within `range`.
pub(super) fn integer(node: &Node, range: RangeInclusive<u32>) -> Result<u32, Mistake> {
    let Value::Integer(number) = node.value else {
        return Err(Mistake::kind("a whole number", node));
    };
    u32::try_from(number)
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| Mistake::new(format!("must be between {} and {}, not {number}", range.start(), range.end())))
}

/// One of these words.
pub(super) fn one_of<T: Copy>(node: &Node, words: &[(&'static str, T)]) -> Result<T, Mistake> {
    let word = node.string().ok_or_else(|| Mistake::kind("a string", node))?;
    if let Some((_, value)) = words.iter().find(|(one, _)| *one == word) {
        return Ok(*value);
    }
    let names: Vec<String> = words.iter().map(|(one, _)| format!("\"{one}\"")).collect();
    let mistake = Mistake::new(format!("must be {}, not \"{}\"", names.join(" or "), shown(word)));
    Err(match similar(word, words.iter().map(|(one, _)| *one)) {
        Some(word) => mistake.help(format!("did you mean `{word}`?")),
        None => mistake,
    })
}

/// The index of a name that must be there.
pub(super) fn known(node: &Node, what: &str, names: &[&str]) -> Result<usize, Mistake> {
    let name = text(node)?;
    names.iter().position(|known| *known == name).ok_or_else(|| {
        let mistake = Mistake::absent(format!("names the {what} \"{}\", which is not there", shown(name)));
        match similar(name, names.iter().copied()) {
            Some(known) => mistake.help(format!("did you mean `{}`?", shown(known))),
            None => mistake.help(format!("add `[{what}.{}]`", shown(name))),
        }
    })
}

/// `"250ms"`, `"30s"`, `"10m"`, `"24h"`, `"30d"`: within `range`.
pub(super) fn duration(node: &Node, range: RangeInclusive<Duration>) -> Result<Duration, Mistake> {
    const HELP: &str = "a duration is a whole number and its unit: \"250ms\", \"30s\", \"10m\", \"24h\" or \"30d\"";
    let not_a_duration = || Mistake::kind("a duration", node).help(HELP);
    let text = node.string().ok_or_else(not_a_duration)?;
    let wrong = || Mistake::new(format!("must be a duration, not \"{}\"", shown(text))).help(HELP);
    let duration = duration_in(text).ok_or_else(wrong)?;
    if range.contains(&duration) {
        return Ok(duration);
    }
    Err(Mistake::new(if duration.is_zero() {
        "must be more than 0".to_owned()
    } else if duration < *range.start() {
        format!("must be at least {}", spelled(*range.start()))
    } else {
        format!("must be at most {}", spelled(*range.end()))
    }))
}

/// The duration that `text` says, in the way of the configuration: `30s`.
pub(crate) fn duration_in(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    quantity(text, &UNITS).map(Duration::from_millis)
}

/// `"512B"`, `"32KiB"`, `"64MiB"`, `"1GiB"`, `"1TiB"`: bytes, within `range`.
pub(super) fn size(node: &Node, range: RangeInclusive<u64>) -> Result<u64, Mistake> {
    const UNITS: [(&str, u64); 5] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("B", 1)];
    const HELP: &str = "a size is a whole number and its unit: \"512B\", \"32KiB\", \"64MiB\" or \"1GiB\"";
    let text = node.string().ok_or_else(|| Mistake::kind("a size", node).help(HELP))?;
    let wrong = || Mistake::new(format!("must be a size, not \"{}\"", shown(text))).help(HELP);
    let bytes = quantity(text, &UNITS).ok_or_else(wrong)?;
    if range.contains(&bytes) {
        return Ok(bytes);
    }
    let (least, most) = (spelled_size(*range.start()), spelled_size(*range.end()));
    Err(Mistake::new(format!("must be between {least} and {most}")))
}

/// A claim's name, or the list of names that leads to a nested one.
pub(super) fn claim_path(node: &Node) -> Result<ClaimPath, Mistake> {
    match &node.value {
        Value::String(_) => text(node).map(ClaimPath::from),
        Value::Array(names) => {
            let names = names.iter().map(owned).collect::<Result<Vec<String>, Mistake>>()?;
            ClaimPath::nested(names).ok_or_else(|| Mistake::new("is an empty list: name a claim"))
        }
        _ => Err(Mistake::kind("a claim's name or a list of names", node)),
    }
}

/// Digits and one of the units, the first that fits.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, factor) =
        units.iter().find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, factor)))?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn spelled(duration: Duration) -> String {
    format!("\"{}\"", plain(duration))
}

/// The duration in the way of the configuration, in the largest unit that it is a whole number of.
pub(super) fn plain(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, factor) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if millis >= factor && millis.is_multiple_of(factor) {
            return format!("{}{unit}", millis / factor);
        }
    }
    format!("{millis}ms")
}

fn spelled_size(bytes: u64) -> String {
    for (unit, factor) in [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= factor && bytes.is_multiple_of(factor) {
            return format!("\"{}{unit}\"", bytes / factor);
        }
    }
    format!("\"{bytes}B\"")
}
