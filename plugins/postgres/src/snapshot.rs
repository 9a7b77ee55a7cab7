//! The session around a snapshot of a server's files: begun, held while
//! somebody copies or snapshots the files, ended, and never taken for good if
//! anything came between.
//!
//! A backup belongs to the session that began it: the server aborts it when
//! that session ends. So one process holds it from beginning to end
//! ([`hold`]); others talk with it over a socket in a private directory
//! ([`Place`], [`ask`]). What there is to know is in a [`Record`] in that
//! directory, and it is good only if its phase is [`Phase::Complete`].
//!
//! | who | does |
//! |---|---|
//! | [`next`] | decides what follows from what happens; pure |
//! | [`progress_of`] | decides whether WAL is archived; pure |
//! | [`Place`] | the directory: who holds it, what is known, what is stale |
//! | [`hold`] | holds the session, to its end |
//! | [`ask`] | asks the process that does |
//! | [`deliver`] | puts label and tablespace map where they belong |
//! | [`Table`] | the table `backup` of `safe-backup`, for scripts that look at it |
//!
//! # What holds
//!
//! * One session at a time in a place (a lock on a file, which the system
//!   releases with the process), and one at a time in a database (an advisory
//!   lock, which the server releases with the session). Nobody's session is
//!   terminated, whatever a file or table says.
//! * The session lost, the server restarted or promoted, the process killed,
//!   the deadline passed: the backup is [`Phase::Failed`] with the reason.
//! * Label and tablespace map are what the server said, byte for byte, and
//!   were read and compared before they are delivered.
//! * `Complete` is said only when all WAL of the backup is archived, or when
//!   that cannot be known; the record then says so.
//!
//! The exclusive mode of versions up to 14 is never used.

mod archive;
mod deliver;
mod error;
mod hold;
mod line;
mod machine;
mod phase;
mod place;
mod record;
mod session;
mod table;

pub use self::{
    archive::{ArchiverView, Progress, progress_of},
    deliver::{LABEL, TABLESPACE_MAP, check_output, clear, deliver},
    error::SnapshotError,
    hold::{HoldOptions, hold},
    line::{Answer, Question, ask},
    phase::{Effect, Event, Phase, Step, next},
    place::{Held, Place},
    record::{ArchiveState, Process, Record},
    session::BackupFacts,
    table::{Table, TableState},
};
