//! Getting everything from the server, by the replication protocol.
//!
//! The server sends archives: one for each tablespace, and last that of the
//! data directory, whose last file is `pg_control`. What is in them goes
//! through the same frames as what is read from a disk.

use std::{
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use hayloft_plugin_api::{Error, ErrorKind, Result};
use hayloft_postgres::{
    conninfo::Environment,
    replication::{
        BackupEvent, BaseBackup, BaseBackupOptions, ReplicationConnection, ReplicationError,
    },
    server::{self, BackupStopped},
    wal::{Lsn, SegmentName, SegmentSize, TimelineId},
};

use super::{
    DamagedFile,
    pipeline::Feed,
    session::{Ended, failed},
    tar::{self, Header},
    worker::Content,
};
use crate::{
    config::Server,
    manifest::{Blocks, Directory, Entry, File, Kind, Tablespace},
    probe::{self, Way},
};

/// More than a backup label has, in bytes.
const MOST_LABEL: u64 = 1 << 20;

/// Opens a connection that a base backup can be asked of.
///
/// # Errors
///
/// If the server cannot be reached.
pub(super) fn connect(server: &Server) -> Result<ReplicationConnection> {
    let conninfo = probe::conninfo(server, Way::Streaming)?;
    let target = conninfo.resolve(&Environment::of_process()).map_err(|e| failed(&e))?;
    ReplicationConnection::open(&target).map_err(|e| failed(&e))
}

/// Returns what is asked for.
pub(super) fn options(label: &str, fast: bool, max_rate: Option<u64>) -> BaseBackupOptions {
    let rate = max_rate.and_then(|it| u32::try_from(it / 1024).ok());
    BaseBackupOptions {
        label: label.to_owned(),
        fast_checkpoint: fast,
        progress: false,
        wait: false,
        tablespace_map: true,
        manifest: None,
        max_rate: rate.map(|it| it.clamp(32, 1_048_576)),
        ..BaseBackupOptions::default()
    }
}

/// A base backup that comes in.
pub(super) struct Incoming<'a> {
    backup: BaseBackup<'a>,
    /// What came and is not used up.
    current: Option<(BackupEvent, usize)>,
    /// Why no more comes.
    broken: Option<Error>,
    spaces: &'a [server::Tablespace],
    label: Vec<u8>,
    /// Files with damaged pages, in the words of the server.
    pub(super) damaged: Vec<DamagedFile>,
}

impl<'a> Incoming<'a> {
    /// Begins.
    pub(super) fn new(backup: BaseBackup<'a>, spaces: &'a [server::Tablespace]) -> Self {
        Self { backup, current: None, broken: None, spaces, label: Vec::new(), damaged: Vec::new() }
    }

    /// Waits until the server has begun, and returns where.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub(super) fn start(&mut self) -> Result<(Lsn, TimelineId)> {
        match self.event()? {
            Some(BackupEvent::Start { position, timeline }) => Ok((position, timeline)),
            _ => Err(unexpected()),
        }
    }

    /// Takes everything.
    ///
    /// # Errors
    ///
    /// What the server says, and if the backup has failed.
    pub(super) fn feed(
        &mut self,
        feed: &mut Feed<'_>,
        (begin, begun_on, size): (Lsn, TimelineId, SegmentSize),
    ) -> Result<Ended> {
        loop {
            match self.event()? {
                Some(BackupEvent::Archive { name, tablespace }) => {
                    let below = self.begin_archive(feed, &name, tablespace)?;
                    self.archive(feed, &below)?;
                }
                Some(BackupEvent::End { position, timeline }) => {
                    // Damaged pages are told behind it.
                    while self.event()?.is_some() {}
                    return Ok(Ended {
                        stopped: BackupStopped {
                            lsn: position,
                            timeline,
                            at: 0.0,
                            label: std::mem::take(&mut self.label),
                            tablespace_map: Vec::new(),
                        },
                        timeline: begun_on,
                        first: SegmentName::containing(begin, begun_on, size),
                        last: SegmentName::ending_at(position, begun_on, size),
                    });
                }
                Some(BackupEvent::Data(_)) | None => return Err(unexpected()),
                Some(_) => {}
            }
        }
    }

    /// Returns below which path the files of an archive are.
    fn begin_archive(
        &self,
        feed: &mut Feed<'_>,
        name: &str,
        tablespace: Option<PathBuf>,
    ) -> Result<PathBuf> {
        let Some(path) = tablespace else {
            let root = Directory { path: PathBuf::new().into(), mode: 0o700 };
            feed.add(Entry::Directory(root))?;
            return Ok(PathBuf::new());
        };
        let oid: u32 =
            name.split('.').next().and_then(|it| it.parse().ok()).ok_or_else(unexpected)?;
        let space = self.spaces.iter().find(|it| it.oid == oid);
        let name = space.map(|it| it.name.clone()).unwrap_or_default();
        // Its link needs a directory, which the archive that comes last has.
        let links = Directory { path: "pg_tblspc".into(), mode: 0o700 };
        feed.add(Entry::Directory(links))?;
        feed.add(Entry::Tablespace(Tablespace { oid, name, path: path.into(), mode: 0o700 }))?;
        Ok(PathBuf::from(format!("pg_tblspc/{oid}")))
    }

    fn archive(&mut self, feed: &mut Feed<'_>, below: &Path) -> Result<()> {
        let about = |e: io::Error, this: &mut Self| this.broken.take().unwrap_or_else(|| e.into());
        loop {
            let header = match tar::next(self) {
                Ok(Some(header)) => header,
                Ok(None) => break,
                Err(e) => return Err(about(e, self)),
            };
            match header.kind {
                tar::Kind::Directory => {
                    let path = placed(below, &header.name)?;
                    if path != below {
                        let mode = header.mode;
                        feed.add(Entry::Directory(Directory { path: path.into(), mode }))?;
                    }
                }
                tar::Kind::File => self.file(feed, &placed(below, &header.name)?, &header)?,
                // Links of tablespaces: those are known.
                tar::Kind::Link => {}
            }
        }
        // What pads the archive.
        io::copy(self, &mut io::sink()).map_err(|e| about(e, self))?;
        Ok(())
    }

    fn file(&mut self, feed: &mut Feed<'_>, path: &Path, header: &Header) -> Result<()> {
        let file = File {
            path: path.to_owned().into(),
            kind: Kind::Data,
            mode: header.mode,
            modified: header.modified,
            size: header.size,
            frames: Vec::new(),
            blocks: Blocks::default(),
            damaged: Vec::new(),
        };
        if path == Path::new("backup_label") && header.size <= MOST_LABEL {
            let mut content = Vec::new();
            self.by_ref().take(header.size).read_to_end(&mut content)?;
            feed.bytes(file, &content)?;
            self.label = content;
        } else {
            feed.file(&file, None, |_, length| {
                let mut content = vec![0; length];
                match self.read_exact(&mut content) {
                    Ok(()) => Ok(Content::Bytes(content)),
                    Err(e) => Err(self.broken.take().unwrap_or_else(|| e.into())),
                }
            })?;
        }
        let padding = tar::padding(header.size);
        io::copy(&mut self.by_ref().take(padding), &mut io::sink())?;
        Ok(())
    }

    fn event(&mut self) -> Result<Option<BackupEvent>> {
        if let Some((event, _)) = self.current.take() {
            return Ok(Some(event));
        }
        match self.backup.next() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(ReplicationError::Damaged { files, message })) => {
                let files = if files.is_empty() { vec![message.message.clone()] } else { files };
                let damaged = files.into_iter().map(|path| DamagedFile { path, pages: Vec::new() });
                self.damaged.extend(damaged);
                Ok(None)
            }
            Some(Err(error)) => Err(failed(&error)),
        }
    }
}

/// The bytes of one archive.
impl Read for Incoming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match &mut self.current {
                Some((BackupEvent::Data(bytes), given)) => {
                    let rest = bytes.get(*given..).unwrap_or_default();
                    if !rest.is_empty() {
                        let read = rest.len().min(buffer.len());
                        buffer[..read].copy_from_slice(&rest[..read]);
                        *given += read;
                        return Ok(read);
                    }
                    self.current = None;
                }
                Some((BackupEvent::Progress(_), _)) => self.current = None,
                // The next thing comes: this archive has ended.
                Some(_) => return Ok(0),
                None => match self.event() {
                    Ok(Some(event)) => self.current = Some((event, 0)),
                    Ok(None) => return Ok(0),
                    Err(error) => {
                        self.broken = Some(error);
                        return Err(io::Error::other("the server sends no more"));
                    }
                },
            }
        }
    }
}

/// Returns the path of a member, whose name may begin with `./`.
fn placed(below: &Path, name: &str) -> Result<PathBuf> {
    let mut path = below.to_owned();
    for component in Path::new(name).components() {
        match component {
            Component::CurDir => {}
            Component::Normal(name) => path.push(name),
            _ => {
                let message = format!("the server sent `{name}`, which leads elsewhere");
                return Err(Error::new(ErrorKind::CORRUPT, message));
            }
        }
    }
    Ok(path)
}

fn unexpected() -> Error {
    Error::new(ErrorKind::CORRUPT, "the server sent something else than a base backup")
}
