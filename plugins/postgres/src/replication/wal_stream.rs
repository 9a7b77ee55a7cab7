//! Streams of WAL.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use postgres_protocol::message::frontend;

use super::{
    command,
    error::{About, ReplicationError},
    protocol::{Malformed, Message, Progress, Row, WalMessage, status_update},
    session::ReplicationConnection,
    wire::{Patience, Waited},
};
use crate::wal::{Lsn, TimelineId};

/// From where WAL is to be streamed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalStreamOptions {
    /// The physical slot that keeps WAL for us, if any.
    pub slot: Option<String>,
    /// The first byte that is wanted. Begin at the start of a segment, so that
    /// whole segments come.
    pub start: Lsn,
    /// The timeline.
    pub timeline: TimelineId,
    /// How often the server is told how far we are, at least; 10 s.
    pub status_interval: Duration,
    /// How long the server may say nothing; one minute, and `None` is for
    /// ever. After half of it the server is asked for a sign of life, so an
    /// idle server is not taken for a dead one.
    pub patience: Option<Duration>,
}

impl WalStreamOptions {
    /// From a position of a timeline on, without a slot.
    pub fn new(start: Lsn, timeline: TimelineId) -> Self {
        Self {
            slot: None,
            start,
            timeline,
            status_interval: Duration::from_secs(10),
            patience: Some(Duration::from_mins(1)),
        }
    }

    /// The same, from a slot.
    #[must_use]
    pub fn slot(mut self, name: impl Into<String>) -> Self {
        self.slot = Some(name.into());
        self
    }
}

/// What happens in a stream of WAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalEvent {
    /// WAL; it goes on where the event before it ended, without a gap.
    Data {
        /// Where its first byte is.
        start: Lsn,
        /// How far the server's WAL goes.
        server_end: Lsn,
        /// When it was sent, by the server's clock.
        sent: SystemTime,
        /// The bytes; they may end anywhere, within a segment and within a
        /// record.
        data: Bytes,
    },
    /// A sign of life. If the server wanted an answer, it has it already.
    Keepalive {
        /// How far the server's WAL goes.
        server_end: Lsn,
        /// When it was sent, by the server's clock.
        sent: SystemTime,
        /// Whether the server wanted an answer.
        reply_requested: bool,
    },
    /// The timeline ends here, and everything of it has come. Fetch the
    /// history file of the next one and begin another stream on it, at the
    /// start of the segment with the switch point.
    EndOfTimeline {
        /// The timeline that follows.
        next: TimelineId,
        /// Where it branches off.
        switch: Lsn,
    },
    /// The server shuts down; everything has come.
    ServerStopped,
}

/// A stream of WAL.
///
/// The server is told how far we are by itself, but never more than what
/// [`report`](Self::report) was given: it may remove what is reported as
/// flushed. That happens within [`next`](Self::next) and
/// [`next_within`](Self::next_within) only; a caller that stays away longer
/// than the server's `wal_sender_timeout` (one minute) loses the connection.
///
/// Dropped without [`stop`](Self::stop) it leaves a connection that cannot be
/// used any more.
#[derive(Debug)]
pub struct WalStream<'a> {
    connection: &'a mut ReplicationConnection,
    options: WalStreamOptions,
    /// Where the next byte must be.
    next: Lsn,
    said: Progress,
    said_at: Instant,
    silence: Silence,
    asked: bool,
    ended: Option<WalEvent>,
    over: bool,
}

/// How long the server has said nothing while somebody listened: a caller
/// that is away, writing what it has got, cannot hear it.
#[derive(Debug)]
struct Silence {
    /// What was heard last, when somebody looked.
    heard: Instant,
    /// How long nobody listened since.
    away: Duration,
    left: Instant,
}

impl Silence {
    fn begin(heard: Instant) -> Self {
        Self { heard, away: Duration::ZERO, left: Instant::now() }
    }

    fn come_back(&mut self, heard: Instant) {
        self.hear(heard);
        self.away += self.left.elapsed();
    }

    fn go_away(&mut self) {
        self.left = Instant::now();
    }

    /// Returns since when it lasts, as if nobody had been away.
    fn since(&mut self, heard: Instant) -> Instant {
        self.hear(heard);
        heard + self.away
    }

    fn hear(&mut self, heard: Instant) {
        if heard != self.heard {
            (self.heard, self.away) = (heard, Duration::ZERO);
        }
    }
}

impl ReplicationConnection {
    /// Begins a stream of WAL (`START_REPLICATION … PHYSICAL`).
    ///
    /// # Errors
    ///
    /// [`ReplicationError::NoSlot`], [`ReplicationError::SlotInUse`],
    /// [`ReplicationError::Position`] if the server never had WAL there on that
    /// timeline. That it has none there yet, and
    /// [`ReplicationError::WalRemoved`], come with the first event.
    pub fn stream_wal(
        &mut self,
        options: &WalStreamOptions,
    ) -> Result<WalStream<'_>, ReplicationError> {
        self.usable()?;
        let slot = options.slot.as_deref();
        let command = command::start(slot, options.start, options.timeline)?;
        let patience = self.for_answers();
        self.wire.put_query(&command)?;
        self.runtime.block_on(self.wire.send(patience))?;
        self.occupied = true;
        let mut next_timeline = None;
        let ended = loop {
            match self.runtime.block_on(self.wire.message(patience))? {
                Message::CopyBoth => break None,
                // Nothing is left of a timeline that ends just there.
                Message::Row(row) => next_timeline = Some(end_of_timeline(&row)?),
                Message::Ready => break next_timeline,
                Message::Description | Message::Complete => {}
                Message::Error(error) => {
                    self.end_of_command(Some(error.clone()))?;
                    self.occupied = false;
                    return Err(ReplicationError::refused(error, About::Stream(slot)));
                }
                _ => return Err(self.wire.unexpected("the start of a stream of WAL")),
            }
        };
        self.occupied = ended.is_none();
        Ok(WalStream {
            next: options.start,
            options: options.clone(),
            said: Progress::default(),
            said_at: Instant::now(),
            silence: Silence::begin(self.wire.heard),
            asked: false,
            over: false,
            ended,
            connection: self,
        })
    }
}

impl WalStream<'_> {
    /// Returns where the next byte will be.
    pub fn position(&self) -> Lsn {
        self.next
    }

    /// Returns the connection's means to stop it from another thread.
    pub fn canceller(&self) -> super::Canceller {
        self.connection.canceller()
    }

    /// Says how far we are. With `now` the server is told at once (it may wait
    /// for it: synchronous transactions, a shutdown); otherwise with the next
    /// status. A position never goes back: the higher one counts.
    ///
    /// # Errors
    ///
    /// [`ReplicationError::Invalid`] for a position that has not been received.
    /// [`ReplicationError::Lost`].
    pub fn report(&mut self, progress: Progress, now: bool) -> Result<(), ReplicationError> {
        let highest = progress.written.max(progress.flushed).max(progress.applied);
        if highest > self.next {
            return Err(ReplicationError::Invalid {
                what: "the position that is reported",
                value: highest.to_string(),
                problem: "it has not been received yet",
            });
        }
        self.said = Progress {
            written: self.said.written.max(progress.written),
            flushed: self.said.flushed.max(progress.flushed),
            applied: self.said.applied.max(progress.applied),
        };
        if now && !self.over && self.ended.is_none() { self.send_status(false) } else { Ok(()) }
    }

    /// Waits for what happens next; `None` after the end.
    ///
    /// # Errors
    ///
    /// [`ReplicationError::TimedOut`] if the server is silent for longer than
    /// the patience, [`ReplicationError::Gap`], [`ReplicationError::Position`],
    /// [`ReplicationError::WalRemoved`], [`ReplicationError::Cancelled`],
    /// [`ReplicationError::Lost`].
    #[expect(clippy::should_implement_trait, reason = "it borrows; and it may be asked again")]
    pub fn next(&mut self) -> Result<Option<WalEvent>, ReplicationError> {
        self.event(None)
    }

    /// Waits so long at most. `None` if nothing happened, or after the end.
    ///
    /// # Errors
    ///
    /// As [`WalStream::next`].
    pub fn next_within(&mut self, limit: Duration) -> Result<Option<WalEvent>, ReplicationError> {
        self.event(Some(Instant::now() + limit))
    }

    /// Tells whether the stream has ended: with the timeline, with the server,
    /// or with an error.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Ends the stream. The connection can be used again.
    ///
    /// # Errors
    ///
    /// [`ReplicationError`] if the server does not end it in good order.
    pub fn stop(mut self) -> Result<(), ReplicationError> {
        if self.over || self.ended.is_some() {
            return self.connection.usable();
        }
        self.send_status(false)?;
        self.finish(true).map(drop)
    }

    fn event(&mut self, until: Option<Instant>) -> Result<Option<WalEvent>, ReplicationError> {
        if self.over {
            return Ok(None);
        }
        if let Some(event) = self.ended.take() {
            self.over = true;
            return Ok(Some(event));
        }
        self.silence.come_back(self.connection.wire.heard);
        let event = self.receive(until);
        self.silence.go_away();
        self.over |= event.is_err();
        event
    }

    fn receive(&mut self, until: Option<Instant>) -> Result<Option<WalEvent>, ReplicationError> {
        loop {
            if let Some(message) = self.connection.wire.ready()? {
                return self.take(message).map(Some);
            }
            let due = self.due()?;
            let wait = until.map_or(due, |it| it.min(due));
            let wire = &mut self.connection.wire;
            // What has come already is read, even if the time is over.
            match self.connection.runtime.block_on(wire.message_until(Some(wait)))? {
                Waited::Message(message) => return self.take(message).map(Some),
                Waited::Late if until.is_some_and(|it| Instant::now() >= it) => return Ok(None),
                Waited::Late => {}
            }
        }
    }

    /// Does what is to be done by now, and returns when the next thing is.
    fn due(&mut self) -> Result<Instant, ReplicationError> {
        let now = Instant::now();
        let since = self.silence.since(self.connection.wire.heard);
        if now - since < self.options.patience.unwrap_or(Duration::MAX) / 2 {
            self.asked = false;
        }
        if let Some(limit) = self.options.patience {
            if now - since >= limit {
                let during = "WAL was streamed";
                let late = ReplicationError::TimedOut { limit, during };
                return Err(self.connection.wire.breaks(late));
            }
            if now - since >= limit / 2 && !self.asked {
                self.send_status(true)?;
                self.asked = true;
            }
        }
        if now - self.said_at >= self.options.status_interval {
            self.send_status(false)?;
        }
        let status = self.said_at + self.options.status_interval;
        let silence =
            self.options.patience.map(|limit| since + if self.asked { limit } else { limit / 2 });
        Ok(silence.map_or(status, |it| it.min(status)))
    }

    fn send_status(&mut self, reply_wanted: bool) -> Result<(), ReplicationError> {
        let message = status_update(self.said, SystemTime::now(), reply_wanted);
        let message = frontend::CopyData::new(message).map_err(ReplicationError::Source)?;
        message.write(&mut self.connection.wire.output);
        self.said_at = Instant::now();
        self.send()
    }

    fn send(&mut self) -> Result<(), ReplicationError> {
        let limit = self.options.patience;
        let patience = Patience { limit, during: "it was to be told how far we are" };
        self.connection.runtime.block_on(self.connection.wire.send(patience))
    }

    fn take(&mut self, message: Message) -> Result<WalEvent, ReplicationError> {
        let broken = |it: &mut Self, error: Malformed| it.connection.wire.breaks(error.into());
        match message {
            Message::CopyData(body) => match WalMessage::parse(body) {
                Ok(WalMessage::Data { start, server_end, sent, data }) => {
                    self.advance(start, data.len())?;
                    Ok(WalEvent::Data { start, server_end, sent, data })
                }
                Ok(WalMessage::Keepalive { server_end, sent, reply_requested }) => {
                    if reply_requested {
                        self.send_status(false)?;
                    }
                    Ok(WalEvent::Keepalive { server_end, sent, reply_requested })
                }
                Err(error) => Err(broken(self, error)),
            },
            Message::CopyDone => {
                let event = self.finish(false)?;
                self.over = true;
                Ok(event)
            }
            // Without the end of the copy: the server shuts down.
            Message::Complete => {
                self.over = true;
                self.connection.wire.broken = Some("the server shuts down".to_owned());
                Ok(WalEvent::ServerStopped)
            }
            Message::Error(error) => {
                self.over = true;
                let slot = self.options.slot.clone();
                self.connection.end_of_command(Some(error.clone()))?;
                self.connection.occupied = false;
                Err(ReplicationError::refused(error, About::Stream(slot.as_deref())))
            }
            _ => Err(self.connection.wire.unexpected("part of a stream of WAL")),
        }
    }

    fn advance(&mut self, start: Lsn, length: usize) -> Result<(), ReplicationError> {
        if start != self.next {
            let error = ReplicationError::Gap { expected: self.next, found: start };
            return Err(self.connection.wire.breaks(error));
        }
        match start.checked_add(length as u64) {
            Some(next) => self.next = next,
            None => return Err(self.connection.wire.unexpected("WAL below its highest position")),
        }
        Ok(())
    }

    /// Ends the copy from our side; whatever still comes is let go if that is
    /// what the caller wanted.
    fn finish(&mut self, stopped: bool) -> Result<WalEvent, ReplicationError> {
        frontend::copy_done(&mut self.connection.wire.output);
        self.send()?;
        let (mut event, mut refusal) = (WalEvent::ServerStopped, None);
        let limit = self.options.patience;
        let patience = Patience { limit, during: "it was to end the stream" };
        loop {
            match self.connection.runtime.block_on(self.connection.wire.message(patience))? {
                Message::Ready => break,
                Message::Row(row) => {
                    let row = end_of_timeline(&row);
                    event = row.map_err(|e| self.connection.wire.breaks(e.into()))?;
                }
                Message::Error(error) if self.connection.wire.is_last(&error) => {
                    return Err(ReplicationError::refused(error, About::Stream(None)));
                }
                Message::Error(error) => refusal = Some(error),
                Message::CopyData(_) if stopped => {}
                Message::CopyDone | Message::Description | Message::Complete => {}
                _ => return Err(self.connection.wire.unexpected("the end of a stream of WAL")),
            }
        }
        self.connection.occupied = false;
        let slot = self.options.slot.as_deref();
        match refusal {
            Some(error) => Err(ReplicationError::refused(error, About::Stream(slot))),
            None => Ok(event),
        }
    }
}

fn end_of_timeline(row: &Row) -> Result<WalEvent, Malformed> {
    Ok(WalEvent::EndOfTimeline {
        next: row.need(0, "a timeline")?,
        switch: row.need(1, "a position")?,
    })
}
