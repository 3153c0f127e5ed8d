//! Where an issuer's keys come from: exactly one source, and algorithms that fit it.
//!
//! A shared secret verifies HS256, HS384 and HS512 and nothing else, a key pair everything but these. One issuer never
//! has both: that is how a public key comes to be used as a secret (RFC 8725 §2.1).

use std::path::PathBuf;

use super::{
    diagnostics::{Diagnostic, Place},
    introspection,
    node::{Entry, Node, Table},
    reader::{At, Reader},
    remote_keys::{self, Options},
    secrets::{self, NamedSecret},
    values::{Mistake, path, shown},
};
use crate::{
    authn::remote::{Introspection, RemoteKeys},
    jwt::{Algorithm, KeySet, Origin, VerifyingKey},
    secret::Secret,
};

/// The keys of an issuer, or where the gateway finds or makes them when it starts.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// `secret`: verifies, and signs what `token mint` makes.
    Secret {
        /// The secret itself. Tried with every algorithm of the issuer.
        secret: Secret,
        /// Whether it may be shorter than 32 bytes.
        weak: bool,
        /// A key for each algorithm of the issuer.
        keys: KeySet,
    },
    /// `public_key` or `jwks_file`: only verifies.
    Fixed(KeySet),
    /// `jwks_url` or `discovery_url`: only verifies.
    Remote {
        /// Where they are fetched from, and when.
        keys: RemoteKeys,
        /// Whether the gateway is not ready without them.
        required: bool,
    },
    /// `introspection_url`: no keys, the issuer is asked about each token.
    Introspection(Introspection),
    /// `signing_keys`: a folder of private JWKs, made at the first start.
    SigningKeys(PathBuf),
    /// A preset's issuer with HMAC algorithms: a secret file, made at the first start.
    GeneratedSecret(PathBuf),
}

impl KeySource {
    /// Whether a private key or a secret is known, or made.
    #[must_use]
    pub const fn signs(&self) -> bool {
        matches!(self, Self::Secret { .. } | Self::SigningKeys(_) | Self::GeneratedSecret(_))
    }
}

/// The keys that name a source.
const SOURCES: [&str; 7] =
    ["secret", "public_key", "jwks_file", "jwks_url", "discovery_url", "introspection_url", "signing_keys"];

/// Whether this table of an issuer names any source.
pub(super) fn is_given(issuer: &Table) -> bool {
    SOURCES.iter().any(|key| issuer.get(key).is_some())
}

/// Takes every key that names a source out of a preset's issuer, and what has no use beside the source of the file's.
pub(super) fn make_way(preset: &mut Table, file: &Table) {
    let is_asked = file.get("introspection_url").is_some();
    let goes = |key: &str| SOURCES.contains(&key) || is_asked && introspection::WITHOUT_USE.contains(&key);
    preset.0.retain(|entry| !goes(&entry.key));
}

/// Reads the key source of the issuer `name`, and decides its algorithms. `given` is what it says about these, `iss`
/// the `iss` of its tokens; `generated` makes keys in the state folder where no source is given.
pub(super) fn read(
    name: &str,
    reader: &mut Reader<'_>,
    given: Option<&[At<Algorithm>]>,
    iss: Option<&str>,
    generated: bool,
) -> Option<(Vec<Algorithm>, KeySource)> {
    let sources: Vec<(&'static str, &Entry)> =
        SOURCES.into_iter().filter_map(|key| Some((key, reader.entry(key)?))).collect();
    let is_fetched = sources.iter().any(|(key, _)| ["jwks_url", "discovery_url"].contains(key));
    let is_asked = sources.iter().any(|(key, _)| *key == "introspection_url");
    let remote = is_fetched.then(|| remote_keys::options(reader));
    if !is_fetched && !is_asked {
        remote_keys::refuse_options(reader);
    }
    if !is_asked {
        introspection::refuse_options(reader);
    }
    let mut issuer = IssuerKeys { reader, given: given.unwrap_or_default(), iss, remote };
    issuer.check_mixture()?;
    match sources.as_slice() {
        [] if generated => issuer.generate(name),
        [] => {
            let help = format!("add exactly one of {}", SOURCES.map(|key| format!("`{key}`")).join(", "));
            let message = format!("the issuer `{}` has no key source", shown(name));
            let context = issuer.reader.context;
            context.report(Diagnostic::missing(message).at(issuer.reader.place).help(help));
            None
        }
        [(key, entry)] => issuer.source(key, entry),
        [(_, first), (_, second), ..] => {
            let message = format!("the issuer `{}` has more than one key source", shown(name));
            let diagnostic = Diagnostic::mistake(message).at(second.place).related(first.place, "the first is here");
            issuer.reader.context.report(diagnostic);
            // Each is read all the same, for its own mistakes.
            for (key, entry) in sources {
                issuer.source(key, entry);
            }
            None
        }
    }
}

struct IssuerKeys<'r, 'a> {
    reader: &'r mut Reader<'a>,
    given: &'r [At<Algorithm>],
    iss: Option<&'r str>,
    /// Where a source is given whose keys are fetched.
    remote: Option<Options>,
}

type Keys = Option<(Vec<Algorithm>, KeySource)>;

impl<'a> IssuerKeys<'_, 'a> {
    fn source(&mut self, key: &'static str, entry: &'a Entry) -> Keys {
        match key {
            "secret" => self.secret(entry),
            "public_key" => self.public_key(entry),
            "jwks_file" => self.jwks_file(),
            "jwks_url" | "discovery_url" => self.remote(key, entry),
            "introspection_url" => {
                introspection::read(self.reader, entry).map(|asked| (Vec::new(), KeySource::Introspection(asked)))
            }
            _ => self.signing_keys(),
        }
    }

    fn secret(&mut self, entry: &Entry) -> Keys {
        let named = secrets::read(self.reader, entry);
        let algorithms = self.algorithms(Algorithm::is_symmetric, "a secret", Some(Algorithm::Hs256))?;
        let NamedSecret { secret, weak } = named?;
        let key = |algorithm: &Algorithm| {
            let bytes = secret.expose();
            let made = if weak {
                VerifyingKey::from_weak_secret(*algorithm, bytes)
            } else {
                VerifyingKey::from_secret(*algorithm, bytes)
            };
            made.map_err(|error| self.refuse("secret", entry.node.place, format!("cannot be used: {error}"))).ok()
        };
        // Too short for one is too short for all: one message is enough.
        let keys: Option<Vec<VerifyingKey>> = algorithms.iter().map(key).collect();
        let keys = self.key_set("secret", entry.node.place, keys?)?;
        Some((algorithms, KeySource::Secret { secret, weak, keys }))
    }

    fn public_key(&mut self, entry: &Entry) -> Keys {
        let pem = self.file("public_key");
        if self.given.is_empty() {
            if self.reader.entry("algorithms").is_some() {
                // None of them is right, which has been said.
                return None;
            }
            let mistake = Mistake::new("needs `algorithms`: a PEM file does not say what its key is for");
            self.reader.report(
                "public_key",
                entry.place,
                mistake.help("add `algorithms = [\"ES256\"]`, or what it is"),
            );
            return None;
        }
        let algorithms = self.algorithms(|algorithm| !algorithm.is_symmetric(), "a public key", None)?;
        let pem = pem?;
        let key = |algorithm: &Algorithm| {
            VerifyingKey::from_public_pem(*algorithm, &pem.value)
                .map_err(|error| {
                    self.refuse("public_key", pem.place, format!("cannot be used for {algorithm}: {error}"))
                })
                .ok()
        };
        let keys: Vec<Option<VerifyingKey>> = algorithms.iter().map(key).collect();
        let keys = keys.into_iter().collect::<Option<Vec<VerifyingKey>>>()?;
        Some((algorithms, KeySource::Fixed(self.key_set("public_key", pem.place, keys)?)))
    }

    /// A key that cannot be used is left out with a warning, as is one of an algorithm that `algorithms` does not name.
    fn jwks_file(&mut self) -> Keys {
        let file = self.file("jwks_file")?;
        let given: Vec<Algorithm> = self.given.iter().map(|read| read.value).collect();
        let (keys, skipped) = KeySet::from_jwks_among(&file.value, Origin::File, &given)
            .map_err(|error| self.refuse("jwks_file", file.place, format!("cannot be used: {error}")))
            .ok()?;
        for key in skipped {
            let message = format!("a key of `{}` is left out: {key}", self.reader.path_of("jwks_file"));
            self.reader.context.report(Diagnostic::warning(message).at(file.place));
        }
        let mut algorithms: Vec<Algorithm> = Vec::new();
        for key in keys.keys() {
            if !algorithms.contains(&key.algorithm()) {
                algorithms.push(key.algorithm());
            }
        }
        let symmetric = algorithms.iter().filter(|one| one.is_symmetric()).count();
        if symmetric > 0 && symmetric < algorithms.len() {
            let message = "mixes shared secrets with public keys; choose by `algorithms`";
            self.refuse("jwks_file", file.place, message.to_owned());
            return None;
        }
        Some((algorithms, KeySource::Fixed(keys)))
    }

    /// Without `algorithms`, tokens may use whatever the keys are for that come.
    fn remote(&mut self, key: &'static str, entry: &'a Entry) -> Keys {
        let fits = |algorithm: Algorithm| !algorithm.is_symmetric();
        let given = self.algorithms(fits, "a fetched key", None);
        let options = self.remote.as_ref()?;
        let read = |node: &Node| match key {
            "jwks_url" => options.jwks(node, given.clone().unwrap_or_default()),
            _ => options.discovery(node, self.iss, given.clone().unwrap_or_default()),
        };
        let keys = self.reader.parse(key, &entry.node, read)?.value;
        let algorithms = match given?.as_slice() {
            [] => Algorithm::ALL.into_iter().filter(|algorithm| fits(*algorithm)).collect(),
            given => given.to_vec(),
        };
        Some((algorithms, KeySource::Remote { keys, required: options.required }))
    }

    fn signing_keys(&mut self) -> Keys {
        let folder = self.reader.read("signing_keys", path);
        let algorithms = self.made_algorithms("`signing_keys`")?;
        let At { value, place } = folder?;
        Some((algorithms, KeySource::SigningKeys(self.reader.context.resolve(&value, place))))
    }

    /// A preset's issuer without a source.
    fn generate(&mut self, name: &str) -> Keys {
        let folder = &self.reader.context.state_folder;
        if self.given.first().is_some_and(|read| read.value.is_symmetric()) {
            let file = folder.join(format!("{name}.secret"));
            let algorithms = self.given.iter().map(|read| read.value).collect();
            return Some((algorithms, KeySource::GeneratedSecret(file)));
        }
        let folder = if name == "api" { folder.join("keys") } else { folder.join(format!("{name}-keys")) };
        Some((self.made_algorithms("a generated key")?, KeySource::SigningKeys(folder)))
    }

    /// The algorithms of keys that the gateway makes itself: no RSA.
    fn made_algorithms(&mut self, what: &str) -> Option<Vec<Algorithm>> {
        let made = |one: Algorithm| matches!(one, Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa);
        self.algorithms(made, what, Some(Algorithm::Es256))
    }

    /// The given algorithms, which must all fit, or the usual one.
    fn algorithms(
        &self,
        fits: impl Fn(Algorithm) -> bool,
        what: &str,
        usual: Option<Algorithm>,
    ) -> Option<Vec<Algorithm>> {
        let mut all_fit = true;
        for At { value, place } in self.given.iter().filter(|read| !fits(read.value)) {
            all_fit = false;
            self.refuse("algorithms", *place, format!("has {value}, for which {what} is no key"));
        }
        let mut algorithms: Vec<Algorithm> = Vec::new();
        for At { value, place } in self.given {
            if algorithms.contains(value) {
                all_fit = false;
                self.refuse("algorithms", *place, format!("has {value} twice"));
            }
            algorithms.push(*value);
        }
        algorithms.extend(usual.filter(|_| self.given.is_empty()));
        all_fit.then_some(algorithms)
    }

    /// Refuses shared secrets beside key pairs.
    fn check_mixture(&self) -> Option<()> {
        let symmetric = self.given.iter().find(|read| read.value.is_symmetric());
        let asymmetric = self.given.iter().find(|read| !read.value.is_symmetric());
        if let (Some(symmetric), Some(asymmetric)) = (symmetric, asymmetric) {
            let message = format!("mixes {} (a shared secret) with {} (a key pair)", symmetric.value, asymmetric.value);
            let help = "make an issuer for each";
            let later = symmetric.place.max(asymmetric.place);
            self.reader.report("algorithms", later, Mistake::new(message).help(help));
            return None;
        }
        Some(())
    }

    /// The content of the file that `key` names.
    fn file(&mut self, key: &'static str) -> Option<At<Vec<u8>>> {
        let At { value, place } = self.reader.read(key, path)?;
        let path = self.reader.context.resolve(&value, place);
        match self.reader.context.files.read(&path) {
            Ok(value) => Some(At { value, place }),
            Err(error) => {
                let message =
                    format!("names a file that cannot be read: `{}`: {error}", shown(&path.display().to_string()));
                self.refuse(key, place, message);
                None
            }
        }
    }

    fn key_set(&self, key: &str, place: Place, keys: Vec<VerifyingKey>) -> Option<KeySet> {
        KeySet::new(keys).map_err(|error| self.refuse(key, place, format!("cannot be used: {error}"))).ok()
    }

    fn refuse(&self, key: &str, place: Place, message: String) {
        self.reader.report(key, place, Mistake::new(message));
    }
}
