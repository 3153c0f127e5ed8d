//! May they: from a method, a path and a principal to a [`Permit`], or the reason why not.
//!
//! 1. [`path`]: a path that could mean two things is refused.
//! 2. [`route`]: the most specific rule that covers method and path. What no rule covers is refused.
//! 3. [`permission`]: what the rule asks of the principal's permissions.
//! 4. [`ownership`]: whether the resource that the path names is the principal's.
//! 5. [`policy`] does 3 and 4 in that order, and is the only place that makes a [`Permit`].

pub mod ownership;
pub mod path;
pub mod permission;
pub mod policy;
pub mod route;

pub use self::{
    ownership::{OwnerAwaited, Ownership, OwnershipSource},
    path::{PathError, PathExceptions},
    policy::{Denial, OwnerQuestion, Permit, Policy},
    route::{Access, Match, Mode, Pattern, PatternError, RouteError, RouteSpec, Routes, Rule, WebSocketToken},
};
