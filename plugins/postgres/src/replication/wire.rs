//! Messages over a stream, with a time limit and a way to stop.

use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    io,
    pin::Pin,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time,
};

use super::{
    error::{About, ReplicationError},
    protocol::{Frame, LONGEST_FRAME, Message, Row, split_frame},
    stop::Stop,
};
use crate::connection::{ServerMessage, Stream};

/// How much is read at once, in bytes: large enough for the longest message
/// of WAL, small enough for the processor's cache.
const READ: usize = 256 << 10;
/// With less room than this, new room is made.
const ROOM: usize = 64 << 10;
/// How many notices are kept.
const NOTICES: usize = 200;

/// How long to wait, and for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// `None` is for ever.
    pub(super) limit: Option<Duration>,
    pub(super) during: &'static str,
}

/// What came of waiting.
pub(super) enum Waited {
    Message(Message),
    /// The time ran out; nothing is lost.
    Late,
}

/// A connection at the level of messages.
pub(super) struct Wire {
    stream: Stream,
    input: BytesMut,
    pub(super) output: BytesMut,
    pub(super) notices: VecDeque<ServerMessage>,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) stop: Stop,
    /// When something came last.
    pub(super) heard: Instant,
    /// Why it cannot be used any more.
    pub(super) broken: Option<String>,
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            notices: VecDeque::new(),
            parameters: BTreeMap::new(),
            stop: Stop::default(),
            heard: Instant::now(),
            broken: None,
        }
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Returns the next message if it has come already.
    pub(super) fn ready(&mut self) -> Result<Option<Message>, ReplicationError> {
        loop {
            if self.stop.is_set() {
                return Err(self.breaks(ReplicationError::Cancelled));
            }
            let parsed = match split_frame(&mut self.input, LONGEST_FRAME) {
                Ok(None) => return Ok(None),
                Ok(Some(frame)) => self.keep(frame),
                Err(error) => Err(error.into()),
            };
            match parsed {
                Ok(None) => {}
                Ok(Some(message)) => return Ok(Some(message)),
                Err(error) => return Err(self.breaks(error)),
            }
        }
    }

    /// Keeps what may come at any time, and returns everything else.
    fn keep(&mut self, frame: Frame) -> Result<Option<Message>, ReplicationError> {
        match Message::parse(frame)? {
            Message::Notice(notice) => {
                if self.notices.len() == NOTICES {
                    self.notices.pop_front();
                }
                self.notices.push_back(notice);
            }
            Message::Parameter(name, value) => drop(self.parameters.insert(name, value)),
            Message::Other => {}
            message => return Ok(Some(message)),
        }
        Ok(None)
    }

    /// Waits for the next message.
    pub(super) async fn message(
        &mut self,
        patience: Patience,
    ) -> Result<Message, ReplicationError> {
        let until = patience.limit.map(|limit| Instant::now() + limit);
        match (self.message_until(until).await?, patience.limit) {
            (Waited::Message(message), _) => Ok(message),
            (Waited::Late, limit) => {
                let limit = limit.unwrap_or_default();
                let late = ReplicationError::TimedOut { limit, during: patience.during };
                Err(self.breaks(late))
            }
        }
    }

    /// Waits for the next message, so long.
    pub(super) async fn message_until(
        &mut self,
        until: Option<Instant>,
    ) -> Result<Waited, ReplicationError> {
        loop {
            if let Some(message) = self.ready()? {
                return Ok(Waited::Message(message));
            }
            if self.input.capacity() - self.input.len() < ROOM {
                self.input.reserve(READ);
            }
            let stop = self.stop.clone();
            let read = self.stream.read_buf(&mut self.input);
            let read = match limited(read, until, &stop).await {
                Ended::Done(read) => read,
                Ended::Late => return Ok(Waited::Late),
                Ended::Stopped => return Err(self.breaks(ReplicationError::Cancelled)),
            };
            match read {
                Ok(0) => {
                    let text = "the server closed it".to_owned();
                    return Err(self.breaks(ReplicationError::Lost(text)));
                }
                Ok(_) => self.heard = Instant::now(),
                Err(error) => return Err(self.breaks(ReplicationError::Lost(error.to_string()))),
            }
        }
    }

    /// Sends what was put into `output`.
    pub(super) async fn send(&mut self, patience: Patience) -> Result<(), ReplicationError> {
        if let Some(why) = &self.broken {
            return Err(ReplicationError::Lost(why.clone()));
        }
        let until = patience.limit.map(|limit| Instant::now() + limit);
        let stop = self.stop.clone();
        let work = async {
            self.stream.write_all(&self.output).await?;
            self.stream.flush().await
        };
        let sent = limited(work, until, &stop).await;
        self.output.clear();
        let (limit, during) = (patience.limit.unwrap_or_default(), patience.during);
        let error = match sent {
            Ended::Done(Ok(())) => return Ok(()),
            Ended::Done(Err(error)) => match self.last_words().await {
                Some(message) => ReplicationError::refused(message, About::Command),
                None => ReplicationError::Lost(error.to_string()),
            },
            Ended::Late => ReplicationError::TimedOut { limit, during },
            Ended::Stopped => ReplicationError::Cancelled,
        };
        Err(self.breaks(error))
    }

    /// What a server said before it went away.
    async fn last_words(&mut self) -> Option<ServerMessage> {
        let until = Some(Instant::now() + Duration::from_secs(1));
        loop {
            match self.message_until(until).await {
                Ok(Waited::Message(Message::Error(error))) => return Some(error),
                Ok(Waited::Message(_)) => {}
                _ => return None,
            }
        }
    }

    /// Puts a command into `output`.
    pub(super) fn put_query(&mut self, command: &str) -> Result<(), ReplicationError> {
        // A zero byte would end the command early; all callers quote it away.
        let put = frontend::query(command, &mut self.output);
        put.map_err(|_| ReplicationError::Invalid {
            what: "a command",
            value: command.replace('\0', "\\0"),
            problem: "it has a zero byte",
        })
    }

    /// Runs a command whose answer is rows.
    pub(super) async fn rows(
        &mut self,
        command: &str,
        about: About<'_>,
        patience: Patience,
    ) -> Result<Vec<Row>, ReplicationError> {
        self.put_query(command)?;
        self.send(patience).await?;
        let (mut rows, mut refusal) = (Vec::new(), None);
        loop {
            match self.message(patience).await? {
                Message::Row(row) => rows.push(row),
                Message::Error(error) => {
                    if self.is_last(&error) {
                        return Err(ReplicationError::refused(error, about));
                    }
                    refusal = Some(error);
                }
                Message::Ready => break,
                Message::CopyData(_) | Message::CopyBoth | Message::CopyIn => {
                    return Err(self.unexpected("rows"));
                }
                _ => {}
            }
        }
        match refusal {
            Some(error) => Err(ReplicationError::refused(error, about)),
            None => Ok(rows),
        }
    }

    /// Tells whether a refusal ends the connection, and remembers it.
    pub(super) fn is_last(&mut self, error: &ServerMessage) -> bool {
        let last = matches!(error.severity.as_str(), "FATAL" | "PANIC");
        if last {
            self.broken = Some(error.to_string());
        }
        last
    }

    /// A message that does not belong here; the connection is of no use then.
    pub(super) fn unexpected(&mut self, what: &'static str) -> ReplicationError {
        let error = super::protocol::Malformed::Unexpected { tag: 0, what };
        self.breaks(error.into())
    }

    /// Remembers that nothing more can be done with the connection.
    pub(super) fn breaks(&mut self, error: ReplicationError) -> ReplicationError {
        self.broken.get_or_insert_with(|| error.to_string());
        error
    }

    /// Says good-bye, if that is possible without waiting.
    pub(super) fn terminate(&mut self) {
        let mut message = BytesMut::new();
        frontend::terminate(&mut message);
        let mut context = Context::from_waker(Waker::noop());
        let mut stream = Pin::new(&mut self.stream);
        if stream.as_mut().poll_write(&mut context, &message).is_ready() {
            drop(stream.poll_flush(&mut context));
        }
    }
}

enum Ended<T> {
    Done(T),
    Late,
    Stopped,
}

async fn limited<T>(
    work: impl Future<Output = io::Result<T>>,
    until: Option<Instant>,
    stop: &Stop,
) -> Ended<io::Result<T>> {
    let late = async {
        match until {
            Some(until) => time::sleep_until(until.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        done = work => Ended::Done(done),
        () = stop.wait() => Ended::Stopped,
        () = late => Ended::Late,
    }
}
