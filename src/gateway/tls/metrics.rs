//! What is told of TLS to Prometheus.

use std::{fmt::Write, sync::atomic::Ordering};

use super::Tls;
use crate::gateway::metrics::Gauges;

/// Nothing is said of TLS where it is not configured.
pub(in crate::gateway) fn write(tls: Option<&Tls>, gauges: &Gauges, out: &mut String) -> std::fmt::Result {
    let refused = gauges.proxy_protocol_refused.load(Ordering::Relaxed);
    let help = "Connections closed because they did not begin with a header of the PROXY protocol.";
    family(out, "proxy_protocol_refused_total", "counter", help)?;
    writeln!(out, "bearergate_proxy_protocol_refused_total {refused}")?;
    let Some(tls) = tls else { return Ok(()) };
    family(out, "tls_handshakes_total", "counter", "Handshakes of TLS with clients, by what came of them.")?;
    for (outcome, count) in gauges.handshakes.counts() {
        writeln!(out, "bearergate_tls_handshakes_total{{outcome=\"{}\"}} {count}", outcome.as_str())?;
    }
    let help = "When each certificate ends, in seconds since 1970.";
    family(out, "tls_certificate_not_after_seconds", "gauge", help)?;
    for (at, (name, end)) in tls.ends().iter().enumerate() {
        let name = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let end = end.as_secs();
        writeln!(out, "bearergate_tls_certificate_not_after_seconds{{certificate=\"{at}\",name=\"{name}\"}} {end}")?;
    }
    family(out, "tls_reloads_total", "counter", "Changes of the certificates' files, by what came of them.")?;
    for (outcome, count) in ["replaced", "failed"].into_iter().zip(tls.reloads()) {
        writeln!(out, "bearergate_tls_reloads_total{{outcome=\"{outcome}\"}} {count}")?;
    }
    #[cfg(feature = "acme")]
    if let Some(orders) = tls.orders() {
        family(
            out,
            "acme_orders_total",
            "counter",
            "Certificates that an authority was asked for, by what came of it.",
        )?;
        for (outcome, count) in ["obtained", "failed"].into_iter().zip(orders) {
            writeln!(out, "bearergate_acme_orders_total{{outcome=\"{outcome}\"}} {count}")?;
        }
    }
    Ok(())
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) -> std::fmt::Result {
    writeln!(out, "# HELP bearergate_{name} {help}\n# TYPE bearergate_{name} {kind}")
}
