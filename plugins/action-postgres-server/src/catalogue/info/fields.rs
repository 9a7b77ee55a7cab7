//! The fields of `backup.info`, one by one.

use std::{fmt, str::FromStr};

use hayloft_postgres::{
    version::ServerVersion,
    wal::{SegmentSize, TimelineId},
};
use jiff::tz::TimeZone;

use super::{super::moment::Moment, BackupInfo, Literal, Tablespace};

/// What stands for nothing.
const NONE: &str = "None";

type Read<T> = Result<T, String>;

impl BackupInfo {
    /// Takes a value as it is written.
    pub(super) fn set(&mut self, key: &str, value: &str, zone: &TimeZone) -> Read<()> {
        let is_none = value == NONE || value.is_empty();
        match self.set_text(key, value) {
            Some(()) => {}
            None if is_none => self.set_none(key, value),
            None => self.set_some(key, value, zone).map_err(|e| format!("{key}: {e}"))?,
        }
        Ok(())
    }

    /// Takes a value that is plain text; `None` if the field is no such.
    fn set_text(&mut self, key: &str, value: &str) -> Option<()> {
        let field = match key {
            "backup_name" => &mut self.backup_name,
            "compression" => &mut self.compression,
            "config_file" => &mut self.config_file,
            "data_checksums" => &mut self.data_checksums,
            "encryption" => &mut self.encryption,
            "error" => &mut self.error,
            "hba_file" => &mut self.hba_file,
            "ident_file" => &mut self.ident_file,
            "mode" => &mut self.mode,
            "pgdata" => &mut self.pgdata,
            "server_name" => &mut self.server_name,
            "summarize_wal" => &mut self.summarize_wal,
            "systemid" => &mut self.systemid,
            _ => return None,
        };
        *field = (value != NONE).then(|| value.to_owned());
        Some(())
    }

    /// Takes a value that is more than text, and is none here.
    fn set_none(&mut self, key: &str, value: &str) {
        let empty = Self::default();
        match key {
            "backup_label" => self.backup_label = None,
            "begin_offset" => self.begin_offset = None,
            "begin_time" => self.begin_time = None,
            "begin_wal" => self.begin_wal = None,
            "begin_xlog" => self.begin_xlog = None,
            "children_backup_ids" => self.children_backup_ids = Vec::new(),
            "cluster_size" => self.cluster_size = None,
            "copy_stats" => self.copy_stats = None,
            "deduplicated_size" => self.deduplicated_size = None,
            "end_offset" => self.end_offset = None,
            "end_time" => self.end_time = None,
            "end_wal" => self.end_wal = None,
            "end_xlog" => self.end_xlog = None,
            "included_files" => self.included_files = None,
            "parent_backup_id" => self.parent_backup_id = None,
            "size" => self.size = None,
            "snapshots_info" => self.snapshots_info = None,
            "status" => self.status = empty.status,
            "tablespaces" => self.tablespaces = None,
            "timeline" => self.timeline = None,
            "version" => self.version = None,
            "xlog_segment_size" => self.xlog_segment_size = empty.xlog_segment_size,
            _ => {
                self.unknown.insert(key.to_owned(), value.to_owned());
            }
        }
    }

    fn set_some(&mut self, key: &str, value: &str, zone: &TimeZone) -> Read<()> {
        let time = || Moment::parse(value, zone).ok_or_else(|| bad(value, "time"));
        match key {
            "backup_label" => self.backup_label = Some(quoted(value)?),
            "begin_offset" => self.begin_offset = Some(parsed(value, "number")?),
            "begin_time" => self.begin_time = Some(time()?),
            "begin_wal" => self.begin_wal = Some(parsed(value, "segment")?),
            "begin_xlog" => self.begin_xlog = Some(parsed(value, "position")?),
            "children_backup_ids" => {
                let ids = value.split(',').map(|it| parsed(it.trim(), "id of a backup"));
                self.children_backup_ids = ids.collect::<Read<_>>()?;
            }
            "cluster_size" => self.cluster_size = Some(parsed(value, "number")?),
            "copy_stats" => self.copy_stats = Some(literal(value)?),
            "deduplicated_size" => self.deduplicated_size = Some(parsed(value, "number")?),
            "end_offset" => self.end_offset = Some(parsed(value, "number")?),
            "end_time" => self.end_time = Some(time()?),
            "end_wal" => self.end_wal = Some(parsed(value, "segment")?),
            "end_xlog" => self.end_xlog = Some(parsed(value, "position")?),
            "included_files" => self.included_files = Some(texts(value)?),
            "parent_backup_id" => self.parent_backup_id = Some(parsed(value, "id of a backup")?),
            "size" => self.size = Some(parsed(value, "number")?),
            "snapshots_info" => self.snapshots_info = Some(literal(value)?),
            "status" => self.status = value.parse()?,
            "tablespaces" => self.tablespaces = Some(tablespaces(value)?),
            "timeline" => {
                let number = parsed(value, "timeline")?;
                self.timeline =
                    Some(TimelineId::new(number).ok_or_else(|| bad(value, "timeline"))?);
            }
            "version" => {
                self.version = Some(ServerVersion::from_number(parsed(value, "version")?));
            }
            "xlog_segment_size" => {
                let size = SegmentSize::new(parsed(value, "number")?);
                self.xlog_segment_size = size.map_err(|e| e.to_string())?;
            }
            _ => {
                self.unknown.insert(key.to_owned(), value.to_owned());
            }
        }
        Ok(())
    }

    /// Returns all fields as they are written, in their order. Barman leaves
    /// out two of them if there is nothing to say.
    fn fields(&self) -> Vec<(&str, String)> {
        let number = |it: Option<u64>| shown(it.as_ref());
        let label = self.backup_label.clone().map(Literal::Text);
        let included = self
            .included_files
            .as_ref()
            .map(|files| Literal::List(files.iter().map(|it| Literal::Text(it.clone())).collect()));
        let tablespaces = self.tablespaces.as_ref().map(|all| written(all));
        let children: Vec<String> =
            self.children_backup_ids.iter().map(ToString::to_string).collect();
        let children = (!children.is_empty()).then(|| children.join(","));
        let mut fields = vec![
            ("backup_label", shown(label.as_ref())),
            ("begin_offset", number(self.begin_offset)),
            ("begin_time", shown(self.begin_time.as_ref())),
            ("begin_wal", shown(self.begin_wal.as_ref())),
            ("begin_xlog", shown(self.begin_xlog.as_ref())),
            ("children_backup_ids", shown(children.as_ref())),
            ("cluster_size", number(self.cluster_size)),
            ("compression", plain(self.compression.as_ref())),
            ("config_file", plain(self.config_file.as_ref())),
            ("copy_stats", shown(self.copy_stats.as_ref())),
            ("data_checksums", plain(self.data_checksums.as_ref())),
            ("deduplicated_size", number(self.deduplicated_size)),
            ("encryption", plain(self.encryption.as_ref())),
            ("end_offset", number(self.end_offset)),
            ("end_time", shown(self.end_time.as_ref())),
            ("end_wal", shown(self.end_wal.as_ref())),
            ("end_xlog", shown(self.end_xlog.as_ref())),
            ("error", plain(self.error.as_ref())),
            ("hba_file", plain(self.hba_file.as_ref())),
            ("ident_file", plain(self.ident_file.as_ref())),
            ("included_files", shown(included.as_ref())),
            ("mode", plain(self.mode.as_ref())),
            ("parent_backup_id", shown(self.parent_backup_id.as_ref())),
            ("pgdata", plain(self.pgdata.as_ref())),
            ("server_name", plain(self.server_name.as_ref())),
            ("size", number(self.size)),
            ("status", self.status.to_string()),
            ("summarize_wal", plain(self.summarize_wal.as_ref())),
            ("systemid", plain(self.systemid.as_ref())),
            ("tablespaces", shown(tablespaces.as_ref())),
            ("timeline", shown(self.timeline.as_ref())),
            ("version", shown(self.version.map(ServerVersion::number).as_ref())),
            ("xlog_segment_size", self.xlog_segment_size.bytes().to_string()),
        ];
        let named = self.backup_name.as_ref().map(|it| ("backup_name", plain(Some(it))));
        let snapshots = self.snapshots_info.as_ref().map(|it| ("snapshots_info", it.to_string()));
        fields.extend(named.into_iter().chain(snapshots));
        fields.extend(self.unknown.iter().map(|(key, value)| (&**key, plain(Some(value)))));
        fields.sort_unstable();
        fields
    }
}

impl fmt::Display for BackupInfo {
    /// Writes `backup.info`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields().iter().try_for_each(|(key, value)| writeln!(f, "{key}={value}"))
    }
}

fn shown(value: Option<&impl ToString>) -> String {
    value.map_or_else(|| NONE.to_owned(), ToString::to_string)
}

/// Text has one line here.
fn plain(value: Option<&String>) -> String {
    shown(value.map(|it| it.replace(['\n', '\r'], " ")).as_ref())
}

fn bad(value: &str, what: &str) -> String {
    format!("`{value}` is no {what}")
}

fn parsed<T: FromStr>(value: &str, what: &str) -> Read<T> {
    value.parse().map_err(|_| bad(value, what))
}

fn literal(value: &str) -> Read<Literal> {
    Literal::parse(value).ok_or_else(|| bad(value, "value of Python's"))
}

fn quoted(value: &str) -> Read<String> {
    let text = literal(value)?.text().map(ToOwned::to_owned);
    text.ok_or_else(|| bad(value, "text in quotes"))
}

fn texts(value: &str) -> Read<Vec<String>> {
    let list = literal(value)?;
    let items = list.items().ok_or_else(|| bad(value, "list"))?;
    let text = |it: &Literal| it.text().map(ToOwned::to_owned);
    items.iter().map(|it| text(it).ok_or_else(|| bad(value, "list of texts"))).collect()
}

fn tablespaces(value: &str) -> Read<Vec<Tablespace>> {
    let list = literal(value)?;
    let one = |it: &Literal| match it.items()? {
        [Literal::Text(name), Literal::Int(oid), Literal::Text(location)] => Some(Tablespace {
            name: name.clone(),
            oid: u32::try_from(*oid).ok()?,
            location: location.clone(),
        }),
        _ => None,
    };
    let all = list.items().and_then(|items| items.iter().map(one).collect());
    all.ok_or_else(|| bad(value, "list of tablespaces"))
}

fn written(all: &[Tablespace]) -> Literal {
    let one = |it: &Tablespace| {
        Literal::Tuple(vec![
            Literal::Text(it.name.clone()),
            Literal::Int(it.oid.into()),
            Literal::Text(it.location.clone()),
        ])
    };
    Literal::List(all.iter().map(one).collect())
}
