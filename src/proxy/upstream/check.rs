//! One health check: a request of the gateway's own, on a connection of its own.

use std::{ops::RangeInclusive, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header, uri::PathAndQuery};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{task::spawn_local, time::timeout};

use super::{Endpoint, Protocol, UpstreamSettings};
use crate::{http1::Socket, proxy::dial::dial};

/// How the servers of an upstream are asked whether they are well: by a `GET`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked for.
    pub path: PathAndQuery,
    /// The time from one check to the next, give or take a tenth. Default 5 s.
    pub interval: Duration,
    /// The time for a check, with its connection. Default 1 s.
    pub timeout: Duration,
    /// So many have to succeed in a row for a server that is down. Default 2.
    pub healthy: u32,
    /// So many have to fail in a row for a server that is up. Default 3.
    pub unhealthy: u32,
    /// The status codes that are good. Default 200 to 399.
    pub status: RangeInclusive<u16>,
}

impl HealthCheck {
    /// A check of this path with the defaults.
    #[must_use]
    pub const fn new(path: PathAndQuery) -> Self {
        Self {
            path,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            healthy: 2,
            unhealthy: 3,
            status: 200..=399,
        }
    }

    /// Asks the server at `endpoint`.
    ///
    /// # Errors
    /// Why it is not well.
    pub(super) async fn ask(&self, endpoint: &Endpoint, settings: &UpstreamSettings) -> Result<(), String> {
        let asking = async {
            let socket = dial(endpoint, settings).await.map_err(|error| error.to_string())?;
            match endpoint.server.protocol {
                Protocol::Http1 => self.by_http1(endpoint, socket).await.map_err(|error| error.to_string()),
                Protocol::Http2 => self.by_http2(endpoint, socket).await.map_err(|error| error.to_string()),
            }
        };
        let late = |_| Err(format!("no answer within {:?}", self.timeout));
        let status = timeout(self.timeout, asking).await.unwrap_or_else(late)?;
        if self.status.contains(&status.as_u16()) {
            Ok(())
        } else {
            Err(format!("it answered with {}", status.as_u16()))
        }
    }

    async fn by_http1(&self, endpoint: &Endpoint, socket: Socket) -> hyper::Result<StatusCode> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        // It ends when the answer is dropped.
        spawn_local(async move { connection.await.is_ok() });
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = self.path.clone().into();
        let host = HeaderValue::from_str(endpoint.server.authority.as_str());
        request.headers_mut().extend(host.map(|host| (header::HOST, host)));
        Ok(sender.send_request(request).await?.status())
    }

    async fn by_http2(&self, endpoint: &Endpoint, socket: Socket) -> Result<StatusCode, h2::Error> {
        let (sender, connection) = h2::client::handshake(socket).await?;
        let driving = spawn_local(async move { connection.await.is_ok() });
        let mut request = Request::new(());
        let mut target = http::uri::Parts::default();
        target.scheme = Some(endpoint.server.uri_scheme());
        target.authority = Some(endpoint.server.authority.clone());
        target.path_and_query = Some(self.path.clone());
        *request.uri_mut() = http::Uri::from_parts(target).unwrap_or_default();
        *request.version_mut() = http::Version::HTTP_2;
        let (response, _) = sender.ready().await?.send_request(request, true)?;
        let status = response.await?.status();
        driving.abort();
        Ok(status)
    }
}
