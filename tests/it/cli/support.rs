//! A folder to work in, the program in it, and a gateway that runs.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_bearergate");

pub(super) const PRESETS: [&str; 3] = ["hungry-machines", "homsai", "uptimehunt"];

/// A folder with a `gateway.toml`, or without.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(super) fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn with(configuration: &str) -> Self {
        let folder = Self::empty();
        folder.write("gateway.toml", configuration);
        folder
    }

    /// One with this preset, ports that the system chooses, and the echo behind it.
    pub(super) fn with_preset(preset: &str) -> Self {
        Self::with(&format!("preset = \"{preset}\"\n{LISTEN}"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, contents).unwrap();
        path
    }

    pub(super) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// The program in this folder, with nothing of the caller's environment that it listens to.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(Path::new(PROGRAM), arguments)
    }

    fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_LOG", "STATE_DIRECTORY"] {
            command.env_remove(variable);
        }
        command.current_dir(self.path()).args(arguments).stdin(Stdio::null());
        command
    }

    /// The program as somebody to whom something can be forbidden: as another user where this one is root. It is copied
    /// into the folder, which becomes that user's, because the way to it may be root's alone.
    pub(super) fn unprivileged(&self, arguments: &[&str]) -> Command {
        const NOBODY: u32 = 65534;
        let folder = self.path();
        if std::fs::metadata(folder).unwrap().uid() != 0 {
            return self.command(arguments);
        }
        // By another process: a program that this one has open to write, if only in a fork, cannot be started.
        shell(&format!("cp '{PROGRAM}' '{}'", folder.display()));
        shell(&format!("chown -R {NOBODY}:{NOBODY} '{}'", folder.display()));
        let mut command = self.command_of(&folder.join("bearergate"), arguments);
        command.uid(NOBODY).gid(NOBODY);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::from(self.command(arguments).output().unwrap())
    }

    pub(super) fn run_with_input(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = self.command(arguments);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ended::from(child.wait_with_output().unwrap())
    }

    /// A token minted with these further arguments.
    pub(crate) fn mint(&self, arguments: &[&str]) -> String {
        let ended = self.run(&[&["token", "mint"], arguments].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
        let token = ended.stdout.strip_suffix('\n').unwrap();
        assert!(!token.contains('\n') && token.split('.').count() == 3, "only the token is printed: {token}");
        token.to_owned()
    }
}

pub(crate) const LISTEN: &str = "
[listen]
address = \"127.0.0.1:0\"
workers = 1
[admin]
address = \"127.0.0.1:0\"
[upstream.default]
servers = [\"builtin:echo\"]
";

/// How the program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(!stderr.contains("panicked"), "{stderr}");
        Self { code: output.status.code().unwrap(), stdout, stderr }
    }
}

/// A gateway that serves. Its banner has been read.
pub(crate) struct Gateway {
    /// Until it has ended.
    child: Option<Child>,
    rest: BufReader<ChildStdout>,
    pub(crate) banner: String,
}

impl Gateway {
    pub(super) fn start(folder: &Folder, arguments: &[&str]) -> Self {
        Self::spawn(folder.command(arguments))
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut rest = BufReader::new(child.stdout.take().unwrap());
        let mut banner = String::new();
        while !(banner.contains("Try:\n") && banner.ends_with("\n\n")) {
            let read = rest.read_line(&mut banner).unwrap();
            assert!(read > 0, "the gateway ended: {banner}{:?}", child.wait_with_output().unwrap());
        }
        Self { child: Some(child), rest, banner }
    }

    /// The lines to paste.
    pub(super) fn suggestions(&self) -> Vec<&str> {
        let (_, suggestions) = self.banner.split_once("Try:\n").unwrap();
        suggestions.lines().filter(|line| !line.is_empty()).map(str::trim).collect()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Asks it to end, and waits.
    pub(crate) fn terminate(self) -> Ended {
        shell(&format!("kill -TERM {}", self.id()));
        self.wait()
    }

    pub(crate) fn wait(mut self) -> Ended {
        let child = self.child.take().unwrap();
        let mut ended = Ended::from(child.wait_with_output().unwrap());
        ended.stdout = std::mem::take(&mut self.banner);
        self.rest.read_to_string(&mut ended.stdout).unwrap();
        ended
    }
}

impl Drop for Gateway {
    /// A test that failed leaves no process behind.
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What a POSIX shell makes of a line.
pub(crate) fn shell(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Does what `curl` would do with a suggested line: the status and the body of the answer.
pub(super) fn paste(line: &str, folder: &Folder) -> (u16, String) {
    let words = shell(&format!("cd '{}'; curl() {{ printf '%s\\n' \"$@\"; }}; {line}", folder.path().display()));
    let mut words = words.lines();
    assert_eq!(words.next(), Some("-i"));
    let url = words.next().unwrap().strip_prefix("http://").unwrap();
    let header = words.next().map(|dash| (assert_eq!(dash, "-H"), words.next().unwrap()).1);
    assert_eq!(words.next(), None);
    let (authority, path) = url.split_once('/').unwrap();
    get(authority, &format!("/{path}"), header)
}

pub(crate) fn get(authority: &str, path: &str, header: Option<&str>) -> (u16, String) {
    let mut stream = TcpStream::connect(authority).unwrap();
    let header = header.map_or_else(String::new, |header| format!("{header}\r\n"));
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {authority}\r\n{header}Connection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
