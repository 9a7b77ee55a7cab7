//! `backup.info` in every storage that gets the backup.

use std::io::Read;

use hayloft_plugin_api::{ByteRange, Error, ErrorKind, PutOptions, Result, StorageHandle};

use super::{part::Member, place};
use crate::catalogue::{BackupInfo, Status};

/// More than it has, in bytes.
const MOST: u64 = 16 << 20;

/// Makes `backup.info` durable in one storage, in place of the one before.
///
/// # Errors
///
/// If that is impossible.
pub(super) fn write(
    storage: &StorageHandle,
    server: &str,
    id: &str,
    info: &BackupInfo,
) -> Result<()> {
    let text = sealed(&info.to_string());
    let options = PutOptions { create_only: false, size_hint: u64::try_from(text.len()).ok() };
    let key = format!("{}backup.info", place::directory(server, id));
    let mut put = storage.put(&key, options)?;
    put.write(text.as_bytes())?;
    put.commit().map(drop).map_err(|e| e.context(format!("cannot write {key}")))
}

/// What the last line begins with: the hash of the lines before. Others, and
/// Barman, take it for a comment, and leave it away when they write.
const SEAL: &str = "# hayloft blake3=";

fn sealed(text: &str) -> String {
    format!("{text}{SEAL}{}\n", blake3::hash(text.as_bytes()).to_hex())
}

/// Makes sure that `backup.info` is what was written.
///
/// # Errors
///
/// [`ErrorKind::CORRUPT`] if it is not, and those of the storage.
pub(crate) fn check(storage: &StorageHandle, server: &str, id: &str) -> Result<()> {
    let key = format!("{}backup.info", place::directory(server, id));
    let mut text = Vec::new();
    storage.get(&key, ByteRange::ALL)?.take(MOST).read_to_end(&mut text)?;
    let corrupt = |why: String| Err(Error::new(ErrorKind::CORRUPT, why));
    let Ok(text) = str::from_utf8(&text) else { return corrupt("it is no text".to_owned()) };
    if let Err(error) = BackupInfo::parse(text) {
        return corrupt(error.to_string());
    }
    match text.rfind("\n#") {
        Some(at) if sealed(&text[..=at]) == text => Ok(()),
        // Somebody else has written it.
        None if !text.contains("blake3=") => Ok(()),
        _ => corrupt("its hash is another one".to_owned()),
    }
}

/// The same in all storages that have not failed.
///
/// # Errors
///
/// If all have failed now.
pub(super) fn write_all(
    members: &mut [Member],
    server: &str,
    id: &str,
    info: &BackupInfo,
) -> Result<()> {
    for member in members.iter_mut().filter(|it| it.failed.is_none()) {
        if let Err(error) = write(&member.storage, server, id, info) {
            member.fail(error);
        }
    }
    let failures: Option<Vec<Error>> = members.iter().map(|it| it.failed.clone()).collect();
    match failures.map(|it| it.into_iter().next()) {
        None => Ok(()),
        Some(error) => Err(error.unwrap_or_else(|| Error::msg("there is no storage"))),
    }
}

/// Marks a backup as failed in one storage, and removes its manifest and its
/// parts: they are of no use to anybody.
///
/// # Errors
///
/// If it is impossible.
pub(super) fn fail(
    storage: &StorageHandle,
    server: &str,
    id: &str,
    (info, why): (&BackupInfo, &str),
) -> Result<()> {
    let text = why.lines().collect::<Vec<_>>().join(" ");
    let info = BackupInfo { status: Status::Failed, error: Some(text), ..info.clone() };
    write(storage, server, id, &info)?;
    remove_remains(storage, server, id)
}

/// Removes everything of a backup that failed, but for what is said of it.
///
/// # Errors
///
/// If it is impossible.
pub(super) fn remove_remains(storage: &StorageHandle, server: &str, id: &str) -> Result<()> {
    let is_rest = |rest: &str| {
        place::is_manifest(rest) || rest.strip_prefix("data/").is_some_and(place::is_part)
    };
    remove(storage, &place::directory(server, id), &is_rest)
}

/// Removes those parts of a backup whose names are to go.
///
/// # Errors
///
/// If it is impossible.
pub(super) fn remove_parts(
    storage: &StorageHandle,
    server: &str,
    id: &str,
    goes: &dyn Fn(&str) -> bool,
) -> Result<()> {
    remove(storage, &place::parts(server, id), &|name| place::is_part(name) && goes(name))
}

/// Removes the objects behind a prefix whose further names are to go.
fn remove(storage: &StorageHandle, prefix: &str, goes: &dyn Fn(&str) -> bool) -> Result<()> {
    let mut keys = Vec::new();
    storage.for_each(prefix, |it| {
        if goes(&it.key[prefix.len()..]) {
            keys.push(it.key);
        }
        Ok(())
    })?;
    // What says that it is whole goes first.
    keys.sort_by_key(|it| !place::is_manifest(&it[prefix.len()..]));
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let left = storage.delete_many(&keys)?;
    match left.into_iter().next() {
        None => Ok(()),
        Some(it) => Err(Error::new(ErrorKind::OTHER, it.error.to_string())
            .context(format!("cannot remove {}", keys[it.index]))),
    }
}
