//! What can be wrong with a connection string.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::keyword::KEYWORDS;
use crate::error::{ErrorKind, Failure};

/// Why a connection string cannot be used. No message contains a value that
/// is, or might be part of, a secret.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConninfoError {
    /// There is no `=` after a word.
    #[error("in the connection string, `=` is missing after {word}")]
    MissingEquals {
        /// The word in quotes, or where it stands.
        word: String,
    },

    /// A keyword that libpq does not know.
    #[error("the connection string has {word}, which is no keyword")]
    UnknownKeyword {
        /// The word in quotes, or where it stands.
        word: String,
        /// The keyword that it resembles.
        nearest: Option<&'static str>,
    },

    /// A quoted value has no end.
    #[error("in the connection string, the quoted value of {keyword} has no end")]
    UnterminatedQuote {
        /// The keyword in quotes, or where it stands.
        keyword: String,
    },

    /// A zero byte, which no value can have.
    #[error("the connection string has a zero byte")]
    NulByte,

    /// `%` is not followed by two hexadecimal digits, or stands for zero.
    #[error("in the connection URI, the {part} is not percent-encoded as it must be")]
    PercentEncoding {
        /// Which part, such as `password` or `host`.
        part: String,
    },

    /// The URI is not built as one must be.
    #[error("the connection URI cannot be read: {problem}")]
    Uri {
        /// What is wrong.
        problem: &'static str,
    },

    /// A parameter after the `?` of a URI has no `=`, or two.
    #[error("in the connection URI, the parameter {word} must have one `=`")]
    UriParameter {
        /// The parameter's name in quotes, or where it stands.
        word: String,
    },

    /// A value is not one of those that the keyword allows.
    #[error("`{keyword}` cannot be `{value}`")]
    Value {
        /// The keyword.
        keyword: &'static str,
        /// The value.
        value: String,
        /// What it can be.
        expected: &'static str,
    },

    /// A value that is not shown, since it may be part of a password.
    #[error("the value of `{keyword}` is not {expected}")]
    HiddenValue {
        /// The keyword.
        keyword: &'static str,
        /// What it must be.
        expected: &'static str,
    },

    /// Lists of hosts, addresses and ports of different lengths.
    #[error("`{keyword}` has {found} entries for {hosts} hosts")]
    Count {
        /// The keyword of the shorter or longer list.
        keyword: &'static str,
        /// How many it has.
        found: usize,
        /// How many hosts there are.
        hosts: usize,
    },

    /// No service file defines the service.
    #[error("there is no service `{service}`")]
    ServiceNotFound {
        /// The service.
        service: String,
        /// The files that were looked at.
        looked: Vec<PathBuf>,
    },

    /// A service file cannot be read.
    #[error("cannot read the service file {}", path.display())]
    ServiceFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A service file has a mistake.
    #[error("{}:{line}: {problem}", path.display())]
    ServiceSyntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },

    /// `sslmode` is too weak for another setting.
    #[error("`sslmode={mode}` is too weak for `{setting}`")]
    WeakSslMode {
        /// The mode.
        mode: &'static str,
        /// The other setting.
        setting: &'static str,
        /// What it must be.
        needed: &'static str,
    },

    /// Something that libpq can do and we cannot.
    #[error("`{setting}` is not supported")]
    Unsupported {
        /// The setting.
        setting: &'static str,
    },

    /// Nobody knows the name of the user that we run as.
    #[error("`user` is not given, and the system has no name for our user number")]
    NoUser,
}

impl ConninfoError {
    /// An unknown keyword that may be shown.
    pub(super) fn unknown(keyword: &str) -> Self {
        let lower = keyword.to_ascii_lowercase();
        let near = |name: &str| {
            let (name, word) = (name.replace('_', ""), lower.replace(['_', '-'], ""));
            name == word || (word.len() > 3 && (name.starts_with(&word) || word.starts_with(&name)))
        };
        let nearest = match lower.as_str() {
            "database" | "db" => Some("dbname"),
            "username" => Some("user"),
            "pass" | "pwd" => Some("password"),
            "hostname" | "server" => Some("host"),
            "timeout" => Some("connect_timeout"),
            _ => KEYWORDS.iter().find(|it| near(it.name)).map(|it| it.name),
        };
        Self::UnknownKeyword { word: format!("`{keyword}`"), nearest }
    }
}

impl Failure for ConninfoError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::ServiceNotFound { .. } => ErrorKind::NotFound,
            Self::ServiceFile { source, .. } => ErrorKind::of_io(source),
            Self::ServiceSyntax { .. } => ErrorKind::BadConfiguration,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            _ => ErrorKind::Invalid,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::MissingEquals { .. } | Self::UnterminatedQuote { .. } => {
                r"write keyword=value; a value with blanks stands in '…', with \' and \\ inside"
                    .to_owned()
            }
            Self::UnknownKeyword { nearest, .. } => match nearest {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => {
                    "the keywords are those of libpq; values with blanks stand in '…'".to_owned()
                }
            },
            Self::PercentEncoding { .. } | Self::HiddenValue { .. } => {
                "in a URI, write : / ? # [ ] @ % and blanks of names and passwords as %XX"
                    .to_owned()
            }
            Self::Value { expected, .. } => format!("it can be {expected}"),
            Self::Count { .. } => "give as many entries as hosts, or one port for all".to_owned(),
            Self::ServiceNotFound { looked, .. } => {
                let looked: Vec<String> =
                    looked.iter().map(|it| it.display().to_string()).collect();
                if looked.is_empty() {
                    "there is no service file; PGSERVICEFILE names one".to_owned()
                } else {
                    format!("looked for it in {}", looked.join(", "))
                }
            }
            Self::ServiceFile { .. } => "PGSERVICEFILE names the file".to_owned(),
            Self::WeakSslMode { needed, .. } => format!("write sslmode={needed}"),
            Self::NoUser => "add user=… to the connection string".to_owned(),
            Self::NulByte
            | Self::Uri { .. }
            | Self::UriParameter { .. }
            | Self::ServiceSyntax { .. }
            | Self::Unsupported { .. } => return None,
        })
    }
}
