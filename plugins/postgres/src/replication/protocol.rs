//! The messages of the protocol: pure functions from bytes to values.
//!
//! Nothing here reads from a socket. What a server sends is not trusted:
//! lengths are bounded, everything else is a [`Malformed`].
//!
//! Source: the chapters "Message Formats" and "Streaming Replication
//! Protocol" of PostgreSQL's documentation, 13 to 18.

mod backup;
mod frame;
mod message;
mod wal;

pub(super) use self::backup::path_of;
pub use self::{
    backup::BackupMessage,
    frame::{Frame, LONGEST_FRAME, Malformed, split_frame},
    message::{Authentication, Message, Row},
    wal::{Progress, WalMessage, status_update},
};
