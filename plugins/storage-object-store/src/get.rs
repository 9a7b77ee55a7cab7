//! Reads objects: parts ahead of the reader, several at once, and compares the
//! whole with what the store says of it.

mod check;

use std::{
    collections::VecDeque,
    io::{self, Read},
    ops::Range,
};

use bytes::Bytes;
use hayloft_plugin_api::{ByteRange, Error, Result};
use object_store::path::Path;
use tokio::task::JoinHandle;

use self::check::{Check, Source};
use crate::{
    core::Core,
    failure::Failure,
    remote::{Body, Head, Piece},
    runtime::{runtime, wait},
};

/// An object that is being read.
#[derive(Debug)]
pub(crate) struct Reader {
    core: Core,
    key: String,
    path: Path,
    head: Head,
    /// What comes next.
    pieces: VecDeque<Bytes>,
    ahead: VecDeque<Transfer>,
    /// What nobody has asked for yet.
    rest: Range<u64>,
    check: Option<Check>,
    failed: Option<Error>,
}

/// A part that is on its way.
#[derive(Debug)]
struct Transfer {
    length: u64,
    task: JoinHandle<Result<Body, Failure>>,
}

impl Reader {
    /// Gets the first part, which tells how large the object is.
    pub(crate) fn open(
        core: Core,
        key: &str,
        path: Path,
        range: ByteRange,
    ) -> Result<Result<Self, Failure>> {
        let end = range.length.map_or(u64::MAX, |it| range.offset.saturating_add(it));
        let first = range.offset..end.min(range.offset.saturating_add(core.sizes.part));
        if first.is_empty() {
            // Nothing is behind the largest number.
            return Ok(wait(core.head(&path))?.and_then(|it| {
                let head = it.ok_or(Failure::Absent)?;
                Ok(Self::empty(core, key, path, head))
            }));
        }
        let opened = wait(core.fetch_first(&path, first.clone()))?;
        let (head, content) = match opened {
            Ok(Some(Piece { head, content })) => (head, content),
            Ok(None) => return Ok(Ok(Self::empty(core, key, path, Head::default()))),
            Err(failure) => return Ok(Err(failure)),
        };
        let got = first.start + content.length();
        let rest = got..end.min(head.size).max(got);
        let whole = first.start == 0 && end >= head.size && !rest.is_empty();
        let mut reader = Self::empty(core, key, path, head);
        reader.rest = rest;
        reader.look_ahead()?;
        if whole {
            let check = Check::begin(&reader.core, &reader.path)?;
            return reader.checked(check, content).map(Ok);
        }
        reader.pieces.extend(content.pieces().iter().cloned());
        Ok(Ok(reader))
    }

    fn empty(core: Core, key: &str, path: Path, head: Head) -> Self {
        Self {
            core,
            key: key.to_owned(),
            path,
            head,
            pieces: VecDeque::new(),
            ahead: VecDeque::new(),
            rest: 0..0,
            check: None,
            failed: None,
        }
    }

    /// Reads a whole object, of which the first part is there.
    fn checked(mut self, mut check: Check, first: Body) -> Result<Self> {
        let parts = 1 + u64::try_from(self.core.sizes.concurrency).unwrap_or(u64::MAX);
        if self.head.size > parts.saturating_mul(self.core.sizes.part) {
            check.add(&first);
            self.pieces.extend(first.pieces().iter().cloned());
            self.check = Some(check);
            return Ok(self);
        }
        // It fits into the memory that is meant for it: nobody is given
        // anything that is not known to be right.
        let mut bodies = vec![first];
        while let Some(transfer) = self.ahead.pop_front() {
            bodies.push(self.arrived(transfer)?);
            self.look_ahead()?;
        }
        let source = Source { core: &self.core, path: &self.path, etag: self.head.etag.as_ref() };
        let mended = wait(check.mend(source, &mut bodies))?;
        mended.map_err(|it| self.core.error(&it, &format!("read {}", self.key)))?;
        self.pieces.extend(bodies.iter().flat_map(|it| it.pieces().iter().cloned()));
        Ok(self)
    }

    /// Asks for parts until enough are on their way.
    fn look_ahead(&mut self) -> Result<()> {
        let runtime = runtime()?;
        while self.ahead.len() < self.core.sizes.concurrency && !self.rest.is_empty() {
            let end = self.rest.end.min(self.rest.start + self.core.sizes.part);
            let range = self.rest.start..end;
            self.rest.start = end;
            let (core, path) = (self.core.clone(), self.path.clone());
            let etag = self.head.etag.clone();
            let length = range.end - range.start;
            let task = runtime.spawn(async move { core.fetch(&path, range, etag).await });
            self.ahead.push_back(Transfer { length, task });
        }
        Ok(())
    }

    /// Waits for the next part; `false` is the end.
    fn advance(&mut self) -> Result<bool> {
        // Not before the last part was taken: it is one of those that memory is
        // allowed for.
        self.look_ahead()?;
        let Some(transfer) = self.ahead.pop_front() else {
            return self.finish().map(|()| false);
        };
        let body = self.arrived(transfer)?;
        if let Some(check) = &mut self.check {
            check.add(&body);
        }
        self.pieces.extend(body.pieces().iter().cloned());
        Ok(true)
    }

    /// Waits for a part.
    fn arrived(&self, transfer: Transfer) -> Result<Body> {
        let Transfer { length, task } = transfer;
        let body = wait(task)?.map_err(|e| Error::msg(format!("a transfer ended: {e}")))?;
        let doing = format!("read {}", self.key);
        let body = body.map_err(|it| match it {
            Failure::Condition | Failure::Absent | Failure::Beyond => {
                Error::msg("it was replaced or removed meanwhile")
                    .context(format!("cannot {doing}"))
            }
            other => self.core.error(&other, &doing),
        })?;
        debug_assert_eq!(body.length(), length);
        Ok(body)
    }

    /// Compares the whole with what the store says of it.
    fn finish(&mut self) -> Result<()> {
        let Some(mut check) = self.check.take() else { return Ok(()) };
        let source = Source { core: &self.core, path: &self.path, etag: self.head.etag.as_ref() };
        let judged = wait(check.judge(source))?;
        judged.map_err(|it| self.core.error(&it, &format!("read {}", self.key)))
    }

    fn next_piece(&mut self) -> Result<Option<&mut Bytes>> {
        while self.pieces.front().is_none_or(Bytes::is_empty) {
            if self.pieces.pop_front().is_none() && !self.advance()? {
                return Ok(None);
            }
        }
        Ok(self.pieces.front_mut())
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into_io());
        }
        match self.next_piece() {
            Ok(None) => Ok(0),
            Ok(Some(piece)) => {
                let length = piece.len().min(buffer.len());
                let taken = piece.split_to(length);
                buffer[..length].copy_from_slice(&taken);
                Ok(length)
            }
            Err(error) => {
                self.failed = Some(error.clone());
                Err(error.into_io())
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.ahead.iter().for_each(|it| it.task.abort());
        if let Some(check) = &self.check {
            check.give_up();
        }
    }
}

impl Core {
    /// Gets the first part of what is to be read; `None` if the range begins
    /// after the end.
    async fn fetch_first(&self, path: &Path, range: Range<u64>) -> Result<Option<Piece>, Failure> {
        let mut tries = self.patience.begin();
        loop {
            match self.remote.get(path, range.clone(), None).await.and_then(|it| intact(it, &range))
            {
                Ok(piece) => {
                    self.prove();
                    return Ok(Some(piece));
                }
                Err(Failure::Beyond) => return Ok(None),
                Err(failure) => self.again(&mut tries, self.judged(failure)).await?,
            }
        }
    }

    pub(super) async fn fetch(
        &self,
        path: &Path,
        range: Range<u64>,
        etag: Option<String>,
    ) -> Result<Body, Failure> {
        let piece = self.ask(|| self.remote.get(path, range.clone(), etag.as_deref())).await?;
        let (wanted, found) = (range.end - range.start, piece.content.length());
        if wanted == found {
            return Ok(piece.content);
        }
        Err(Failure::Nonsense(format!("{found} bytes came where {wanted} were asked for")))
    }
}

/// Compares an object that came as a whole with what is kept with it.
fn intact(piece: Piece, range: &Range<u64>) -> Result<Piece, Failure> {
    if range.start != 0 || piece.content.length() != piece.head.size {
        return Ok(piece);
    }
    let good = match &piece.head.sha256 {
        Some(expected) => Some(*expected == piece.content.sha256()),
        None => piece.head.agrees(&piece.content.sum()),
    };
    if good != Some(false) {
        return Ok(piece);
    }
    let text = "what came is not what was put: its checksum differs";
    Err(Failure::Damaged(text.to_owned()))
}
