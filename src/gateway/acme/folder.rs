//! What is kept between two starts: the account, the key and the certificate.
//!
//! Every file appears whole, by a rename, and only its owner can read it. The key and its chain are one file, so that they
//! can't be of two orders.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use instant_acme::AccountCredentials;

use super::AcmeError;

const ACCOUNT: &str = "account.json";
const CERTIFICATE: &str = "certificate.pem";

/// The folder of one authority's account.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Made if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, AcmeError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| AcmeError::Folder(path.to_owned(), error))?;
        Ok(Self(path.to_owned()))
    }

    /// The account, if there is one.
    pub(super) fn account(&self) -> Result<Option<AccountCredentials>, AcmeError> {
        let Some(text) = self.read(ACCOUNT)? else { return Ok(None) };
        let wrong = |error: serde_json::Error| AcmeError::Folder(self.0.join(ACCOUNT), error.into());
        serde_json::from_str(&text).map(Some).map_err(wrong)
    }

    pub(super) fn keep_account(&self, account: &AccountCredentials) -> Result<(), AcmeError> {
        let text = serde_json::to_string(account).map_err(AcmeError::other)?;
        self.write(ACCOUNT, &text)
    }

    /// The private key and the chain, as PEM, if there are any.
    pub(super) fn certificate(&self) -> Result<Option<String>, AcmeError> {
        self.read(CERTIFICATE)
    }

    pub(super) fn keep_certificate(&self, pem: &str) -> Result<(), AcmeError> {
        self.write(CERTIFICATE, pem)
    }

    fn read(&self, name: &str) -> Result<Option<String>, AcmeError> {
        let path = self.0.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(AcmeError::Folder(path, error)),
        }
    }

    fn write(&self, name: &str, text: &str) -> Result<(), AcmeError> {
        let (path, unfinished) = (self.0.join(name), self.0.join(format!(".{name}.{}", std::process::id())));
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)
        })();
        written.map_err(|error| AcmeError::Folder(path, error))
    }
}
