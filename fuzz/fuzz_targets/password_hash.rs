//! Any text as what is kept of a password: never a panic, what is read is read again as the same, and nothing of it is shown
//! in a `Debug` form or a mistake. What is accepted is bounded: its numbers are read again, apart from the code that is
//! tested.

#![no_main]

use bearergate::accounts::password::{PasswordHash, UnacceptableHash};
use libfuzzer_sys::fuzz_target;

/// KiB of argon2's and scrypt's memory.
const MOST_MEMORY: u64 = 256 * 1024;

const SCHEMES: [&str; 9] =
    ["argon2id", "argon2i", "argon2d", "bcrypt", "bcrypt_sha256", "pbkdf2_sha256", "pbkdf2_sha1", "scrypt", "unusable"];

fuzz_target!(|text: &str| {
    match text.parse::<PasswordHash>() {
        Ok(hash) => {
            assert!(text.len() <= 512);
            assert_eq!(hash.as_str(), text);
            assert!(SCHEMES.contains(&hash.scheme()), "{}", hash.scheme());
            assert_eq!(hash.is_unusable(), text.starts_with('!'));
            assert_eq!(format!("{hash:?}"), format!("PasswordHash({}, [redacted])", hash.scheme()));
            let again: PasswordHash = hash.as_str().parse().expect("it was read before");
            assert_eq!((again.scheme(), again.needs_rehash()), (hash.scheme(), hash.needs_rehash()));
            assert!(hash.needs_rehash() || text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
            assert!(memory(&hash).is_none_or(|memory| memory <= MOST_MEMORY), "{text}");
        }
        Err(mistake) => is_silent(mistake, text),
    }
});

/// The memory that the text asks for, in KiB, where its form says it.
fn memory(hash: &PasswordHash) -> Option<u64> {
    let text = hash.as_str();
    match hash.scheme() {
        "argon2id" | "argon2i" | "argon2d" => number(text.split("m=").nth(1)?),
        "scrypt" => {
            let mut parts = text.split('$').skip(1);
            let (n, _salt, r) = (number(parts.next()?)?, parts.next()?, number(parts.next()?)?);
            Some(n.checked_mul(r).and_then(|blocks| blocks.checked_mul(128)).map_or(u64::MAX, |bytes| bytes / 1024))
        }
        _ => None,
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = text.split(|digit: char| !digit.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Beside the numbers of its cost, a mistake has nothing of the text.
fn is_silent(mistake: UnacceptableHash, text: &str) {
    let said = mistake.to_string();
    assert!(!said.is_empty() && said.len() < 200, "{said}");
    // What a salt or a hash could be: a piece that is long and mixed.
    let pieces = text.split(['$', ',', '=']).filter(|piece| piece.len() >= 16 && piece.is_ascii());
    for piece in pieces.filter(|piece| piece.bytes().any(|byte| byte.is_ascii_digit())) {
        assert!(!said.contains(piece) || piece.bytes().all(|byte| byte.is_ascii_digit()), "{said}");
    }
}
