//! What goes wrong with leases.

use hayloft_plugin_api::{Error, ErrorKind};
use thiserror::Error as ThisError;

/// Why a lease is not had, or not any more.
#[derive(Debug, ThisError)]
pub(crate) enum LeaseError {
    /// Somebody else has it, and is alive.
    #[error("{holder} has the lease {key}")]
    Held {
        /// The lease's object.
        key: String,
        /// Who has it.
        holder: String,
    },

    /// It was ours, and is not sure to be any more.
    #[error("the lease {key} is lost: {why}")]
    Lost {
        /// The lease's object.
        key: String,
        /// What has become of it.
        why: String,
    },

    /// The storage does not keep the conditions that a lease needs.
    #[error("the storage cannot hold the lease {key}: {why}")]
    Untrusted {
        /// The lease's object.
        key: String,
        /// What it does instead.
        why: String,
    },

    /// What is there is no lease.
    #[error("the object {key} is no lease that this release can read")]
    Damaged {
        /// The lease's object.
        key: String,
    },

    /// The caller wanted an end.
    #[error("interrupted while waiting for the lease {key}")]
    Cancelled {
        /// The lease's object.
        key: String,
    },

    /// The storage failed.
    #[error("cannot {doing} the lease {key}")]
    Storage {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The lease's object.
        key: String,
        /// What the storage says.
        cause: Box<Error>,
    },
}

impl LeaseError {
    /// What the callers get, with what they can do about it.
    pub(crate) fn into_error(self) -> Error {
        let message = self.to_string();
        match self {
            Self::Held { .. } => Error::new(ErrorKind::TRANSIENT, message)
                .hint("try again later; a holder that has died loses it by itself"),
            Self::Lost { .. } => Error::new(ErrorKind::CHANGED, message),
            Self::Untrusted { .. } => Error::new(ErrorKind::UNSUPPORTED, message).hint(
                "only one machine may work on this storage, or choose one that replaces an object \
                 only if it is as it was; `hayloft storage check` tells",
            ),
            Self::Damaged { key } => Error::new(ErrorKind::CORRUPT, message)
                .hint(format!("if nobody works on it, remove {key} from the storage")),
            Self::Cancelled { .. } => Error::new(ErrorKind::CANCELLED, message),
            Self::Storage { cause, .. } => cause.context(message),
        }
    }
}

/// Tells whether an error of [`acquire`](crate::acquire) says that somebody
/// else has the lease, and not that the storage failed.
pub fn is_held(error: &Error) -> bool {
    // What a storage says is a cause of ours.
    error.kind() == ErrorKind::TRANSIENT && error.causes().is_empty()
}
