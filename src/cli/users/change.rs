//! `users disable`, `enable`, `grant`, `revoke-role` and `logout`.

use std::process::ExitCode;

use clap::Args;

use super::{
    Who,
    desk::{Desk, aside, nobody},
};
use crate::{
    accounts::{
        Uuid,
        model::{User, UserPatch},
        store::{SessionStore, Update, UserStore},
    },
    authn::{
        revocation::{RevocationStore, Target},
        role_grants::{GrantStore, RoleGrant},
    },
    cli::{failure::Failure, roles, terminal::print},
    store::Store,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct GrantOptions {
    /// E-mail address, UUID or number.
    who: Who,
    /// The role: of `[roles]` in the configuration, or a permission by its name.
    role: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct LogoutOptions {
    /// E-mail address, UUID or number.
    who: Who,
    /// Only this session, as `users sessions` names it.
    #[arg(long, value_name = "ID")]
    session: Option<Uuid>,
}

/// First nobody gets a new token any more, and then the old ones count no more: in between none slips through.
pub(super) fn disable(who: &Who, desk: &Desk<'_>) -> Result<ExitCode, Failure> {
    let store = desk.open()?;
    let user = desk.find(&store, who)?;
    let (user, ended) = set_disabled(true, &user, desk, &store)?;
    desk.end_tokens(&store, &user)?;
    desk.tell_gateway();
    print(&format!("Disabled. {}\n", told(ended.len())))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn enable(who: &Who, desk: &Desk<'_>) -> Result<ExitCode, Failure> {
    let store = desk.open()?;
    let user = desk.find(&store, who)?;
    if user.disabled.is_none() {
        print("Enabled already.\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    set_disabled(false, &user, desk, &store)?;
    print("Enabled.\n")?;
    Ok(ExitCode::SUCCESS)
}

fn set_disabled(disabled: bool, user: &User, desk: &Desk<'_>, store: &Store) -> Result<(User, Vec<Uuid>), Failure> {
    let (changing, id, now) = (store.clone(), user.id, desk.now());
    let patch = UserPatch { disabled: Some(disabled), ..UserPatch::default() };
    let aside = aside(if disabled { "disabled" } else { "enabled" });
    let changed = store.wait_for(async move { changing.update_user(id, patch, aside, now).await })?;
    match changed {
        Update::Updated(user, ended) => Ok((*user, ended)),
        Update::EmailTaken | Update::Unknown => Err(nobody()),
    }
}

pub(super) fn grant(options: &GrantOptions, desk: &Desk<'_>) -> Result<ExitCode, Failure> {
    let (store, grant) = read(options, desk)?;
    roles::note_unknown(&grant.role, desk.config);
    let granting = store.clone();
    let new = store.wait_for(async move { granting.grant(&grant).await })?;
    desk.tell_gateway();
    print(if new { "Granted.\n" } else { "Granted already.\n" })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn revoke_role(options: &GrantOptions, desk: &Desk<'_>) -> Result<ExitCode, Failure> {
    let (store, grant) = read(options, desk)?;
    let withdrawing = store.clone();
    let gone = store.wait_for(async move { withdrawing.withdraw(&grant).await })?;
    desk.tell_gateway();
    print(if gone { "Revoked.\n" } else { "There was no such grant.\n" })?;
    Ok(if gone { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(options: &GrantOptions, desk: &Desk<'_>) -> Result<(Store, RoleGrant), Failure> {
    roles::check("ROLE", &options.role).map_err(Failure::Usage)?;
    let store = desk.open()?;
    let user = desk.find(&store, &options.who)?;
    let (issuer, subject) = (desk.tokens.issuer.clone(), desk.tokens.subject(&user));
    Ok((store, RoleGrant { issuer, subject, role: options.role.clone() }))
}

pub(super) fn logout(options: &LogoutOptions, desk: &Desk<'_>) -> Result<ExitCode, Failure> {
    let store = desk.open()?;
    let user = desk.find(&store, &options.who)?;
    let now = desk.now();
    if let Some(session) = options.session {
        return end_one(session, &user, desk, &store);
    }
    let (ending, id) = (store.clone(), user.id);
    let ended = store.wait_for(async move { ending.end_sessions(id, None, aside("logged_out"), now).await })?;
    // Though no session may be left: an access token of one that was over could be.
    desk.end_tokens(&store, &user)?;
    desk.tell_gateway();
    print(&format!("Logged out. {}\n", told(ended.len())))?;
    Ok(ExitCode::SUCCESS)
}

fn end_one(session: Uuid, user: &User, desk: &Desk<'_>, store: &Store) -> Result<ExitCode, Failure> {
    let (ending, id, now) = (store.clone(), user.id, desk.now());
    let ended = store.wait_for(async move {
        let its_own = ending.sessions(id, now).await?.iter().any(|one| one.id == session);
        Ok(its_own && ending.end_session(session, aside("logged_out"), now).await?)
    })?;
    if !ended {
        return Err(Failure::Other("the user has no such session".to_owned()));
    }
    if desk.accounts.plan.names_sessions {
        let revocation = desk.tokens.revocation(Target::Session(session.to_string()), now);
        let adding = store.clone();
        store.wait_for(async move { adding.add(&revocation, now).await })?;
    } else {
        // The tokens do not say which session they are of.
        desk.end_tokens(store, user)?;
    }
    desk.tell_gateway();
    print(&format!("Logged out. {}\n", told(1)))?;
    Ok(ExitCode::SUCCESS)
}

fn told(ended: usize) -> String {
    match ended {
        0 => "There was no session.".to_owned(),
        1 => "1 session ended.".to_owned(),
        many => format!("{many} sessions ended."),
    }
}
