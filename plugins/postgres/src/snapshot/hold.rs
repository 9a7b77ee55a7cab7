//! The process that holds a session.

use std::{
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Weak,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    archive::{ArchiverView, Progress, progress_of},
    deliver::{check_output, clear, deliver},
    error::SnapshotError,
    line::{self, Question},
    phase::{Effect, Event, Phase, next},
    place::{Held, Place, now},
    record::{ArchiveState, Record},
    session::{self, Finished, Order, Told, chain},
    table::{Table, TableState},
};
use crate::{
    connection::{Connection, Heartbeat},
    conninfo::Target,
};

/// How often deadlines are looked at.
const PULSE: Duration = Duration::from_millis(50);
/// How often the archive is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long the server may take to end a backup.
const STOP: Duration = Duration::from_mins(5);
/// How long the table may take to hear of the end.
const TABLE: Duration = Duration::from_secs(6);

/// How long the server may take to hear that a query is not wanted any more.
const CANCEL: Duration = Duration::from_secs(3);

/// What is held, and how.
#[derive(Debug, Clone)]
pub struct HoldOptions {
    /// What it is called; no other session has it. Letters, digits and `-`.
    pub id: String,
    /// The name of the server, for people.
    pub server: String,
    /// The label that the server is given: up to 1024 bytes, no control
    /// characters.
    pub label: String,
    /// Where label and tablespace map go.
    pub output: PathBuf,
    /// The server. The connection must be direct: a pooler that gives it to
    /// several clients is noticed, and the backup fails.
    pub target: Target,
    /// The primary, if the server is a standby: it is asked to end the last
    /// segment, and whether it was archived.
    pub primary: Option<Target>,
    /// Whether the server makes its checkpoint at once, or spreads it over
    /// minutes.
    pub fast: bool,
    /// How long the backup may run; then it is given up.
    pub deadline: Option<Duration>,
    /// How often the session is asked whether it lives, and how long it may
    /// take to answer.
    pub heartbeat: Heartbeat,
    /// How long the end waits for the archive.
    pub archive_wait: Duration,
    /// Whether the table of `safe-backup` is kept.
    pub table: bool,
}

/// What comes in.
enum Input {
    Told(Told),
    Asked(Question, UnixStream),
}

impl From<Told> for Input {
    fn from(told: Told) -> Self {
        Self::Told(told)
    }
}

/// Holds a session from beginning to end, and returns what became of it. Ends
/// soon after `cancelled` says so. `say` gets a line for each thing that
/// happens.
///
/// # Errors
///
/// If it could not even begin: another session is held in this place, or
/// nothing can be written there. What goes wrong later is in the record.
pub fn hold(
    place: &Place,
    options: &HoldOptions,
    cancelled: &dyn Fn() -> bool,
    say: &dyn Fn(&str),
) -> Result<Record, SnapshotError> {
    let held = place.hold()?;
    place.sweep(&held)?;
    check_output(&options.output)?;
    let mut record =
        Record::new(&options.id, &options.server, &options.label, options.output.clone(), now());
    record.deadline = options.deadline.map(|it| record.begun + it.as_secs());
    place.write(&record, &held)?;
    let (to, inputs) = mpsc::channel();
    line::listen(place, to.clone(), Input::Asked)?;
    let (orders, ordered) = mpsc::channel();
    let failed = |e| SnapshotError::file("start a thread for", place.directory(), e);
    session::spawn(options, ordered, to).map_err(failed)?;
    let holder = Holder {
        place,
        options,
        held,
        say,
        record,
        orders: Some(orders),
        connection: Weak::new(),
        began: Instant::now(),
        since: Instant::now(),
        wait: options.archive_wait,
        asked: Instant::now(),
        pending: false,
        finished: None,
        waiting: Vec::new(),
    };
    Ok(holder.run(&inputs, cancelled))
}

struct Holder<'a> {
    place: &'a Place,
    options: &'a HoldOptions,
    held: Held,
    say: &'a dyn Fn(&str),
    record: Record,
    /// To the session; it is closed when this is dropped.
    orders: Option<Sender<Order>>,
    began: Instant,
    /// The session, which its thread owns.
    connection: Weak<Connection>,
    /// Since when it is in its phase.
    since: Instant,
    wait: Duration,
    /// When the session was last asked something.
    asked: Instant,
    /// Whether it has not answered yet.
    pending: bool,
    finished: Option<Box<Finished>>,
    waiting: Vec<UnixStream>,
}

impl Holder<'_> {
    fn run(mut self, inputs: &Receiver<Input>, cancelled: &dyn Fn() -> bool) -> Record {
        while !self.record.phase.is_final() {
            match inputs.recv_timeout(PULSE) {
                Ok(Input::Told(told)) => self.take(told),
                Ok(Input::Asked(question, from)) => self.answer(question, from),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.happen(&Event::Lost("its thread ended".to_owned()));
                }
            }
            if cancelled() {
                self.happen(&Event::Interrupted);
            }
            self.tick();
        }
        self.end()
    }

    /// What time brings.
    fn tick(&mut self) {
        if self.options.deadline.is_some_and(|it| self.began.elapsed() >= it) {
            self.happen(&Event::DeadlinePassed);
        }
        match self.record.phase {
            Phase::Running if !self.pending && self.asked.elapsed() >= self.beat() => {
                self.order(Order::Beat);
            }
            Phase::Running if self.pending && self.asked.elapsed() > self.patience() => {
                let text =
                    format!("the server did not answer within {} s", self.patience().as_secs_f32());
                self.happen(&Event::Lost(text));
            }
            Phase::Stopping if self.since.elapsed() > STOP => {
                let text = format!("the server did not end the backup within {} s", STOP.as_secs());
                self.happen(&Event::NotStopped(text));
            }
            Phase::Archiving if self.since.elapsed() > self.wait => {
                let why = match &self.record.archive {
                    Some(ArchiveState::Waiting(why)) => format!(": {why}"),
                    _ => String::new(),
                };
                let wait = self.wait.as_secs();
                self.happen(&Event::NotArchived(format!(
                    "its WAL was not archived within {wait} s{why}"
                )));
            }
            Phase::Archiving if !self.pending && self.asked.elapsed() >= LOOK => {
                self.order(Order::Archive);
            }
            _ => {}
        }
    }

    /// A table is looked at more often: somebody waits for it.
    fn beat(&self) -> Duration {
        let most = if self.options.table { Duration::from_secs(1) } else { Duration::MAX };
        self.options.heartbeat.interval.min(most)
    }

    fn patience(&self) -> Duration {
        self.options.heartbeat.patience
    }

    fn order(&mut self, order: Order) {
        self.asked = Instant::now();
        self.pending = true;
        let sent = self.orders.as_ref().map(|it| it.send(order).is_ok());
        if sent != Some(true) {
            self.happen(&Event::Lost("its thread ended".to_owned()));
        }
    }

    fn take(&mut self, told: Told) {
        match told {
            Told::Connected(connection) => self.connection = connection,
            Told::Opened(facts) => {
                self.record.backend_pid = Some(facts.pid);
                self.record.version = Some(facts.version);
                self.record.standby = facts.in_recovery;
                self.record.system_identifier = facts.system;
                self.write();
            }
            Told::Started(start, segment) => {
                self.record.started = Some(now());
                self.record.timeline = Some(start.timeline.get());
                self.record.start_lsn = Some(start.lsn.to_string());
                self.record.start_wal = Some(segment.to_string());
                self.started();
            }
            Told::Stopped(finished) => self.stopped(finished),
            Told::Beaten => self.pending = false,
            Told::Archive(view) => self.archived(view),
            Told::Warning(text) => {
                (self.say)(&text);
                self.record.warnings.push(text);
                self.write();
            }
            Told::Event(event) => self.happen(&event),
        }
    }

    /// Only now is a label of an earlier backup that of another one: had this
    /// one not begun, it would have been deleted for nothing.
    fn started(&mut self) {
        let event = match clear(&self.record.output) {
            Ok(()) => Event::Started,
            Err(error) => Event::NotStarted(chain(&error)),
        };
        self.happen(&event);
    }

    fn stopped(&mut self, finished: Box<Finished>) {
        self.pending = false;
        self.record.timeline = Some(finished.timeline.get());
        self.record.start_wal = Some(finished.first.to_string());
        self.record.stop_lsn = Some(finished.stop.lsn.to_string());
        self.record.stop_wal = Some(finished.last.to_string());
        self.record.segments = Some(finished.range.count_left());
        self.finished = Some(finished);
        self.happen(&Event::Stopped);
    }

    fn archived(&mut self, view: Result<ArchiverView, String>) {
        self.pending = false;
        let Some(finished) = &self.finished else { return };
        let state = match view.map(|view| progress_of(&finished.range, &view)) {
            Ok(Progress::Done) => ArchiveState::Archived,
            Ok(Progress::Never(why)) => ArchiveState::Unchecked(why),
            Ok(Progress::Waiting(why)) | Err(why) => ArchiveState::Waiting(why),
        };
        let done = !matches!(state, ArchiveState::Waiting(_));
        if let ArchiveState::Unchecked(why) = &state {
            let text = format!(
                "nobody checked that the WAL from {} to {} is kept: {why}",
                finished.first, finished.last
            );
            self.record.warnings.push(text);
        }
        self.record.archive = Some(state);
        if done {
            self.happen(&Event::Archived);
        }
    }

    /// Something happens: decide, note, act.
    fn happen(&mut self, event: &Event) {
        let step = next(self.record.phase, event);
        let changed = step.phase != self.record.phase;
        if changed {
            self.since = Instant::now();
            self.record.phase = step.phase;
            let why = step.reason.as_ref().map_or(String::new(), |it| format!(": {it}"));
            (self.say)(&format!("{}: {}{why}", self.record.id, step.phase.as_str()));
        }
        if changed || step.reason.is_some() {
            self.record.reason = step.reason;
        }
        if step.phase == Phase::Incomplete
            && let Some(ArchiveState::Waiting(why)) = self.record.archive.take()
        {
            self.record.archive = Some(ArchiveState::Missing(why));
        }
        let written = !changed || step.phase.is_final() || self.write();
        if !written && step.phase == Phase::Running {
            // Whoever waits for the beginning would wait for ever, and nobody
            // would find what is held.
            let text = "that it began cannot be written down";
            return self.happen(&Event::Void(text.to_owned()));
        }
        match step.effect {
            Effect::None | Effect::Finish => {}
            Effect::Stop => self.order(Order::Stop),
            Effect::Deliver => self.deliver(),
            Effect::WatchArchive => self.order(Order::Archive),
        }
        if self.record.phase == Phase::Undelivered {
            let refused = self.record.reason.clone();
            self.reply(refused.as_deref());
        }
    }

    fn deliver(&mut self) {
        let Some(finished) = &self.finished else { return };
        let stop = &finished.stop;
        let event = match deliver(&self.record.output, &stop.label, &stop.tablespace_map) {
            Ok((label, map)) => {
                self.record.label_file = Some(label);
                self.record.map_file = map;
                Event::Delivered
            }
            Err(error) => Event::NotDelivered(chain(&error)),
        };
        self.happen(&event);
    }

    fn answer(&mut self, question: Question, from: UnixStream) {
        let id = match &question {
            Question::Status => None,
            Question::End { id, .. } | Question::Abort { id } => id.clone(),
        };
        if id.is_some_and(|it| it != self.record.id) {
            let text = format!("the session that is running is {}", self.record.id);
            return line::answer(&from, &self.record, Some(text));
        }
        match question {
            Question::Status => line::answer(&from, &self.record, None),
            Question::Abort { .. } => {
                self.waiting.push(from);
                self.happen(&Event::AbortAsked);
            }
            Question::End { .. } if self.record.phase == Phase::Starting => {
                let text = "the server has not begun the backup yet";
                line::answer(&from, &self.record, Some(text.to_owned()));
            }
            Question::End { output, wait, .. } => {
                if let Some(output) = output
                    && matches!(self.record.phase, Phase::Running | Phase::Undelivered)
                {
                    if let Err(error) = check_output(&output) {
                        return line::answer(&from, &self.record, Some(chain(&error)));
                    }
                    self.record.output = output;
                }
                self.wait = wait.map_or(self.wait, Duration::from_secs);
                self.waiting.push(from);
                self.happen(&Event::EndAsked);
            }
        }
    }

    fn reply(&mut self, refused: Option<&str>) {
        for to in self.waiting.drain(..) {
            line::answer(&to, &self.record, refused.map(ToOwned::to_owned));
        }
    }

    /// A report that cannot be written does not make the backup bad; who asks
    /// gets it over the line.
    fn write(&self) -> bool {
        let written = self.place.write(&self.record, &self.held);
        if let Err(error) = &written {
            (self.say)(&chain(error));
        }
        written.is_ok()
    }

    fn end(mut self) -> Record {
        // With the session the server aborts what was not ended.
        self.orders = None;
        self.cancel();
        self.record.ended = Some(now());
        let has_row = self.options.table && !self.record.standby && self.record.started.is_some();
        let pid = self.record.backend_pid.filter(|_| has_row);
        let text = match pid.map(|pid| self.tell_table(pid)) {
            None | Some(Ok(true)) => None,
            Some(Ok(false)) => Some(
                "the table `backup` has no tablespace map: it is no text in the encoding of the \
                 database; take the file"
                    .to_owned(),
            ),
            Some(Err(why)) => Some(format!("the table `backup` does not say how it ended: {why}")),
        };
        if let Some(text) = text {
            (self.say)(&text);
            self.record.warnings.push(text);
        }
        self.write();
        self.reply(None);
        if let Err(error) = self.place.sweep(&self.held) {
            (self.say)(&chain(&error));
        }
        self.record
    }

    /// A server that waits for a checkpoint does not notice that nobody waits
    /// for it any more: it is told. The server may hang, so this is not waited
    /// for long.
    fn cancel(&self) {
        let busy = self.record.started.is_none() || self.pending;
        let Some(connection) = self.connection.upgrade().filter(|_| busy) else { return };
        let (done, heard) = mpsc::channel();
        let cancel = thread::Builder::new().name("cancel".to_owned()).spawn(move || {
            // It may be too late, or the server may be gone.
            drop(connection.cancel());
            let _ = done.send(());
        });
        if cancel.is_ok() {
            let _ = heard.recv_timeout(CANCEL);
        }
    }

    fn tell_table(&self, pid: i32) -> Result<bool, String> {
        let state = match self.record.phase {
            Phase::Complete => TableState::Complete,
            _ => TableState::Failed,
        };
        let texts = self.finished.as_ref().map(|it| &it.stop);
        let texts = texts.map(|it| (it.label.as_slice(), it.tablespace_map.as_slice()));
        let began = Instant::now();
        loop {
            let left = TABLE.saturating_sub(began.elapsed());
            let told = Connection::open_within(&self.options.target, Some(left.max(PULSE)))
                .map_err(|e| chain(&e))
                .and_then(|connection| {
                    connection.set_limit(left.max(PULSE));
                    Table.end(&connection, pid, state, texts).map_err(|e| chain(&e))
                });
            match told {
                Err(_) if began.elapsed() < TABLE => thread::sleep(PULSE * 4),
                other => return other,
            }
        }
    }
}
