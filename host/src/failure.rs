//! What the program says when something went wrong, and its exit code.

use std::{
    error::Error as StdError,
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use hayloft_plugin_api as api;

/// What kind of failure it was; it decides the exit code, see the manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An action or a command failed: 1.
    Failed,
    /// The command line is wrong: 2.
    Usage,
    /// The log or a lock could not be had: 3.
    Unavailable,
    /// The configuration is wrong: 4.
    Configuration,
    /// The user or a signal stopped it: 5.
    Interrupted,
    /// Done, with warnings that a person should see: 7.
    Warnings,
}

impl Kind {
    /// Returns the exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unavailable => 3,
            Self::Configuration => 4,
            Self::Interrupted => 5,
            Self::Warnings => 7,
        }
    }
}

/// Why the program ends without having done everything.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
    /// Text that is shown as it is, such as the picture of a wrong line.
    picture: String,
}

impl Failure {
    /// Creates a failure.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            picture: String::new(),
        }
    }

    /// Creates a failure whose message was printed already.
    pub fn silent(kind: Kind) -> Self {
        Self::new(kind, "")
    }

    /// Adds what caused it.
    #[must_use]
    pub fn because(mut self, error: &dyn StdError) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            self.causes.push(error.to_string());
            cause = error.source();
        }
        self
    }

    /// Says what the user can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Puts text before the message that is shown as it is.
    #[must_use]
    pub fn picture(mut self, picture: String) -> Self {
        self.picture = picture;
        self
    }

    /// Changes the kind.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the message, then what caused it.
    pub fn chain(&self) -> Vec<String> {
        [std::slice::from_ref(&self.message), &self.causes].concat()
    }

    /// Returns what the user can do.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Shows it to a person and returns the exit code.
    ///
    /// # Errors
    ///
    /// If `err` cannot be written to.
    pub fn write(&self, err: &mut dyn Write) -> io::Result<()> {
        err.write_all(self.picture.as_bytes())?;
        if !self.message.is_empty() {
            writeln!(err, "error: {}", self.message)?;
        }
        for cause in &self.causes {
            writeln!(err, "  because: {cause}")?;
        }
        for hint in &self.hints {
            writeln!(err, "hint: {hint}")?;
        }
        Ok(())
    }

    /// Returns the exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind.code())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl From<api::Error> for Failure {
    fn from(error: api::Error) -> Self {
        let kind = match error.kind() {
            api::ErrorKind::CONFIGURATION => Kind::Configuration,
            api::ErrorKind::CANCELLED => Kind::Interrupted,
            _ => Kind::Failed,
        };
        Self {
            causes: error.causes().to_vec(),
            hints: error.remedy().map(ToOwned::to_owned).into_iter().collect(),
            ..Self::new(kind, error.message())
        }
    }
}
