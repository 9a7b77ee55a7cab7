//! Regular expressions as Python's `re` understands them.

mod groups;
mod parser;
mod set;

use std::fmt;

use self::parser::Parser;

/// A regular expression of Python, compiled.
///
/// Python's syntax is checked and translated; what Python refuses is refused
/// here, and what it reads differently from other engines (`$`, `\Z`, `{,3}`,
/// `[[a]`) means what it means there.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: fancy_regex::Regex,
}

/// Why a text is no regular expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    message: String,
    /// Where in the pattern, in characters from 0.
    pub offset: usize,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at position {}", self.message, self.offset)
    }
}

impl std::error::Error for PatternError {}

impl PatternError {
    fn new(message: impl Into<String>, offset: usize) -> Self {
        Self { message: message.into(), offset }
    }
}

impl Pattern {
    /// Checks a pattern without compiling it.
    ///
    /// # Errors
    ///
    /// If Python would refuse it.
    pub fn check(pattern: &str) -> Result<(), PatternError> {
        Parser::translate(pattern).map(drop)
    }

    /// Compiles a pattern, to be looked for from the beginning of a text, as
    /// Python's `match` does.
    ///
    /// # Errors
    ///
    /// If Python would refuse it, or if it is too large.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let translated = Parser::translate(pattern)?;
        let regex = fancy_regex::Regex::new(&format!("\\A(?:{translated})"))
            .map_err(|it| PatternError::new(format!("cannot be used: {it}"), 0))?;
        Ok(Self { regex })
    }

    /// Compiles a pattern as Cedar Backup uses those of `<exclude>`: between
    /// `^` and `$`, as text. So `a|b` means "begins with a, or ends like b",
    /// and flags such as `(?i)` in the pattern are refused.
    ///
    /// # Errors
    ///
    /// As [`Pattern::new`].
    pub fn exclusion(pattern: &str) -> Result<Self, PatternError> {
        Self::new(&format!("^{pattern}$"))
    }

    /// Tells whether the text matches.
    ///
    /// # Errors
    ///
    /// If the pattern backtracks without end on this text.
    pub fn is_match(&self, text: &str) -> Result<bool, PatternError> {
        self.regex.is_match(text).map_err(|it| PatternError::new(it.to_string(), 0))
    }
}
