//! What follows from a configuration: which archives, peers and days.

use super::{Collect, CollectDir, CollectFile, Document, Options, Text, archive_suffix, text};
use crate::sdk::Weekday;

/// Whether an item is a file or a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// A single file.
    File,
    /// A directory with everything in it.
    Dir,
}

/// A file or directory to collect, with everything it inherits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveItem {
    /// What it is.
    pub kind: ItemKind,
    /// Its path, as configured.
    pub path: String,
    /// `daily`, `weekly` or `incr`.
    pub collect_mode: String,
    /// Such as `targz`; see [`compressor_of`](super::compressor_of).
    pub archive_mode: String,
    /// The name that its archive and its state are filed under.
    pub base_name: String,
    /// The archive, with the usual suffix of its mode.
    pub archive: String,
    /// Cedar Backup's file of digests.
    pub digests: String,
    /// The name of the file whose presence keeps its directory out.
    pub ignore_file: Option<String>,
    /// To what depth links to directories are followed.
    pub link_depth: i64,
    /// Whether what links point to is collected under its own path too.
    pub dereference: bool,
    /// How many levels of directories get archives of their own.
    pub recursion_level: i64,
    /// What is left out, by path.
    pub exclude_paths: Vec<String>,
    /// What is left out, by regular expression; see
    /// [`Pattern::exclusion`](super::Pattern::exclusion).
    pub exclude_patterns: Vec<String>,
    /// Whether directories of other file systems are left out.
    pub one_file_system: bool,
    /// How hard the compressor tries.
    pub compression_level: Option<i64>,
}

/// Returns what is to be collected: files first, then directories. Items
/// without a path are left out; they are errors of the configuration.
pub fn effective_collect(options: &Options, collect: &Collect) -> Vec<EffectiveItem> {
    let working_dir = text(&options.working_dir).unwrap_or_default();
    let files = collect.files.iter().filter_map(|it| file(working_dir, collect, it));
    let dirs = collect.dirs.iter().filter_map(|it| dir(working_dir, collect, it));
    files.chain(dirs).collect()
}

fn own_or(own: &Text, general: &Text) -> String {
    text(own).or(text(general)).unwrap_or_default().to_owned()
}

fn file(working_dir: &str, collect: &Collect, file: &CollectFile) -> Option<EffectiveItem> {
    let path = text(&file.abs_path)?.to_owned();
    let base_name = normalised(&path);
    let archive_mode = own_or(&file.archive_mode, &collect.archive_mode);
    Some(EffectiveItem {
        kind: ItemKind::File,
        collect_mode: own_or(&file.collect_mode, &collect.collect_mode),
        archive: archive(collect, &base_name, &archive_mode),
        digests: joined(working_dir, &format!("{base_name}.sha")),
        path,
        archive_mode,
        base_name,
        ignore_file: None,
        link_depth: 0,
        dereference: false,
        recursion_level: 0,
        exclude_paths: Vec::new(),
        exclude_patterns: Vec::new(),
        one_file_system: false,
        compression_level: collect.compression_level.as_ref().map(|it| it.value),
    })
}

fn dir(working_dir: &str, collect: &Collect, dir: &CollectDir) -> Option<EffectiveItem> {
    let path = text(&dir.abs_path)?.to_owned();
    let base_name = normalised(&path);
    let archive_mode = own_or(&dir.archive_mode, &collect.archive_mode);
    let level = dir.compression_level.as_ref().or(collect.compression_level.as_ref());
    let absolute = collect.exclude.abs_paths.iter().chain(&dir.exclude.abs_paths);
    let relative = dir.exclude.rel_paths.iter().map(|it| joined(&path, it));
    let patterns = collect.exclude.patterns.iter().chain(&dir.exclude.patterns);
    Some(EffectiveItem {
        kind: ItemKind::Dir,
        collect_mode: own_or(&dir.collect_mode, &collect.collect_mode),
        archive: archive(collect, &base_name, &archive_mode),
        digests: joined(working_dir, &format!("{base_name}.sha")),
        ignore_file: Some(own_or(&dir.ignore_file, &collect.ignore_file))
            .filter(|it| !it.is_empty()),
        link_depth: dir.link_depth.as_ref().map_or(0, |it| it.value),
        dereference: dir.dereference,
        recursion_level: dir.recursion_level.as_ref().map_or(0, |it| it.value),
        exclude_paths: absolute.map(|it| it.value.clone()).chain(relative).collect(),
        exclude_patterns: patterns.map(|it| it.value.clone()).collect(),
        one_file_system: dir.one_file_system.unwrap_or(collect.one_file_system),
        compression_level: level.map(|it| it.value),
        path,
        archive_mode,
        base_name,
    })
}

fn archive(collect: &Collect, base_name: &str, archive_mode: &str) -> String {
    let dir = text(&collect.collect_dir).unwrap_or_default();
    joined(dir, &format!("{base_name}{}", archive_suffix(archive_mode)))
}

/// Joins two paths as text; an absolute second one stands alone.
fn joined(first: &str, second: &str) -> String {
    if second.starts_with('/') || first.is_empty() {
        return second.to_owned();
    }
    format!("{first}{}{second}", if first.ends_with('/') { "" } else { "/" })
}

/// Returns the name that a path is filed under: `/home/u/.ssh` is
/// `home-u-.ssh`, `/` is `_`. Two paths may have the same one.
///
/// ```
/// use hayloft_plugin_api::cedar::normalised;
///
/// assert_eq!(normalised("/.config/a b:c"), "_config-a_b_c");
/// assert_eq!(normalised("/etc/"), "etc-");
/// ```
pub fn normalised(path: &str) -> String {
    if path == "/" {
        return "_".to_owned();
    }
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_prefix('\\').unwrap_or(path);
    let (first, rest) = match path.strip_prefix('.') {
        Some(rest) => ("_", rest),
        None => ("", path),
    };
    let replaced = rest.chars().map(|c| match c {
        '/' | '\\' => '-',
        ':' => '_',
        c if c.is_whitespace() => '_',
        c => c,
    });
    first.chars().chain(replaced).collect()
}

/// A peer to stage from, with everything it inherits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagePeer {
    /// Whether it is another machine.
    pub remote: bool,
    /// Its name.
    pub name: String,
    /// Where its collected files are.
    pub collect_dir: String,
    /// The user to log in as; only of a remote peer.
    pub remote_user: Option<String>,
    /// The command that copies; only of a remote peer.
    pub rcp_command: Option<String>,
    /// `none`, `all`, `daily` or `weekly`, if it is set.
    pub ignore_failures: Option<String>,
}

/// Returns the peers to stage from: those of `<stage>`, or else those of
/// `<peers>`; the local ones first.
pub fn effective_peers(document: &Document) -> Vec<StagePeer> {
    let own = document.stage.as_ref().map(|it| &it.peers).filter(|it| !it.is_empty());
    let Some(list) = own.or(document.peers.as_ref().map(|it| &it.list)) else {
        return Vec::new();
    };
    let default = Options::default();
    let options = document.options.as_ref().unwrap_or(&default);
    let owned = |it: &Text| text(it).map(ToOwned::to_owned);
    let local = list.local.iter().map(|it| StagePeer {
        remote: false,
        name: own_or(&it.name, &None),
        collect_dir: own_or(&it.collect_dir, &None),
        remote_user: None,
        rcp_command: None,
        ignore_failures: owned(&it.ignore_failures),
    });
    let remote = list.remote.iter().map(|it| StagePeer {
        remote: true,
        name: own_or(&it.name, &None),
        collect_dir: own_or(&it.collect_dir, &None),
        remote_user: owned(&it.backup_user).or_else(|| owned(&options.backup_user)),
        rcp_command: owned(&it.rcp_command).or_else(|| owned(&options.rcp_command)),
        ignore_failures: owned(&it.ignore_failures),
    });
    local.chain(remote).collect()
}

/// A machine that an action is run on, with everything it inherits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedPeer {
    /// Its name.
    pub name: String,
    /// The user to log in as.
    pub remote_user: Option<String>,
    /// The user that logs in.
    pub local_user: Option<String>,
    /// The command that runs something over there.
    pub rsh_command: Option<String>,
    /// The backup command over there.
    pub cback_command: Option<String>,
    /// The actions to run there, in the order of its list.
    pub actions: Vec<String>,
}

/// Returns the managed peers, which are those of `<peers>` only.
pub fn managed_peers(document: &Document) -> Vec<ManagedPeer> {
    let default = Options::default();
    let options = document.options.as_ref().unwrap_or(&default);
    let own_or = |own: &Text, general: &Text| text(own).or(text(general)).map(ToOwned::to_owned);
    let remote = document.peers.iter().flat_map(|it| &it.list.remote).filter(|it| it.managed);
    remote
        .map(|it| ManagedPeer {
            name: text(&it.name).unwrap_or_default().to_owned(),
            remote_user: own_or(&it.backup_user, &options.backup_user),
            local_user: own_or(&options.backup_user, &None),
            rsh_command: own_or(&it.rsh_command, &options.rsh_command),
            cback_command: own_or(&it.cback_command, &options.cback_command),
            actions: it
                .managed_actions
                .as_ref()
                .or(options.managed_actions.as_ref())
                .map(|it| it.value.clone())
                .unwrap_or_default(),
        })
        .collect()
}

/// Tells whether it is the first day of the backup week.
pub fn is_start_of_week(options: &Options, today: Weekday) -> bool {
    let name = match today {
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
        Weekday::Sunday => "sunday",
    };
    text(&options.starting_day) == Some(name)
}

/// Tells whether an item of that collect mode is collected: weekly ones on
/// the first day of the week or in a full run, all others always.
pub fn is_due(collect_mode: &str, start_of_week: bool, full: bool) -> bool {
    collect_mode != "weekly" || start_of_week || full
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_names_of_files() {
        let cases = [
            ("/", "_"),
            ("//", "-"),
            ("/etc", "etc"),
            ("/etc/", "etc-"),
            ("/.config", "_config"),
            ("/home/u/.ssh", "home-u-.ssh"),
            ("//srv//x", "-srv--x"),
            ("/a:b/c d", "a_b-c_d"),
            ("/back\\slash", "back-slash"),
            ("/\\a", "a"),
            ("/..x", "_.x"),
            ("/ .a", "_.a"),
            ("/é\u{a0}ü", "é_ü"),
        ];
        for (path, name) in cases {
            assert_eq!(normalised(path), name, "{path}");
        }
    }

    #[test]
    fn weekly_items_wait_for_the_first_day_of_the_week() {
        let cases = [
            ("daily", false, false, true),
            ("incr", false, false, true),
            ("weekly", false, false, false),
            ("weekly", true, false, true),
            ("weekly", false, true, true),
        ];
        for (mode, start_of_week, full, due) in cases {
            assert_eq!(is_due(mode, start_of_week, full), due, "{mode}");
        }
        let starting_day =
            Some(super::super::Located { value: "tuesday".to_owned(), ..Default::default() });
        let options = Options { starting_day, ..Options::default() };
        assert!(is_start_of_week(&options, Weekday::Tuesday));
        assert!(!is_start_of_week(&options, Weekday::Monday));
    }
}
