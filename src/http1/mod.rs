//! HTTP/1.1 as bytes (RFC 9112): heads, the framing of bodies, and how both are written. No socket is touched here.
//!
//! Both sides of the gateway read with it, and both are strict: what two servers could read in two ways is an error, not
//! a guess. A line ends in CRLF and nowhere else; a field name is a token and the colon follows it at once; a body has
//! one length. It costs less than a parser that forgives.
//!
//! 1. [`head`]: the head of a request or of an answer, from its first byte to the empty line.
//! 2. [`length`]: how long the body behind it is.
//! 3. [`decoder`]: the body out of the bytes that follow.
//! 4. [`encode`]: heads and chunks, as they are sent.

pub mod decoder;
pub mod encode;
pub mod head;
pub mod length;

pub use decoder::{DecodeError, Decoder};
pub use head::{Head, HeadError, HeadLimits};
pub use length::{Length, LengthError};
