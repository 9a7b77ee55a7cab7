//! What can be wrong with rules and files of rules.

use std::path::PathBuf;

use thiserror::Error;

use crate::{
    error::{ErrorKind, Failure},
    file::FileError,
};

/// Why the server would refuse a line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The first word is no kind of connection.
    #[error(
        "`{word}` is no kind of connection: local, host, hostssl, hostnossl, hostgssenc or hostnogssenc is needed"
    )]
    UnknownKind {
        /// The word.
        word: String,
    },
    /// A field is not there.
    #[error("the line ends before the {field}")]
    Missing {
        /// Which.
        field: &'static str,
    },
    /// A field that takes one word has several.
    #[error("there are several words for the {field}, which takes one")]
    Several {
        /// Which.
        field: &'static str,
    },
    /// What follows the slash is no number of bits.
    #[error("`{address}` has no number of bits behind its slash")]
    BadBits {
        /// The address with its slash.
        address: String,
    },
    /// A host name with a mask, or what was meant as an address and is none.
    #[error("`{address}` is no address, and a host name has no mask")]
    HostWithBits {
        /// The address with its slash.
        address: String,
    },
    /// The mask is no address.
    #[error("`{mask}` is no mask for an address")]
    BadMask {
        /// What was given.
        mask: String,
    },
    /// IPv4 and IPv6 mixed.
    #[error("address and mask are of different kinds")]
    FamiliesDiffer,
    /// There is no such method.
    #[error("`{word}` is no method of authentication")]
    UnknownMethod {
        /// The word.
        word: String,
    },
    /// This build does not have the method.
    #[error("this build has no method `{word}`")]
    NotBuilt {
        /// The word.
        word: String,
    },
    /// The method does not go with the kind of connection.
    #[error("`{method}` works {only} only")]
    NotHere {
        /// The method.
        method: &'static str,
        /// Where it works.
        only: &'static str,
    },
    /// A pattern that the server cannot compile (16 and later).
    #[error("the pattern `{pattern}` is wrong: {why}")]
    BadPattern {
        /// The pattern, without its slash.
        pattern: String,
        /// What is wrong.
        why: &'static str,
    },
    /// An option without an equals sign.
    #[error("the option `{text}` has no value")]
    NoValue {
        /// The word.
        text: String,
    },
    /// There is no such option.
    #[error("there is no option `{name}`")]
    UnknownOption {
        /// The name.
        name: String,
    },
    /// The option does not go with the method.
    #[error("the option `{name}` is for {methods} only")]
    NotForMethod {
        /// The name.
        name: &'static str,
        /// The methods, in words.
        methods: &'static str,
    },
    /// The option is for `hostssl` only.
    #[error("the option `{name}` is for hostssl only")]
    NotForKind {
        /// The name.
        name: &'static str,
    },
    /// The option cannot have this value.
    #[error("the option `{name}` cannot be `{value}`")]
    BadOption {
        /// The name.
        name: &'static str,
        /// The value.
        value: String,
    },
    /// A URL that the server cannot use.
    #[error("the URL `{url}` cannot be used: {why}")]
    BadUrl {
        /// The URL.
        url: String,
        /// Why not.
        why: &'static str,
    },
    /// `clientcert` of `cert` can only be `verify-full`.
    #[error("with the method cert, clientcert can only be verify-full")]
    CertVerifiesFully,
    /// An option is needed.
    #[error("the method {method} needs the option {option}")]
    Needs {
        /// The method.
        method: &'static str,
        /// The option, or options.
        option: &'static str,
    },
    /// Options that exclude each other.
    #[error("the options {one} and {other} exclude each other")]
    Exclusive {
        /// One.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// RADIUS: as many as there are servers are needed, or one.
    #[error("there are {count} {what} for {servers} RADIUS servers")]
    Counts {
        /// What there are too many or too few of.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many servers.
        servers: usize,
    },
    /// `oauth_validator_libraries` is not set.
    #[error("the method oauth needs the parameter oauth_validator_libraries")]
    NoValidators,
    /// A word is too long (versions up to 15).
    #[error("a word is longer than 10,239 bytes")]
    TooLong,
    /// Files include one another more than ten deep.
    #[error("{} is included more than ten deep", file.display())]
    TooDeep {
        /// The file.
        file: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {why}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why, in the system's words.
        why: String,
    },
    /// A directory cannot be read.
    #[error("cannot read the directory {}: {why}", directory.display())]
    UnreadableDirectory {
        /// The directory.
        directory: PathBuf,
        /// Why, in the system's words.
        why: String,
    },
    /// A word with a line end or a zero byte cannot be written.
    #[error("a word holds a line end or a zero byte")]
    LineEnd,
    /// From 16 on a name with a slash first is a pattern, also in quotes.
    #[error("the name `{name}` begins with a slash, which makes it a pattern from version 16 on")]
    Slash {
        /// The name.
        name: String,
    },
}

/// Why a file of rules could not be read, edited or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HbaError {
    /// The server would refuse the rule.
    #[error("the server would refuse the rule")]
    Rule {
        /// Why.
        source: RuleError,
    },
    /// The text is not one line with one rule.
    #[error("one line with one rule is needed")]
    NotOneRule,
    /// There is no rule with this index.
    #[error("there is no rule {index}: there are {count}")]
    NoSuchIndex {
        /// What was asked for.
        index: isize,
        /// How many there are.
        count: usize,
    },
    /// No rule has these fields.
    #[error("no rule has the fields asked for")]
    NoSuchRule,
    /// The server would not take the files.
    #[error("the server would refuse the rules: {}", problems.join("; "))]
    Refused {
        /// Each mistake, with file and line.
        problems: Vec<String>,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Failure for HbaError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Rule { .. } | Self::NotOneRule => ErrorKind::Invalid,
            Self::NoSuchIndex { .. } | Self::NoSuchRule => ErrorKind::NotFound,
            Self::Refused { .. } => ErrorKind::BadConfiguration,
            Self::File(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Rule { source: RuleError::Slash { .. } } => {
                Some("use a pattern such as `\"/^/name$\"`".to_owned())
            }
            _ => None,
        }
    }
}
