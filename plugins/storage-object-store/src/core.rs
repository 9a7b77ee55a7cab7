//! A storage on any store: keys, retries, checks, messages.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hayloft_plugin_api::{ByteRange, Error, ErrorKind, ObjectMeta, PutStream, Result};
use object_store::path::Path;

use crate::{
    config::Common,
    create::{Conditions, no_replace},
    explain::explain,
    failure::Failure,
    get, put,
    remote::{Condition, Head, Remote},
    retry::{Patience, Tries},
    runtime::wait,
};

/// What begins the keys of objects that are not the user's.
pub(crate) const RESERVED: &str = ".hayloft-store";

/// How much is moved at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) part: u64,
    pub(crate) concurrency: usize,
}

/// A storage.
#[derive(Debug, Clone)]
pub(crate) struct Core {
    pub(crate) remote: Arc<dyn Remote>,
    pub(crate) sizes: Sizes,
    pub(crate) patience: Patience,
    pub(crate) conditions: Arc<Conditions>,
    /// See [`Common::check_uploads`].
    pub(crate) check_uploads: Option<bool>,
    pub(crate) abandoned_after: Duration,
    prefix: String,
    /// The store has answered a request well: the keys are right, and the
    /// bucket is there.
    proven: Arc<AtomicBool>,
}

impl Core {
    pub(crate) fn new(remote: impl Remote, common: &Common) -> Self {
        let sizes = Sizes {
            part: common.part_size.bytes(),
            concurrency: usize::try_from(common.concurrency.get()).unwrap_or(1),
        };
        let place = format!("{} {}", remote.name(), common.prefix.as_str());
        Self {
            remote: Arc::new(remote),
            sizes,
            patience: Patience::new(common.retries.get()),
            conditions: Conditions::of(&place),
            check_uploads: common.check_uploads,
            abandoned_after: common.abandoned_after.get(),
            prefix: common.prefix.as_str().to_owned(),
            proven: Arc::default(),
        }
    }

    /// Returns where an object is in the store.
    pub(crate) fn path(&self, key: &str) -> Result<Path, Failure> {
        let nonsense = |e| Failure::Nonsense(format!("{e}"));
        Path::parse(format!("{}{key}", self.prefix)).map_err(nonsense)
    }

    /// Returns the place for an object of ours that nobody is to see.
    pub(crate) fn reserved_path(&self, name: &str) -> Result<Path, Failure> {
        self.path(&format!("{RESERVED}/{name}"))
    }

    /// Returns the part of the store that is ours.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Asks until there is an answer or no hope for one.
    pub(crate) async fn ask<T, F>(&self, request: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut tries = self.patience.begin();
        loop {
            match request().await {
                Ok(answer) => {
                    self.prove();
                    return Ok(answer);
                }
                Err(failure) => self.again(&mut tries, self.judged(failure)).await?,
            }
        }
    }

    /// Waits before the next try, or gives the failure back if there is none.
    /// Keys that have expired are read again, once.
    pub(crate) async fn again(
        &self,
        tries: &mut Tries<'_>,
        failure: Failure,
    ) -> Result<(), Failure> {
        if failure.is_about_old_keys() && tries.renews() {
            // Somebody may have to be asked for them.
            let remote = &self.remote;
            if tokio::task::block_in_place(|| remote.renew()) {
                return Ok(());
            }
        }
        tries.again(failure).await
    }

    /// Notes that the store has answered well.
    pub(crate) fn prove(&self) {
        self.proven.store(true, Ordering::Relaxed);
    }

    /// A signature that does not fit though the keys are right: the request
    /// was damaged on its way.
    pub(crate) fn judged(&self, failure: Failure) -> Failure {
        let proven = self.proven.load(Ordering::Relaxed);
        match failure {
            Failure::Refused(it) if it.code == "SignatureDoesNotMatch" && proven => {
                Failure::Damaged(it.to_string())
            }
            other => other,
        }
    }

    /// Returns what the store knows of an object.
    pub(crate) async fn head(&self, path: &Path) -> Result<Option<Head>, Failure> {
        let ask = async || match self.remote.head(path).await {
            // Without a body, it does not say why. It may well have been cut.
            Err(Failure::Refused(it)) if it.status == 400 && it.code.is_empty() => {
                Err(Failure::Busy(it))
            }
            answer => answer,
        };
        match self.ask(ask).await {
            Ok(head) => Ok(Some(head)),
            Err(Failure::Absent) => self.bucket_is_there().await.map(|()| None),
            // Its answer has no body, so it does not say why.
            Err(failure @ Failure::Refused(_)) if failure.code().is_empty() => {
                self.ask(|| self.remote.page(&self.prefix, "", 1)).await?;
                Err(failure)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Makes sure that what is not there is no more than an object.
    pub(crate) async fn bucket_is_there(&self) -> Result<(), Failure> {
        if !self.proven.load(Ordering::Relaxed) {
            self.ask(|| self.remote.page(&self.prefix, "", 1)).await?;
        }
        Ok(())
    }

    /// Tells whether there can be no object of that key.
    pub(crate) fn cannot_be(&self, key: &str) -> bool {
        is_reserved(key) || self.remote.refuses(key).is_some()
    }

    /// Returns what tells one content from another. Those of servers without
    /// marks are made of a time in seconds, and do not.
    pub(crate) fn etag(&self, told: Option<String>) -> String {
        told.filter(|_| self.remote.keeps_marks()).unwrap_or_default()
    }

    /// Turns a failure into an error.
    pub(crate) fn error(&self, failure: &Failure, doing: &str) -> Error {
        explain(failure, doing, self.remote.name(), self.remote.advice())
    }

    pub(crate) fn begin_put(
        &self,
        key: &str,
        size: Option<u64>,
        condition: Option<Condition>,
    ) -> Result<Box<dyn PutStream>> {
        if is_reserved(key) {
            let message = format!("keys that begin with {RESERVED}/ are reserved");
            let error = Error::new(ErrorKind::UNSUPPORTED, message);
            return Err(error.context(format!("cannot put {key}")));
        }
        if let Some(why) = self.remote.refuses(key) {
            let error = Error::new(ErrorKind::UNSUPPORTED, why);
            return Err(error.context(format!("cannot put {key}")));
        }
        if matches!(condition, Some(Condition::Etag(_))) {
            // Better now than when all of it was sent.
            let failed = |it: Failure| self.error(&it, &format!("replace {key}"));
            let kept = wait(self.conditions_of_puts())?.map_err(failed)?;
            if !kept.etag {
                return Err(failed(no_replace()));
            }
        }
        Ok(Box::new(put::Put::new(self.clone(), key, size, condition)?))
    }

    pub(crate) fn open(&self, key: &str, range: ByteRange) -> Result<Box<dyn Read + Send>> {
        let failed = |it: Failure| match it {
            Failure::Absent => {
                Error::new(ErrorKind::NOT_FOUND, format!("there is no object {key}"))
            }
            other => self.error(&other, &format!("read {key}")),
        };
        if self.cannot_be(key) {
            return Err(failed(Failure::Absent));
        }
        let path = self.path(key).map_err(failed)?;
        if range.length == Some(0) {
            let found = wait(self.head(&path))?.map_err(failed)?;
            return found
                .map(|_| Box::new(io::empty()) as _)
                .ok_or_else(|| failed(Failure::Absent));
        }
        let reader = get::Reader::open(self.clone(), key, path, range)?.map_err(failed)?;
        Ok(Box::new(reader))
    }

    pub(crate) fn stat(&self, key: &str) -> Result<Option<ObjectMeta>> {
        if self.cannot_be(key) {
            return Ok(None);
        }
        let failed = |it: Failure| self.error(&it, &format!("ask for {key}"));
        let path = self.path(key).map_err(failed)?;
        let head = wait(self.head(&path))?.map_err(failed)?;
        Ok(head.map(|it| ObjectMeta {
            key: key.to_owned(),
            size: it.size,
            modified_ns: it.modified_ns,
            etag: self.etag(it.etag),
        }))
    }

    pub(crate) fn list(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<ObjectMeta>> {
        let listed = wait(self.gather(prefix, after, usize::try_from(limit).unwrap_or(0)))?;
        let what = if prefix.is_empty() { "objects".to_owned() } else { format!("{prefix}*") };
        listed.map_err(|it| self.error(&it, &format!("list {what}")))
    }

    async fn gather(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<ObjectMeta>, Failure> {
        let whole = format!("{}{prefix}", self.prefix);
        let mut from =
            if after.is_empty() { String::new() } else { format!("{}{after}", self.prefix) };
        let mut found = Vec::new();
        while found.len() < limit {
            let missing = limit - found.len();
            let page = self.ask(|| self.remote.page(&whole, &from, missing)).await?;
            for object in page.objects {
                if object.path <= from || !object.path.starts_with(&whole) {
                    let text = format!("the store lists {} out of order", object.path);
                    return Err(Failure::Nonsense(text));
                }
                from.clone_from(&object.path);
                let Some(key) = object.path.strip_prefix(&self.prefix).filter(|it| is_key(it))
                else {
                    continue;
                };
                found.push(ObjectMeta {
                    key: key.to_owned(),
                    size: object.size,
                    modified_ns: object.modified_ns,
                    etag: self.etag(Some(object.etag)),
                });
            }
            if !page.more {
                break;
            }
        }
        Ok(found)
    }
}

/// Tells whether a key is ours and not the user's.
pub(crate) fn is_reserved(key: &str) -> bool {
    key.strip_prefix(RESERVED).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Tells whether an object can have been put by us: others may have put
/// anything beside it.
fn is_key(key: &str) -> bool {
    let good = |it: &str| !matches!(it, "" | "." | "..") && !it.chars().any(char::is_control);
    key.split('/').all(good) && !is_reserved(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_put_beside_ours_is_no_key() {
        for key in ["a", "a/b", ".hidden", "a b/c", ".hayloft-stores", "x/.hayloft-store/y"] {
            assert!(is_key(key), "{key}");
        }
        for other in ["", "a/", "/a", "a//b", "a/../b", ".", "a\nb", ".hayloft-store/claim/x"] {
            assert!(!is_key(other), "{other:?}");
        }
    }
}
