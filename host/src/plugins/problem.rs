//! Why a file, or a name, is of no use. Each is one sentence with what to do.

use std::path::PathBuf;

use hayloft_plugin_api::{
    API_MAJOR, API_MINOR, Error, ErrorKind,
    meta::{MetadataError, SECTION},
};
use thiserror::Error;

use super::trust::Distrust;

/// Why a file cannot be used as a plugin.
///
/// The text has the file, not named in it, for its subject: `it is empty`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// The system does not let us read it.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// A directory, FIFO, device or socket.
    #[error("it is not a regular file; name the plugin's `.so` file")]
    NotRegular,
    /// Nothing is in it.
    #[error("it is empty; copy the plugin again")]
    Empty,
    /// It holds text: a script, a linker script, an error page.
    #[error("it is a text file, not a shared library; copy the plugin again")]
    Text,
    /// It holds something else.
    #[error("it is not a shared library (ELF file)")]
    NotElf,
    /// Its end is missing.
    #[error("it is cut off: it has {has} bytes and needs {needs}; copy the plugin again")]
    Truncated {
        /// Its size in bytes.
        has: u64,
        /// The least that its own headers speak of.
        needs: u64,
    },
    /// Its headers contradict each other.
    #[error("it is a damaged shared library: {0}; copy the plugin again")]
    Damaged(String),
    /// It is for another processor.
    #[error(
        "it is built for {built_for}, but this program runs on {runs_on}; get the plugin for {runs_on}"
    )]
    OtherMachine {
        /// What it is built for.
        built_for: String,
        /// What this program is built for.
        runs_on: &'static str,
    },
    /// It is a program.
    #[error("it is an executable, not a shared library; build it with crate-type = [\"cdylib\"]")]
    Executable,
    /// It is a compiler's output that was never linked.
    #[error("it is an object file, not a shared library; link it with `-shared`")]
    ObjectFile,
    /// It is an ELF file of a rarer type, such as a core dump.
    #[error("it is an ELF file of type {0}, not a shared library")]
    OtherType(u16),
    /// It is some other library.
    #[error(
        "it is a shared library, but not a plugin: it has no `{SECTION}` section, which `export_plugin!` makes"
    )]
    NoMetadata,
    /// The section is there, but not usable.
    #[error("{0}; build the plugin again with `export_plugin!`")]
    BadMetadata(#[from] MetadataError),
    /// It was linked against a later C library.
    #[error(
        "it needs the C library {needs}, but this system has {has}; build the plugin on an older system or update this one"
    )]
    NewerLibrary {
        /// The symbol version that it asks for.
        needs: String,
        /// The version of this system's C library.
        has: String,
    },
    /// A symbol that it uses is nowhere.
    #[error(
        "it uses `{0}`, which no library provides; link the plugin with the library that has it"
    )]
    UndefinedSymbol(String),
    /// A library that it uses is nowhere.
    #[error("it depends on `{0}`, which is not installed; install it or link it into the plugin")]
    MissingDependency(String),
    /// The dynamic loader says no for another reason.
    #[error("the dynamic loader refuses it: {0}")]
    Loader(String),
    /// The symbol where it should begin is not there.
    #[error(
        "its metadata names the entry `{0}`, which it does not export; build the plugin again with `export_plugin!`"
    )]
    MissingEntry(String),
    /// It was built for another major version of the plugin API.
    #[error(
        "it is built for plugin API {major}.{minor}, but this program has {API_MAJOR}.{API_MINOR}; {}",
        other_api_remedy(*major)
    )]
    OtherApi {
        /// The major version that it wants.
        major: u32,
        /// The minor version that it was built with.
        minor: u32,
    },
    /// It is called in a way that this program does not know.
    #[error(
        "it uses the calling convention `{0}`, which this program does not know; update this program"
    )]
    UnknownAbi(String),
    /// The types at the boundary are not laid out as the API says.
    #[error(
        "it says that it is built for plugin API {api}, but its data is laid out differently ({detail}); build it with the released hayloft-plugin-api"
    )]
    Layout {
        /// The version that it claims.
        api: String,
        /// The first differences.
        detail: String,
    },
    /// It offers a thing whose functions are missing.
    #[error("it offers a {kind}, but has no function `{function}` for it; its author must add it")]
    MissingFunction {
        /// The kind offered.
        kind: String,
        /// The function that is missing.
        function: &'static str,
    },
    /// It started, and failed.
    #[error("it cannot be started: {0}")]
    Initialise(String),
    /// A panic in it would take this process along.
    #[error(
        "it is built with panic=abort, so a bug in it would end this program; build it with panic=unwind, or use it in an action only"
    )]
    AbortsOnPanic,
    /// Others could have put their own code into it.
    #[error("{0}")]
    Untrusted(#[from] Distrust),
    /// It is not the file that the configuration means.
    #[error(
        "its SHA-256 is {is}, but the configuration says {pinned}; check where the file comes from, then correct <sha256>"
    )]
    WrongChecksum {
        /// The file's.
        is: String,
        /// The configuration's.
        pinned: String,
    },
    /// The configuration's checksum is none.
    #[error(
        "the configuration says {0:?} for its SHA-256; write 64 hexadecimal digits into <sha256>"
    )]
    BadChecksum(String),
    /// It is not the file that was looked at a moment ago.
    #[error("it was replaced while this program was running; run the command again")]
    Replaced,
}

fn other_api_remedy(major: u32) -> &'static str {
    if major > API_MAJOR { "update this program" } else { "get a newer build of the plugin" }
}

/// Why a plugin cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PluginError {
    /// A file cannot be used.
    #[error("the plugin {} cannot be used: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Problem,
    },
    /// Nothing of that name is there.
    #[error("there is no {kind} named `{name}`; {}", unknown_remedy(kind, available, nearest.as_deref()))]
    Unknown {
        /// The kind asked for.
        kind: String,
        /// The name asked for.
        name: String,
        /// All names of that kind.
        available: Vec<String>,
        /// The name that was probably meant.
        nearest: Option<String>,
    },
    /// Several files offer it.
    #[error(
        "the {kind} `{name}` is offered by several plugins ({}); remove all but one, or name the one to use in <plugins><plugin><file>",
        list(files)
    )]
    Conflict {
        /// The kind asked for.
        kind: String,
        /// The name asked for.
        name: String,
        /// The files, or `built-in` for what is part of this program.
        files: Vec<String>,
    },
}

fn unknown_remedy(kind: &str, available: &[String], nearest: Option<&str>) -> String {
    match (nearest, available) {
        (Some(nearest), _) => {
            format!("did you mean `{nearest}`? (there are: {})", available.join(", "))
        }
        (None, []) => format!("no plugin that offers a {kind} is installed"),
        (None, available) => format!("there are: {}", available.join(", ")),
    }
}

fn list(files: &[String]) -> String {
    files.join(", ")
}

impl PluginError {
    /// Returns what the caller can do about it, as the plugin API names it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unknown { .. } => ErrorKind::NOT_FOUND,
            Self::Conflict { .. } => ErrorKind::CONFIGURATION,
            Self::File { problem, .. } => match problem {
                Problem::Untrusted(_) | Problem::Unreadable(_) => ErrorKind::PERMISSION,
                Problem::WrongChecksum { .. } => ErrorKind::CORRUPT,
                Problem::BadChecksum(_) => ErrorKind::CONFIGURATION,
                _ => ErrorKind::UNSUPPORTED,
            },
        }
    }

    /// Turns it into the error that plugins and commands pass on.
    pub fn into_error(self) -> Error {
        Error::new(self.kind(), self.to_string())
    }
}
