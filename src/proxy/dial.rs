//! A new connection to a server.

use std::io;

use tokio::net::{TcpStream, UnixStream};

use super::upstream::{Endpoint, Target, UpstreamSettings};
use crate::http1::Socket;

/// A connection to `endpoint`, which speaks TLS if its server does. How long that may take is the caller's affair.
pub(super) async fn dial(endpoint: &Endpoint, settings: &UpstreamSettings) -> io::Result<Socket> {
    let tcp = match &endpoint.target {
        Target::Address(address) => TcpStream::connect(address).await?,
        Target::Name { host, port } => TcpStream::connect((host.as_str(), *port)).await?,
        Target::Unix(path) => return UnixStream::connect(path).await.map(Socket::from),
    };
    tcp.set_nodelay(true)?;
    if !endpoint.server.secure {
        return Ok(tcp.into());
    }
    let tls = settings.tls.as_ref().ok_or_else(|| io::Error::other("TLS is not set up for this upstream"))?;
    let tls = tls.connect(&endpoint.server, tcp).await?;
    Ok(Socket::from(tokio_rustls::TlsStream::from(tls)))
}
