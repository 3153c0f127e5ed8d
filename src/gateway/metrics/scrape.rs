//! The text that a scrape gets.

use std::{
    fmt::Write,
    sync::{
        PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{BUCKETS, Gauges, WorkerMetrics, upstreams};
use crate::{
    authn::{CacheStats, KeySource},
    clock::Timestamp,
    gateway::{
        ownership::{Ownerships, tally},
        rate_limit::RateLimits,
        report::Report,
        tls::{self, Tls},
    },
    proxy::upstream::UpstreamSettings,
    rejection::Reason,
    store::Status,
};

/// All that a scrape shows.
pub(in crate::gateway) struct Scrape<'a, W> {
    pub(in crate::gateway) workers: W,
    /// How many connections each worker has.
    pub(in crate::gateway) load: &'a [AtomicUsize],
    pub(in crate::gateway) gauges: &'a Gauges,
    pub(in crate::gateway) cache: CacheStats,
    pub(in crate::gateway) revocations: u64,
    /// If there is one; and the revocations that it has not taken yet.
    pub(in crate::gateway) store: Option<(Status, usize)>,
    pub(in crate::gateway) ownerships: &'a Ownerships,
    pub(in crate::gateway) rate_limits: &'a RateLimits,
    pub(in crate::gateway) upstreams: Vec<&'a UpstreamSettings>,
    pub(in crate::gateway) tls: Option<&'a Tls>,
    /// The issuers by name.
    pub(in crate::gateway) keys: Vec<(&'a str, &'a KeySource)>,
    pub(in crate::gateway) now: Timestamp,
}

impl<'a, W: Iterator<Item = &'a WorkerMetrics> + Clone> Scrape<'a, W> {
    /// The text format.
    pub(in crate::gateway) fn render(&self) -> String {
        let mut text = String::with_capacity(4096);
        // Writing into a String can't fail.
        let _ = self.write(&mut text);
        text
    }

    fn sum(&self, cell: impl Fn(&'a WorkerMetrics) -> u64) -> u64 {
        self.workers.clone().map(cell).sum()
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let version = env!("CARGO_PKG_VERSION");
        family(out, "build_info", "gauge", "The version that runs.")?;
        writeln!(out, "bearergate_build_info{{version=\"{version}\"}} 1")?;
        self.write_requests(out)?;
        self.write_workers(out)?;
        self.write_would_refuse(out)?;
        self.write_durations(out)?;
        upstreams::write(&self.upstreams, out)?;
        self.write_keys(out)?;
        self.write_introspections(out)?;
        self.write_store(out)?;
        tls::metrics::write(self.tls, self.gauges, out)?;
        self.write_reloads(out)?;
        self.write_rate_limits(out)?;
        tally::write(self.ownerships.tallies(), out)?;
        let (gauges, cache) = (self.gauges, &self.cache);
        let connections = gauges.connections.load(Ordering::Relaxed) as u64;
        let in_flight = gauges.in_flight.load(Ordering::Relaxed) as u64;
        let panics = self.sum(|worker| worker.panics.load(Ordering::Relaxed));
        let floods = gauges.http2_floods.load(Ordering::Relaxed);
        let unlogged = gauges.access_log_dropped.load(Ordering::Relaxed);
        let websockets = gauges.upgrades_active.load(Ordering::Relaxed) as u64;
        let upgrades = gauges.upgrades.load(Ordering::Relaxed);
        let with_token = gauges.ended_with_token.load(Ordering::Relaxed);
        let idle = gauges.upgrades_idle.load(Ordering::Relaxed);
        family(out, "connections_refused_total", "counter", "Connections closed at once: too many were open.")?;
        for (reason, count) in
            [("ceiling", &gauges.connections_refused), ("address", &gauges.connections_refused_by_address)]
        {
            let count = count.load(Ordering::Relaxed);
            writeln!(out, "bearergate_connections_refused_total{{reason=\"{reason}\"}} {count}")?;
        }
        for (name, kind, help, value) in [
            ("access_log_dropped_total", "counter", "Requests that the access log has no line for.", unlogged),
            ("cache_hits_total", "counter", "Tokens that were found in the cache.", cache.hits),
            ("cache_misses_total", "counter", "Tokens that had to be verified.", cache.misses),
            ("cache_entries", "gauge", "Tokens in the cache.", cache.entries),
            ("connections", "gauge", "Open connections of clients.", connections),
            ("http2_floods_total", "counter", "Connections of HTTP/2 ended because of their frames.", floods),
            ("panics_total", "counter", "Requests that ended in a panic: a fault of the gateway.", panics),
            ("revocations", "gauge", "Revocations that are held in memory.", self.revocations),
            (
                "streams_ended_with_token_total",
                "counter",
                "Answers and WebSockets cut: their token had ended.",
                with_token,
            ),
            ("upgrades_active", "gauge", "Open WebSockets.", websockets),
            ("upgrades_idle_total", "counter", "WebSockets that were closed because they were idle.", idle),
            ("upgrades_total", "counter", "Connections that have become WebSockets.", upgrades),
            ("requests_in_flight", "gauge", "Requests whose answer is not yet sent to its end.", in_flight),
        ] {
            family(out, name, kind, help)?;
            writeln!(out, "bearergate_{name} {value}")?;
        }
        Ok(())
    }

    fn write_reloads(&self, out: &mut String) -> std::fmt::Result {
        let (succeeded, failed, since) = self.gauges.reloads.figures();
        family(out, "config_reloads_total", "counter", "Configurations that were to replace the one that runs.")?;
        writeln!(out, "bearergate_config_reloads_total{{outcome=\"success\"}} {succeeded}")?;
        writeln!(out, "bearergate_config_reloads_total{{outcome=\"failure\"}} {failed}")?;
        let name = "config_last_reload_success_timestamp_seconds";
        family(out, name, "gauge", "Since when the gateway runs with its configuration.")?;
        writeln!(out, "bearergate_{name} {}.{:03}", since / 1000, since % 1000)
    }

    fn write_requests(&self, out: &mut String) -> std::fmt::Result {
        family(out, "requests_total", "counter", "Requests by what became of them.")?;
        let forwarded = self.sum(|worker| worker.forwarded.load(Ordering::Relaxed));
        writeln!(out, "bearergate_requests_total{{outcome=\"forwarded\"}} {forwarded}")?;
        let answered = self.sum(|worker| worker.answered.load(Ordering::Relaxed));
        writeln!(out, "bearergate_requests_total{{outcome=\"answered\"}} {answered}")?;
        for (index, reason) in Reason::ALL.iter().enumerate() {
            let refused = self.sum(|worker| worker.refused.get(index).map_or(0, |cell| cell.load(Ordering::Relaxed)));
            writeln!(out, "bearergate_requests_total{{outcome=\"refused\",reason=\"{reason}\"}} {refused}")?;
        }
        family(out, "invalid_tokens_total", "counter", "Tokens that were not acceptable, by cause.")?;
        let mut causes = std::collections::BTreeMap::new();
        for worker in self.workers.clone() {
            for (code, count) in worker.invalid_tokens.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                *causes.entry(*code).or_insert(0) += count;
            }
        }
        for (cause, count) in causes {
            writeln!(out, "bearergate_invalid_tokens_total{{cause=\"{cause}\"}} {count}")?;
        }
        Ok(())
    }

    /// Whether the work is even.
    fn write_workers(&self, out: &mut String) -> std::fmt::Result {
        family(out, "worker_requests_total", "counter", "Requests by the worker that served them.")?;
        for (index, worker) in self.workers.clone().enumerate() {
            let requests: u64 = worker.durations.iter().map(|cell| cell.load(Ordering::Relaxed)).sum();
            writeln!(out, "bearergate_worker_requests_total{{worker=\"{index}\"}} {requests}")?;
        }
        family(out, "worker_connections", "gauge", "Open connections of clients by the worker that serves them.")?;
        for (index, load) in self.load.iter().enumerate() {
            let connections = load.load(Ordering::Relaxed);
            writeln!(out, "bearergate_worker_connections{{worker=\"{index}\"}} {connections}")?;
        }
        Ok(())
    }

    fn write_would_refuse(&self, out: &mut String) -> std::fmt::Result {
        family(
            out,
            "would_refuse_total",
            "counter",
            "Requests that report mode has let through, by route and reason.",
        )?;
        for (rule, reason, count) in Report::merged(self.workers.clone().map(|worker| &worker.report)).counts() {
            let rule = escaped(rule);
            writeln!(out, "bearergate_would_refuse_total{{route=\"{rule}\",reason=\"{reason}\"}} {count}")?;
        }
        family(out, "preflights_total", "counter", "Preflights of CORS, by whether their origin is allowed.")?;
        for (at, outcome) in ["allowed", "other_origin"].into_iter().enumerate() {
            let count = self.sum(|worker| worker.preflights.get(at).map_or(0, |cell| cell.load(Ordering::Relaxed)));
            writeln!(out, "bearergate_preflights_total{{outcome=\"{outcome}\"}} {count}")?;
        }
        Ok(())
    }

    fn write_durations(&self, out: &mut String) -> std::fmt::Result {
        let name = "request_duration_seconds";
        family(out, name, "histogram", "From a request's head to the head of its answer.")?;
        let mut seen = 0;
        for index in 0..=BUCKETS.len() {
            seen += self.sum(|worker| worker.durations.get(index).map_or(0, |cell| cell.load(Ordering::Relaxed)));
            match BUCKETS.get(index) {
                Some(end) => writeln!(out, "bearergate_{name}_bucket{{le=\"{}\"}} {seen}", seconds(*end))?,
                None => writeln!(out, "bearergate_{name}_bucket{{le=\"+Inf\"}} {seen}")?,
            }
        }
        let total = self.sum(|worker| worker.duration_micros.load(Ordering::Relaxed));
        writeln!(out, "bearergate_{name}_sum {}", seconds(total))?;
        writeln!(out, "bearergate_{name}_count {seen}")
    }
}

impl<W> Scrape<'_, W> {
    /// The names are the configuration's: letters, digits, `-` and `_`.
    fn write_keys(&self, out: &mut String) -> std::fmt::Result {
        family(out, "keys", "gauge", "Keys that tokens are verified with now.")?;
        for (issuer, source) in self.keys.iter().filter(|(_, source)| source.introspection_status().is_none()) {
            let count = source.keys(self.now).map_or(0, |keys| keys.keys().len());
            writeln!(out, "bearergate_keys{{issuer=\"{issuer}\"}} {count}")?;
        }
        let fetched: Vec<_> =
            self.keys.iter().filter_map(|(issuer, source)| Some((issuer, source.status()?))).collect();
        if fetched.is_empty() {
            return Ok(());
        }
        family(out, "key_refreshes_total", "counter", "Attempts to fetch keys, by what came of them.")?;
        for (issuer, status) in &fetched {
            let outcomes = [("replaced", status.replaced), ("unchanged", status.unchanged), ("failed", status.failed)];
            for (outcome, count) in outcomes {
                writeln!(out, "bearergate_key_refreshes_total{{issuer=\"{issuer}\",outcome=\"{outcome}\"}} {count}")?;
            }
        }
        family(out, "keys_age_seconds", "gauge", "Since keys were last fetched, or found to be unchanged.")?;
        for (issuer, status) in &fetched {
            if let Some(renewed_at) = status.renewed_at {
                let age = self.now.since(renewed_at).as_secs();
                writeln!(out, "bearergate_keys_age_seconds{{issuer=\"{issuer}\"}} {age}")?;
            }
        }
        Ok(())
    }

    fn write_introspections(&self, out: &mut String) -> std::fmt::Result {
        let asked: Vec<_> =
            self.keys.iter().filter_map(|(issuer, source)| Some((issuer, source.introspection_status()?))).collect();
        if asked.is_empty() {
            return Ok(());
        }
        family(out, "introspections_total", "counter", "Questions about tokens, by what came of them.")?;
        for (issuer, status) in &asked {
            let outcomes = [
                ("active", status.active),
                ("refused", status.refused),
                ("failed", status.failed),
                ("not_asked", status.not_asked),
            ];
            for (outcome, count) in outcomes {
                writeln!(out, "bearergate_introspections_total{{issuer=\"{issuer}\",outcome=\"{outcome}\"}} {count}")?;
            }
        }
        family(out, "introspection_age_seconds", "gauge", "Since an issuer last answered about a token.")?;
        for (issuer, status) in &asked {
            if let Some(answered_at) = status.answered_at {
                let age = self.now.since(answered_at).as_secs();
                writeln!(out, "bearergate_introspection_age_seconds{{issuer=\"{issuer}\"}} {age}")?;
            }
        }
        Ok(())
    }
}

impl<W> Scrape<'_, W> {
    fn write_rate_limits(&self, out: &mut String) -> std::fmt::Result {
        let mut limits = self.rate_limits.refused().peekable();
        if limits.peek().is_none() {
            return Ok(());
        }
        family(out, "rate_limited_total", "counter", "Requests that a rate limit has refused.")?;
        for (limit, count) in limits {
            writeln!(out, "bearergate_rate_limited_total{{limit=\"{}\"}} {count}", escaped(limit))?;
        }
        Ok(())
    }

    fn write_store(&self, out: &mut String) -> std::fmt::Result {
        let Some((status, waiting)) = &self.store else { return Ok(()) };
        let up = u8::from(status.error.is_none());
        family(out, "store_up", "gauge", "Whether the store did what was last asked of it.")?;
        writeln!(out, "bearergate_store_up {up}")?;
        family(out, "store_failures_total", "counter", "What the store did not do.")?;
        writeln!(out, "bearergate_store_failures_total {}", status.failures)?;
        family(out, "revocations_not_kept", "gauge", "Revocations in force that the store has not taken yet.")?;
        writeln!(out, "bearergate_revocations_not_kept {waiting}")?;
        let help = "Changes of who owns what that the store has not taken yet.";
        family(out, "ownership_changes_not_kept", "gauge", help)?;
        writeln!(out, "bearergate_ownership_changes_not_kept {}", self.ownerships.waiting())
    }
}

/// A label's value.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

pub(super) fn family(out: &mut String, name: &str, kind: &str, help: &str) -> std::fmt::Result {
    writeln!(out, "# HELP bearergate_{name} {help}\n# TYPE bearergate_{name} {kind}")
}

fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rejection::Rejection;

    fn scrape(workers: &[WorkerMetrics]) -> String {
        let upstream = UpstreamSettings::new("a\"b", Vec::new());
        let cache = CacheStats { hits: 3, misses: 2, entries: 1 };
        Scrape {
            workers: workers.iter(),
            load: &[AtomicUsize::new(7), AtomicUsize::new(8)],
            gauges: &Gauges::default(),
            cache,
            revocations: 4,
            store: Some((Status { error: None, failures: 5 }, 6)),
            ownerships: &Ownerships::default(),
            rate_limits: &RateLimits::default(),
            upstreams: vec![&upstream],
            tls: None,
            keys: Vec::new(),
            now: Timestamp::default(),
        }
        .render()
    }

    fn lines(text: &str, start: &str) -> Vec<String> {
        text.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
    }

    #[test]
    fn workers_are_added_up() {
        let workers = [WorkerMetrics::default(), WorkerMetrics::default()];
        workers[0].forwarded(Duration::from_micros(500));
        workers[1].forwarded(Duration::from_micros(501));
        workers[1].refused(&Rejection::NoRoute, Duration::from_secs(60));
        let text = scrape(&workers);
        assert!(text.contains("bearergate_requests_total{outcome=\"forwarded\"} 2\n"));
        assert!(text.contains("bearergate_requests_total{outcome=\"refused\",reason=\"no_route\"} 1\n"));
        let buckets = lines(&text, "bearergate_request_duration_seconds_bucket");
        assert_eq!(buckets[0], "bearergate_request_duration_seconds_bucket{le=\"0.0005\"} 1");
        assert_eq!(buckets[1], "bearergate_request_duration_seconds_bucket{le=\"0.001\"} 2");
        assert_eq!(buckets[14], "bearergate_request_duration_seconds_bucket{le=\"30\"} 2");
        assert_eq!(buckets[15], "bearergate_request_duration_seconds_bucket{le=\"+Inf\"} 3");
        assert!(text.contains("bearergate_request_duration_seconds_sum 60.001001\n"));
        assert!(text.contains("bearergate_request_duration_seconds_count 3\n"));
        assert!(text.contains("bearergate_worker_requests_total{worker=\"1\"} 2\n"));
        assert!(text.contains("bearergate_worker_connections{worker=\"1\"} 8\n"));
    }

    #[test]
    fn every_reason_is_shown_from_the_start_and_names_are_escaped() {
        let text = scrape(&[]);
        assert_eq!(lines(&text, "bearergate_requests_total{outcome=\"refused\"").len(), Reason::ALL.len());
        assert!(text.contains("{upstream=\"a\\\"b\",kind=\"timeout\"} 0\n"));
        assert!(text.contains("bearergate_cache_hits_total 3\n"));
        assert!(text.contains("bearergate_revocations 4\n"));
        assert!(text.contains("bearergate_store_up 1\n") && text.contains("bearergate_store_failures_total 5\n"));
        assert!(text.contains("bearergate_revocations_not_kept 6\n"));
        for line in text.lines() {
            assert!(line.starts_with("# ") || line.starts_with("bearergate_"), "{line}");
        }
    }
}
