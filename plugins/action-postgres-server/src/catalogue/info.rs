//! `backup.info`: what is known of a backup, in Barman's notation.
//!
//! Source of the facts: Barman 3.19 (`barman/infofile.py`), watched as it
//! reads and writes.

mod fields;
mod status;

use std::collections::BTreeMap;

use hayloft_plugin_api::{Error, ErrorKind, Result};
use hayloft_postgres::{
    version::ServerVersion,
    wal::{Lsn, SegmentName, SegmentSize, TimelineId},
};
use jiff::tz::TimeZone;

pub(crate) use self::status::Status;
use super::{BackupId, literal::Literal, moment::Moment};

/// What is known of a backup. A field that is `None` is not known.
///
/// What is read and written again is the same, in Barman's order and notation;
/// keys that are not Barman's are kept as they are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BackupInfo {
    /// The content of `backup_label`.
    pub(crate) backup_label: Option<String>,
    /// What the administrator calls it.
    pub(crate) backup_name: Option<String>,
    /// Where in its segment the backup begins, in bytes.
    pub(crate) begin_offset: Option<u64>,
    /// When it was begun.
    pub(crate) begin_time: Option<Moment>,
    /// The first segment that a recovery needs.
    pub(crate) begin_wal: Option<SegmentName>,
    /// Where a recovery begins.
    pub(crate) begin_xlog: Option<Lsn>,
    /// The backups that refer to this one directly.
    pub(crate) children_backup_ids: Vec<BackupId>,
    /// How large the cluster was, in bytes.
    pub(crate) cluster_size: Option<u64>,
    /// What its files are compressed with.
    pub(crate) compression: Option<String>,
    /// The path of `postgresql.conf`.
    pub(crate) config_file: Option<String>,
    /// How long things took, in seconds: a dictionary.
    pub(crate) copy_stats: Option<Literal>,
    /// `on` or `off`.
    pub(crate) data_checksums: Option<String>,
    /// How many bytes were stored for this backup alone.
    pub(crate) deduplicated_size: Option<u64>,
    /// What its files are encrypted with.
    pub(crate) encryption: Option<String>,
    /// Where in its segment the backup ends, in bytes.
    pub(crate) end_offset: Option<u64>,
    /// When it was whole.
    pub(crate) end_time: Option<Moment>,
    /// The last segment without which it is not consistent.
    pub(crate) end_wal: Option<SegmentName>,
    /// Where it is consistent.
    pub(crate) end_xlog: Option<Lsn>,
    /// Why it failed.
    pub(crate) error: Option<String>,
    /// The path of `pg_hba.conf`.
    pub(crate) hba_file: Option<String>,
    /// The path of `pg_ident.conf`.
    pub(crate) ident_file: Option<String>,
    /// The files that `postgresql.conf` includes.
    pub(crate) included_files: Option<Vec<String>>,
    /// How it was made: method and strategy, such as `rsync-concurrent`.
    pub(crate) mode: Option<String>,
    /// The backup that this one refers to.
    pub(crate) parent_backup_id: Option<BackupId>,
    /// The server's data directory.
    pub(crate) pgdata: Option<String>,
    /// The server.
    pub(crate) server_name: Option<String>,
    /// How large its files are, in bytes.
    pub(crate) size: Option<u64>,
    /// The snapshots that it is made of: a dictionary.
    pub(crate) snapshots_info: Option<Literal>,
    /// How far it is.
    pub(crate) status: Status,
    /// `on` or `off`.
    pub(crate) summarize_wal: Option<String>,
    /// The number that `initdb` made.
    pub(crate) systemid: Option<String>,
    /// The tablespaces.
    pub(crate) tablespaces: Option<Vec<Tablespace>>,
    /// The timeline on which it was begun.
    pub(crate) timeline: Option<TimelineId>,
    /// The server's version.
    pub(crate) version: Option<ServerVersion>,
    /// How large segments are.
    pub(crate) xlog_segment_size: SegmentSize,
    /// What others have written: keys and values as they are.
    pub(crate) unknown: BTreeMap<String, String>,
}

/// A tablespace of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tablespace {
    /// Its name.
    pub(crate) name: String,
    /// Its number, which `pg_tblspc` knows it by.
    pub(crate) oid: u32,
    /// Where it was.
    pub(crate) location: String,
}

/// What a backup is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BackupKind {
    /// All files.
    Full,
    /// What changed since its parent.
    Incremental,
    /// A copy of the files, made by rsync.
    Rsync,
    /// Snapshots of disks.
    Snapshot,
}

impl BackupKind {
    /// Returns Barman's word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
            Self::Rsync => "rsync",
            Self::Snapshot => "snapshot",
        }
    }
}

impl Default for BackupInfo {
    /// A backup of which nothing is known.
    fn default() -> Self {
        Self {
            backup_label: None,
            backup_name: None,
            begin_offset: None,
            begin_time: None,
            begin_wal: None,
            begin_xlog: None,
            children_backup_ids: Vec::new(),
            cluster_size: None,
            compression: None,
            config_file: None,
            copy_stats: None,
            data_checksums: None,
            deduplicated_size: None,
            encryption: None,
            end_offset: None,
            end_time: None,
            end_wal: None,
            end_xlog: None,
            error: None,
            hba_file: None,
            ident_file: None,
            included_files: None,
            mode: None,
            parent_backup_id: None,
            pgdata: None,
            server_name: None,
            size: None,
            snapshots_info: None,
            status: Status::default(),
            summarize_wal: None,
            systemid: None,
            tablespaces: None,
            timeline: None,
            version: None,
            xlog_segment_size: SegmentSize::DEFAULT,
            unknown: BTreeMap::new(),
        }
    }
}

impl BackupInfo {
    /// Reads `backup.info`. Times without an offset are those of this
    /// machine's clock.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CORRUPT`] with the line that makes no sense.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut info = Self::default();
        let zone = TimeZone::system();
        // As Python does, a carriage return ends a line, too.
        let text = text.replace("\r\n", "\n");
        for (number, line) in text.split(['\n', '\r']).enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let read = line.split_once('=').ok_or_else(|| "there is no `=` in it".to_owned());
            read.and_then(|(key, value)| info.set(key.trim(), value.trim(), &zone)).map_err(
                |e| {
                    Error::new(
                        ErrorKind::CORRUPT,
                        format!("line {} makes no sense: {e}", number + 1),
                    )
                },
            )?;
        }
        Ok(info)
    }

    /// Tells what it is made of.
    pub(crate) fn kind(&self) -> BackupKind {
        let mode = self.mode.as_deref().unwrap_or_default();
        if mode.starts_with("snapshot") {
            BackupKind::Snapshot
        } else if mode.starts_with("rsync") || mode.starts_with("local-rsync") {
            BackupKind::Rsync
        } else if self.parent_backup_id.is_some() {
            BackupKind::Incremental
        } else {
            BackupKind::Full
        }
    }
}

#[cfg(test)]
mod tests;
