//! Asks a gateway that runs, by its admin listener.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    configuration::Configuration,
    failure::Failure,
    terminal::{BOLD, complain},
};

/// The gateway may wait for others before it answers.
const PATIENCE: Duration = Duration::from_secs(15);
/// In bytes.
const LARGEST_ANSWER: u64 = 4 << 20;

/// Posts `body`; `None` if there is no gateway. One that was connected to and then fails may have done it or not: that
/// is a failure, and nothing else is to be tried.
pub(super) fn post(address: SocketAddr, path: &str, body: &Value) -> Result<Option<(u16, Value)>, Failure> {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_secs(3)) else { return Ok(None) };
    exchange(stream, address, path, &body.to_string())
        .map(Some)
        .map_err(|error| Failure::Other(format!("the gateway at {address}: {error}")))
}

/// The store is written: whatever comes of this, every gateway follows.
pub(super) fn tell_gateway(configuration: &Configuration) {
    let Some(admin) = &configuration.config.admin else { return };
    let told = post(admin.address, "/store/refresh", &json!({}));
    if !matches!(told, Ok(None | Some((200, _)))) {
        complain(&format!("{BOLD}note{BOLD:#}: the gateway at {} follows within seconds", admin.address));
    }
}

fn exchange(mut stream: TcpStream, address: SocketAddr, path: &str, body: &str) -> io::Result<(u16, Value)> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = String::new();
    stream.take(LARGEST_ANSWER).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "this is not HTTP"))?;
    Ok((status, serde_json::from_str(body).unwrap_or_default()))
}
