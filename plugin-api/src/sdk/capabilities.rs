//! What storages can do besides keeping objects, and what they say of it.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// How far a condition holds when several ask at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum Guarantee {
    /// Nobody has said. A lease must not rely on it.
    #[default]
    Unknown,
    /// The storage refuses such calls with
    /// [`ErrorKind::UNSUPPORTED`](crate::ErrorKind::UNSUPPORTED).
    Missing,
    /// The storage looks first and acts then: who comes later is refused, but
    /// of two at the same time both may succeed.
    Checked,
    /// Of any number at the same time, over all threads, processes and hosts,
    /// one at most succeeds.
    Atomic,
}

impl Guarantee {
    /// Returns the name that scripts see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Missing => "missing",
            Self::Checked => "checked",
            Self::Atomic => "atomic",
        }
    }
}

impl From<Guarantee> for String {
    fn from(it: Guarantee) -> Self {
        it.name().to_owned()
    }
}

impl From<String> for Guarantee {
    /// A name of a later release is one that we cannot rely on.
    fn from(name: String) -> Self {
        let all = [Self::Missing, Self::Checked, Self::Atomic];
        all.into_iter().find(|it| it.name() == name).unwrap_or_default()
    }
}

/// What a storage can do, see [`Storage::capabilities`](crate::Storage::capabilities).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// A put with [`PutOptions::create_only`](crate::PutOptions::create_only).
    pub create: Guarantee,
    /// [`Storage::replace`](crate::Storage::replace).
    pub replace: Guarantee,
    /// How many objects go away with one request; 0 or 1 if each takes one.
    pub delete_batch: u32,
    /// Whether what was replaced or deleted is kept as an older version.
    pub versions: bool,
    /// How long objects are protected from the moment they are written, if
    /// the storage does that by itself.
    pub retention: Option<Retention>,
}

/// A rule that protects every new object for a time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retention {
    /// For how long, in seconds.
    pub seconds: u64,
    /// What the storage calls this kind of protection, such as `compliance`.
    pub mode: String,
}

/// What keeps an object from being deleted or replaced, see
/// [`Storage::protection`](crate::Storage::protection).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Protection {
    /// Until when, in nanoseconds since 1970.
    pub until_ns: Option<i64>,
    /// Whether it is held for as long as nobody lifts the hold.
    pub hold: bool,
    /// What the storage calls this kind of protection, such as `compliance`.
    pub mode: String,
}

/// An object of [`Storage::delete_many`](crate::Storage::delete_many) that is
/// still there.
#[derive(Debug, Clone)]
pub struct Undeleted {
    /// Which of the keys, counted from 0.
    pub index: usize,
    /// Why.
    pub error: Error,
}

/// What [`Storage::sweep`](crate::Storage::sweep) is to look for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sweep {
    /// What was begun less than so many seconds ago is left alone: somebody
    /// may still be at it.
    pub older_than_s: u64,
    /// Only tell what would be removed.
    pub dry_run: bool,
}

/// Part of an object that somebody began and never finished, such as an
/// upload in parts. It is not listed, but takes room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Leftover {
    /// What the object was to be called, or another name that people can
    /// find it by.
    pub name: String,
    /// When it was begun, in nanoseconds since 1970; 0 if unknown.
    pub begun_ns: i64,
    /// How many bytes there are of it, if that is known.
    pub size: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_release_says_is_nothing_to_rely_on() {
        let cases = [
            (r#"{"create":"atomic","replace":"checked"}"#, Guarantee::Atomic, Guarantee::Checked),
            (r#"{"create":"missing","colour":7}"#, Guarantee::Missing, Guarantee::Unknown),
            (r#"{"create":"linearizable","replace":""}"#, Guarantee::Unknown, Guarantee::Unknown),
            ("{}", Guarantee::Unknown, Guarantee::Unknown),
        ];
        for (text, create, replace) in cases {
            let read: Capabilities = serde_json::from_str(text).unwrap();
            assert_eq!((read.create, read.replace), (create, replace), "{text}");
            let again = serde_json::to_string(&read).unwrap();
            assert_eq!(serde_json::from_str::<Capabilities>(&again).unwrap(), read);
        }
    }
}
