//! Files that need more than their content: the configuration, and what
//! decides whether a server starts.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, ErrorKind, Result};

use super::{
    settings::{self, Fetching},
    target::Target,
    tree::Tree,
};
use crate::manifest::{File, Kind};

/// The file that a server cannot be started without.
pub(super) const CONTROL: &str = "global/pg_control";
const MAIN: &str = "postgresql.conf";
const AUTOMATIC: &str = "postgresql.auto.conf";
/// What tells a server to recover.
const SIGNAL: &str = "recovery.signal";
/// Links of tablespaces are made by us, and must stay as they are.
const MAP: &str = "tablespace_map";

/// It would make a standby of what is restored, which never ends its recovery.
const STANDBY: &str = "standby.signal";
/// What an old release left. A server does not start where one is.
const OLD: &str = "recovery.conf";

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    /// It is restored as it is.
    Not,
    /// It is read, and written at the end.
    Kept,
    /// It is not restored.
    Dropped,
}

impl Special {
    /// Decides.
    pub(super) fn of(file: &File) -> Self {
        match (file.kind, file.path.path().to_str()) {
            (Kind::Data, Some(MAP | STANDBY | SIGNAL | OLD)) => Self::Dropped,
            (Kind::Data, Some(CONTROL | MAIN | AUTOMATIC)) => Self::Kept,
            (Kind::Data, _) => Self::Not,
            _ => Self::Kept,
        }
    }
}

/// What is written at the end.
#[derive(Debug, Default)]
pub(super) struct Small {
    /// Files of the data directory, by their paths.
    data: BTreeMap<PathBuf, (u32, Vec<u8>)>,
    /// Files of the configuration that lay elsewhere.
    outside: Vec<(File, Vec<u8>)>,
}

impl Small {
    /// Keeps a file.
    pub(super) fn keep(&mut self, file: &File, content: Vec<u8>) {
        if file.kind == Kind::Data {
            self.data.insert(file.path.path().to_owned(), (file.mode, content));
        } else {
            self.outside.push((file.clone(), content));
        }
    }

    /// Writes the configuration; returns what the administrator must know.
    ///
    /// # Errors
    ///
    /// If it cannot be edited or written.
    pub(super) fn configure(
        &self,
        tree: &mut Tree,
        (target, fetching): (&Target, &Fetching),
        moved: bool,
    ) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        let main = self.data.get(Path::new(MAIN));
        let main = main.cloned().or_else(|| self.outer(Kind::Configuration));
        if let Some((mode, content)) = main {
            // One that lay elsewhere names files that lie beside it here.
            let moved = moved || !self.data.contains_key(Path::new(MAIN));
            let (content, told) = settings::main_file(&content, moved)?;
            warnings.extend(told);
            tree.write_small(Path::new(MAIN), mode, &content)?;
        } else {
            warnings.push(
                "the backup has no postgresql.conf: it lay outside the data directory, where the \
                 method `stream` cannot read it; write one before the server is started"
                    .to_owned(),
            );
        }
        for (kind, name) in [(Kind::Hba, "pg_hba.conf"), (Kind::Ident, "pg_ident.conf")] {
            if let Some((mode, content)) = self.outer(kind) {
                tree.write_small(Path::new(name), mode, &content)?;
            }
        }
        self.included(tree, &mut warnings)?;
        let (mode, content) = match self.data.get(Path::new(AUTOMATIC)) {
            Some((mode, content)) => (*mode, content.clone()),
            None => (0o600, Vec::new()),
        };
        let command = fetching.command()?;
        let (content, told) = settings::automatic_file(&content, target, &command)?;
        warnings.extend(told);
        tree.write_small(Path::new(AUTOMATIC), mode, &content)?;
        tree.write_small(Path::new(SIGNAL), 0o600, b"")?;
        warnings.sort();
        warnings.dedup();
        Ok(warnings)
    }

    fn outer(&self, kind: Kind) -> Option<(u32, Vec<u8>)> {
        let found = self.outside.iter().find(|it| it.0.kind == kind);
        found.map(|(file, content)| (file.mode, content.clone()))
    }

    /// Included files keep their places beside the file that includes them.
    fn included(&self, tree: &mut Tree, warnings: &mut Vec<String>) -> Result<()> {
        let main = self.outside.iter().find(|it| it.0.kind == Kind::Configuration);
        let root = main.and_then(|it| it.0.path.path().parent());
        for (file, content) in self.outside.iter().filter(|it| it.0.kind == Kind::Included) {
            let path = file.path.path();
            let below = root.and_then(|root| path.strip_prefix(root).ok());
            let Some(below) = below.filter(|it| *it != Path::new(AUTOMATIC)) else {
                warnings.push(format!(
                    "{} is included from elsewhere: it was not restored",
                    path.display()
                ));
                continue;
            };
            tree.directories_of(below)?;
            tree.write_small(below, file.mode, content)?;
        }
        Ok(())
    }

    /// Writes what makes it a cluster that can be started.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot be written.
    pub(super) fn control(&self, tree: &mut Tree) -> Result<()> {
        let missing = || Error::new(ErrorKind::CORRUPT, format!("the backup has no {CONTROL}"));
        let (mode, content) = self.data.get(Path::new(CONTROL)).ok_or_else(missing)?;
        tree.write_small(Path::new(CONTROL), *mode, content)
    }
}
