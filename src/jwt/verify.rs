//! From a token's text to proof that a key has signed it. The order matters, the cheap refusals come first:
//!
//! 1. The length, before anything is split.
//! 2. Exactly two dots. A JWE (five parts) and the JSON serialization are no token.
//! 3. Each part is canonical base64url; none is empty.
//! 4. The header, then the claims, in strict form. Still nothing is proven.
//! 5. The key's algorithm is the header's, and the signature over the very bytes that came (RFC 7515 §5.2) is right.

use super::{Claims, Header, InvalidToken, Part, RememberedHeaders, VerifyingKey, base64url};

/// A token in good form. Nothing in it is proven: use it to choose the issuer and the key, for nothing else.
#[derive(Clone, Debug)]
pub struct UnverifiedToken<'t> {
    header: Header,
    claims: Claims,
    header_text: &'t str,
    signed: &'t str,
    signature: Vec<u8>,
}

impl<'t> UnverifiedToken<'t> {
    /// Reads a token of at most `max_bytes` bytes.
    ///
    /// # Errors
    /// What is wrong with its form, or with the type of a claim.
    pub fn parse(token: &'t str, max_bytes: usize) -> Result<Self, InvalidToken> {
        Self::read(token, max_bytes, |text| Header::parse(decode(Part::Header, text)?))
    }

    /// As [`parse`](Self::parse), with the header of an earlier token if it is the same to the letter.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_with(token: &'t str, max_bytes: usize, known: &RememberedHeaders) -> Result<Self, InvalidToken> {
        let header = |text: &str| match known.recall(text) {
            Some(header) => Ok(header),
            None => Header::parse(decode(Part::Header, text)?),
        };
        Self::read(token, max_bytes, header)
    }

    fn read(
        token: &'t str,
        max_bytes: usize,
        read_header: impl FnOnce(&str) -> Result<Header, InvalidToken>,
    ) -> Result<Self, InvalidToken> {
        let Parts { header: header_text, payload, signature, signed } = Parts::split(token, max_bytes)?;
        let header = read_header(header_text)?;
        let claims = Claims::parse(decode(Part::Payload, payload)?)?;
        let signature = decode(Part::Signature, signature)?;
        Ok(Self { header, claims, header_text, signed, signature })
    }

    /// What the header says, unproven.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// What the claims say, unproven.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Proves that `key` has signed the token.
    ///
    /// # Errors
    /// [`InvalidToken::AlgorithmMismatch`] or [`InvalidToken::BadSignature`].
    pub fn verify_signature(self, key: &VerifyingKey) -> Result<SignedToken, InvalidToken> {
        prove(&self.header, key, self.signed, &self.signature)?;
        Ok(SignedToken { header: self.header, claims: self.claims })
    }

    /// As [`verify_signature`](Self::verify_signature), and remembers the header of a token that is correctly signed.
    ///
    /// # Errors
    /// As [`verify_signature`](Self::verify_signature).
    pub fn verify_and_remember(
        self,
        key: &VerifyingKey,
        known: &RememberedHeaders,
    ) -> Result<SignedToken, InvalidToken> {
        let text = self.header_text;
        let signed = self.verify_signature(key)?;
        known.remember(text, &signed.header);
        Ok(signed)
    }
}

/// The three parts of the compact serialization (RFC 7515 §7.1), as they came.
pub(super) struct Parts<'t> {
    pub(super) header: &'t str,
    pub(super) payload: &'t str,
    pub(super) signature: &'t str,
    /// What the signature is over: header, dot and payload.
    pub(super) signed: &'t str,
}

impl<'t> Parts<'t> {
    pub(super) fn split(token: &'t str, max_bytes: usize) -> Result<Self, InvalidToken> {
        if token.len() > max_bytes {
            return Err(InvalidToken::TooLong { limit: max_bytes });
        }
        let (header, rest) = split_at_dot(token).ok_or(InvalidToken::NotThreeParts)?;
        let (payload, signature) = split_at_dot(rest).ok_or(InvalidToken::NotThreeParts)?;
        if split_at_dot(signature).is_some() {
            return Err(InvalidToken::NotThreeParts);
        }
        let signed = &token[..token.len() - signature.len() - 1];
        Ok(Self { header, payload, signature, signed })
    }
}

/// What is before the first dot, and what is behind it. Pieces without one are skipped as a whole, all of their bytes
/// compared at once.
fn split_at_dot(text: &str) -> Option<(&str, &str)> {
    const PIECE: usize = 32;
    let bytes = text.as_bytes();
    let dotless = |piece: &&[u8]| !piece.iter().fold(false, |found, byte| found | (*byte == b'.'));
    let skipped = PIECE * bytes.chunks_exact(PIECE).take_while(dotless).count();
    let dot = skipped + bytes.get(skipped..)?.iter().position(|byte| *byte == b'.')?;
    Some((text.get(..dot)?, text.get(dot + 1..)?))
}

/// That `key` has made `signature` over `signed`, and is for the header's algorithm.
pub(super) fn prove(header: &Header, key: &VerifyingKey, signed: &str, signature: &[u8]) -> Result<(), InvalidToken> {
    let algorithm = header.algorithm();
    if algorithm != key.algorithm() {
        return Err(InvalidToken::AlgorithmMismatch { header: algorithm, key: key.algorithm() });
    }
    key.has_signed(signed.as_bytes(), signature).then_some(()).ok_or(InvalidToken::BadSignature)
}

pub(super) fn decode(part: Part, text: &str) -> Result<Vec<u8>, InvalidToken> {
    base64url::decode(text).filter(|bytes| !bytes.is_empty()).ok_or(InvalidToken::Encoding(part))
}

/// Proof that a key of ours has signed the token. Whether it is acceptable, [`Expectations`](super::Expectations) say.
#[derive(Clone, Debug)]
pub struct SignedToken {
    header: Header,
    claims: Claims,
}

impl SignedToken {
    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The claims.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The claims, to keep.
    #[must_use]
    pub fn into_claims(self) -> Claims {
        self.claims
    }
}
