//! `users import`: users of another system, with the passwords that they have.
//!
//! 1. Rows are read one after the other and kept some hundred together, each batch in one transaction, a row with its roles
//!    or not at all. Whoever breaks it off, by whatever means, leaves whole rows, and imports the file again.
//! 2. A row whose address is known is passed over, whatever else it says.
//! 3. A row that cannot be a user is told by its line, and left out.

mod lines;
mod member;
mod rows;

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, IsTerminal, Read},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use aws_lc_rs::rand::SystemRandom;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::{
    member::Members,
    rows::{Row, Rows},
};
use super::{
    super::roles,
    desk::{Desk, aside},
};
use crate::{
    accounts::store::{Creation, NewMember, UserStore},
    authn::revocation::StoreError,
    cli::{
        failure::Failure,
        terminal::{BAD, complain, print, shown},
    },
    config::Config,
    store::Store,
};

/// Rows that are kept together: well within the time that the store has for anything.
const BATCH: usize = 500;
/// Bad rows, and unknown roles, that are told one by one.
const MOST_TOLD: usize = 20;

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// Comma-separated values (RFC 4180) with a line of headings, or JSON Lines; - for standard input.
    ///
    /// Headings or members: `email` and `password_hash`, and if need be `id` (a number or a UUID), `first_name`,
    /// `last_name`, `date_joined` (RFC 3339, or seconds since 1970), `roles` (with `;` between them), `disabled` (true or
    /// false), and any attribute of `accounts.attributes`. Hashes are those of Django, bcrypt, argon2 and scrypt; without
    /// one, or with one that Django calls unusable, the user has no password.
    file: PathBuf,
    /// What the file is; without this, `jsonl` if its name ends so (or in `ndjson`), otherwise `csv`.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only check every row, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Csv,
    Jsonl,
}

/// Rows of one transaction, each with its line.
type Batch = Vec<(u64, NewMember)>;

/// What an import comes to.
struct Sum {
    new: u64,
    known: u64,
    bad: u64,
    bar: ProgressBar,
    /// Roles that the configuration does not know, told already.
    unknown_roles: BTreeSet<String>,
    granted: bool,
}

pub(super) fn run(options: &Options, desk: &Desk<'_>) -> Result<ExitCode, Failure> {
    let (file, length) = open(options)?;
    let bar = bar(length);
    let members = Members::new(&desk.accounts.plan.attributes, desk.now(), SystemRandom::new());
    let file = bar.wrap_read(file);
    let mut rows = Rows::read(format(options), file, members).map_err(|mistake| unreadable(options, &mistake))?;
    let store = if options.dry_run { desk.look()? } else { Some(desk.open()?) };
    let (unknown_roles, granted) = (BTreeSet::new(), false);
    let mut sum = Sum { new: 0, known: 0, bad: 0, bar, unknown_roles, granted };
    let keep = |sum: &mut Sum, batch: &mut Batch| match (std::mem::take(batch), &store) {
        (batch, store) if options.dry_run => sum.check(store.as_ref(), batch),
        (batch, Some(store)) => sum.keep(store, batch, desk),
        (_, None) => Ok(()),
    };
    let mut batch = Batch::new();
    let mut ended = Ok(());
    for row in &mut rows {
        match row {
            Ok(Row::Good { line, member }) => {
                sum.note_roles(&member, desk.config);
                batch.push((line, *member));
            }
            Ok(Row::Bad { line, mistake }) => sum.note(line, &mistake),
            Err(mistake) => ended = Err(unreadable(options, &mistake)),
        }
        if batch.len() == BATCH {
            ended = ended.and_then(|()| Ok(keep(&mut sum, &mut batch)?));
        }
        if ended.is_err() {
            break;
        }
    }
    // What was read in front of what cannot be read is good.
    let kept = keep(&mut sum, &mut batch);
    if sum.granted {
        desk.tell_gateway();
    }
    sum.tell(options.dry_run)?;
    ended?;
    kept?;
    Ok(if sum.bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Sum {
    fn note(&mut self, line: u64, mistake: &str) {
        self.bad += 1;
        if self.bad <= MOST_TOLD as u64 {
            self.bar.suspend(|| complain(&format!("{BAD}line {line}{BAD:#}: {}", shown(mistake))));
        }
    }

    fn note_roles(&mut self, member: &NewMember, config: &Config) {
        for role in &member.roles {
            if self.unknown_roles.len() < MOST_TOLD && self.unknown_roles.insert(role.clone()) {
                self.bar.suspend(|| roles::note_unknown(role, config));
            }
        }
    }

    fn keep(&mut self, store: &Store, batch: Batch, desk: &Desk<'_>) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let has_roles: Vec<bool> = batch.iter().map(|(_, member)| !member.roles.is_empty()).collect();
        let (lines, members): (Vec<u64>, Vec<NewMember>) = batch.into_iter().unzip();
        let (creating, tokens, now) = (store.clone(), desk.tokens.clone(), desk.now());
        let creations =
            store.wait_for(async move { creating.create_users(members, tokens, aside("imported"), now).await })?;
        for ((line, has_roles), creation) in lines.into_iter().zip(has_roles).zip(creations) {
            match creation {
                Creation::Created(_) => {
                    self.new += 1;
                    self.granted |= has_roles;
                }
                Creation::EmailTaken => self.known += 1,
                Creation::NumberTaken | Creation::IdTaken => self.note(line, "another user has this `id`"),
            }
        }
        Ok(())
    }

    /// As [`keep`](Self::keep) would, as far as the store tells now.
    fn check(&mut self, store: Option<&Store>, batch: Batch) -> Result<(), StoreError> {
        let Some(store) = store else {
            self.new += batch.len() as u64;
            return Ok(());
        };
        let looking = store.clone();
        let found = store.wait_for(async move {
            let mut found = Vec::new();
            for (line, NewMember { user, .. }) in batch {
                let known = looking.user_by_email(user.email).await?.is_some();
                let by_number = match user.number {
                    Some(number) => looking.user_by_number(number).await?,
                    None => looking.user_by_id(user.id).await?,
                };
                found.push((line, known, by_number.is_some()));
            }
            Ok(found)
        })?;
        for (line, known, taken) in found {
            match (known, taken) {
                (true, _) => self.known += 1,
                (false, true) => self.note(line, "another user has this `id`"),
                (false, false) => self.new += 1,
            }
        }
        Ok(())
    }

    fn tell(&self, dry_run: bool) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        let told = MOST_TOLD as u64;
        if self.bad > told {
            complain(&format!("{BAD}and {} more{BAD:#}", self.bad - told));
        }
        let Self { new, known, bad, .. } = self;
        let imported = if dry_run { "would be imported" } else { "imported" };
        print(&format!("{new} {imported}, {known} already there, {bad} left out\n"))
    }
}

fn open(options: &Options) -> Result<(Box<dyn Read>, Option<u64>), Failure> {
    if options.file.as_os_str() == "-" {
        return Ok((Box::new(io::stdin().lock()), None));
    }
    let file = File::open(&options.file).map_err(|error| unreadable(options, &error))?;
    // Of a pipe it is none.
    let length = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
    Ok((Box::new(file), length))
}

fn format(options: &Options) -> Format {
    let extension = options.file.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    options.format.unwrap_or(match extension.as_deref() {
        Some("jsonl" | "ndjson") => Format::Jsonl,
        _ => Format::Csv,
    })
}

/// How far it is, on standard error, if that is a terminal.
fn bar(length: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, form) = match length {
        Some(length) => (ProgressBar::new(length), "{wide_bar} {bytes} of {total_bytes}, {eta} to go"),
        None => (ProgressBar::no_length(), "{spinner} {bytes}, {elapsed}"),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(form) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn unreadable(options: &Options, cause: &impl std::fmt::Display) -> Failure {
    let cause = shown(&cause.to_string());
    Failure::Other(format!("{}: {cause}", shown(&options.file.display().to_string())))
}
