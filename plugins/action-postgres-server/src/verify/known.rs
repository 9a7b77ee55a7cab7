//! What was found to be good before.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{ErrorKind as IoKind, Write},
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, Host, OutputOptions, Result};
use serde::{Deserialize, Serialize};

/// Its name in the directory of a server.
const NAME: &str = "verified.json";

/// Objects that were read and found to be good, by storage and key, with what
/// tells them from others of the same key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known(BTreeMap<String, BTreeMap<String, String>>);

impl Known {
    /// Reads what is known; one that cannot be read knows nothing.
    ///
    /// # Errors
    ///
    /// If there is a file and it cannot be opened.
    pub(super) fn load(directory: &Path) -> Result<Self> {
        let path = file(directory);
        match fs::read(&path) {
            Ok(text) => Ok(serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!("{} is of no use: {error}", path.display());
                Self::default()
            })),
            Err(e) if e.kind() == IoKind::NotFound => Ok(Self::default()),
            Err(e) => Err(Error::from(e).context(format!("cannot read {}", path.display()))),
        }
    }

    /// Keeps it.
    ///
    /// # Errors
    ///
    /// If that is impossible.
    pub(super) fn save(&self, host: &Host, directory: &Path) -> Result<()> {
        let mut output = host.create(&file(directory), &OutputOptions::default())?;
        output.write_all(&serde_json::to_vec(self)?)?;
        output.commit().map(drop)
    }

    /// Tells whether an object is one that was good.
    pub(super) fn has(&self, storage: &str, key: &str, what: &str) -> bool {
        self.0.get(storage).and_then(|it| it.get(key)).is_some_and(|it| it == what)
    }

    /// Takes note of an object that is good.
    pub(super) fn add(&mut self, storage: &str, key: &str, what: String) {
        self.0.entry(storage.to_owned()).or_default().insert(key.to_owned(), what);
    }

    /// Takes note of one that is not.
    pub(super) fn remove(&mut self, storage: &str, key: &str) {
        if let Some(objects) = self.0.get_mut(storage) {
            objects.remove(key);
        }
    }

    /// Forgets what a storage was not seen to have.
    pub(super) fn retain(&mut self, storage: &str, seen: &BTreeSet<String>) {
        if let Some(objects) = self.0.get_mut(storage) {
            objects.retain(|key, _| seen.contains(key));
        }
    }
}

fn file(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_good_is_known_until_it_changes_or_goes() {
        let mut known = Known::default();
        known.add("disk", "a", "1".to_owned());
        known.add("disk", "b", "2".to_owned());
        assert!(known.has("disk", "a", "1"));
        assert!(!known.has("disk", "a", "2") && !known.has("shelf", "a", "1"));
        known.remove("disk", "a");
        known.remove("shelf", "a");
        assert!(!known.has("disk", "a", "1"));
        known.retain("disk", &BTreeSet::new());
        assert!(!known.has("disk", "b", "2"));
        let text = serde_json::to_vec(&known).unwrap();
        assert_eq!(serde_json::from_slice::<Known>(&text).unwrap(), known);
    }

    #[test]
    fn a_file_that_makes_no_sense_knows_nothing() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Known::load(directory.path()).unwrap(), Known::default());
        fs::write(directory.path().join(NAME), "{").unwrap();
        assert_eq!(Known::load(directory.path()).unwrap(), Known::default());
    }
}
