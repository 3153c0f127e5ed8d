//! Somebody who keeps an eye on the servers, whatever the workers do: one thread for all upstreams of a configuration.
//!
//! 1. Each name is resolved anew now and then. An answer replaces the addresses that were known; a failure leaves them, and is
//!    tried again sooner. Until the first answer a connection asks for itself.
//! 2. Each server is checked, if that is configured; all of an upstream at once, the next time when all have answered.
//! 3. Waiting times differ by a tenth, so that several gateways don't do all that in step.
//! 4. What belongs to an upstream ends when other settings count or nobody has these any more, and the thread with the last
//!    of them.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, Weak, atomic::Ordering},
    thread,
    time::Duration,
};

use tokio::{
    sync::watch,
    task::{JoinSet, LocalSet, spawn_blocking},
    time::sleep,
};

use super::{Server, UpstreamSettings, balance::Draw};

/// A lookup that failed is tried again after this time, or the configured one if that is shorter.
const LOOKUP_AGAIN: Duration = Duration::from_secs(5);

/// Who tells the addresses of a name; it may take its time. The port is to be theirs.
pub type Resolver = Arc<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// Starts to watch these upstreams, where there is something to be watched, by the system's resolver (getaddrinfo(3)).
///
/// # Errors
/// When the system has no thread for it.
pub fn watch(upstreams: &[Arc<UpstreamSettings>]) -> io::Result<()> {
    watch_with(upstreams, &(Arc::new(|host: &str, port| Ok((host, port).to_socket_addrs()?.collect())) as Resolver))
}

/// The same with another resolver.
///
/// # Errors
/// When the system has no thread for it.
pub fn watch_with(upstreams: &[Arc<UpstreamSettings>], resolver: &Resolver) -> io::Result<()> {
    let is_watched = |upstream: &&Arc<UpstreamSettings>| {
        upstream.health_check.is_some() || upstream.servers.iter().any(Server::is_named)
    };
    // One that a new configuration has kept is watched already.
    let is_new = |upstream: &&Arc<UpstreamSettings>| !upstream.shared.is_watched.swap(true, Ordering::Relaxed);
    let watched: Vec<_> = upstreams.iter().filter(is_watched).filter(is_new).map(Watched::new).collect();
    if watched.is_empty() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let resolver = Arc::clone(resolver);
    thread::Builder::new().name("upstreams".to_owned()).spawn(move || {
        LocalSet::new().block_on(&runtime, async {
            let mut all = JoinSet::new();
            for upstream in watched {
                for server in upstream.named {
                    let (settings, retired) = (Weak::clone(&upstream.settings), upstream.retired.clone());
                    all.spawn_local(until_retired(retired, resolve(settings, server, Arc::clone(&resolver))));
                }
                all.spawn_local(until_retired(upstream.retired, check(upstream.settings)));
            }
            all.join_all().await;
        });
        // A lookup may still be waiting for an answer that nobody needs.
        runtime.shutdown_background();
    })?;
    Ok(())
}

struct Watched {
    settings: Weak<UpstreamSettings>,
    named: Vec<Server>,
    retired: watch::Receiver<bool>,
}

impl Watched {
    fn new(settings: &Arc<UpstreamSettings>) -> Self {
        Self {
            settings: Arc::downgrade(settings),
            named: settings.servers.iter().filter(|server| server.is_named()).cloned().collect(),
            retired: settings.shared.retired.subscribe(),
        }
    }
}

/// The work, until other settings count, or these are gone.
async fn until_retired(mut retired: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        _ = retired.changed() => {}
        () = work => {}
    }
}

/// Resolves the name of `server`, as long as there is somebody who wants to know.
async fn resolve(settings: Weak<UpstreamSettings>, server: Server, resolver: Resolver) {
    let (draw, mut is_failing) = (Draw::random(), false);
    loop {
        let (asked, resolver) = (server.clone(), Arc::clone(&resolver));
        let found = spawn_blocking(move || {
            let (host, port) = asked.host_and_port();
            resolver(host, port)
        })
        .await;
        let Some(settings) = settings.upgrade() else { return };
        let mut wait = settings.resolve;
        let addresses = match found.map_err(io::Error::other).flatten() {
            Ok(addresses) if addresses.is_empty() => Err(io::Error::other("it has no address")),
            known => known,
        };
        let (upstream, name) = (&settings.name, server.place());
        match addresses {
            Ok(mut addresses) => {
                // The order is the resolver's whim.
                addresses.sort_unstable();
                addresses.dedup();
                if settings.resolved(&server, &addresses) {
                    tracing::info!(upstream, %name, ?addresses, "a server's addresses");
                }
                is_failing = false;
            }
            Err(error) => {
                if !is_failing {
                    tracing::warn!(upstream, %name, %error, "a server's addresses can't be looked up: known ones are kept");
                }
                is_failing = true;
                wait = wait.min(LOOKUP_AGAIN);
            }
        }
        drop(settings);
        sleep(jittered(wait, &draw)).await;
    }
}

/// Checks the servers, as long as there is somebody who wants to know.
async fn check(settings: Weak<UpstreamSettings>) {
    let draw = Draw::random();
    loop {
        let Some(settings) = settings.upgrade() else { return };
        let Some(check) = settings.health_check.clone() else { return };
        let mut asked = JoinSet::new();
        for endpoint in settings.endpoints().iter() {
            let (endpoint, settings, check) = (Arc::clone(endpoint), Arc::clone(&settings), check.clone());
            asked.spawn_local(async move {
                let outcome = check.ask(&endpoint, &settings).await;
                settings.checked(&endpoint, outcome, (check.healthy, check.unhealthy));
            });
        }
        drop(settings);
        while asked.join_next().await.is_some() {}
        sleep(jittered(check.interval, &draw)).await;
    }
}

fn jittered(time: Duration, draw: &Draw) -> Duration {
    time.mul_f64(0.9 + draw.share() * 0.2)
}
