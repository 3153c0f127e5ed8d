//! `db migrate` and `db status`: the form that the store has.

use std::process::ExitCode;

use super::{
    configuration::Configuration,
    failure::Failure,
    terminal::{print, shown},
};
use crate::{
    clock::Clock,
    store::{Figures, Form, Location, Migration, Store},
};

pub(super) fn migrate(configuration: &Configuration) -> Result<ExitCode, Failure> {
    let location = location(configuration)?;
    let before = match Store::look_at(location)? {
        Some(store) => form(&store)?.version(),
        None => 0,
    };
    let after = form(&Store::migrate(location)?)?;
    if after.version() == before {
        print(&format!("Version {before} already: there is nothing to do.\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!("From version {before} to {}.\n", after.version()))?;
    print(&list(after.applied.iter().filter(|migration| migration.version > before)))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn status(configuration: &Configuration) -> Result<ExitCode, Failure> {
    let location = location(configuration)?;
    let place = match location {
        Location::Sqlite(path) => format!("SQLite, {}", shown(&path.display().to_string())),
        // Its URL has a password in it.
        Location::Postgres(_) => "PostgreSQL".to_owned(),
    };
    print(&format!("Store: {place}\n"))?;
    let Some(store) = Store::look_at(location)? else {
        print("It is not there yet: a gateway makes it when it starts, or `db migrate` does.\n")?;
        return Ok(ExitCode::FAILURE);
    };
    let form = form(&store)?;
    print(&told(&form))?;
    if form.pending.is_empty() {
        let looking = store.clone();
        let now = Clock::system().now();
        print(&counted(store.wait_for(async move { looking.figures(now).await })?))?;
    }
    Ok(if form.pending.is_empty() && form.unknown.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn told(form: &Form) -> String {
    let mut text = format!("Version: {}\nApplied:\n{}", form.version(), list(&form.applied));
    if form.pending.is_empty() {
        text.push_str("Pending: none\n");
    } else {
        text.push_str(&format!("Pending (`db migrate` applies them):\n{}", list(&form.pending)));
    }
    if !form.unknown.is_empty() {
        let versions: Vec<String> = form.unknown.iter().map(ToString::to_string).collect();
        text.push_str(&format!("Unknown to this program, which is older than the store: {}\n", versions.join(", ")));
    }
    text
}

fn list<'m>(migrations: impl IntoIterator<Item = &'m Migration>) -> String {
    migrations.into_iter().map(|migration| format!("  {} {}\n", migration.version, migration.name)).collect()
}

fn counted(figures: Figures) -> String {
    let Figures { bytes, users, sessions, revocations, mails } = figures;
    let kibibytes = bytes.div_ceil(1024);
    format!(
        "Size: {kibibytes} KiB\nUsers: {users}\nSessions: {sessions}\nRevocations: {revocations}\n\
         Mails that wait: {mails}\n"
    )
}

fn form(store: &Store) -> Result<Form, Failure> {
    let looking = store.clone();
    Ok(store.wait_for(async move { looking.form().await })?)
}

fn location(configuration: &Configuration) -> Result<&Location, Failure> {
    let missing = "the configuration has no `store`: add `store = \"sqlite:bearergate.db\"`, or a PostgreSQL URL";
    configuration.config.store.as_ref().ok_or_else(|| Failure::Configuration(missing.to_owned()))
}
