//! `supabase`, in `[accounts]`: the Supabase project that keeps the users.
//!
//! 1. `url` is written out or named, `key` is named: `{ env = "NAME" }` or `{ file = "PATH" }`. What is not there is taken
//!    from `SUPABASE_URL` and `SUPABASE_PUBLISHABLE_KEY`; an empty variable is none.
//! 2. Neither: nothing is configured, which is warned about, and the endpoints say so. One without the other is a mistake.
//! 3. `https`, or `http` of this machine; whoever is on the way would see the passwords.

use super::{
    context::Context,
    diagnostics::{Diagnostic, Place, Problems},
    key_source,
    node::{Entry, Node, Table, Value},
    reader::Reader,
    secrets,
    values::{Mistake, text},
};
use crate::{
    accounts::backend::supabase::{SupabaseMistake, SupabaseSettings},
    authn::remote::KeyUrlError,
    secret::Secret,
};

const KEY: &str = "supabase";
const URL_VARIABLE: &str = "SUPABASE_URL";
const KEY_VARIABLE: &str = "SUPABASE_PUBLISHABLE_KEY";

/// One of the two settings, and where it is from.
struct Setting {
    value: Secret,
    place: Place,
    /// What messages call it.
    name: String,
}

/// The one issuer of a configuration whose users Supabase keeps.
const ISSUER: &str = "api";
/// No host has this name (RFC 6761 §6.4): keys that nobody has said the place of are never known.
const NOWHERE: &str = "https://supabase.invalid/auth/v1/.well-known/jwks.json";

/// Makes Supabase the issuer of the tokens, where `[accounts]` says that it keeps the users and `[issuer.api]` has no key
/// source of its own.
pub(super) fn add_issuer(document: &mut Table, context: &Context<'_>) {
    // What is wrong is said by whoever reads it for good.
    let problems = Problems::default();
    let scratch = Context {
        problems: &problems,
        environment: context.environment,
        bases: context.bases.clone(),
        state_folder: context.state_folder.clone(),
        files: context.files,
    };
    let Some(accounts) = document.get("accounts") else { return };
    let backend = accounts.node.table().and_then(|table| table.get("backend"));
    if backend.and_then(|backend| backend.node.string()) != Some("supabase") {
        return;
    }
    let place = accounts.place;
    let reader = Reader::new(&accounts.node, place, "accounts".to_owned(), &scratch);
    let settings = reader.and_then(|mut reader| read(&mut reader)).flatten();
    let added = match settings {
        Some(settings) => {
            vec![("issuer", settings.issuer().to_owned()), ("jwks_url", settings.jwks_url())]
        }
        None => vec![("jwks_url", NOWHERE.to_owned())],
    };
    let Some(issuer) = issuer_of(document, place).filter(|issuer| !key_source::is_given(issuer)) else { return };
    for (key, value) in added {
        if issuer.get(key).is_none() {
            let node = Node { value: Value::String(value), place };
            issuer.0.push(Entry { key: key.to_owned(), place, node });
        }
    }
}

/// `[issuer.api]`, made if it is not there. `None`: something else is in its place, which is said by whoever reads it.
fn issuer_of(document: &mut Table, place: Place) -> Option<&mut Table> {
    child(child(document, "issuer", place)?, ISSUER, place)
}

fn child<'t>(table: &'t mut Table, key: &str, place: Place) -> Option<&'t mut Table> {
    let at = table.position(key).unwrap_or_else(|| {
        let node = Node { value: Value::Table(Table::default()), place };
        table.0.push(Entry { key: key.to_owned(), place, node });
        table.0.len() - 1
    });
    match &mut table.0.get_mut(at)?.node.value {
        Value::Table(table) => Some(table),
        _ => None,
    }
}

/// Reads it from the reader of `[accounts]`. `None`: there is a mistake, which has been said. `Some(None)`: nothing is
/// configured, which has been warned about.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Option<SupabaseSettings>> {
    let (mut url, mut key) = (None, None);
    if reader.entry(KEY).is_some() {
        let mut table = reader.table(KEY)?;
        // Both are read before either counts, so that no mistake hides another.
        url = table.entry("url").map(|entry| written_or_named(&table, entry));
        key = table.entry("key").map(|entry| named(&table, entry));
        table.finish();
    }
    let url = url.unwrap_or_else(|| Some(from_environment(reader, URL_VARIABLE)));
    let key = key.unwrap_or_else(|| Some(from_environment(reader, KEY_VARIABLE)));
    match (url?, key?) {
        (Some(url), Some(key)) => settings(reader, &url, &key).map(Some),
        (None, None) => {
            let message = "Supabase is not configured: every signup, login and refresh is refused with 503";
            let help = format!("set the environment variables `{URL_VARIABLE}` and `{KEY_VARIABLE}`");
            reader.context.report(Diagnostic::warning(message).at(reader.place).help(help));
            Some(None)
        }
        (Some(_), None) => missing(reader, "key", KEY_VARIABLE),
        (None, Some(_)) => missing(reader, "url", URL_VARIABLE),
    }
}

fn written_or_named(table: &Reader<'_>, entry: &Entry) -> Option<Option<Setting>> {
    if entry.node.table().is_some() {
        return named(table, entry);
    }
    let written = table.parse(&entry.key, &entry.node, text)?;
    let value = Secret::from(written.value.to_owned());
    Some(Some(Setting { value, place: written.place, name: table.path_of(&entry.key) }))
}

fn named(table: &Reader<'_>, entry: &Entry) -> Option<Option<Setting>> {
    let value = secrets::read(table, entry)?.secret;
    Some(Some(Setting { value, place: entry.node.place, name: table.path_of(&entry.key) }))
}

fn from_environment(reader: &Reader<'_>, variable: &str) -> Option<Setting> {
    let value = (reader.context.environment)(variable).filter(|value| !value.is_empty())?;
    Some(Setting { value: Secret::from(value), place: reader.place, name: variable.to_owned() })
}

fn settings(reader: &Reader<'_>, url: &Setting, key: &Setting) -> Option<SupabaseSettings> {
    let report = |setting: &Setting, mistake: Mistake| {
        let diagnostic = Diagnostic::mistake(format!("`{}` {}", setting.name, mistake.message)).at(setting.place);
        reader.context.report(match mistake.help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
    };
    let read = SupabaseSettings::new(std::str::from_utf8(url.value.expose()).unwrap_or_default(), &key.value);
    let mistake = match read {
        Ok(settings) => return Some(settings),
        Err(mistake) => mistake,
    };
    match &mistake {
        SupabaseMistake::Key => report(key, Mistake::new(mistake.to_string())),
        SupabaseMistake::Url(error) => {
            if *error == KeyUrlError::Credentials {
                reader.context.problems.hide(url.place);
            }
            let message = match error {
                KeyUrlError::PlainHttp => "is not https: whoever is on the way would see the passwords".to_owned(),
                error => error.to_string(),
            };
            report(url, Mistake::new(message).help("it is the project's, like `https://PROJECT.supabase.co`"));
        }
    }
    None
}

fn missing<T>(reader: &Reader<'_>, key: &str, variable: &str) -> Option<T> {
    let message = format!("`{}.{key}` is missing", reader.path_of(KEY));
    let help = format!("set it, or the environment variable `{variable}`");
    reader.context.report(Diagnostic::missing(message).at(reader.place).help(help));
    None
}
