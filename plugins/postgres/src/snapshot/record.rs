//! What is known of a session, as a file.

use std::{fs, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{machine, phase::Phase};

/// A process, so that a later one of the same number is not taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it began, in the system's ticks since the machine was started.
    pub started: u64,
}

impl Process {
    /// Returns this process.
    pub fn ours() -> Self {
        let pid = std::process::id();
        Self { pid, started: Self::read(pid).map_or(0, |it| it.started) }
    }

    /// Returns a process that lives; none if there is none of that number, or
    /// only one that has ended and was not noticed yet.
    pub fn read(pid: u32) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let (state, started) = parse_stat(&stat)?;
        (!matches!(state, b'Z' | b'X')).then_some(Self { pid, started })
    }

    /// Tells whether it still lives.
    pub fn is_alive(self) -> bool {
        Self::read(self.pid) == Some(self)
    }
}

/// State and start in `/proc/PID/stat`, see proc(5): the name, in brackets,
/// may hold anything.
fn parse_stat(line: &[u8]) -> Option<(u8, u64)> {
    let end = line.iter().rposition(|it| *it == b')')?;
    let mut fields = std::str::from_utf8(&line[end + 1..]).ok()?.split_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// Whether the WAL of a backup is archived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state", content = "why")]
pub enum ArchiveState {
    /// Not yet.
    Waiting(String),
    /// All of it.
    Archived,
    /// The server archives nothing, or nobody can tell: whoever made the
    /// snapshot must have the WAL in it, or elsewhere.
    Unchecked(String),
    /// Not in time.
    Missing(String),
}

/// What is known of a session. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What the session is called; no other has it.
    pub id: String,
    /// The configured name of the server.
    pub server: String,
    /// How far it is.
    pub phase: Phase,
    /// Why, if it is not well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The label that the server was given.
    pub label: String,
    /// The process that holds it.
    pub holder: Process,
    /// The machine or container of that process, since its last start.
    #[serde(default)]
    pub machine: String,
    /// The server's process for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_pid: Option<i32>,
    /// The number of the cluster, the same for a primary and its standbys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_identifier: Option<String>,
    /// The server's version, such as 150020.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Whether the server was a standby.
    #[serde(default)]
    pub standby: bool,
    /// When it was begun.
    pub begun: u64,
    /// When the files could be copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// When it is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
    /// When it came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// The timeline at the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<u32>,
    /// Where recovery must begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_lsn: Option<String>,
    /// The segment with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_wal: Option<String>,
    /// Where recovery must come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_lsn: Option<String>,
    /// The segment with the last byte before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_wal: Option<String>,
    /// How many segments the backup needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<u64>,
    /// Whether they are archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<ArchiveState>,
    /// Where label and tablespace map go.
    pub output: PathBuf,
    /// The file with the label, once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_file: Option<PathBuf>,
    /// The file with the tablespace map; none if there are no tablespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map_file: Option<PathBuf>,
    /// What went wrong on the way that does not make the backup bad.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Record {
    /// Tells whether it was written by this very machine or container since
    /// its last start. A clone has the files of the original, but no backup.
    pub fn is_of_here(&self) -> bool {
        self.machine == machine::here()
    }

    /// Begins one.
    pub fn new(id: &str, server: &str, label: &str, output: PathBuf, now: u64) -> Self {
        Self {
            id: id.to_owned(),
            server: server.to_owned(),
            phase: Phase::Starting,
            reason: None,
            label: label.to_owned(),
            holder: Process::ours(),
            machine: machine::here(),
            backend_pid: None,
            system_identifier: None,
            version: None,
            standby: false,
            begun: now,
            started: None,
            deadline: None,
            ended: None,
            timeline: None,
            start_lsn: None,
            start_wal: None,
            stop_lsn: None,
            stop_wal: None,
            segments: None,
            archive: None,
            output,
            label_file: None,
            map_file: None,
            warnings: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start_too() {
        let ours = Process::ours();
        assert!(ours.is_alive());
        assert!(!Process { started: ours.started + 1, ..ours }.is_alive());
        assert!(Process::read(0).is_none());
        let line = b"12 (a) Z (b)) S 1 12 34 0 -1 5 6 7 8 9 10 11 12 13 14 15 16 17 4711 0";
        assert_eq!(parse_stat(line), Some((b'S', 4711)));
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = Record {
            phase: Phase::Incomplete,
            archive: Some(ArchiveState::Missing("x".to_owned())),
            ..Record::new("1", "main", "l", "/out".into(), 5)
        };
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.contains(r#""archive":{"state":"missing","why":"x"}"#), "{text}");
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }
}
