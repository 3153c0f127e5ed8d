//! A server that takes mail, keeps it, and misbehaves when it is told to.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
};
use tokio_rustls::{TlsAcceptor, rustls};

use super::client::PATIENCE;

/// What it does in the place of what it should.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// It says this line.
    Answer(&'static str),
    /// It says nothing any more.
    Hang,
    /// It cuts the connection.
    CutOff,
    /// It does as it should, and cuts the connection in the place of the answer.
    TakeAndCutOff,
}

/// How it speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    Never,
    /// After `STARTTLS`.
    Offered,
    /// From the first byte.
    AtOnce,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Plain,
    Upgradable,
    Upgraded,
    Tls,
}

/// A mail that it took.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// What stood behind `MAIL FROM:` and `RCPT TO:`.
    pub(crate) sender: String,
    pub(crate) recipient: String,
    /// Dots are as they were.
    pub(crate) data: Vec<u8>,
    /// What it was logged in with, in base64.
    pub(crate) login: Option<String>,
    pub(crate) tls: bool,
}

pub(crate) struct SmtpServer {
    pub(crate) address: SocketAddr,
    /// Of who made its certificate, in PEM.
    pub(crate) authority: Vec<u8>,
    shared: Arc<Shared>,
    _end: tokio::sync::oneshot::Sender<()>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    mails: Vec<Received>,
    commands: Vec<String>,
    /// By the beginning of a command; `.` is the end of a message, `HELLO` the first answer.
    once: VecDeque<(String, Deed)>,
    always: Vec<(String, Deed)>,
    ascii_only: bool,
}

impl SmtpServer {
    /// On a port of its own, without TLS.
    pub(crate) fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), Tls::Never)
    }

    pub(crate) fn start_at(address: SocketAddr, tls: Tls) -> Self {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let authority = certified.cert.pem().into_bytes();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let shared = Arc::<Shared>::default();
        let (started, address_of) = std::sync::mpsc::channel();
        let (end, ended) = tokio::sync::oneshot::channel();
        let for_thread = Arc::clone(&shared);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind(address).await.unwrap();
                started.send(listener.local_addr().unwrap()).unwrap();
                tokio::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        let (shared, acceptor) = (Arc::clone(&for_thread), acceptor.clone());
                        tokio::spawn(async move {
                            if tls == Tls::AtOnce {
                                let Ok(stream) = acceptor.accept(stream).await else { return };
                                shared.serve(BufReader::new(stream), Phase::Tls).await;
                            } else {
                                let phase = if tls == Tls::Offered { Phase::Upgradable } else { Phase::Plain };
                                let Some(stream) = shared.serve(BufReader::new(stream), phase).await else { return };
                                let Ok(stream) = acceptor.accept(stream.into_inner()).await else { return };
                                shared.serve(BufReader::new(stream), Phase::Upgraded).await;
                            }
                        });
                    }
                });
                let _ = ended.await;
            });
        });
        Self { address: address_of.recv_timeout(PATIENCE).unwrap(), authority, shared, _end: end }
    }

    /// Where it is, with this scheme; by name, as its certificate says.
    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// The next time that a command begins like this (`.`: the end of a message; `HELLO`: the connection).
    pub(crate) fn once(&self, command: &str, deed: Deed) {
        self.shared.state.lock().unwrap().once.push_back((command.to_owned(), deed));
    }

    /// Each time.
    pub(crate) fn always(&self, command: &str, deed: Deed) {
        self.shared.state.lock().unwrap().always.push((command.to_owned(), deed));
    }

    /// From now on it behaves.
    pub(crate) fn behave(&self) {
        let mut state = self.shared.state.lock().unwrap();
        state.once.clear();
        state.always.clear();
    }

    /// It does not offer SMTPUTF8.
    pub(crate) fn ascii_only(&self) {
        self.shared.state.lock().unwrap().ascii_only = true;
    }

    /// What it took.
    pub(crate) fn mails(&self) -> Vec<Received> {
        self.shared.state.lock().unwrap().mails.clone()
    }

    /// What it was told, message bodies left out.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().commands.clone()
    }

    /// Waits until it has taken so many mails, or been told as often something that begins with `command`.
    pub(crate) fn wait_for(&self, mails: usize) -> Vec<Received> {
        self.wait(|state| state.mails.len() >= mails).mails.clone()
    }

    pub(crate) fn wait_for_command(&self, command: &str, times: usize) {
        drop(self.wait(|state| state.commands.iter().filter(|told| told.starts_with(command)).count() >= times));
    }

    fn wait(&self, enough: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.shared.state.lock().unwrap();
        let (state, waited) = self.shared.changed.wait_timeout_while(state, PATIENCE, |state| !enough(state)).unwrap();
        assert!(!waited.timed_out(), "the server was only told {:?}", state.commands);
        state
    }
}

impl Shared {
    fn deed(&self, command: &str) -> Option<Deed> {
        let mut state = self.state.lock().unwrap();
        state.commands.push(command.to_owned());
        self.changed.notify_all();
        let at = state.once.iter().position(|(known, _)| command.starts_with(known));
        at.and_then(|at| state.once.remove(at))
            .or_else(|| state.always.iter().find(|(known, _)| command.starts_with(known)).cloned())
            .map(|(_, deed)| deed)
    }

    /// Until the client leaves, or wants to go on with TLS: then the stream.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: BufReader<S>,
        phase: Phase,
    ) -> Option<BufReader<S>> {
        // After STARTTLS the client speaks first.
        if phase != Phase::Upgraded {
            self.answer(&mut stream, "HELLO", "220 localhost ready").await?;
        }
        let tls = matches!(phase, Phase::Tls | Phase::Upgraded);
        let (mut sender, mut recipient, mut login) = (String::new(), String::new(), None);
        loop {
            let command = line(&mut stream).await?;
            let command = String::from_utf8(command).unwrap().trim_end().to_owned();
            let verb = command.split([' ', ':']).next().unwrap_or_default().to_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    let upgrade = if phase == Phase::Upgradable { "250-STARTTLS\r\n" } else { "" };
                    let utf8 = if self.state.lock().unwrap().ascii_only { "" } else { "250-SMTPUTF8\r\n" };
                    let answer = format!("250-localhost\r\n{upgrade}{utf8}250-AUTH PLAIN LOGIN\r\n250 8BITMIME");
                    self.answer(&mut stream, &command, &answer).await?;
                }
                "STARTTLS" => {
                    self.answer(&mut stream, &command, "220 go ahead").await?;
                    return Some(stream);
                }
                "AUTH" => {
                    self.answer(&mut stream, &command, "235 welcome").await?;
                    login = command.split(' ').nth(2).map(str::to_owned);
                }
                "MAIL" => {
                    self.answer(&mut stream, &command, "250 ok").await?;
                    command["MAIL FROM:".len()..].clone_into(&mut sender);
                }
                "RCPT" => {
                    self.answer(&mut stream, &command, "250 ok").await?;
                    command["RCPT TO:".len()..].clone_into(&mut recipient);
                }
                "DATA" => {
                    self.answer(&mut stream, &command, "354 go ahead").await?;
                    let mut data = Vec::new();
                    loop {
                        let line = line(&mut stream).await?;
                        if line == b".\r\n" {
                            break;
                        }
                        data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
                    }
                    let (sender, recipient) = (sender.clone(), recipient.clone());
                    let mail = Received { sender, recipient, data, login: login.clone(), tls };
                    self.take(&mut stream, mail).await?;
                }
                "QUIT" => {
                    self.answer(&mut stream, &command, "221 goodbye").await?;
                    return None;
                }
                _ => self.answer(&mut stream, &command, "500 what?").await?,
            }
        }
    }

    async fn take<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut BufReader<S>, mail: Received) -> Option<()> {
        let deed = self.deed(".");
        if matches!(deed, None | Some(Deed::TakeAndCutOff)) {
            self.state.lock().unwrap().mails.push(mail);
            self.changed.notify_all();
        }
        act(stream, deed, "250 taken").await
    }

    /// `None`: the connection is over.
    async fn answer<S: AsyncWrite + Unpin>(&self, stream: &mut S, command: &str, answer: &str) -> Option<()> {
        // A refused command has no effect: the caller goes on only behind an answer of its own.
        act(stream, self.deed(command), answer).await
    }
}

async fn act<S: AsyncWrite + Unpin>(stream: &mut S, deed: Option<Deed>, answer: &str) -> Option<()> {
    let answer = match deed {
        None => answer,
        Some(Deed::Answer(other)) => other,
        Some(Deed::Hang) => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            return None;
        }
        Some(Deed::CutOff | Deed::TakeAndCutOff) => return None,
    };
    stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

async fn line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).await.ok()?;
    (!line.is_empty()).then_some(line)
}
