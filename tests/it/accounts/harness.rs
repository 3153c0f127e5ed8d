//! A gateway with built-in endpoints, its store, its mail, and a client.

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use bearergate::clock::Clock;
use serde_json::Value;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use tempfile::TempDir;

use crate::support::{Client, Gateway, Upstream, client::Response, deployment::deploy_with, smtp::SmtpServer};

/// Where the accounts of one test are: gone with this.
pub(crate) struct Kept {
    /// What `store` in the configuration reads from `STORE`.
    pub(crate) url: String,
    database: Option<String>,
    /// Keys, and the file of SQLite's.
    pub(crate) folder: TempDir,
}

impl Kept {
    pub(crate) fn in_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("accounts.db").display());
        Self { url, database: None, folder }
    }

    /// A database of its own.
    pub(crate) fn in_postgres() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var("BEARERGATE_TEST_POSTGRES").unwrap();
        let name = format!("accounts_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        execute(&server, &format!("CREATE DATABASE {name}"));
        let (host, _) = server.rsplit_once('/').unwrap();
        Self { url: format!("{host}/{name}"), database: Some(name), folder: tempfile::tempdir().unwrap() }
    }

    /// Does this in the database, behind the gateway's back.
    pub(crate) fn execute(&self, statement: &str) {
        if self.database.is_some() {
            return execute(&self.url, statement);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            connection.execute("PRAGMA foreign_keys = ON").await.unwrap();
            connection.execute(sqlx::AssertSqlSafe(statement.to_owned())).await.unwrap();
        });
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(name) = &self.database {
            let server = std::env::var("BEARERGATE_TEST_POSTGRES").unwrap();
            execute(&server, &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

fn execute(server: &str, statement: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = PgConnection::connect(server).await.unwrap();
        connection.execute(sqlx::AssertSqlSafe(statement.to_owned())).await.unwrap();
    });
}

/// A gateway with the endpoints of a preset.
pub(crate) struct Api {
    pub(crate) gateway: Gateway,
    pub(crate) clock: Clock,
    pub(crate) smtp: SmtpServer,
    pub(crate) upstream: Upstream,
}

impl Api {
    /// This preset, with `accounts` in `[accounts]` (dotted keys, or tables of its own) and `more` before it.
    pub(crate) fn start(preset: &str, kept: &Kept, more: &str, accounts: &str) -> Self {
        Self::start_with(Upstream::ok(), preset, kept, more, accounts, |_| None)
    }

    /// The same, before this upstream.
    pub(crate) fn start_before(upstream: Upstream, preset: &str, kept: &Kept, more: &str, accounts: &str) -> Self {
        Self::start_with(upstream, preset, kept, more, accounts, |_| None)
    }

    /// As [`start`](Self::start), with these environment variables.
    pub(crate) fn start_in(
        preset: &str,
        kept: &Kept,
        more: &str,
        accounts: &str,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Self {
        Self::start_with(Upstream::ok(), preset, kept, more, accounts, environment)
    }

    fn start_with(
        upstream: Upstream,
        preset: &str,
        kept: &Kept,
        more: &str,
        accounts: &str,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let smtp = SmtpServer::start();
        let text = format!(
            "preset = '{preset}'\nstore = {{ env = 'STORE' }}\n{more}\n[accounts]\nfrontend_url = 'https://app.example.com'\n\
             public_url = 'https://api.example.com'\nhashing = {{ permits = 2 }}\n\
             mail = {{ smtp = '{}', from = 'Example <no-reply@example.com>' }}\n{accounts}\n",
            smtp.url("smtp")
        );
        let store = kept.url.clone();
        let (gateway, clock) = deploy_with(&text, kept.folder.path() as &Path, upstream.address, move |name| {
            if name == "STORE" { Some(store.clone()) } else { environment(name) }
        });
        Self { gateway, clock, smtp, upstream }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.gateway.running.address())
    }

    /// One request with a JSON body, and its answer.
    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> Response {
        let fields = [("content-type", "application/json".to_owned())];
        let bearer = token.map(|token| ("authorization", format!("Bearer {token}")));
        let fields: Vec<_> = fields.into_iter().chain(bearer).collect();
        self.request(method, path, &fields, body.to_string().as_bytes())
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        self.send("POST", path, None, body)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str, token: &str) -> Response {
        self.request("GET", path, &[("authorization", format!("Bearer {token}"))], b"")
    }

    #[track_caller]
    pub(crate) fn request(&self, method: &str, path: &str, fields: &[(&str, String)], body: &[u8]) -> Response {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: api\r\n").into_bytes();
        for (name, value) in fields {
            request.extend(format!("{name}: {value}\r\n").bytes());
        }
        if method != "GET" {
            request.extend(format!("content-length: {}\r\n", body.len()).bytes());
        }
        request.extend(b"\r\n");
        request.extend(body);
        let mut client = self.client();
        client.send(request);
        client.response()
    }
}

/// The body as JSON, and the status, which must be this one.
#[track_caller]
pub(crate) fn json(response: &Response, status: u16) -> Value {
    let body = String::from_utf8_lossy(&response.body);
    assert_eq!(response.status, status, "{} {body}", response.head);
    assert_eq!(response.header("cache-control"), Some("no-store"), "{}", response.head);
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// A member of a JSON object that is a text.
#[track_caller]
pub(crate) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}
