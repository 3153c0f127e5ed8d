//! Sessions, and the refresh tokens that keep one alive.
//!
//! A session begins with a login and has one family of refresh tokens. In this order:
//!
//! 1. A token of no session is unknown. A session that was ended, or that is past its end or was idle for too long,
//!    takes no token.
//! 2. Without rotation the same token is good as long as the session lasts.
//! 3. With rotation a token has a child, made when it is used the first time (RFC 9700 §4.14.2). Real clients refresh
//!    twice at once, and answers get lost: within the *reuse interval*, and as long as the child itself has not been used,
//!    the parent gives the same child again.
//! 4. Any other use of a token that has a child is theft, by whoever comes second: the session ends.
//!
//! Of a token only its SHA-256 is kept. That the same child can be given again, it is kept *sealed* with its parent: XORed
//! with HMAC-SHA-256 (RFC 2104) of the parent, counted on for what is longer than one block. The database alone does not
//! tell a token, and neither does a parent alone; whoever has both has what the parent's holder was given anyway.

use std::{fmt, time::Duration};

use aws_lc_rs::{digest, hmac, rand::SecureRandom};

use super::{NoRandomness, Uuid};
use crate::clock::Timestamp;

/// Random bytes of an opaque token.
const TOKEN_BYTES: usize = 32;
/// What the key of the seal is for, so that it is for nothing else.
const SEAL_LABEL: &[u8] = b"bearergate refresh token seal";

/// What a login begins. It ends when it is ended, when its time is over, or when it was idle for too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its name, which access tokens may carry.
    pub id: Uuid,
    /// Whose it is.
    pub user: Uuid,
    /// Since when.
    pub started: Timestamp,
    /// Until when at most.
    pub ends: Timestamp,
    /// Until when, if no token is used before; not after `ends`.
    pub idle_until: Timestamp,
    /// Since when it is ended.
    pub ended: Option<Timestamp>,
}

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLife {
    /// From the login on.
    pub absolute: Duration,
    /// From the last refresh on.
    pub idle: Duration,
}

/// A refresh token, a one-time token: who has it may. Its `Debug` form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// What is kept of a [`Token`]: its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

/// The child of a token that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// When it was made.
    pub made: Timestamp,
    /// Whether it was used itself.
    pub used: bool,
}

/// A child for a token, if it has none yet.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The child.
    pub child: TokenHash,
    /// The child, sealed with its parent.
    pub sealed: Vec<u8>,
    /// How long the parent gives the same child again.
    pub reuse_interval: Duration,
}

/// What a token is good for that is presented for a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A refresh: it has no child.
    Fresh,
    /// The child that it has.
    Repeated,
    /// The end of the session.
    Reused,
    /// Nothing: the session was ended.
    Ended,
    /// Nothing: the session is over.
    Expired,
}

impl Session {
    /// One that begins.
    #[must_use]
    pub fn start(id: Uuid, user: Uuid, life: SessionLife, now: Timestamp) -> Self {
        let ends = now.saturating_add(life.absolute);
        Self { id, user, started: now, ends, idle_until: now.saturating_add(life.idle).min(ends), ended: None }
    }

    /// What a token of this session is good for. `child`: the one that it has, `reuse_interval`: zero without rotation.
    #[must_use]
    pub fn judge(&self, child: Option<Child>, reuse_interval: Duration, now: Timestamp) -> Verdict {
        if self.ended.is_some() {
            return Verdict::Ended;
        }
        if now >= self.idle_until || now >= self.ends {
            return Verdict::Expired;
        }
        match child {
            None => Verdict::Fresh,
            Some(child) if !child.used && now.since(child.made) < reuse_interval => Verdict::Repeated,
            Some(_) => Verdict::Reused,
        }
    }

    /// After a refresh.
    #[must_use]
    pub fn refreshed(self, idle: Duration, now: Timestamp) -> Self {
        Self { idle_until: now.saturating_add(idle).min(self.ends), ..self }
    }
}

impl Token {
    /// A new one: 256 random bits, in base64url.
    ///
    /// # Errors
    /// When `random` has none.
    pub fn random(random: &dyn SecureRandom) -> Result<Self, NoRandomness> {
        let mut bytes = [0; TOKEN_BYTES];
        random.fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Self(base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)))
    }

    /// Itself: for the client, and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, self.0.as_bytes()).as_ref());
        TokenHash(hash)
    }

    /// `child`, for whom has this one and the seal.
    #[must_use]
    pub fn seal(&self, child: &Self) -> Vec<u8> {
        self.keystream_over(child.0.as_bytes())
    }

    /// What was sealed with this one. `None`: it was not.
    #[must_use]
    pub fn unseal(&self, sealed: &[u8], child: TokenHash) -> Option<Self> {
        let opened = Self(String::from_utf8(self.keystream_over(sealed)).ok()?);
        (opened.hash() == child).then_some(opened)
    }

    /// A rotation of this token.
    #[must_use]
    pub fn rotation(&self, child: &Self, reuse_interval: Duration) -> Rotation {
        Rotation { child: child.hash(), sealed: self.seal(child), reuse_interval }
    }

    /// Block `n` is XORed with HMAC(token, label ‖ n).
    fn keystream_over(&self, bytes: &[u8]) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes());
        let mut output = Vec::with_capacity(bytes.len());
        for (number, block) in (0_u64..).zip(bytes.chunks(32)) {
            let mut context = hmac::Context::with_key(&key);
            context.update(SEAL_LABEL);
            context.update(&number.to_be_bytes());
            output.extend(block.iter().zip(context.sign().as_ref()).map(|(byte, key)| byte ^ key));
        }
        output
    }
}

impl From<String> for Token {
    /// Whatever a client presents, and JWTs.
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token([redacted])")
    }
}

impl TokenHash {
    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for TokenHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenHash(…)")
    }
}

#[cfg(test)]
mod tests;
