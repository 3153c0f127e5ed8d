//! Sockets that listen.
//!
//! Each worker has its own with `SO_REUSEPORT`, so the kernel spreads the connections and no worker wakes another.
//! That option also lets a second gateway of the same user listen on the same port, unnoticed, so the address is first
//! bound without it: a port that is taken is an error.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted; the system may allow fewer (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// `count` sockets that share `address`. With port 0 the system chooses one, the same for all.
pub(super) fn bind_shared(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    let address = bind(address, false)?.local_addr()?;
    (0..count.max(1)).map(|_| bind(address, true)).collect()
}

/// One socket of its own.
pub(super) fn bind_alone(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address, false)
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_a_port_that_nobody_else_can_take() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let sockets = bind_shared(any, 2).unwrap();
        let taken = sockets[0].local_addr().unwrap();
        assert_ne!(taken.port(), 0);
        assert_eq!(sockets[1].local_addr().unwrap(), taken);
        assert_eq!(bind_shared(taken, 2).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(bind_alone(taken).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
