//! What must not be an HMAC secret: a public key, in any of the forms that one is handed around in. Everyone has it, so
//! everyone could sign (RFC 8725 §2.1).
//!
//! 1. A PEM, wherever it begins: behind a byte order mark, or what a tool says about it.
//! 2. The bytes of a public key (DER), or these in base64: a PEM without its first and last line.
//! 3. A JWK with a key type other than `oct`, or a JWK set.

use base64_simd::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::jwt::{Algorithm, Json};

use super::{KeyError, PublicKey};

pub(super) fn check(secret: &[u8]) -> Result<(), KeyError> {
    let begin = b"-----BEGIN";
    if secret.windows(begin.len()).any(|bytes| bytes == begin) {
        return Err(KeyError::PemAsSecret);
    }
    if is_der(secret) || is_base64_of_der(secret) || is_jwk(secret) {
        return Err(KeyError::PublicKeyAsSecret);
    }
    Ok(())
}

/// Whether it is a key, or one whose last byte is a line end, which whoever reads a secret's file takes away. An RSA key
/// ends with its exponent, which is odd, and so with no line end.
fn is_der(bytes: &[u8]) -> bool {
    // A SEQUENCE; one algorithm of each key type is enough.
    if bytes.first() != Some(&0x30) {
        return false;
    }
    let rsa = PublicKey::from_der(Algorithm::Rs256, bytes);
    let ends: [&[u8]; 3] = [b"", b"\n", b"\r\n"];
    matches!(rsa, Ok(_) | Err(KeyError::RsaSize { .. } | KeyError::RsaExponent))
        || ends.into_iter().any(|end| {
            let whole = Zeroizing::new([bytes, end].concat());
            let curves = [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];
            curves.into_iter().any(|algorithm| PublicKey::from_der(algorithm, &whole).is_ok())
        })
}

fn is_base64_of_der(text: &[u8]) -> bool {
    let plain = |byte: &u8| !byte.is_ascii_whitespace() && *byte != b'=';
    let text: Zeroizing<Vec<u8>> = Zeroizing::new(text.iter().copied().filter(plain).collect());
    [STANDARD_NO_PAD, URL_SAFE_NO_PAD]
        .into_iter()
        .filter_map(|alphabet| alphabet.decode_to_vec(&*text).ok().map(Zeroizing::new))
        .any(|bytes| is_der(&bytes))
}

fn is_jwk(text: &[u8]) -> bool {
    if text.trim_ascii_start().first() != Some(&b'{') {
        return false;
    }
    Json::parse(text.to_vec()).is_ok_and(|json| match json.root().get("kty") {
        Some(key_type) => key_type.as_str() != Some("oct"),
        None => json.root().get("keys").is_some(),
    })
}
