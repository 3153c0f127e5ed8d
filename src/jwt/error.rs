//! Why a token is refused, grouped by whose fault that is.
//!
//! The reasons are for the log and for metrics; a client is told less. No message holds any part of a token but names
//! that were asked for (`kid`, `alg`), and these escaped and cut.

use std::fmt;

use super::{algorithm::Algorithm, json::JsonError};

/// Why a correctly written request's token is not acceptable. Expiry of an otherwise good token is apart, because the
/// client can do something about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The signature is right, and `exp` is not in the future (RFC 7519 §4.1.4).
    #[error("the token is past its expiry")]
    Expired,
    /// Anything else.
    #[error(transparent)]
    Invalid(#[from] InvalidToken),
}

/// What is wrong with a token that is not merely expired.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    // The sender's fault: there is nothing that could be one token.
    /// More than one `Authorization` field: two readers could choose two different ones.
    #[error("there is more than one `Authorization` field")]
    SeveralCredentials,
    /// What stands behind the scheme has characters that no token has (RFC 6750 §2.1).
    #[error("what stands behind the scheme is not a token")]
    NotAToken,

    // The writer's fault: these bytes are no JWT in compact serialization.
    /// Longer than the configured limit.
    #[error("the token is longer than {limit} bytes")]
    TooLong {
        /// In bytes.
        limit: usize,
    },
    /// Not three parts: no JWS in compact serialization (RFC 7515 §7.1).
    #[error("a token has exactly three parts, separated by dots")]
    NotThreeParts,
    /// A part is empty, or not canonical base64url.
    #[error("the {0} is not canonical base64url")]
    Encoding(Part),
    /// A part is not strict JSON.
    #[error("the {part} is not strict JSON: {error}")]
    Json {
        /// The header or the payload.
        part: Part,
        /// What is wrong, and where in the decoded bytes.
        error: JsonError,
    },
    /// A part is JSON, but no object.
    #[error("the {0} is not a JSON object")]
    NotAnObject(Part),
    /// A header member has another type than its specification says, or is missing.
    #[error("`{0}` in the header is missing or not a string")]
    HeaderType(&'static str),
    /// A claim has another type or range than its specification says (RFC 7519 §4.1).
    #[error("the claim `{claim}` is not {expected}")]
    ClaimType {
        /// The claim's name.
        claim: Box<str>,
        /// What it has to be.
        expected: &'static str,
    },

    // The issuer's choices, which we do not accept from anyone.
    /// `alg` is `none`, unknown or unsupported.
    #[error("the algorithm `{0}` is not accepted")]
    UnsupportedAlgorithm(Shown),
    /// `crit`, `b64`, `zip` or `cty`: processing that we do not do (RFC 7515 §4.1.11, RFC 7797 §6, RFC 7519 §5.2).
    #[error("`{0}` in the header is not accepted")]
    ForbiddenHeader(&'static str),

    // The key's or the signature's: not from whom it seems to be.
    /// No issuer is known by this `iss`, and a token without a known one is not accepted.
    #[error("the issuer is not known")]
    UnknownIssuer,
    /// The issuer is known, and not accepted on the route that the request is for.
    #[error("the issuer is not accepted on this route")]
    IssuerNotAcceptedHere,
    /// The issuer does not use this algorithm.
    #[error("the issuer's tokens may not use {0}")]
    AlgorithmNotAllowed(Algorithm),
    /// No key has this `kid`.
    #[error("no key has the id `{0}`")]
    UnknownKey(Shown),
    /// The token names no key, and there is none of its algorithm.
    #[error("no key for {0}")]
    NoKey(Algorithm),
    /// The token names no key, and there is more than one of its algorithm.
    #[error("the token names no key, and there are several for {0}")]
    AmbiguousKey(Algorithm),
    /// `alg` is not the algorithm that the key is bound to (RFC 8725 §3.1).
    #[error("the token says {header}, the key is for {key}")]
    AlgorithmMismatch {
        /// The token's.
        header: Algorithm,
        /// The key's.
        key: Algorithm,
    },
    /// The signature does not fit the key and the bytes.
    #[error("the signature is wrong")]
    BadSignature,

    // The claims': proven, but not for here or not for now.
    /// `nbf` is in the future (RFC 7519 §4.1.5).
    #[error("the token is not yet valid")]
    NotYetValid,
    /// `iss` is another issuer than the expected one.
    #[error("the issuer is another one")]
    WrongIssuer,
    /// `aud` names none of the expected audiences (RFC 7519 §4.1.3).
    #[error("the token is for another audience")]
    WrongAudience,
    /// `typ` is that of another kind of token (RFC 8725 §3.11).
    #[error("`typ` is that of another kind of token: `{0}`")]
    WrongTyp(Shown),
    /// A `typ` is expected and there is none.
    #[error("`typ` is missing")]
    MissingTyp,
    /// A claim that has to be there is not.
    #[error("the claim `{0}` is missing")]
    MissingClaim(Box<str>),
    /// A claim that has to have a certain value has another.
    #[error("the claim `{0}` has another value than the required one")]
    WrongClaim(Box<str>),
    /// A claim that must not have a certain value has it.
    #[error("the claim `{0}` has a value that is not accepted here")]
    ForbiddenClaim(Box<str>),
    /// A claim that the upstream is to be told of cannot be sent in a header field (RFC 9110 §5.5).
    #[error("the claim `{claim}` cannot be sent in a header")]
    UnfitForHeader {
        /// The claim's path.
        claim: Box<str>,
    },
    /// The token lives longer than the configured maximum.
    #[error("the token lives longer than the maximum")]
    LivesTooLong,

    // The bearer's: it is not the one whom the token is bound to.
    /// The token is bound to a client certificate, and its connection has none (RFC 8705 §3).
    #[error("the token is bound to a client certificate, and the connection has none")]
    CertificateMissing,
    /// The token is bound to another client certificate than its connection's (RFC 8705 §3).
    #[error("the token is bound to another client certificate")]
    WrongCertificate,
    /// The token is bound to a key in a way that is not supported: `jkt` (RFC 9449 §6) for instance.
    #[error("the token is bound to a key in a way that is not supported")]
    UnsupportedBinding,
    /// The token is bound to no certificate, and has to be.
    #[error("the token is not bound to a client certificate")]
    NotBound,

    // The issuer's word, who was asked.
    /// The issuer says that the token is not active: it never was one, has expired or is revoked (RFC 7662 §2.2).
    #[error("the issuer says that the token is not active")]
    Inactive,

    // Ours: it was good once.
    /// It has been revoked since it was issued.
    #[error("the token is revoked")]
    Revoked,
}

impl InvalidToken {
    /// A stable name for metrics and logs: one of a small closed set.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SeveralCredentials => "several_credentials",
            Self::NotAToken => "not_a_token",
            Self::TooLong { .. } => "too_long",
            Self::NotThreeParts => "not_three_parts",
            Self::Encoding(_) => "encoding",
            Self::Json { .. } => "json",
            Self::NotAnObject(_) => "not_an_object",
            Self::HeaderType(_) => "header_type",
            Self::ClaimType { .. } => "claim_type",
            Self::UnsupportedAlgorithm(_) => "unsupported_algorithm",
            Self::ForbiddenHeader(_) => "forbidden_header",
            Self::UnknownIssuer => "unknown_issuer",
            Self::IssuerNotAcceptedHere => "issuer_not_accepted_here",
            Self::AlgorithmNotAllowed(_) => "algorithm_not_allowed",
            Self::UnknownKey(_) => "unknown_key",
            Self::NoKey(_) => "no_key",
            Self::AmbiguousKey(_) => "ambiguous_key",
            Self::AlgorithmMismatch { .. } => "algorithm_mismatch",
            Self::BadSignature => "bad_signature",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::WrongTyp(_) => "wrong_typ",
            Self::MissingTyp => "missing_typ",
            Self::MissingClaim(_) => "missing_claim",
            Self::WrongClaim(_) => "wrong_claim",
            Self::ForbiddenClaim(_) => "forbidden_claim",
            Self::UnfitForHeader { .. } => "unfit_for_header",
            Self::LivesTooLong => "lives_too_long",
            Self::CertificateMissing => "certificate_missing",
            Self::WrongCertificate => "wrong_certificate",
            Self::UnsupportedBinding => "unsupported_binding",
            Self::NotBound => "not_bound",
            Self::Inactive => "inactive",
            Self::Revoked => "revoked",
        }
    }

    /// Whether the token is a good one of another kind, a refresh token for instance: its `typ`, or a claim that tells
    /// kinds apart (`token_type`, `token_use`, `typ`), is there with another value than the required one.
    #[must_use]
    pub fn is_wrong_kind(&self) -> bool {
        match self {
            Self::WrongTyp(_) => true,
            Self::WrongClaim(claim) => matches!(&**claim, "token_type" | "token_use" | "typ"),
            _ => false,
        }
    }
}

/// A part of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Before the first dot.
    Header,
    /// Between the dots.
    Payload,
    /// Behind the second dot.
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// A value of a stranger's, made fit to be shown: printable ASCII, everything else escaped, cut to 64 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown(Box<str>);

impl Shown {
    const CHARACTERS: usize = 64;

    pub(crate) fn new(value: &str) -> Self {
        let mut escaped = value.escape_default();
        let mut shown: String = escaped.by_ref().take(Self::CHARACTERS).collect();
        if escaped.next().is_some() {
            shown.push_str("...");
        }
        Self(shown.into())
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_value_is_escaped_and_cut() {
        assert_eq!(Shown::new("a\r\nb\0\u{202e}").to_string(), r"a\r\nb\u{0}\u{202e}");
        assert_eq!(Shown::new(&"x".repeat(8192)).to_string(), format!("{}...", "x".repeat(64)));
        assert_eq!(Shown::new(&"x".repeat(64)).to_string(), "x".repeat(64));
    }

    #[test]
    fn another_value_of_a_kind_claim_is_a_wrong_kind_but_a_missing_one_is_not() {
        assert!(InvalidToken::WrongClaim("token_type".into()).is_wrong_kind());
        assert!(InvalidToken::WrongTyp(Shown::new("dpop+jwt")).is_wrong_kind());
        assert!(!InvalidToken::MissingClaim("token_type".into()).is_wrong_kind());
        assert!(!InvalidToken::WrongClaim("role".into()).is_wrong_kind());
    }
}
