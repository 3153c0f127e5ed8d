//! The program in a folder, with what the system says of it while it runs.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::LazyLock,
    thread,
    time::Duration,
};

use bearergate::{
    clock::Clock,
    jwt::{Algorithm, SigningKey, sign},
};
use serde_json::{Value, json};

use crate::{
    client::PATIENCE,
    program::{Ended, Folder, Gateway, shell},
    upstream::{Line, Upstream},
};

const SECRET: &str = "a secret of the tests, thirty-two bytes or more";

/// Seconds since 1970, by the system's clock.
pub(crate) fn now() -> u64 {
    Clock::system().now().as_secs()
}

/// A token of `subject` that is good for ten hours.
pub(crate) fn token(subject: &str) -> String {
    token_with(json!({ "sub": subject }))
}

/// A token with these claims, and with ten hours to go if they say nothing else.
pub(crate) fn token_with(claims: Value) -> String {
    static KEY: LazyLock<SigningKey> =
        LazyLock::new(|| SigningKey::from_secret(Algorithm::Hs256, SECRET.as_bytes()).unwrap());
    signed(&KEY, claims)
}

/// As [`token_with`], by another key.
pub(crate) fn signed(key: &SigningKey, mut claims: Value) -> String {
    if claims["exp"].is_null() {
        claims["exp"] = json!(now() + 36_000);
    }
    sign(key, None, claims.as_object().unwrap()).unwrap()
}

/// The token with another signature.
pub(crate) fn forged(token: &str) -> String {
    let (text, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{text}.{first}{}", &signature[1..])
}

/// A path that needs a token, one below `/open` that does not; `head` stands before the first table, `tail` behind the
/// last.
pub(crate) fn configuration(head: &str, upstream: SocketAddr, tail: &str) -> String {
    format!(
        "{head}\n[listen]\naddress = '127.0.0.1:0'\nworkers = 2\n[admin]\naddress = '127.0.0.1:0'\n\
         [issuer.main]\nalgorithms = ['HS256']\nsecret = {{ file = 'secret' }}\n\
         [upstream.default]\nservers = ['http://{upstream}']\n\
         [[route]]\nmatch = '* /**'\n[[route]]\nmatch = '* /open/**'\naccess = 'public'\n{tail}\n"
    )
}

/// Answers every request with its path.
pub(crate) fn echo() -> Upstream {
    Upstream::start(|mut line| while answer(&mut line).is_some() {})
}

/// Answers one request with its path. `None`: there was none, or nobody takes the answer.
pub(crate) fn answer(line: &mut Line) -> Option<()> {
    let (head, _) = line.request()?;
    line.send(with_path(&head)).then_some(())
}

/// The answer to a request with this head.
pub(crate) fn with_path(head: &str) -> String {
    let path = head.split(' ').nth(1).unwrap();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len())
}

/// The program. It is gone with this.
pub(crate) struct House {
    pub(crate) folder: Folder,
    running: Option<Gateway>,
    /// How it is started: what a shell does before it.
    before: String,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl House {
    pub(crate) fn start(configuration: &str) -> Self {
        Self::start_after("", configuration)
    }

    /// Has a shell do `before` and become the program: `ulimit -n 64;`.
    pub(crate) fn start_after(before: &str, configuration: &str) -> Self {
        Self::start_in(Folder::with(configuration), before)
    }

    pub(crate) fn start_in(folder: Folder, before: &str) -> Self {
        folder.write("secret", SECRET);
        let running = spawn(&folder, before);
        let (address, admin) = addresses(&running.banner);
        Self { folder, running: Some(running), before: before.to_owned(), address, admin }
    }

    /// As the kernel ends it, without a word.
    pub(crate) fn kill(&mut self) {
        drop(self.running.take());
    }

    /// Once more, in the same folder.
    pub(crate) fn restart(&mut self) {
        let running = spawn(&self.folder, &self.before);
        (self.address, self.admin) = addresses(&running.banner);
        self.running = Some(running);
    }

    pub(crate) fn id(&self) -> u32 {
        self.running.as_ref().unwrap().id()
    }

    /// Asks it to end, and waits until it has: with 0, and without a panic in its log.
    pub(crate) fn terminate(&mut self) -> Ended {
        let ended = self.running.take().unwrap().terminate();
        assert_eq!(ended.code, 0, "{}", self.log());
        self.assert_calm();
        ended
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    #[track_caller]
    pub(crate) fn assert_calm(&self) {
        assert!(!self.log().contains("panicked"), "{}", self.log());
    }

    /// A `GET` on the admin listener.
    pub(crate) fn ask_admin(&self, path: &str) -> (u16, String) {
        exchange(self.admin, &format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")).unwrap()
    }

    /// A line of the metrics.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let (_, text) = self.ask_admin("/metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name}: {text}")).parse().unwrap()
    }

    /// Posts JSON; `None` when no whole answer came.
    pub(crate) fn post(address: SocketAddr, path: &str, token: Option<&str>, body: &Value) -> Option<(u16, Value)> {
        let body = body.to_string();
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: api\r\n{token}Content-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        let (status, answer) = exchange(address, &request)?;
        Some((status, serde_json::from_str(&answer).unwrap_or(Value::Null)))
    }

    pub(crate) fn revoke(&self, id: &str) -> Option<(u16, Value)> {
        Self::post(self.admin, "/revocations", None, &json!({ "issuer": "main", "jti": id }))
    }

    /// The status that this token comes to at this path.
    pub(crate) fn status(&self, path: &str, token: &str) -> u16 {
        let fields = format!("Host: api\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n");
        exchange(self.address, &format!("GET {path} HTTP/1.1\r\n{fields}\r\n")).unwrap().0
    }

    /// Its CPU time, in hundredths of a second.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
        fields.map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    /// It does next to nothing for a second in which nothing is asked.
    #[track_caller]
    pub(crate) fn assert_idle(&self) {
        let before = self.ticks();
        thread::sleep(Duration::from_secs(1));
        let used = self.ticks() - before;
        assert!(used < 20, "{used} hundredths of a second's work in a second");
    }

    /// A number of `/proc/PID/status`.
    pub(crate) fn proc_status(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// How many files it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    pub(crate) fn signal(&self, name: &str) {
        shell(&format!("kill -{name} {}", self.id()));
    }
}

/// The log goes to a file: a pipe that nobody reads meanwhile is soon full.
pub(crate) fn command(folder: &Folder, before: &str) -> Command {
    let program = folder.command(&[]);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{before} exec \"$0\" 2>>log")]).arg(program.get_program());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(folder.path()).stdin(Stdio::null());
    command
}

fn spawn(folder: &Folder, before: &str) -> Gateway {
    Gateway::spawn(command(folder, before))
}

fn addresses(banner: &str) -> (SocketAddr, SocketAddr) {
    let address = banner.split("listens on http://").nth(1).unwrap().lines().next().unwrap();
    let admin = banner.lines().find_map(|line| line.trim().strip_prefix("admin")).unwrap();
    let admin = admin.split_once("http://").unwrap().1.split(' ').next().unwrap();
    (address.parse().unwrap(), admin.parse().unwrap())
}

/// One request on a connection of its own; `None` when no whole answer came.
fn exchange(address: SocketAddr, request: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = crate::client::header(head, "content-length").and_then(|length| length.parse().ok());
    length.is_none_or(|length: usize| body.len() == length).then(|| (status, body.to_owned()))
}

/// Waits for what comes by itself.
#[track_caller]
pub(crate) fn eventually(what: impl Fn() -> bool) {
    let came = (0..400).any(|_| {
        what() || {
            thread::sleep(Duration::from_millis(50));
            false
        }
    });
    assert!(came, "it did not come");
}

/// Whether there is such a file.
pub(crate) fn exists(path: &str) -> bool {
    Path::new(path).exists()
}
