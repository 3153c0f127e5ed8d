//! The sockets that a gateway listens on: its own, those that the supervisor has opened for it (sd_listen_fds(3)), or those
//! of the process that it takes over from.
//!
//! 1. Of the supervisor's sockets the one that is named `admin` (`FileDescriptorName=`) is the admin listener's; another is
//!    that of requests, and there is at most one: all workers share it. Its address counts, whatever `listen.address` says.
//! 2. Those of a predecessor are used where their address is the one that is configured. One of each worker's own is one
//!    more worker, if there are more of them: connections wait in each.
//! 3. What is missing is bound.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    thread,
};

use listenfd::ListenFd;

use super::{RunError, Settings, listener};

/// The name of the supervisor's socket for the admin listener.
const ADMIN: &str = "admin";

/// Sockets that were opened before this process was.
#[derive(Debug, Default)]
pub struct Inherited {
    pub(super) main: Vec<TcpListener>,
    pub(super) admin: Option<TcpListener>,
    /// Whether they are the supervisor's, whose address counts.
    pub(super) given: Given,
}

/// Which sockets a supervisor has opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) main: bool,
    pub(super) admin: bool,
}

impl Inherited {
    /// Those that the supervisor tells of in the environment, if any. To be called once, before any thread is started.
    ///
    /// # Errors
    /// One of them is no TCP socket that listens, or there are too many.
    pub fn from_supervisor() -> io::Result<Self> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut sockets = ListenFd::from_env();
        let mut inherited = Self::default();
        for index in 0..sockets.len() {
            let is_admin = names.next() == Some(ADMIN);
            let Some(socket) = sockets.take_tcp_listener(index)? else { continue };
            socket.set_nonblocking(true)?;
            inherited.add(socket, is_admin)?;
        }
        inherited.given = Given { main: !inherited.main.is_empty(), admin: inherited.admin.is_some() };
        Ok(inherited)
    }

    fn add(&mut self, socket: TcpListener, is_admin: bool) -> io::Result<()> {
        let is_first = if is_admin { self.admin.is_none() } else { self.main.is_empty() };
        if !is_first {
            let what = if is_admin { "the admin listener" } else { "requests" };
            return Err(io::Error::other(format!("the supervisor gives more than one socket for {what}")));
        }
        if is_admin {
            self.admin = Some(socket);
        } else {
            self.main.push(socket);
        }
        Ok(())
    }
}

/// What a gateway listens on.
#[derive(Debug)]
pub(super) struct Sockets {
    /// One a worker.
    pub(super) main: Vec<TcpListener>,
    pub(super) admin: Option<TcpListener>,
    pub(super) given: Given,
}

impl Sockets {
    /// Those that `inherited` has, and the others bound.
    pub(super) fn open(settings: &Settings, inherited: Inherited) -> Result<Self, RunError> {
        let Inherited { mut main, admin, given } = inherited;
        let workers = match settings.workers {
            0 => thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };
        main.retain(|socket| given.main || is_at(socket, settings.address));
        let bind = |address| move |error| RunError::Bind { address, error };
        if main.is_empty() {
            main = listener::bind_shared(settings.address, workers).map_err(bind(settings.address))?;
        }
        for index in main.len()..workers {
            let shared = main.get(index % main.len()).map(TcpListener::try_clone);
            main.extend(shared.transpose().map_err(RunError::Start)?);
        }
        let admin = match (admin, settings.admin) {
            (Some(socket), Some(address)) if given.admin || is_at(&socket, address) => Some(socket),
            (_, Some(address)) => Some(listener::bind_alone(address).map_err(bind(address))?),
            (_, None) => None,
        };
        Ok(Self { main, admin, given })
    }

    /// The same sockets once more, to be handed over later. They listen until both are dropped.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        let main = self.main.iter().map(TcpListener::try_clone).collect::<io::Result<_>>()?;
        let admin = self.admin.as_ref().map(TcpListener::try_clone).transpose()?;
        Ok(Self { main, admin, given: self.given })
    }
}

/// Whether a socket is what this address asks for; with port 0 any port is.
fn is_at(socket: &TcpListener, wanted: SocketAddr) -> bool {
    let same = |address: SocketAddr| address.ip() == wanted.ip() && [0, address.port()].contains(&wanted.port());
    socket.local_addr().is_ok_and(same)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn settings(address: SocketAddr, workers: usize) -> Settings {
        let drain_deadline = Duration::from_secs(1);
        Settings { address, workers, admin: None, drain_delay: Duration::ZERO, drain_deadline, access_log: None }
    }

    #[test]
    fn a_predecessors_sockets_are_used_where_they_are_what_is_configured() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let theirs = listener::bind_shared(any, 3).unwrap();
        let address = theirs[0].local_addr().unwrap();
        let inherited = || {
            let main = theirs.iter().map(|socket| socket.try_clone().unwrap()).collect();
            Inherited { main, ..Inherited::default() }
        };
        for (wanted, workers, have) in [(any, 3, 3), (address, 1, 3), (address, 5, 5)] {
            let sockets = Sockets::open(&settings(wanted, workers), inherited()).unwrap();
            assert_eq!(sockets.main.len(), have);
            assert!(sockets.main.iter().all(|socket| socket.local_addr().unwrap() == address));
        }
        let other: SocketAddr = "127.0.0.2:0".parse().unwrap();
        let sockets = Sockets::open(&settings(other, 2), inherited()).unwrap();
        assert!(sockets.main.iter().all(|socket| socket.local_addr().unwrap().ip() == other.ip()));
        let given = Given { main: true, admin: false };
        let sockets = Sockets::open(&settings(other, 2), Inherited { given, ..inherited() }).unwrap();
        assert_eq!(sockets.main[0].local_addr().unwrap(), address, "the supervisor's address counts");
    }

    #[test]
    fn a_supervisor_gives_one_socket_for_each_purpose() {
        let socket = || listener::bind_alone("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut inherited = Inherited::default();
        inherited.add(socket(), false).unwrap();
        inherited.add(socket(), true).unwrap();
        assert!(inherited.add(socket(), false).unwrap_err().to_string().contains("more than one socket for requests"));
        assert!(inherited.add(socket(), true).is_err());
    }
}
