//! `revoke`: tokens that are not to be accepted any more.
//!
//! The gateway that runs is asked, by its admin listener: there it is in force at once. If none answers, the store is
//! written, from which it is in force when a gateway starts, and within seconds in those that share it.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use serde_json::{Value, json};

use super::{configuration::Configuration, failure::Failure, terminal::print, times};
use crate::{
    authn::revocation::RevocationStore,
    clock::Clock,
    config::{Config, duration_in},
    gateway::revocation_json,
    store::Store,
};

/// The gateway waits for its store before it answers.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The issuer by its name in the configuration; without this, the only one.
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    #[command(flatten)]
    target: Target,
    /// Only tokens issued before this: 2025-12-12T10:45:22Z, or seconds since 1970. Without this, now.
    #[arg(long, value_name = "TIME", requires = "subject", value_parser = time)]
    before: Option<String>,
    /// How long the longest-lived of these tokens may still be good: 15m, 1h, 30d. Without this 30d.
    #[arg(long = "for", value_name = "TIME", value_parser = life)]
    life: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// The token with this `jti`.
    #[arg(long, value_name = "ID")]
    jti: Option<String>,
    /// The tokens with this `session_id` or `sid`.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// The tokens of this subject that have been issued so far.
    #[arg(long)]
    subject: Option<String>,
}

fn time(text: &str) -> Result<String, String> {
    times::parse(text).map(|_| text.to_owned())
}

fn life(text: &str) -> Result<String, String> {
    duration_in(text)
        .map(|_| text.to_owned())
        .ok_or_else(|| "a time is a whole number and its unit: 1h, 30d".to_owned())
}

pub(super) fn run(options: &Options, configuration: &Configuration) -> Result<ExitCode, Failure> {
    let config = &configuration.config;
    let body = body(options, configuration.issuer(options.issuer.as_deref())?);
    if let Some(admin) = &config.admin
        && let Some((status, answer)) = ask(admin.address, &body)?
    {
        let told = answer["detail"].as_str().unwrap_or("it is no gateway's answer");
        if status != 200 {
            return Err(Failure::Other(format!("the gateway at {}: {status}: {told}", admin.address)));
        }
        print(&format!("{told}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    write(config, &body)?;
    print("Revoked in the store. No gateway answers here: those that share the store will know within seconds.\n")?;
    Ok(ExitCode::SUCCESS)
}

fn body(options: &Options, issuer: &str) -> Value {
    let Target { jti, session, subject } = &options.target;
    let mut body = json!({ "issuer": issuer });
    let members =
        [("jti", jti), ("session", session), ("subject", subject), ("before", &options.before), ("for", &options.life)];
    for (name, value) in members {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    body
}

/// Asks the gateway; `None` if there is none. One that was connected to and then fails may have revoked or not: that is
/// a failure, and nothing else is tried.
fn ask(address: SocketAddr, body: &Value) -> Result<Option<(u16, Value)>, Failure> {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_secs(3)) else { return Ok(None) };
    exchange(stream, address, &body.to_string())
        .map(Some)
        .map_err(|error| Failure::Other(format!("the gateway at {address}: {error}")))
}

fn exchange(mut stream: TcpStream, address: SocketAddr, body: &str) -> io::Result<(u16, Value)> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let length = body.len();
    let head = format!(
        "POST /revocations HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = String::new();
    stream.take(64 << 10).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "this is not HTTP"))?;
    Ok((status, serde_json::from_str(body).unwrap_or_default()))
}

fn write(config: &Config, body: &Value) -> Result<(), Failure> {
    let Some(location) = &config.store else {
        let message = "no gateway answers, and there is no `store` to write to: nothing is revoked";
        return Err(Failure::Other(message.to_owned()));
    };
    let now = Clock::system().now();
    let revocation = revocation_json::read(body.to_string().as_bytes(), now).map_err(Failure::Usage)?;
    let store = Store::open(location)?;
    let adding = store.clone();
    let _version = store.wait_for(async move { adding.add(&revocation, now).await })?;
    Ok(())
}
