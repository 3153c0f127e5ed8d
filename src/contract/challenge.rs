//! The `WWW-Authenticate` of a 401 (RFC 9110 §11.6.1, RFC 6750 §3).
//!
//! A request without a token is told the scheme alone; where a token was presented, `error="invalid_token"` is added
//! (RFC 6750 §3.1), unless the API's contract says otherwise.

use http::HeaderValue;

/// The challenge with an error, in the form of RFC 6750 §3: after the scheme a space, between parameters a comma.
pub(super) fn with_invalid_token(challenge: &HeaderValue) -> Option<HeaderValue> {
    let text = challenge.to_str().ok()?;
    let separator = if text.contains(' ') { ", " } else { " " };
    HeaderValue::try_from(format!("{text}{separator}error=\"invalid_token\"")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_separated_as_the_grammar_asks() {
        let with = |text: &'static str| with_invalid_token(&HeaderValue::from_static(text)).unwrap();
        assert_eq!(with("Bearer"), "Bearer error=\"invalid_token\"");
        assert_eq!(with("Bearer realm=\"api\""), "Bearer realm=\"api\", error=\"invalid_token\"");
    }
}
