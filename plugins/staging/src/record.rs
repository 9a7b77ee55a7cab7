//! What an action made of the files of each day, remembered for its next run.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Host, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tracing::warn;

use crate::{day::Day, files, names};

/// The name of the records in the state of a plugin.
const KEY: &str = "days";
/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

/// What was made of the files of a day, by [`Found::key`](files::Found::key).
pub type DayRecord<T> = BTreeMap<String, T>;

/// What was made of the files of all days that there are.
///
/// Days that are gone are forgotten. Indicators cannot say it: they are empty,
/// and go when a day is staged anew.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Records<T> {
    version: u32,
    /// By the path of the day's directory.
    days: BTreeMap<String, DayRecord<T>>,
}

impl<T> Default for Records<T> {
    fn default() -> Self {
        Self { version: VERSION, days: BTreeMap::new() }
    }
}

impl<T: Serialize + DeserializeOwned> Records<T> {
    /// Reads what the last run remembered. What cannot be read or understood
    /// is as good as nothing.
    pub fn load(host: &Host) -> Self {
        let unusable = |why: &dyn std::fmt::Display| {
            warn!("what was remembered of staged days cannot be used: {why}");
            Self::default()
        };
        let text = match host.state().get(KEY) {
            Ok(Some(text)) => text,
            Ok(None) => return Self::default(),
            Err(error) => return unusable(&error),
        };
        match serde_json::from_slice::<Self>(&text) {
            Ok(records) if records.version == VERSION => records,
            Ok(records) => unusable(&format!("it has version {}", records.version)),
            Err(error) => unusable(&error),
        }
    }

    /// Makes it durable.
    ///
    /// # Errors
    ///
    /// If it is not; what was there before still is then.
    pub fn save(&mut self, host: &Host) -> Result<()> {
        self.days.retain(|day, files| !files.is_empty() && directory(day).is_dir());
        host.state().put(KEY, &serde_json::to_vec(self)?)
    }

    /// Returns what was made of the files of a day.
    pub fn of(&self, day: &Path) -> Option<&DayRecord<T>> {
        self.days.get(&key(day))
    }

    /// Returns the directory of the day that a file belongs to, and its key
    /// there, if anything is known of it.
    pub fn find(&self, file: &Path) -> Option<(PathBuf, String)> {
        file.ancestors().skip(1).find_map(|day| {
            let key = files::key(file.strip_prefix(day).ok()?);
            self.of(day)?.contains_key(&key).then(|| (day.to_owned(), key))
        })
    }

    /// Forgets a file.
    pub fn forget(&mut self, day: &Path, file: &str) {
        if let Some(files) = self.days.get_mut(&key(day)) {
            files.remove(file);
        }
    }

    /// Returns what was made of the files of a day, to be changed.
    pub fn of_mut(&mut self, day: &Day) -> &mut DayRecord<T> {
        self.days.entry(key(&day.path)).or_default()
    }
}

fn key(day: &Path) -> String {
    files::key(day.strip_prefix("/").unwrap_or(day))
}

fn directory(key: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let segments = key.split('/').map(|it| std::ffi::OsString::from_vec(names::unescaped(it)));
    std::iter::once("/".into()).chain(segments).collect()
}

#[cfg(test)]
mod tests {
    use hayloft_plugin_api::conformance::TestHost;

    use super::*;

    #[test]
    fn what_is_remembered_comes_back_until_the_day_is_gone() {
        let test = TestHost::new().unwrap();
        let day = |name: &str| {
            let path = test.directory().join(name);
            std::fs::create_dir(&path).unwrap();
            Day { name: name.to_owned(), path }
        };
        let (one, two) = (day("new\nday"), day("other"));
        let mut records = Records::<u32>::default();
        records.of_mut(&one).insert("a".to_owned(), 1);
        records.of_mut(&two).insert("a".to_owned(), 2);
        records.save(&test.host()).unwrap();
        std::fs::remove_dir(&two.path).unwrap();
        let mut records = Records::<u32>::load(&test.host());
        assert_eq!(records.of(&one.path).unwrap()["a"], 1);
        assert_eq!(records.find(&one.path.join("a")), Some((one.path.clone(), "a".to_owned())));
        assert_eq!(records.find(&one.path.join("b")), None);
        records.save(&test.host()).unwrap();
        let records = Records::<u32>::load(&test.host());
        assert!(records.of(&one.path).is_some() && records.of(&two.path).is_none());
    }

    #[test]
    fn nonsense_is_as_good_as_nothing() {
        let test = TestHost::new().unwrap();
        for text in ["", "[]", "{\"version\":2,\"days\":{}}"] {
            test.host().state().put(KEY, text.as_bytes()).unwrap();
            let records = Records::<u32>::load(&test.host());
            assert!(records.of(Path::new("/x")).is_none());
        }
    }
}
