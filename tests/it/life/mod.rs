//! The life of the process: reloads, drains, a successor, a supervisor.

mod handover;
mod reload;
mod supervisor;
mod upstreams;

use std::{fs, thread, time::Duration};

use serde_json::Value;

use crate::{
    cli::support::{Folder, Gateway},
    support::{Client, Upstream},
};

/// A gateway with one worker before `upstream`, an open area that is called `area`, and these further lines.
pub(super) fn configuration(upstream: &Upstream, area: &str, more: &str) -> String {
    format!(
        "preset = \"hungry-machines\"\n{more}\n[listen]\naddress = \"127.0.0.1:0\"\nworkers = 1\n\
         [admin]\naddress = \"127.0.0.1:0\"\n[upstream.default]\nservers = [\"http://{}\"]\n\
         [[route]]\nmatch = \"GET /{area}/**\"\naccess = \"public\"\n",
        upstream.address
    )
}

/// Puts a file in place as a whole, as whoever deploys does.
pub(super) fn replace(folder: &Folder, name: &str, contents: &str) {
    let unfinished = folder.write(&format!("{name}.new"), contents);
    fs::rename(unfinished, folder.path().join(name)).unwrap();
}

pub(super) fn status(gateway: &Gateway, path: &str) -> u16 {
    Client::connect(gateway.address()).get(path).status
}

pub(super) fn metric(gateway: &Gateway, name: &str) -> f64 {
    let metrics = Client::connect(gateway.admin_address()).get("/metrics").text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("bearergate_{name} ")));
    line.unwrap_or_else(|| panic!("{name}: {metrics}")).parse().unwrap()
}

pub(super) fn succeeded(gateway: &Gateway) -> f64 {
    metric(gateway, "config_reloads_total{outcome=\"success\"}")
}

pub(super) fn failed(gateway: &Gateway) -> f64 {
    metric(gateway, "config_reloads_total{outcome=\"failure\"}")
}

/// Waits until `is_so`, which takes seconds at most.
pub(super) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..300 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("{what}");
}

pub(super) fn post(gateway: &Gateway, path: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let length = body.len();
    let mut admin = Client::connect(gateway.admin_address());
    admin.send(format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    let response = admin.response();
    (response.status, serde_json::from_str(&response.text()).unwrap())
}

pub(super) fn start(folder: &Folder) -> Gateway {
    Gateway::spawn(folder.command(&[]))
}
