//! The session with the server, in a thread of its own: a server that hangs
//! must not keep anybody from being answered.

use std::{
    error::Error,
    sync::{
        Arc, Weak,
        mpsc::{Receiver, Sender},
    },
    thread,
    time::Duration,
};

use serde::Deserialize;

use super::{
    archive::ArchiverView, hold::HoldOptions, phase::Event, table::Table, table::TableState,
};
use crate::{
    connection::{Connection, QueryError},
    conninfo::Target,
    server::{BackupStart, BackupStopped},
    version::ServerVersion,
    wal::{BackupLabel, SegmentName, SegmentRange, SegmentSize, TimelineId},
};

/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(30);
/// The advisory lock (`pg_try_advisory_lock(int, int)`): "hayl", and a
/// snapshot.
const LOCK: (i32, i32) = (0x6861_796c, 1);

/// What is to be done.
#[derive(Debug)]
pub(super) enum Order {
    /// Look whether everything is as it was.
    Beat,
    /// End the backup.
    Stop,
    /// Look how far the archive is.
    Archive,
}

/// What is told.
#[derive(Debug)]
pub(super) enum Told {
    /// There is a connection.
    Connected(Weak<Connection>),
    /// The session is there.
    Opened(BackupFacts),
    /// The backup has begun.
    Started(BackupStart, SegmentName),
    /// The backup has ended.
    Stopped(Box<Finished>),
    /// The session answers.
    Beaten,
    /// How far the archive is.
    Archive(Result<ArchiverView, String>),
    /// What is wrong and does not matter much.
    Warning(String),
    /// Anything else.
    Event(Event),
}

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BackupFacts {
    /// The server's process for the session.
    pub pid: i32,
    /// Its version, such as 150020.
    pub version: u32,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// How many bytes a segment of WAL has.
    pub segment: u64,
    /// The number of the cluster.
    pub system: Option<String>,
}

/// What a backup ended with.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) stop: BackupStopped,
    pub(super) timeline: TimelineId,
    pub(super) range: SegmentRange,
    pub(super) first: SegmentName,
    pub(super) last: SegmentName,
}

const FACTS: &str = "SELECT pg_catalog.json_build_object('pid', pg_catalog.pg_backend_pid(), \
    'version', pg_catalog.current_setting('server_version_num')::int, \
    'in_recovery', pg_catalog.pg_is_in_recovery(), \
    'segment', (SELECT setting::bigint FROM pg_catalog.pg_settings \
        WHERE name = 'wal_segment_size'))";
const SYSTEM: &str = "SELECT system_identifier FROM pg_catalog.pg_control_system()";
const SAME: &str = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.pg_backend_pid()";
const PREPARE: &str = "SET client_min_messages = error; SET lock_timeout = '30s'";

/// An error with its causes.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        let more = it.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = it.source();
    }
    text
}

/// Opens the session, begins the backup, and does what is ordered until nobody
/// orders any more.
pub(super) fn serve(options: &HoldOptions, orders: &Receiver<Order>, tell: &dyn Tell) {
    let session = match Session::begin(options, tell) {
        Ok(session) => session,
        Err(why) => return tell.event(Event::NotStarted(why)),
    };
    let guard = tell.clone_boxed();
    let lost = move |why: &str| guard.event(Event::Lost(why.to_owned()));
    let _guard = session.connection.guard(options.heartbeat, lost);
    while let Ok(order) = orders.recv() {
        match order {
            Order::Beat => session.beat(options, tell),
            Order::Stop => session.stop(options, tell),
            Order::Archive => tell.tell(Told::Archive(session.archive(options))),
        }
    }
}

/// Where what is told goes.
pub(super) trait Tell: Send {
    fn tell(&self, told: Told);
    fn clone_boxed(&self) -> Box<dyn Tell>;
    fn event(&self, event: Event) {
        self.tell(Told::Event(event));
    }
}

impl<T: From<Told> + Send + 'static> Tell for Sender<T> {
    fn tell(&self, told: Told) {
        // Nobody listens any more if this fails: it is over.
        drop(self.send(T::from(told)));
    }

    fn clone_boxed(&self) -> Box<dyn Tell> {
        Box::new(self.clone())
    }
}

struct Session {
    connection: Arc<Connection>,
    facts: BackupFacts,
    size: SegmentSize,
    start: BackupStart,
    primary: Option<Connection>,
}

impl Session {
    fn begin(options: &HoldOptions, tell: &dyn Tell) -> Result<Self, String> {
        let connection = Connection::open_within(&options.target, Some(CONNECT));
        let connection = Arc::new(connection.map_err(|e| chain(&e))?);
        tell.tell(Told::Connected(Arc::downgrade(&connection)));
        let text = |e: QueryError| chain(&e);
        connection.lift_limits().map_err(text)?;
        connection.execute(PREPARE).map_err(text)?;
        let facts = facts(&connection).map_err(text)?;
        let version = ServerVersion::from_number(facts.version);
        if !version.is_supported() {
            return Err(format!("PostgreSQL {version} is too old: 13 is the first that is served"));
        }
        let size = SegmentSize::new(facts.segment).map_err(|e| chain(&e))?;
        tell.tell(Told::Opened(facts.clone()));
        lock(&connection)?;
        if options.table && !facts.in_recovery {
            let made = Table.make(&connection);
            made.map_err(|e| format!("cannot make the table `backup`: {}", chain(&e)))?;
        }
        let primary = options.primary.as_ref().filter(|_| facts.in_recovery);
        let primary = primary.and_then(|target| open_primary(target, tell));
        let start = BackupStart::begin(&connection, version, &options.label, options.fast);
        let start = start.map_err(text)?;
        if options.table && !facts.in_recovery {
            let begun = Table.begin(&connection);
            begun.map_err(|e| format!("cannot write into the table `backup`: {}", chain(&e)))?;
        } else if options.table {
            let text = "a standby cannot be written to: the table `backup` is not kept";
            tell.tell(Told::Warning(text.to_owned()));
        }
        let segment = SegmentName::containing(start.lsn, start.timeline, size);
        tell.tell(Told::Started(start.clone(), segment));
        Ok(Self { connection, facts, size, start, primary })
    }

    fn has_table(&self, options: &HoldOptions) -> bool {
        options.table && !self.facts.in_recovery
    }

    fn beat(&self, options: &HoldOptions, tell: &dyn Tell) {
        let rows = match self.connection.simple(SAME) {
            Ok(rows) => rows,
            Err(error) => return tell.event(Event::Lost(chain(&error))),
        };
        let column = |i: usize| rows.first().and_then(|it| it.get(i)?.clone()).unwrap_or_default();
        if (column(0) == "t") != self.facts.in_recovery {
            let text = "the standby was promoted while the backup ran";
            return tell.event(Event::Void(text.to_owned()));
        }
        if column(1) != self.facts.pid.to_string() {
            let text = "the session was given to another process of the server: the connection \
                        goes through a pooler";
            return tell.event(Event::Void(text.to_owned()));
        }
        if self.has_table(options) && matches!(Table.wants_end(&self.connection), Ok(true)) {
            tell.event(Event::EndAsked);
        }
        tell.tell(Told::Beaten);
    }

    fn stop(&self, options: &HoldOptions, tell: &dyn Tell) {
        if self.has_table(options) {
            let done = Table.end(&self.connection, self.facts.pid, TableState::Done, None);
            if let Err(error) = done {
                tell.tell(Told::Warning(format!("the table `backup`: {}", chain(&error))));
            }
        }
        let version = ServerVersion::from_number(self.facts.version);
        let stopped = BackupStopped::end(&self.connection, version, false)
            .map_err(|e| format!("the server did not end the backup: {}", chain(&e)))
            .and_then(|stop| finished(stop, &self.start, self.size));
        match stopped {
            Ok(finished) => tell.tell(Told::Stopped(Box::new(finished))),
            Err(why) => tell.event(Event::NotStopped(why)),
        }
        if let Some(primary) = &self.primary
            && let Err(error) = primary.switch_wal()
        {
            // A standby ends no segment: that of the end comes when it is full.
            let text = format!("cannot switch the segment on the primary: {}", chain(&error));
            tell.tell(Told::Warning(text));
        }
    }

    fn archive(&self, options: &HoldOptions) -> Result<ArchiverView, String> {
        let text = |e: QueryError| chain(&e);
        let view = ArchiverView::read(&self.connection).map_err(text)?;
        let itself = !view.in_recovery || view.mode == "always";
        match (&self.primary, &options.primary) {
            (Some(primary), _) if !itself => ArchiverView::read(primary).map_err(text),
            _ => Ok(view),
        }
    }
}

fn open_primary(target: &Target, tell: &dyn Tell) -> Option<Connection> {
    let opened = Connection::open_within(target, Some(CONNECT)).map_err(|e| chain(&e));
    let lifted = opened.and_then(|it| it.lift_limits().map(|()| it).map_err(|e| chain(&e)));
    lifted
        .map_err(|why| tell.tell(Told::Warning(format!("the primary cannot be asked: {why}"))))
        .ok()
}

fn facts(connection: &Connection) -> Result<BackupFacts, QueryError> {
    let mut answers = connection.ask_all(&[FACTS, SYSTEM])?.into_iter();
    let facts = answers.next().transpose()?.flatten().unwrap_or_default();
    let mut facts: BackupFacts =
        serde_json::from_str(&facts).map_err(|e| QueryError::Answer(e.to_string()))?;
    facts.system = answers.next().and_then(Result::ok).flatten();
    Ok(facts)
}

/// Takes the lock of the database, or tells who has it.
fn lock(connection: &Connection) -> Result<(), String> {
    let (class, key) = LOCK;
    let text = |e: QueryError| chain(&e);
    let got = connection.simple(&format!("SELECT pg_catalog.pg_try_advisory_lock({class}, {key})"));
    let got = got.map_err(text)?;
    if got.first().and_then(|it| it.first()?.as_deref()) == Some("t") {
        return Ok(());
    }
    let who = connection.simple(&format!(
        "SELECT l.pid, coalesce(a.application_name, ''), coalesce(a.usename, ''), \
         coalesce(pg_catalog.host(a.client_addr), 'this machine') \
         FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a USING (pid) \
         WHERE l.locktype = 'advisory' AND l.classid = {class} AND l.objid = {key} \
         AND l.objsubid = 2 AND l.granted"
    ));
    let who = who.map_err(text)?;
    let column = |i: usize| who.first().and_then(|it| it.get(i)?.clone()).unwrap_or_default();
    Err(format!(
        "another snapshot session is open at the server: its process {}, for `{}` of {} from {}",
        column(0),
        column(1),
        column(2),
        column(3)
    ))
}

/// Reads the label and compares it with what the backup was begun with: what
/// is delivered must be this backup's.
fn finished(
    stop: BackupStopped,
    start: &BackupStart,
    size: SegmentSize,
) -> Result<Finished, String> {
    let wrong = |why: &str| format!("the server's label cannot be used: {why}");
    let label = BackupLabel::parse(&stop.label).map_err(|e| wrong(&chain(&e)))?;
    if label.start != start.lsn {
        return Err(wrong("it is that of another backup"));
    }
    let timeline = label.timeline.unwrap_or(label.segment.timeline());
    let first = SegmentName::containing(label.start, timeline, size);
    let last = SegmentName::ending_at(stop.lsn, timeline, size);
    let range = SegmentRange::new(first, last, size).map_err(|e| wrong(&chain(&e)))?;
    Ok(Finished { stop, timeline, range, first, last })
}

/// Runs [`serve`] in a thread of its own.
pub(super) fn spawn<T: From<Told> + Send + 'static>(
    options: &HoldOptions,
    orders: Receiver<Order>,
    to: Sender<T>,
) -> std::io::Result<()> {
    let options = options.clone();
    let work = move || serve(&options, &orders, &to);
    thread::Builder::new().name("session".to_owned()).spawn(work).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_of_another_backup_is_not_delivered() {
        let label = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\n\
            CHECKPOINT LOCATION: 0/2000060\nBACKUP METHOD: streamed\nBACKUP FROM: primary\n\
            START TIME: 2026-01-02 03:04:05 UTC\nLABEL: x\nSTART TIMELINE: 1\n";
        let stop = |label: &str, lsn: &str| BackupStopped {
            lsn: lsn.parse().unwrap(),
            timeline: TimelineId::FIRST,
            at: 0.0,
            label: label.as_bytes().to_vec(),
            tablespace_map: Vec::new(),
        };
        let start = |lsn: &str| BackupStart {
            lsn: lsn.parse().unwrap(),
            timeline: TimelineId::FIRST,
            at: 0.0,
        };
        let size = SegmentSize::DEFAULT;
        // A boundary belongs to the segment before it.
        let good = finished(stop(label, "0/4000000"), &start("0/2000028"), size).unwrap();
        assert_eq!(good.range.count_left(), 2);
        assert_eq!(good.last.to_string(), "000000010000000000000003");
        let cases = [
            (label.to_owned(), "0/3000028"),
            (format!("NOTICE: something\n{label}"), "0/2000028"),
            (String::new(), "0/2000028"),
        ];
        for (label, lsn) in cases {
            assert!(finished(stop(&label, "0/4000000"), &start(lsn), size).is_err(), "{label}");
        }
    }
}
