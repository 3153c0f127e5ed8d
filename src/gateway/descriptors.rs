//! How many connections the system's limit of file descriptors bears.
//!
//! Clients that hold every descriptor leave none for the upstreams, nor for the admin listener: a crowd of idle
//! connections would be enough to turn every request into a 502. So clients get half of what is left beside the gateway's
//! own, whatever ceiling the configuration sets: each may need a connection to an upstream.

/// Descriptors that the process needs for itself, and for those who look at the admin listener.
const OWN: usize = 32;
/// Those of one worker: its listener, and what its runtime is made of.
const OF_A_WORKER: usize = 8;

/// How many connections of clients the system bears.
pub(super) fn borne(workers: usize) -> usize {
    let limit = std::fs::read_to_string("/proc/self/limits").ok().and_then(|limits| open_files(&limits));
    limit.map_or(usize::MAX, |limit| bearable(limit, workers))
}

/// The ceiling of connections: `wanted`, or fewer where the system allows no more, which is warned about.
pub(super) fn ceiling(wanted: usize, workers: usize) -> usize {
    let limit = std::fs::read_to_string("/proc/self/limits").ok().and_then(|limits| open_files(&limits));
    let Some(limit) = limit else { return wanted };
    let borne = bearable(limit, workers);
    if borne < wanted {
        tracing::warn!(limit, connections = borne, wanted, "the limit of file descriptors lowers that of connections");
    }
    borne.min(wanted)
}

fn bearable(limit: usize, workers: usize) -> usize {
    let own = OF_A_WORKER.saturating_mul(workers).saturating_add(OWN);
    (limit.saturating_sub(own) / 2).max(1)
}

/// The soft limit (proc_pid_limits(5)); `None` where there is none.
fn open_files(limits: &str) -> Option<usize> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_read() {
        let limits = "Limit   Soft Limit   Hard Limit   Units\nMax processes   7   8   processes\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(open_files(limits), Some(1024));
        assert_eq!(open_files("Max open files            unlimited            unlimited            files"), None);
        assert_eq!(open_files(""), None);
    }

    #[test]
    fn upstreams_and_the_process_have_their_share() {
        assert_eq!(bearable(1024, 4), 480);
        assert_eq!(bearable(10, 1000), 1, "one is always tried");
        assert_eq!(ceiling(1, 1), 1);
    }
}
