//! Writes objects: small ones in one request, others in parts.

use bytes::{Bytes, BytesMut};
use hayloft_plugin_api::{Chunk, Error, ErrorKind, ObjectMeta, PutStream, Result};
use object_store::{multipart::PartId, path::Path};
use tokio::task::JoinSet;

use crate::{
    core::Core,
    create::Wanted,
    failure::Failure,
    remote::{Body, Condition, Marks, Parts, Written},
    runtime::{runtime, wait},
    sum::Sum,
    sweep,
};

/// Small writes are gathered in pieces of this size.
const PIECE: usize = 1 << 20;
/// What is at least this long is passed on without a copy.
const WORTH: usize = 64 << 10;
/// More parts than this no store takes.
const MOST_PARTS: u64 = 10_000;

/// An object that is being written.
#[derive(Debug)]
pub(crate) struct Put {
    core: Core,
    key: String,
    path: Path,
    condition: Option<Condition>,
    marks: Marks,
    part: u64,
    filling: Body,
    tail: BytesMut,
    upload: Option<Upload>,
    ended: bool,
}

/// What there is to a multipart upload that has begun.
#[derive(Debug)]
struct Upload {
    id: String,
    count: usize,
    on_their_way: JoinSet<Result<(usize, PartId, Sum), Failure>>,
    done: Vec<(usize, PartId, Sum)>,
}

impl Put {
    pub(crate) fn new(
        core: Core,
        key: &str,
        size: Option<u64>,
        condition: Option<Condition>,
    ) -> Result<Self> {
        let doing = format!("put {key}");
        let path = core.path(key).map_err(|it| core.error(&it, &doing))?;
        let part = part_size(core.sizes.part, size);
        runtime()?;
        Ok(Self {
            core,
            key: key.to_owned(),
            path,
            condition,
            marks: Marks::new(),
            part,
            filling: Body::default(),
            tail: BytesMut::new(),
            upload: None,
            ended: false,
        })
    }

    fn room(&self) -> usize {
        let used = self.filling.length() + self.tail.len() as u64;
        usize::try_from(self.part.saturating_sub(used)).unwrap_or(usize::MAX)
    }

    fn flush_tail(&mut self) {
        if !self.tail.is_empty() {
            self.filling.push(self.tail.split().freeze());
        }
    }

    /// Copies what fits into the part, and returns the rest.
    fn copy<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        let (now, rest) = data.split_at(data.len().min(self.room()));
        for piece in now.chunks(PIECE) {
            if self.tail.len() + piece.len() > PIECE {
                self.flush_tail();
            }
            self.tail.extend_from_slice(piece);
        }
        rest
    }

    fn send_if_full(&mut self) -> Result<()> {
        if self.room() > 0 {
            return Ok(());
        }
        self.send_part()
    }

    fn send_part(&mut self) -> Result<()> {
        self.flush_tail();
        let body = std::mem::take(&mut self.filling);
        self.begin()?;
        let concurrency = self.core.sizes.concurrency;
        let Some(upload) = &mut self.upload else { return Ok(()) };
        let (index, id) = (upload.count, upload.id.clone());
        upload.count += 1;
        let waited = wait(async {
            while upload.on_their_way.len() >= concurrency {
                upload.gather_one().await?;
            }
            Ok(())
        })?;
        waited.map_err(|it| self.failed(&it))?;
        let Some(upload) = &mut self.upload else { return Ok(()) };
        let (core, path) = (self.core.clone(), self.path.clone());
        let send = async move {
            let sum = body.sum();
            let part = core.ask(|| core.remote.part(&path, &id, index, &body)).await?;
            Ok((index, part, sum))
        };
        upload.on_their_way.spawn_on(send, runtime()?.handle());
        self.part = grown(self.part, self.core.sizes.part, index);
        Ok(())
    }

    /// Begins a multipart upload, if none has begun.
    fn begin(&mut self) -> Result<()> {
        if self.upload.is_some() {
            return Ok(());
        }
        let begun = wait(async {
            sweep::once(&self.core).await;
            // It would be a pity to find out at the end.
            match &self.condition {
                Some(condition) if !self.core.holds(&self.path, condition).await? => {
                    return Err(Failure::Condition);
                }
                _ => {}
            }
            self.core.ask(|| self.core.remote.begin(&self.path, &self.marks)).await
        })?;
        let id = begun.map_err(|it| self.failed(&it))?;
        let on_their_way = JoinSet::new();
        self.upload = Some(Upload { id, count: 0, on_their_way, done: Vec::new() });
        Ok(())
    }

    fn failed(&self, failure: &Failure) -> Error {
        match (failure, &self.condition) {
            (Failure::Condition, Some(Condition::Etag(_))) => {
                let message = format!("object {} was replaced or removed meanwhile", self.key);
                return Error::new(ErrorKind::CHANGED, message);
            }
            (Failure::Condition, _) => {
                let message = format!("there is an object {} already", self.key);
                return Error::new(ErrorKind::ALREADY_EXISTS, message);
            }
            _ => {}
        }
        self.core.error(failure, &format!("put {}", self.key))
    }

    fn check_open(&self) -> Result<()> {
        if self.ended {
            return Err(Error::msg(format!("putting {} has ended already", self.key)));
        }
        Ok(())
    }

    /// Does something, after which nothing more can be done if it fails.
    fn or_end(&mut self, doing: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.check_open()?;
        let done = doing(self);
        if done.is_err() {
            // The first error counts.
            let _ = self.abort();
        }
        done
    }

    fn finish(&mut self) -> Result<(Written, u64)> {
        self.flush_tail();
        if self.upload.is_some() && self.filling.length() > 0 {
            self.send_part()?;
        }
        let Some(upload) = &mut self.upload else {
            let body = std::mem::take(&mut self.filling);
            self.marks.sha256 = Some(body.sha256());
            let wanted = Wanted {
                path: &self.path,
                marks: &self.marks,
                sum: body.sum(),
                condition: self.condition.as_ref(),
            };
            let written = wait(self.core.put_whole(wanted, &body))?;
            return Ok((written.map_err(|it| self.failed(&it))?, body.length()));
        };
        let gathered = wait(async {
            while !upload.on_their_way.is_empty() {
                upload.gather_one().await?;
            }
            Ok(())
        })?;
        let mut done = std::mem::take(&mut upload.done);
        let id = upload.id.clone();
        gathered.map_err(|it| self.failed(&it))?;
        done.sort_by_key(|it| it.0);
        let sum = done.iter().fold(Sum::of(&[]), |sum, it| sum.then(it.2));
        self.marks.crc64 = Some(sum.crc64);
        let parts = Parts { upload: id, ids: done.into_iter().map(|it| it.1).collect() };
        let wanted = Wanted {
            path: &self.path,
            marks: &self.marks,
            sum,
            condition: self.condition.as_ref(),
        };
        let written = wait(self.core.complete(wanted, &parts))?;
        let written = written.map_err(|it| self.failed(&it))?;
        self.upload = None;
        Ok((written, sum.length))
    }
}

impl Upload {
    async fn gather_one(&mut self) -> Result<(), Failure> {
        match self.on_their_way.join_next().await {
            Some(Ok(part)) => self.done.push(part?),
            Some(Err(e)) => return Err(Failure::Nonsense(format!("a transfer ended: {e}"))),
            None => {}
        }
        Ok(())
    }
}

impl PutStream for Put {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        self.or_end(|it| {
            let mut rest = data;
            while !rest.is_empty() {
                rest = it.copy(rest);
                it.send_if_full()?;
            }
            Ok(())
        })
    }

    fn write_owned(&mut self, data: Chunk) -> Result<()> {
        if data.len() < WORTH {
            return self.write(&data);
        }
        self.or_end(|it| {
            it.flush_tail();
            let mut rest = Bytes::from_owner(data);
            while !rest.is_empty() {
                it.filling.push(rest.split_to(rest.len().min(it.room())));
                it.send_if_full()?;
            }
            Ok(())
        })
    }

    fn commit(&mut self) -> Result<ObjectMeta> {
        let mut done = None;
        self.or_end(|it| {
            done = Some(it.finish()?);
            Ok(())
        })?;
        self.ended = true;
        let (written, size) = done.unwrap_or_default();
        Ok(ObjectMeta {
            key: self.key.clone(),
            size,
            modified_ns: written.modified_ns,
            etag: self.core.etag(written.etag),
        })
    }

    fn abort(&mut self) -> Result<()> {
        self.ended = true;
        self.filling = Body::default();
        self.tail = BytesMut::new();
        let Some(mut upload) = self.upload.take() else { return Ok(()) };
        let given_up = wait(async {
            // A part that comes later would bring the upload back.
            upload.on_their_way.shutdown().await;
            self.core.give_up(&self.path, &upload.id).await
        })?;
        let doing = format!("give up putting {}", self.key);
        given_up.map_err(|it| self.core.error(&it, &doing))
    }
}

impl Drop for Put {
    fn drop(&mut self) {
        if !self.ended
            && let Err(error) = self.abort()
        {
            tracing::warn!("{error}");
        }
    }
}

/// Returns the size of parts: the configured one, unless there would be too
/// many.
fn part_size(configured: u64, size: Option<u64>) -> u64 {
    const MIB: u64 = 1 << 20;
    // Some less than the most, in case the hint is somewhat small.
    let needed = size.unwrap_or(0).div_ceil(MOST_PARTS - 1000);
    configured.max(needed.div_ceil(MIB) * MIB)
}

/// Returns the size of the parts after the one of that index: twice as large
/// when half of those that are left are used up. With 16 MB, that begins at 78
/// GB, and reaches the largest object there can be.
fn grown(part: u64, configured: u64, index: usize) -> u64 {
    let left = MOST_PARTS.saturating_sub(index as u64 + 1);
    let doublings = (MOST_PARTS / left.max(1)).checked_ilog2().unwrap_or(0).min(10);
    part.max(configured << doublings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn parts_are_as_large_as_they_must_be() {
        let cases = [
            (None, 16),
            (Some(0), 16),
            (Some(100 * MIB), 16),
            (Some(9000 * 16 * MIB), 16),
            (Some(9001 * 16 * MIB), 17),
            (Some(5 << 40), 583),
        ];
        for (size, expected) in cases {
            assert_eq!(part_size(16 * MIB, size), expected * MIB, "{size:?}");
        }
    }

    #[test]
    fn an_object_of_unknown_size_can_have_any_size() {
        let (mut part, mut total) = (16 * MIB, 0);
        for index in 0..10_000 {
            total += part;
            if index == 4000 {
                assert_eq!(part, 16 * MIB);
            }
            part = grown(part, 16 * MIB, index);
        }
        assert!(total > 800 << 30, "{total}");
    }
}
