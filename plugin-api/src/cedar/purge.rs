//! The `<purge>` section.

use super::{
    Cause, Located, Place, Text,
    reader::{Findings, Reader},
    section::{Context, Section},
};

/// What is deleted when it is old.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purge {
    /// The directories to purge.
    pub dirs: Vec<PurgeDir>,
    /// Where the section is.
    pub place: Place,
}

/// A directory to purge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PurgeDir {
    /// The directory.
    pub abs_path: Text,
    /// How many days a file is kept; 0 keeps nothing.
    pub retain_days: Option<Located<i64>>,
    /// Ours: what the age of a file is: `mtime` (since it was written), `cedar`
    /// (since it was written or read, whichever is later), or `day` (since the
    /// day that it was staged on, as the name of its directory says).
    pub age: Text,
    /// Where the item is.
    pub place: Place,
}

impl Section for Purge {
    const NAME: &'static str = "purge";

    fn read(reader: &Reader<'_>) -> Self {
        let dir = |it: Reader<'_>| PurgeDir {
            abs_path: it.absolute("abs_path", Cause::ItemNotAbsolute),
            retain_days: it.integer("retain_days", Some((0, Cause::RetainDaysNegative))),
            age: it.one_of("age", Cause::PurgeAge, &["mtime", "cedar", "day"]),
            place: it.place(),
        };
        Self { dirs: reader.all("dir").map(dir).collect(), place: reader.place() }
    }

    fn validate(&self, findings: &Findings<'_>, _: &Context<'_>) {
        for dir in &self.dirs {
            if dir.abs_path.is_none() {
                findings.missing(Cause::PurgePathMissing, &dir.place);
            }
            if dir.retain_days.is_none() {
                findings.missing(Cause::RetainDaysMissing, &dir.place);
            }
        }
    }
}
