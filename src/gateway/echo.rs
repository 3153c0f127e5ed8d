//! `builtin:echo`: an upstream that answers with what it received, to try a configuration without an API behind it.
//!
//! It is a real HTTP/1.1 server on a port of the loopback interface, so what it shows is what an upstream would get.
//! A body is read to its end and counted; the first [`SHOWN`] bytes are shown.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    thread,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header, uri::Authority};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, sync::oneshot, task::LocalSet};

use super::listener;

/// How much of a body is shown, in bytes.
pub const SHOWN: usize = 4096;

/// The running echo. It ends when this is dropped.
#[derive(Debug)]
pub struct Echo {
    address: SocketAddr,
    _ends_when_dropped: oneshot::Sender<Infallible>,
}

impl Echo {
    /// Starts it on a free port, in a thread of its own.
    ///
    /// # Errors
    /// When the system has no port or thread for it.
    pub fn start() -> io::Result<Self> {
        let listener = listener::bind_alone((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = listener.local_addr()?;
        let (sender, dropped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("echo".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, async {
                tokio::select! {
                    served = serve(listener) => tracing::error!(error = ?served, "the echo upstream ended"),
                    _ = dropped => {}
                }
            });
        })?;
        Ok(Self { address, _ends_when_dropped: sender })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same, as an upstream's server.
    ///
    /// # Errors
    /// Never: an address and a port are an authority. The type can't say so.
    pub fn authority(&self) -> Result<Authority, http::uri::InvalidUri> {
        self.address.to_string().parse()
    }
}

async fn serve(listener: std::net::TcpListener) -> io::Result<Infallible> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::task::spawn_local(async move {
            // Who hung up does not want to know.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Some((body_bytes, shown)) = read(body).await else {
        let mut refused = Response::new(Full::default());
        *refused.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(refused);
    };
    let received = json!({
        "method": head.method.as_str(),
        "path": head.uri.path(),
        "query": head.uri.query(),
        "headers": headers(&head.headers),
        "body_bytes": body_bytes,
        "body": String::from_utf8_lossy(&shown),
    });
    let mut response = Response::new(Full::from(format!("{received:#}\n")));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// How long the body is, and its beginning.
async fn read(mut body: Incoming) -> Option<(u64, Vec<u8>)> {
    let mut total = 0;
    let mut shown = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else { continue };
        total += data.len() as u64;
        shown.extend(data.iter().take(SHOWN.saturating_sub(shown.len())));
    }
    Some((total, shown))
}

/// A name that comes once has a string, one that is repeated an array.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let text = |value: &HeaderValue| Value::from(String::from_utf8_lossy(value.as_bytes()));
    headers
        .keys()
        .map(|name| {
            let mut values: Vec<Value> = headers.get_all(name).iter().map(text).collect();
            let shown = if values.len() == 1 { values.remove(0) } else { Value::from(values) };
            (name.to_string(), shown)
        })
        .collect()
}
