//! `users invite`.

use std::{process::ExitCode, sync::Arc};

use arc_swap::ArcSwap;
use aws_lc_rs::rand::SystemRandom;
use clap::Args;
use serde_json::{Map, Value};

use super::{
    add::new_user,
    attributes::About,
    desk::{Desk, aside, nobody},
    who::email,
};
use crate::{
    accounts::{
        email::Email,
        mail::MailKind,
        model::{Aside, User, UserPatch},
        operator::Inviter,
        store::{OneTimeStore, Update, UserStore},
    },
    authn::{
        CurrentKey,
        role_grants::{GrantStore, RoleGrant},
    },
    cli::{
        failure::Failure,
        terminal::{complain, print},
    },
    gateway::keys,
    store::Store,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The e-mail address.
    #[arg(value_parser = email)]
    email: Email,
    #[command(flatten)]
    about: About,
    /// Print the link too: whoever has it sets the password. Without an SMTP server it is only printed.
    #[arg(long)]
    print_link: bool,
}

pub(super) fn run(options: &Options, desk: &Desk<'_>) -> Result<ExitCode, Failure> {
    let sends = check(options, desk)?;
    let attributes = options.about.attributes(&desk.accounts.plan.attributes)?;
    options.about.check_roles(desk.config)?;
    let key = key(desk)?;
    let store = desk.open()?;
    let user = guest(options, attributes, desk, &store)?;
    let plan = desk.accounts.plan.clone();
    let (links, life) = (desk.accounts.mail.links.clone(), desk.accounts.lives.invitation);
    let (revocations, random) = (desk.revocations(&store)?, Arc::new(SystemRandom::new()));
    let inviter = Inviter::new((plan, links, life), desk.tokens.clone(), key, revocations, random);
    let now = desk.now();
    let invitation = inviter.invite(&user, now).map_err(|error| Failure::Other(error.to_string()))?;
    let mails = if sends { vec![invitation.mail.clone()] } else { Vec::new() };
    let aside = Aside { mails, ..aside("invited") };
    let (issuing, id, one_time) = (store.clone(), user.id, (invitation.key, invitation.until));
    let (token, until) = one_time;
    if !store.wait_for(async move { issuing.issue_one_time(id, token, until, aside, now).await })? {
        return Err(Failure::Other("the user is disabled".to_owned()));
    }
    desk.tell_gateway();
    if sends {
        complain(&format!("Invited: {}, number {}. The gateway sends the mail.", user.id, user.number));
    } else {
        complain(&format!("Invited: {}, number {}. No mail is sent.", user.id, user.number));
    }
    if options.print_link {
        print(&format!("{}\n", invitation.link))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a mail is sent; and that there is a link at all.
fn check(options: &Options, desk: &Desk<'_>) -> Result<bool, Failure> {
    let mistake = |message: &str| Err(Failure::Configuration(message.to_owned()));
    let mail = &desk.accounts.mail;
    let Some(links) = &mail.links else {
        return mistake("a link has to lead somewhere: set `accounts.frontend_url`, the site where passwords are set");
    };
    match desk.accounts.plan.links.get(&MailKind::Invitation) {
        None => return mistake("`accounts.links` has no `invitation`, which says what its link is like"),
        Some(pattern) if !links.has_base_of(pattern) => {
            return mistake("the link of an invitation leads to the gateway: set `accounts.public_url`");
        }
        Some(_) => {}
    }
    if mail.settings.smtp.is_none() && !options.print_link {
        return mistake(
            "no mail is sent, because `accounts.mail.smtp` is not set: say --print-link, and pass it on yourself",
        );
    }
    Ok(mail.settings.smtp.is_some())
}

fn key(desk: &Desk<'_>) -> Result<CurrentKey, Failure> {
    let issuer = desk.config.issuers.iter().find(|issuer| issuer.name == desk.tokens.issuer);
    let keys = issuer.map(|issuer| keys::open(issuer, desk.now())).transpose()?;
    let no_key = || Failure::Configuration("the issuer has no key to sign with".to_owned());
    let key = keys.and_then(|keys| keys.signing).ok_or_else(no_key)?;
    Ok(Arc::new(ArcSwap::from_pointee(key)))
}

/// Who is invited: a new user, or one without a password.
fn guest(options: &Options, attributes: Map<String, Value>, desk: &Desk<'_>, store: &Store) -> Result<User, Failure> {
    let (looking, email) = (store.clone(), options.email.clone());
    let found = store.wait_for(async move { looking.user_by_email(email).await })?;
    let roles = &options.about.roles;
    let Some(user) = found else {
        return desk.create(store, (new_user(&options.email, attributes, desk)?, roles), "added");
    };
    if user.password.is_some() {
        let message = "this user has a password already; whoever has forgotten it asks for a link at the login";
        return Err(Failure::Other(message.to_owned()));
    }
    if user.disabled.is_some() {
        return Err(Failure::Other("the user is disabled".to_owned()));
    }
    for role in roles {
        let (issuer, subject) = (desk.tokens.issuer.clone(), desk.tokens.subject(&user));
        let (granting, grant) = (store.clone(), RoleGrant { issuer, subject, role: role.clone() });
        store.wait_for(async move { granting.grant(&grant).await })?;
    }
    if attributes.is_empty() {
        return Ok(user);
    }
    let (changing, now) = (store.clone(), desk.now());
    let patch = UserPatch { attributes, ..UserPatch::default() };
    let changed = store.wait_for(async move { changing.update_user(user.id, patch, aside("changed"), now).await })?;
    match changed {
        Update::Updated(user, _) => Ok(*user),
        Update::EmailTaken | Update::Unknown => Err(nobody()),
    }
}
