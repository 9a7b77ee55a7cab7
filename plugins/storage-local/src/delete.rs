//! Removing objects.

use std::os::fd::OwnedFd;

use hayloft_plugin_api::{Result, Undeleted};
use rustix::{fs::AtFlags, io::Errno};

use crate::{
    is_file, lock, name,
    root::{self, Root},
    staging,
};

/// Removes objects, durably; each directory is flushed once. Returns those
/// that are still there.
///
/// # Errors
///
/// If the root cannot be opened; everything is still there then.
pub(crate) fn delete(place: &Root, keys: &[&str]) -> Result<Vec<Undeleted>> {
    let root = place.open()?;
    let parent_of = |index: &usize| root::split(keys[*index]).0;
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(parent_of);
    let mut undeleted = Vec::new();
    for group in order.chunk_by(|a, b| parent_of(a) == parent_of(b)) {
        let mut keep = |index: usize, error: Errno| {
            let error = place.failed("delete", keys[index], error.into());
            undeleted.push(Undeleted { index, error });
        };
        let parent = match root::directory(&root, parent_of(&group[0])) {
            Ok(parent) => parent,
            Err(error) if root::is_absence(error) => continue,
            Err(error) => {
                for index in group {
                    keep(*index, error);
                }
                continue;
            }
        };
        let mut removed = Vec::with_capacity(group.len());
        for &index in group {
            match remove(&root, &parent, keys[index]) {
                Ok(true) => removed.push(index),
                Ok(false) => {}
                Err(error) => keep(index, error),
            }
        }
        let Some(first) = removed.first() else { continue };
        // Else a crash could bring them back after what refers to them, or
        // what was removed after them, is gone.
        match rustix::fs::fsync(&parent) {
            Ok(()) => root::prune(&root, keys[*first]),
            Err(error) => removed.into_iter().for_each(|index| keep(index, error)),
        }
    }
    Ok(undeleted)
}

/// Tells whether there was one.
fn remove(root: &OwnedFd, parent: &OwnedFd, key: &str) -> Result<bool, Errno> {
    let name = name::on_disk(root::split(key).1);
    let gone = |e: Errno| if root::is_absence(e) { Ok(false) } else { Err(e) };
    match rustix::fs::statat(parent, &*name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if is_file(&stat) => {}
        Ok(_) => return Ok(false),
        Err(error) => return gone(error),
    }
    // On a disk without any room, or one that others own, objects can be
    // removed all the same.
    let staging = staging::open_directory(root).ok();
    let _lock = staging.as_ref().and_then(lock::together);
    rustix::fs::unlinkat(parent, &*name, AtFlags::empty()).map_or_else(gone, |()| Ok(true))
}
