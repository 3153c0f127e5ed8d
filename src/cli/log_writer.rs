//! Lines of the log on their way to stderr, by a thread of their own: a reader that is slow or stuck never holds up a
//! request.
//!
//! 1. Whoever logs leaves the line in a queue of [`MOST_WAITING`] lines, and goes on.
//! 2. Where there is no room the line is dropped, and counted; the next one that is written is preceded by how many were.
//! 3. At the end what waits is written, as long as that takes no longer than [`PATIENCE`].

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait.
const MOST_WAITING: usize = 16 * 1024;
/// How long the end waits for the reader.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where lines are left.
#[derive(Debug, Clone)]
pub(super) struct LogQueue {
    lines: SyncSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
}

/// Writes what waits when it is dropped.
#[derive(Debug)]
pub(super) struct LogWriter {
    queue: LogQueue,
    written: Receiver<()>,
}

/// An empty line ends the thread: no line of a log is empty.
const END: Vec<u8> = Vec::new();

/// A queue and the thread that writes it to `out`; `notice` makes a line of how many were dropped.
pub(super) fn start(
    mut out: impl Write + Send + 'static,
    most_waiting: usize,
    notice: impl Fn(u64) -> String + Send + 'static,
) -> io::Result<(LogQueue, LogWriter)> {
    let (lines, waiting) = sync_channel::<Vec<u8>>(most_waiting);
    let (done, written) = sync_channel(1);
    let dropped = Arc::new(AtomicU64::new(0));
    let queue = LogQueue { lines, dropped: Arc::clone(&dropped) };
    thread::Builder::new().name("log".to_owned()).spawn(move || {
        for line in waiting.iter().take_while(|line| !line.is_empty()) {
            let lost = dropped.swap(0, Ordering::Relaxed);
            // Where the log cannot be written, there is nobody to tell.
            if lost > 0 {
                let _ = writeln!(out, "{}", notice(lost));
            }
            let _ = out.write_all(&line);
        }
        let _ = out.flush();
        let _ = done.send(());
    })?;
    Ok((queue.clone(), LogWriter { queue, written }))
}

impl LogWriter {
    /// What the queue of a gateway holds.
    pub(super) const MOST_WAITING: usize = MOST_WAITING;
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        // A queue that is full is not waited for without end.
        let mut patience = 10;
        while self.queue.lines.try_send(END).is_err() && patience > 0 {
            patience -= 1;
            thread::sleep(PATIENCE / 10);
        }
        let _: Result<(), RecvTimeoutError> = self.written.recv_timeout(PATIENCE);
    }
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { queue: self, bytes: Vec::new() }
    }
}

/// A line that is being written. It is left in the queue when it is dropped.
#[derive(Debug)]
pub(super) struct Line<'a> {
    queue: &'a LogQueue,
    bytes: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let line = std::mem::take(&mut self.bytes);
        if !line.is_empty() && self.queue.lines.try_send(line).is_err() {
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc::channel};

    use super::*;

    /// Takes a line only when it is told to.
    struct Stuck(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(queue: &LogQueue, line: &str) {
        queue.make_writer().write_all(line.as_bytes()).unwrap();
    }

    #[test]
    fn a_stuck_reader_holds_nobody_up_and_is_told_what_it_missed() {
        let (go, wait) = channel();
        let text = Arc::new(Mutex::new(Vec::new()));
        let (queue, writer) = start(Stuck(wait, Arc::clone(&text)), 2, |lost| format!("{lost} lost")).unwrap();
        for number in 0..10 {
            log(&queue, &format!("{number}\n"));
        }
        let lost = queue.dropped.load(Ordering::Relaxed);
        // One may have been taken out of the queue already.
        assert!(lost == 7 || lost == 8, "{lost}");
        drop(go);
        drop(writer);
        let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
        assert!(text.contains("0\n") && text.contains("1\n") && !text.contains("9\n"), "{text}");
        assert_eq!(text.matches(" lost\n").count(), 1, "{text}");
    }

    #[test]
    fn all_that_waits_is_written_at_the_end() {
        let (go, wait) = channel();
        drop(go);
        let text = Arc::new(Mutex::new(Vec::new()));
        let (queue, writer) = start(Stuck(wait, Arc::clone(&text)), 1000, |lost| lost.to_string()).unwrap();
        for number in 0..1000 {
            log(&queue, &format!("{number}\n"));
        }
        drop(writer);
        let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1000);
    }
}
