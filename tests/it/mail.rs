//! Mail from the outbox of a real store to a real SMTP server.

use std::{
    cell::RefCell,
    io::Write,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Once,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use aws_lc_rs::rand::SystemRandom;
use bearergate::{
    accounts::{
        email::Email,
        mail::{Letter, MailFigures, MailKind, MailSettings, Mailer, Sender, SmtpSettings, Waker},
        model::{Aside, NewMail, TakenMail},
        store::{AuditStore, OutboxStore},
    },
    authn::revocation::StoreFuture,
    clock::{Clock, Timestamp},
    secret::Secret,
    store::{Location, Store},
};
use mail_parser::MessageParser;
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::oneshot, task::JoinHandle, time::Instant};
use tracing_subscriber::{
    Layer as _, filter::dynamic_filter_fn, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::support::smtp::{Deed, SmtpServer, Tls};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const PATIENCE: Duration = Duration::from_secs(20);
const LINK: &str = "https://app.example.com/reset-password/MQ/secret-token";

fn settings(url: &str) -> MailSettings {
    let url = Secret::from(url.to_owned());
    MailSettings {
        smtp: Some(SmtpSettings { url, plain: false, authorities: None, timeout: Duration::from_millis(500) }),
        from: "Orders <no-reply@example.com>".parse().unwrap(),
        templates: None,
        product: None,
    }
}

fn letter(recipient: &str) -> Letter {
    Letter {
        kind: MailKind::Reset,
        recipient: Email::parse(recipient).unwrap(),
        name: None,
        link: Some(LINK.to_owned()),
        expires_in: Some(Duration::from_secs(3600)),
    }
}

/// One without a link, which never comes too late.
fn notice(recipient: &str) -> Letter {
    Letter { kind: MailKind::PasswordChanged, link: None, expires_in: None, ..letter(recipient) }
}

/// An outbox and a clock.
struct Office {
    runtime: Runtime,
    store: Store,
    clock: Clock,
    _folder: TempDir,
}

/// A sender that runs.
struct Running {
    waker: Waker,
    figures: Arc<MailFigures>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Office {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Location::Sqlite(folder.path().join("state.db"))).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { runtime, store, clock: Clock::manual(NOW), _folder: folder }
    }

    fn write(&self, mail: impl Into<NewMail>) {
        let aside = Aside { mails: vec![mail.into()], events: Vec::new() };
        self.runtime.block_on(self.store.note(None, aside, self.clock.now())).unwrap();
    }

    fn waiting(&self) -> u64 {
        self.runtime.block_on(self.store.waiting_mail()).unwrap().0
    }

    fn sender(&self, settings: &MailSettings, outbox: Arc<dyn OutboxStore>) -> Sender {
        let mailer = Mailer::new(settings).unwrap();
        Sender::new(mailer, outbox, self.clock.clone(), Arc::new(SystemRandom::new()))
    }

    fn run(&self, settings: &MailSettings) -> Running {
        self.run_with(settings, Arc::new(self.store.clone()))
    }

    fn run_with(&self, settings: &MailSettings, outbox: Arc<dyn OutboxStore>) -> Running {
        let sender = self.sender(settings, outbox);
        let (waker, figures) = (sender.waker(), sender.figures());
        let (stop, stopped) = oneshot::channel();
        let task = self.runtime.spawn(sender.run(async {
            let _ = stopped.await;
        }));
        Running { waker, figures, stop: Some(stop), task }
    }

    /// Time goes on, and the sender looks.
    fn later(&self, seconds: u64, sender: &Running) {
        self.clock.advance(Duration::from_secs(seconds));
        sender.waker.wake();
    }
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Time for what must not happen.
fn moment() {
    thread::sleep(Duration::from_millis(300));
}

/// A port that nobody listens on.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_mail_leaves_at_once_and_is_what_was_written() {
    let (office, server) = (Office::new(), SmtpServer::start());
    let sender = office.run(&settings(&server.url("smtp")));
    let started = Instant::now();
    office.write(letter("Ada@münchen.example"));
    sender.waker.wake();
    let mails = server.wait_for(1);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(mails[0].sender, "<no-reply@example.com>");
    assert_eq!(mails[0].recipient, "<Ada@xn--mnchen-3ya.example>");
    let mail = MessageParser::new().parse(&mails[0].data).unwrap();
    assert_eq!(mail.subject(), Some("Reset your password for app.example.com"));
    let from = mail.from().unwrap().first().unwrap();
    assert_eq!((from.name(), from.address()), (Some("Orders"), Some("no-reply@example.com")));
    assert_eq!(mail.to().unwrap().first().unwrap().address(), Some("Ada@xn--mnchen-3ya.example"));
    assert_eq!(mail.date().unwrap().to_timestamp(), i64::try_from(NOW.as_secs()).unwrap());
    assert!(mail.message_id().unwrap().ends_with("@example.com"));
    assert_eq!(mail.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
    assert!(mail.body_text(0).unwrap().contains(LINK) && mail.body_text(0).unwrap().contains("1 hour"));
    assert!(mail.body_html(0).unwrap().replace("&#x2f;", "/").contains(&format!("href=\"{LINK}\"")));
    until("it is forgotten", || office.waiting() == 0);
    assert_eq!((sender.figures.sent(), sender.figures.failed(), sender.figures.last_error()), (1, 0, None));
}

#[test]
fn what_another_process_writes_leaves_within_seconds_without_being_told() {
    let (office, server) = (Office::new(), SmtpServer::start());
    let _sender = office.run(&settings(&server.url("smtp")));
    moment();
    let started = Instant::now();
    office.write(letter("ada@example.com"));
    server.wait_for(1);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn a_server_that_is_down_gets_the_mail_within_fifteen_seconds_of_being_up() {
    let (office, address) = (Office::new(), nobody());
    let sender = office.run(&settings(&format!("smtp://{address}")));
    office.write(letter("ada@example.com"));
    sender.waker.wake();
    until("it fails", || sender.figures.failed() == 1);
    let (when, error) = sender.figures.last_error().unwrap();
    assert!(when == NOW && error.starts_with("the connection: ") && !error.contains("ada"), "{error}");
    until("it waits", || office.waiting() == 1);
    let server = SmtpServer::start_at(address, Tls::Never);
    // Not before nine seconds.
    office.later(8, &sender);
    moment();
    assert!(server.mails().is_empty());
    office.later(4, &sender);
    server.wait_for(1);
    until("it is forgotten", || office.waiting() == 0);
    assert_eq!((sender.figures.sent(), sender.figures.failed(), sender.figures.last_error()), (1, 1, None));
}

#[test]
fn whatever_is_not_about_the_recipient_is_tried_again_with_longer_pauses() {
    let (office, server) = (Office::new(), SmtpServer::start());
    for (command, deed) in [
        ("HELLO", Deed::Answer("421 busy")),
        ("HELLO", Deed::CutOff),
        ("MAIL", Deed::Answer("550 you are nobody")),
        ("RCPT", Deed::Answer("450 4.2.1 <ada@example.com> later")),
        ("RCPT", Deed::Answer("530 log in first")),
        ("RCPT", Deed::Answer("552 too many")),
        ("DATA", Deed::Answer("451 later")),
        (".", Deed::Answer("451 later")),
        ("MAIL", Deed::CutOff),
        ("MAIL", Deed::Answer("nonsense about ada@example.com")),
    ] {
        server.once(command, deed);
    }
    let sender = office.run(&settings(&server.url("smtp")));
    office.write(notice("ada@example.com"));
    sender.waker.wake();
    for failure in 1..=10 {
        until("it fails", || sender.figures.failed() == failure);
        let (_, error) = sender.figures.last_error().unwrap();
        assert!(!error.contains("ada"), "{error}");
        // So that the retry is written.
        moment();
        office.later((12 << (failure - 1)).min(3600), &sender);
    }
    server.wait_for(1);
    until("it is forgotten", || office.waiting() == 0);
    assert_eq!((sender.figures.sent(), sender.figures.given_up()), (1, 0));
}

#[test]
fn a_refused_recipient_is_given_up_and_the_next_mail_is_not_affected() {
    let (office, server) = (Office::new(), SmtpServer::start());
    server.always("RCPT TO:<nobody@example.com>", Deed::Answer("550 5.1.1 no such user"));
    server.once(".", Deed::Answer("554 5.7.1 we do not like it"));
    let sender = office.run(&settings(&server.url("smtp")));
    office.write(letter("nobody@example.com"));
    sender.waker.wake();
    until("it is given up", || sender.figures.given_up() == 1);
    office.write(letter("spam@example.com"));
    sender.waker.wake();
    until("it is given up", || sender.figures.given_up() == 2);
    office.write(letter("ada@example.com"));
    sender.waker.wake();
    assert_eq!(server.wait_for(1)[0].recipient, "<ada@example.com>");
    until("nothing waits", || office.waiting() == 0);
    assert_eq!((sender.figures.sent(), sender.figures.failed()), (1, 2));
}

#[test]
fn a_mail_is_given_up_after_three_days_however_few_tries_it_had() {
    let (office, address) = (Office::new(), nobody());
    office.write(notice("ada@example.com"));
    office.clock.advance(Duration::from_secs(3 * 24 * 3600 - 60));
    let sender = office.run(&settings(&format!("smtp://{address}")));
    until("it fails", || sender.figures.failed() == 1);
    moment();
    assert_eq!((sender.figures.given_up(), office.waiting()), (0, 1));
    office.later(60, &sender);
    until("it is given up", || sender.figures.given_up() == 1);
    until("nothing waits", || office.waiting() == 0);
}

#[test]
fn a_mail_whose_link_has_ended_is_not_sent() {
    let (office, server) = (Office::new(), SmtpServer::start());
    server.always("HELLO", Deed::Answer("421 busy"));
    let sender = office.run(&settings(&server.url("smtp")));
    office.write(letter("ada@example.com"));
    sender.waker.wake();
    until("it fails", || sender.figures.failed() == 1);
    server.behave();
    office.later(3600, &sender);
    until("it is given up", || sender.figures.given_up() == 1);
    until("nothing waits", || office.waiting() == 0);
    assert!(server.mails().is_empty());
}

#[test]
fn a_mail_that_may_have_been_taken_is_sent_again() {
    let (office, server) = (Office::new(), SmtpServer::start());
    server.once(".", Deed::TakeAndCutOff);
    let sender = office.run(&settings(&server.url("smtp")));
    office.write(letter("ada@example.com"));
    sender.waker.wake();
    until("it fails", || sender.figures.failed() == 1);
    assert_eq!((server.mails().len(), office.waiting()), (1, 1));
    office.later(12, &sender);
    server.wait_for(2);
}

#[test]
fn a_server_that_hangs_holds_up_nothing_for_long() {
    for command in ["HELLO", "EHLO", "RCPT", "DATA", "."] {
        let (office, server) = (Office::new(), SmtpServer::start());
        server.once(command, Deed::Hang);
        let sender = office.run(&settings(&server.url("smtp")));
        office.write(letter("ada@example.com"));
        sender.waker.wake();
        server.wait_for_command(command, 1);
        // Another one is not behind it.
        office.write(letter("bob@example.com"));
        sender.waker.wake();
        assert_eq!(server.wait_for(1)[0].recipient, "<bob@example.com>", "{command}");
        until("it fails", || sender.figures.failed() == 1);
        until("one is sent", || sender.figures.sent() == 1);
        moment();
        office.later(12, &sender);
        assert_eq!(server.wait_for(2)[1].recipient, "<ada@example.com>", "{command}");
    }
}

#[test]
fn a_goodbye_that_is_not_answered_does_not_send_a_mail_twice() {
    for deed in [Deed::Hang, Deed::CutOff, Deed::Answer("500 no")] {
        let (office, server) = (Office::new(), SmtpServer::start());
        server.always("QUIT", deed);
        let sender = office.run(&settings(&server.url("smtp")));
        office.write(letter("ada@example.com"));
        sender.waker.wake();
        until("it is forgotten", || office.waiting() == 0);
        assert_eq!((server.mails().len(), sender.figures.sent(), sender.figures.failed()), (1, 1, 0));
    }
}

#[test]
fn two_senders_on_one_store_send_each_mail_once() {
    let (office, server) = (Office::new(), SmtpServer::start());
    for number in 0..30 {
        office.write(letter(&format!("user{number}@example.com")));
    }
    let senders = [(); 2].map(|()| office.run(&settings(&server.url("smtp"))));
    let mut recipients: Vec<_> = server.wait_for(30).into_iter().map(|mail| mail.recipient).collect();
    until("nothing waits", || office.waiting() == 0);
    recipients.sort();
    recipients.dedup();
    assert_eq!((recipients.len(), server.mails().len()), (30, 30));
    until("all are counted", || senders.iter().map(|sender| sender.figures.sent()).sum::<u64>() == 30);
}

/// The store of a process that is killed before it can forget what it has sent.
struct Killed {
    store: Store,
    forgets: Arc<AtomicBool>,
}

impl OutboxStore for Killed {
    fn take_mail(&self, now: Timestamp, lease: Timestamp, most: u32) -> StoreFuture<'_, Vec<TakenMail>> {
        self.store.take_mail(now, lease, most)
    }

    fn forget_mail(&self, _: u64) -> StoreFuture<'_, bool> {
        self.forgets.store(true, Ordering::SeqCst);
        Box::pin(std::future::pending())
    }

    fn retry_mail(&self, number: u64, attempt: u32, next: Timestamp) -> StoreFuture<'_, bool> {
        self.store.retry_mail(number, attempt, next)
    }

    fn waiting_mail(&self) -> StoreFuture<'_, (u64, Option<Timestamp>)> {
        self.store.waiting_mail()
    }
}

#[test]
fn a_mail_whose_sender_was_killed_is_sent_again_after_the_lease() {
    let (office, server) = (Office::new(), SmtpServer::start());
    let forgets = Arc::new(AtomicBool::new(false));
    let killed = Killed { store: office.store.clone(), forgets: Arc::clone(&forgets) };
    let sender = office.run_with(&settings(&server.url("smtp")), Arc::new(killed));
    office.write(letter("ada@example.com"));
    sender.waker.wake();
    server.wait_for(1);
    until("it is about to be forgotten", || forgets.load(Ordering::SeqCst));
    sender.task.abort();
    let sender = office.run(&settings(&server.url("smtp")));
    office.later(119, &sender);
    moment();
    assert_eq!((server.mails().len(), office.waiting()), (1, 1));
    office.later(1, &sender);
    server.wait_for(2);
    until("it is forgotten", || office.waiting() == 0);
}

#[test]
fn a_sender_stops_cleanly_and_leaves_what_it_has_not_taken() {
    let (office, server) = (Office::new(), SmtpServer::start());
    server.once(".", Deed::Answer("250 taken"));
    let mut sender = office.run(&settings(&server.url("smtp")));
    office.write(letter("ada@example.com"));
    sender.waker.wake();
    server.wait_for_command("QUIT", 1);
    drop(sender.stop.take());
    let started = Instant::now();
    office.runtime.block_on(&mut sender.task).unwrap();
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!((office.waiting(), sender.figures.sent()), (0, 1));
    office.write(letter("bob@example.com"));
    sender.waker.wake();
    moment();
    assert_eq!(office.waiting(), 1);
}

#[test]
fn letters_beyond_ascii_go_to_servers_that_take_them() {
    let (office, server) = (Office::new(), SmtpServer::start());
    let sender = office.run(&settings(&server.url("smtp")));
    office.write(letter("jürgen@münchen.example"));
    sender.waker.wake();
    let mail = &server.wait_for(1)[0];
    assert_eq!(mail.recipient, "<jürgen@xn--mnchen-3ya.example>");
    assert!(mail.sender.ends_with("<no-reply@example.com> SMTPUTF8"), "{}", mail.sender);
    server.ascii_only();
    office.write(letter("renée@example.com"));
    office.write(letter("ada@example.com"));
    sender.waker.wake();
    assert_eq!(server.wait_for(2)[1].recipient, "<ada@example.com>");
    until("it is given up", || sender.figures.given_up() == 1);
}

#[test]
fn nothing_that_was_entered_makes_a_header_or_a_command() {
    let (office, server) = (Office::new(), SmtpServer::start());
    let sender = office.run(&settings(&server.url("smtp")));
    for recipient in ["ada@example.com\r\nRCPT TO:<evil@evil.net>", "ada@example.com>\r\nBcc: e", "a b@c.de", "", "ada"]
    {
        let mail = NewMail { recipient: recipient.to_owned(), ..letter("ada@example.com").into() };
        office.write(mail);
    }
    sender.waker.wake();
    until("they are given up", || sender.figures.given_up() == 5);
    let mut mail = NewMail::from(letter("ada@example.com"));
    mail.values["link"] = format!("{LINK}\r\nBcc: evil@evil.net").into();
    office.write(mail);
    sender.waker.wake();
    until("it fails", || sender.figures.failed() == 6);
    let mut mail = NewMail::from(letter("ada@example.com"));
    mail.values.insert("name".to_owned(), "x\r\n.\r\nRCPT TO:<evil@evil.net>\r\n\r\nBcc: evil".into());
    office.write(mail);
    sender.waker.wake();
    let mails = server.wait_for(1);
    let parsed = MessageParser::new().parse(&mails[0].data).unwrap();
    assert!(parsed.bcc().is_none() && !String::from_utf8_lossy(&mails[0].data).contains("evil"));
    assert!(!server.commands().iter().any(|command| command.contains("evil")), "{:?}", server.commands());
}

#[test]
fn a_mail_that_this_version_cannot_render_waits_for_another_one() {
    let (office, server) = (Office::new(), SmtpServer::start());
    let sender = office.run(&settings(&server.url("smtp")));
    office.write(NewMail { template: "of_the_future".to_owned(), ..letter("ada@example.com").into() });
    sender.waker.wake();
    until("it fails", || sender.figures.failed() == 1);
    moment();
    assert_eq!((office.waiting(), sender.figures.given_up()), (1, 0));
}

#[test]
fn templates_of_a_folder_are_used_and_a_broken_one_is_refused_with_its_line() {
    let (office, server) = (Office::new(), SmtpServer::start());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("reset.subject"), "{{ product }}: neues Passwort").unwrap();
    let product = Some("Bestellungen".to_owned());
    let settings = MailSettings { templates: Some(folder.path().to_owned()), product, ..settings(&server.url("smtp")) };
    let sender = office.run(&settings);
    office.write(letter("ada@example.com"));
    sender.waker.wake();
    let mails = server.wait_for(1);
    let mail = MessageParser::new().parse(&mails[0].data).unwrap();
    assert_eq!(mail.subject(), Some("Bestellungen: neues Passwort"));

    let broken = folder.path().join("reset.txt");
    std::fs::write(&broken, "Hello,\n\n{{ link }}\n{{ lnik }}\n").unwrap();
    let mistake = Mailer::new(&settings).unwrap_err().to_string();
    assert!(mistake.starts_with(&format!("{}:4: undefined value", broken.display())), "{mistake}");
}

#[test]
fn over_tls_the_certificate_is_verified_and_the_password_is_sent_only_then() {
    for (tls, scheme) in [(Tls::AtOnce, "smtps"), (Tls::Offered, "smtp+starttls")] {
        let (office, server) = (Office::new(), SmtpServer::start_at("127.0.0.1:0".parse().unwrap(), tls));
        let url = server.url(scheme).replace("://", "://orders:p%40ss@");
        let mut settings = settings(&url);
        settings.smtp.as_mut().unwrap().timeout = Duration::from_secs(5);
        let stranger = office.run(&settings);
        office.write(letter("ada@example.com"));
        stranger.waker.wake();
        until("it fails", || stranger.figures.failed() == 1);
        moment();
        stranger.task.abort();
        assert!(server.mails().is_empty() && !server.commands().iter().any(|command| command.starts_with("AUTH")));

        settings.smtp.as_mut().unwrap().authorities = Some(server.authority.clone());
        let sender = office.run(&settings);
        office.later(12, &sender);
        let mails = server.wait_for(1);
        assert!(mails[0].tls, "{scheme}");
        // NUL orders NUL p@ss
        assert_eq!(mails[0].login.as_deref(), Some("AG9yZGVycwBwQHNz"));
    }
}

#[test]
fn a_server_without_tls_gets_nothing_where_tls_is_demanded() {
    let (office, server) = (Office::new(), SmtpServer::start());
    let sender = office.run(&settings(&server.url("smtp+starttls").replace("://", "://orders:pass@")));
    office.write(letter("ada@example.com"));
    sender.waker.wake();
    until("it fails", || sender.figures.failed() == 1);
    let beyond = |command: &String| ["AUTH", "MAIL", "RCPT"].iter().any(|verb| command.starts_with(verb));
    assert!(!server.commands().iter().any(beyond), "{:?}", server.commands());
}

#[test]
fn an_answer_that_was_put_before_tls_does_not_make_a_mail_count_as_sent() {
    let (office, server) = (Office::new(), SmtpServer::start_at("127.0.0.1:0".parse().unwrap(), Tls::Offered));
    server.once("STARTTLS", Deed::Answer("220 go ahead\r\n250 injected"));
    server.once(".", Deed::Answer("451 later"));
    let mut settings = settings(&server.url("smtp+starttls"));
    settings.smtp.as_mut().unwrap().authorities = Some(server.authority.clone());
    let sender = office.run(&settings);
    office.write(letter("ada@example.com"));
    sender.waker.wake();
    until("it fails", || sender.figures.failed() == 1);
    assert_eq!(sender.figures.last_error().unwrap().1, "the server answered 250 to DATA");
    office.later(12, &sender);
    until("it fails", || sender.figures.failed() == 2);
    office.later(24, &sender);
    until("it is sent", || sender.figures.sent() == 1);
    assert_eq!(server.mails().len(), 1);
}

#[test]
fn a_wrong_password_costs_no_mail() {
    let (office, server) = (Office::new(), SmtpServer::start());
    server.once("AUTH", Deed::Answer("535 wrong"));
    let sender = office.run(&settings(&server.url("smtp").replace("://", "://orders:pass@")));
    office.write(letter("ada@example.com"));
    sender.waker.wake();
    until("it fails", || sender.figures.failed() == 1);
    assert_eq!(sender.figures.last_error().unwrap().1, "the server answered 535 to AUTH");
    moment();
    office.later(12, &sender);
    server.wait_for(1);
}

thread_local! {
    static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// What is logged on this thread meanwhile.
///
/// One subscriber for the process: with one for each thread, an event that another thread meets first may count as
/// nobody's.
fn logged(work: impl FnOnce()) -> String {
    struct Log;

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            LOG.with_borrow_mut(|log| log.iter_mut().for_each(|log| log.extend_from_slice(bytes)));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| {
        let is_read = dynamic_filter_fn(|_, _| LOG.with_borrow(Option::is_some));
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| Log).with_filter(is_read);
        tracing_subscriber::registry().with(lines).init();
    });
    LOG.set(Some(Vec::new()));
    work();
    String::from_utf8(LOG.take().unwrap()).unwrap()
}

/// Runs the sender on this thread until so many tries were made.
fn run_here(office: &Office, settings: &MailSettings, tries: u64) {
    let sender = office.sender(settings, Arc::new(office.store.clone()));
    let figures = sender.figures();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(sender.run(async move {
        while figures.sent() + figures.failed() < tries {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }));
}

#[test]
fn without_a_server_the_whole_mail_is_in_the_log() {
    let office = Office::new();
    let settings = MailSettings { smtp: None, ..settings("") };
    assert!(Mailer::new(&settings).unwrap().only_logs());
    office.write(letter("ada@example.com"));
    let log = logged(|| run_here(&office, &settings, 1));
    assert!(log.contains(" INFO mail: ") && log.contains("ada@example.com: Reset your password for"), "{log}");
    assert!(log.contains(LINK), "{log}");
    assert_eq!(office.waiting(), 0);
}

#[test]
fn with_a_server_no_log_tells_who_is_written_to_or_what() {
    let (office, server) = (Office::new(), SmtpServer::start());
    server.once("RCPT", Deed::Answer("550 5.1.1 <ada@example.com> is unknown"));
    server.once("RCPT", Deed::Answer("450 4.1.1 <ada@example.com> is unknown"));
    for _ in 0..4 {
        office.write(letter("ada@example.com"));
    }
    let url = server.url("smtp").replace("://", "://orders:hunter2@");
    let log = logged(|| run_here(&office, &settings(&url), 4));
    assert!(log.contains("given up") && log.contains("tried again") && log.contains("550"), "{log}");
    for secret in ["ada", "secret-token", "hunter2", "app.example.com", "b3JkZXJz"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    assert_eq!(server.mails().len(), 2);
}
