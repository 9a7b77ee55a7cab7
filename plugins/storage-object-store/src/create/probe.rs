//! Finds out whether conditions count. Some stores accept them and overwrite
//! all the same, so one that is not known is tried out, once in a process.

use bytes::Bytes;
use object_store::path::Path;

use super::Kept;
use crate::{
    core::Core,
    failure::Failure,
    remote::{Body, Condition, Marks, Parts},
};

impl Core {
    /// Tells which conditions of puts count.
    pub(crate) async fn conditions_of_puts(&self) -> Result<Kept, Failure> {
        match self.remote.knows_conditions() {
            Some(known) => Ok(Kept { absent: known, etag: known }),
            None => self.conditions.puts.get_or_try_init(|| self.try_puts()).await.copied(),
        }
    }

    /// Tells which conditions of completions count.
    pub(crate) async fn conditions_of_completions(&self) -> Result<Kept, Failure> {
        match self.remote.knows_conditions() {
            Some(known) => Ok(Kept { absent: known, etag: known }),
            None => self
                .conditions
                .completions
                .get_or_try_init(|| self.try_completions())
                .await
                .copied(),
        }
    }

    /// Puts to an object that is there, under conditions that do not hold.
    async fn try_puts(&self) -> Result<Kept, Failure> {
        let probe = self.probe().await?;
        let put = async |condition: Condition| {
            let Probe { path, body, marks, .. } = &probe;
            refused(self.ask(|| self.remote.put(path, body, marks, Some(&condition))).await)
        };
        let kept = Kept {
            absent: put(Condition::Absent).await?,
            etag: put(Condition::Etag(self.remote.no_etag().to_owned())).await?,
        };
        self.remove(&probe.path).await?;
        if !kept.absent {
            tracing::info!(
                "{} keeps no conditions; keys are claimed before they are created",
                self.remote.name()
            );
        }
        Ok(kept)
    }

    /// Completes an upload to an object that is there, under conditions that
    /// do not hold.
    async fn try_completions(&self) -> Result<Kept, Failure> {
        let probe = self.probe().await?;
        let complete = async |condition: Condition| {
            let Probe { path, body, marks, .. } = &probe;
            let upload = self.ask(|| self.remote.begin(path, marks)).await?;
            let part = self.ask(|| self.remote.part(path, &upload, 0, body)).await?;
            let parts = Parts { upload, ids: vec![part] };
            let done = self.ask(|| self.remote.complete(path, &parts, marks, Some(&condition)));
            let kept = refused(done.await)?;
            if kept {
                self.give_up(path, &parts.upload).await?;
            }
            Ok::<bool, Failure>(kept)
        };
        let kept = Kept {
            absent: complete(Condition::Absent).await?,
            etag: complete(Condition::Etag(self.remote.no_etag().to_owned())).await?,
        };
        self.remove(&probe.path).await?;
        Ok(kept)
    }

    /// Puts an object of a name that nobody has.
    async fn probe(&self) -> Result<Probe, Failure> {
        let marks = Marks::new();
        let path = self.reserved_path(&format!("probe-{}", marks.token))?;
        let body = Body::from(Bytes::from_static(b"Does this store keep conditions?\n"));
        self.ask(|| self.remote.put(&path, &body, &marks, None)).await?;
        Ok(Probe { path, body, marks })
    }
}

struct Probe {
    path: Path,
    body: Body,
    marks: Marks,
}

/// Tells whether a condition that does not hold was kept. A store that does not
/// know it may overwrite, or say that it does not know it.
fn refused<T>(answer: Result<T, Failure>) -> Result<bool, Failure> {
    match answer {
        Err(Failure::Condition) => Ok(true),
        Ok(_) => Ok(false),
        Err(Failure::Refused(it)) if matches!(it.status, 400 | 405 | 501) => Ok(false),
        Err(failure) => Err(failure),
    }
}
