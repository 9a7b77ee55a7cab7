//! One connection: from finding out where to begin to its end.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use super::{
    course::{Origin, correct},
    directory::StreamingDirectory,
    error::ReceiveError,
    figures::{News, Phase},
    part::Writer,
    pump::{Ended, pump},
    run::{End, Run},
    slot,
};
use crate::{
    replication::{
        PhysicalSlot, ReplicationConnection, ReplicationError, SystemIdentity, WalStreamOptions,
    },
    server::standby_names,
    wal::{FileName, History, SegmentName, SegmentSize, TimelineId},
};

/// How long a server may take to let us in.
const LIMIT: Duration = Duration::from_secs(30);
/// How long it may take to answer a command.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often we look around meanwhile.
const PULSE: Duration = Duration::from_millis(100);

/// Receives over one connection.
pub(super) fn session(run: &mut Run<'_>) -> Result<End, ReceiveError> {
    run.enter(Phase::Connecting);
    let mut connection = connect(run)?;
    connection.set_patience(Some(PATIENCE));
    run.line.hold(connection.canceller());
    let server = connection.identify()?;
    run.check_cluster(server.system_identifier)?;
    let size: SegmentSize = connection.show("wal_segment_size")?.parse()?;
    run.figures.synchronous = run.options.synchronous || is_waited_for(run, &mut connection)?;
    let slot = slot::prepare(&mut connection, run.options, run.supervisor)?;
    let mut origin = origin(run, &mut connection, &server, slot.as_ref(), size)?;
    let mut left = None;
    loop {
        match stream(run, &mut connection, origin, size, left)? {
            (Ended::Timeline { next, switch }, rest) => {
                let timeline = origin.timeline;
                run.supervisor.say(&News::TimelineEnded { timeline, switch, next });
                origin = Origin::new(next, switch, size, "where it branched off");
                left = rest;
                fetch_history(run, &mut connection, next)?;
            }
            (Ended::Cancelled, _) => return Ok(End::Cancelled),
            (Ended::Reached, _) => return Ok(End::Reached),
        }
    }
}

/// Connects, and goes on looking whether it is still wanted.
pub(super) fn connect(run: &mut Run<'_>) -> Result<ReplicationConnection, ReceiveError> {
    let target = run.options.target.clone();
    let (tell, told) = mpsc::channel();
    let open = move || {
        // Nobody waits for it any more if this fails.
        drop(tell.send(ReplicationConnection::open_within(&target, Some(LIMIT))));
    };
    let spawned = thread::Builder::new().name("connect".to_owned()).spawn(open);
    spawned.map_err(|e| ReceiveError::directory("start a thread for", run.directory.path(), e))?;
    loop {
        if run.supervisor.cancelled() {
            return Err(ReceiveError::Cancelled);
        }
        run.observe();
        match told.recv_timeout(PULSE) {
            Ok(opened) => return Ok(opened?),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(ReplicationError::Lost("its thread ended".to_owned()).into());
            }
        }
    }
}

/// Tells whether the server lets transactions wait for us.
fn is_waited_for(
    run: &Run<'_>,
    connection: &mut ReplicationConnection,
) -> Result<bool, ReceiveError> {
    let names = standby_names(&connection.show("synchronous_standby_names")?);
    let ours = run.options.target.application_name.as_deref().unwrap_or_default();
    // The server does not mind the case.
    Ok(names.iter().any(|it| it == "*" || it.eq_ignore_ascii_case(ours)))
}

/// Finds out where to begin.
fn origin(
    run: &mut Run<'_>,
    connection: &mut ReplicationConnection,
    server: &SystemIdentity,
    slot: Option<&PhysicalSlot>,
    size: SegmentSize,
) -> Result<Origin, ReceiveError> {
    let origin = first_origin(run, server, slot, size)?;
    let mut history = None;
    if server.timeline > TimelineId::FIRST && origin.timeline <= server.timeline {
        history = fetch_history(run, connection, server.timeline)?;
    }
    let (origin, news) = correct(origin, server, history.as_ref(), size)?;
    if let Some(news) = news {
        run.supervisor.say(&news);
    }
    Ok(origin)
}

/// What is there decides, then the slot, then the server.
fn first_origin(
    run: &Run<'_>,
    server: &SystemIdentity,
    slot: Option<&PhysicalSlot>,
    size: SegmentSize,
) -> Result<Origin, ReceiveError> {
    if let Some(newest) = run.directory.newest()? {
        StreamingDirectory::check_size(&newest, size)?;
        return Ok(Origin::of_directory(&newest, size)?);
    }
    if let Some(origin) = slot.and_then(|it| Origin::of_slot(it, server, size)) {
        return Ok(origin);
    }
    let origin = Origin::of_server(server, size);
    run.supervisor.say(&News::NoOrigin { position: origin.position });
    Ok(origin)
}

/// Stores the history of a timeline, before anything of it comes. There is
/// none if somebody has set the log back (`pg_resetwal`).
fn fetch_history(
    run: &mut Run<'_>,
    connection: &mut ReplicationConnection,
    timeline: TimelineId,
) -> Result<Option<History>, ReceiveError> {
    const NO_FILE: &str = "58P01";
    let fetched = match connection.timeline_history(timeline) {
        Err(ReplicationError::Server(message)) if message.code == NO_FILE => {
            run.supervisor.say(&News::NoHistory { timeline });
            return Ok(None);
        }
        fetched => fetched?,
    };
    let history = History::parse(timeline, &fetched.content)?;
    if run.histories.insert(timeline) {
        let name = FileName::History(timeline);
        run.directory.put_history(name, &fetched.content)?;
        run.supervisor.complete(name);
    }
    Ok(Some(history))
}

/// What is left of a timeline that ended: its last segment, which is not
/// whole.
#[derive(Debug)]
struct Rest {
    segment: SegmentName,
    /// Whether nothing of it has come.
    empty: bool,
}

/// Receives one timeline.
fn stream(
    run: &mut Run<'_>,
    connection: &mut ReplicationConnection,
    origin: Origin,
    size: SegmentSize,
    left: Option<Rest>,
) -> Result<(Ended, Option<Rest>), ReceiveError> {
    let mut writer = Writer::open(run.directory, origin.timeline, origin.position, size)?;
    if let Some(left) = left {
        settle(run, &left)?;
    }
    let mut options = WalStreamOptions::new(origin.position, origin.timeline);
    options.slot = run.options.slot.as_ref().map(|it| it.name.clone());
    options.status_interval = run.options.status_interval;
    options.patience = Some(run.options.patience);
    let mut stream = connection.stream_wal(&options)?;
    run.begin(origin);
    let ended = pump(run, &mut stream, &mut writer)?;
    if !matches!(ended, Ended::Timeline { .. }) {
        // It is safe; the server only learns a little later that we are gone.
        drop(stream.stop());
    }
    let segment = writer.segment();
    let empty = writer.close()?;
    Ok((ended, Some(Rest { segment, empty })))
}

/// There is something newer now: what is left of the old timeline is not
/// needed any more to tell where to go on.
fn settle(run: &mut Run<'_>, left: &Rest) -> Result<(), ReceiveError> {
    let name = FileName::Partial(left.segment);
    if !left.empty {
        run.supervisor.complete(name);
        return Ok(());
    }
    let path = run.directory.file(name);
    std::fs::remove_file(&path).map_err(|e| ReceiveError::directory("remove", path, e))
}
