//! Positions, timelines, segments, and the names of WAL files.
//!
//! Nothing here touches a file system or a server: names, numbers and bytes
//! only, for every segment size that `initdb --wal-segsize` offers.
//!
//! ```
//! use hayloft_postgres::wal::{Lsn, SegmentName, SegmentSize, TimelineId};
//!
//! let lsn: Lsn = "1A/FF000028".parse()?;
//! let name = SegmentName::containing(lsn, TimelineId::FIRST, SegmentSize::DEFAULT);
//! assert_eq!(name.to_string(), "000000010000001A000000FF");
//! assert_eq!(name.next(SegmentSize::DEFAULT)?.to_string(), "000000010000001B00000000");
//! # Ok::<(), hayloft_postgres::wal::WalError>(())
//! ```
//!
//! Source of the facts: `access/xlog_internal.h` and `timeline.c` of
//! PostgreSQL 13 to 18, and the documentation's chapter on continuous
//! archiving.

mod archive;
mod error;
mod header;
mod history;
mod inventory;
mod label;
mod lsn;
mod name;
mod range;
mod records;
mod segment;
mod timeline;

pub use self::{
    archive::{ArchiveConflict, check_archive_usable},
    error::WalError,
    header::{HeaderError, SegmentHeader},
    history::{History, HistoryEntry},
    inventory::{Gap, Gaps, Inventory, Start},
    label::{BackupLabel, BackupMethod, BackupSource, BackupStop},
    lsn::Lsn,
    name::{Compression, FileName, PgWalEntry, Readiness},
    range::SegmentRange,
    records::{Chain, DamageReason, RecordCheck, WalDamage, Walked},
    segment::{SegmentName, SegmentSize},
    timeline::{TargetTimeline, TimelineId},
};
