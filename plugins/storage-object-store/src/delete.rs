//! Removes objects, and says what keeps them.

use hayloft_plugin_api::{
    Capabilities, Error, ErrorKind, Guarantee, Leftover, Protection, Result, Sweep, Undeleted,
};
use object_store::path::Path;

use crate::{core::Core, failure::Failure, remote::Protected, runtime::wait, sweep};

impl Core {
    pub(crate) fn delete(&self, key: &str) -> Result<()> {
        if self.cannot_be(key) {
            return Ok(());
        }
        let failed = |it: Failure| self.error(&it, &format!("delete {key}"));
        let path = self.path(key).map_err(failed)?;
        let removed = wait(async {
            match self.lock_of(&path).await? {
                Some(lock) => Ok(Some(lock)),
                None => self.remove(&path).await.map(|()| None),
            }
        })?;
        match removed.map_err(failed)? {
            Some(lock) => Err(locked(key, &lock)),
            None => Ok(()),
        }
    }

    /// Removes an object, if it is there.
    pub(crate) async fn remove(&self, path: &Path) -> Result<(), Failure> {
        match self.ask(|| self.remote.delete(path)).await {
            Err(Failure::Absent) => self.bucket_is_there().await,
            other => other,
        }
    }

    /// Returns what keeps an object from being removed. A store that keeps
    /// versions would say that it has removed one that is locked, and hide it.
    async fn lock_of(&self, path: &Path) -> Result<Option<Protection>, Failure> {
        if !self.protected().await.locks {
            return Ok(None);
        }
        Ok(self.head(path).await?.and_then(|it| it.lock))
    }

    /// Says how the bucket protects what is in it. Who may not ask is told
    /// nothing: then the store itself refuses what is not to be.
    pub(crate) async fn protected(&self) -> Protected {
        let ask = || async {
            match self.ask(|| self.remote.protection()).await {
                Err(failure) if failure.is_transient() => Err(failure),
                answer => Ok(answer.unwrap_or_default()),
            }
        };
        let known = self.conditions.protection.get_or_try_init(ask).await;
        known.cloned().unwrap_or_default()
    }

    pub(crate) fn delete_many(&self, keys: &[&str]) -> Result<Vec<Undeleted>> {
        let most = self.remote.most_deleted();
        if most < 2 || wait(self.protected())?.locks {
            return Ok(self.delete_each(keys, 0));
        }
        let mut left = Vec::new();
        for (batch, keys) in keys.chunks(most).enumerate() {
            left.extend(self.delete_batch(keys, batch * most)?);
        }
        Ok(left)
    }

    fn delete_each(&self, keys: &[&str], first: usize) -> Vec<Undeleted> {
        let one = |(at, key): (usize, &&str)| {
            self.delete(key).err().map(|error| Undeleted { index: first + at, error })
        };
        keys.iter().enumerate().filter_map(one).collect()
    }

    fn delete_batch(&self, keys: &[&str], first: usize) -> Result<Vec<Undeleted>> {
        let failed = |it: &Failure, key: &str| self.error(it, &format!("delete {key}"));
        let mut paths = Vec::new();
        for key in keys.iter().filter(|it| !self.cannot_be(it)) {
            paths.push(self.path(key).map_err(|it| failed(&it, key))?);
        }
        if paths.len() < keys.len() {
            return Ok(self.delete_each(keys, first));
        }
        let done = match wait(self.ask(|| self.remote.delete_many(&paths)))? {
            Ok(done) => done,
            // Some stores have no such request.
            Err(Failure::Refused(it)) if matches!(it.status, 400 | 404 | 405 | 501) => {
                return Ok(self.delete_each(keys, first));
            }
            Err(failure) => return Err(self.error(&failure, "delete objects")),
        };
        let undeleted = done.into_iter().zip(keys).enumerate().filter_map(|(at, (result, key))| {
            let error = match result {
                Ok(()) | Err(Failure::Absent) => None,
                // Alone, it is asked for again.
                Err(failure) if failure.is_transient() => self.delete(key).err(),
                Err(failure) => Some(failed(&failure, key)),
            };
            Some(Undeleted { index: first + at, error: error? })
        });
        Ok(undeleted.collect())
    }

    pub(crate) fn protection(&self, key: &str) -> Result<Option<Protection>> {
        let failed = |it: Failure| self.error(&it, &format!("ask for {key}"));
        let path = self.path(key).map_err(failed)?;
        let head = wait(self.head(&path))?.map_err(failed)?;
        Ok(head.and_then(|it| it.lock))
    }

    pub(crate) fn capabilities(&self) -> Result<Capabilities> {
        let failed = |it: Failure| self.error(&it, "find out what the store can do");
        let (kept, protected) = wait(async {
            let kept = self.conditions_of_puts().await?;
            Ok((kept, self.protected().await))
        })?
        .map_err(failed)?;
        Ok(Capabilities {
            // Claims are as good as the store's lists, which is not for leases.
            create: if kept.absent { Guarantee::Atomic } else { Guarantee::Checked },
            replace: if kept.etag { Guarantee::Atomic } else { Guarantee::Missing },
            delete_batch: u32::try_from(self.remote.most_deleted()).unwrap_or(1),
            versions: protected.versions,
            retention: protected.retention,
        })
    }

    pub(crate) fn sweep(&self, request: &Sweep) -> Result<Vec<Leftover>> {
        let failed = |it: Failure| self.error(&it, "find what was left half sent");
        wait(sweep::sweep(self, request))?.map_err(failed)
    }
}

fn locked(key: &str, lock: &Protection) -> Error {
    let until = lock.until_ns.and_then(|it| jiff::Timestamp::from_nanosecond(it.into()).ok());
    let message = match until {
        Some(until) => format!("object {key} is locked until {until:.0}"),
        None => format!("object {key} is held until somebody lifts the hold"),
    };
    Error::new(ErrorKind::PERMISSION, message)
        .hint("objects of this bucket are kept for a time by its Object Lock; nothing was removed")
}
