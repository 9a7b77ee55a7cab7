//! What is to be done with the files of a directory.

use std::{
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use hayloft_plugin_api::{Error, Result};
use hayloft_postgres::wal::FileName;

/// How old a `.tmp` must be that nobody writes any more.
const STALE: Duration = Duration::from_hours(24);

/// A file that can be archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// What it is.
    pub(crate) name: FileName,
    /// Where it is.
    pub(crate) path: PathBuf,
}

/// What is to be done with the files of a directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    /// To be archived, in this order.
    pub(crate) items: Vec<Item>,
    /// Can be archived, and is more than the limit.
    pub(crate) later: usize,
    /// The newest file of what is streamed, which stays.
    pub(crate) held: Option<FileName>,
    /// Not to be archived: for the errors.
    pub(crate) strangers: Vec<PathBuf>,
    /// What is left of a timeline of which nothing had come.
    pub(crate) blanks: Vec<PathBuf>,
}

/// Something in a directory.
#[derive(Debug, Clone)]
struct Entry {
    path: PathBuf,
    /// `None` for what is no name of WAL.
    name: Option<FileName>,
    regular: bool,
    temporary: bool,
    /// Whether it was last written long ago.
    stale: bool,
}

impl Batch {
    /// Looks through what somebody else brings. `limit` 0 is none.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read. One that is not there is empty.
    pub(crate) fn of_incoming(directory: &Path, limit: usize, now: SystemTime) -> Result<Self> {
        Ok(arrange(entries(directory, now)?, limit))
    }

    /// Looks through what is streamed.
    ///
    /// # Errors
    ///
    /// As [`Batch::of_incoming`].
    pub(crate) fn of_streaming(directory: &Path, limit: usize, now: SystemTime) -> Result<Self> {
        let mut entries = entries(directory, now)?;
        let held = hold_back(&mut entries);
        let mut blanks = Vec::new();
        entries.retain(|it| {
            let blank =
                matches!(it.name, Some(FileName::Partial(_))) && it.regular && is_blank(&it.path);
            if blank {
                blanks.push(it.path.clone());
            }
            !blank
        });
        Ok(Self { held, blanks, ..arrange(entries, limit) })
    }
}

fn entries(directory: &Path, now: SystemTime) -> Result<Vec<Entry>> {
    let failed =
        |e: io::Error| Error::from(e).context(format!("cannot read {}", directory.display()));
    let mut found = Vec::new();
    let listing = match fs::read_dir(directory) {
        Ok(listing) => listing,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(e) => return Err(failed(e)),
    };
    for entry in listing {
        let entry = entry.map_err(failed)?;
        let file_name = entry.file_name();
        let bytes = file_name.as_encoded_bytes();
        if bytes.starts_with(b".") {
            continue;
        }
        match fs::symlink_metadata(entry.path()) {
            Ok(metadata) => found.push(Entry {
                // As PostgreSQL writes it, and not in small letters.
                name: file_name
                    .to_str()
                    .and_then(|text| FileName::parse(text).filter(|it| it.to_string() == text)),
                regular: metadata.is_file(),
                temporary: bytes.ends_with(b".tmp"),
                stale: is_stale(&metadata, now),
                path: entry.path(),
            }),
            // Somebody else took it meanwhile.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed(e)),
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn is_stale(metadata: &Metadata, now: SystemTime) -> bool {
    let age = metadata.modified().ok().and_then(|it| now.duration_since(it).ok());
    age.is_some_and(|it| it > STALE)
}

/// Nothing of a segment has come: not even the first page's beginning, which
/// is never zero.
fn is_blank(path: &Path) -> bool {
    use std::io::Read;
    let mut head = [0; 16];
    fs::File::open(path)
        .and_then(|it| it.take(16).read(&mut head))
        .is_ok_and(|read| head[..read].iter().all(|it| *it == 0))
}

/// Takes the newest segment out, whole or not.
fn hold_back(entries: &mut Vec<Entry>) -> Option<FileName> {
    let rank = |it: &Entry| match it.name {
        Some(FileName::Segment(segment)) if it.regular => Some((segment, true)),
        Some(FileName::Partial(segment)) if it.regular => Some((segment, false)),
        _ => None,
    };
    let newest = entries.iter().filter_map(rank).max()?;
    let index = entries.iter().position(|it| rank(it) == Some(newest))?;
    entries.remove(index).name
}

fn arrange(entries: Vec<Entry>, limit: usize) -> Batch {
    let mut batch = Batch::default();
    for entry in entries {
        match entry.name {
            _ if entry.temporary && entry.regular && !entry.stale => {}
            Some(name) if entry.regular => batch.items.push(Item { name, path: entry.path }),
            _ => batch.strangers.push(entry.path),
        }
    }
    if limit > 0 && batch.items.len() > limit {
        batch.later = batch.items.len() - limit;
        batch.items.truncate(limit);
    }
    batch
}

#[cfg(test)]
mod tests {
    use std::{fs::File, time::Duration};

    use super::*;

    const A: &str = "000000010000000000000001";
    const B: &str = "000000010000000000000002";
    const C: &str = "000000020000000000000002";

    fn directory(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for name in files {
            match name.strip_suffix('/') {
                Some(name) => fs::create_dir(directory.path().join(name)).unwrap(),
                None => fs::write(directory.path().join(name), "wal").unwrap(),
            }
        }
        directory
    }

    fn names(paths: impl IntoIterator<Item = PathBuf>) -> Vec<String> {
        let name = |it: PathBuf| it.file_name().unwrap().to_str().unwrap().to_owned();
        paths.into_iter().map(name).collect()
    }

    fn items(batch: &Batch) -> Vec<String> {
        names(batch.items.iter().map(|it| it.path.clone()))
    }

    #[test]
    fn what_comes_in_is_taken_in_order_and_strangers_are_told_apart() {
        let partial = format!("{A}.partial");
        let label = format!("{A}.00000028.backup");
        let small = "00000001000000000000000a";
        let place = directory(&[
            B,
            A,
            &partial,
            &label,
            "00000002.history",
            "junk",
            ".hidden",
            small,
            "sub/",
            &format!("{C}/"),
            &format!("{B}.gz"),
        ]);
        let batch = Batch::of_incoming(place.path(), 0, SystemTime::now()).unwrap();
        assert_eq!(items(&batch), [A, &label, &partial, B, "00000002.history"]);
        let strangers = names(batch.strangers);
        assert_eq!(strangers, [&format!("{B}.gz"), small, C, "junk", "sub"]);
        let missing = place.path().join("nowhere");
        assert_eq!(Batch::of_incoming(&missing, 0, SystemTime::now()).unwrap(), Batch::default());
    }

    #[test]
    fn a_limit_counts_what_can_be_archived_only() {
        let place = directory(&[&format!("{A}.tmp"), "0junk", A, B]);
        let now = SystemTime::now();
        let batch = Batch::of_incoming(place.path(), 1, now).unwrap();
        assert_eq!((items(&batch), batch.later), (vec![A.to_owned()], 1));
        assert_eq!(names(batch.strangers), ["0junk"]);
    }

    #[test]
    fn what_is_half_written_is_left_alone_for_a_day() {
        let name = format!("{A}.tmp");
        let place = directory(&[&name]);
        let now = SystemTime::now();
        assert_eq!(Batch::of_incoming(place.path(), 0, now).unwrap(), Batch::default());
        let file = File::options().write(true).open(place.path().join(&name)).unwrap();
        file.set_modified(now - Duration::from_hours(25)).unwrap();
        let batch = Batch::of_incoming(place.path(), 0, now).unwrap();
        assert_eq!(names(batch.strangers), [name]);
    }

    #[test]
    fn of_what_is_streamed_the_newest_stays_whatever_the_limit() {
        let partial = |name| format!("{name}.partial");
        let (a, b, c) = (partial(A), partial(B), partial(C));
        let cases: [(&[&str], &[&str], Option<&str>); 7] = [
            (&[], &[], None),
            (&[A], &[], Some(A)),
            (&[&a], &[], Some(&a)),
            (&[A, &b], &[A], Some(&b)),
            // No partial: the last one may be all that tells where to go on.
            (&[A, B], &[A], Some(B)),
            // What is left of a timeline that ended is archived as it is.
            (&[A, &b, "00000002.history", &c], &[A, &b, "00000002.history"], Some(&c)),
            // The same segment whole and not: the whole one is the newest.
            (&[B, &b], &[&b], Some(B)),
        ];
        for (files, expected, held) in cases {
            let place = directory(files);
            for limit in [0, 3] {
                let batch = Batch::of_streaming(place.path(), limit, SystemTime::now()).unwrap();
                assert_eq!(items(&batch), expected, "{files:?}");
                assert_eq!(batch.held.map(|it| it.to_string()).as_deref(), held, "{files:?}");
            }
        }
        let place = directory(&[A, B, &c]);
        let batch = Batch::of_streaming(place.path(), 1, SystemTime::now()).unwrap();
        assert_eq!((items(&batch), batch.later), (vec![A.to_owned()], 1), "not the held one");
    }

    #[test]
    fn a_partial_segment_of_which_nothing_came_is_no_wal() {
        let (b, c) = (format!("{B}.partial"), format!("{C}.partial"));
        for content in [vec![], vec![0; 100]] {
            let place = directory(&[A, &b, &c]);
            fs::write(place.path().join(&b), content).unwrap();
            fs::write(place.path().join(&c), "").unwrap();
            let batch = Batch::of_streaming(place.path(), 0, SystemTime::now()).unwrap();
            assert_eq!(items(&batch), [A]);
            assert_eq!(names(batch.blanks), std::slice::from_ref(&b));
            assert_eq!(batch.held.unwrap().to_string(), c);
        }
    }
}
