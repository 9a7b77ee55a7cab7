//! Puts, so that it is known afterwards what is there, and whose.
//!
//! An object that must not be there yet is put with a condition, where the store
//! keeps conditions. Where they do not count, writers claim the key first: see
//! [`Core::claim`].

mod probe;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use object_store::path::Path;
use rand::RngExt;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::{
    core::Core,
    failure::{Failure, Refusal},
    remote::{Body, Condition, Head, Marks, Parts, Protected, Written, hex},
    sum::Sum,
};

/// What is known of a store's conditions in this process.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    puts: OnceCell<Kept>,
    completions: OnceCell<Kept>,
    pub(crate) protection: OnceCell<Protected>,
    /// Those of this process who want to create the same object queue up here.
    queues: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// Which conditions count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) absent: bool,
    pub(crate) etag: bool,
}

impl Kept {
    fn keeps(self, condition: &Condition) -> bool {
        match condition {
            Condition::Absent => self.absent,
            Condition::Etag(_) => self.etag,
        }
    }
}

impl Conditions {
    /// Returns what is known of a place; the same for all who ask.
    pub(crate) fn of(place: &str) -> Arc<Self> {
        static KNOWN: OnceLock<Mutex<HashMap<String, Arc<Conditions>>>> = OnceLock::new();
        let known = KNOWN.get_or_init(Mutex::default);
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(place.to_owned()).or_default())
    }

    fn queue(&self, path: &Path) -> Arc<tokio::sync::Mutex<()>> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody waits in those.
        queues.retain(|_, it| Arc::strong_count(it) > 1);
        Arc::clone(queues.entry(path.to_string()).or_default())
    }
}

/// A claim that is older has been left by a run that crashed.
const STALE: Duration = Duration::from_mins(5);
/// A claim is not held for longer. Less than [`STALE`], and by so much that
/// clocks and slow requests do not matter.
const LONGEST_CLAIM: Duration = Duration::from_mins(2);
/// How often a claim is tried.
const CLAIMS: u32 = 12;

/// What is to be there after a put.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) path: &'a Path,
    pub(crate) marks: &'a Marks,
    pub(crate) sum: Sum,
    /// What must hold before.
    pub(crate) condition: Option<&'a Condition>,
}

impl Core {
    /// Puts an object in one request.
    pub(crate) async fn put_whole(
        &self,
        mut wanted: Wanted<'_>,
        body: &Body,
    ) -> Result<Written, Failure> {
        let mut tries = self.patience.begin();
        loop {
            let mut written = match wanted.condition {
                None => self.put_over(wanted, body).await?,
                Some(condition) if self.conditions_of_puts().await?.keeps(condition) => {
                    self.put_on_condition(wanted, body, condition).await?
                }
                Some(Condition::Absent) => {
                    self.with_claim(wanted, || self.put_over(wanted, body)).await?
                }
                Some(Condition::Etag(_)) => return Err(no_replace()),
            };
            match self.confirm(wanted, &mut written).await {
                Ok(()) => return Ok(written),
                // What is there is ours, so that it may be replaced.
                Err(failure) => {
                    tries.again(failure).await?;
                    wanted.condition = None;
                }
            }
        }
    }

    async fn put_over(&self, wanted: Wanted<'_>, body: &Body) -> Result<Written, Failure> {
        self.ask(|| self.remote.put(wanted.path, body, wanted.marks, None)).await
    }

    /// Puts an object under a condition that counts.
    async fn put_on_condition(
        &self,
        wanted: Wanted<'_>,
        body: &Body,
        condition: &Condition,
    ) -> Result<Written, Failure> {
        let mut tries = self.patience.begin();
        let mut unsure = false;
        loop {
            let put = self.remote.put(wanted.path, body, wanted.marks, Some(condition));
            let failure = match put.await {
                Ok(written) => {
                    self.prove();
                    return Ok(written);
                }
                // What is to be replaced is not there.
                Err(Failure::Absent) => Failure::Condition,
                Err(failure) => self.judged(failure),
            };
            let denied = matches!(failure, Failure::Condition);
            if unsure && denied || failure.is_ambiguous() {
                unsure = true;
                match self.whose(wanted).await? {
                    Whose::Ours(written) => return Ok(written),
                    it if it.meets(condition) && denied => {
                        // It came and went; there is room again.
                        let text = "an object came and went".to_owned();
                        tries.again(Failure::Broken(text)).await?;
                        continue;
                    }
                    it if it.meets(condition) => {}
                    _ => return Err(Failure::Condition),
                }
            }
            self.again(&mut tries, failure).await?;
        }
    }

    /// Completes a multipart upload.
    pub(crate) async fn complete(
        &self,
        wanted: Wanted<'_>,
        parts: &Parts,
    ) -> Result<Written, Failure> {
        let mut written = match wanted.condition {
            Some(condition) if !self.conditions_of_completions().await?.keeps(condition) => {
                if *condition != Condition::Absent {
                    return Err(no_replace());
                }
                let plain = Wanted { condition: None, ..wanted };
                self.with_claim(wanted, || self.complete_once(plain, parts)).await?
            }
            _ => self.complete_once(wanted, parts).await?,
        };
        written.confirmed |= self.remote.confirms_parts();
        if !self.remote.keeps_marks() {
            self.confirm(wanted, &mut written).await?;
            return Ok(written);
        }
        match self.whose(wanted).await? {
            Whose::Ours(found) => {
                written.etag = found.etag.or(written.etag);
                written.modified_ns = found.modified_ns;
                written.confirmed |= found.confirmed;
            }
            // Replaced by somebody meanwhile, who may.
            Whose::Theirs(_) if wanted.condition != Some(&Condition::Absent) => {
                return Ok(written);
            }
            _ => return Err(lost()),
        }
        self.confirm(wanted, &mut written).await?;
        Ok(written)
    }

    async fn complete_once(&self, wanted: Wanted<'_>, parts: &Parts) -> Result<Written, Failure> {
        let mut tries = self.patience.begin();
        let mut unsure = false;
        loop {
            let Wanted { path, marks, condition, .. } = wanted;
            let done = self.remote.complete(path, parts, marks, condition);
            let failure = match done.await {
                Ok(written) => return Ok(written),
                Err(Failure::Absent) if wanted.condition.is_some() => Failure::Condition,
                Err(failure) => self.judged(failure),
            };
            let gone = failure.is_upload_gone();
            let denied = matches!(failure, Failure::Condition);
            if failure.is_ambiguous() || gone || denied && unsure {
                unsure = true;
                match (self.whose(wanted).await?, wanted.condition) {
                    (Whose::Ours(written), _) => return Ok(written),
                    (it, Some(condition)) if !it.meets(condition) => {
                        return Err(Failure::Condition);
                    }
                    (Whose::Theirs(_), _) if gone => return Err(overtaken()),
                    _ if gone => return Err(lost()),
                    _ => {}
                }
            }
            self.again(&mut tries, failure).await?;
        }
    }

    /// Tells whether a condition holds now.
    pub(crate) async fn holds(&self, path: &Path, condition: &Condition) -> Result<bool, Failure> {
        let found = self.head(path).await?;
        let whose = found.map_or(Whose::Nobodys, |it| Whose::Theirs(it.etag));
        Ok(whose.meets(condition))
    }

    /// Finds out whose object is there, after an answer that does not tell.
    async fn whose(&self, wanted: Wanted<'_>) -> Result<Whose, Failure> {
        let Some(head) = self.head(wanted.path).await? else { return Ok(Whose::Nobodys) };
        if !self.remote.keeps_marks() {
            return self.whose_by_content(wanted, &head).await;
        }
        if head.token.as_deref() != Some(&wanted.marks.token) {
            return Ok(Whose::Theirs(head.etag));
        }
        if head.agrees(&wanted.sum) == Some(false) {
            let text = "what the store keeps is not what was sent: its checksum differs";
            // It is ours, and good for nothing.
            self.remove(wanted.path).await?;
            return Err(Failure::Damaged(text.to_owned()));
        }
        Ok(Whose::Ours(written_of(&head, &wanted.sum)))
    }

    /// Finds out whose object is there by what is in it.
    async fn whose_by_content(&self, wanted: Wanted<'_>, head: &Head) -> Result<Whose, Failure> {
        let same = head.size == wanted.sum.length
            && (self.check_uploads == Some(false) || self.read_back(wanted).await? == wanted.sum);
        if !same {
            return Ok(Whose::Theirs(head.etag.clone()));
        }
        Ok(Whose::Ours(Written { confirmed: true, ..written_of(head, &wanted.sum) }))
    }

    /// Reads what is there, up to the length of what is wanted.
    async fn read_back(&self, wanted: Wanted<'_>) -> Result<Sum, Failure> {
        let mut found = Sum::of(&[]);
        while found.length < wanted.sum.length {
            let end = wanted.sum.length.min(found.length + self.sizes.part);
            let range = found.length..end;
            let piece = self.ask(|| self.remote.get(wanted.path, range.clone(), None)).await;
            match piece {
                Ok(piece) if piece.content.length() > 0 => found = found.then(piece.content.sum()),
                Ok(_) | Err(Failure::Absent | Failure::Beyond) => return Err(lost()),
                Err(failure) => return Err(failure),
            }
        }
        Ok(found)
    }

    /// Reads back what was put, if nobody has confirmed it or if it is wanted.
    async fn confirm(&self, wanted: Wanted<'_>, written: &mut Written) -> Result<(), Failure> {
        if !self.check_uploads.unwrap_or(!written.confirmed) {
            return Ok(());
        }
        let found = self.read_back(wanted).await?;
        if found == wanted.sum {
            written.confirmed = true;
            return Ok(());
        }
        Err(Failure::Damaged("what was put is not what was sent, when it is read back".to_owned()))
    }

    /// Gives a multipart upload up, if it is there.
    pub(crate) async fn give_up(&self, path: &Path, upload: &str) -> Result<(), Failure> {
        match self.ask(|| self.remote.abort(path, upload)).await {
            Err(failure) if failure.is_upload_gone() => Ok(()),
            Err(Failure::Absent) => Ok(()),
            other => other,
        }
    }

    /// Puts what must not be there where the store keeps no conditions.
    async fn with_claim<F>(
        &self,
        wanted: Wanted<'_>,
        put: impl Fn() -> F,
    ) -> Result<Written, Failure>
    where
        F: Future<Output = Result<Written, Failure>>,
    {
        let queue = self.conditions.queue(wanted.path);
        let _turn = queue.lock().await;
        let claim = self.claim(wanted).await?;
        let putting = async {
            if self.head(wanted.path).await?.is_some() {
                return Err(Failure::Condition);
            }
            let written = put().await?;
            if !self.remote.keeps_marks() {
                return Ok(written);
            }
            match self.whose(wanted).await? {
                Whose::Ours(_) => Ok(written),
                Whose::Theirs(_) | Whose::Nobodys => Err(Failure::Condition),
            }
        };
        let done = tokio::time::timeout(LONGEST_CLAIM, putting).await.unwrap_or_else(|_| {
            Err(Failure::Broken("it took longer than a key may be claimed".to_owned()))
        });
        self.remove(&claim).await?;
        done
    }

    /// Claims a key: writes a claim of its own name, then looks whether there
    /// are others. Of two who claim, the later one to write sees the other, so
    /// at most one sees none. Who sees another gives way and tries again.
    ///
    /// It needs a store that lists what was put, at once, as S3 promises.
    async fn claim(&self, wanted: Wanted<'_>) -> Result<Path, Failure> {
        let name = hex(&Sha256::digest(wanted.path.as_ref()));
        let all = self.reserved_path(&format!("claims/{name}"))?;
        let all = format!("{all}/");
        let body = Body::from(Bytes::from(wanted.path.to_string()));
        for round in 0..CLAIMS {
            let marks = Marks::new();
            let mine = Path::parse(format!("{all}{}", marks.token))
                .map_err(|e| Failure::Nonsense(e.to_string()))?;
            self.ask(|| self.remote.put(&mine, &body, &marks, None)).await?;
            let page = self.ask(|| self.remote.page(&all, "", 1000)).await?;
            let now = page.objects.iter().find(|it| it.path == mine.as_ref());
            let now = now.map_or(0, |it| it.modified_ns);
            let stale = i64::try_from(STALE.as_nanos()).unwrap_or(i64::MAX);
            let mut alone = now != 0 && !page.more;
            for other in page.objects.iter().filter(|it| it.path != mine.as_ref()) {
                if now.saturating_sub(other.modified_ns) > stale {
                    let other = Path::parse(&other.path);
                    self.remove(&other.map_err(|e| Failure::Nonsense(e.to_string()))?).await?;
                } else {
                    alone = false;
                }
            }
            if alone {
                return Ok(mine);
            }
            self.remove(&mine).await?;
            let longest = 100 * (1 << round.min(5));
            let pause = rand::rng().random_range(0..longest);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        let message = format!("somebody else is about to create {}", wanted.path);
        Err(Failure::Busy(Refusal { status: 409, message, ..Refusal::default() }))
    }
}

/// Whose object is there.
enum Whose {
    /// The one that we put.
    Ours(Written),
    /// Another one, and its etag.
    Theirs(Option<String>),
    Nobodys,
}

impl Whose {
    /// Tells whether a condition holds.
    fn meets(&self, condition: &Condition) -> bool {
        match (self, condition) {
            (Self::Nobodys, Condition::Absent) => true,
            (Self::Theirs(found), Condition::Etag(wanted)) => found.as_ref() == Some(wanted),
            _ => false,
        }
    }
}

pub(crate) fn no_replace() -> Failure {
    Failure::Unsupported(
        "the store cannot tell whether somebody else has replaced an object".to_owned(),
    )
}

fn overtaken() -> Failure {
    let text = "somebody else put the object meanwhile, and what was sent of ours is gone";
    Failure::Lost(text.to_owned())
}

fn written_of(head: &Head, sum: &Sum) -> Written {
    Written {
        etag: head.etag.clone(),
        modified_ns: head.modified_ns,
        confirmed: head.agrees(sum) == Some(true),
    }
}

fn lost() -> Failure {
    Failure::Damaged("the store says that all is well, and does not have the object".to_owned())
}
