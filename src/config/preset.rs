//! `preset = "…"`: a document below the file, of which the file's keys win.
//!
//! 1. A name is one of the shipped presets; what has a `/` in it or ends in `.toml` is a file beside gateway.toml.
//! 2. Tables are merged key by key. Everything else, and an `[ownership.*]`, an answer's body or its headers in
//!    `[dialect]`, is replaced whole.
//! 3. The file's routes are added to the preset's.
//! 4. A key source of the file replaces the preset's.
//! 5. `[accounts]` counts only if the file has it too.
//! 6. Issuers that only the file has take the place of those that the preset leaves without a key source, unless the
//!    file gives them one: a generated key is never trusted beside a configured one.

use std::path::{Path, PathBuf};

use super::{
    context::{Context, Files},
    diagnostics::Diagnostic,
    key_source,
    node::{Entry, Node, Table, Value},
    values::{Mistake, shown, similar, text},
};
use crate::contract::Preset;

/// A preset's text, and what to call it.
pub(super) struct PresetText {
    /// As the configuration names it.
    pub(super) preset: String,
    /// The file's name for messages.
    pub(super) name: String,
    pub(super) text: String,
    /// What its relative paths are relative to.
    pub(super) base: PathBuf,
}

/// Finds the preset that `node` names.
pub(super) fn find(node: &Node, base: &Path, files: &Files) -> Result<PresetText, Mistake> {
    let name = text(node)?;
    if name.contains('/') || Path::new(name).extension().is_some_and(|extension| extension == "toml") {
        return read(name, base, files);
    }
    let Some(preset) = Preset::named(name) else {
        let mistake = Mistake::new(format!("names \"{}\", which is not a preset", shown(name)));
        let names = Preset::ALL.map(Preset::name);
        return Err(match similar(name, names) {
            Some(known) => mistake.help(format!("did you mean `{known}`?")),
            None => {
                mistake.help(format!("there are {}; a file is named by a path, as in \"./own.toml\"", names.join(", ")))
            }
        });
    };
    Ok(PresetText {
        preset: name.to_owned(),
        name: format!("presets/{name}.toml"),
        text: preset.source().to_owned(),
        base: base.to_owned(),
    })
}

fn read(name: &str, base: &Path, files: &Files) -> Result<PresetText, Mistake> {
    let path = base.join(name);
    let shown_path = shown(&path.display().to_string());
    let refuse = |why: &str| Mistake::new(format!("names a file that cannot be read: `{shown_path}`: {why}"));
    let bytes = files.read(&path).map_err(|error| refuse(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8"))?;
    let base = path.parent().unwrap_or(base).to_owned();
    Ok(PresetText { preset: name.to_owned(), name: path.display().to_string(), text, base })
}

/// The preset with the file above it, and the names of the issuers that may have generated keys.
pub(super) fn merge(mut preset: Table, mut file: Table, context: &Context<'_>) -> (Table, Vec<String>) {
    if let Some(at) = preset.position("preset") {
        let entry = preset.0.remove(at);
        context.report(Diagnostic::mistake("a preset cannot have a preset").at(entry.place));
    }
    drop_replaced_issuers(&mut preset, &mut file, context);
    // The endpoints are switched on by the file.
    if file.get("accounts").is_none()
        && let Some(at) = preset.position("accounts")
    {
        preset.0.remove(at);
    }
    let issuers = preset.get("issuer").and_then(|entry| entry.node.table());
    let generated = issuers.into_iter().flat_map(|table| &table.0).map(|entry| entry.key.clone()).collect();
    merge_tables(&mut preset, file, &mut Vec::new());
    (preset, generated)
}

fn merge_tables(below: &mut Table, above: Table, path: &mut Vec<String>) {
    for entry in above.0 {
        path.push(entry.key.clone());
        match below.position(&entry.key).and_then(|at| below.0.get_mut(at)) {
            Some(old) => merge_entry(old, entry, path),
            None => below.0.push(entry),
        }
        path.pop();
    }
}

fn merge_entry(below: &mut Entry, above: Entry, path: &mut Vec<String>) {
    match (&mut below.node.value, above.node.value) {
        (Value::Table(old), Value::Table(new)) if merges(path) => {
            if matches!(path.as_slice(), [issuer, _] if issuer == "issuer") && key_source::is_given(&new) {
                key_source::make_way(old, &new);
            }
            merge_tables(old, new, path);
            below.node.place = above.node.place;
        }
        (Value::Array(old), Value::Array(new)) if is_added(path) => old.extend(new),
        (value, new) => {
            *value = new;
            below.node.place = above.node.place;
        }
    }
    below.place = above.place;
}

/// Whether the tables at `path` become one.
fn merges(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    !matches!(path.as_slice(), ["ownership", _] | ["dialect", _, _] | ["accounts", "failures", _, ..])
}

/// Whether the lists at `path` become one.
fn is_added(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    matches!(path.as_slice(), ["route"] | ["accounts", "endpoint"])
}

fn drop_replaced_issuers(preset: &mut Table, file: &mut Table, context: &Context<'_>) {
    let internal = internal_issuer(file);
    let (Some(presets), Some(files)) = (issuers(preset), issuers(file)) else { return };
    let is_own = |entry: &&Entry| presets.get(&entry.key).is_none() && internal.as_ref() != Some(&entry.key);
    let own = files.0.iter().find(is_own).map(|own| own.key.clone());
    let Some(own) = own else { return };
    let has_source = |entry: &Entry| entry.node.table().is_some_and(key_source::is_given);
    let (kept, dropped): (Vec<Entry>, Vec<Entry>) = std::mem::take(&mut presets.0)
        .into_iter()
        .partition(|entry| has_source(entry) || files.get(&entry.key).is_some_and(has_source));
    presets.0 = kept;
    for name in dropped.iter().map(|entry| &entry.key) {
        if let Some(at) = files.position(name) {
            let entry = files.0.remove(at);
            let (name, own) = (shown(name), shown(&own));
            let message =
                format!("`issuer.{name}` is not used: it has no key source, and `issuer.{own}` takes its place");
            context.report(Diagnostic::warning(message).at(entry.place));
        }
    }
}

/// The issuer that tokens are signed for again. It has no clients, so it takes nobody's place.
fn internal_issuer(document: &Table) -> Option<String> {
    let resign = document.get("identity_headers")?.node.table()?.get("resign")?.node.table()?;
    resign.get("issuer")?.node.string().map(str::to_owned)
}

fn issuers(document: &mut Table) -> Option<&mut Table> {
    let at = document.position("issuer")?;
    match &mut document.0.get_mut(at)?.node.value {
        Value::Table(table) => Some(table),
        _ => None,
    }
}
