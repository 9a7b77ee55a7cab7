//! What a directory is: a cluster, half of one, or something else.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{control_file::ControlFile, error::ClusterError, small_file};
use crate::version::ServerVersion;

/// A data directory with a whole cluster in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDirectory {
    /// Free of links.
    pub path: PathBuf,
    /// The owner, under whom the server runs.
    pub uid: u32,
    /// The owner's group.
    pub gid: u32,
    /// The mode's lower bits.
    pub mode: u32,
    /// The major version.
    pub version: ServerVersion,
    /// `pg_control`.
    pub control: ControlFile,
    // Invariant: device and inode of `path`.
    pub(super) id: (u64, u64),
}

impl DataDirectory {
    /// Tells whether the owner's group may read the cluster.
    pub fn is_group_readable(&self) -> bool {
        self.mode & 0o040 != 0
    }

    /// Reads `pg_control` again.
    ///
    /// # Errors
    ///
    /// [`ClusterError::Io`].
    pub fn control_now(&self) -> Result<ControlFile, ClusterError> {
        ControlFile::read(&self.path).map_err(ClusterError::io("read pg_control of", &self.path))
    }
}

/// What there is under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directory {
    /// Nothing.
    Missing,
    /// An empty directory.
    Empty,
    /// Something else than a cluster.
    NotACluster {
        /// What tells that.
        reason: String,
    },
    /// A cluster that was never finished: `initdb` was killed.
    HalfInitialised {
        /// What is missing.
        reason: String,
    },
    /// A cluster.
    Cluster(DataDirectory),
}

impl Directory {
    /// Looks at a directory.
    ///
    /// `PG_VERSION` alone says nothing: `initdb` writes it first. A cluster
    /// has a `pg_control` whose checksum is right, and besides `template1`,
    /// which is made first, another database; one on which no server ever ran,
    /// and which is no backup, has the two that `initdb` makes after it.
    ///
    /// # Errors
    ///
    /// [`ClusterError::Io`]; among them that we may not look into it.
    pub fn inspect(path: &Path) -> Result<Self, ClusterError> {
        let look = |it| ClusterError::io("look into", it);
        let meta = match fs::metadata(path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(if fs::symlink_metadata(path).is_ok() {
                    Self::NotACluster { reason: "it is a link that leads nowhere".into() }
                } else {
                    Self::Missing
                });
            }
            Err(error) => return Err(look(path)(error)),
        };
        if !meta.is_dir() {
            return Ok(Self::NotACluster { reason: "it is no directory".into() });
        }
        let data = path.canonicalize().map_err(look(path))?;
        if fs::read_dir(&data).map_err(look(path))?.next().is_none() {
            return Ok(Self::Empty);
        }
        let version = match small_file::read(&data.join("PG_VERSION")) {
            Ok(text) => ServerVersion::parse(&String::from_utf8_lossy(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::NotACluster { reason: "it has no PG_VERSION".into() });
            }
            Err(error) => return Err(look(&data.join("PG_VERSION"))(error)),
        };
        let Some(version) = version else {
            return Ok(Self::NotACluster { reason: "its PG_VERSION holds no version".into() });
        };
        let control = match whole_control(&data) {
            Ok(control) => control,
            Err(Incomplete::Reason(reason)) => return Ok(Self::HalfInitialised { reason }),
            Err(Incomplete::Io(error)) => return Err(look(&data)(error)),
        };
        Ok(Self::Cluster(DataDirectory {
            uid: meta.uid(),
            gid: meta.gid(),
            mode: meta.mode() & 0o7777,
            id: (meta.dev(), meta.ino()),
            path: data,
            version,
            control,
        }))
    }

    /// Looks at a directory that must be a cluster.
    ///
    /// # Errors
    ///
    /// [`ClusterError::Missing`], [`ClusterError::NotACluster`],
    /// [`ClusterError::HalfInitialised`], [`ClusterError::Io`].
    pub fn open(path: &Path) -> Result<DataDirectory, ClusterError> {
        let data = path.to_owned();
        match Self::inspect(path)? {
            Self::Cluster(it) => Ok(it),
            Self::Missing => Err(ClusterError::Missing { data }),
            Self::Empty => Err(ClusterError::NotACluster { data, reason: "it is empty".into() }),
            Self::NotACluster { reason } => Err(ClusterError::NotACluster { data, reason }),
            Self::HalfInitialised { reason } => Err(ClusterError::HalfInitialised { data, reason }),
        }
    }
}

enum Incomplete {
    Reason(String),
    Io(io::Error),
}

fn whole_control(data: &Path) -> Result<ControlFile, Incomplete> {
    let control = match ControlFile::read(data) {
        Ok(control) => control,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Incomplete::Reason("it has no global/pg_control".into()));
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(Incomplete::Reason(format!("global/pg_control: {error}")));
        }
        Err(error) => return Err(Incomplete::Io(error)),
    };
    let bases = match fs::read_dir(data.join("base")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Incomplete::Reason("it has no base".into()));
        }
        Err(error) => return Err(Incomplete::Io(error)),
    };
    let whole = bases.flatten().filter(|it| it.path().join("PG_VERSION").exists()).count();
    if whole < 2 {
        return Err(Incomplete::Reason("it has no databases yet".into()));
    }
    if whole < 3 && !has_lived(data) {
        return Err(Incomplete::Reason("it has not all databases yet".into()));
    }
    Ok(control)
}

/// Tells whether a server ever ran here, or on what this is a copy of: then
/// somebody may have dropped databases.
fn has_lived(data: &Path) -> bool {
    let traces = ["postmaster.opts", "backup_label", "backup_label.old", "backup_manifest"];
    traces.iter().any(|it| data.join(it).exists())
}
