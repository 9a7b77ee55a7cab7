//! The type `http`: files on a WebDAV server.
//!
//! A file is written under another name, below `.hayloft-store/incoming`, read
//! back, and given its name when it is whole and right. There are no marks, no
//! checksums and no conditions: keys are claimed.

mod raw;
mod sending;
mod walk;
mod xml;

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use hayloft_plugin_api::{Error, ErrorKind, Result};
use http::{HeaderMap, HeaderValue, header};
use object_store::{
    ObjectStore, client::HttpConnector, http::HttpBuilder, multipart::PartId, path::Path,
};

use self::{
    raw::Raw,
    sending::{Sending, Sendings},
    walk::Walk,
};
use crate::{
    config::{HttpConfig, HttpSettings},
    connector::Connector,
    core::RESERVED,
    explain::Advice,
    failure::{Failure, Refusal},
    options,
    rate::Rate,
    reading::{Reading, Told, part_of},
    remote::{Body, Condition, Head, Marks, Page, Parts, Piece, Protected, Remote, Written},
    retry::Patience,
    sum::Sum,
};

/// How many walks are remembered.
const MOST_WALKS: usize = 4;

const ADVICE: Advice = Advice {
    no_keys: "configure <user> and <password_file>",
    wrong_keys: "the server does not know the user, or the password is not right: check <user> \
                 and <password_file>",
    may_not: "the user may not do this: the server must allow GET, PUT, DELETE, MKCOL, MOVE and \
              PROPFIND in the directory",
    no_place: "create the directory on the server, or check <url>",
    no_answer: "check the network, <url>, <proxy> and <timeout>",
};

/// Makes a directory on a WebDAV server.
pub(crate) fn open(config: &HttpConfig) -> Result<WebDav> {
    let HttpConfig { common, own } = config;
    let base = own.url.as_str();
    let rate = Rate::new(common.rate_limit.map(hayloft_plugin_api::config::ByteSize::bytes));
    let connector = Connector::new(own.url.authority(), rate);
    let headers = login(own)?;
    let client = options::client(common, own.url.is_encrypted())?;
    let client = client.with_default_headers(headers.clone());
    let store = HttpBuilder::new()
        .with_url(base)
        .with_client_options(client.clone())
        .with_retry(options::no_retries())
        .with_http_connector(connector.clone())
        .build()?;
    Ok(WebDav {
        name: format!("directory {base}"),
        store: Arc::new(store),
        raw: Raw { client: connector.connect(&client)?, base: base.to_owned() },
        streaming: options::streaming(common, headers)?,
        connector,
        incoming: format!("{}{RESERVED}/incoming", common.prefix.as_str()),
        count: AtomicU64::new(0),
        longest: common.timeout(),
        patience: Patience::new(common.retries.get()),
        part: common.part_size.bytes(),
        checks: common.check_uploads.unwrap_or(true),
        sendings: Sendings::default(),
        walks: Mutex::default(),
        is_there: AtomicBool::new(false),
    })
}

/// Who we are, for each request.
fn login(own: &HttpSettings) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    if let Some(user) = &own.user {
        let password = own.secret().resolve()?.ok_or_else(|| {
            Error::new(ErrorKind::CONFIGURATION, format!("the password of {user} is missing"))
        })?;
        let both = STANDARD.encode(format!("{user}:{}", password.expose()));
        let mut value = HeaderValue::from_str(&format!("Basic {both}"))
            .map_err(|_| Error::msg("no header can hold the password"))?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    Ok(headers)
}

/// A directory on a server.
#[derive(Debug)]
pub(crate) struct WebDav {
    name: String,
    store: Arc<dyn ObjectStore>,
    raw: Raw,
    /// For what is too large for one piece of memory.
    streaming: reqwest::Client,
    connector: Connector,
    /// Where files are written before they have their name.
    incoming: String,
    count: AtomicU64,
    longest: Duration,
    patience: Patience,
    /// How much is read back at a time.
    part: u64,
    /// Whether what was sent is read back.
    checks: bool,
    sendings: Sendings,
    /// Those that may go on.
    walks: Mutex<Vec<Walk>>,
    /// The configured directory was seen.
    is_there: AtomicBool,
}

impl Told for WebDav {
    fn read_headers(&self, _headers: &HeaderMap, head: &mut Head) {
        head.etag = head.etag.take().map(|it| xml::quoted(&it)).filter(|it| !it.is_empty());
    }
}

impl WebDav {
    fn temporary(&self, marks: &Marks) -> Result<Path, Failure> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        Path::parse(format!("{}/{}-{count}", self.incoming, marks.token))
            .map_err(|e| Failure::Nonsense(e.to_string()))
    }

    /// Gives a file its name, if it is what was sent. Nothing but a file is ever replaced: in
    /// the place of a directory, the server would remove all that is in it.
    async fn settle_checked(
        &self,
        temporary: &Path,
        path: &Path,
        sum: (u64, u64),
    ) -> Result<Written, Failure> {
        if self.checks {
            self.check(temporary, sum).await?;
        }
        Ok(Written { confirmed: self.checks, ..self.settle(temporary, path).await? })
    }

    /// Reads back what was sent: `sum` is its length and its CRC-64.
    async fn check(&self, temporary: &Path, sum: (u64, u64)) -> Result<(), Failure> {
        let (length, _) = sum;
        let mut found = Sum::of(&[]);
        while found.length < length {
            let range = found.length..length.min(found.length + self.part);
            let piece = self.ask(|| self.get(temporary, range.clone(), None)).await?;
            if piece.content.length() == 0 {
                break;
            }
            found = found.then(piece.content.sum());
        }
        if (found.length, found.crc64) == sum {
            return Ok(());
        }
        let text = "what the server has is not what was sent, when it is read back";
        Err(Failure::Damaged(text.to_owned()))
    }

    /// Gives a file its name. Nothing but a file is ever replaced: in the place
    /// of a directory, the server would remove all that is in it.
    async fn settle(&self, temporary: &Path, path: &Path) -> Result<Written, Failure> {
        match self.rename(temporary, path, false).await {
            Err(Failure::Condition) => {
                match self.ask(|| self.raw.find(path.as_ref(), "0")).await?.0 {
                    Some(it) if it.directory => return Err(is_directory()),
                    _ => self.rename(temporary, path, true).await?,
                }
            }
            other => other?,
        }
        let head = self.ask(|| self.head(path)).await?;
        Ok(Written { etag: head.etag, modified_ns: head.modified_ns, confirmed: false })
    }

    /// Renames. Nobody else knows the temporary name, so that a file that is
    /// not there any more has got its new one, whatever the answer was.
    async fn rename(&self, temporary: &Path, path: &Path, over: bool) -> Result<(), Failure> {
        let mut tries = self.patience.begin();
        loop {
            let failure = match self.raw.rename(temporary, path, over).await {
                Err(failure) if failure.is_transient() => failure,
                other => return other,
            };
            match self.ask(|| self.raw.find(temporary.as_ref(), "0")).await {
                Err(Failure::Absent) => return Ok(()),
                found => drop(found?),
            }
            tries.again(failure).await.map_err(given_up)?;
        }
    }

    /// Asks until there is an answer or no hope for one. Whoever called is not
    /// to ask for everything again then.
    async fn ask<T, F>(&self, request: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut tries = self.patience.begin();
        loop {
            match request().await {
                Ok(answer) => return Ok(answer),
                Err(failure) => tries.again(failure).await.map_err(given_up)?,
            }
        }
    }

    /// Says what it means that a file is not there: the server says the same
    /// where the whole directory is missing.
    async fn absence(&self) -> Failure {
        if self.is_there.load(Ordering::Relaxed) {
            return Failure::Absent;
        }
        match self.ask(|| self.raw.find("", "0")).await {
            Ok((Some(it), _)) if it.directory => {
                self.is_there.store(true, Ordering::Relaxed);
                Failure::Absent
            }
            Ok(_) | Err(Failure::Absent) => raw::no_place(),
            Err(failure) => failure,
        }
    }

    fn walk_at(&self, prefix: &str, after: &str) -> Option<Walk> {
        let mut walks = self.walks.lock().unwrap_or_else(PoisonError::into_inner);
        let at = walks.iter().position(|it| !after.is_empty() && it.is_at(prefix, after))?;
        Some(walks.swap_remove(at))
    }

    fn keep_walk(&self, walk: Walk) {
        let mut walks = self.walks.lock().unwrap_or_else(PoisonError::into_inner);
        if walks.len() >= MOST_WALKS {
            walks.remove(0);
        }
        walks.push(walk);
    }
}

/// What was tried often enough is not tried again with all that went before.
fn given_up(failure: Failure) -> Failure {
    if failure.is_transient() { Failure::GivenUp(Box::new(failure)) } else { failure }
}

fn is_directory() -> Failure {
    let message = "there is a directory of that name".to_owned();
    Failure::Refused(Refusal { status: 409, message, ..Refusal::default() })
}

/// Says that what was sent has its name already, or is not there any more.
fn gone() -> Failure {
    let (code, message) = ("NoSuchUpload".to_owned(), "what was sent is not there".to_owned());
    Failure::Refused(Refusal { status: 404, code, message, ..Refusal::default() })
}

#[async_trait]
impl Remote for WebDav {
    async fn put(
        &self,
        path: &Path,
        body: &Body,
        marks: &Marks,
        _condition: Option<&Condition>,
    ) -> Result<Written, Failure> {
        let temporary = self.temporary(marks)?;
        let put = self.ask(|| self.raw.put(&temporary, body.payload().into())).await;
        let settled = match put {
            Ok(()) => {
                let sum = body.sum();
                self.settle_checked(&temporary, path, (sum.length, sum.crc64)).await
            }
            Err(Failure::Absent) => Err(raw::no_place()),
            Err(failure) => Err(failure),
        };
        if settled.is_err() {
            // Whatever is left, the next sweep finds.
            let _ = self.ask(|| self.raw.delete(&temporary)).await;
        }
        settled
    }

    async fn begin(&self, _path: &Path, marks: &Marks) -> Result<String, Failure> {
        let temporary = self.temporary(marks)?;
        self.ask(|| self.raw.make_directories(temporary.as_ref())).await?;
        let url = self.raw.url(temporary.as_ref());
        let upload = temporary.to_string();
        self.sendings.add(&upload, Sending::begin(&self.streaming, url, temporary));
        Ok(upload)
    }

    async fn part(
        &self,
        _path: &Path,
        upload: &str,
        index: usize,
        body: &Body,
    ) -> Result<PartId, Failure> {
        let sending = self.sendings.get(upload).ok_or_else(gone)?;
        self.connector.rate().take(body.length()).await;
        sending.part(index, body, self.longest).await?;
        Ok(PartId { content_id: body.length().to_string() })
    }

    async fn complete(
        &self,
        path: &Path,
        parts: &Parts,
        marks: &Marks,
        _condition: Option<&Condition>,
    ) -> Result<Written, Failure> {
        let sending = self.sendings.get(&parts.upload).ok_or_else(gone)?;
        sending.finish(self.longest).await?;
        let sent: u64 = parts.ids.iter().filter_map(|it| it.content_id.parse::<u64>().ok()).sum();
        match self.ask(|| self.raw.find(sending.temporary.as_ref(), "0")).await {
            Ok((Some(it), _)) if it.size == sent => {}
            Ok((Some(it), _)) => {
                let text = format!("the server has {} bytes of {sent}", it.size);
                return Err(Failure::Lost(text));
            }
            // Renamed by a request whose answer was lost.
            Ok((None, _)) | Err(Failure::Absent) => return Err(gone()),
            Err(failure) => return Err(failure),
        }
        let sum = (sent, marks.crc64.unwrap_or(0));
        let settled = self.settle_checked(&sending.temporary, path, sum).await;
        let written = settled.map_err(|it| match it {
            // Its parts are gone: only the whole can be sent again.
            Failure::Damaged(text) => Failure::Lost(text),
            other => other,
        })?;
        self.sendings.remove(&parts.upload);
        Ok(written)
    }

    async fn abort(&self, _path: &Path, upload: &str) -> Result<(), Failure> {
        let Some(sending) = self.sendings.get(upload) else { return Ok(()) };
        sending.give_up().await;
        self.raw.delete(&sending.temporary).await?;
        self.sendings.remove(upload);
        Ok(())
    }

    async fn get(
        &self,
        path: &Path,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<Piece, Failure> {
        let reading =
            Reading { store: self.store.as_ref(), rate: self.connector.rate(), told: self };
        match reading.get(path, part_of(range.clone(), None)).await {
            // Servers without etags that count have no `If-Match`.
            Ok(piece) if etag.is_some() && piece.head.etag.as_deref() != etag => {
                Err(Failure::Condition)
            }
            Err(Failure::Absent) => Err(self.absence().await),
            Err(Failure::Refused(it)) if matches!(it.status, 403 | 405) => {
                // Of a directory, it is `Absent`.
                self.head(path).await?;
                Err(Failure::Refused(it))
            }
            // Some say something else of what is empty or no file.
            Err(Failure::Nonsense(text)) => {
                let size = self.head(path).await?.size;
                Err(if size <= range.start { Failure::Beyond } else { Failure::Nonsense(text) })
            }
            other => other,
        }
    }

    async fn head(&self, path: &Path) -> Result<Head, Failure> {
        let found = match self.raw.find(path.as_ref(), "0").await {
            Ok((found, _)) => found,
            Err(Failure::Absent) => return Err(self.absence().await),
            Err(failure) => return Err(failure),
        };
        match found {
            Some(it) if !it.directory => Ok(Head {
                size: it.size,
                etag: Some(it.etag).filter(|it| !it.is_empty()),
                modified_ns: it.modified_ns,
                ..Head::default()
            }),
            _ => Err(Failure::Absent),
        }
    }

    async fn page(&self, prefix: &str, after: &str, limit: usize) -> Result<Page, Failure> {
        let mut walk = match self.walk_at(prefix, after) {
            Some(walk) => walk,
            None => Walk::begin(&self.raw, prefix, after).await?,
        };
        let page = walk.next(&self.raw, limit.clamp(1, 1000)).await?;
        if page.more {
            self.keep_walk(walk);
        }
        Ok(page)
    }

    async fn delete(&self, path: &Path) -> Result<(), Failure> {
        // Of a directory, everything in it would go.
        self.head(path).await?;
        self.raw.delete(path).await
    }

    async fn delete_many(&self, _paths: &[Path]) -> Result<Vec<Result<(), Failure>>, Failure> {
        Err(Failure::Unsupported("objects are removed one by one".to_owned()))
    }

    fn most_deleted(&self) -> usize {
        1
    }

    async fn protection(&self) -> Result<Protected, Failure> {
        Ok(Protected::default())
    }

    fn keeps_marks(&self) -> bool {
        false
    }

    fn confirms_parts(&self) -> bool {
        false
    }

    fn knows_conditions(&self) -> Option<bool> {
        Some(false)
    }

    fn advice(&self) -> &'static Advice {
        &ADVICE
    }

    fn name(&self) -> &str {
        &self.name
    }
}
