//! From a stream into segments: when to write, sync and report.

use std::time::{Duration, Instant, SystemTime};

use super::{error::ReceiveError, figures::News, part::Writer, run::Run};
use crate::{
    replication::{Progress, ReplicationError, WalEvent, WalStream},
    wal::{FileName, Lsn, TimelineId},
};

/// How long to wait for something to happen before looking around.
const TICK: Duration = Duration::from_millis(250);
/// The longest time that WAL stays unsynced where transactions wait for it:
/// as a rule it is synced as soon as no more has come, which a server that
/// sends without end would put off.
const SYNCHRONOUS: Duration = Duration::from_millis(20);

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// With its timeline.
    Timeline {
        /// The one that follows.
        next: TimelineId,
        /// Where it branches off.
        switch: Lsn,
    },
    /// Somebody asked for an end.
    Cancelled,
    /// The position that was asked for is reached.
    Reached,
}

/// Receives until the stream ends. Whatever ends it, what was written is
/// durable then, unless syncing is what failed.
pub(super) fn pump(
    run: &mut Run<'_>,
    stream: &mut WalStream<'_>,
    writer: &mut Writer<'_>,
) -> Result<Ended, ReceiveError> {
    let mut pump = Pump { run, stream, writer, dirty_since: None };
    let ended = pump.work();
    if ended.is_err() {
        // The connection may be gone for good, with the server.
        drop(pump.writer.sync());
    }
    pump.note(pump.run.figures.server_end);
    ended
}

struct Pump<'a, 'r, 's, 'c, 'w> {
    run: &'a mut Run<'r>,
    stream: &'s mut WalStream<'c>,
    writer: &'a mut Writer<'w>,
    /// Since when something is written and not durable.
    dirty_since: Option<Instant>,
}

impl Pump<'_, '_, '_, '_, '_> {
    fn work(&mut self) -> Result<Ended, ReceiveError> {
        loop {
            if self.run.supervisor.cancelled() {
                self.sync()?;
                return Ok(Ended::Cancelled);
            }
            if self.run.options.until.is_some_and(|it| it <= self.writer.position()) {
                self.sync()?;
                return Ok(Ended::Reached);
            }
            match self.stream.next_within(self.wait())? {
                Some(WalEvent::Data { server_end, data, .. }) => {
                    self.take(&data)?;
                    self.note(server_end);
                    self.sync_if_due(false)?;
                }
                Some(WalEvent::Keepalive { server_end, reply_requested, .. }) => {
                    self.note(server_end);
                    // It may be shutting down, and wait for us.
                    if reply_requested {
                        self.sync()?;
                    }
                }
                Some(WalEvent::EndOfTimeline { next, switch }) => {
                    self.sync()?;
                    return Ok(Ended::Timeline { next, switch });
                }
                Some(WalEvent::ServerStopped) => return Err(ReceiveError::ServerStopped),
                None if self.stream.is_over() => {
                    return Err(ReplicationError::Lost("the stream is over".to_owned()).into());
                }
                None => self.sync_if_due(true)?,
            }
            self.run.observe();
        }
    }

    fn longest(&self) -> Duration {
        if self.run.figures.synchronous { SYNCHRONOUS } else { self.run.options.sync_interval }
    }

    fn wait(&self) -> Duration {
        match self.dirty_since {
            None => TICK,
            Some(_) if self.run.figures.synchronous => Duration::ZERO,
            Some(since) => self.longest().saturating_sub(since.elapsed()).min(TICK),
        }
    }

    fn take(&mut self, data: &[u8]) -> Result<(), ReceiveError> {
        let whole = self.writer.write(data)?;
        if whole.is_empty() {
            self.dirty_since.get_or_insert_with(Instant::now);
            return Ok(());
        }
        self.report()?;
        self.dirty_since = self.writer.is_dirty().then(Instant::now);
        for name in whole {
            self.run.supervisor.say(&News::Segment { name });
            self.run.supervisor.complete(FileName::Segment(name));
        }
        Ok(())
    }

    /// `drained`: nothing more has come.
    fn sync_if_due(&mut self, drained: bool) -> Result<(), ReceiveError> {
        let Some(since) = self.dirty_since else { return Ok(()) };
        let due = (drained && self.run.figures.synchronous) || since.elapsed() >= self.longest();
        if due { self.sync() } else { Ok(()) }
    }

    /// Makes everything durable, and says so: in this order.
    fn sync(&mut self) -> Result<(), ReceiveError> {
        if self.writer.is_dirty() {
            self.writer.sync()?;
            self.dirty_since = None;
            self.report()?;
        }
        self.note(self.run.figures.server_end);
        Ok(())
    }

    fn report(&mut self) -> Result<(), ReceiveError> {
        let safe = Progress::flushed_to(self.writer.flushed());
        self.stream.report(safe, true)?;
        Ok(())
    }

    fn note(&mut self, server_end: Lsn) {
        let (written, flushed) = (self.writer.position(), self.writer.flushed());
        self.run.note(server_end, written, flushed, SystemTime::now());
    }
}
