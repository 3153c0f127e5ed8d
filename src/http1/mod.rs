//! HTTP/1.1 (RFC 9112): heads, the framing of bodies, and how both are read and written.
//!
//! Both sides of the gateway read with it, and both are strict: what two servers could read in two ways is an error, not
//! a guess. A line ends in CRLF and nowhere else; a field name is a token and the colon follows it at once; a body has
//! one length. It costs less than a parser that forgives.
//!
//! 1. [`head`]: the head of a request or of an answer, from its first byte to the empty line.
//! 2. [`length`]: how long the body behind it is.
//! 3. [`decoder`]: the body out of the bytes that follow.
//! 4. [`encode`]: heads and chunks, as they are sent.
//!
//! Over sockets, which are polled by whoever has them, so that an exchange needs neither a task nor a channel:
//!
//! 5. [`fill`]: bytes from a socket, without a buffer for those that have nothing to say.
//! 6. [`writer`]: a head and a body to a socket, in as few calls as they allow.
//! 7. [`deadline`]: a time limit that costs nothing while it is kept.
//! 8. [`socket`]: what those bytes go over.
//! 9. [`line`](mod@line): a client's connection, shared by the one that answers and the one that reads the request's body.
//!
//! What it may become:
//!
//! 10. [`websocket`]: a connection on which two ends talk as they like.

pub mod deadline;
pub mod decoder;
pub mod encode;
pub mod fill;
pub mod head;
pub mod length;
pub mod line;
mod persistence;
pub mod socket;
pub mod websocket;
pub mod writer;

pub use deadline::Deadline;
pub use decoder::{DecodeError, Decoder};
pub use head::{Head, HeadError, HeadLimits};
pub use length::{Length, LengthError};
pub use line::{Incoming, Line};
pub use persistence::is_persistent;
pub use socket::Socket;
pub use writer::{SendError, Writer};
