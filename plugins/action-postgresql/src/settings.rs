//! What is to be dumped, and how.

use std::{path::PathBuf, time::Duration};

/// The format of a database's dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Format {
    /// SQL text, for `psql`; Cedar Backup's only one.
    #[default]
    Plain,
    /// One compressed file, for `pg_restore`.
    Custom,
    /// A directory, written by several jobs at once, packed into one tar file.
    Directory,
}

impl Format {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Custom, Self::Directory];

    /// Returns `pg_dump`'s name of it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Custom => "custom",
            Self::Directory => "directory",
        }
    }

    /// Returns the extension of a file of that format.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Plain => "txt",
            Self::Custom => "dump",
            Self::Directory => "dir.tar",
        }
    }
}

/// Which server, and as whom. Whatever is `None` is libpq's to find.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Connection {
    /// The host, or the directory of the socket.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The role.
    pub user: Option<String>,
    /// A service of `pg_service.conf`.
    pub service: Option<String>,
    /// A file with the password, or in the format of `~/.pgpass`.
    pub password_file: Option<PathBuf>,
}

/// What is left out of, or alone put into, each database's dump: `pg_dump`'s
/// patterns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Only these schemas.
    pub schemas: Vec<String>,
    /// Not these schemas.
    pub exclude_schemas: Vec<String>,
    /// Only these tables.
    pub tables: Vec<String>,
    /// Not these tables.
    pub exclude_tables: Vec<String>,
    /// These tables without their rows.
    pub exclude_table_data: Vec<String>,
}

impl Selection {
    /// Tells whether everything is dumped.
    pub(crate) fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// The `<postgresql>` section, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Which server, and as whom.
    pub connection: Connection,
    /// The compressor's name.
    pub compress: String,
    /// Whether all databases are dumped; otherwise `databases`.
    pub all: bool,
    /// The databases, in the order of the file.
    pub databases: Vec<String>,
    /// Databases that are left out of all.
    pub exclude: Vec<String>,
    /// The format of each database's dump.
    pub format: Format,
    /// How many tables of one database are dumped at once.
    pub jobs: Option<u32>,
    /// How many databases are dumped at once.
    pub parallel: Option<u32>,
    /// Whether roles and tablespaces are dumped into a file of their own.
    pub globals: Option<bool>,
    /// What of each database.
    pub selection: Selection,
    /// The time that one dump may take.
    pub timeout: Option<Duration>,
    /// Further arguments of the dump program.
    pub arguments: Vec<String>,
}

impl Settings {
    /// Tells whether one `pg_dumpall` does it all, as with Cedar Backup.
    pub(crate) fn is_one_file(&self) -> bool {
        self.all
            && self.format == Format::Plain
            && self.exclude.is_empty()
            && self.selection.is_everything()
            && self.globals.is_none()
    }

    /// Tells whether roles and tablespaces get a file of their own: as
    /// configured, and otherwise wherever Cedar Backup would not have put
    /// them into a file or left them out.
    pub(crate) fn has_globals_file(&self) -> bool {
        !self.is_one_file() && self.globals.unwrap_or(self.all || self.format != Format::Plain)
    }
}
