//! Receiving WAL into a directory, for ever: what `pg_receivewal` does, as a
//! library.
//!
//! [`receive`] streams WAL from a server into the files of a
//! [`StreamingDirectory`], follows the server onto new timelines, connects
//! again when the connection is lost, and begins where it left off when it is
//! started again, however it ended. [`reset`] goes on behind WAL that the
//! server does not have any more.
//!
//! # Guarantees
//!
//! * The server is told that WAL is safe only when it is: written, synced,
//!   and, for the last byte of a segment, under the segment's own name in a
//!   directory that is synced too.
//! * A segment has its name only when it is whole. Until then it ends in
//!   `.partial`; the rest of it is zeros, or what was received of it before.
//! * The bytes of a whole segment all came over one connection, from its first
//!   byte on: after a crash the last segment is streamed again from its
//!   beginning, into the file that is there.
//! * The directory always tells where to go on: the newest file in it is the
//!   one to go on with, or after. [`Supervisor::complete`] names a file only
//!   when there is a newer one, so it may be moved away.
//! * When a timeline ends, the history of the next one is stored before
//!   anything else of it.
//!
//! # Sources
//!
//! PostgreSQL's documentation: "`pg_receivewal`", "Streaming Replication
//! Protocol", "Timelines"; and what `pg_receivewal` and servers of the versions
//! 13 to 18 do.

mod back_off;
mod course;
mod directory;
mod error;
mod figures;
mod options;
mod part;
mod pump;
mod reset;
mod run;
mod session;
mod slot;

pub use self::{
    directory::{Newest, StreamingDirectory},
    error::ReceiveError,
    figures::{Figures, News, Phase},
    options::{ReceiveOptions, SlotUse, Supervisor},
    reset::{Reset, reset},
    run::{End, receive},
};
