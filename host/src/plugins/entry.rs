//! One plugin that was found, loaded or not.

use std::{
    collections::BTreeSet,
    fmt,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use hayloft_plugin_api::{
    __private::Builtin,
    meta::{self, Metadata, MetadataError, Provided},
};

use super::{
    inspect::inspect,
    load::{self, Conditions, Module, aborts_on_panic},
    problem::{PluginError, Problem},
    search::{Candidate, Rank},
    trust::Opened,
};

/// A plugin that was found.
#[derive(Debug)]
pub struct Entry {
    metadata: Metadata,
    problems: Vec<Problem>,
    pub(super) notes: Vec<Note>,
    pub(super) rank: Rank,
    source: Source,
}

/// What is worth knowing about a plugin that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// It is used only where a crash is contained.
    AbortsOnPanic,
    /// Another one of that id comes first, and is used instead.
    Hidden {
        /// Where the other one is.
        by: String,
    },
    /// Another one offers the same thing, so nobody can have it.
    Conflict {
        /// The kind.
        kind: String,
        /// The name.
        name: String,
        /// Where the other one is.
        with: String,
    },
    /// Another one, which the configuration names, offers the same thing.
    Overridden {
        /// The kind.
        kind: String,
        /// The name.
        name: String,
        /// Where the other one is.
        by: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AbortsOnPanic => f.write_str(
                "it is built with panic=abort, so it is used in the process of an action only; \
                 build it with panic=unwind",
            ),
            Self::Hidden { by } => write!(f, "it is not used, because {by} has the same id"),
            Self::Conflict { kind, name, with } => write!(
                f,
                "its {kind} `{name}` cannot be used, because {with} offers one of that name too; \
                 remove one, or name the one to use in <plugins><plugin><file>"
            ),
            Self::Overridden { kind, name, by } => {
                write!(f, "its {kind} `{name}` is not used, but that of {by}, as configured")
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Source {
    BuiltIn(Builtin, OnceLock<Module>),
    File(Arc<PluginFile>),
}

/// A file, which may hold several plugins.
#[derive(Debug)]
struct PluginFile {
    path: PathBuf,
    sha256: Option<String>,
    loaded: OnceLock<Result<Vec<(String, Module)>, Problem>>,
}

/// The files that were looked at already, by device and number.
pub(super) type Seen = BTreeSet<(u64, u64)>;

impl Entry {
    /// Looks at a file; gives an entry for each plugin in it, and none if the
    /// file was looked at before.
    pub(super) fn of_file(it: Candidate, seen: &mut Seen) -> Result<Vec<Self>, Problem> {
        let opened = Opened::open(&it.path)?;
        if !seen.insert((opened.status.dev(), opened.status.ino())) {
            return Ok(Vec::new());
        }
        let inspection = inspect(&opened.file)?;
        let mut problems = inspection.problems;
        problems.extend(opened.check_trust().err());
        let file =
            Arc::new(PluginFile { path: it.path, sha256: it.sha256, loaded: OnceLock::new() });
        let entry = |metadata: Metadata| Self {
            notes: aborts_on_panic(&metadata).then_some(Note::AbortsOnPanic).into_iter().collect(),
            metadata,
            problems: problems.clone(),
            rank: it.rank,
            source: Source::File(Arc::clone(&file)),
        };
        Ok(inspection.metadata.into_iter().map(entry).collect())
    }

    /// Makes an entry for a plugin that is linked in.
    pub(super) fn of_builtin(builtin: Builtin) -> Result<Vec<Self>, MetadataError> {
        let record = format!("{}{}\0", builtin.metadata, builtin.build);
        let entry = |metadata| Self {
            metadata,
            problems: Vec::new(),
            notes: Vec::new(),
            rank: Rank::BuiltIn,
            source: Source::BuiltIn(builtin, OnceLock::new()),
        };
        Ok(meta::parse(record.as_bytes())?.into_iter().map(entry).collect())
    }

    /// Returns what the plugin says about itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Returns the plugin's file; `None` if it is part of this program.
    pub fn path(&self) -> Option<&Path> {
        match &self.source {
            Source::BuiltIn(..) => None,
            Source::File(file) => Some(&file.path),
        }
    }

    /// Returns the file's path, or `built-in`.
    pub fn place(&self) -> String {
        self.path().map_or_else(|| "built-in".to_owned(), |path| path.display().to_string())
    }

    /// Returns why it cannot be used, as far as that shows without loading it.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns what else is worth knowing.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Tells whether its code is in this process.
    pub fn is_loaded(&self) -> bool {
        match &self.source {
            Source::BuiltIn(..) => true,
            Source::File(file) => matches!(file.loaded.get(), Some(Ok(_))),
        }
    }

    /// Returns what is known of a thing that it offers.
    pub fn provided(&self, kind: &str, name: &str) -> Option<&Provided> {
        self.metadata.provides.iter().find(|it| it.kind == kind && it.name == name)
    }

    /// Loads it, if it is not loaded yet, and returns its functions.
    pub(super) fn module(&self, contained: bool) -> Result<Module, PluginError> {
        let file = match &self.source {
            Source::BuiltIn(builtin, made) => {
                return Ok(*made.get_or_init(|| Module::Rust((builtin.module)())));
            }
            Source::File(file) => file,
        };
        let problem = |problem| PluginError::File { path: file.path.clone(), problem };
        if let Some(known) = self.problems.first() {
            return Err(problem(known.clone()));
        }
        let modules = file.load(contained).map_err(problem)?;
        let ours = modules.iter().find(|(id, _)| *id == self.metadata.id);
        ours.map(|(_, module)| *module).ok_or_else(|| problem(Problem::Replaced))
    }

    /// Returns its functions if it is loaded.
    pub(super) fn loaded_module(&self) -> Option<Module> {
        match &self.source {
            Source::BuiltIn(_, made) => made.get().copied(),
            Source::File(file) => {
                let modules = file.loaded.get()?.as_ref().ok()?;
                modules.iter().find(|(id, _)| *id == self.metadata.id).map(|(_, module)| *module)
            }
        }
    }
}

impl PluginFile {
    fn load(&self, contained: bool) -> Result<&[(String, Module)], Problem> {
        let loaded = self.loaded.get_or_init(|| {
            let conditions = Conditions { sha256: self.sha256.clone(), contained };
            let modules = load::load(&self.path, &conditions)?;
            Ok(modules.into_iter().map(|(plugin, module)| (plugin.id, module)).collect())
        });
        loaded.as_ref().map(Vec::as_slice).map_err(Clone::clone)
    }
}
