//! What is remembered of the repositories from run to run.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use hayloft_dump::read_small;
use hayloft_plugin_api::{Error, Host, Result};
use serde::{Deserialize, Serialize};

use crate::{names, svnlast};

/// The key of the list of all repositories of which something is remembered.
const KNOWN: &str = "repositories";
/// The form of what is remembered that this version writes.
const VERSION: u32 = 1;
/// Cedar Backup writes some ten bytes.
const LARGEST_SVNLAST: u64 = 1024;

/// What is remembered of a repository: its last dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Last {
    version: u32,
    /// For people who look at the file.
    path: String,
    /// The repository's UUID.
    pub uuid: String,
    /// The last revision in the dump.
    pub revision: u64,
    /// A digest of that revision, by which it is known again.
    pub fingerprint: String,
}

impl Last {
    /// Creates what is to be remembered.
    pub(crate) fn new(path: &[u8], uuid: &str, revision: u64, fingerprint: String) -> Self {
        let (path, uuid) = (names::shown(path), uuid.to_owned());
        Self { version: VERSION, path, uuid, revision, fingerprint }
    }
}

/// What is known of a repository's last dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// It was never dumped.
    Nothing,
    /// What was known cannot be used, for the reason given.
    Broken(String),
    /// It was dumped by us.
    Ours(Last),
    /// It was dumped by Cedar Backup, up to this revision.
    Cedar(u64),
}

/// What is remembered of all repositories.
#[derive(Debug)]
pub(crate) struct Memory<'a> {
    host: &'a Host,
    working_dir: PathBuf,
    /// The keys of all repositories of which something is remembered; `None`
    /// if the list is damaged.
    listed: Option<BTreeSet<String>>,
    written: Mutex<BTreeSet<String>>,
}

impl<'a> Memory<'a> {
    /// Reads the list of what there is.
    pub(crate) fn open(host: &'a Host, working_dir: &Path) -> Self {
        let listed = match host.state().get(KNOWN) {
            Ok(Some(data)) => serde_json::from_slice(&data).ok(),
            Ok(None) => Some(BTreeSet::new()),
            Err(error) => {
                tracing::warn!("{error}");
                None
            }
        };
        let written = Mutex::new(listed.clone().unwrap_or_default());
        Self { host, working_dir: working_dir.to_owned(), listed, written }
    }

    /// Returns what is known of the repository at `path`. `shared` is whether
    /// Cedar Backup filed the state of another repository under its name too.
    pub(crate) fn of(&self, path: &[u8], shared: bool) -> Known {
        let key = names::key(path);
        match self.host.state().get(&key) {
            Ok(Some(data)) => read(&data),
            Ok(None) => match &self.listed {
                Some(listed) if !listed.contains(&key) => self.cedar(path, shared),
                _ => Known::Broken("what was known of its last dump is lost".to_owned()),
            },
            Err(error) => Known::Broken(error.to_string()),
        }
    }

    fn cedar(&self, path: &[u8], shared: bool) -> Known {
        let file = self.working_dir.join(names::svnlast(path));
        let data = match read_small(&file, LARGEST_SVNLAST) {
            Ok(data) => data,
            // Of a path that long, Cedar Backup could not keep anything either.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename
                ) =>
            {
                return Known::Nothing;
            }
            Err(error) => return Known::Broken(format!("cannot read {}: {error}", file.display())),
        };
        if shared {
            let file = file.display();
            return Known::Broken(format!("{file} may speak of another repository"));
        }
        match svnlast::read(&data) {
            Ok(revision) => Known::Cedar(revision),
            Err(error) => Known::Broken(format!("{} cannot be used: {error}", file.display())),
        }
    }

    /// Remembers the dump of the repository at `path`, which is durable.
    ///
    /// # Errors
    ///
    /// If it cannot be made durable; what was known before is still there.
    pub(crate) fn put(&self, path: &[u8], last: &Last) -> Result<()> {
        let key = names::key(path);
        let failed = |error: Error| {
            error.context("the dump is made, but cannot be remembered as the base of the next one")
        };
        self.host.state().put(&key, &serde_json::to_vec(last)?).map_err(failed)?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.insert(key) || self.listed.is_none() {
            self.host.state().put(KNOWN, &serde_json::to_vec(&*written)?).map_err(failed)?;
        }
        Ok(())
    }
}

fn read(data: &[u8]) -> Known {
    match serde_json::from_slice::<Last>(data) {
        Ok(last) if last.version == VERSION => Known::Ours(last),
        Ok(last) => {
            Known::Broken(format!("what is known of its last dump has version {}", last.version))
        }
        Err(error) => Known::Broken(format!("what is known of its last dump is damaged: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use hayloft_plugin_api::conformance::TestHost;

    use super::*;

    const PATH: &[u8] = b"/srv/svn/one";

    fn known(test: &TestHost) -> Known {
        let host = test.host();
        let memory = Memory::open(&host, &test.directory().join("work"));
        memory.of(PATH, false)
    }

    fn remember(test: &TestHost, revision: u64) -> Last {
        let host = test.host();
        let memory = Memory::open(&host, &test.directory().join("work"));
        let last = Last::new(PATH, "uuid", revision, "digest".to_owned());
        memory.put(PATH, &last).unwrap();
        last
    }

    #[test]
    fn what_is_remembered_comes_back() {
        let test = TestHost::new().unwrap();
        assert_eq!(known(&test), Known::Nothing);
        let last = remember(&test, 3);
        assert_eq!(known(&test), Known::Ours(last));
        let last = remember(&test, 4);
        assert_eq!(known(&test), Known::Ours(last));
    }

    #[test]
    fn what_is_lost_or_damaged_is_noticed() {
        let test = TestHost::new().unwrap();
        remember(&test, 3);
        let host = test.host();
        for bad in [
            "",
            "{",
            "[]",
            "{\"version\":2,\"path\":\"\",\"uuid\":\"\",\"revision\":1,\"fingerprint\":\"\"}",
        ] {
            host.state().put(&names::key(PATH), bad.as_bytes()).unwrap();
            assert!(matches!(known(&test), Known::Broken(_)), "{bad}");
        }
        host.state().delete(&names::key(PATH)).unwrap();
        assert!(matches!(known(&test), Known::Broken(_)));
        host.state().put(KNOWN, b"garbage").unwrap();
        assert!(matches!(known(&test), Known::Broken(_)));
        let last = remember(&test, 4);
        assert_eq!(known(&test), Known::Ours(last));
        assert_ne!(host.state().get(KNOWN).unwrap().unwrap(), b"garbage");
    }

    #[test]
    fn cedar_backups_state_is_read_until_there_is_one_of_ours() {
        let test = TestHost::new().unwrap();
        let file = test.directory().join("work/srv-svn-one.svnlast");
        fs::write(&file, "I3\n.").unwrap();
        assert_eq!(known(&test), Known::Cedar(3));
        let host = test.host();
        let memory = Memory::open(&host, &test.directory().join("work"));
        assert!(matches!(memory.of(PATH, true), Known::Broken(_)), "it is not only ours");
        for bad in ["", "cos\nsystem\n(S'true'\ntR.", "I-1\n."] {
            fs::write(&file, bad).unwrap();
            assert!(matches!(known(&test), Known::Broken(_)), "{bad}");
        }
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(matches!(known(&test), Known::Broken(_)), "a directory");
        fs::remove_dir(&file).unwrap();
        fs::write(&file, "I3\n.").unwrap();
        let last = remember(&test, 5);
        assert_eq!(known(&test), Known::Ours(last));
    }
}
