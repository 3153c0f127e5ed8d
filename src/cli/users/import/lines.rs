//! In which line of a file a record begins, for whoever looks for it with an editor.
//!
//! A reader of comma-separated values says at which byte a record begins: in front of the `\n` of a `\r\n` that ended the
//! record before, and of all empty lines. They are passed over here.

use std::{cell::RefCell, collections::VecDeque, io, rc::Rc};

/// A reader that notes where the ends of lines are.
pub(super) struct Noting<R> {
    inner: R,
    ends: Rc<RefCell<Ends>>,
}

/// What a [`Noting`] has noted.
pub(super) struct Lines(Rc<RefCell<Ends>>);

#[derive(Default)]
struct Ends {
    /// Bytes that were read.
    read: u64,
    /// Where a `\r` or a `\n` stands, and whether it is a `\n`: those that were not passed yet.
    ahead: VecDeque<(u64, bool)>,
    /// How many `\n` were passed.
    passed: u64,
}

impl<R> Noting<R> {
    pub(super) fn new(inner: R) -> (Self, Lines) {
        let ends = Rc::default();
        (Self { inner, ends: Rc::clone(&ends) }, Lines(ends))
    }
}

impl<R: io::Read> io::Read for Noting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let mut ends = self.ends.borrow_mut();
        let Ends { read: before, ahead, .. } = &mut *ends;
        for (at, byte) in (*before..).zip(buffer.iter().take(read)) {
            if matches!(byte, b'\r' | b'\n') {
                ahead.push_back((at, *byte == b'\n'));
            }
        }
        *before += read as u64;
        Ok(read)
    }
}

impl Lines {
    /// The line, counted from 1, of the first thing at `byte` or behind it that is no end of a line. Each `byte` is behind
    /// the one before.
    pub(super) fn of(&self, byte: u64) -> u64 {
        let mut ends = self.0.borrow_mut();
        let mut byte = byte;
        while let Some((at, is_newline)) = ends.ahead.front().copied().filter(|(at, _)| *at <= byte) {
            ends.ahead.pop_front();
            ends.passed += u64::from(is_newline);
            byte += u64::from(at == byte);
        }
        ends.passed + 1
    }
}
