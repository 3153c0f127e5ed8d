//! An issuer's process, which says where it listens and takes commands, a line each.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// Ended when this is dropped.
pub(super) struct Process {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub(super) address: SocketAddr,
}

impl Process {
    pub(super) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (commands, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        let mut process = Self { child, commands, answers: BufReader::new(answers), address };
        let port = process.line_after("listening ").parse().unwrap();
        process.address.set_port(port);
        process
    }

    /// What it answers to a command.
    pub(super) fn ask(&mut self, command: &str) -> String {
        writeln!(self.commands, "{command}").unwrap();
        self.line_after("done ")
    }

    /// The rest of the next line that begins like this. Others are warnings.
    fn line_after(&mut self, start: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.answers.read_line(&mut line).unwrap() > 0, "it ended: {:?}", self.child.wait());
            if let Some(rest) = line.trim_end().strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where this was installed.
pub(super) fn installed(name: &str) -> PathBuf {
    let folder = std::env::var_os("BEARERGATE_TEST_ISSUERS");
    let folder = folder.unwrap_or_else(|| panic!("BEARERGATE_TEST_ISSUERS names no folder"));
    Path::new(&folder).join(name)
}

/// A script of this repository.
pub(super) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/issuers").join(name)
}
