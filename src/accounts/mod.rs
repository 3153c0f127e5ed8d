//! The gateway's own users, for an API that has no login of its own.
//!
//! - [`password`]: what a password may be, how it is kept, and how one is compared with what is kept.

pub mod password;
