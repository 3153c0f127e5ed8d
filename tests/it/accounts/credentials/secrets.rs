//! The log of a run, the metrics and all other answers: no password, token, link or hash is in them.

use serde_json::json;

use super::{HOMSAI, HUNGRY_MACHINES, PASSWORD, UPTIMEHUNT, Words, link_in, parts, post, program::Program};
use crate::{
    cli::support,
    support::smtp::{Deed, SmtpServer},
};

struct Run {
    program: Program,
    smtp: SmtpServer,
    secrets: Vec<String>,
    /// What was answered that may have no secret in it.
    answers: Vec<String>,
}

impl Run {
    fn start(words: &Words, accounts: &str) -> Self {
        let smtp = SmtpServer::start();
        let mail = format!("mail = {{ smtp = '{}', from = 'no-reply@example.com' }}\n{accounts}", smtp.url("smtp"));
        let program = Program::start(words, &mail, |mut command| {
            command.env("RUST_LOG", "debug");
            command
        });
        Self { program, smtp, secrets: Vec::new(), answers: Vec::new() }
    }

    fn secret(&mut self, secret: impl Into<String>) -> String {
        let secret = secret.into();
        self.secrets.push(secret.clone());
        secret
    }

    /// A request whose answer has no secret.
    #[track_caller]
    fn ask(&mut self, request: &str) -> u16 {
        let answer = self.program.ask(request);
        self.answers.push(format!("{}\n{}", answer.head, answer.body));
        answer.status
    }

    #[track_caller]
    fn log_in(&mut self, words: &Words, password: &str) -> [String; 2] {
        let body = json!({ "email": "ada@example.com", "password": password });
        let answer = self.program.ask(&post(words.login, &body));
        assert_eq!(answer.status, 200, "{}", answer.body);
        [words.tokens.0, words.tokens.1].map(|name| self.secret(answer.text(name)))
    }

    fn mails(&self, least: usize) -> Vec<Vec<u8>> {
        self.smtp.wait_for(least).into_iter().map(|mail| mail.data).collect()
    }

    /// Good and bad requests with secrets in each place where one can stand.
    fn misuse(&mut self, words: &Words, [access, refresh]: &[String; 2]) {
        let bearer = |token: &str| format!("Host: api\r\nAuthorization: Bearer {token}\r\n\r\n");
        for guess in ["hunter2-hunter2", "p\u{e4}ssword-guess", "a\\u0000guess"] {
            let guess = self.secret(guess);
            for email in ["ada@example.com", "nobody@example.com"] {
                self.ask(&post(words.login, &json!({ "email": email, "password": guess })));
            }
            for body in [
                format!("{{\"email\":\"ada@example.com\",\"password\":\"{guess}\""),
                format!("{{\"password\":[{{\"{guess}\":1}}],\"email\":1,\"refresh_token\":5}}"),
                format!("{{\"password\":\"{guess}\",\"new_password\":\"{guess}\",\"refresh_token\":\"{guess}\"}}"),
                format!("{{\"password\":\"{guess}\",\"password\":\"{guess}\"}}"),
                format!("\"{guess}\""),
                format!("email=ada@example.com&password={guess}"),
            ] {
                for path in [Some(words.login), words.register, words.confirm_reset].into_iter().flatten() {
                    let request = format!(
                        "POST {path} HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    assert!(self.ask(&request) >= 400, "{request}");
                }
            }
        }
        for path in ["/anything", words.login, words.refresh.0, "/auth/confirm", "/nothing"] {
            let query =
                format!("GET {path}?token={refresh}&access_token={access}&password=hunter2-hunter2 HTTP/1.1\r\n");
            self.ask(&format!("{query}Host: api\r\n\r\n"));
            self.ask(&format!("{query}{}", bearer(&access.replacen('.', ".x", 1))));
        }
        self.ask(&format!("GET /anything HTTP/1.1\r\nHost: api\r\nAuthorization: Basic {refresh}\r\n\r\n"));
        self.ask(&words.refreshing(&refresh.replacen(|_: char| true, "_", 1)));
        self.ask(&format!("GET /anything HTTP/1.1\r\n{}", bearer(refresh)));
        let logout = post(words.logout, &json!({ "refresh_token": refresh }));
        let logout = logout.replacen("\r\n", &format!("\r\nAuthorization: Bearer {access}\r\n"), 1);
        assert_eq!(self.ask(&logout), 204);
    }

    /// Ends it. Nothing of all this stands anywhere.
    fn assert_silent(mut self, least: usize) {
        let user = self.program.user("ada@example.com");
        let hash = user.password.unwrap();
        self.secrets.extend([hash.rsplit('$').next().unwrap().to_owned(), hash]);
        let admin = self.program.admin.to_string();
        for path in ["/metrics", "/readyz", "/livez", "/keys", "/routes", "/report", "/"] {
            self.answers.push(support::get(&admin, path, None).1);
        }
        let ended = self.program.terminate();
        assert!(ended.stderr.lines().filter(|line| line.contains("\"refused\"")).count() >= least, "{}", ended.stderr);
        assert!(ended.stderr.contains("\"DEBUG\""), "{}", ended.stderr);
        self.secrets.retain(|secret| secret.len() > 8);
        let places = self.answers.iter().chain([&ended.stderr, &ended.stdout]);
        for (place, secret) in places.flat_map(|place| self.secrets.iter().map(move |secret| (place, secret))) {
            let line = place.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None, "{secret} is told");
        }
        for answer in &self.answers {
            assert!(!answer.contains("argon2") && !answer.contains("SELECT ") && !answer.contains("src/"), "{answer}");
        }
    }
}

#[test]
fn hungry_machines_tells_no_secret() {
    let words = &HUNGRY_MACHINES;
    let mut run = Run::start(words, "confirm_email = true");
    let password = run.secret("the first password of ada");
    let signup = json!({ "email": "ada@example.com", "password": password });
    assert_eq!(run.ask(&post("/auth/signup", &signup)), 200);
    let link = link_in(&run.mails(1)[0]);
    let token = run.secret(parts(&link).1);
    let path = link.strip_prefix("https://api.example.com").unwrap();
    for status in [200, 400] {
        assert_eq!(run.ask(&format!("GET {path} HTTP/1.1\r\nHost: api\r\n\r\n")), status, "{token}");
    }
    let tokens = run.log_in(words, &password);
    let refreshed = run.program.ask(&words.refreshing(&tokens[1]));
    let tokens = [words.tokens.0, words.tokens.1].map(|name| run.secret(refreshed.text(name)));
    run.misuse(words, &tokens);
    run.assert_silent(20);
}

fn with_a_reset(words: &Words) {
    let mut run = Run::start(words, "");
    run.program.person("ada@example.com");
    let password = run.secret(PASSWORD);
    let tokens = run.log_in(words, &password);
    let new = run.secret("the second password of ada");
    // The first try to send it fails, and the reason is written down.
    run.smtp.once("RCPT", Deed::Answer("451 not now"));
    assert_eq!(run.ask(&post(words.ask_reset.unwrap(), &json!({ "email": "ada@example.com" }))), 200);
    run.smtp.wait_for_command("RCPT", 1);
    assert_eq!(run.ask(&post(words.ask_reset.unwrap(), &json!({ "email": "ada@example.com" }))), 200);
    let (uid, token) = parts(&link_in(&run.mails(1)[0]));
    run.secret(token.clone());
    let body = json!({ "uid": uid, "token": token, "new_password": new, "password": new });
    let confirm = post(words.confirm_reset.unwrap(), &body);
    let confirm = confirm.replacen("\r\n", &format!("\r\nAuthorization: Bearer {token}\r\n"), 1);
    for _ in 0..2 {
        run.ask(&confirm);
    }
    let newer = run.log_in(words, &new);
    run.misuse(words, &newer);
    run.ask(&words.refreshing(&tokens[1]));
    run.assert_silent(20);
}

#[test]
fn homsai_tells_no_secret() {
    with_a_reset(&HOMSAI);
}

#[test]
fn uptimehunt_tells_no_secret() {
    with_a_reset(&UPTIMEHUNT);
}
