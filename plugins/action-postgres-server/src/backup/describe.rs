//! What `backup.info` says of a backup while it goes on.

use hayloft_postgres::wal::{Lsn, SegmentName, SegmentSize, TimelineId};
use jiff::Zoned;

use super::{
    MODE, Options,
    lane::Lane,
    session::{Ended, Facts},
};
use crate::{
    catalogue::{BackupId, BackupInfo, Moment, Tablespace},
    config::{self, Method, Server},
};

/// Returns the word for a method.
pub(super) fn method_name(method: Method) -> &'static str {
    match method {
        Method::Local => "local",
        Method::Stream => "stream",
    }
}

/// What is known before the server begins the backup.
pub(super) fn first(
    server: &Server,
    options: &Options,
    facts: &Facts,
    (id, parent): (BackupId, Option<BackupId>),
) -> BackupInfo {
    let destination = server.backup_destinations().into_iter().next();
    let named = |it: String| (it != config::NONE).then_some(it);
    let (compression, encryption) =
        destination.map(|it| (named(it.compress), named(it.encrypt))).unwrap_or_default();
    tracing::info!("backup {id} of server {} begins", server.name);
    BackupInfo {
        backup_name: options.name.clone(),
        begin_time: Some(Moment::of(&Zoned::now())),
        compression,
        encryption,
        mode: Some(format!("{}{}", MODE, method_name(options.method))),
        parent_backup_id: parent,
        server_name: Some(server.name.clone()),
        ..of_cluster(facts)
    }
}

/// What the server says of itself.
fn of_cluster(facts: &Facts) -> BackupInfo {
    let text = |it: &String| (!it.is_empty()).then(|| it.clone());
    let tablespaces = facts.tablespaces.iter().map(|it| Tablespace {
        name: it.name.clone(),
        oid: it.oid,
        location: it.shown_location(),
    });
    BackupInfo {
        config_file: text(&facts.files.config),
        data_checksums: Some(if facts.checksums { "on" } else { "off" }.to_owned()),
        hba_file: text(&facts.files.hba),
        ident_file: text(&facts.files.ident),
        included_files: Some(facts.files.included.clone()),
        pgdata: Some(facts.data.clone()),
        summarize_wal: facts.summarize_wal.clone(),
        systemid: Some(facts.system_identifier.to_string()),
        tablespaces: Some(tablespaces.collect()),
        version: Some(facts.version),
        xlog_segment_size: facts.segment,
        ..BackupInfo::default()
    }
}

/// The server has begun it.
pub(super) fn begun(
    info: &mut BackupInfo,
    (begin, timeline): (Lsn, TimelineId),
    size: SegmentSize,
) {
    info.begin_xlog = Some(begin);
    info.begin_offset = Some(begin.offset(size));
    info.begin_wal = Some(SegmentName::containing(begin, timeline, size));
    info.timeline = Some(timeline);
}

/// The server has ended it.
pub(super) fn ended(info: &mut BackupInfo, ended: &Ended, size: SegmentSize) {
    info.begin_wal = Some(ended.first);
    info.end_wal = Some(ended.last);
    info.end_xlog = Some(ended.stopped.lsn);
    info.end_offset = Some(ended.stopped.lsn.offset(size));
    info.end_time = Some(Moment::of(&Zoned::now()));
    info.timeline = Some(ended.timeline);
    info.backup_label = Some(String::from_utf8_lossy(&ended.stopped.label).into_owned());
}

/// All files are stored.
pub(super) fn sizes(info: &mut BackupInfo, lanes: &[Lane]) {
    if let Some(lane) = lanes.iter().find(|it| !it.has_failed()) {
        info.size = Some(lane.tally().size);
        info.cluster_size = Some(lane.tally().size);
        info.deduplicated_size = Some(lane.own());
    }
}
