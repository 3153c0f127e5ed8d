//! How far the verification of a token came, to explain its outcome.

use crate::jwt::{Algorithm, Expectations, UnverifiedToken, VerifyingKey};

/// A step of the verification that a token has passed, in this order. The claims come behind the signature:
/// [`Expectations::report`] explains these.
#[derive(Debug, Clone, Copy)]
pub enum Passed<'a> {
    /// It is a token, of which nothing is proven.
    Form(&'a UnverifiedToken<'a>),
    /// It says that it is one of this issuer's.
    Issuer {
        /// The issuer's name in the configuration.
        name: &'a str,
        /// What the issuer's tokens have to be like.
        expectations: &'a Expectations,
        /// The algorithms that they may use.
        algorithms: &'a [Algorithm],
    },
    /// No key tells: the issuer is asked about the token, and its answer decides. Of a token that is no JWT this is the
    /// first step.
    Asked {
        /// The issuer's name in the configuration.
        name: &'a str,
    },
    /// The issuer uses its algorithm.
    Algorithm,
    /// This key has to have signed it.
    Key(&'a VerifyingKey),
    /// The key has.
    Signature,
}
