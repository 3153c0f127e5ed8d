//! When keys are fetched, and what becomes of what comes.
//!
//! 1. At once, then every `refresh`, up to a tenth earlier by chance: a thousand gateways don't ask in step. A shorter
//!    `max-age` of the provider's counts, down to 30 seconds: of the keys or of the metadata, which is fetched with them
//!    each time.
//! 2. After a failure again after 1, 2, 4 … 60 seconds, never later than without it.
//! 3. When a token asks for it ([`renewal`](crate::authn::Renewal)), also while a fetch that was due is under way: then
//!    once more behind it. Whoever waits is let go after `wait`, and the fetch goes on.
//!
//! One task an issuer does all this, so there is never more than one fetch in flight.

use std::{convert::Infallible, time::Duration};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use bytes::Bytes;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{
    Fetched, RemoteError, RemoteKeys, Source, discovery,
    fetch::{Document, Fetcher},
};
use crate::{
    authn::Renewer,
    clock::Clock,
    jwt::{KeySet, Origin},
};

/// For everything: metadata and keys, from the first connection to the last byte.
const FETCH_LIMIT: Duration = Duration::from_secs(5);
/// A provider that says less is asked no more often.
const LEAST_MAX_AGE: Duration = Duration::from_secs(30);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// What is fetched for one issuer, and what was fetched before.
pub(super) struct Fetching {
    remote: RemoteKeys,
    fetcher: Fetcher,
    metadata: Option<Document>,
    keys: Option<Document>,
}

impl Fetching {
    pub(super) fn new(remote: RemoteKeys, fetcher: Fetcher) -> Self {
        Self { remote, fetcher, metadata: None, keys: None }
    }

    /// The keys as they are now, and how long the provider says that they are good for.
    pub(super) async fn fetch(&mut self) -> Result<(Fetched, Option<Duration>), RemoteError> {
        timeout(FETCH_LIMIT, self.fetch_without_limit()).await.unwrap_or(Err(RemoteError::Timeout))
    }

    async fn fetch_without_limit(&mut self) -> Result<(Fetched, Option<Duration>), RemoteError> {
        let mut metadata_age = None;
        let url = match &self.remote.source {
            Source::Jwks(url) => url.clone(),
            Source::Discovery { metadata, issuer } => {
                let document = self.metadata.get_or_insert_with(|| Document::new(metadata.clone()));
                metadata_age = self.fetcher.fetch(document).await?;
                discovery::jwks_url(&document.body, issuer, &document.url, &self.remote.plain)?
            }
        };
        if self.keys.as_ref().is_none_or(|keys| keys.url != url) {
            self.keys = Some(Document::new(url.clone()));
        }
        let document = self.keys.get_or_insert_with(|| Document::new(url));
        let keys_age = self.fetcher.fetch(document).await?;
        let (keys, skipped) = KeySet::from_jwks_among(&document.body, Origin::Remote, &self.remote.algorithms)
            .map_err(RemoteError::KeySet)?;
        let max_age = keys_age.into_iter().chain(metadata_age).min();
        Ok((Fetched { keys, skipped, url: document.url.clone(), document: document.body.clone() }, max_age))
    }
}

/// Keeps the keys of `renewer` fresh until nobody uses them. `first` is dropped after the first attempt.
pub(super) async fn keep_fresh(
    mut fetching: Fetching,
    renewer: Renewer,
    name: &str,
    clock: &Clock,
    first: impl Send + 'static,
) {
    let (refresh, wait) = (fetching.remote.refresh, fetching.remote.wait);
    let mut first = Some(first);
    let mut accepted = Bytes::new();
    let mut failures = 0;
    // Until when those are held who wait: they may have asked during the fetch before.
    let mut patience = None;
    while !renewer.is_abandoned() {
        renewer.begin();
        let outcome = tokio::select! {
            outcome = fetching.fetch() => outcome,
            never = let_go(&renewer, wait, &mut patience) => match never {},
        };
        let now = clock.now();
        let delay = match outcome {
            Ok((fetched, max_age)) => {
                failures = 0;
                let changed = fetched.document != accepted;
                if changed {
                    report(name, &fetched);
                    accepted = fetched.document;
                }
                renewer.succeeded(changed.then_some(fetched.keys), now);
                after_success(refresh, max_age, chance())
            }
            Err(error) => {
                tracing::warn!(issuer = name, %error, "the keys cannot be fetched");
                renewer.failed(error.to_string());
                failures += 1;
                after_failure(failures, refresh, chance())
            }
        };
        renewer.scheduled(now.saturating_add(delay));
        if !renewer.finish() {
            patience = None;
        }
        drop(first.take());
        tokio::select! {
            () = sleep(delay) => {}
            () = renewer.asked() => {}
        }
    }
}

/// Lets everyone go who has waited for `wait`; never ends.
async fn let_go(renewer: &Renewer, wait: Duration, patience: &mut Option<Instant>) -> Infallible {
    loop {
        renewer.asked().await;
        sleep_until(*patience.get_or_insert_with(|| Instant::now() + wait)).await;
        renewer.release();
        *patience = None;
    }
}

fn report(name: &str, fetched: &Fetched) {
    for key in &fetched.skipped {
        tracing::warn!(issuer = name, "a fetched key is left out: {key}");
    }
    tracing::info!(issuer = name, url = %fetched.url, keys = fetched.keys.keys().len(), "fetched keys");
}

fn after_success(refresh: Duration, max_age: Option<Duration>, chance: u8) -> Duration {
    earlier(max_age.map_or(refresh, |max_age| max_age.max(LEAST_MAX_AGE).min(refresh)), chance)
}

fn after_failure(failures: u32, refresh: Duration, chance: u8) -> Duration {
    let doubled = Duration::from_secs(1_u64 << failures.saturating_sub(1).min(6));
    earlier(doubled.min(LONGEST_BACKOFF).min(refresh), chance)
}

/// Up to a tenth earlier.
fn earlier(delay: Duration, chance: u8) -> Duration {
    delay - delay / 10 * u32::from(chance) / u32::from(u8::MAX)
}

/// Without luck, in step with the others: no reason to fail.
fn chance() -> u8 {
    let mut byte = [0];
    let _ = SystemRandom::new().fill(&mut byte);
    byte[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_shorter_age_counts_down_to_half_a_minute_and_a_longer_one_does_not() {
        let refresh = SECOND * 600;
        for (max_age, delay) in [(None, 600), (Some(7200), 600), (Some(100), 100), (Some(1), 30), (Some(0), 30)] {
            assert_eq!(after_success(refresh, max_age.map(Duration::from_secs), 0), SECOND * delay, "{max_age:?}");
        }
        assert_eq!(after_success(SECOND, Some(SECOND * 5), 0), SECOND, "and never makes it later");
    }

    #[test]
    fn chance_takes_a_tenth_at_most() {
        assert_eq!(after_success(SECOND * 600, None, u8::MAX), SECOND * 540);
        for chance in 0..=u8::MAX {
            assert!((SECOND * 540..=SECOND * 600).contains(&after_success(SECOND * 600, None, chance)));
        }
    }

    #[test]
    fn failures_are_followed_by_longer_and_longer_pauses() {
        let delays: Vec<u64> = (1..=9).map(|failures| after_failure(failures, SECOND * 600, 0).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(after_failure(u32::MAX, SECOND * 10, 0), SECOND * 10);
    }
}
