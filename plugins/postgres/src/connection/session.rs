//! A session, used from plain threads.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::watch, time};
use tokio_postgres::{
    AsyncMessage, CancelToken, Client, SimpleQueryMessage, SimpleQueryRow, types::ToSql,
};

pub use tokio_postgres::Row;

use super::{
    error::{ConnectError, ConnectProblem, QueryError, chain},
    open::{self, Driver, Negotiated, Session},
    runtime, stream,
};
use crate::conninfo::{HostTarget, Target};

/// How long a cancelled query may take to end before it is given up.
const CANCEL_PATIENCE: Duration = Duration::from_secs(5);

/// A session with a server.
///
/// Dropping it closes it. It may be shared between threads; queries of
/// several are answered in the order in which they were sent.
pub struct Connection {
    client: Client,
    ended: watch::Receiver<Option<String>>,
    target: Arc<Target>,
    host: HostTarget,
    canceller: Canceller,
    encrypted: bool,
    auth_method: &'static str,
    limit: OnceLock<Duration>,
    busy: AtomicUsize,
    runtime: &'static Handle,
}

/// What is needed to cancel a query of a session from elsewhere.
#[derive(Clone)]
struct Canceller {
    token: CancelToken,
    target: Arc<Target>,
    host: HostTarget,
    place: super::address::Place,
    encrypted: bool,
}

impl Connection {
    /// Opens a session.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] with everything that was tried.
    pub fn open(target: &Target) -> Result<Self, ConnectError> {
        Self::open_within(target, None)
    }

    /// Opens a session, within a time for all hosts together.
    ///
    /// # Errors
    ///
    /// As [`Connection::open`].
    pub fn open_within(target: &Target, limit: Option<Duration>) -> Result<Self, ConnectError> {
        let failed = |problem| ConnectError::new(Vec::new(), problem, None);
        let runtime = runtime::handle().map_err(|e| failed(ConnectProblem::Runtime(e)))?;
        let target = Arc::new(target.clone());
        let session = runtime.block_on(async {
            let open = open::open(&target);
            match limit {
                None => open.await,
                Some(limit) => time::timeout(limit, open).await.unwrap_or_else(|_| {
                    let place = target.hosts.iter().map(ToString::to_string).collect::<Vec<_>>();
                    let problem = ConnectProblem::TimedOut(limit);
                    let attempt =
                        super::Attempt { place: place.join(" or "), problem: problem.to_string() };
                    Err(ConnectError::new(vec![attempt], problem, None))
                }),
            }
        })?;
        Ok(Self::new(session, target, runtime))
    }

    fn new(session: Session, target: Arc<Target>, runtime: &'static Handle) -> Self {
        let Session { client, driver, host, place, encrypted, auth_method } = session;
        let (tell, ended) = watch::channel(None);
        runtime.spawn(drive(driver, tell));
        let canceller = Canceller {
            token: client.cancel_token(),
            target: Arc::clone(&target),
            host: host.clone(),
            place,
            encrypted,
        };
        Self {
            client,
            ended,
            target,
            host,
            canceller,
            encrypted,
            auth_method,
            limit: OnceLock::new(),
            busy: AtomicUsize::new(0),
            runtime,
        }
    }

    /// Bounds every query from now on; the first call counts.
    pub fn set_limit(&self, limit: Duration) {
        let _ = self.limit.set(limit);
    }

    /// Returns the host that answered.
    pub fn host(&self) -> &HostTarget {
        &self.host
    }

    /// Returns what it was opened with.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Tells whether it is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Returns how the server authenticated us: `none` (trust, peer, a
    /// certificate), `password`, `md5` or `scram-sha-256`.
    pub fn auth_method(&self) -> &'static str {
        self.auth_method
    }

    /// Returns why the session is over, or `None` while it lives.
    pub fn ended(&self) -> Option<String> {
        self.ended.borrow().clone()
    }

    /// Runs a query with parameters.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn query(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, QueryError> {
        self.wait(self.client.query(sql, parameters))
    }

    /// Runs statements in the simple protocol, and returns the rows of all as
    /// text. The only way to ask a connection of the replication protocol.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn simple(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, QueryError> {
        let messages = self.wait(self.client.simple_query(sql))?;
        rows(&messages)
    }

    /// The same within a time of its own.
    pub(crate) fn simple_within(
        &self,
        sql: &str,
        limit: Duration,
    ) -> Result<Vec<Vec<Option<String>>>, QueryError> {
        let limit = self.limit.get().map_or(limit, |it| limit.min(*it));
        let messages = self.wait_within(self.client.simple_query(sql), Some(limit))?;
        rows(&messages)
    }

    /// Asks several questions at once: all are sent before the first answer
    /// is waited for. Returns the first column of the first row of each, if
    /// there is one.
    ///
    /// # Errors
    ///
    /// [`QueryError`] if the connection is lost or the time runs out; what is
    /// wrong with one question is in its place.
    pub fn ask_all(
        &self,
        questions: &[&str],
    ) -> Result<Vec<Result<Option<String>, QueryError>>, QueryError> {
        let all = questions.iter().map(|it| self.client.simple_query(it));
        let all = async { Ok(futures_util::future::join_all(all).await) };
        let mut answers = Vec::new();
        for answer in self.wait(all)? {
            let answer = answer.map_err(|error| self.lost(&error));
            if let Err(QueryError::Lost(reason)) = answer {
                return Err(QueryError::Lost(reason));
            }
            let first = answer.and_then(|it| {
                Ok(rows(&it)?.into_iter().next().and_then(|row| row.into_iter().next()?))
            });
            answers.push(first);
        }
        Ok(answers)
    }

    /// Runs statements without parameters, and takes no answer.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn execute(&self, sql: &str) -> Result<(), QueryError> {
        self.wait(self.client.batch_execute(sql))
    }

    /// Asks whether the server is still there, and waits for the answer so
    /// long.
    ///
    /// # Errors
    ///
    /// [`QueryError::TimedOut`] or [`QueryError::Lost`].
    pub fn ping(&self, limit: Duration) -> Result<(), QueryError> {
        let asked = self.client.simple_query("");
        self.runtime.block_on(async {
            match time::timeout(limit, asked).await {
                Err(_) => Err(QueryError::TimedOut(limit)),
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(self.lost(&error)),
            }
        })
    }

    /// Cancels the query that runs, if one does. The server may be too late.
    ///
    /// # Errors
    ///
    /// A [`ConnectProblem`] if the server cannot be told.
    pub fn cancel(&self) -> Result<(), ConnectProblem> {
        self.runtime.block_on(self.canceller.cancel())
    }

    fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, QueryError> {
        self.wait_within(work, self.limit.get().copied())
    }

    fn wait_within<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
        limit: Option<Duration>,
    ) -> Result<T, QueryError> {
        let _busy = Busy::new(&self.busy);
        self.runtime.block_on(async {
            let Some(limit) = limit else {
                return work.await.map_err(|error| self.lost(&error));
            };
            let mut work = std::pin::pin!(work);
            if let Ok(done) = time::timeout(limit, &mut work).await {
                return done.map_err(|error| self.lost(&error));
            }
            // So that the session can be used again, and the server does not
            // work for nobody.
            let cancel = async {
                if self.canceller.cancel().await.is_ok() {
                    drop(work.await);
                }
            };
            drop(time::timeout(limit.min(CANCEL_PATIENCE), cancel).await);
            Err(QueryError::TimedOut(limit))
        })
    }

    /// A closed connection has its reason elsewhere.
    fn lost(&self, error: &tokio_postgres::Error) -> QueryError {
        match QueryError::of(error) {
            QueryError::Lost(text) => QueryError::Lost(self.ended().unwrap_or(text)),
            other => other,
        }
    }

    pub(super) fn end_watch(&self) -> watch::Receiver<Option<String>> {
        self.ended.clone()
    }

    /// Tells whether somebody waits for an answer.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire) > 0
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn runtime(&self) -> &'static Handle {
        self.runtime
    }
}

/// Returns the rows as text. A database without an encoding (`SQL_ASCII`) may
/// hold bytes that are none.
fn rows(messages: &[SimpleQueryMessage]) -> Result<Vec<Vec<Option<String>>>, QueryError> {
    let rows = messages.iter().filter_map(|it| match it {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let column = |row: &SimpleQueryRow, at: usize| match row.try_get(at) {
        Ok(text) => Ok(text.map(ToOwned::to_owned)),
        Err(_) => Err(QueryError::Answer("it holds text that is no UTF-8".to_owned())),
    };
    rows.map(|row| (0..row.len()).map(|at| column(row, at)).collect()).collect()
}

/// Counts a query for as long as somebody waits for it.
struct Busy<'a>(&'a AtomicUsize);

impl<'a> Busy<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Canceller {
    async fn cancel(&self) -> Result<(), ConnectProblem> {
        let mut opened =
            stream::open(&self.target, &self.host, &self.place, self.encrypted).await?;
        opened.stream.leave_startup_alone();
        let sent = self.token.cancel_query_raw(opened.stream, Negotiated).await;
        sent.map_err(|error| ConnectProblem::Protocol(chain(&error)))
    }
}

/// Moves messages until the session is over, then says why.
async fn drive(mut driver: Driver, tell: watch::Sender<Option<String>>) {
    let reason = loop {
        match std::future::poll_fn(|cx| driver.poll_message(cx)).await {
            None => break "it was closed".to_owned(),
            Some(Err(error)) => {
                break match error.as_db_error() {
                    Some(error) => super::ServerMessage::of(error).to_string(),
                    None => chain(&error),
                };
            }
            // Notices are for people at a terminal.
            Some(Ok(AsyncMessage::Notice(_) | AsyncMessage::Notification(_) | _)) => {}
        }
    };
    drop(tell.send(Some(reason)));
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("host", &self.host).finish_non_exhaustive()
    }
}
