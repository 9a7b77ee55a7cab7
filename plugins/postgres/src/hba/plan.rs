//! A file on disk and an edited document: looked at first, then written.

use std::{os::unix::ffi::OsStrExt, path::Path};

use super::{document::Document, error::HbaError, lint::Warning, rule::Server, rules::Rules};
use crate::{
    diff::unified,
    file::Original,
    tree::{Overlay, Tree},
};

/// A file of rules on disk, as it was when it was opened.
#[derive(Debug)]
pub struct HbaFile {
    original: Original,
    server: Server,
}

impl HbaFile {
    /// Reads a file; links are followed.
    ///
    /// # Errors
    ///
    /// [`HbaError::File`].
    pub fn open(path: &Path, server: &Server) -> Result<Self, HbaError> {
        Ok(Self { original: Original::read(path)?, server: server.clone() })
    }

    /// Returns the path, free of links.
    pub fn path(&self) -> &Path {
        self.original.path()
    }

    /// Returns the content, to be edited.
    pub fn document(&self) -> Document {
        Document::parse(self.original.content(), &self.server)
    }

    /// Takes an edited document. Nothing is written.
    pub fn plan(&self, document: Document) -> Plan<'_> {
        Plan { file: self, document }
    }
}

/// An edited file that is not yet written. Dropping it is the dry run.
#[derive(Debug)]
pub struct Plan<'a> {
    file: &'a HbaFile,
    document: Document,
}

impl Plan<'_> {
    /// Returns the content as it would be.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Tells whether anything would change.
    pub fn is_change(&self) -> bool {
        self.document.to_bytes() != self.file.original.content()
    }

    /// Returns the difference in the unified format.
    pub fn diff(&self) -> Vec<u8> {
        let name = self.file.path().as_os_str().as_bytes();
        unified(name, self.file.original.content(), &self.document.to_bytes())
    }

    /// Returns all rules as they would be. `main` is the file that the server
    /// begins with, this one or one that includes it.
    ///
    /// # Errors
    ///
    /// [`HbaError::File`] if that cannot be read.
    pub fn rules(&self, main: &Path, tree: &dyn Tree) -> Result<Rules, HbaError> {
        let tree = Overlay::new(tree).with(self.file.path(), self.document.to_bytes());
        Rules::load(main, &self.file.server, &tree)
    }

    /// Returns the warnings that the rules as they would be cause.
    ///
    /// # Errors
    ///
    /// As [`Plan::rules`].
    pub fn warnings(&self, main: &Path, tree: &dyn Tree) -> Result<Vec<Warning>, HbaError> {
        Ok(self.rules(main, tree)?.warnings())
    }

    /// Writes the file, unless the server would then refuse its rules. See
    /// [`Original::replace`] for what is kept and what happens if somebody
    /// else changes it at the same time.
    ///
    /// # Errors
    ///
    /// [`HbaError::Refused`], [`HbaError::File`]; the file is then as it was.
    pub fn write(&self, main: &Path, tree: &dyn Tree) -> Result<(), HbaError> {
        self.write_keeping(main, tree, None)
    }

    /// The same, and keeps the old content in the file `backup`, which must
    /// not be there yet. There is none if nothing changes.
    ///
    /// # Errors
    ///
    /// As [`Plan::write`].
    pub fn write_keeping(
        &self,
        main: &Path,
        tree: &dyn Tree,
        backup: Option<&Path>,
    ) -> Result<(), HbaError> {
        let problems = self.rules(main, tree)?.problems();
        if !problems.is_empty() {
            return Err(HbaError::Refused { problems });
        }
        if !self.is_change() {
            return Ok(());
        }
        self.file.original.replace(&self.document.to_bytes(), |_| {
            backup.map_or(Ok(()), |it| Ok(self.file.original.copy_to(it)?))
        })
    }
}
