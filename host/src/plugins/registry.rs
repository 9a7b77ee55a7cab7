//! All plugins that there are, by kind and name.

mod facts;
mod index;
mod open;

use std::{fmt, path::Path};

use hayloft_plugin_api::{__private::Builtin, meta::MetadataError};

pub use self::facts::Claimed;
use self::index::{Claim, Index};
use super::{
    entry::{Entry, Seen},
    load::Module,
    none,
    problem::{PluginError, Problem},
    search::{Rank, Rejected, SearchRules, candidates},
};

/// All plugins that were found.
///
/// Finding them reads their metadata only. The code of a plugin is loaded when
/// something that it offers is first opened, described or checked, and stays
/// loaded. Plugins are called from whatever thread calls the registry; that
/// must not be one of an asynchronous runtime.
pub struct Registry {
    entries: Vec<Entry>,
    rejected: Vec<Rejected>,
    seen: Seen,
    index: Index,
    contained: bool,
}

impl Registry {
    /// Creates one that has only the compressor and the encryptor `none`.
    pub fn new() -> Self {
        let mut registry = Self {
            entries: Vec::new(),
            rejected: Vec::new(),
            seen: Seen::new(),
            index: Index::default(),
            contained: false,
        };
        // Its metadata is made by the same macro as everybody's, and is tested.
        let added = registry.add_builtin(none::BUILTIN);
        debug_assert!(added.is_ok(), "{added:?}");
        registry
    }

    /// Says that this process may die of a plugin: it is the worker of one
    /// action. Plugins that are built with panic=abort load only then.
    #[must_use]
    pub fn contained(mut self, contained: bool) -> Self {
        self.contained = contained;
        self
    }

    /// Adds a plugin that is linked into this program.
    ///
    /// # Errors
    ///
    /// If its metadata is not usable.
    pub fn add_builtin(&mut self, builtin: Builtin) -> Result<(), MetadataError> {
        self.entries.extend(Entry::of_builtin(builtin)?);
        self.reindex();
        Ok(())
    }

    /// Looks for plugins. What is wrong with a file is kept with its entry, or
    /// in [`Registry::rejected`] if it is no plugin at all.
    pub fn discover(&mut self, rules: &SearchRules) {
        let (found, rejected) = candidates(rules);
        self.rejected.extend(rejected);
        for candidate in found {
            let path = candidate.path.clone();
            let configured = candidate.rank == Rank::Configured;
            let may_be_foreign = candidate.may_be_foreign;
            match Entry::of_file(candidate, &mut self.seen) {
                Ok(entries) => self.entries.extend(entries),
                Err(Problem::NoMetadata) if may_be_foreign => {}
                Err(problem) => self.rejected.push(Rejected { path, problem, configured }),
            }
        }
        self.reindex();
    }

    fn reindex(&mut self) {
        self.index = Index::build(&mut self.entries);
    }

    /// Returns every plugin that was found, usable or not, in the order of the
    /// search.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns every file and directory that was looked at in vain.
    pub fn rejected(&self) -> &[Rejected] {
        &self.rejected
    }

    /// Returns the names of everything usable of a kind, in order.
    pub fn names(&self, kind: &str) -> Vec<&str> {
        self.index.names(kind)
    }

    /// Returns every kind that is offered, those that this program does not
    /// know included.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.index.kinds()
    }

    /// Finds the plugin that offers something.
    ///
    /// # Errors
    ///
    /// [`PluginError::Unknown`], [`PluginError::Conflict`], or
    /// [`PluginError::File`] if the only plugin that offers it is not usable.
    pub fn find(&self, kind: &str, name: &str) -> Result<&Entry, PluginError> {
        match self.index.claim(kind, name) {
            Some(Claim::One(at)) => Ok(&self.entries[*at]),
            Some(Claim::Several(all)) => Err(PluginError::Conflict {
                kind: kind.to_owned(),
                name: name.to_owned(),
                files: all.iter().map(|at| self.entries[*at].place()).collect(),
            }),
            None => Err(self.unknown(kind, name)),
        }
        .and_then(|entry| match (entry.problems().first(), entry.path()) {
            (Some(problem), Some(path)) => {
                Err(PluginError::File { path: path.to_owned(), problem: problem.clone() })
            }
            _ => Ok(entry),
        })
    }

    /// Finds a plugin by its own name.
    pub fn find_id(&self, id: &str) -> Option<&Entry> {
        let all = || self.entries.iter().filter(|it| it.metadata().id == id);
        all().min_by_key(|it| (!it.problems().is_empty(), it.rank))
    }

    /// Finds the plugins in a file.
    pub fn find_file<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |it| it.path() == Some(path))
    }

    /// Loads a plugin, and so finds out whatever could keep it from being used.
    ///
    /// # Errors
    ///
    /// [`PluginError::File`].
    pub fn verify(&self, entry: &Entry) -> Result<(), PluginError> {
        entry.module(self.contained).map(drop)
    }

    fn module(&self, kind: &str, name: &str) -> Result<Module, PluginError> {
        self.find(kind, name)?.module(self.contained)
    }

    fn unknown(&self, kind: &str, name: &str) -> PluginError {
        let available = self.names(kind);
        let nearest = nearest(name, &available).map(ToOwned::to_owned);
        PluginError::Unknown {
            kind: kind.to_owned(),
            name: name.to_owned(),
            available: available.into_iter().map(ToOwned::to_owned).collect(),
            nearest,
        }
    }
}

/// Returns the name that was probably meant.
fn nearest<'a>(name: &str, available: &[&'a str]) -> Option<&'a str> {
    let most = (name.chars().count() / 3).max(1);
    available
        .iter()
        .map(|it| (strsim::damerau_levenshtein(name, it), *it))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, it)| it)
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("entries", &self.entries)
            .field("rejected", &self.rejected)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_there_is_answered_with_those_that_are() {
        let registry = Registry::new();
        let cases = [
            (
                "compressor",
                "nome",
                "there is no compressor named `nome`; did you mean `none`? (there are: none)",
            ),
            ("compressor", "zstd", "there is no compressor named `zstd`; there are: none"),
            (
                "storage",
                "s3",
                "there is no storage named `s3`; no plugin that offers a storage is installed",
            ),
        ];
        for (kind, name, message) in cases {
            assert_eq!(registry.find(kind, name).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_registry_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>(_: &T) {}
        shared(&Registry::new());
    }
}
