//! Whose a resource is, from outside: learned, asked in a database, asked at an API.

mod call;
mod learning;
mod query;

use std::{net::SocketAddr, path::Path, time::Duration};

use bearergate::clock::Clock;
use serde_json::json;

use crate::support::{Client, Gateway, Upstream, client::Response, deployment::deploy, token_with, upstream::Line};

/// Plants that have owners, and a source of that.
fn configuration(source: &str) -> String {
    format!(
        "issuer.main.secret = {{ env = 'KEY' }}
         [[route]]
         match = '* /plants'
         [[route]]
         match = ['* /plants/{{id}}', 'GET /plants/{{id}}/health']
         owner = 'plant'
         [ownership.plant]
         variable = 'id'
         unless = 'ADMIN'
         {source}"
    )
}

/// A gateway, the clock by which its answers grow old, and one connection to it.
struct House {
    gateway: Gateway,
    clock: Clock,
    client: Client,
}

impl House {
    fn new(source: &str, folder: &Path, upstream: SocketAddr) -> Self {
        let (gateway, clock) = deploy(&configuration(source), folder, upstream);
        let client = gateway.connect();
        Self { gateway, clock, client }
    }

    fn ask(&mut self, method: &str, path: &str, subject: &str) -> Response {
        self.client.bear(method, path, &token_with(json!({ "sub": subject })))
    }

    fn status(&mut self, method: &str, path: &str, subject: &str) -> u16 {
        self.ask(method, path, subject).status
    }

    /// The value of a line of the metrics.
    fn metric(&self, line: &str) -> Option<u64> {
        let text = self.gateway.admin().get("/metrics").text();
        text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok())
    }

    fn learned(&self, outcome: &str) -> Option<u64> {
        self.metric(&format!("bearergate_ownership_learned_total{{ownership=\"plant\",outcome=\"{outcome}\"}}"))
    }

    fn looked_up(&self, outcome: &str) -> Option<u64> {
        self.metric(&format!("bearergate_ownership_lookups_total{{ownership=\"plant\",outcome=\"{outcome}\"}}"))
    }

    #[track_caller]
    fn comes_true(&mut self, what: impl Fn(&mut Self) -> bool) {
        let mut attempts = 0..200;
        let came = attempts.any(|_| {
            what(self) || {
                std::thread::sleep(Duration::from_millis(50));
                false
            }
        });
        assert!(came, "it does not come true");
    }
}

/// An upstream that is given each request's method and path, and a line to answer on.
fn upstream(answer: impl Fn(&str, &str, &mut Line) + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |mut line| {
        while let Some((head, _)) = line.request() {
            let mut words = head.split(' ');
            answer(words.next().unwrap(), words.next().unwrap(), &mut line);
        }
    })
}

/// An answer with a `Content-Length`.
fn with_body(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
