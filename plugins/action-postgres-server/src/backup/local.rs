//! Reading the data directory of this machine.

use std::{
    fs, io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use hayloft_plugin_api::{Error, ErrorKind, Result};
use hayloft_postgres::{cluster::ControlFile, files::RelationFile};

use super::{
    pipeline::Feed,
    session::Facts,
    walk::{Found, FoundFile, Walk, mode_of},
    worker::{Content, Opened},
};
use crate::manifest::{Blocks, Entry, File, Kind, Owner};

/// The file that is read last.
const CONTROL: &str = "global/pg_control";
/// Its bytes, in every version.
const CONTROL_SIZE: usize = 8192;
/// How often it is read until its sum is right, and the pause between.
const CONTROL_TRIES: u32 = 50;
const CONTROL_PAUSE: Duration = Duration::from_millis(20);

/// A data directory of this machine.
#[derive(Debug)]
pub(super) struct Local {
    walk: Walk,
    /// Who owns it.
    pub(super) owner: Owner,
    checksums: bool,
}

impl Local {
    /// Finds it, and makes sure that it is that of the server.
    ///
    /// # Errors
    ///
    /// If it is not on this machine, or cannot be read.
    pub(super) fn open(facts: &Facts) -> Result<Self> {
        let data = PathBuf::from(&facts.data);
        let elsewhere = |e: Error| {
            e.context(format!("cannot use the data directory {}", data.display())).hint(
                "the method `local` runs on the server's machine, as its account or as root; \
                 `--method stream` works from anywhere",
            )
        };
        let control = ControlFile::read(&data).map_err(|e| elsewhere(e.into()))?;
        if control.system_identifier != facts.system_identifier {
            let message = format!("it is that of cluster {}", control.system_identifier);
            return Err(elsewhere(Error::new(ErrorKind::CONFIGURATION, message)));
        }
        let meta = fs::metadata(&data).map_err(|e| elsewhere(e.into()))?;
        let version = facts.version.major_text();
        let walk = Walk {
            data,
            version_directory: format!("PG_{version}_{}", control.catalogue_version),
            tablespaces: facts.tablespaces.iter().map(|it| (it.oid, it.name.clone())).collect(),
        };
        let owner = Owner { uid: meta.uid(), gid: meta.gid() };
        Ok(Self { walk, owner, checksums: facts.checksums })
    }

    /// Returns the directory.
    pub(super) fn data(&self) -> &Path {
        &self.walk.data
    }

    /// Returns how many bytes there are to be read, about.
    ///
    /// # Errors
    ///
    /// If it cannot be gone through.
    pub(super) fn size(&self) -> Result<u64> {
        let mut size = 0_u64;
        self.walk.run(&mut |found| {
            if let Found::File(file) = found {
                // What vanishes is not read either.
                size += fs::metadata(&file.at).map_or(0, |it| it.len());
            }
            Ok(())
        })?;
        Ok(size)
    }

    /// Reads everything.
    ///
    /// # Errors
    ///
    /// What cannot be read, and if the backup has failed.
    pub(super) fn feed(&self, feed: &mut Feed<'_>) -> Result<()> {
        self.walk.run(&mut |found| match found {
            Found::Directory(it) => feed.add(Entry::Directory(it)),
            Found::Tablespace(it) => feed.add(Entry::Tablespace(it)),
            Found::File(it) => self.file(feed, it),
        })?;
        self.control(feed)
    }

    fn file(&self, feed: &mut Feed<'_>, found: FoundFile) -> Result<()> {
        let failed = |e: io::Error| {
            let denied = e.kind() == io::ErrorKind::PermissionDenied;
            let e = Error::from(e).context(format!("cannot read {}", found.at.display()));
            if denied { e.hint("run it as the account of the server or as root") } else { e }
        };
        let opened = match fs::File::open(&found.at) {
            Ok(opened) => opened,
            // The relation was dropped; the WAL knows.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(failed(e)),
        };
        let meta = opened.metadata().map_err(failed)?;
        let opened = Arc::new(Opened { file: opened, path: found.at.clone() });
        let file = File {
            path: found.path.into(),
            kind: Kind::Data,
            mode: mode_of(&meta),
            modified: meta.mtime(),
            size: meta.len(),
            frames: Vec::new(),
            blocks: Blocks::default(),
            damaged: Vec::new(),
        };
        let first_page = found.relation.filter(|_| self.checksums).map(RelationFile::first_page);
        feed.file(&file, first_page, |start, _| {
            opened.expect_from(start);
            Ok(Content::File(Arc::clone(&opened), start))
        })
    }

    /// Reads `pg_control`, which the server may be writing, until it is whole.
    fn control(&self, feed: &mut Feed<'_>) -> Result<()> {
        let path = self.walk.data.join(CONTROL);
        let failed =
            |e: io::Error| Error::from(e).context(format!("cannot read {}", path.display()));
        let opened = fs::File::open(&path).map_err(failed)?;
        let meta = opened.metadata().map_err(failed)?;
        for _ in 0..CONTROL_TRIES {
            let mut content = vec![0; CONTROL_SIZE];
            opened.read_exact_at(&mut content, 0).map_err(failed)?;
            if ControlFile::parse(&content).is_ok() {
                let file = File {
                    path: CONTROL.into(),
                    kind: Kind::Data,
                    mode: mode_of(&meta),
                    modified: meta.mtime(),
                    size: 0,
                    frames: Vec::new(),
                    blocks: Blocks::default(),
                    damaged: Vec::new(),
                };
                return feed.bytes(file, &content);
            }
            thread::sleep(CONTROL_PAUSE);
        }
        Err(Error::new(ErrorKind::CORRUPT, format!("the checksum of {} is wrong", path.display())))
    }
}
