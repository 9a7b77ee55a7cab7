//! What is found wrong in a configuration file.

use std::fmt;

use abi_stable::{
    StableAbi,
    std_types::{ROption, RString},
};

use super::Position;

/// How bad a [`Diagnostic`] is; open, as every enumeration of the boundary.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Severity(pub u32);

impl Severity {
    /// The configuration cannot be used.
    pub const ERROR: Self = Self(0);
    /// The configuration can be used, but is probably not what was meant.
    pub const WARNING: Self = Self(1);
}

/// One thing that is wrong in the configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the configuration can be used all the same.
    pub severity: Severity,
    /// Where it is.
    pub position: Position,
    /// The path of the element, such as `storages/storage/retries`; an
    /// attribute is `@name`.
    pub path: String,
    /// What is wrong, a lower-case fragment.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Creates an error at `position`.
    pub fn error(position: Position, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::ERROR,
            position,
            path: path.into(),
            message: message.into(),
            help: None,
        }
    }

    /// Creates a warning at `position`.
    pub fn warning(
        position: Position,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::WARNING, ..Self::error(position, path, message) }
    }

    /// Says what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Tells whether the configuration cannot be used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::ERROR
    }
}

/// `line:column: message (path)`; the caller puts the file's name in front.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position;
        write!(f, "{line}:{column}: {} ({})", self.message, self.path)
    }
}

/// A [`Diagnostic`] as it crosses the boundary.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct RDiagnostic {
    /// See [`Diagnostic::severity`].
    pub severity: Severity,
    /// See [`Diagnostic::position`].
    pub position: Position,
    /// See [`Diagnostic::path`].
    pub path: RString,
    /// See [`Diagnostic::message`].
    pub message: RString,
    /// See [`Diagnostic::help`].
    pub help: ROption<RString>,
}

impl From<Diagnostic> for RDiagnostic {
    fn from(it: Diagnostic) -> Self {
        Self {
            severity: it.severity,
            position: it.position,
            path: it.path.into(),
            message: it.message.into(),
            help: it.help.map(RString::from).into(),
        }
    }
}

impl From<RDiagnostic> for Diagnostic {
    fn from(it: RDiagnostic) -> Self {
        Self {
            severity: it.severity,
            position: it.position,
            path: it.path.into(),
            message: it.message.into(),
            help: it.help.into_option().map(String::from),
        }
    }
}
