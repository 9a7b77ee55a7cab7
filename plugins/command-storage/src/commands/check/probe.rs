//! The objects of a check, which do not outlive it.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hayloft_plugin_api::{ErrorKind, ObjectMeta, PutOptions, PutStream, Result, StorageHandle};

/// Where all of them are. A key goes on with the time in seconds, lots, the
/// system, the process there, and a name, all but the last in hexadecimal.
const PREFIX: &str = ".hayloft-check/";
/// Those that are older are nobody's any more, whatever system they are of.
const ABANDONED: Duration = Duration::from_hours(1);

/// Keys that nobody else uses; the objects go away with the value.
pub(super) struct Probe<'a> {
    storage: &'a StorageHandle,
    begins: String,
    /// What was written and not removed yet.
    written: Vec<String>,
}

impl<'a> Probe<'a> {
    pub(super) fn new(storage: &'a StorageHandle) -> Self {
        let (seconds, lots) = (now().as_secs(), rand::random::<u64>());
        let (system, process) = (system(), std::process::id());
        let begins = format!("{PREFIX}{seconds:x}-{lots:016x}-{system:016x}-{process:x}-");
        Self { storage, begins, written: Vec::new() }
    }

    /// Returns the key of one of the objects; whatever happens, it is removed.
    pub(super) fn key(&mut self, name: &str) -> String {
        let key = format!("{}{name}", self.begins);
        if !self.written.contains(&key) {
            self.written.push(key.clone());
        }
        key
    }

    /// Writes an object.
    pub(super) fn put(
        &mut self,
        name: &str,
        content: &[u8],
        create_only: bool,
    ) -> Result<ObjectMeta> {
        let options = PutOptions { create_only, size_hint: Some(content.len() as u64) };
        let put = self.storage.put(&self.key(name), options)?;
        fill(put, content)
    }

    /// Replaces one that must have that etag.
    pub(super) fn replace(&mut self, name: &str, etag: &str, content: &[u8]) -> Result<ObjectMeta> {
        let put = self.storage.replace(&self.key(name), etag, PutOptions::default())?;
        fill(put, content)
    }

    /// Removes all.
    pub(super) fn remove(&mut self) -> Result<()> {
        while let Some(key) = self.written.last() {
            self.storage.delete(key)?;
            self.written.pop();
        }
        Ok(())
    }
}

fn fill(mut put: Box<dyn PutStream>, content: &[u8]) -> Result<ObjectMeta> {
    put.write(content)?;
    put.commit()
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            let names = self.written.join(", ");
            tracing::warn!("objects of the check are left behind, {names}: {error}");
        }
    }
}

/// A number of the running system, as its processes see it: a container has
/// processes of its own.
fn system() -> u64 {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let processes = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let mut hash = DefaultHasher::new();
    (boot, processes).hash(&mut hash);
    hash.finish()
}

/// Tells whether a process is at work; one that nobody has waited for is not.
fn lives(process: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|it| it.chars().next());
    state.is_some_and(|state| !"ZX".contains(state))
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Removes the objects of checks that were killed; returns how many.
pub(super) fn sweep(storage: &StorageHandle) -> Result<u64> {
    let mut removed = 0;
    let mut abandoned = Vec::new();
    storage.for_each(PREFIX, |object| {
        if is_abandoned(&object.key, now(), system(), lives) {
            abandoned.push(object.key);
        }
        Ok(())
    })?;
    for key in &abandoned {
        match storage.delete(key) {
            Ok(()) => removed += 1,
            // Whoever may not remove has been told so, or will be.
            Err(error) if error.kind() == ErrorKind::PERMISSION => return Ok(removed),
            Err(error) => return Err(error),
        }
    }
    Ok(removed)
}

/// Tells whether a check that still runs cannot be the one that wrote it. A
/// clock that is wrong on the other machine makes a check fail at worst.
fn is_abandoned(key: &str, now: Duration, system: u64, lives: impl Fn(u64) -> bool) -> bool {
    let parts = key.strip_prefix(PREFIX).unwrap_or_default().splitn(5, '-');
    let numbers: Vec<u64> =
        parts.take(4).map_while(|it| u64::from_str_radix(it, 16).ok()).collect();
    let &[begun, _, theirs, process] = numbers.as_slice() else { return false };
    let is_old = now.abs_diff(Duration::from_secs(begun)) > ABANDONED;
    is_old || (theirs == system && !lives(process))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_old_check_wrote_is_abandoned() {
        let now = Duration::from_secs(0x6000_0000);
        let cases = [
            (".hayloft-check/60000000-0123-77-11-small", false),
            (".hayloft-check/60000000-0123-77-12-small", true),
            (".hayloft-check/60000000-0123-78-12-small", false),
            (".hayloft-check/5ffff300-0123-78-12-small", false),
            (".hayloft-check/5ffff000-0123-78-12-small", true),
            (".hayloft-check/5ffff000-0123-77-11-small", true),
            (".hayloft-check/60001000-0123-78-12-small", true),
            (".hayloft-check/5ffff000-notes", false),
            (".hayloft-check/notes", false),
            (".hayloft-check/", false),
            ("2026/5ffff000-0123-77-12-x", false),
        ];
        for (key, expected) in cases {
            let found = is_abandoned(key, now, 0x77, |process| process == 0x11);
            assert_eq!(found, expected, "{key}");
        }
    }
}
