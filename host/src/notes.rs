//! What plugins have told for `hayloft status`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, Note, Result};

use crate::services::state::StateDirectory;

/// Their place below `WORKING_DIR/hayloft`.
const PLACE: &str = "notes";

/// The notes of a working directory.
#[derive(Debug)]
pub struct Notes {
    working_dir: PathBuf,
}

impl Notes {
    /// Names the place: `WORKING_DIR/hayloft/notes`. Nothing is touched yet.
    pub fn new(working_dir: &Path) -> Self {
        Self { working_dir: working_dir.to_owned() }
    }

    /// Replaces a note of a plugin. One that does not say when something was
    /// done leaves what was said before.
    ///
    /// # Errors
    ///
    /// If it cannot be made durable.
    pub fn put(&self, plugin: &str, key: &str, note: &Note) -> Result<()> {
        let directory = StateDirectory::shared(&self.working_dir, PLACE, plugin)?;
        let mut note = note.clone();
        if note.done_unix.is_none() {
            let before = directory.get(key)?;
            let before = before.and_then(|it| serde_json::from_slice::<Note>(&it).ok());
            note.done_unix = before.and_then(|it| it.done_unix);
        }
        directory.put(key, &serde_json::to_vec(&note)?)
    }

    /// Returns all notes, in the order of plugins and keys. One that cannot be
    /// read is passed over with a warning.
    ///
    /// # Errors
    ///
    /// If their directories are there but cannot be read.
    pub fn all(&self) -> Result<Vec<Note>> {
        let place = self.working_dir.join("hayloft").join(PLACE);
        let mut notes = Vec::new();
        for plugin in names(&place)? {
            let directory = StateDirectory::shared(&self.working_dir, PLACE, &plugin)?;
            for key in names(&place.join(&plugin))? {
                let read = directory.get(&key).and_then(|it| {
                    Ok(it.map(|it| serde_json::from_slice::<Note>(&it)).transpose()?)
                });
                match read {
                    Ok(note) => notes.extend(note),
                    Err(error) => tracing::warn!("the note {key} of {plugin}: {error}"),
                }
            }
        }
        Ok(notes)
    }
}

/// The names in a directory, in order, without those of files that are being
/// written.
fn names(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|e| {
            Error::from(e).context(format!("cannot look into {}", directory.display()))
        })?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string().ok().filter(|it| !it.starts_with('.')));
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(what: &str, done_unix: Option<i64>, trouble: Option<&str>) -> Note {
        Note { what: what.to_owned(), done_unix, trouble: trouble.map(ToOwned::to_owned) }
    }

    #[test]
    fn a_failure_does_not_undo_what_was_done() {
        let dir = tempfile::tempdir().unwrap();
        let notes = Notes::new(dir.path());
        assert_eq!(notes.all().unwrap(), []);
        notes.put("b", "drill.main", &note("m", None, Some("no"))).unwrap();
        assert_eq!(notes.all().unwrap(), [note("m", None, Some("no"))]);
        notes.put("b", "drill.main", &note("m", Some(7), None)).unwrap();
        notes.put("a", "x", &note("x", Some(1), None)).unwrap();
        assert_eq!(notes.all().unwrap(), [note("x", Some(1), None), note("m", Some(7), None)]);
        notes.put("b", "drill.main", &note("m", None, Some("no"))).unwrap();
        assert_eq!(notes.all().unwrap()[1], note("m", Some(7), Some("no")));
    }

    #[test]
    fn one_that_is_damaged_does_not_hide_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let notes = Notes::new(dir.path());
        for key in ["a", "b"] {
            notes.put("p", key, &note(key, Some(1), None)).unwrap();
        }
        fs::write(dir.path().join("hayloft/notes/p/a"), "{").unwrap();
        assert_eq!(notes.all().unwrap(), [note("b", Some(1), None)]);
        assert!(notes.put("p", "../x", &note("x", None, None)).is_err());
    }
}
