//! What the supervisor of the process is told (sd_notify(3)): systemd, or whoever else listens at `NOTIFY_SOCKET`.
//! Without that nothing is.

use std::{env, process, time::Duration};

use sd_notify::NotifyState;

/// The gateway serves, and where.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The configuration is read again (`Type=notify-reload`); [`ready`] says that this is over.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the supervisor cannot be told of a reload"),
    }
}

/// The gateway drains, and will end.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("draining")]);
}

/// Another process is the gateway now.
pub(super) fn handed_over(to: u32) {
    tell(&[NotifyState::MainPid(to)]);
}

/// The process is alive.
pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often the supervisor wants to hear that, twice as often as it insists on; `None`: it does not.
pub(super) fn watchdog() -> Option<Duration> {
    let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
    let is_meant = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(process::id()));
    number("WATCHDOG_USEC").filter(|micros| is_meant && *micros > 0).map(|micros| Duration::from_micros(micros) / 2)
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::warn!(%error, "the supervisor cannot be told");
    }
}
