//! Files as they were on a day, as `ls -l` shows them.

use hayloft_plugin_api::{Error, ErrorKind, Result};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::{overview::document, table::table};
use crate::{
    archive::{Entry, Kind, Time},
    days::{Archives, DayState},
    shown::{absolute, shown},
    sources::{Catalogue, Day},
    walk::paths::{is_within, split},
};

/// The files that are to be shown.
pub(super) struct Entries<'a> {
    all: Vec<Shown<'a>>,
    wanted: Vec<u8>,
}

struct Shown<'a> {
    path: &'a [u8],
    /// The owner, permissions, size and time.
    entry: &'a Entry,
    /// The day of the archive that has it.
    day: Day,
}

impl<'a> Entries<'a> {
    pub(super) fn new(archives: &'a Archives<'_>, state: &'a DayState, recursive: bool) -> Self {
        let wanted = archives.wanted().to_vec();
        let all = state.tree.places.iter().filter(|(path, _)| {
            let itself = **path == wanted;
            let below = is_within(path, &wanted) && !itself;
            let child = below && split(path).0 == wanted;
            if recursive { itself || below } else { child || itself }
        });
        let mut all: Vec<_> = all
            .map(|(path, place)| Shown {
                path,
                entry: content(archives, *place),
                day: archives.copies[place.archive].day,
            })
            .collect();
        // A directory is shown by what is in it.
        if !recursive && all.len() > 1 {
            all.retain(|it| it.path != wanted);
        }
        Self { all, wanted }
    }

    pub(super) fn text(&self, json: bool, day: Day) -> Result<String> {
        if self.all.is_empty() {
            let path = absolute(&self.wanted);
            let message = format!("{path} was not there on {day}, or was not collected");
            return Err(Error::new(ErrorKind::NOT_FOUND, message)
                .hint(format!("`hayloft list --versions {path}` looks at all days")));
        }
        if json {
            return document(&self.all.iter().map(Shown::json).collect());
        }
        let rows: Vec<_> = self.all.iter().map(Shown::row).collect();
        Ok(table(&rows, &[3]))
    }
}

/// Returns what is known of a file: for a further name of one, what is known
/// of the first.
fn content<'a>(archives: &'a Archives<'_>, place: crate::restore::Place) -> &'a Entry {
    let members = &archives.loaded[place.archive].members;
    let member = &members[&place.member];
    members.get(&member.content).map_or(&member.entry, |it| &it.entry)
}

impl Shown<'_> {
    fn row(&self) -> Vec<String> {
        let Entry { size, mtime, .. } = self.entry;
        let mut name = absolute(self.path);
        if let Kind::Symlink(target) = &self.entry.kind {
            name = format!("{name} -> {}", shown(target));
        }
        let size = match self.entry.kind {
            Kind::Character(it) | Kind::Block(it) => format!("{}, {}", it.major, it.minor),
            _ => size.to_string(),
        };
        let [user, group] = owners(self.entry);
        vec![permissions(self.entry), user, group, size, when(*mtime), name]
    }

    fn json(&self) -> Value {
        let Entry { kind, size, mode, uid, gid, mtime, .. } = self.entry;
        let [user, group] = owners(self.entry);
        let mut value = json!({
            "path": absolute(self.path),
            "type": kind.letter().to_string(),
            "mode": format!("{mode:04o}"),
            "uid": uid,
            "gid": gid,
            "user": user,
            "group": group,
            "size": size,
            "modified": mtime.to_pax(),
            "archived": self.day.to_string(),
        });
        if let Kind::Symlink(target) = kind {
            value["target"] = json!(shown(target));
        }
        value
    }
}

fn owners(entry: &Entry) -> [String; 2] {
    let name = |name: &[u8], id: u32| {
        if name.is_empty() { id.to_string() } else { shown(name) }
    };
    [name(&entry.user, entry.uid), name(&entry.group, entry.gid)]
}

fn permissions(entry: &Entry) -> String {
    let mut out = String::from(entry.kind.letter());
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = entry.mode >> shift;
        out.push(if bits & 4 == 0 { '-' } else { 'r' });
        out.push(if bits & 2 == 0 { '-' } else { 'w' });
        out.push(match (entry.mode & special != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    if !entry.xattrs.is_empty() {
        out.push('+');
    }
    out
}

fn when(time: Time) -> String {
    let moment = Timestamp::from_second(time.seconds).ok();
    let local = moment.map(|it| it.to_zoned(TimeZone::system()));
    local.map_or_else(|| time.to_pax(), |it| it.strftime("%Y-%m-%d %H:%M").to_string())
}

/// A time during which a path did not change.
struct Version {
    first: Day,
    last: Day,
    entry: Entry,
}

/// Lists how a path changed over all days.
pub(super) fn versions(
    archives: &mut Archives<'_>,
    catalogue: &Catalogue<'_>,
    json: bool,
) -> Result<String> {
    let path = archives.wanted().to_vec();
    let mut days: Vec<_> = catalogue
        .copies
        .iter()
        .filter(|it| it.series().is_some() && it.peer == archives.peer())
        .map(|it| it.day)
        .collect();
    days.sort_unstable();
    days.dedup();
    let mut versions: Vec<Version> = Vec::new();
    let mut there = false;
    // From the newest to the oldest: newer archives say what is needed of
    // older ones.
    for day in days.into_iter().rev() {
        let state = match archives.state(day) {
            Ok(state) => state,
            Err(e) => {
                tracing::warn!("{day} is left out: {e}");
                continue;
            }
        };
        let Some(place) = state.tree.places.get(&path) else {
            there = false;
            continue;
        };
        let entry = Entry { listing: None, ..content(archives, *place).clone() };
        match versions.last_mut() {
            Some(version) if there && version.entry == entry => version.first = day,
            _ => versions.push(Version { first: day, last: day, entry }),
        }
        there = true;
    }
    versions.reverse();
    if versions.is_empty() {
        let message = format!("{} is in no backup", absolute(&path));
        return Err(Error::new(ErrorKind::NOT_FOUND, message));
    }
    let shown = |it: &Version| {
        let shown = Shown { path: &path, entry: &it.entry, day: it.first };
        (it.first.to_string(), it.last.to_string(), shown.row(), shown.json())
    };
    if json {
        let value = |it: &Version| {
            let (first, last, _, mut value) = shown(it);
            value["first"] = json!(first);
            value["last"] = json!(last);
            value
        };
        return document(&versions.iter().map(value).collect());
    }
    let head = ["FROM", "TO", "MODE", "OWNER", "GROUP", "SIZE", "MODIFIED", "PATH"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(versions.iter().map(|it| {
        let (first, last, row, _) = shown(it);
        [vec![first, last], row].concat()
    }));
    Ok(table(&rows, &[5]))
}
