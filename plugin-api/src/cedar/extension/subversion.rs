//! The `<subversion>` section.

use super::databases::timeout;
use crate::{
    cedar::{
        Cause, Exclude, Located, Place, Text,
        reader::{Findings, Reader},
        section::{Context, Section},
    },
    config::Duration,
};

/// Which Subversion repositories are dumped. `parallel` and `timeout` are ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subversion {
    /// `daily`, `weekly` or `incr`, for items that do not say.
    pub collect_mode: Text,
    /// The compressor, for items that do not say.
    pub compress_mode: Text,
    /// Single repositories.
    pub repositories: Vec<Repository>,
    /// Directories of repositories.
    pub repository_dirs: Vec<RepositoryDir>,
    /// How many repositories are dumped at the same time; from 1.
    pub parallel: Option<Located<i64>>,
    /// How long one dump may take; no limit if absent.
    pub timeout: Option<Located<Duration>>,
    /// Where the section is.
    pub place: Place,
}

/// A repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repository {
    /// Its type, which nothing depends on.
    pub kind: Text,
    /// The directory of the repository.
    pub abs_path: Text,
    /// When it is dumped.
    pub collect_mode: Text,
    /// How the dump is compressed.
    pub compress_mode: Text,
    /// Where the item is.
    pub place: Place,
}

/// A directory of repositories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositoryDir {
    /// Their type, which nothing depends on.
    pub kind: Text,
    /// The directory.
    pub abs_path: Text,
    /// When they are dumped.
    pub collect_mode: Text,
    /// How the dumps are compressed.
    pub compress_mode: Text,
    /// What is left out; there are no absolute paths in it.
    pub exclude: Exclude,
    /// Where the item is.
    pub place: Place,
}

impl Section for Subversion {
    const NAME: &'static str = "subversion";

    fn read(reader: &Reader<'_>) -> Self {
        let repository = |it: Reader<'_>| Repository {
            kind: it.text("type"),
            abs_path: it.absolute("abs_path", Cause::RepositoryNotAbsolute),
            collect_mode: it.collect_mode("collect_mode"),
            compress_mode: it.compress_mode(),
            place: it.place(),
        };
        let dir = |it: Reader<'_>| RepositoryDir {
            kind: it.text("type"),
            abs_path: it.absolute("abs_path", Cause::RepositoryNotAbsolute),
            collect_mode: it.collect_mode("collect_mode"),
            compress_mode: it.compress_mode(),
            exclude: Exclude::read_relative(&it),
            place: it.place(),
        };
        Self {
            collect_mode: reader.collect_mode("collect_mode"),
            compress_mode: reader.compress_mode(),
            repositories: reader.all("repository").map(repository).collect(),
            repository_dirs: reader.all("repository_dir").map(dir).collect(),
            parallel: reader.integer("parallel", Some((1, Cause::OutOfRange))),
            timeout: timeout(reader),
            place: reader.place(),
        }
    }

    fn validate(&self, findings: &Findings<'_>, _: &Context<'_>) {
        if self.repositories.is_empty() && self.repository_dirs.is_empty() {
            findings.missing(Cause::NoRepositories, &self.place);
        }
        let missing = |absent: bool, cause, place| {
            if absent {
                findings.missing(cause, place);
            }
        };
        let (mode, compress) = (self.collect_mode.is_none(), self.compress_mode.is_none());
        for it in &self.repositories {
            missing(it.abs_path.is_none(), Cause::RepositoryPathMissing, &it.place);
            let no_mode = mode && it.collect_mode.is_none();
            missing(no_mode, Cause::RepositoryModeMissing, &it.place);
            let no_compress = compress && it.compress_mode.is_none();
            missing(no_compress, Cause::RepositoryCompressMissing, &it.place);
        }
        for it in &self.repository_dirs {
            missing(it.abs_path.is_none(), Cause::RepositoryDirPathMissing, &it.place);
            let no_mode = mode && it.collect_mode.is_none();
            missing(no_mode, Cause::RepositoryDirModeMissing, &it.place);
            let no_compress = compress && it.compress_mode.is_none();
            missing(no_compress, Cause::RepositoryDirCompressMissing, &it.place);
        }
    }
}
