//! The program with clients that behave as the documents of the APIs describe, and with Supabase's own client: real
//! processes in Python and JavaScript, made ready by `tests/clients/install.sh FOLDER`; then
//! `BEARERGATE_TEST_CLIENTS=FOLDER cargo test --test it -- --ignored clients`.
//!
//! They know the gateway by its address alone. What a mail has told them is read from the mail.

mod gotrue;
mod homsai;
mod hungry_machines;
mod uptimehunt;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use mail_parser::MessageParser;

use crate::{
    cli::support::{Folder, Gateway, LISTEN},
    support::{smtp::SmtpServer, users::Users},
};

/// Where links lead.
const FRONTEND: &str = "https://app.example.com";

/// A gateway that keeps users, and the server that its mail goes to.
struct Deployment {
    folder: Folder,
    gateway: Gateway,
    mail: SmtpServer,
}

/// One that does not run yet.
struct Prepared {
    folder: Folder,
    mail: SmtpServer,
}

impl Prepared {
    /// With this preset, these settings of accounts beside those of the mail, and further tables.
    fn new(preset: &str, accounts: &str, rest: &str) -> Self {
        let (folder, mail) = (Folder::with(""), SmtpServer::start());
        let configuration = format!(
            "preset = '{preset}'\nstore = 'sqlite:state.db'\n{rest}\n[accounts]\nfrontend_url = '{FRONTEND}'\n\
             mail = {{ smtp = '{}', from = 'no-reply@example.com' }}\n{accounts}\n",
            mail.url("smtp")
        );
        folder.write("gateway.toml", configuration);
        Self { folder, mail }
    }

    fn start(self) -> Deployment {
        let Self { folder, mail } = self;
        // Nobody reads a pipe meanwhile, and whoever writes to a full one waits.
        let program = folder.command(&[]);
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" 2> log"]).arg(program.get_program());
        command.current_dir(folder.path()).stdin(Stdio::null());
        let gateway = Gateway::spawn(command);
        Deployment { folder, gateway, mail }
    }

    fn users(&self) -> Users {
        Users::of(&self.folder.path().join("state.db"))
    }
}

impl Deployment {
    fn start(preset: &str, accounts: &str) -> Self {
        Prepared::new(preset, accounts, LISTEN).start()
    }

    fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// An access token that is past its expiry, rightly signed.
    fn expired_token(&self) -> String {
        self.folder.mint(&["--expired", "--subject", "1"])
    }

    /// Runs a client at `path` of the gateway to its end.
    #[track_caller]
    fn run(&self, program: &str, path: &str, arguments: &[&str], environment: &[(&str, &str)]) {
        let expired = self.expired_token();
        let token = [("EXPIRED_TOKEN", expired.as_str())];
        let environment: Vec<_> = environment.iter().chain(&token).copied().collect();
        self.run_with(program, path, arguments, &environment);
    }

    /// With nothing but this in its environment that is meant for it.
    #[track_caller]
    fn run_with(&self, program: &str, path: &str, arguments: &[&str], environment: &[(&str, &str)]) {
        let mut command = command(program);
        command.arg(self.url(path)).args(arguments).envs(environment.iter().copied());
        let ended = command.output().unwrap_or_else(|error| panic!("{program} is not installed: {error}"));
        let (stdout, stderr) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap();
        assert!(ended.status.success(), "{program} {arguments:?}: {}\n{stdout}{stderr}\n{}", ended.status, log());
        // What could not be tried is no success.
        assert!(stdout.lines().count() > 1 && !stdout.contains("\"left_out\""), "{program} {arguments:?}:\n{stdout}");
    }

    /// The link of the last mail that has one, once there are so many mails.
    #[track_caller]
    fn link(&self, mails: usize) -> String {
        let received = self.mail.wait_for(mails);
        assert_eq!(received.len(), mails, "{received:?}");
        received.iter().rev().find_map(|mail| link(&mail.data)).unwrap_or_else(|| panic!("{received:?}"))
    }

    fn users(&self) -> Users {
        Users::of(&self.folder.path().join("state.db"))
    }
}

/// The link in the text of a mail.
#[track_caller]
fn link(mail: &[u8]) -> Option<String> {
    let mail = MessageParser::new().parse(mail).unwrap();
    let text = mail.body_text(0).unwrap();
    let mut links = text.lines().map(str::trim).filter(|line| line.starts_with("http"));
    let link = links.next().map(str::to_owned);
    assert_eq!(links.next(), None, "{text}");
    link
}

/// A client: `*.py` or `*.mjs`.
fn command(program: &str) -> Command {
    let folder = installed();
    let (interpreter, place) = match Path::new(program).extension().and_then(|extension| extension.to_str()) {
        Some("py") => (folder.join("python/bin/python"), "python"),
        Some("mjs") => (PathBuf::from("node"), "node"),
        _ => panic!("what is {program}?"),
    };
    let mut command = Command::new(interpreter);
    command.arg(folder.join(place).join(program)).stdin(Stdio::null());
    // What a proxy of the environment would be asked for is here.
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(variable);
    }
    command
}

/// Where they were installed. Tests run where the manifest is, and clients elsewhere.
fn installed() -> PathBuf {
    let folder = std::env::var_os("BEARERGATE_TEST_CLIENTS");
    let folder = folder.unwrap_or_else(|| panic!("BEARERGATE_TEST_CLIENTS names no folder"));
    std::path::absolute(folder).unwrap()
}
