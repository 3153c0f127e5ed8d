//! New tokens for a refresh token.

use super::{Accounts, Call, Done, Inputs};
use crate::{
    accounts::{
        command::{FailureKind, Input},
        failure::Failure,
        model::{Aside, User},
        session::{Session, Token, TokenHash},
        store::{Presented, Refreshed},
    },
    authn::revocation::Target,
    jwt::InvalidToken,
    rejection::Rejection,
};

impl Accounts {
    pub(super) async fn refresh(&self, mut inputs: Inputs, call: &Call<'_>) -> Result<Done, Failure> {
        let token = inputs.token(&Input::RefreshToken);
        let now = self.clock.now();
        let child = self.child(&token).await?;
        let rotation = child.as_ref().map(|child| token.rotation(child, self.settings.refresh.reuse_interval));
        let presented = Presented { token: token.hash(), idle: self.settings.session.idle, rotation };
        let aside = Aside::event("refresh_token_reused", Some(call.address));
        let refreshed = self.store.refresh(presented, aside, now).await?;
        let (session, token) = match refreshed {
            Refreshed::Fresh(session) => (session, child.unwrap_or(token)),
            Refreshed::Repeated { session, child, sealed } => (session, unsealed(&token, &sealed, child)?),
            Refreshed::Reused(session) => {
                self.revoke_reused(&session).await?;
                return Err(useless("it was used before: its session has ended", false));
            }
            Refreshed::Ended => return Err(useless("its session was ended", false)),
            Refreshed::Expired => return Err(useless("its session is over", true)),
            Refreshed::Unknown => return Err(useless("nobody was given it", false)),
        };
        let user = self.store.user_by_id(session.user).await?;
        let user = user.filter(|user| user.disabled.is_none());
        let user = user.ok_or_else(|| useless("its user is gone or disabled", false))?;
        Ok(Done::Session(Box::new(self.grant(user, &session, token)?)))
    }

    /// The token that this one is replaced by, if tokens are.
    async fn child(&self, token: &Token) -> Result<Option<Token>, Failure> {
        if !self.settings.refresh.rotate {
            return Ok(None);
        }
        if !self.settings.refresh.jwt {
            return Ok(Some(self.minter.opaque()?));
        }
        // A JWT says whose it is. One without a session has no child worth the name.
        let Some((session, user)) = self.holder(token).await? else { return Ok(Some(self.minter.opaque()?)) };
        self.refresh_token(&user, &session).map(Some)
    }

    async fn holder(&self, token: &Token) -> Result<Option<(Session, User)>, Failure> {
        let Some(session) = self.store.session_of(token.hash(), self.clock.now()).await? else { return Ok(None) };
        Ok(self.store.user_by_id(session.user).await?.map(|user| (session, user)))
    }

    /// Somebody has a token that is another's: what the session was given counts no more.
    async fn revoke_reused(&self, session: &Session) -> Result<(), Failure> {
        if self.names_sessions() {
            self.revoke(Target::Session(session.id.to_string())).await;
        } else if let Some(user) = self.store.user_by_id(session.user).await? {
            self.revoke_all(&user).await;
        }
        Ok(())
    }
}

fn unsealed(token: &Token, sealed: &[u8], child: TokenHash) -> Result<Token, Failure> {
    let unsealed = token.unseal(sealed, child);
    unsealed.ok_or_else(|| Failure::new(FailureKind::Unavailable, "what is kept of a refresh token is damaged"))
}

/// Of a token that was presented as `Authorization` it is told whether it is past its time.
fn useless(cause: &'static str, expired: bool) -> Failure {
    let rejection = if expired { Rejection::TokenExpired } else { Rejection::InvalidToken(InvalidToken::Revoked) };
    Failure { rejection: Some(rejection), ..Failure::new(FailureKind::InvalidRefreshToken, cause) }
}
