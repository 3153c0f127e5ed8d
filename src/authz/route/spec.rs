//! What the configuration says of a rule.

use super::{super::path::PathExceptions, Pattern};

/// Whether a rule asks for a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    /// A valid token is needed.
    #[default]
    Token,
    /// A token is ignored.
    Public,
    /// A token is verified if there is one, and a bad one refused.
    Optional,
}

impl Access {
    /// As the configuration writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Public => "public",
            Self::Optional => "optional",
        }
    }
}

/// What becomes of a request that may not pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// It is refused.
    #[default]
    Enforce,
    /// It passes all the same, and is recorded: to see what would be refused before anything is.
    Report,
}

impl Mode {
    /// As the configuration writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Report => "report",
        }
    }
}

/// Where the token of a WebSocket may stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WebSocketToken {
    /// In `Authorization`, as everywhere.
    #[default]
    Header,
    /// There, or among the subprotocols, which a page of a browser can set.
    Subprotocol,
}

impl WebSocketToken {
    /// As the configuration writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Subprotocol => "subprotocol",
        }
    }
}

/// A `[[route]]` of the configuration.
#[derive(Debug, Clone, Default)]
pub struct RouteSpec {
    /// What it covers.
    pub patterns: Vec<Pattern>,
    /// Whether it asks for a token.
    pub access: Access,
    /// Permissions that are all needed.
    pub permissions: Vec<String>,
    /// Permissions of which one is needed.
    pub any_permission: Vec<String>,
    /// The `[ownership.NAME]` that decides whose the resource is.
    pub owner: Option<String>,
    /// The index of the upstream that it forwards to.
    pub upstream: usize,
    /// The built-in endpoints that answer in the upstream's place, by their indices; empty: none.
    pub builtin: Vec<usize>,
    /// What its paths may have beyond the canonical form.
    pub allow: PathExceptions,
    /// The issuers that it accepts, by name; empty: all.
    pub issuers: Vec<String>,
    /// What becomes of a request that may not pass.
    pub mode: Mode,
    /// Whether a connection may go on with WebSocket, and where the token of its handshake may stand.
    pub websocket: Option<WebSocketToken>,
    /// Whether what is answered ends with the token at the latest: streams, and WebSockets.
    pub close_at_exp: bool,
    /// The rate limits that its requests count against, by their indices; empty: none. Whoever serves the requests counts.
    pub limits: Vec<usize>,
}

impl RouteSpec {
    /// A valid token is needed.
    #[must_use]
    pub fn token() -> Self {
        Self::default()
    }

    /// A token is ignored.
    #[must_use]
    pub fn public() -> Self {
        Self { access: Access::Public, ..Self::default() }
    }

    /// A token is verified if there is one, and a bad one refused.
    #[must_use]
    pub fn optional() -> Self {
        Self { access: Access::Optional, ..Self::default() }
    }

    /// Needed, with the other ones that are added so.
    #[must_use]
    pub fn permission(mut self, permission: &str) -> Self {
        self.permissions.push(permission.to_owned());
        self
    }

    /// One of these is needed.
    #[must_use]
    pub fn any_permission<'p>(mut self, permissions: impl IntoIterator<Item = &'p str>) -> Self {
        self.any_permission.extend(permissions.into_iter().map(str::to_owned));
        self
    }

    /// The ownership that decides whose the resource is.
    #[must_use]
    pub fn owner(mut self, ownership: &str) -> Self {
        self.owner = Some(ownership.to_owned());
        self
    }

    /// Only tokens of this issuer are accepted, and of others that are added so.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.issuers.push(issuer.to_owned());
        self
    }

    /// Its paths may have this beyond the canonical form.
    #[must_use]
    pub fn allow(mut self, exceptions: PathExceptions) -> Self {
        self.allow = self.allow.union(exceptions);
        self
    }

    /// Whether it asks for what a token tells.
    pub(crate) fn asks(&self) -> bool {
        let Self { permissions, any_permission, owner, issuers, .. } = self;
        !permissions.is_empty() || !any_permission.is_empty() || owner.is_some() || !issuers.is_empty()
    }
}
