//! The writer's thread: from the queues to the file.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::time::Instant;

use super::{entry::Lane, format::Formatter};
use crate::{
    clock::Clock,
    config::{self, AccessLogTarget},
    gateway::metrics::Gauges,
};

/// A line waits for so long at most.
const PERIOD: Duration = Duration::from_millis(200);
/// What is written at once, in bytes, and a line more.
const BATCH: usize = 64 * 1024;
/// The same is not said again sooner.
const QUIET: Duration = Duration::from_secs(60);
/// The owner writes, the group reads.
const MODE: u32 = 0o640;

/// What the thread has.
#[derive(Debug)]
pub(super) struct Writer {
    lanes: Vec<Arc<Lane>>,
    gauges: Arc<Gauges>,
    clock: Clock,
    formatter: Formatter,
    target: AccessLogTarget,
    file: File,
    /// Whether to open the file anew.
    asked: Arc<AtomicBool>,
    /// What is not yet written.
    unwritten: Vec<u8>,
    /// Whether the file ends within a line, the rest of which is still unwritten.
    torn: bool,
    failed: Quiet,
    dropped: Quiet,
    /// How many drops have been told of.
    told: u64,
}

/// When something was last said.
#[derive(Debug, Default)]
struct Quiet(Option<Instant>);

impl Quiet {
    /// Whether it may be said again; then it counts as said.
    fn is_over(&mut self) -> bool {
        let now = Instant::now();
        let over = self.0.is_none_or(|said| now.saturating_duration_since(said) >= QUIET);
        if over {
            self.0 = Some(now);
        }
        over
    }
}

impl Writer {
    pub(super) fn new(
        settings: &config::AccessLog,
        lanes: Vec<Arc<Lane>>,
        gauges: Arc<Gauges>,
        clock: Clock,
        asked: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        Ok(Self {
            lanes,
            gauges,
            clock,
            formatter: Formatter::new(settings.format),
            target: settings.target.clone(),
            file: open(&settings.target)?,
            asked,
            unwritten: Vec::with_capacity(BATCH),
            torn: false,
            failed: Quiet::default(),
            dropped: Quiet::default(),
            told: 0,
        })
    }

    /// Writes until the last worker has gone, and everything is written or lost.
    pub(super) fn run(mut self) {
        loop {
            // Whoever still has the other end may still put something into the queue.
            let is_last = self.lanes.iter_mut().all(|lane| Arc::get_mut(lane).is_some());
            if self.asked.swap(false, Ordering::AcqRel) {
                self.reopen();
            }
            self.write_all();
            if is_last {
                self.lose_the_rest();
            }
            self.tell_of_drops(is_last);
            if is_last {
                return;
            }
            thread::park_timeout(PERIOD);
        }
    }

    /// Everything that waits, or nothing more once something cannot be written.
    fn write_all(&mut self) {
        while self.write() && self.format() {}
        self.write();
    }

    /// Formats what waits. Whether there may be more than fits into one write.
    fn format(&mut self) -> bool {
        // A record knows when it ended by a clock that says no date.
        let (now, date) = (Instant::now(), self.clock.now());
        for lane in &self.lanes {
            while let Some(mut record) = lane.filled.pop() {
                let at = date.saturating_sub(now.saturating_duration_since(record.ended));
                self.formatter.line(&record, at, &mut self.unwritten);
                record.texts.shrink();
                // More than are kept ready are not needed.
                let _ = lane.spare.push(record);
                if self.unwritten.len() >= BATCH {
                    return true;
                }
            }
        }
        false
    }

    /// Whether all that is formatted is written.
    fn write(&mut self) -> bool {
        while !self.unwritten.is_empty() {
            let error = match self.file.write(&self.unwritten) {
                Ok(0) => ErrorKind::WriteZero.into(),
                Ok(count) => {
                    self.torn = self.unwritten.get(count - 1) != Some(&b'\n');
                    self.unwritten.drain(..count);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            if self.failed.is_over() {
                tracing::error!(%error, "the access log cannot be written");
            }
            return false;
        }
        true
    }

    /// Opens the file by its name, or goes on with the one that is open.
    fn reopen(&mut self) {
        match open(&self.target) {
            Ok(file) => {
                self.file = file;
                if self.torn {
                    // The rest of a line is none.
                    let end = self.unwritten.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                    self.unwritten.drain(..end);
                    self.torn = false;
                    self.gauges.access_log_dropped.fetch_add(1, Ordering::Relaxed);
                }
                tracing::info!("the access log is opened anew");
            }
            Err(error) => {
                tracing::error!(%error, "the access log cannot be opened anew, and the old file is written on")
            }
        }
    }

    fn lose_the_rest(&mut self) {
        let formatted = self.unwritten.iter().filter(|byte| **byte == b'\n').count();
        let waiting: usize = self.lanes.iter().map(|lane| lane.filled.len()).sum();
        self.gauges.access_log_dropped.fetch_add((formatted + waiting) as u64, Ordering::Relaxed);
    }

    fn tell_of_drops(&mut self, is_last: bool) {
        let dropped = self.gauges.access_log_dropped.load(Ordering::Relaxed);
        if dropped > self.told && (self.dropped.is_over() || is_last) {
            tracing::warn!(requests = dropped - self.told, "the access log has no line for some requests");
            self.told = dropped;
        }
    }
}

fn open(target: &AccessLogTarget) -> io::Result<File> {
    match target {
        AccessLogTarget::Stdout => io::stdout().as_fd().try_clone_to_owned().map(File::from),
        AccessLogTarget::File(path) => append(path),
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

    use super::*;
    use crate::{
        clock::Timestamp,
        config::{AccessLog, AccessLogFormat},
        gateway::access_log::record::{Record, Text},
    };

    fn writer(path: PathBuf, queue: usize) -> Writer {
        let target = AccessLogTarget::File(path);
        let settings = AccessLog { target, format: AccessLogFormat::Json, queue };
        let (gauges, clock) = (Arc::default(), Clock::manual(Timestamp::from_secs(1)));
        Writer::new(&settings, vec![Arc::new(Lane::new(queue))], gauges, clock, Arc::default()).unwrap()
    }

    /// Puts records with these paths into the queue.
    fn fill(writer: &Writer, paths: impl IntoIterator<Item = String>) {
        for path in paths {
            let mut record = Box::new(Record::new());
            record.texts.set(Text::Path, &path);
            writer.lanes[0].filled.push(record).unwrap();
        }
    }

    /// The paths of a file's lines.
    fn paths(file: &Path) -> Vec<String> {
        let text = fs::read_to_string(file).unwrap();
        let path = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["path"].as_str().unwrap().to_owned();
        text.lines().map(path).collect()
    }

    #[test]
    fn a_file_is_written_on_and_only_its_owner_and_group_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        for number in 0..2 {
            let writer = writer(path.clone(), 10);
            fill(&writer, [format!("/{number}")]);
            writer.run();
        }
        assert_eq!(paths(&path), ["/0", "/1"]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);
    }

    #[test]
    fn more_than_fits_into_one_write_is_written_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let writer = writer(path.clone(), 5000);
        let sent: Vec<String> = (0..5000).map(|number| format!("/{number}")).collect();
        fill(&writer, sent.clone());
        writer.run();
        assert!(fs::metadata(&path).unwrap().len() > 5 * BATCH as u64);
        assert_eq!(paths(&path), sent);
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_kept_and_what_is_left_at_the_end_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let mut writer = writer("/dev/full".into(), 10);
        fill(&writer, ["/1".to_owned(), "/2".to_owned()]);
        writer.write_all();
        let kept = writer.unwritten.len();
        assert!(kept > 0 && writer.failed.0.is_some());
        fill(&writer, ["/3".to_owned()]);
        writer.write_all();
        assert_eq!((writer.unwritten.len(), writer.lanes[0].filled.len()), (kept, 1), "no more is taken meanwhile");
        writer.lose_the_rest();
        assert_eq!(writer.gauges.access_log_dropped.load(Ordering::Relaxed), 3);

        writer.target = AccessLogTarget::File(path.clone());
        writer.reopen();
        writer.write_all();
        assert_eq!(paths(&path), ["/1", "/2", "/3"]);
    }

    #[test]
    fn the_rest_of_a_torn_line_goes_into_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let mut writer = writer(path.clone(), 10);
        writer.unwritten.extend_from_slice(b"rest\"}\nwhole\n");
        writer.torn = true;
        fs::rename(&path, folder.path().join("old.log")).unwrap();
        writer.reopen();
        writer.write_all();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole\n");
        assert!(!writer.torn);
        assert_eq!(writer.gauges.access_log_dropped.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_file_that_cannot_be_opened_anew_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let mut writer = writer(path.clone(), 10);
        writer.target = AccessLogTarget::File(folder.path().join("nowhere/access.log"));
        writer.reopen();
        fill(&writer, ["/1".to_owned()]);
        writer.write_all();
        assert_eq!(paths(&path), ["/1"]);
    }

    #[test]
    fn drops_are_told_of_once_a_minute_and_at_the_end() {
        let mut writer = writer("/dev/null".into(), 10);
        let drop_some = |writer: &Writer, count| writer.gauges.access_log_dropped.fetch_add(count, Ordering::Relaxed);
        for (count, is_last, told) in [(0, false, 0), (3, false, 3), (2, false, 3), (0, true, 5)] {
            drop_some(&writer, count);
            writer.tell_of_drops(is_last);
            assert_eq!(writer.told, told);
        }
    }
}
