//! A value, "no", or "unknown because …".

use std::fmt;

use crate::connection::QueryError;

/// What came of a question. "No" and "unknown" are never mixed up: whoever
/// cannot be told must not be taken for somebody who said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading<T> {
    /// The answer.
    Value(T),
    /// There is no such thing: no slot of that name, nothing archived yet.
    No,
    /// It could not be found out.
    Unknown(Why),
}

/// Why something could not be found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// A right is missing.
    Privilege(String),
    /// This version of PostgreSQL does not have it.
    Version {
        /// The first major version that has it.
        since: u32,
    },
    /// Only a primary has it, or only a standby.
    Role(&'static str),
    /// Nobody asked: it costs the server too much to tell it every time.
    NotAsked,
    /// The server could not be reached, or something else went wrong.
    Failed(String),
}

impl<T> Reading<T> {
    /// Returns the value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }

    /// Returns why it is unknown, if it is.
    pub fn why(&self) -> Option<&Why> {
        match self {
            Self::Unknown(why) => Some(why),
            _ => None,
        }
    }

    /// Makes another value of the value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Reading<U> {
        self.and_then(|it| Reading::Value(change(it)))
    }

    /// Makes another reading of the value.
    pub fn and_then<U>(self, change: impl FnOnce(T) -> Reading<U>) -> Reading<U> {
        match self {
            Self::Value(value) => change(value),
            Self::No => Reading::No,
            Self::Unknown(why) => Reading::Unknown(why),
        }
    }

    /// Borrows the value.
    pub fn as_ref(&self) -> Reading<&T> {
        match self {
            Self::Value(value) => Reading::Value(value),
            Self::No => Reading::No,
            Self::Unknown(why) => Reading::Unknown(why.clone()),
        }
    }

    pub(super) fn of(result: Result<T, QueryError>) -> Self {
        match result {
            Ok(value) => Self::Value(value),
            Err(error) => Self::Unknown(Why::of(&error)),
        }
    }

    pub(super) fn of_option(value: Option<T>) -> Self {
        value.map_or(Self::No, Self::Value)
    }
}

impl Why {
    fn of(error: &QueryError) -> Self {
        match error.refusal() {
            // 42501: insufficient_privilege.
            Some(message) if message.code == "42501" => Self::Privilege(message.message.clone()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Privilege(what) => write!(f, "a right is missing: {what}"),
            Self::Version { since } => write!(f, "PostgreSQL {since} and later have it"),
            Self::Role(what) => f.write_str(what),
            Self::NotAsked => f.write_str("it was not asked for"),
            Self::Failed(what) => f.write_str(what),
        }
    }
}

/// `no`, or `unknown: ` and why, for what has no value.
impl<T: fmt::Display> fmt::Display for Reading<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => value.fmt(f),
            Self::No => f.write_str("none"),
            Self::Unknown(why) => write!(f, "unknown: {why}"),
        }
    }
}
