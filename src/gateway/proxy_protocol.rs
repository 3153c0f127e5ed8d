//! The PROXY protocol, versions 1 and 2 (haproxy.org, `proxy-protocol.txt`): before its first byte a balancer says whose
//! connection it passes on.
//!
//! 1. It is read from the addresses that are configured, and demanded of them. From all others it is not read: what
//!    looks like one is then no HTTP and no TLS.
//! 2. Where the balancer speaks for itself (`LOCAL`, `UNKNOWN`), or of an address that is none of IP, the connection's own
//!    address counts.
//! 3. Version 1 is a line of at most 107 bytes, spelled as the document says and in no other way; version 2 has at most
//!    [`LONGEST`] bytes. What follows its addresses (TLVs) is read over.
//!
//! No byte behind the header is taken from the socket: TLS may begin there.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use tokio::{io::AsyncReadExt, net::TcpStream};

/// What version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// What version 1 begins with.
const LINE: &[u8; 6] = b"PROXY ";
/// A line of version 1 has no more bytes than these, its end included.
const LONGEST_LINE: usize = 107;
/// The fixed part of version 2.
const FIXED: usize = 16;
/// A header of version 2 has no more bytes than these.
pub const LONGEST: usize = 4096;

/// Why a connection has no header that could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// It begins otherwise.
    #[error("the connection does not begin with a header of the PROXY protocol")]
    Missing,
    /// It is one of version 1 that is misspelled.
    #[error("the PROXY line is malformed")]
    Line,
    /// It is one of version 2 that says what its form does not allow.
    #[error("the PROXY header is malformed")]
    Header,
    /// It is one of version 2, and too long.
    #[error("the PROXY header is too long")]
    TooLong,
}

/// What is known from the bytes so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// A whole header.
    Header {
        /// Whose connection it is; `None`: the one who sent the header.
        source: Option<SocketAddr>,
        /// Its bytes.
        length: usize,
    },
    /// So far it is one, and it has at least so many bytes.
    Incomplete(usize),
}

/// Reads what the bytes begin with.
///
/// # Errors
/// As soon as no bytes could follow that make it a header.
pub fn parse(bytes: &[u8]) -> Result<Parsed, ProxyError> {
    if begins(bytes, LINE) {
        return line(bytes);
    }
    if !begins(bytes, SIGNATURE) {
        return Err(ProxyError::Missing);
    }
    let Some(fixed) = bytes.first_chunk::<FIXED>() else { return Ok(Parsed::Incomplete(FIXED)) };
    let [.., version, family, high, low] = *fixed;
    let length = FIXED + usize::from(u16::from_be_bytes([high, low]));
    let is_local = match version {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyError::Header),
    };
    if length > LONGEST {
        return Err(ProxyError::TooLong);
    }
    let Some(rest) = bytes.get(FIXED..length) else { return Ok(Parsed::Incomplete(length)) };
    // Whoever speaks for itself may say anything else.
    let source = if is_local { None } else { addresses(family, rest)? };
    Ok(Parsed::Header { source, length })
}

/// Whether one of them is the beginning of the other.
fn begins(bytes: &[u8], magic: &[u8]) -> bool {
    bytes.iter().zip(magic).all(|(one, other)| one == other)
}

/// The source of version 2: the first address and the first port, behind both addresses.
fn addresses(family: u8, rest: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    let (ip, port): (IpAddr, Option<&[u8; 2]>) = match family {
        0x11 => {
            let ip = rest.first_chunk::<4>().ok_or(ProxyError::Header)?;
            (Ipv4Addr::from(*ip).into(), rest.get(8..12).and_then(<[u8]>::first_chunk))
        }
        0x21 => {
            let ip = rest.first_chunk::<16>().ok_or(ProxyError::Header)?;
            (Ipv6Addr::from(*ip).into(), rest.get(32..36).and_then(<[u8]>::first_chunk))
        }
        // Unspecified, or a socket of the file system: it has no address that could be used.
        0x00 | 0x31 | 0x32 => return Ok(None),
        // Datagrams, and what the document does not know.
        _ => return Err(ProxyError::Header),
    };
    let port = port.ok_or(ProxyError::Header)?;
    Ok(Some(SocketAddr::new(ip, u16::from_be_bytes(*port))))
}

/// Version 1: `PROXY TCP4 source destination port port`, or `PROXY UNKNOWN` and anything.
fn line(bytes: &[u8]) -> Result<Parsed, ProxyError> {
    let seen = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
    let Some(end) = seen.iter().position(|byte| *byte == b'\n') else {
        // `PROXY UNKNOWN` and a line's end is the shortest.
        let more = (bytes.len() + 1).max(LINE.len());
        return if bytes.len() < LONGEST_LINE { Ok(Parsed::Incomplete(more)) } else { Err(ProxyError::Line) };
    };
    let text = seen.get(LINE.len()..end).and_then(|text| text.strip_suffix(b"\r")).ok_or(ProxyError::Line)?;
    let text = std::str::from_utf8(text).map_err(|_| ProxyError::Line)?;
    let mut words = text.split(' ');
    let source = match words.next() {
        Some("UNKNOWN") => None,
        Some("TCP4") => Some(pair::<Ipv4Addr>(words)?),
        Some("TCP6") => Some(pair::<Ipv6Addr>(words)?),
        _ => return Err(ProxyError::Line),
    };
    Ok(Parsed::Header { source, length: end + 1 })
}

/// Two addresses and two ports.
fn pair<'a, A: FromStr + Into<IpAddr>>(mut words: impl Iterator<Item = &'a str>) -> Result<SocketAddr, ProxyError> {
    let mut word = || words.next().ok_or(ProxyError::Line);
    let mut address = || word()?.parse::<A>().map_err(|_| ProxyError::Line);
    let (source, _) = (address()?, address()?);
    let (port, _) = (port(word()?)?, port(word()?)?);
    match words.next() {
        None => Ok(SocketAddr::new(source.into(), port)),
        Some(_) => Err(ProxyError::Line),
    }
}

/// Digits, without a sign and without zeros in front.
fn port(text: &str) -> Result<u16, ProxyError> {
    let plain = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| plain).ok_or(ProxyError::Line)
}

/// Takes the header from a connection. `None`: its own address counts.
///
/// # Errors
/// The socket's; [`ProxyError`] as one of [`io::ErrorKind::InvalidData`].
pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    let mut header = Vec::new();
    let mut ahead = [0; LONGEST_LINE];
    loop {
        let wrong = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let least = match parse(&header).map_err(wrong)? {
            Parsed::Header { source, .. } => return Ok(source),
            Parsed::Incomplete(least) => least,
        };
        let begun = header.len();
        let wanted = if begun >= LINE.len() && header.starts_with(LINE) {
            // A line may end anywhere: what is there is looked at before it is taken.
            let seen = stream.peek(&mut ahead).await?;
            let seen = ahead.get(..seen).unwrap_or_default();
            seen.iter().position(|byte| *byte == b'\n').map_or(seen.len(), |end| end + 1).min(LONGEST_LINE - begun)
        } else {
            // No header has fewer bytes.
            least.max(LINE.len()) - begun
        };
        if wanted == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        header.resize(begun + wanted, 0);
        stream.read_exact(header.get_mut(begun..).unwrap_or_default()).await?;
    }
}

#[cfg(test)]
mod tests;
