//! Files of a backup, wherever they are.

use std::path::PathBuf;

use super::Day;

/// A file of a backup, in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copy {
    /// The day that it is filed under.
    pub(crate) day: Day,
    /// The machine that it is of; empty if that is not said.
    pub(crate) peer: String,
    /// Its name, without the number of a part.
    pub(crate) name: String,
    /// Its size in bytes, all parts together.
    pub(crate) size: u64,
    /// Where it is, by the place in the catalogue's list of sources.
    pub(crate) source: usize,
    /// The pieces that it was split into; mostly one.
    pub(crate) parts: Vec<Part>,
}

/// A piece of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// A file of this machine.
    File(PathBuf),
    /// An object of the storage that is the source.
    Object(String),
}

/// What a file of a backup is, as far as its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// Collected files.
    Archive,
    /// A dump of a database or a repository.
    Dump,
    /// Anything else.
    Other,
}

impl FileKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Dump => "dump",
            Self::Other => "other",
        }
    }
}

/// What the names of dumps begin with.
const DUMPS: &[&str] = &["postgresqldump", "mysqldump", "svndump-", "mbox-", "postgresql-"];

impl Copy {
    pub(crate) fn kind(&self) -> FileKind {
        if self.series().is_some() {
            FileKind::Archive
        } else if DUMPS.iter().any(|it| self.name.starts_with(it)) {
            FileKind::Dump
        } else {
            FileKind::Other
        }
    }

    /// Returns what the archives of an item have in common, whatever they
    /// were compressed or encrypted with: the name before `.tar`.
    pub(crate) fn series(&self) -> Option<&str> {
        let (series, rest) = self.name.rsplit_once(".tar")?;
        (rest.is_empty() || rest.starts_with('.')).then_some(series)
    }

    /// Puts the pieces of files together that were split.
    pub(crate) fn join_parts(mut copies: Vec<Self>) -> Vec<Self> {
        copies.sort_by(|a, b| {
            (a.source, a.day, &a.peer, &a.name).cmp(&(b.source, b.day, &b.peer, &b.name))
        });
        let mut joined: Vec<Self> = Vec::new();
        for mut copy in copies {
            let Some((name, number)) = part(&copy.name) else {
                joined.push(copy);
                continue;
            };
            let name = name.to_owned();
            if let Some(last) = joined.last_mut()
                && (last.source, last.day, &last.peer, &last.name)
                    == (copy.source, copy.day, &copy.peer, &name)
                && last.parts.len() == number
            {
                last.size += copy.size;
                last.parts.append(&mut copy.parts);
                continue;
            }
            // A part without those before it stays what it is.
            if number == 0 {
                copy.name = name;
            }
            joined.push(copy);
        }
        joined
    }
}

/// Takes the number of a part off a name.
fn part(name: &str) -> Option<(&str, usize)> {
    let (name, digits) = name.rsplit_once('_')?;
    let right = digits.len() == 5 && digits.bytes().all(|it| it.is_ascii_digit());
    right.then(|| Some((name, digits.parse().ok()?))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(name: &str) -> Copy {
        Copy {
            day: Day::parse("2026-11-17").unwrap(),
            peer: "box".into(),
            name: name.into(),
            size: 10,
            source: 0,
            parts: vec![Part::Object(name.into())],
        }
    }

    #[test]
    fn names_say_what_a_file_is() {
        for (name, kind, series) in [
            ("etc.tar", "archive", Some("etc")),
            ("etc.tar.gz", "archive", Some("etc")),
            ("srv-x.tar.d.tar.zst.age", "archive", Some("srv-x.tar.d")),
            ("etc.tarx", "other", None),
            ("postgresqldump-db.txt.gz", "dump", None),
            ("fdisk-l.txt.bz2", "other", None),
        ] {
            let copy = copy(name);
            assert_eq!((copy.kind().name(), copy.series()), (kind, series), "{name}");
        }
    }

    #[test]
    fn parts_become_one_file_again() {
        let names = ["a.tar_00001", "b_00000", "a.tar_00000", "a.tar_00002", "c_00003", "plain"];
        let joined = Copy::join_parts(names.map(copy).to_vec());
        let shown: Vec<_> =
            joined.iter().map(|it| (it.name.as_str(), it.parts.len(), it.size)).collect();
        assert_eq!(shown, [("a.tar", 3, 30), ("b", 1, 10), ("c_00003", 1, 10), ("plain", 1, 10)]);
    }
}
