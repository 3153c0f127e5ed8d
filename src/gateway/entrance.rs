//! From an accepted connection to one on which HTTP is spoken.
//!
//! 1. From the addresses that are configured a header of the [PROXY protocol](super::proxy_protocol) says whose it is.
//! 2. Then comes the handshake of [TLS](super::tls), if the gateway has a certificate.
//!
//! Each of them may take as long as a head. A connection on which one of them fails is closed; its cause is logged and
//! counted. When the gateway drains, neither is waited for any longer than a request is.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use tokio::{
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    addresses::Seat,
    connection::LINGER,
    http1::Protocol,
    metrics::Gauges,
    proxy_protocol,
    snapshot::Snapshot,
    tls::handshake::{Outcome, shake},
};
use crate::{authn::ClientCertificate, config::Limits, http1::Socket, proxy::Peer};

/// A connection on which HTTP is spoken.
pub(super) struct Entered {
    pub(super) socket: Socket,
    pub(super) peer: Peer,
    /// What its client has proven to have.
    pub(super) certificate: Option<ClientCertificate>,
    pub(super) protocol: Protocol,
    /// Held as long as the connection is open.
    pub(super) seat: Seat,
}

/// Whether a connection from `address` has to begin with a header of the PROXY protocol.
pub(super) fn is_passed_on(snapshot: &Snapshot, address: SocketAddr) -> bool {
    let address = address.ip().to_canonical();
    snapshot.proxy_protocol.iter().any(|network| network.contains(&address))
}

/// A place among the connections of the peer's address; `None` where it has too many, which is counted.
pub(super) fn seat(gauges: &Arc<Gauges>, peer: &Peer, limits: &Limits) -> Option<Seat> {
    let limit = if peer.is_trusted() { 0 } else { limits.connections_per_address };
    let seat = Seat::take(gauges, peer.address(), limit);
    if seat.is_none() {
        gauges.connections_refused_by_address.fetch_add(1, Ordering::Relaxed);
    }
    seat
}

/// Why there is none.
struct Failed {
    outcome: Outcome,
    cause: io::Error,
}

/// Where connections come in: as it was when this one did.
pub(super) struct Entrance<'a> {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) gauges: &'a Arc<Gauges>,
    pub(super) limits: Limits,
    /// Whether a header is to say whose connection it is ([`is_passed_on`]).
    pub(super) is_passed_on: bool,
    /// Its place among those of its address, if that is known.
    pub(super) seat: Seat,
}

impl Entrance<'_> {
    /// Lets a connection from `address` in, or says why not and closes it.
    pub(super) async fn enter(
        mut self,
        mut stream: TcpStream,
        address: SocketAddr,
        draining: &mut watch::Receiver<bool>,
    ) -> Option<Entered> {
        let Snapshot { tls, trusted_proxies, .. } = &*self.snapshot;
        let mut client = address;
        if self.is_passed_on {
            let read = self.within(proxy_protocol::read(&mut stream), draining).await;
            match read {
                Ok(source) => client = source.unwrap_or(address),
                Err(cause) => {
                    self.gauges.proxy_protocol_refused.fetch_add(1, Ordering::Relaxed);
                    tracing::info!(%address, %cause, "a connection without its PROXY header was closed");
                    return None;
                }
            }
        }
        let peer = Peer::new(client, trusted_proxies);
        if self.is_passed_on {
            self.seat = seat(self.gauges, &peer, &self.limits)?;
        }
        let Some(tls) = tls else {
            let (socket, seat) = (stream.into(), self.seat);
            return Some(Entered { socket, peer, certificate: None, protocol: Protocol::Either, seat });
        };
        // In a box, so that connections in clear text don't have to have room for it.
        let shaking = Box::pin(async { Ok(shake(tls, stream).await) });
        let shaken = self.within(shaking, draining).await;
        let shaken = shaken.unwrap_or_else(|cause| Err((Outcome::Late, cause)));
        match shaken.map_err(|(outcome, cause)| Failed { outcome, cause }) {
            Ok(secured) => {
                self.gauges.handshakes.count(Outcome::Done);
                let protocol = if secured.http_2 { Protocol::Http2 } else { Protocol::Http1 };
                let certificate = secured.certificate;
                let (socket, seat) = (secured.stream.into(), self.seat);
                Some(Entered { socket, peer: peer.over_tls(), certificate, protocol, seat })
            }
            Err(failed) => {
                self.gauges.handshakes.count(failed.outcome);
                failed.log(client);
                None
            }
        }
    }

    /// What `work` gives, if it does in time.
    async fn within<T>(
        &self,
        work: impl Future<Output = io::Result<T>>,
        draining: &mut watch::Receiver<bool>,
    ) -> io::Result<T> {
        let drained = async {
            let _ = draining.wait_for(|draining| *draining).await;
            sleep(LINGER).await;
        };
        tokio::select! {
            done = timeout(self.limits.header_timeout, work) => done.unwrap_or_else(|late| Err(late.into())),
            () = drained => Err(io::Error::other("the gateway drains")),
        }
    }
}

impl Failed {
    /// Those who only look whether the port is open are many.
    fn log(&self, client: SocketAddr) {
        let (outcome, cause) = (self.outcome.as_str(), &self.cause);
        if self.outcome == Outcome::Closed {
            tracing::debug!(%client, outcome, %cause, "a TLS handshake failed");
        } else {
            tracing::info!(%client, outcome, %cause, "a TLS handshake failed");
        }
    }
}
