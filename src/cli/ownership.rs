//! `ownership import`, `ownership list` and `ownership forget`: what the store says of who owns what.
//!
//! A gateway that runs asks the same store: it follows as soon as what it remembers (`cache`) is over.

mod rows;

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;

use self::rows::{Names, Row, Rows};
use super::{
    configuration::Configuration,
    failure::Failure,
    terminal::{BAD, complain, print, shown},
};
use crate::{
    authn::revocation::StoreError,
    authz::ownership::{OwnershipRecord, OwnershipStore},
    config::{Config, OwnerSource},
    store::{Page, Store, Wanted},
};

/// Rows that are kept together.
const BATCH: usize = 5000;
/// Bad rows that are told one by one.
const MOST_TOLD: u64 = 20;

#[derive(Debug, Args)]
pub(super) struct ImportOptions {
    /// Comma-separated values (RFC 4180) with a line of headings: `resource` and `subject`, and if need be `ownership` and
    /// `issuer`; - for standard input.
    file: PathBuf,
    /// The ownership by its name in the configuration, where the file has none; without this, the only one with a table.
    #[arg(long, value_name = "NAME")]
    ownership: Option<String>,
    /// The subjects' issuer by its name in the configuration, where the file has none; without this, the only one.
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ListOptions {
    /// Only of this ownership.
    #[arg(long, value_name = "NAME")]
    ownership: Option<String>,
    /// Only the owners of this resource.
    #[arg(long)]
    resource: Option<String>,
    /// Only what this subject owns.
    #[arg(long)]
    subject: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ForgetOptions {
    /// The resource, as paths name it.
    resource: String,
    /// The ownership by its name in the configuration; without this, the only one with a table.
    #[arg(long, value_name = "NAME")]
    ownership: Option<String>,
}

/// What an import came to.
#[derive(Default)]
struct Sum {
    new: u64,
    known: u64,
    bad: u64,
}

/// Bad rows are told and left out, and the rest is imported; it may be imported again.
pub(super) fn import(options: &ImportOptions, configuration: &Configuration) -> Result<ExitCode, Failure> {
    let config = &configuration.config;
    let names = Names {
        ownerships: tables(config),
        issuers: config.issuers.iter().map(|issuer| issuer.name.clone()).collect(),
        ownership: options.ownership.clone(),
        issuer: options.issuer.clone(),
    };
    let file: Box<dyn Read> = if options.file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(&options.file).map_err(|error| unreadable(options, &error))?)
    };
    let mut rows = Rows::read(file, names).map_err(|mistake| unreadable(options, &mistake))?;
    let store = open(config)?;
    let mut sum = Sum::default();
    let mut batch = Vec::new();
    let ended = loop {
        match rows.next() {
            Some(Ok(Row::Good(record))) => batch.push(record),
            Some(Ok(Row::Bad { line, mistake })) => sum.note(line, &mistake),
            Some(Err(mistake)) => break Err(unreadable(options, &mistake)),
            None => break Ok(()),
        }
        if batch.len() == BATCH {
            sum.keep(&store, std::mem::take(&mut batch))?;
        }
    };
    sum.keep(&store, batch)?;
    sum.tell()?;
    ended?;
    Ok(if sum.bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Sum {
    fn note(&mut self, line: u64, mistake: &str) {
        self.bad += 1;
        if self.bad <= MOST_TOLD {
            complain(&format!("{BAD}line {line}{BAD:#}: {}", shown(mistake)));
        }
    }

    fn keep(&mut self, store: &Store, batch: Vec<OwnershipRecord>) -> Result<(), StoreError> {
        let (all, learning) = (batch.len() as u64, store.clone());
        let new = store.wait_for(async move { learning.learn(&batch).await })?;
        self.new += new;
        self.known += all.saturating_sub(new);
        if io::stderr().is_terminal() {
            // Nobody needs to see how far it is.
            let _ = write!(io::stderr(), "\r{} rows", self.new + self.known + self.bad);
        }
        Ok(())
    }

    fn tell(&self) -> Result<(), Failure> {
        if io::stderr().is_terminal() {
            let _ = writeln!(io::stderr());
        }
        if self.bad > MOST_TOLD {
            complain(&format!("{BAD}and {} more{BAD:#}", self.bad - MOST_TOLD));
        }
        print(&format!("{} imported, {} already there, {} bad\n", self.new, self.known, self.bad))
    }
}

pub(super) fn list(options: &ListOptions, configuration: &Configuration) -> Result<ExitCode, Failure> {
    let location = configuration.config.store.as_ref().ok_or_else(no_store)?;
    let Some(store) = Store::look_at(location)? else { return Ok(ExitCode::SUCCESS) };
    let ListOptions { ownership, resource, subject } = options;
    let wanted = Wanted { ownership: ownership.clone(), resource: resource.clone(), subject: subject.clone() };
    let mut page = Page { wanted, after: None };
    // In the form that `import` reads, page by page, because it may be long.
    let mut head = Some("ownership,resource,issuer,subject\n");
    loop {
        let (asking, wanted) = (store.clone(), page.clone());
        let found = store.wait_for(async move { asking.owned(&wanted).await })?;
        let mut text = head.take().unwrap_or_default().to_owned();
        found.iter().for_each(|record| rows::write(record, &mut text));
        print(&text)?;
        if found.len() < Page::LONGEST {
            return Ok(ExitCode::SUCCESS);
        }
        page.after = found.into_iter().last();
    }
}

pub(super) fn forget(options: &ForgetOptions, configuration: &Configuration) -> Result<ExitCode, Failure> {
    let config = &configuration.config;
    let ownership = rows::choose("--ownership", options.ownership.as_deref(), &tables(config));
    let (ownership, resource) = (ownership.map_err(Failure::Usage)?, options.resource.clone());
    let store = open(config)?;
    let forgetting = store.clone();
    let forgotten = store.wait_for(async move { forgetting.forget(&ownership, &resource).await })?;
    print(&format!("{forgotten} forgotten\n"))?;
    Ok(if forgotten > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The ownerships that the store is asked for.
fn tables(config: &Config) -> Vec<String> {
    let tables = config.ownerships.iter().filter(|settings| matches!(settings.source, OwnerSource::Table { .. }));
    tables.map(|settings| settings.name.clone()).collect()
}

fn open(config: &Config) -> Result<Store, Failure> {
    Ok(Store::open(config.store.as_ref().ok_or_else(no_store)?)?)
}

fn no_store() -> Failure {
    Failure::Other("no ownership of the configuration has a `table`, and there is no `store`".to_owned())
}

fn unreadable(options: &ImportOptions, cause: &impl std::fmt::Display) -> Failure {
    Failure::Other(format!("{}: {cause}", shown(&options.file.display().to_string())))
}
