//! What a storage has of a server's backups.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
    thread,
};

use hayloft_plugin_api::{Error, Result, StorageHandle};

use super::{
    BackupId, BackupInfo,
    copy::{Copy, Known, Layout},
    mark,
    place::{self, Piece},
};
use crate::{archive::patiently, intake::chain};

/// More than the description of a backup has, in bytes.
const MOST: u64 = 16 << 20;
/// How many objects are asked for at a time.
const PAGE: u32 = 1000;
/// How many descriptions are read at the same time: in a bucket each takes its
/// time.
const READERS: usize = 8;

/// What was seen of a backup while objects were listed.
#[derive(Debug, Default)]
struct Seen {
    info: Option<String>,
    keep: Option<String>,
    doomed: Option<String>,
    manifest: bool,
    layout: Option<Layout>,
    modified_ns: i64,
}

impl Seen {
    fn add(&mut self, piece: Piece, key: String, modified_ns: i64) {
        self.modified_ns = self.modified_ns.max(modified_ns);
        match piece {
            Piece::Info => self.info = Some(key),
            Piece::Keep => self.keep = Some(key),
            Piece::Doomed => self.doomed = Some(key),
            Piece::Manifest => self.manifest = true,
            Piece::Part => self.layout = self.layout.max(Some(Layout::Parts)),
            Piece::Tar => self.layout = self.layout.max(Some(Layout::Tar)),
            Piece::File => self.layout = self.layout.max(Some(Layout::Files)),
            Piece::Other => {}
        }
    }
}

/// Returns every backup of a server that a storage has something of, oldest
/// first. A backup that cannot be read is one of them. No manifest is read.
///
/// # Errors
///
/// If the storage cannot be listed.
pub(crate) fn scan(storage: &StorageHandle, name: &str, server: &str) -> Result<Vec<Copy>> {
    let mut seen = list(storage, server)?;
    barmans(storage, server, &mut seen)?;
    Ok(read(storage, name, seen))
}

/// Lists what there is, without going through all files of a data directory.
fn list(storage: &StorageHandle, server: &str) -> Result<BTreeMap<BackupId, Seen>> {
    let base = place::base(server);
    let mut seen: BTreeMap<BackupId, Seen> = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page = patiently(|| storage.list(&base, &after, PAGE))?;
        let ends = page.len() < PAGE as usize;
        if let Some(last) = page.last() {
            after = skipped(&base, &last.key);
        }
        for object in page {
            let below = object.key.strip_prefix(&base).unwrap_or_default();
            let Some((id, rest)) = below.split_once('/') else { continue };
            let Ok(id) = id.parse::<BackupId>() else { continue };
            let piece = Piece::of(rest);
            seen.entry(id).or_default().add(piece, object.key, object.modified_ns);
        }
        if ends {
            return Ok(seen);
        }
    }
}

/// Returns after what the next page begins: behind a backup's files, if the
/// last one ended among them.
fn skipped(base: &str, last: &str) -> String {
    let below = last.strip_prefix(base).unwrap_or_default();
    let mut parts = below.splitn(3, '/');
    match (parts.next(), parts.next(), parts.next()) {
        // The byte behind the slash.
        (Some(id), Some(directory @ ("data" | "pgdata")), Some(_)) => {
            format!("{base}{id}/{directory}0")
        }
        _ => last.to_owned(),
    }
}

/// Adds what Barman keeps of backups beside them. Its description there is
/// newer than one that lies with the files.
fn barmans(
    storage: &StorageHandle,
    server: &str,
    seen: &mut BTreeMap<BackupId, Seen>,
) -> Result<()> {
    let meta = place::meta(server);
    storage.for_each(&meta, |object| {
        let rest = object.key.strip_prefix(&meta).unwrap_or_default();
        if let Some((id, piece)) = place::of_meta(rest)
            && matches!(piece, Piece::Info | Piece::Keep)
        {
            seen.entry(id).or_default().add(piece, object.key, object.modified_ns);
        }
        Ok(())
    })
}

fn read(storage: &StorageHandle, name: &str, seen: BTreeMap<BackupId, Seen>) -> Vec<Copy> {
    let readers = READERS.min(seen.len());
    let waiting = Mutex::new(seen.into_iter().collect::<VecDeque<_>>());
    let done = Mutex::new(Vec::new());
    let work = || {
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((id, seen)) = next else { return };
            let copy = one(storage, name, id, &seen);
            done.lock().unwrap_or_else(PoisonError::into_inner).push(copy);
        }
    };
    thread::scope(|scope| {
        for _ in 1..readers {
            scope.spawn(work);
        }
        work();
    });
    let mut copies = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    copies.sort_by_key(|it| it.id);
    copies
}

fn one(storage: &StorageHandle, name: &str, id: BackupId, seen: &Seen) -> Copy {
    let known = seen.info.as_ref().map_or(Known::Missing, |key| known(storage, key));
    // A mark that cannot be read is one all the same.
    let keep = seen
        .keep
        .as_ref()
        .and_then(|key| mark::keep(storage, key).unwrap_or(Some(mark::Keep::Full)));
    let doomed = seen.doomed.as_ref().map_or(Ok(false), |key| mark::is_doomed(storage, key));
    let unasked = doomed.as_ref().err().map(|it| Known::Unasked(chain(it)));
    let doomed = doomed.unwrap_or(false);
    Copy {
        id,
        storage: name.to_owned(),
        known: unasked.unwrap_or(known),
        layout: seen.layout.unwrap_or(Layout::Nothing),
        manifest: seen.manifest,
        keep,
        doomed,
        modified_ns: seen.modified_ns,
    }
}

fn known(storage: &StorageHandle, key: &str) -> Known {
    match mark::text(storage, key, MOST) {
        Ok(None) => Known::Missing,
        Ok(Some(text)) => match BackupInfo::parse(&text) {
            Ok(info) => Known::Info(Box::new(info)),
            Err(error) => Known::Unreadable(chain(&error.context(format!("cannot use {key}")))),
        },
        Err(error) => Known::Unasked(chain(&error)),
    }
}

/// Returns the first copy of which the storage did not tell what it is, but
/// those that are `left` out.
pub(crate) fn unasked<'c>(
    copies: impl IntoIterator<Item = &'c Copy>,
    left: &dyn Fn(BackupId) -> bool,
) -> Option<Error> {
    copies.into_iter().filter(|it| !left(it.id)).find_map(|it| match &it.known {
        Known::Unasked(why) => {
            Some(Error::msg(why.clone()).context(format!("backup {} cannot be judged", it.id)))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_ends_among_files_is_the_last_one_of_them() {
        let cases = [
            ("m/base/20260101T000000/data/base/1/1", "m/base/20260101T000000/data0"),
            ("m/base/20260101T000000/pgdata/x", "m/base/20260101T000000/pgdata0"),
            ("m/base/20260101T000000/backup.info", "m/base/20260101T000000/backup.info"),
            ("m/base/20260101T000000/data", "m/base/20260101T000000/data"),
            ("m/base/x", "m/base/x"),
        ];
        for (last, expected) in cases {
            assert_eq!(skipped("m/base/", last), expected, "{last}");
            assert!(expected >= last);
        }
        assert!("m/base/1/data.tar" < "m/base/1/data/x" && "m/base/1/data0" < "m/base/1/manifest");
    }
}
