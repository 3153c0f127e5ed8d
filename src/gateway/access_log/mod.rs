//! One line for each request, whatever became of it.
//!
//! 1. A worker fills a record of what it knows anyway and puts it into a queue of its own: nothing is formatted there,
//!    nothing is waited for, and no system call is made but one for a thousand records, which wakes the writer.
//! 2. One thread formats what all queues hold and writes it, much at once, five times a second or more often.
//! 3. A queue that is full drops what comes. So does a file that cannot be written: what was formatted is kept and tried
//!    again, so the queues fill meanwhile. What is dropped is counted, and told once a minute at most.
//! 4. The line is made where the answer's body ends, or where the request ends without an answer.
//! 5. At the end, when the workers have gone, what they left is written.
//!
//! No line has a token, a query or a body, and none is split by what a client sends.

mod entry;
mod format;
mod record;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    io, iter,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, Thread},
    time::Duration,
};

use self::{entry::Lane, writer::Writer};
pub(super) use self::{
    entry::{Entry, Recorder},
    record::Outcome,
};
use super::metrics::Gauges;
use crate::{
    clock::Clock,
    config::{self, AccessLogFormat},
};

/// How long the gateway's end waits for the last lines: what they are written to may be stuck.
const PATIENCE: Duration = Duration::from_secs(5);

/// The thread that writes.
#[derive(Debug)]
pub(super) struct AccessLog {
    reopener: Reopener,
    /// Hung up when everything is written.
    written: mpsc::Receiver<()>,
}

/// Has the file opened anew.
#[derive(Clone, Debug)]
pub(super) struct Reopener {
    asked: Arc<AtomicBool>,
    writer: Thread,
}

impl Reopener {
    /// Soon, by its name: somebody has moved it away.
    pub(super) fn reopen(&self) {
        self.asked.store(true, Ordering::Release);
        self.writer.unpark();
    }
}

impl AccessLog {
    /// Opens the file, and makes `workers` recorders. The thread ends when the last of them is gone.
    ///
    /// # Errors
    /// When the file cannot be opened, or there is no thread to be had.
    pub(super) fn start(
        settings: &config::AccessLog,
        workers: usize,
        gauges: &Arc<Gauges>,
        clock: &Clock,
    ) -> io::Result<(Self, Vec<Recorder>)> {
        let lanes: Vec<Arc<Lane>> = iter::repeat_with(|| Arc::new(Lane::new(settings.queue))).take(workers).collect();
        let asked = Arc::new(AtomicBool::new(false));
        let writer = Writer::new(settings, lanes.clone(), Arc::clone(gauges), clock.clone(), Arc::clone(&asked))?;
        let (writing, written) = mpsc::channel();
        let thread = thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            writer.run();
            drop(writing);
        })?;
        let writer = thread.thread().clone();
        let referers = settings.format == AccessLogFormat::Combined;
        let recorder = |lane| Recorder::new(lane, Arc::clone(gauges), referers, writer.clone());
        let recorders = lanes.into_iter().map(recorder).collect();
        Ok((Self { reopener: Reopener { asked, writer }, written }, recorders))
    }

    pub(super) const fn reopener(&self) -> &Reopener {
        &self.reopener
    }

    /// Waits until everything is written; the workers have ended.
    pub(super) fn finish(&self) {
        if self.written.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            tracing::error!("the access log cannot be written to its end: its file takes nothing");
        }
    }
}
