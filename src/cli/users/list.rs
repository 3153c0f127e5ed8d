//! `users list`, `show` and `sessions`: to look, and to change nothing. Never what is kept of a password.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{
    Who,
    desk::{Desk, nobody},
};
use crate::{
    accounts::{
        model::{AuditEntry, User},
        store::{AuditStore, SessionStore, UserStore},
    },
    authn::role_grants::GrantStore,
    cli::{
        failure::Failure,
        terminal::{is_read, is_unsafe, print, shown, table},
    },
    clock::Timestamp,
};

/// Users that are read together.
const PAGE: u32 = 500;
/// Events that are shown.
const EVENTS: u32 = 10;

#[derive(Debug, Args)]
pub(in crate::cli) struct ListOptions {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowOptions {
    /// E-mail address, UUID or number.
    who: Who,
    /// As a JSON object.
    #[arg(long)]
    json: bool,
}

/// Page by page, because there may be many; as long as somebody reads.
pub(super) fn list(options: &ListOptions, desk: &Desk<'_>) -> Result<ExitCode, Failure> {
    let store = desk.look()?;
    let mut text = String::new();
    if !options.json {
        text = format!("{:>8}  {:<36}  {:<11}  {:<20}  {}\n", "NUMBER", "ID", "STATE", "JOINED", "EMAIL");
    }
    let Some(store) = store else {
        print(&text)?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut after = 0;
    loop {
        let asking = store.clone();
        let users = store.wait_for(async move { asking.users_after(after, PAGE).await })?;
        for user in &users {
            text.push_str(&if options.json { format!("{}\n", plain(of(user).to_string())) } else { line(user) });
        }
        let Some(last) = users.last().filter(|_| users.len() == PAGE as usize) else { break };
        after = last.number;
        if !is_read(&std::mem::take(&mut text))? {
            return Ok(ExitCode::SUCCESS);
        }
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn line(user: &User) -> String {
    let joined = user.joined.to_string();
    let (number, id, email) = (user.number, user.id.to_string(), shown(user.email.as_str()));
    format!("{number:>8}  {id}  {:<11}  {joined:<20}  {email}\n", state(user))
}

/// In one word or two what keeps a user from logging in, if something does.
fn state(user: &User) -> &'static str {
    if user.disabled.is_some() {
        "disabled"
    } else if user.password.is_none() {
        "no password"
    } else if user.confirmed.is_none() {
        "unconfirmed"
    } else {
        "active"
    }
}

fn of(user: &User) -> Value {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    json!({
        "id": user.id.to_string(),
        "number": user.number,
        "email": user.email.as_str(),
        "joined": user.joined.to_string(),
        "confirmed": time(user.confirmed),
        "disabled": time(user.disabled),
        "has_password": user.password.is_some(),
        "attributes": user.attributes,
    })
}

/// JSON in which nothing acts on a terminal: the same, as any reader reads it.
fn plain(json: String) -> String {
    if !json.contains(|character| is_unsafe(character) && character != '\n') {
        return json;
    }
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        // All of them are in strings, and below U+10000. What is not is between the members.
        if is_unsafe(character) && character != '\n' {
            text.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            text.push(character);
        }
    }
    text
}

pub(super) fn show(options: &ShowOptions, desk: &Desk<'_>) -> Result<ExitCode, Failure> {
    let store = desk.look()?.ok_or_else(nobody)?;
    let user = desk.find(&store, &options.who)?;
    let (asking, id, now) = (store.clone(), user.id, desk.now());
    let (grants, sessions, events) = store.wait_for(async move {
        Ok((asking.grants(None).await?, asking.sessions(id, now).await?, asking.events(id, EVENTS).await?))
    })?;
    let subject = desk.tokens.subject(&user);
    let grants = grants.map(|(grants, _)| grants).unwrap_or_default().into_iter();
    let own = grants.filter(|grant| grant.issuer == desk.tokens.issuer && grant.subject == subject);
    let roles: Vec<String> = own.map(|grant| grant.role).collect();
    if options.json {
        let mut value = of(&user);
        value["roles"] = json!(roles);
        value["sessions"] = json!(sessions.len());
        value["events"] = events.iter().map(event).collect();
        print(&plain(format!("{value:#}\n")))?;
    } else {
        print(&text(&user, &roles, sessions.len(), &events))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn event(entry: &AuditEntry) -> Value {
    let address = entry.event.address.map(|address| address.to_string());
    json!({ "at": entry.at.to_string(), "kind": entry.event.kind, "address": address, "detail": entry.event.detail })
}

fn text(user: &User, roles: &[String], sessions: usize, events: &[AuditEntry]) -> String {
    let since = |time: Option<Timestamp>| time.map_or_else(|| "no".to_owned(), |time| format!("since {time}"));
    let roles: Vec<String> = roles.iter().map(|role| shown(role)).collect();
    let mut text = String::new();
    for (name, value) in [
        ("Email", shown(user.email.as_str())),
        ("Number", user.number.to_string()),
        ("ID", user.id.to_string()),
        ("Joined", user.joined.to_string()),
        ("Confirmed", since(user.confirmed)),
        ("Disabled", since(user.disabled)),
        ("Password", if user.password.is_some() { "yes" } else { "none" }.to_owned()),
        ("Roles", if roles.is_empty() { "none".to_owned() } else { roles.join(", ") }),
        ("Sessions", sessions.to_string()),
    ] {
        text.push_str(&format!("{name}: {value}\n"));
    }
    for (name, value) in &user.attributes {
        // A text in the quotes of JSON: where it begins and ends is seen.
        text.push_str(&format!("{}: {}\n", shown(name), shown(&value.to_string())));
    }
    let rows = events.iter().map(|entry| {
        let address = entry.event.address.map_or_else(String::new, |address| address.to_string());
        let detail = shown(entry.event.detail.as_deref().unwrap_or_default());
        vec![entry.at.to_string(), shown(&entry.event.kind), address, detail]
    });
    format!("{text}\n{}", table(&["AT", "EVENT", "FROM", "DETAIL"], rows))
}

pub(super) fn sessions(who: &Who, desk: &Desk<'_>) -> Result<ExitCode, Failure> {
    let store = desk.look()?.ok_or_else(nobody)?;
    let user = desk.find(&store, who)?;
    let (asking, now) = (store.clone(), desk.now());
    let sessions = store.wait_for(async move { asking.sessions(user.id, now).await })?;
    let rows = sessions.iter().map(|session| {
        let times = [session.started, session.idle_until, session.ends].map(|time| time.to_string());
        [vec![session.id.to_string()], times.to_vec()].concat()
    });
    print(&table(&["SESSION", "SINCE", "UNTIL, IF IDLE", "AT MOST UNTIL"], rows))?;
    Ok(ExitCode::SUCCESS)
}
