//! What a scrape shows of the upstreams and their servers.
//!
//! The names of servers are the configuration's, and the addresses that its names mean.

use std::{
    collections::BTreeMap,
    fmt::{Result, Write},
};

use super::scrape::{escaped, family};
use crate::proxy::upstream::{Counter, Endpoint, UpstreamSettings};

pub(super) fn write(upstreams: &[&UpstreamSettings], out: &mut String) -> Result {
    family(out, "upstream_errors_total", "counter", "What went wrong with an upstream.")?;
    for upstream in upstreams {
        let name = escaped(&upstream.name);
        for kind in Counter::ALL {
            let (kind, count) = (kind.as_str(), upstream.counters.get(kind));
            writeln!(out, "bearergate_upstream_errors_total{{upstream=\"{name}\",kind=\"{kind}\"}} {count}")?;
        }
    }
    family(out, "upstream_overloaded_total", "counter", "Requests refused because an upstream had as many as it may.")?;
    for upstream in upstreams {
        let (name, count) = (escaped(&upstream.name), upstream.refused());
        writeln!(out, "bearergate_upstream_overloaded_total{{upstream=\"{name}\"}} {count}")?;
    }
    let all = upstreams.iter().flat_map(|upstream| {
        let name = escaped(&upstream.name);
        let label = move |server: &str| format!("upstream=\"{name}\",server=\"{}\"", escaped(server));
        let endpoints = upstream.endpoints();
        endpoints.iter().map(|endpoint| (label(endpoint.shown()), std::sync::Arc::clone(endpoint))).collect::<Vec<_>>()
    });
    // One name may stand for a place twice, once for each of its protocols at most.
    let servers: BTreeMap<String, _> = all.collect();
    type Value = fn(&Endpoint) -> u64;
    let values: [(&str, &str, &str, Value); 4] = [
        ("server_up", "gauge", "Whether a server is given requests.", |server| u64::from(server.is_up())),
        ("server_ejected", "gauge", "Whether a server is left alone for a time.", |server| {
            u64::from(server.is_ejected())
        }),
        ("server_requests_total", "counter", "Requests that a server was given.", Endpoint::requests),
        ("server_requests_in_flight", "gauge", "Requests that a server has not answered whole.", Endpoint::in_flight),
    ];
    for (name, kind, help, value) in values {
        family(out, &format!("upstream_{name}"), kind, help)?;
        for (labels, server) in &servers {
            writeln!(out, "bearergate_upstream_{name}{{{labels}}} {}", value(server))?;
        }
    }
    family(out, "upstream_server_errors_total", "counter", "What went wrong with a server.")?;
    for (labels, server) in &servers {
        for kind in Counter::ALL {
            let (kind, count) = (kind.as_str(), server.failures(kind));
            writeln!(out, "bearergate_upstream_server_errors_total{{{labels},kind=\"{kind}\"}} {count}")?;
        }
    }
    Ok(())
}
