//! What earlier runs left of the same dump: under its name when it has
//! failed, or under another, when compression or format were changed.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
    time::SystemTime,
};

use hayloft_plugin_api::Host;

/// The indicator that the collect directory was staged.
const STAGED: &str = "cback.stage";
/// How many bytes of a file a compressor is recognised by.
const MAGIC: u64 = 64;

/// What became of an earlier dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leftover {
    /// There was none.
    Absent,
    /// It was staged already; the copy that would be taken for today's has
    /// been removed.
    Removed,
    /// It was never staged, so it may be the only one; it was kept.
    Kept,
}

/// Removes the earlier dump `file` of `directory` if it has been staged: it
/// would be staged once more, as that of another day.
///
/// # Errors
///
/// If it cannot be removed.
pub(crate) fn remove_if_staged(directory: &Path, file: &str) -> io::Result<Leftover> {
    let path = directory.join(file);
    let Some(made) = modified(&path)? else { return Ok(Leftover::Absent) };
    match modified(&directory.join(STAGED))? {
        Some(staged) if made <= staged => fs::remove_file(&path).map(|()| Leftover::Removed),
        _ => Ok(Leftover::Kept),
    }
}

fn modified(path: &Path) -> io::Result<Option<SystemTime>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.modified().map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the files in `directory` that are the dump `base` too, with
/// another compression than `current` has.
///
/// A suffix is one only if the compressor that recognises the content has it:
/// `dump-x.txt.txt` is the dump of something called `x.txt`.
///
/// # Errors
///
/// If the directory cannot be read.
pub(crate) fn others(
    host: &Host,
    directory: &Path,
    base: &str,
    current: &str,
) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name != current
            && entry.file_type()?.is_file()
            && let Some(suffix) = name.strip_prefix(base)
            && is_suffix(host, &entry.path(), suffix)
        {
            found.push(name);
        }
    }
    Ok(found)
}

fn is_suffix(host: &Host, path: &Path, suffix: &str) -> bool {
    if suffix.is_empty() {
        return true;
    }
    let short = suffix.strip_prefix('.').is_some_and(|it| {
        !it.is_empty() && it.len() < 16 && it.bytes().all(|it| it.is_ascii_alphanumeric())
    });
    short
        && head(path).is_ok_and(|head| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let found = host.recognise(&name, &head);
            found.is_ok_and(|it| it.is_some_and(|it| it.suffix() == suffix))
        })
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(MAGIC).read_to_end(&mut head)?;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hayloft_plugin_api::conformance::TestHost;

    use super::*;

    #[test]
    fn only_what_was_staged_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str, seconds: u64| {
            let file = File::create(directory.path().join(name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        };
        let found = |name: &str| remove_if_staged(directory.path(), name).unwrap();

        at("old", 100);
        assert_eq!(found("old"), Leftover::Kept);
        at(STAGED, 200);
        at("new", 300);
        assert_eq!(found("old"), Leftover::Removed);
        assert_eq!(found("new"), Leftover::Kept);
        assert_eq!(found("none"), Leftover::Absent);
        assert!(!directory.path().join("old").exists());
    }

    #[test]
    fn only_the_same_dump_is_another_form_of_it() {
        let test = TestHost::new().unwrap();
        for name in ["dump-x.txt", "dump-x.txt.txt", "dump-x.txt.dir.tar", "dump-xy.txt"] {
            fs::write(test.collect_dir().join(name), "x").unwrap();
        }
        let found = |current: &str| {
            others(&test.host(), &test.collect_dir(), "dump-x.txt", current).unwrap()
        };
        assert_eq!(found("dump-x.txt.gz"), ["dump-x.txt"]);
        assert!(found("dump-x.txt").is_empty());
    }
}
