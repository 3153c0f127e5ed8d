//! Another process takes over: a new version of the program, or other settings of what is bound to a process, without a
//! refused connection.
//!
//! 1. The process that runs starts the program at its own path with its own arguments; its standard input is a socket
//!    between the two, and a variable says so. Through it go the listening sockets (`SCM_RIGHTS`, unix(7)): they never
//!    close, so no connection is refused, and none is reset that waits to be accepted.
//! 2. The new one reads its configuration, opens the store and fetches keys, as at any start. When it has what it needs it
//!    says so, and is given what is revoked, which without a store is nowhere else.
//! 3. It begins to accept, says that it is ready, and the old one drains.
//! 4. If it ends before that, or takes more than a minute and a half, the old one goes on as if nothing had been asked.
//!
//! Each byte says what comes with it: a socket, or nothing. Both ends are the same program, but not the same version:
//! what is sent may be added to, and never changes its meaning.

use std::{
    ffi::OsString,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    net::TcpListener,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    Snapshot, revocation_json,
    sockets::{Given, Inherited, Sockets},
};

/// Tells a process that its standard input is the socket to its predecessor.
const VARIABLE: &str = "BEARERGATE_TAKES_OVER";
/// How long the new process may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long the new process waits for keys. Those that are required have to be there by then.
const KEYS_PATIENCE: Duration = Duration::from_secs(30);
/// How often is looked whether it was thought better of, and whether keys have come.
const LOOK: Duration = Duration::from_millis(100);
/// In bytes.
const MOST_REVOCATIONS: u64 = 1 << 30;

/// A socket for requests, and one that the supervisor has opened.
const MAIN: u8 = b'm';
const MAIN_GIVEN: u8 = b'M';
/// The admin listener's, and one that the supervisor has opened.
const ADMIN: u8 = b'a';
const ADMIN_GIVEN: u8 = b'A';
/// No more sockets.
const END: u8 = b'.';
/// The new process has everything, and asks for what is revoked.
const PREPARED: u8 = b'p';
/// The new process accepts connections.
const READY: u8 = b'r';

/// Why nobody has taken over.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandoverError {
    #[error("the program cannot be started: {0}")]
    Start(io::Error),
    #[error("the new process ended ({0}); its own messages say why")]
    Ended(String),
    #[error("the new process was not ready in time")]
    Late,
    #[error("the gateway is to end")]
    Cancelled,
    #[error("the new process cannot be talked to: {0}")]
    Io(#[from] io::Error),
}

/// What to start, as this process was started.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// This one. To be called at the start: later another file may be in its place, which is then what is meant.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn own() -> io::Result<Self> {
        let mut arguments = std::env::args_os();
        // As it was called: a link may lead to another version by then.
        let called = arguments.next().map(PathBuf::from).filter(|path| path.components().count() > 1);
        let path = match called {
            Some(path) => std::env::current_dir()?.join(path),
            None => std::env::current_exe()?,
        };
        Ok(Self { path, arguments: arguments.collect() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Has another process take over, and waits until it serves: its number. Not for a thread that serves.
pub(super) fn hand_over(
    program: &Program,
    sockets: &Sockets,
    snapshot: &Snapshot,
    cancelled: &Arc<AtomicBool>,
) -> Result<u32, HandoverError> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new(&program.path);
    command.args(&program.arguments).env(VARIABLE, "1").stdin(Stdio::from(OwnedFd::from(theirs)));
    // These are about this process.
    for variable in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"] {
        command.env_remove(variable);
    }
    let child = command.spawn().map_err(HandoverError::Start)?;
    // The other end is the child's alone from here on: when it ends, this one sees that.
    drop(command);
    let id = child.id();
    let mut successor = Successor { line: ours, child, until: Instant::now() + PATIENCE, cancelled };
    let outcome = successor.talk(sockets, snapshot);
    if let Err(error) = outcome {
        return Err(successor.give_up(error));
    }
    Ok(id)
}

/// A process that is to take over.
struct Successor<'a> {
    line: UnixStream,
    child: Child,
    until: Instant,
    cancelled: &'a AtomicBool,
}

impl Successor<'_> {
    fn talk(&mut self, sockets: &Sockets, snapshot: &Snapshot) -> Result<(), HandoverError> {
        self.line.set_write_timeout(Some(PATIENCE))?;
        send_sockets(&self.line, sockets)?;
        self.expect(PREPARED)?;
        let revocations = snapshot.revoker.revocations().list();
        let shown = Value::from(revocations.iter().map(revocation_json::show).collect::<Vec<_>>()).to_string();
        self.line.write_all(&(shown.len() as u64).to_be_bytes())?;
        self.line.write_all(shown.as_bytes())?;
        self.expect(READY)
    }

    /// Waits for this byte. Others are what a later version says beside.
    fn expect(&mut self, wanted: u8) -> Result<(), HandoverError> {
        self.line.set_read_timeout(Some(LOOK))?;
        loop {
            let mut byte = [0];
            match self.line.read(&mut byte) {
                Ok(0) => return Err(HandoverError::Ended(String::new())),
                Ok(_) if byte == [wanted] => return Ok(()),
                Ok(_) => {}
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(error.into()),
            }
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(HandoverError::Cancelled);
            }
            if Instant::now() >= self.until {
                return Err(HandoverError::Late);
            }
        }
    }

    /// Ends the process, unless it has ended, and tells how it did.
    fn give_up(mut self, error: HandoverError) -> HandoverError {
        let is_over = matches!(error, HandoverError::Ended(_) | HandoverError::Io(_));
        if !is_over {
            let _ = self.child.kill();
        }
        // Whoever closes its end of the line without ending is ended.
        let deadline = Instant::now() + Duration::from_secs(1);
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if is_over => return HandoverError::Ended(status.to_string()),
                Ok(None) if Instant::now() < deadline => thread::sleep(LOOK / 10),
                Ok(None) => {
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    return error;
                }
                _ => return error,
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn send_sockets(line: &UnixStream, sockets: &Sockets) -> io::Result<()> {
    let Sockets { main, admin, given } = sockets;
    let main = main.iter().map(|socket| (if given.main { MAIN_GIVEN } else { MAIN }, socket));
    let admin = admin.iter().map(|socket| (if given.admin { ADMIN_GIVEN } else { ADMIN }, socket));
    for (kind, socket) in main.chain(admin) {
        let descriptors = [socket.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut with = SendAncillaryBuffer::new(&mut space);
        with.push(SendAncillaryMessage::ScmRights(&descriptors));
        sendmsg(line, &[IoSlice::new(&[kind])], &mut with, SendFlags::NOSIGNAL)?;
    }
    (&*line).write_all(&[END])
}

/// The process that serves until this one is ready.
#[derive(Debug)]
pub struct Predecessor(UnixStream);

impl Predecessor {
    /// The predecessor and its sockets, if this process was started to take over.
    ///
    /// # Errors
    /// The standard input is not what the environment says it is.
    pub fn find() -> io::Result<Option<(Self, Inherited)>> {
        if std::env::var_os(VARIABLE).is_none() {
            return Ok(None);
        }
        let line = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        line.set_read_timeout(Some(PATIENCE))?;
        let inherited = receive_sockets(&line)?;
        Ok(Some((Self(line), inherited)))
    }

    /// Waits until tokens can be judged, and learns what is revoked. From then on this process can serve.
    pub(super) fn prepare(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        wait_for_keys(snapshot)?;
        self.0.write_all(&[PREPARED])?;
        let mut length = [0; 8];
        self.0.read_exact(&mut length)?;
        let mut told = Vec::new();
        let length = u64::from_be_bytes(length).min(MOST_REVOCATIONS);
        (&self.0).take(length).read_to_end(&mut told)?;
        let told: Vec<Value> = serde_json::from_slice(&told)?;
        let told: Option<Vec<_>> = told.iter().map(revocation_json::read_shown).collect();
        let told = told.ok_or_else(|| io::Error::other("what is revoked cannot be read"))?;
        snapshot.revoker.revocations().extend(told);
        Ok(())
    }

    /// This process serves: the other one may drain.
    pub(super) fn ready(mut self) {
        if let Err(error) = self.0.write_all(&[READY]) {
            tracing::warn!(%error, "the process that was to be taken over from is gone");
        }
    }
}

fn receive_sockets(line: &UnixStream) -> io::Result<Inherited> {
    let mut inherited = Inherited::default();
    loop {
        let mut kind = [0];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut with = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(line, &mut [IoSliceMut::new(&mut kind)], &mut with, RecvFlags::CMSG_CLOEXEC)?;
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if kind == [END] {
            return Ok(inherited);
        }
        let rights = with.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        for socket in rights.flatten().map(TcpListener::from) {
            let Given { main, admin } = &mut inherited.given;
            match kind {
                [MAIN] => inherited.main.push(socket),
                [MAIN_GIVEN] => {
                    *main = true;
                    inherited.main.push(socket);
                }
                [ADMIN] => inherited.admin = Some(socket),
                [ADMIN_GIVEN] => {
                    *admin = true;
                    inherited.admin = Some(socket);
                }
                // A later version's.
                _ => {}
            }
        }
    }
}

/// Tokens that the predecessor accepts are not to be answered with 503.
fn wait_for_keys(snapshot: &Snapshot) -> io::Result<()> {
    let until = Instant::now() + KEYS_PATIENCE;
    loop {
        let now = snapshot.clock.now();
        let issuers = snapshot.authenticator.issuers();
        let missing: Vec<&str> = issuers.filter(|(_, keys)| !keys.is_available(now)).map(|(name, _)| name).collect();
        if missing.is_empty() {
            return Ok(());
        }
        if Instant::now() >= until {
            let required = snapshot.required_keys.iter().find(|required| missing.contains(&required.as_str()));
            return match required {
                Some(issuer) => Err(io::Error::other(format!("the keys of issuer `{issuer}` cannot be had"))),
                None => {
                    tracing::warn!(issuers = missing.join(", "), "taking over without keys that cannot be had");
                    Ok(())
                }
            };
        }
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::listener;

    #[test]
    fn sockets_go_through_with_what_they_are_for() {
        let any = "127.0.0.1:0".parse().unwrap();
        for (given, workers) in [(Given::default(), 300), (Given { main: true, admin: true }, 1)] {
            let main = listener::bind_shared(any, workers).unwrap();
            let sockets = Sockets { main, admin: Some(listener::bind_alone(any).unwrap()), given };
            let (ours, theirs) = UnixStream::pair().unwrap();
            let received = thread::scope(|scope| {
                let receiving = scope.spawn(|| receive_sockets(&theirs));
                send_sockets(&ours, &sockets).unwrap();
                receiving.join().unwrap().unwrap()
            });
            let addresses = |sockets: &[TcpListener]| -> Vec<_> {
                sockets.iter().map(|socket| socket.local_addr().unwrap()).collect()
            };
            assert_eq!(addresses(&received.main), addresses(&sockets.main));
            assert_eq!(
                received.admin.unwrap().local_addr().unwrap(),
                sockets.admin.as_ref().unwrap().local_addr().unwrap()
            );
            assert_eq!(received.given, given);
        }
    }

    #[test]
    fn a_line_that_breaks_off_is_an_error_and_what_a_later_version_says_is_none() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (&ours).write_all(b"zz.").unwrap();
        assert!(receive_sockets(&theirs).unwrap().main.is_empty());
        drop(ours);
        assert_eq!(receive_sockets(&theirs).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
