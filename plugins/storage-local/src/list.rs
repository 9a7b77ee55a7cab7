//! Listing in the order of the keys' bytes, a page at a time.
//!
//! A directory stands in that order as its name with a `/`, so that `a.b`
//! comes before `a/b`. The names of a large directory are kept for the next
//! page, but no more than [`ahead::MOST`]: what does not fit is found by
//! reading the directory once more.

use std::{collections::BinaryHeap, os::fd::OwnedFd};

use hayloft_plugin_api::{ObjectMeta, Result};
use rustix::{
    fs::{AtFlags, FileType, RawDir, RawDirEntry},
    io::Errno,
};

use crate::{
    ahead::{self, Ahead, Names, Stamp},
    is_file, meta, name,
    root::{self, Root},
};

/// The fewest names that are gathered at a time.
const SMALLEST_BATCH: usize = 256;
/// Room for the entries of a directory that the kernel tells at a time, in
/// bytes.
const ENTRIES: usize = 32 << 10;

/// See [`Storage::list`](hayloft_plugin_api::Storage::list).
pub(crate) fn list(
    (place, ahead): (&Root, &Ahead),
    prefix: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<ObjectMeta>> {
    let root = place.open()?;
    let limit = usize::try_from(limit)?;
    let mut page = Page { place, ahead, root, prefix, after, limit, found: Vec::new() };
    // No key begins with a slash.
    if limit > 0 && !prefix.starts_with('/') {
        // Nothing outside the directory that the prefix names can match.
        page.walk(prefix.rfind('/').map_or("", |end| &prefix[..=end]))?;
    }
    Ok(page.found)
}

/// A directory, whose key ends with a `/`, or a file.
struct Named {
    key: String,
    object: Option<ObjectMeta>,
}

struct Page<'a> {
    place: &'a Root,
    ahead: &'a Ahead,
    root: OwnedFd,
    prefix: &'a str,
    after: &'a str,
    limit: usize,
    found: Vec<ObjectMeta>,
}

impl Page<'_> {
    /// Lists what is in a directory, given as its key with a `/` at the end,
    /// or as nothing.
    fn walk(&mut self, directory: &str) -> Result<()> {
        let batch = self.limit.max(SMALLEST_BATCH);
        let mut passed = String::new();
        loop {
            let (names, more) = self.batch(directory, &passed, batch)?;
            for Named { key, object } in names {
                match object {
                    Some(object) => self.found.push(object),
                    None if key.ends_with('/') => self.walk(&key)?,
                    // It was deleted meanwhile.
                    None => {}
                }
                if self.found.len() == self.limit {
                    return Ok(());
                }
                passed = key;
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Returns the first names after `passed` that can matter, in order, and
    /// whether more may follow.
    fn batch(&self, directory: &str, passed: &str, most: usize) -> Result<(Vec<Named>, bool)> {
        let failed = |e: Errno| self.place.failed("list", directory, e.into());
        let opened =
            match root::directory(&self.root, directory.strip_suffix('/').unwrap_or(directory)) {
                Ok(opened) => opened,
                Err(e) if root::is_absence(e) => return Ok((Vec::new(), false)),
                Err(e) => return Err(failed(e)),
            };
        let (keys, more) = self.names(directory, passed, &opened, most).map_err(failed)?;
        let named = keys.into_iter().map(|key| {
            let object = look_at(&opened, &key[directory.len()..], &key).map_err(failed)?;
            Ok(Named { key, object })
        });
        Ok((named.collect::<Result<_>>()?, more))
    }

    fn names(
        &self,
        directory: &str,
        passed: &str,
        opened: &OwnedFd,
        most: usize,
    ) -> Result<(Vec<String>, bool), Errno> {
        let stamp = Stamp::of(opened)?;
        let from = passed.max(self.after);
        // The directory that the last page ended in comes first, and once.
        let inside = if passed.is_empty() { self.after } else { "" };
        let place = (directory, self.prefix);
        if let Some(known) = self.ahead.get(place, stamp, (from, inside), most) {
            return Ok(known);
        }
        let (mut keys, all) = self.read(directory, passed, opened, most.max(ahead::MOST))?;
        if keys.len() <= most {
            return Ok((keys, !all));
        }
        let first = keys[..most].to_vec();
        keys.shrink_to_fit();
        let place = (directory.to_owned(), self.prefix.to_owned());
        self.ahead.keep(Names { place, stamp, from: from.to_owned(), keys, all });
        Ok((first, true))
    }

    /// Reads a directory: the first names that can matter, and whether those
    /// are all.
    fn read(
        &self,
        directory: &str,
        passed: &str,
        opened: &OwnedFd,
        most: usize,
    ) -> Result<(Vec<String>, bool), Errno> {
        let (mut first, mut all) = (BinaryHeap::new(), true);
        let mut room = Vec::with_capacity(ENTRIES);
        let mut entries = RawDir::new(opened, room.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().ok().and_then(name::from_disk) else {
                continue;
            };
            let mut key = format!("{directory}{name}");
            match kind(opened, &entry) {
                FileType::RegularFile => {}
                FileType::Directory => key.push('/'),
                _ => continue,
            }
            if key.as_str() > passed && self.may_matter(&key) {
                first.push(key);
                if first.len() > most {
                    first.pop();
                    all = false;
                }
            }
        }
        Ok((first.into_sorted_vec(), all))
    }

    fn may_matter(&self, key: &str) -> bool {
        let below = key.ends_with('/');
        let wanted = key.starts_with(self.prefix) || (below && self.prefix.starts_with(key));
        let passed = key <= self.after && !(below && self.after.starts_with(key));
        wanted && !passed
    }
}

/// Returns what is known of a file; `None` for anything else.
fn look_at(directory: &OwnedFd, segment: &str, key: &str) -> Result<Option<ObjectMeta>, Errno> {
    if key.ends_with('/') {
        return Ok(None);
    }
    match rustix::fs::statat(directory, &*name::on_disk(segment), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(is_file(&stat).then(|| meta(key, &stat))),
        Err(e) if root::is_absence(e) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Returns what an entry is; not every file system says so at once.
fn kind(directory: &OwnedFd, entry: &RawDirEntry<'_>) -> FileType {
    match entry.file_type() {
        FileType::Unknown => {
            rustix::fs::statat(directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
                .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
        }
        kind => kind,
    }
}
