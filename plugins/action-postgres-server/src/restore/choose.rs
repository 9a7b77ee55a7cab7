//! Which backup is restored.

use hayloft_plugin_api::{Error, ErrorKind, Result};
use hayloft_postgres::wal::{History, Lsn, TimelineId};

use super::target::{Goal, Target, Timeline};
use crate::{
    backup::Found,
    catalogue::{BackupId, BackupInfo},
};

/// Which backup is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// The latest from which the target can be reached.
    Auto,
    /// The latest that there is, whatever the target.
    Latest,
    /// The oldest.
    Oldest,
    /// This one.
    Id(BackupId),
    /// The one that the administrator calls so.
    Named(String),
}

impl Which {
    /// Reads it.
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "auto" => Self::Auto,
            "latest" | "last" => Self::Latest,
            "oldest" | "first" => Self::Oldest,
            _ => text.parse().map_or_else(|_| Self::Named(text.to_owned()), Self::Id),
        }
    }
}

/// Chooses one of a server's backups; `history` is that of the timeline that
/// the target names, if it is known.
///
/// # Errors
///
/// [`ErrorKind::NOT_FOUND`] if there is none, or the target cannot be reached
/// from it; the message says why.
pub(super) fn choose(
    all: &[Found],
    which: &Which,
    target: &Target,
    history: Option<&History>,
) -> Result<BackupId> {
    let usable: Vec<(BackupId, &BackupInfo)> = all
        .iter()
        .filter(|it| it.is_restorable() || it.is_foreign())
        .filter_map(|it| Some((it.id, it.info.as_ref()?)))
        .collect();
    let fits = |it: &&(BackupId, &BackupInfo)| obstacle(it.1, target, history).is_none();
    let named = |name: &str| -> Vec<_> {
        usable.iter().filter(|it| it.1.backup_name.as_deref() == Some(name)).collect()
    };
    let chosen = match which {
        Which::Auto => usable.iter().rfind(fits),
        Which::Latest => usable.last(),
        Which::Oldest => usable.first(),
        Which::Id(id) => usable.iter().find(|it| it.0 == *id),
        Which::Named(name) => match named(name).as_slice() {
            [] => None,
            [only] => Some(*only),
            _ => {
                let message = format!("several backups are called `{name}`");
                return Err(Error::msg(message).hint("give the id of one of them"));
            }
        },
    };
    let Some((id, info)) = chosen else {
        return Err(nothing(all, &usable, which, target, history));
    };
    match obstacle(info, target, history) {
        None => Ok(*id),
        Some(why) => Err(Error::new(ErrorKind::NOT_FOUND, format!("{why} backup {id}"))
            .hint("leave the backup out to let the target choose it")),
    }
}

fn nothing(
    all: &[Found],
    usable: &[(BackupId, &BackupInfo)],
    which: &Which,
    target: &Target,
    history: Option<&History>,
) -> Error {
    let error = |text: String| Error::new(ErrorKind::NOT_FOUND, text);
    if let Which::Id(id) = which
        && let Some(it) = all.iter().find(|it| it.id == *id)
    {
        let status = it.info.as_ref().map_or("unknown", |it| it.status.name());
        let whole = if it.whole { "" } else { ", and it has no manifest" };
        return error(format!("backup {id} cannot be restored: its status is {status}{whole}"));
    }
    let unknown = match which {
        Which::Id(id) => Some(format!("there is no backup {id}")),
        Which::Named(name) => Some(format!("there is no backup called `{name}`")),
        _ => None,
    };
    if let Some(message) = unknown {
        return error(message).hint("`hayloft pg list` shows all");
    }
    let newest = usable.last().and_then(|it| Some((it.0, obstacle(it.1, target, history)?)));
    match (usable.first(), newest) {
        (Some((first, _)), Some((last, why))) => error(format!("{why} backup {last}"))
            .context(format!("no backup leads to the target; the oldest is {first}"))
            .hint("give a later target, or one on a timeline that a backup is on"),
        _ => error("there is no backup that can be restored".to_owned())
            .hint("`hayloft pg backup` takes one"),
    }
}

/// Tells why a target cannot be reached from a backup.
fn obstacle(info: &BackupInfo, target: &Target, history: Option<&History>) -> Option<String> {
    let early = |what: String| Some(format!("{what} comes before the end of"));
    match &target.goal {
        Goal::Time(time) if info.end_time.is_some_and(|it| it.timestamp() > *time) => {
            return early(format!("{time}"));
        }
        Goal::Position(lsn) if info.end_xlog.is_some_and(|it| it > *lsn) => {
            return early(lsn.to_string());
        }
        _ => {}
    }
    let (Timeline::Number(wanted), Some(timeline)) = (target.timeline, info.timeline) else {
        return None;
    };
    let leads = is_on(wanted, timeline, info.end_xlog?, history);
    (!leads).then(|| format!("timeline {} does not come from that of", wanted.get()))
}

/// Tells whether what ends at `end` on `timeline` is a part of `wanted`.
fn is_on(wanted: TimelineId, timeline: TimelineId, end: Lsn, history: Option<&History>) -> bool {
    if wanted == timeline {
        return true;
    }
    history.is_some_and(|it| it.can_follow(timeline, end))
}
