//! From messages to what happens in a base backup: a pure state machine.

use std::{collections::VecDeque, path::PathBuf};

use bytes::Bytes;

use super::super::protocol::{BackupMessage, Malformed, Message, Row};
use crate::wal::{Lsn, TimelineId};

/// What happens in a base backup, in this order: start, tablespaces, each
/// archive with its data, the manifest with its data, end. Progress comes in
/// between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupEvent {
    /// It has begun: WAL from here on is needed to restore it.
    Start {
        /// Where.
        position: Lsn,
        /// On which timeline.
        timeline: TimelineId,
    },
    /// What it consists of.
    Tablespaces(Vec<Tablespace>),
    /// An archive (tar, perhaps compressed) begins; the one before is whole.
    Archive {
        /// The name of its file, such as `base.tar`, `16384.tar.zst`: safe to
        /// be made in a directory.
        name: String,
        /// The directory of the tablespace; `None` is the data directory.
        tablespace: Option<PathBuf>,
    },
    /// Content of the archive.
    Data(Bytes),
    /// The manifest begins; the last archive is whole.
    Manifest,
    /// Content of the manifest.
    ManifestData(Bytes),
    /// How many bytes of the cluster have been read, before compression.
    Progress(u64),
    /// It is complete: WAL up to here is needed to restore it.
    End {
        /// Where.
        position: Lsn,
        /// On which timeline.
        timeline: TimelineId,
    },
}

/// One part of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tablespace {
    /// Its number; `None` is the data directory.
    pub oid: Option<u32>,
    /// Its directory; `None` is the data directory.
    pub path: Option<PathBuf>,
    /// About how large it is, in bytes, if progress was asked for.
    pub size: Option<u64>,
}

/// What ends a tar archive, and what servers before 15 leave away.
const TAR_END: &[u8] = &[0; 1024];
/// How often progress is told for servers that do not tell it, in bytes.
const STEP: u64 = 64 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Tablespaces,
    /// Between the parts; how many archives have begun (before 15).
    Between(usize),
    /// All in one copy (from 15 on); whether the manifest has begun.
    Parts {
        manifest: bool,
    },
    /// A copy of its own (before 15).
    Archive(usize),
    Manifest,
    End,
    Done,
}

/// Follows a base backup.
#[derive(Debug)]
pub(in super::super) struct Follower {
    state: State,
    /// Whether each archive is a copy of its own: 13 and 14.
    separate: bool,
    tablespaces: Vec<Tablespace>,
    bytes: u64,
    told: u64,
    pub(in super::super) events: VecDeque<BackupEvent>,
}

impl Follower {
    pub(in super::super) fn new(major: u32) -> Self {
        Self {
            state: State::Start,
            separate: major < 15,
            tablespaces: Vec::new(),
            bytes: 0,
            told: 0,
            events: VecDeque::new(),
        }
    }

    /// Tells whether data flows: between the first archive and the last byte.
    pub(in super::super) fn flows(&self) -> bool {
        !matches!(self.state, State::Start | State::Tablespaces | State::End | State::Done)
    }

    /// Tells whether the end position was told.
    pub(in super::super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes a message; what it means is put into `events`. Errors of the
    /// server and its readiness are not for this.
    pub(in super::super) fn take(&mut self, message: Message) -> Result<(), Malformed> {
        let unexpected = |what| Err(Malformed::Unexpected { tag: 0, what });
        match (self.state, message) {
            (State::Parts { manifest }, Message::CopyData(body)) => self.part(manifest, body)?,
            (State::Archive(_), Message::CopyData(data)) => self.data(data),
            (State::Manifest, Message::CopyData(data)) => {
                self.events.push_back(BackupEvent::ManifestData(data));
            }
            (State::Start, Message::Row(row)) => {
                let (position, timeline) = place(&row)?;
                self.events.push_back(BackupEvent::Start { position, timeline });
                self.state = State::Tablespaces;
            }
            (State::Tablespaces, Message::Row(row)) => self.tablespaces.push(tablespace(&row)?),
            (State::Tablespaces, Message::CopyOut) => {
                let all = self.tablespaces.clone();
                self.events.push_back(BackupEvent::Tablespaces(all));
                self.begin_copy(0)?;
            }
            (State::Between(begun), Message::CopyOut) => self.begin_copy(begun)?,
            (State::Parts { .. } | State::Manifest, Message::CopyDone) => self.state = State::End,
            (State::Archive(number), Message::CopyDone) => {
                self.data(Bytes::from_static(TAR_END));
                self.events.push_back(BackupEvent::Progress(self.bytes));
                self.state = State::Between(number + 1);
            }
            (State::Between(_) | State::End, Message::Row(row)) => {
                let (position, timeline) = place(&row)?;
                self.events.push_back(BackupEvent::End { position, timeline });
                self.state = State::Done;
            }
            // They separate the answers, and say nothing.
            (_, Message::Description | Message::Complete) => {}
            (State::Start, _) => return unexpected("the start of a base backup"),
            (State::Tablespaces, _) => return unexpected("the list of tablespaces"),
            (State::End, _) => return unexpected("the end of a base backup"),
            _ => return unexpected("the data of a base backup"),
        }
        Ok(())
    }

    /// A part of the one copy of 15 and later.
    fn part(&mut self, manifest: bool, body: Bytes) -> Result<(), Malformed> {
        self.events.push_back(match BackupMessage::parse(body)? {
            BackupMessage::Data(data) if manifest => BackupEvent::ManifestData(data),
            BackupMessage::Data(data) => BackupEvent::Data(data),
            BackupMessage::Progress(bytes) => BackupEvent::Progress(bytes),
            BackupMessage::Manifest => {
                self.state = State::Parts { manifest: true };
                BackupEvent::Manifest
            }
            BackupMessage::Archive { name, tablespace } => {
                self.state = State::Parts { manifest: false };
                BackupEvent::Archive { name, tablespace }
            }
        });
        Ok(())
    }

    /// Before 15 the order of the list is that of the copies; the manifest
    /// comes behind them. From 15 on there is one copy, which tells.
    fn begin_copy(&mut self, begun: usize) -> Result<(), Malformed> {
        if !self.separate {
            self.state = State::Parts { manifest: false };
            return Ok(());
        }
        self.state = match self.tablespaces.get(begun) {
            Some(Tablespace { oid, path, .. }) => {
                let name = oid.map_or_else(|| "base.tar".to_owned(), |it| format!("{it}.tar"));
                self.events.push_back(BackupEvent::Archive { name, tablespace: path.clone() });
                State::Archive(begun)
            }
            None if begun == self.tablespaces.len() => {
                self.events.push_back(BackupEvent::Manifest);
                State::Manifest
            }
            None => {
                let what = "no more archives than tablespaces";
                return Err(Malformed::Unexpected { tag: b'H', what });
            }
        };
        Ok(())
    }

    fn data(&mut self, data: Bytes) {
        self.bytes += data.len() as u64;
        self.events.push_back(BackupEvent::Data(data));
        if self.bytes - self.told >= STEP {
            self.told = self.bytes;
            self.events.push_back(BackupEvent::Progress(self.bytes));
        }
    }
}

fn place(row: &Row) -> Result<(Lsn, TimelineId), Malformed> {
    Ok((row.need(0, "a position")?, row.need(1, "a timeline")?))
}

/// The server gives sizes in kB.
fn tablespace(row: &Row) -> Result<Tablespace, Malformed> {
    let size: Option<u64> = row.get(2, "the size of a tablespace")?;
    let path = row.bytes(1).map_or(&b""[..], |it| it);
    Ok(Tablespace {
        oid: row.get(0, "the number of a tablespace")?,
        path: super::super::protocol::path_of(path),
        size: size.and_then(|it| it.checked_mul(1024)),
    })
}
