//! What goes wrong, for plugin authors and across the boundary.

use std::{error::Error as StdError, fmt, io};

use abi_stable::{
    StableAbi,
    std_types::{ROption, RString, RVec},
};

use crate::config::{Diagnostic, RDiagnostic};

/// What the caller can do about an [`Error`].
///
/// An open set: a later release may add kinds, and an unknown one is to be
/// treated as [`ErrorKind::OTHER`].
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorKind(pub u32);

impl ErrorKind {
    /// Nothing in particular.
    pub const OTHER: Self = Self(0);
    /// The thing asked for is not there.
    pub const NOT_FOUND: Self = Self(1);
    /// Something is in the place already, and must not be overwritten.
    pub const ALREADY_EXISTS: Self = Self(2);
    /// The operating system or the store refused.
    pub const PERMISSION: Self = Self(3);
    /// The configuration is wrong; [`Error::diagnostics`] says where.
    pub const CONFIGURATION: Self = Self(4);
    /// Data is damaged: a checksum, a format or an end is not as it must be.
    pub const CORRUPT: Self = Self(5);
    /// The plugin does not offer this.
    pub const UNSUPPORTED: Self = Self(6);
    /// Asking again later may help. The host retries only these.
    pub const TRANSIENT: Self = Self(7);
    /// The user or the host stopped the work.
    pub const CANCELLED: Self = Self(8);
    /// The plugin panicked; the object it happened in is unusable.
    pub const PANIC: Self = Self(9);
    /// No room is left.
    pub const FULL: Self = Self(10);
    /// A time limit ran out.
    pub const TIMED_OUT: Self = Self(11);
    /// A hook said no.
    pub const VETOED: Self = Self(12);
    /// Part of the work was done, and what is there is good; the message says
    /// what is missing. The run is a failure, but the actions that follow have
    /// something to work with, and run.
    pub const INCOMPLETE: Self = Self(13);
    /// Somebody else has changed or removed it since the caller looked.
    pub const CHANGED: Self = Self(14);

    /// Returns the name that scripts see in `--json` output.
    pub fn name(self) -> &'static str {
        match self {
            Self::NOT_FOUND => "not-found",
            Self::ALREADY_EXISTS => "already-exists",
            Self::PERMISSION => "permission",
            Self::CONFIGURATION => "configuration",
            Self::CORRUPT => "corrupt",
            Self::UNSUPPORTED => "unsupported",
            Self::TRANSIENT => "transient",
            Self::CANCELLED => "cancelled",
            Self::PANIC => "panic",
            Self::FULL => "full",
            Self::TIMED_OUT => "timed-out",
            Self::VETOED => "vetoed",
            Self::INCOMPLETE => "incomplete",
            Self::CHANGED => "changed",
            _ => "other",
        }
    }
}

impl fmt::Debug for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

/// The result of everything a plugin author writes.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a plugin, or a service of the host, could not do what it was asked.
///
/// `?` turns any [`std::error::Error`] into one; the kind of an
/// [`io::Error`] is kept, and so is the chain of causes, as text.
///
/// ```
/// use hayloft_plugin_api::{Error, ErrorKind, Result};
///
/// fn read_settings(path: &str) -> Result<String> {
///     std::fs::read_to_string(path)
///         .map_err(|e| Error::from(e).context(format!("cannot read {path}")))
/// }
///
/// let error = read_settings("/nonexistent/settings").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NOT_FOUND);
/// assert_eq!(error.message(), "cannot read /nonexistent/settings");
/// ```
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    diagnostics: Vec<Diagnostic>,
}

impl Error {
    /// Creates an error. `message` is a lower-case fragment without a full
    /// stop that names the file, object or setting it is about.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            diagnostics: Vec::new(),
        }
    }

    /// Creates an error of no particular kind.
    pub fn msg(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::OTHER, message)
    }

    /// Creates a [`ErrorKind::CONFIGURATION`] error from everything that was
    /// found wrong. The host shows all of it, with file, line and column.
    pub fn configuration(diagnostics: Vec<Diagnostic>) -> Self {
        let message = match diagnostics.as_slice() {
            [one] => one.message.clone(),
            all => format!("{} errors in the configuration", all.len()),
        };
        Self { diagnostics, ..Self::new(ErrorKind::CONFIGURATION, message) }
    }

    /// Puts `message` in front; what was the message becomes the first cause.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        let inner = std::mem::replace(&mut self.message, message.into());
        self.causes.insert(0, inner);
        self
    }

    /// Says what the user can do about it. Shown after the error, as a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Changes the kind, for a caller that knows better what can be done.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Returns what the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the message of this level only, without the causes.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the chain of causes, outermost first.
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// Returns what the user can do about it, if that is known.
    pub fn remedy(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns everything found wrong in the configuration, with positions.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Tells whether asking again later may help.
    pub fn is_transient(&self) -> bool {
        self.kind == ErrorKind::TRANSIENT
    }

    /// Turns it into an [`io::Error`], for code that speaks `std::io`.
    /// [`Error::from`] gives the same error back.
    pub fn into_io(self) -> io::Error {
        io::Error::other(Carried(self))
    }
}

/// One line: the message and all causes.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

/// An [`Error`] inside an [`io::Error`]; a type of its own, because `Error`
/// must not implement [`StdError`] for the blanket `From` below to exist.
#[derive(Debug)]
struct Carried(Error);

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Carried {}

impl<E: StdError + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let error: &(dyn StdError + 'static) = &error;
        let io = error.downcast_ref::<io::Error>();
        if let Some(carried) = io.and_then(io::Error::get_ref)
            && let Some(Carried(inner)) = carried.downcast_ref::<Carried>()
        {
            return inner.clone();
        }
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        let kind = io.map_or(ErrorKind::OTHER, |io| kind_of_io(io.kind()));
        Self { causes, ..Self::new(kind, error.to_string()) }
    }
}

fn kind_of_io(kind: io::ErrorKind) -> ErrorKind {
    match kind {
        io::ErrorKind::NotFound => ErrorKind::NOT_FOUND,
        io::ErrorKind::AlreadyExists => ErrorKind::ALREADY_EXISTS,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ErrorKind::PERMISSION
        }
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => ErrorKind::CORRUPT,
        io::ErrorKind::Unsupported => ErrorKind::UNSUPPORTED,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorKind::FULL
        }
        io::ErrorKind::TimedOut => ErrorKind::TIMED_OUT,
        io::ErrorKind::Interrupted
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::BrokenPipe => ErrorKind::TRANSIENT,
        _ => ErrorKind::OTHER,
    }
}

/// An [`Error`] as it crosses the boundary: owned text only, no pointer into
/// the plugin's own data.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct RError {
    /// See [`Error::kind`].
    pub kind: ErrorKind,
    /// See [`Error::message`].
    pub message: RString,
    /// See [`Error::causes`].
    pub causes: RVec<RString>,
    /// See [`Error::remedy`].
    pub hint: ROption<RString>,
    /// See [`Error::diagnostics`].
    pub diagnostics: RVec<RDiagnostic>,
}

impl From<Error> for RError {
    fn from(error: Error) -> Self {
        Self {
            kind: error.kind,
            message: error.message.into(),
            causes: error.causes.into_iter().map(RString::from).collect(),
            hint: error.hint.map(RString::from).into(),
            diagnostics: error.diagnostics.into_iter().map(RDiagnostic::from).collect(),
        }
    }
}

impl From<RError> for Error {
    fn from(error: RError) -> Self {
        Self {
            kind: error.kind,
            message: error.message.into(),
            causes: error.causes.into_iter().map(String::from).collect(),
            hint: error.hint.into_option().map(String::from),
            diagnostics: error.diagnostics.into_iter().map(Diagnostic::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_way_through_io_and_over_the_boundary() {
        let error = Error::new(ErrorKind::FULL, "no room")
            .context("cannot write /x")
            .hint("delete something");
        let back = Error::from(error.into_io());
        let back = Error::from(RError::from(back));
        assert_eq!(back.kind(), ErrorKind::FULL);
        assert_eq!(back.to_string(), "cannot write /x: no room");
        assert_eq!(back.remedy(), Some("delete something"));
    }
}
