//! What is remembered of a file that we encrypted.

use hayloft_staging::{files::Identity, record::DayRecord};
use serde::{Deserialize, Serialize};

/// An encrypted file of ours, by its own key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sealed {
    /// What it was when it was finished; nothing while it is being made.
    pub(crate) done: Option<SealedFile>,
}

/// A finished encrypted file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SealedFile {
    /// Its size in bytes.
    pub(crate) size: u64,
    /// When it was written, in nanoseconds since 1970.
    pub(crate) modified_ns: i128,
    /// Its SHA-256, in hexadecimal.
    pub(crate) sha256: String,
}

impl SealedFile {
    /// Tells whether this is still the file.
    pub(crate) fn is(&self, identity: &Identity) -> bool {
        (self.size, self.modified_ns) == (identity.size, identity.modified_ns)
    }
}

/// Tells whether a file is known to be one that we finished.
pub(crate) fn is_finished(
    record: Option<&DayRecord<Sealed>>,
    key: &str,
    identity: &Identity,
) -> bool {
    let sealed = record.and_then(|it| it.get(key)?.done.as_ref());
    sealed.is_some_and(|it| it.is(identity))
}

/// Tells whether a file is ours to replace: we made it, or were making it
/// when we were interrupted.
pub(crate) fn is_ours(record: Option<&DayRecord<Sealed>>, key: &str, identity: &Identity) -> bool {
    let sealed = record.and_then(|it| it.get(key));
    sealed.is_some_and(|it| it.done.as_ref().is_none_or(|done| done.is(identity)))
}
