//! A password from a file, standard input or a terminal. It is no argument: those are seen by whoever lists processes.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::PathBuf,
};

use aws_lc_rs::rand::SystemRandom;
use clap::Args;

use crate::{
    accounts::{
        email::Email,
        password::{Hasher, NewPasswordError, Password},
    },
    cli::{failure::Failure, terminal::shown},
    config::Accounts,
    store::Store,
};

/// In bytes: more than any policy lets pass.
const LONGEST: u64 = 128 << 10;

/// Where the password is.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct Source {
    /// Read the password from standard input. One end of line at its end is not part of it.
    #[arg(long)]
    password_stdin: bool,
    /// Read the password from a file. One end of line at its end is not part of it.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Source {
    pub(super) fn read(&self) -> Result<Password, Failure> {
        if let Some(path) = &self.password_file {
            let unreadable =
                |error: io::Error| Failure::Other(format!("{}: {error}", shown(&path.display().to_string())));
            return read(File::open(path).map_err(unreadable)?).map_err(unreadable);
        }
        if self.password_stdin {
            let unreadable = |error: io::Error| Failure::Other(format!("standard input: {error}"));
            return read(io::stdin().lock()).map_err(unreadable);
        }
        if !io::stdin().is_terminal() {
            let message = "there is no terminal to ask for the password at: say --password-stdin or --password-file";
            return Err(Failure::Usage(message.to_owned()));
        }
        let ask = |prompt: &str| {
            let unreadable = |error| Failure::Other(format!("the terminal: {error}"));
            rpassword::prompt_password(prompt).map(Password::from).map_err(unreadable)
        };
        let (once, again) = (ask("Password: ")?, ask("The same again: ")?);
        if once.expose() == again.expose() {
            Ok(once)
        } else {
            Err(Failure::Other("these are two passwords".to_owned()))
        }
    }
}

fn read(source: impl Read) -> io::Result<Password> {
    let mut text = String::new();
    source.take(LONGEST).read_to_string(&mut text)?;
    let end = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line).len());
    text.truncate(end.unwrap_or(text.len()));
    Ok(text.into())
}

/// What is kept of a new password, if it may be one. It is hashed on the store's thread.
pub(super) fn hash(
    password: Password,
    accounts: &Accounts,
    known: (&Email, Vec<String>),
    store: &Store,
) -> Result<String, Failure> {
    let hasher = Hasher::new(accounts.hashing, SystemRandom::new());
    let hasher = hasher.map_err(|error| Failure::Other(error.to_string()))?;
    let (policy, (email, mut known)) = (accounts.policy, known);
    known.push(email.as_str().to_owned());
    let hashed = store.wait_for(async move {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        Ok(hasher.hash_new(&password, policy, &known).await)
    })?;
    match hashed {
        Ok(hash) => Ok(hash.as_str().to_owned()),
        Err(NewPasswordError::Unacceptable(error)) => Err(Failure::Usage(error.to_string())),
        Err(NewPasswordError::Unhashed(error)) => Err(Failure::Other(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_end_of_line_is_taken_away_and_nothing_else() {
        let of = |bytes: &[u8]| read(bytes).map(|password| password.expose().to_owned());
        assert_eq!(of(b" a b \n").unwrap(), " a b ");
        assert_eq!(of(b"a\r\n").unwrap(), "a");
        assert_eq!(of(b"a\n\n").unwrap(), "a\n");
        assert_eq!(of(b"a\r").unwrap(), "a\r");
        assert_eq!(of(b"").unwrap(), "");
        assert!(of(b"\xff").is_err());
    }
}
