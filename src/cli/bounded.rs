//! Rows of a file, none of which is read into memory without an end.

use std::{cell::Cell, io, rc::Rc};

/// In bytes.
const LONGEST_ROW: usize = 1 << 20;

/// A reader that gives a mebibyte and no more, until it is allowed more.
pub(super) struct Bounded<R> {
    inner: R,
    left: Rc<Cell<usize>>,
}

/// How much a [`Bounded`] still gives.
pub(super) struct Allowance(Rc<Cell<usize>>);

impl<R> Bounded<R> {
    pub(super) fn new(inner: R) -> (Self, Allowance) {
        let left = Rc::new(Cell::new(LONGEST_ROW));
        (Self { inner, left: Rc::clone(&left) }, Allowance(left))
    }
}

impl Allowance {
    /// The next row begins.
    pub(super) fn refill(&self) {
        self.0.set(LONGEST_ROW);
    }
}

impl<R: io::Read> io::Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            return Err(io::Error::other("a row is longer than 1 MiB: is there a quotation mark too many?"));
        }
        let most = buffer.len().min(left);
        let read = self.inner.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left.set(left - read);
        Ok(read)
    }
}
