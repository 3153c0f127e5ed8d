//! `jws verify`: a signature alone. No claim is looked at, no configuration is read.
//!
//! 1. The key is given: one JWK, a set of them (the token's `kid` chooses), or a secret.
//! 2. A key is bound to its algorithm: `alg` of the JWK, `--alg`, or the only one of its type and curve. A JWK that says
//!    nothing is taken for the token's algorithm, if its type has that: an `oct` key never verifies RS256.
//! 3. A key that cannot be read or used is a mistake of the command line (2), and no answer.

use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use super::{
    failure::Failure,
    presented,
    terminal::{BAD, BOLD, GOOD, complain, print, shown},
};
use crate::{
    jwt::{
        Algorithm, InvalidToken, Json, Jws, KeyError, KeySet, KeySetError, Origin, SkippedKey, UnknownAlgorithm,
        VerifyingKey,
    },
    secret::Secret,
};

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("key").required(true)))]
pub(super) struct Options {
    /// A file with one JSON Web Key.
    #[arg(long, value_name = "FILE", group = "key")]
    jwk: Option<PathBuf>,
    /// A file with a JSON Web Key Set.
    #[arg(long, value_name = "FILE", group = "key")]
    jwks: Option<PathBuf>,
    /// A file with a shared secret; one line end at its end is not part of it.
    #[arg(long, value_name = "FILE", group = "key", requires = "alg")]
    secret_file: Option<PathBuf>,
    /// The algorithm that the key is for: HS256, ES256, …
    #[arg(long, value_name = "ALGORITHM", value_parser = algorithm)]
    alg: Option<Algorithm>,
    /// The signature with its payload, in compact form; without this, or with -, standard input.
    token: Option<String>,
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    name.parse().map_err(|error: UnknownAlgorithm| error.to_string())
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Failure> {
    // The key first: whether it is any good does not depend on the token.
    let source = Source::read(options)?;
    let text = presented::text(options.token.as_deref())?;
    let verified = Jws::parse(&text, usize::MAX).map_err(Verdict::Invalid).and_then(|jws| {
        let key = source.key(&jws)?;
        jws.verify_signature(&key).map(|()| key).map_err(Verdict::Invalid)
    });
    match verified {
        Ok(key) => {
            let name = key.key_id().map_or_else(|| "without an id".to_owned(), |id| format!("`{}`", shown(id)));
            print(&format!("{GOOD}valid{GOOD:#}: {}, key {name}\n", key.algorithm()))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(Verdict::Invalid(cause)) => {
            print(&format!("{BAD}not valid{BAD:#}: {cause}\n"))?;
            Ok(ExitCode::FAILURE)
        }
        Err(Verdict::Key(failure)) => Err(failure),
    }
}

enum Verdict {
    Invalid(InvalidToken),
    Key(Failure),
}

enum Source {
    /// Its one algorithm is known.
    Key(VerifyingKey),
    /// The token has to say which of the algorithms of its type it is for.
    AnyAlgorithm {
        file: PathBuf,
        jwk: Json,
    },
    Set {
        file: PathBuf,
        json: Vec<u8>,
        algorithm: Option<Algorithm>,
    },
}

impl Source {
    fn read(options: &Options) -> Result<Self, Failure> {
        if let Some(file) = &options.jwk {
            let jwk = Json::parse(read(file)?).map_err(|error| unusable(file, &error))?;
            return match VerifyingKey::from_jwk(jwk.root(), options.alg) {
                Ok(key) => Ok(Self::Key(key)),
                Err(KeyError::JwkAlgorithmUnknown) => {
                    check_usable(&jwk).map_err(|error| unusable(file, &error))?;
                    Ok(Self::AnyAlgorithm { file: file.clone(), jwk })
                }
                Err(error) => Err(unusable(file, &error)),
            };
        }
        if let Some(file) = &options.jwks {
            let json = read(file)?;
            // Which keys can be used depends on the token; whether this is a set does not.
            return match KeySet::from_jwks(&json, Origin::File) {
                Ok(_) | Err(KeySetError::NoUsableKey(_)) => {
                    Ok(Self::Set { file: file.clone(), json, algorithm: options.alg })
                }
                Err(error) => Err(unusable(file, &error)),
            };
        }
        match (&options.secret_file, options.alg) {
            (Some(file), Some(algorithm)) => {
                let secret = Secret::new(read(file)?);
                let bytes = secret.expose();
                let bytes = bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
                // Whether the secret is long enough is not the question here.
                let key = VerifyingKey::from_weak_secret(algorithm, bytes);
                key.map(Self::Key).map_err(|error| unusable(file, &error))
            }
            _ => Err(Failure::Usage("name a key: --jwk, --jwks or --secret-file".to_owned())),
        }
    }

    fn key(&self, jws: &Jws<'_>) -> Result<VerifyingKey, Verdict> {
        let algorithm = jws.header().algorithm();
        match self {
            Self::Key(key) => Ok(key.clone()),
            Self::AnyAlgorithm { file, jwk } => match VerifyingKey::from_jwk(jwk.root(), Some(algorithm)) {
                Err(KeyError::JwkAlgorithmUnknown) => Err(Verdict::Invalid(InvalidToken::NoKey(algorithm))),
                key => key.map_err(|error| Verdict::Key(unusable(file, &error))),
            },
            Self::Set { file, json, algorithm: wanted } => select(file, json, wanted.unwrap_or(algorithm), jws),
        }
    }
}

/// Whether the key is a good one for the first algorithm that its type has.
fn check_usable(jwk: &Json) -> Result<(), KeyError> {
    let keys = Algorithm::ALL.into_iter().map(|algorithm| VerifyingKey::from_jwk(jwk.root(), Some(algorithm)));
    let mut fitting = keys.filter(|key| !matches!(key, Err(KeyError::JwkAlgorithmUnknown)));
    fitting.next().unwrap_or(Err(KeyError::JwkAlgorithmUnknown)).map(|_| ())
}

/// The key of a set that the token names, among those for `algorithm`; what is not used is told.
fn select(file: &Path, json: &[u8], algorithm: Algorithm, jws: &Jws<'_>) -> Result<VerifyingKey, Verdict> {
    let (selected, skipped) = match KeySet::from_jwks_among(json, Origin::File, &[algorithm]) {
        Ok((keys, skipped)) => (keys.select(jws.header()).cloned(), skipped),
        Err(KeySetError::NoUsableKey(skipped)) if skipped.iter().all(is_for_another_algorithm) => {
            (Err(InvalidToken::NoKey(algorithm)), skipped)
        }
        Err(error) => return Err(Verdict::Key(unusable(file, &error))),
    };
    for key in skipped {
        complain(&format!("{BOLD}note{BOLD:#}: {}: not used: {key}", file.display()));
    }
    selected.map_err(Verdict::Invalid)
}

const fn is_for_another_algorithm(key: &SkippedKey) -> bool {
    matches!(key.error, KeyError::NotAccepted(_) | KeyError::JwkAlgorithmUnknown)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| unusable(file, &error))
}

fn unusable(file: &Path, error: &dyn Display) -> Failure {
    Failure::Usage(format!("{}: {error}", file.display()))
}
