//! What is told of the endpoints and of their mail: to whoever looks whether the gateway is ready, and as metrics.

use std::fmt::Write as _;

use serde_json::Value;

use super::Running;
use crate::{
    accounts::openapi::{self, About},
    clock::Timestamp,
    contract::Contract,
};

impl Running {
    /// For `/readyz`: lines, or nothing.
    #[must_use]
    pub fn about_mail(&self, now: Timestamp) -> String {
        if self.only_logs {
            return "mail: no SMTP server is configured, it is written to the log\n".to_owned();
        }
        let Some((at, error)) = self.mail.last_error() else { return String::new() };
        format!("mail: {error} ({} s ago)\n", now.since(at).as_secs())
    }

    /// The document of the endpoints.
    #[must_use]
    pub fn openapi(&self, contract: &Contract) -> Value {
        let about = About { title: "Auth endpoints", policy: self.accounts.policy(), contract };
        openapi::document(self.accounts.plan(), &about)
    }

    /// In Prometheus' text format.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        let mut head = |name: &str, kind: &str, help: &str| {
            // A String takes whatever is written to it.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        };
        head("bearergate_accounts_total", "counter", "Requests to the built-in endpoints, by what came of them.");
        for count in self.accounts.tally().counts() {
            let (command, outcome) = (count.command.as_str(), count.failure.map_or("done", |kind| kind.as_str()));
            let (name, count) = ("bearergate_accounts_total", count.count);
            let _ = writeln!(text, "{name}{{command=\"{command}\",outcome=\"{outcome}\"}} {count}");
        }
        let mail = [("sent", self.mail.sent()), ("failed", self.mail.failed()), ("given_up", self.mail.given_up())];
        let name = "bearergate_mail_total";
        let _ = write!(text, "# HELP {name} Mails, and tries that failed.\n# TYPE {name} counter\n");
        for (outcome, count) in mail {
            let _ = writeln!(text, "{name}{{outcome=\"{outcome}\"}} {count}");
        }
        let (name, count) = ("bearergate_passwords_hashed_total", self.accounts.hashed());
        let _ = write!(text, "# HELP {name} Passwords that were hashed.\n# TYPE {name} counter\n{name} {count}\n");
        text
    }
}
