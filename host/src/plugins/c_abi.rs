//! Plugins that speak the C header, `plugin-api/include/hayloft_plugin.h`.
//!
//! What they offer is wrapped into the same objects as everything else, so
//! nobody beyond this module knows in what language a plugin is written.

mod codec;
mod hook;
mod host;
mod storage;
mod table;
mod text;

use std::ffi::CString;

use hayloft_plugin_api::{
    Diagnostic, Error, ErrorKind, Node, Result,
    abi::{HookBox, StorageBox, TransformBox},
    meta::Metadata,
};

use self::table::{Table, read_table};
use super::problem::Problem;

pub(super) use self::table::Entry;

/// A plugin that speaks the C header, and has been started.
pub(super) struct CPlugin {
    table: Table,
}

impl CPlugin {
    /// Asks the entry for the table, checks that it has what the metadata
    /// promises, and starts the plugin. It is kept for the life of the process.
    ///
    /// # Errors
    ///
    /// What is wrong with the table, or why the plugin does not start.
    pub(super) fn start(entry: Entry, plugin: &Metadata) -> Result<&'static Self, Problem> {
        let table = read_table(entry)?;
        for provided in &plugin.provides {
            if let Some(function) = table.missing_for(&provided.kind) {
                return Err(Problem::MissingFunction { kind: provided.kind.clone(), function });
            }
        }
        table.initialise().map_err(|error| Problem::Initialise(error.to_string()))?;
        Ok(Box::leak(Box::new(Self { table })))
    }

    /// Wraps a compressor or encryptor.
    ///
    /// # Errors
    ///
    /// A configuration that cannot be passed on.
    pub(super) fn transform(
        &'static self,
        kind: &str,
        name: &str,
        node: &Node,
    ) -> Result<TransformBox> {
        Ok(codec::transform(&self.table, Subject::new(kind, name, node)?))
    }

    /// Opens a storage.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    pub(super) fn storage(&'static self, name: &str, node: &Node) -> Result<StorageBox> {
        storage::open(&self.table, &Subject::new("storage", name, node)?)
    }

    /// Opens a hook.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    pub(super) fn hook(&'static self, name: &str, node: &Node) -> Result<HookBox> {
        hook::open(&self.table, &Subject::new("hook", name, node)?)
    }

    /// Returns what is wrong with a configuration.
    pub(super) fn check(&self, kind: &str, name: &str, node: &Node) -> Vec<Diagnostic> {
        let found = Subject::new(kind, name, node).and_then(|it| self.table.check(&it));
        let Err(error) = found else { return Vec::new() };
        let mut diagnostic =
            Diagnostic::error(node.position, node.name.as_str(), error.to_string());
        diagnostic.help = error.remedy().map(ToOwned::to_owned);
        vec![diagnostic]
    }
}

/// What is to be opened, in the form that C wants.
struct Subject {
    kind: CString,
    name: CString,
    config: CString,
}

impl Subject {
    fn new(kind: &str, name: &str, node: &Node) -> Result<Self> {
        let c_string = |text: String| {
            CString::new(text).map_err(|_| {
                let message = format!("<{}> contains a NUL character", node.name);
                Error::new(ErrorKind::CONFIGURATION, message)
            })
        };
        Ok(Self {
            kind: c_string(kind.to_owned())?,
            name: c_string(name.to_owned())?,
            config: c_string(text::flatten(node))?,
        })
    }
}

/// Passes a name to C that was checked for control characters before.
fn c_name(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::msg(format!("{text:?} contains a NUL character")))
}

impl std::fmt::Debug for CPlugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CPlugin").finish_non_exhaustive()
    }
}
