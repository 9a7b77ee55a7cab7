//! What can go wrong with receiving.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::{
    error::{ErrorKind, Failure},
    replication::ReplicationError,
    wal::{Lsn, SegmentSize, TimelineId, WalError},
};

/// Why receiving ended, or has to begin again.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The directory, or a file in it, cannot be used.
    #[error("cannot {action} {}", path.display())]
    Directory {
        /// What was to be done.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file in the directory is not what its name says.
    #[error("{} has {found} bytes, and segments of this server have {size}", path.display())]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        found: u64,
        /// The bytes of a segment.
        size: u64,
    },
    /// There is another history of the same timeline already.
    #[error("the server has another history of timeline {timeline} than {}", path.display())]
    OtherHistory {
        /// The timeline.
        timeline: TimelineId,
        /// The file that is there.
        path: PathBuf,
    },
    /// It is another cluster than before.
    #[error("the server's system identifier is {found}, and WAL was received from {expected}")]
    OtherCluster {
        /// That of the WAL that is there.
        expected: u64,
        /// That of the server.
        found: u64,
    },
    /// The server has not got as far as what was received.
    #[error(
        "the server is at {server} of timeline {server_timeline}, before {position} of timeline \
         {timeline}, up to where WAL was received"
    )]
    ServerBehind {
        /// The timeline that was received.
        timeline: TimelineId,
        /// Where the next byte would be.
        position: Lsn,
        /// The server's timeline.
        server_timeline: TimelineId,
        /// Where it is.
        server: Lsn,
    },
    /// The server's timeline does not come from the one that was received.
    #[error(
        "the server is on timeline {server_timeline}, whose history does not have timeline \
         {timeline}, of which WAL was received"
    )]
    NotItsHistory {
        /// The timeline that was received.
        timeline: TimelineId,
        /// The server's timeline.
        server_timeline: TimelineId,
    },
    /// The server shuts down.
    #[error("the server shuts down")]
    ServerStopped,
    /// What the server says of its WAL cannot be right.
    #[error(transparent)]
    Wal(#[from] WalError),
    /// Something about replication.
    #[error(transparent)]
    Replication(#[from] ReplicationError),
    /// Somebody asked for an end.
    #[error("it was cancelled")]
    Cancelled,
}

impl ReceiveError {
    /// Makes an error about a file or directory.
    pub(super) fn directory(
        action: &'static str,
        path: impl Into<PathBuf>,
        source: io::Error,
    ) -> Self {
        Self::Directory { action, path: path.into(), source }
    }

    pub(super) fn wrong_size(path: PathBuf, found: u64, size: SegmentSize) -> Self {
        Self::WrongSize { path, found, size: size.bytes() }
    }

    /// Tells whether it may pass without anybody changing a configuration: a
    /// server that is away, a disk that is full.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Directory { source, .. } => !matches!(
                source.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::ReadOnlyFilesystem
            ),
            Self::ServerBehind { .. } | Self::ServerStopped => true,
            Self::Replication(error) => passes(error),
            Self::WrongSize { .. }
            | Self::OtherHistory { .. }
            | Self::OtherCluster { .. }
            | Self::NotItsHistory { .. }
            | Self::Wal(_)
            | Self::Cancelled => false,
        }
    }
}

/// Tells whether what a server or the way to it refuses may pass by itself.
fn passes(error: &ReplicationError) -> bool {
    use ReplicationError as R;
    match error {
        R::Connect(error) => !matches!(
            error.kind(),
            ErrorKind::PermissionDenied
                | ErrorKind::NotFound
                | ErrorKind::BadConfiguration
                | ErrorKind::Unsupported
        ),
        // A slot that has lost WAL, most of all.
        R::Server(message) => message.code != "55000",
        R::NoRight(_)
        | R::NoSlot { .. }
        | R::SlotName { .. }
        | R::WalLevel(_)
        | R::WalRemoved { .. }
        | R::Version { .. }
        | R::Invalid { .. } => false,
        _ => true,
    }
}

impl Failure for ReceiveError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Directory { source, .. } => ErrorKind::of_io(source),
            Self::WrongSize { .. } | Self::OtherCluster { .. } | Self::OtherHistory { .. } => {
                ErrorKind::Changed
            }
            Self::ServerStopped => ErrorKind::Connection,
            Self::Wal(error) => error.kind(),
            Self::Replication(error) => error.kind(),
            Self::ServerBehind { .. } | Self::NotItsHistory { .. } | Self::Cancelled => {
                ErrorKind::Server
            }
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Directory { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "make room; nothing is lost meanwhile if a replication slot keeps the server's WAL"
            }
            Self::WrongSize { .. } => "move the file away if it is not of this server",
            Self::OtherHistory { .. } => {
                "two servers were promoted to the same timeline; keep one of them, and archive the \
                 other elsewhere"
            }
            Self::OtherCluster { .. } => {
                "is it the right server? a new cluster needs a name of its own, and an empty \
                 directory in which nothing is hidden"
            }
            Self::ServerBehind { .. } => {
                "is it an old primary, or a standby that is behind? if the server was restored \
                 from a backup without a new timeline, it needs a directory and a name of its own"
            }
            Self::NotItsHistory { .. } => {
                "is it the right server? if the timeline that was received is dead, move its files \
                 out of the directory"
            }
            Self::Replication(ReplicationError::WalRemoved { .. }) => {
                "`hayloft pg wal receive SERVER --reset` goes on after the gap; make a base backup \
                 then. A replication slot keeps the server from removing what is still needed"
            }
            Self::Replication(error) => return error.hint(),
            Self::Wal(error) => return error.hint(),
            _ => return None,
        };
        Some(text.to_owned())
    }
}
