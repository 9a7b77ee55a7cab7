//! Waiting until the WAL that makes a backup consistent is archived.

use std::{
    collections::BTreeSet,
    iter::Peekable,
    thread,
    time::{Duration, Instant},
};

use hayloft_plugin_api::{Host, Result};
use hayloft_postgres::{
    connection::Connection,
    wal::{FileName, SegmentName, SegmentRange, SegmentSize},
};

use super::session;
use crate::{archive::Archive, config::Server, intake, probe::Way};

/// How often the archive is looked into at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(2);
/// How often what others have brought is archived, and a primary is asked to
/// end its segment.
const NUDGE: Duration = Duration::from_secs(10);

/// The WAL of a backup.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// The first segment.
    pub(crate) first: SegmentName,
    /// The last one.
    pub(crate) last: SegmentName,
    /// How large they are.
    pub(crate) size: SegmentSize,
}

/// Waits until every segment is in every storage that WAL is written to;
/// returns the first one that is not, if time runs out.
///
/// # Errors
///
/// If the user wants an end, or there is no archive.
pub(crate) fn for_wal(
    host: &Host,
    server: &Server,
    span: Span,
    (patience, from_standby): (Duration, bool),
) -> Result<Option<SegmentName>> {
    let mut search = Search::new(host, server, span)?;
    let began = Instant::now();
    let mut helper = Helper::new(server, from_standby);
    let mut pause = FIRST_PAUSE;
    while let Some(segment) = search.missing() {
        host.check_cancelled()?;
        if began.elapsed() >= patience {
            return Ok(Some(segment));
        }
        helper.help(host, server);
        thread::sleep(pause);
        pause = (pause * 2).min(LAST_PAUSE);
    }
    Ok(None)
}

/// Returns the first segment that is not in every storage that WAL is written
/// to.
///
/// # Errors
///
/// If there is no archive.
pub(super) fn missing(host: &Host, server: &Server, span: Span) -> Result<Option<SegmentName>> {
    Ok(Search::new(host, server, span)?.missing())
}

/// Looks for segments, each until it was seen once.
struct Search<'a> {
    archive: Archive<'a>,
    wanted: BTreeSet<String>,
    left: Peekable<SegmentRange>,
}

impl<'a> Search<'a> {
    fn new(host: &'a Host, server: &'a Server, span: Span) -> Result<Self> {
        let range = SegmentRange::new(span.first, span.last, span.size)
            .map_err(|e| hayloft_plugin_api::Error::msg(e.to_string()))?;
        let destinations = server.wal_destinations().into_iter().filter(|it| !it.read_only);
        Ok(Self {
            archive: Archive::open(host, server)?,
            wanted: destinations.map(|it| it.storage).collect(),
            left: range.peekable(),
        })
    }

    /// Returns the first one that is not there.
    fn missing(&mut self) -> Option<SegmentName> {
        while let Some(segment) = self.left.peek().copied() {
            if !is_archived(&self.archive, segment, &self.wanted) {
                return Some(segment);
            }
            self.left.next();
        }
        None
    }
}

fn is_archived(archive: &Archive<'_>, segment: SegmentName, wanted: &BTreeSet<String>) -> bool {
    let mut found = BTreeSet::new();
    for copy in archive.copies(FileName::Segment(segment)) {
        match copy {
            Ok(copy) => {
                found.insert(copy.storage);
            }
            Err(error) => tracing::info!("{error}; it is asked again"),
        }
    }
    !wanted.is_empty() && wanted.is_subset(&found)
}

/// What can be done meanwhile.
struct Helper {
    files: bool,
    primary: Option<Connection>,
    last: Option<Instant>,
}

impl Helper {
    fn new(server: &Server, from_standby: bool) -> Self {
        let asks = from_standby && server.primary_conninfo.is_some();
        let primary = asks.then(|| session::connect(server, Way::Primary)).and_then(|it| {
            it.inspect_err(|e| {
                tracing::warn!("the primary cannot be asked to end its segment: {e}");
            })
            .ok()
        });
        if from_standby && server.primary_conninfo.is_none() {
            tracing::info!(
                "the backup is of a standby: it waits until the primary has ended its segment; \
                 with <primary_conninfo> it would be asked to"
            );
        }
        Self { files: server.archiver || server.streaming_archiver, primary, last: None }
    }

    /// Archives what waits in directories, and lets the primary end its
    /// segment.
    fn help(&mut self, host: &Host, server: &Server) {
        if self.last.is_some_and(|it| it.elapsed() < NUDGE) {
            return;
        }
        self.last = Some(Instant::now());
        if self.files
            && let Err(error) = intake::archive(host, server)
        {
            tracing::info!("nothing is archived from directories: {error}");
            self.files = false;
        }
        if let Some(primary) = &self.primary
            && let Err(error) = primary.switch_wal()
        {
            tracing::warn!("the primary did not end its segment: {error}");
            self.primary = None;
        }
    }
}
