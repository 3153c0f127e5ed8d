//! What all commands for users need: settings, the store, and who is meant.

use std::sync::Arc;

use super::{super::admin, Who};
use crate::{
    accounts::{
        minter::TokenSettings,
        model::{Aside, Event, NewUser, User},
        store::{Creation, NewMember, UserStore},
    },
    authn::{Revocations, revocation::RevocationStore},
    cli::{configuration::Configuration, failure::Failure},
    clock::{Clock, Timestamp},
    config::{Accounts, Backend, Config},
    store::{Location, Store},
};

/// Where users are dealt with.
pub(super) struct Desk<'c> {
    pub(super) config: &'c Config,
    pub(super) accounts: &'c Accounts,
    pub(super) tokens: TokenSettings,
    pub(super) clock: Clock,
    configuration: &'c Configuration,
    location: &'c Location,
}

impl<'c> Desk<'c> {
    pub(super) fn of(configuration: &'c Configuration) -> Result<Self, Failure> {
        let config = &configuration.config;
        let mistake = |message: &str| Failure::Configuration(message.to_owned());
        let no_accounts = "the configuration has no `[accounts]`, so that there are no users. A line `[accounts]` behind a \
                           `preset` that has endpoints, and a `store`, switch them on";
        let accounts = config.accounts.as_ref().ok_or_else(|| mistake(no_accounts))?;
        if !matches!(accounts.backend, Backend::Embedded) {
            return Err(mistake("the users are not kept here (`accounts.backend`): use what keeps them"));
        }
        let no_store = "users are kept in a store: add `store = \"sqlite:bearergate.db\"`, or a PostgreSQL URL";
        let location = config.store.as_ref().ok_or_else(|| mistake(no_store))?;
        let issuer = config.issuers.iter().find(|issuer| issuer.name == accounts.issuer);
        let tokens = accounts.tokens_of(issuer.ok_or_else(|| mistake("no issuer makes the users' tokens"))?);
        Ok(Self { config, accounts, tokens, clock: Clock::system(), configuration, location })
    }

    /// The store, to change something.
    pub(super) fn open(&self) -> Result<Store, Failure> {
        Ok(Store::open(self.location)?)
    }

    /// The store, if it is there, only to look.
    pub(super) fn look(&self) -> Result<Option<Store>, Failure> {
        let Some(store) = Store::look_at(self.location)? else { return Ok(None) };
        let looking = store.clone();
        let form = store.wait_for(async move { looking.form().await })?;
        if form.pending.is_empty() {
            return Ok(Some(store));
        }
        Err(Failure::Other(
            "the store has an older form than this program's: `db migrate` brings it to that".to_owned(),
        ))
    }

    /// The user that is meant.
    pub(super) fn find(&self, store: &Store, who: &Who) -> Result<User, Failure> {
        let (looking, who) = (store.clone(), who.clone());
        let found = store.wait_for(async move {
            match who {
                Who::Email(email) => looking.user_by_email(email).await,
                Who::Id(id) => looking.user_by_id(id).await,
                Who::Number(number) => looking.user_by_number(number).await,
            }
        })?;
        found.ok_or_else(nobody)
    }

    /// Makes a user with roles.
    pub(super) fn create(
        &self,
        store: &Store,
        (user, roles): (NewUser, &[String]),
        kind: &str,
    ) -> Result<User, Failure> {
        let (creating, tokens, now) = (store.clone(), self.tokens.clone(), self.clock.now());
        let members = vec![NewMember { user, roles: roles.to_vec() }];
        let aside = aside(kind);
        let created =
            store.wait_for(async move { creating.create_users(members, tokens, aside, now).await })?.into_iter().next();
        match created {
            Some(Creation::Created(user)) => Ok(*user),
            _ => Err(Failure::Other("there is a user with this address already".to_owned())),
        }
    }

    /// The revocations that are in force.
    pub(super) fn revocations(&self, store: &Store) -> Result<Arc<Revocations>, Failure> {
        let (asking, now) = (store.clone(), self.clock.now());
        let (found, _) = store.wait_for(async move { asking.since(0, now).await })?;
        let revocations = Revocations::new(self.clock.clone());
        revocations.extend(found);
        Ok(Arc::new(revocations))
    }

    /// From now on no access token of the user's counts.
    pub(super) fn end_tokens(&self, store: &Store, user: &User) -> Result<(), Failure> {
        let revocations = self.revocations(store)?;
        let now = self.clock.now();
        let (adding, revocation) = (store.clone(), self.tokens.end_of_tokens(user, &revocations, now));
        store.wait_for(async move { adding.add(&revocation, now).await })?;
        Ok(())
    }

    /// Tells the gateway that runs to read the store.
    pub(super) fn tell_gateway(&self) {
        admin::tell_gateway(self.configuration);
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// What the audit trail says of what is done here.
pub(super) fn aside(kind: &str) -> Aside {
    let detail = Some("by the command line".to_owned());
    Aside { mails: Vec::new(), events: vec![Event { kind: kind.to_owned(), address: None, detail }] }
}

/// Nobody is meant.
pub(super) fn nobody() -> Failure {
    Failure::Other("there is no such user".to_owned())
}
