//! The one-time tokens of mails, the links that they are in, and the mails.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    mail::{Letter, LinkError, Links, MailKind},
    minter::{Claimed, Minter, Unminted},
    model::User,
    plan::Plan,
    session::Token,
};
use crate::clock::Timestamp;

/// Why a mail has no link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoLink {
    /// Nothing says where links lead, or what the link of this mail is like.
    #[error("no link is configured for the mail")]
    Nowhere,
    /// It cannot be put together.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// A token for a link: a JWT if the plan says what it says, otherwise opaque.
pub(super) fn token(
    plan: &Plan,
    minter: &Minter,
    user: &User,
    until: Timestamp,
    now: Timestamp,
) -> Result<Token, Unminted> {
    match &plan.one_time_claims {
        None => minter.opaque(),
        Some(claims) => {
            let claimed = Claimed { claims, attributes: &plan.attributes, user, session: None };
            minter.other(&claimed, now, until)
        }
    }
}

/// The link of a mail to a user, with a token. `frontend`: the site that a client asks for.
pub(super) fn link(
    plan: &Plan,
    links: Option<&Links>,
    kind: MailKind,
    (user, token): (&User, &Token),
    frontend: Option<&str>,
) -> Result<String, NoLink> {
    let (links, pattern) = links.zip(plan.links.get(&kind)).ok_or(NoLink::Nowhere)?;
    let uid = URL_SAFE_NO_PAD.encode(user.number.to_string());
    let values = [("uid", uid.as_str()), ("token", token.expose()), ("email", user.email.as_str())];
    Ok(links.link(pattern, frontend, &values)?)
}

/// A mail to a user, with a link that is good for so long.
pub(super) fn letter(kind: MailKind, user: &User, link: Option<(String, Duration)>) -> Letter {
    let (link, expires_in) = link.unzip();
    let name = ["first_name", "name"].into_iter().find_map(|name| user.attributes.get(name)?.as_str());
    let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
    Letter { kind, recipient: user.email.clone(), name, link, expires_in }
}
