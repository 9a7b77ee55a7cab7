//! What came of a part.

use hayloft_dump::Made;

/// What came of a part, if it did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// It was saved.
    Saved {
        /// The number of files.
        files: u32,
        /// Their sizes together.
        made: Made,
        /// What is missing in it.
        warnings: Vec<String>,
    },
    /// There is nothing to save, for the reason given.
    Nothing(String),
    /// There may be something, but we are not told; for the reason given.
    Withheld(String),
}

impl End {
    /// One file, to which nothing is to be said.
    pub(crate) fn saved(made: Made) -> Self {
        Self::Saved { files: 1, made, warnings: Vec::new() }
    }
}
