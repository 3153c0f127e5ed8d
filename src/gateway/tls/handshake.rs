//! One handshake, and why those fail that do.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerMisbehaved};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::{H2, Tls, challenges};
use crate::authn::ClientCertificate;

/// What came of a handshake, as the metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Outcome {
    /// It was finished.
    Done,
    /// It took longer than it may.
    Late,
    /// The client hung up, or its connection broke.
    Closed,
    /// What came is not TLS.
    NotTls,
    /// The client and the gateway have no version, cipher or protocol in common.
    NothingInCommon,
    /// The client has no certificate, and needs one.
    NoCertificate,
    /// The client's certificate is past its end.
    CertificateExpired,
    /// The client's certificate leads to no authority that is known.
    UnknownIssuer,
    /// The client's certificate is not acceptable for another reason.
    BadCertificate,
    /// It was an authority's, which has seen the proof that it asked for.
    Challenge,
    /// The client does not accept the gateway's certificate.
    Refused,
    /// Anything else that breaks the protocol.
    Other,
}

impl Outcome {
    pub(in crate::gateway) const ALL: [Self; 12] = [
        Self::Done,
        Self::Late,
        Self::Closed,
        Self::NotTls,
        Self::NothingInCommon,
        Self::NoCertificate,
        Self::CertificateExpired,
        Self::UnknownIssuer,
        Self::BadCertificate,
        Self::Challenge,
        Self::Refused,
        Self::Other,
    ];

    pub(in crate::gateway) const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Late => "late",
            Self::Closed => "closed",
            Self::NotTls => "not_tls",
            Self::NothingInCommon => "nothing_in_common",
            Self::NoCertificate => "no_client_certificate",
            Self::CertificateExpired => "client_certificate_expired",
            Self::UnknownIssuer => "client_certificate_issuer",
            Self::BadCertificate => "client_certificate",
            Self::Challenge => "challenge",
            Self::Refused => "refused_by_client",
            Self::Other => "other",
        }
    }

    fn of(error: &io::Error) -> Self {
        let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
            return Self::Closed;
        };
        match error {
            Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
                Self::NotTls
            }
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
                Self::CertificateExpired
            }
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => Self::UnknownIssuer,
            Error::InvalidCertificate(_) => Self::BadCertificate,
            Error::PeerIncompatible(_)
            | Error::NoApplicationProtocol
            | Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => Self::NothingInCommon,
            Error::AlertReceived(AlertDescription::CloseNotify | AlertDescription::UserCanceled) => Self::Closed,
            Error::AlertReceived(_) => Self::Refused,
            _ => Self::Other,
        }
    }
}

/// How many handshakes came to what.
#[derive(Debug, Default)]
pub struct Handshakes([AtomicU64; Outcome::ALL.len()]);

impl Handshakes {
    pub(in crate::gateway) fn count(&self, outcome: Outcome) {
        if let Some((_, cell)) = Outcome::ALL.iter().zip(&self.0).find(|(known, _)| **known == outcome) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(in crate::gateway) fn counts(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.into_iter().zip(self.0.iter().map(|cell| cell.load(Ordering::Relaxed)))
    }
}

/// A connection whose handshake is done.
pub(in crate::gateway) struct Secured {
    pub(in crate::gateway) stream: TlsStream<TcpStream>,
    /// What the client has proven to have.
    pub(in crate::gateway) certificate: Option<ClientCertificate>,
    /// Whether HTTP/2 was agreed on.
    pub(in crate::gateway) http_2: bool,
}

/// The gateway's side of a handshake. A client with which it fails is told why, by an alert.
///
/// # Errors
/// What it came to, and the library's or the socket's error.
pub(in crate::gateway) async fn shake(tls: &Tls, stream: TcpStream) -> Result<Secured, (Outcome, io::Error)> {
    let accepted = TlsAcceptor::from(tls.server()).accept(stream).await;
    let stream = accepted.map_err(|error| (Outcome::of(&error), error))?;
    let session = stream.get_ref().1;
    let certificate = session.peer_certificates().and_then(<[_]>::first);
    let certificate = certificate.map(|certificate| ClientCertificate::of_der(certificate));
    if session.alpn_protocol() == Some(challenges::ALPN) {
        return Err((Outcome::Challenge, io::Error::other("an authority has looked at its proof")));
    }
    let http_2 = session.alpn_protocol() == Some(H2);
    Ok(Secured { stream: stream.into(), certificate, http_2 })
}
