//! Every copy of a file, in one storage after the other.

use std::collections::VecDeque;

use hayloft_plugin_api::Result;
use hayloft_postgres::wal::FileName;

use super::{Archive, Stored, retry, target::Target};

/// See [`Archive::copies`].
#[derive(Debug)]
pub(super) struct Copies<'a> {
    archive: &'a Archive<'a>,
    name: FileName,
    /// The storages to be asked, and whether each was asked before.
    targets: VecDeque<(&'a Target, bool)>,
    found: VecDeque<Stored>,
}

impl<'a> Copies<'a> {
    pub(super) fn new(archive: &'a Archive<'a>, name: FileName) -> Self {
        let targets = archive.targets.iter().map(|it| (it, false)).collect();
        Self { archive, name, targets, found: VecDeque::new() }
    }
}

impl Iterator for Copies<'_> {
    type Item = Result<Stored>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(copy) = self.found.pop_front() {
                return Some(Ok(copy));
            }
            let (target, again) = self.targets.pop_front()?;
            let look = || self.archive.forms(target, self.name);
            let looked = if again { retry::patiently(look) } else { look() };
            match looked {
                Ok(found) => self.found = found.into(),
                Err(error) if !again && retry::is_worth(&error) => {
                    self.targets.push_back((target, true));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
