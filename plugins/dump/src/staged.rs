//! Which files of the collect directory are staged.

use std::{fs, path::Path, time::SystemTime};

/// The indicator that the collect directory is complete.
const COLLECTED: &str = "cback.collect";
/// The indicator that it was staged.
const STAGED: &str = "cback.stage";

/// When the collect directory was complete and then staged.
#[derive(Debug, Clone, Copy)]
pub struct Staged(Option<SystemTime>);

impl Staged {
    /// Looks at the indicators of a collect directory.
    pub fn read(directory: &Path) -> Self {
        let at = |name: &str| modified(&directory.join(name));
        Self(match (at(COLLECTED), at(STAGED)) {
            (Some(collected), Some(staged)) if collected <= staged => Some(collected),
            _ => None,
        })
    }

    /// Tells whether a file was there when staging began, and so is staged.
    pub fn has(&self, file: &Path) -> bool {
        self.0.zip(modified(file)).is_some_and(|(collected, made)| made <= collected)
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::symlink_metadata(path).ok()?.modified().ok()
}

#[cfg(test)]
mod tests {
    use std::{fs::File, time::Duration};

    use super::*;

    #[test]
    fn only_what_was_there_when_it_was_collected_is_staged() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str, seconds: u64| {
            let file = File::create(directory.path().join(name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
            directory.path().join(name)
        };
        let (old, new) = (at("old", 100), at("new", 250));
        let staged = || Staged::read(directory.path());
        assert!(!staged().has(&old));
        at(COLLECTED, 200);
        assert!(!staged().has(&old), "it is not staged yet");
        at(STAGED, 150);
        assert!(!staged().has(&old), "that was another staging");
        at(STAGED, 300);
        assert!(staged().has(&old));
        assert!(!staged().has(&new), "it came while staging went on");
    }
}
