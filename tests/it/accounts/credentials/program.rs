//! The program itself, with accounts in a file.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::Command,
};

use bearergate::{
    accounts::{model::User, store::UserStore},
    store::{Location, Store},
};
use serde_json::Value;

use super::{Words, runtime};
use crate::{
    accounts::harness::Kept,
    cli::support::{Ended, Folder, Gateway, LISTEN},
    support::client::{PATIENCE, header},
};

pub(super) struct Program {
    pub(super) folder: Folder,
    running: Option<Gateway>,
    pub(super) address: SocketAddr,
    pub(super) admin: SocketAddr,
}

/// An answer, if it came whole.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Program {
    /// With this in `[accounts]`; `command` may be changed before it is started.
    pub(super) fn start(words: &Words, accounts: &str, change: impl FnOnce(Command) -> Command) -> Self {
        let preset = words.preset;
        let folder = Folder::with(&format!(
            "preset = '{preset}'\nstore = 'sqlite:accounts.db'\n{}[accounts]\nfrontend_url = 'https://app.example.com'\n\
             public_url = 'https://api.example.com'\nhashing = {{ permits = 2 }}\n{accounts}\n{LISTEN}",
            super::OPEN
        ));
        let running = Gateway::spawn(change(folder.command(&[])));
        let [address, admin] = addresses(&running);
        Self { folder, running: Some(running), address, admin }
    }

    pub(super) fn id(&self) -> u32 {
        self.running.as_ref().unwrap().id()
    }

    /// As the kernel ends it, without a word; and then it is started again.
    pub(super) fn kill_and_restart(&mut self) {
        drop(self.running.take());
        let running = Gateway::spawn(self.folder.command(&[]));
        [self.address, self.admin] = addresses(&running);
        self.running = Some(running);
    }

    pub(super) fn terminate(mut self) -> Ended {
        self.running.take().unwrap().terminate()
    }

    /// Its file, as the helpers take it.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("accounts.db")
    }

    pub(super) fn person(&self, email: &str) -> User {
        super::person(&self.kept(), email)
    }

    pub(super) fn user(&self, email: &str) -> User {
        let email = bearergate::accounts::email::Email::parse(email).unwrap();
        runtime().block_on(self.store().user_by_email(email)).unwrap().unwrap()
    }

    pub(super) fn store(&self) -> Store {
        Store::open(&Location::Sqlite(self.file())).unwrap()
    }

    fn kept(&self) -> Kept {
        let mut kept = Kept::in_sqlite();
        kept.url = format!("sqlite:{}", self.file().display());
        kept
    }

    #[track_caller]
    pub(super) fn ask(&self, request: &str) -> Answer {
        ask(self.address, request).unwrap()
    }
}

/// The answer to a request; `None`: it did not come, or not whole.
pub(super) fn ask(address: SocketAddr, request: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(request.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let length = header(head, "content-length");
    if length.is_some_and(|length| length != body.len().to_string()) {
        return None;
    }
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

impl Answer {
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.head, self.body))
    }

    #[track_caller]
    pub(super) fn text(&self, name: &str) -> String {
        let value = self.json();
        value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
    }
}

/// Where it listens, and for whom it is run.
fn addresses(running: &Gateway) -> [SocketAddr; 2] {
    let mut found = running.banner.split("http://").skip(1);
    let mut next = || found.next().and_then(|rest| rest.split(|end: char| end.is_whitespace() || end == '/').next());
    [(); 2].map(|()| next().and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("{}", running.banner)))
}
