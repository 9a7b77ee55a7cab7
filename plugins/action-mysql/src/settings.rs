//! What is to be dumped, and how.

use std::{path::PathBuf, time::Duration};

use hayloft_plugin_api::config::SecretSource;

/// Which server, and as whom. Whatever is `None` is the programs' to find.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Connection {
    /// The user.
    pub user: Option<String>,
    /// Where the password comes from.
    pub password: SecretSource,
    /// The host.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The path of the socket.
    pub socket: Option<String>,
    /// An option file that is read besides.
    pub options_file: Option<PathBuf>,
}

/// What a dump has in it besides tables and views. What is not set is dumped
/// where the user may read it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extras {
    /// Stored procedures and functions.
    pub routines: Option<bool>,
    /// Events.
    pub events: Option<bool>,
    /// Triggers.
    pub triggers: Option<bool>,
}

/// Which databases are dumped, and into what files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// All, into one file, as Cedar Backup does it.
    AllInOne,
    /// All but these, each into a file of its own.
    AllBut(Vec<String>),
    /// These, each into a file of its own, in this order.
    Named(Vec<String>),
}

impl Default for Which {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

/// The `<mysql>` section, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Which server, and as whom.
    pub connection: Connection,
    /// The compressor's name.
    pub compress: String,
    /// Which databases.
    pub which: Which,
    /// Whether each dump is one transaction, without locks.
    pub single_transaction: bool,
    /// Whether the server begins new log files.
    pub flush_logs: bool,
    /// What a dump has in it besides tables.
    pub extras: Extras,
    /// How many databases are dumped at once.
    pub parallel: Option<u32>,
    /// The time that one dump may take.
    pub timeout: Option<Duration>,
    /// Further arguments of the dump program.
    pub arguments: Vec<String>,
}
