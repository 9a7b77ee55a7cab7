//! How a receiver is, as a file for others.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use hayloft_plugin_api::{Error, Result};
use hayloft_postgres::{
    receive::{Figures, Phase},
    wal::Lsn,
};
use serde::{Deserialize, Serialize};

/// How a receiver is. Times are seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// What it does.
    pub(crate) phase: Phase,
    /// The number of the cluster.
    pub(crate) system_identifier: Option<String>,
    /// The timeline.
    pub(crate) timeline: Option<u32>,
    /// Up to where WAL was written.
    pub(crate) written_lsn: String,
    /// Up to where it is safe on this machine.
    pub(crate) flushed_lsn: String,
    /// How far the server's WAL went.
    pub(crate) server_lsn: String,
    /// When everything that the server had was safe here, last.
    pub(crate) complete: Option<f64>,
    /// Whether transactions may wait for it.
    pub(crate) synchronous: bool,
    /// How often it failed in a row.
    pub(crate) failures: u32,
    /// Why.
    pub(crate) problem: Option<String>,
    /// The last file that went into the archive.
    pub(crate) archived: Option<String>,
    /// How many whole files wait for that.
    pub(crate) waiting: u64,
    /// Why they do, if it failed.
    pub(crate) archive_problem: Option<String>,
    /// When this was written.
    pub(crate) updated: f64,
}

impl Record {
    /// Makes one of what a receiver says.
    pub(super) fn of(figures: &Figures, now: SystemTime) -> Self {
        Self {
            phase: figures.phase,
            system_identifier: figures.system_identifier.map(|it| it.to_string()),
            timeline: figures.timeline.map(hayloft_postgres::wal::TimelineId::get),
            written_lsn: figures.written.to_string(),
            flushed_lsn: figures.flushed.to_string(),
            server_lsn: figures.server_end.to_string(),
            complete: figures.complete.map(seconds),
            synchronous: figures.synchronous,
            failures: figures.failures,
            problem: figures.problem.clone(),
            updated: seconds(now),
            ..Self::default()
        }
    }

    /// Returns up to where WAL is safe.
    pub(crate) fn flushed(&self) -> Option<Lsn> {
        self.flushed_lsn.parse().ok().filter(|it: &Lsn| it.is_valid())
    }

    /// Reads one; there may be none.
    ///
    /// # Errors
    ///
    /// If it cannot be read. One that is torn, after a power cut, is none.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        match fs::read(path) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::from(e).context(format!("cannot read {}", path.display()))),
        }
    }

    /// Replaces the file. It is for those who look now, so it is whole for
    /// them, and need not outlive a power cut.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("json.new");
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(new, path)
    }
}

/// Seconds since 1970.
pub(crate) fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_and_a_torn_one_is_none() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(".receive.json");
        assert_eq!(Record::read(&path).unwrap(), None);
        let figures = Figures { flushed: Lsn::new(0x1_0000_0010), ..Figures::default() };
        let mut record = Record::of(&figures, SystemTime::now());
        record.waiting = 3;
        record.write(&path).unwrap();
        let found = Record::read(&path).unwrap().unwrap();
        assert_eq!(found.flushed(), Some(figures.flushed));
        assert_eq!(found.waiting, 3);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
        fs::write(&path, "{\"phase\"").unwrap();
        assert_eq!(Record::read(&path).unwrap(), None);
    }
}
