//! Walks directories in the order of keys.

use std::collections::VecDeque;

use super::{
    raw::{Raw, no_place},
    xml::Entry,
};
use crate::{
    failure::Failure,
    remote::{Listed, Page},
};

/// A walk that can go on. It holds the directories that it is in.
#[derive(Debug)]
pub(super) struct Walk {
    prefix: String,
    /// What has been given out last.
    after: String,
    inner: Vec<VecDeque<Found>>,
}

/// A file, or a directory with a slash at the end of its path.
#[derive(Debug)]
struct Found {
    path: String,
    entry: Entry,
}

impl Walk {
    /// Begins after a key.
    pub(super) async fn begin(raw: &Raw, prefix: &str, after: &str) -> Result<Self, Failure> {
        let directory = prefix.rfind('/').map_or("", |at| &prefix[..=at]);
        let mut walk =
            Self { prefix: prefix.to_owned(), after: after.to_owned(), inner: Vec::new() };
        walk.enter(raw, directory).await?;
        Ok(walk)
    }

    /// Tells whether it goes on there.
    pub(super) fn is_at(&self, prefix: &str, after: &str) -> bool {
        self.prefix == prefix && self.after == after
    }

    async fn enter(&mut self, raw: &Raw, directory: &str) -> Result<(), Failure> {
        let entries = match raw.find(directory, "1").await {
            Ok((Some(own), entries)) if own.directory => entries,
            Ok(_) => Vec::new(),
            Err(Failure::Absent) if directory.is_empty() => return Err(no_place()),
            Err(Failure::Absent) => {
                // Nothing was put there yet; or all of it is missing.
                let all = raw.find("", "0").await;
                all.map_err(|it| if matches!(it, Failure::Absent) { no_place() } else { it })?;
                Vec::new()
            }
            Err(failure) => return Err(failure),
        };
        let mut found: Vec<_> = entries
            .into_iter()
            .map(|entry| {
                let slash = if entry.directory { "/" } else { "" };
                Found { path: format!("{directory}{}{slash}", entry.name), entry }
            })
            .filter(|it| self.leads_on(it))
            .collect();
        found.sort_by(|a, b| a.path.cmp(&b.path));
        self.inner.push(found.into());
        Ok(())
    }

    /// Tells whether it is or may contain what is still to come.
    fn leads_on(&self, it: &Found) -> bool {
        let (path, prefix) = (it.path.as_str(), self.prefix.as_str());
        if !it.entry.directory {
            return path.starts_with(prefix) && path > self.after.as_str();
        }
        let meant = path.starts_with(prefix) || prefix.starts_with(path);
        meant && (path > self.after.as_str() || self.after.starts_with(path))
    }

    /// Returns up to `limit` objects more.
    pub(super) async fn next(&mut self, raw: &Raw, limit: usize) -> Result<Page, Failure> {
        let mut objects = Vec::new();
        while objects.len() < limit
            && let Some(within) = self.inner.last_mut()
        {
            let Some(Found { path, entry }) = within.pop_front() else {
                self.inner.pop();
                continue;
            };
            if entry.directory {
                self.enter(raw, &path).await?;
                continue;
            }
            self.after.clone_from(&path);
            let Entry { size, modified_ns, etag, .. } = entry;
            objects.push(Listed { path, size, modified_ns, etag });
        }
        let more = self.inner.iter().any(|it| !it.is_empty());
        Ok(Page { objects, more })
    }
}
