//! The configuration of a scratch server: one that can touch nothing outside.
//!
//! What each setting prevents was found out by watching what happens without
//! it: a restored server with its own configuration archives into the
//! production archive, follows publishers as a subscriber and takes their
//! slots along, and starts whatever its extensions start.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use hayloft_postgres::version::ServerVersion;

/// What decides about the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    /// The cluster's version.
    pub(super) version: ServerVersion,
    /// The data directory.
    pub(super) data: &'a Path,
    /// Where the other files of the configuration are.
    pub(super) configuration: &'a Path,
    /// The directory of the socket.
    pub(super) socket: &'a Path,
    /// Where and how the replay ends: `recovery_target…`.
    pub(super) target: &'a [(String, String)],
    /// What the administrator has set.
    pub(super) own: &'a [(String, String)],
    /// What a server that did not start has asked for.
    pub(super) raised: &'a BTreeMap<String, u64>,
}

/// The port that names the socket.
pub(super) const PORT: u16 = 5432;
/// Who may connect: whoever reaches the socket, which is in a private directory.
pub(super) const HBA: &str = "local all all trust\n";
/// Asks the drill for a file of WAL. The working directory is the data
/// directory, so that no path has to be quoted.
const RESTORE_COMMAND: &str = "sh ../fetch %f %p";

/// Settings that nothing can change: they keep the server apart, or make the
/// replay be what was asked for.
const CLOSED: [(&str, &str); 24] = [
    ("listen_addresses", ""),
    ("archive_mode", "off"),
    ("archive_command", ""),
    ("restore_command", RESTORE_COMMAND),
    ("recovery_end_command", ""),
    ("archive_cleanup_command", ""),
    ("primary_conninfo", ""),
    ("primary_slot_name", ""),
    ("synchronous_standby_names", ""),
    ("max_logical_replication_workers", "0"),
    ("external_pid_file", ""),
    ("ssl", "off"),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("log_line_prefix", ""),
    ("log_min_messages", "log"),
    ("log_timezone", "UTC"),
    ("lc_messages", "C"),
    ("restart_after_crash", "off"),
    // Without it a replay cannot pause because the primary has raised a limit,
    // and answer with old data.
    ("hot_standby", "off"),
    ("recovery_target_action", "promote"),
    ("autovacuum", "off"),
    // The files go in the end; only the machine's own crash would be survived.
    ("fsync", "off"),
    ("full_page_writes", "off"),
];

/// Settings that an administrator may want otherwise.
const USUAL: [(&str, &str); 10] = [
    ("shared_preload_libraries", ""),
    ("session_preload_libraries", ""),
    ("local_preload_libraries", ""),
    ("jit", "off"),
    ("shared_buffers", "64MB"),
    ("huge_pages", "off"),
    ("max_connections", "20"),
    ("max_prepared_transactions", "200"),
    ("max_locks_per_transaction", "256"),
    ("max_wal_size", "1GB"),
];

/// Tells whether a setting is one that a drill decides alone.
pub(crate) fn is_kept_closed(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    CLOSED.iter().any(|(closed, _)| *closed == name)
        || name.starts_with("recovery_target")
        || name.starts_with("include")
        || name.starts_with("cron.")
        || matches!(
            name.as_str(),
            "data_directory"
                | "config_file"
                | "hba_file"
                | "ident_file"
                | "port"
                | "unix_socket_directories"
                | "unix_socket_permissions"
                | "archive_library"
                | "event_triggers"
                | "event_source"
                | "allow_alter_system"
                | "sync_replication_slots"
        )
}

/// Writes the whole configuration file.
pub(super) fn configuration(scene: &Scene<'_>) -> String {
    let Scene { data, configuration, socket, .. } = scene;
    let mut all: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: &str| all.push((name.to_owned(), value.to_owned()));
    for (name, value) in USUAL {
        set(name, value);
    }
    for (name, value) in scene.own {
        set(name, value);
    }
    for (name, value) in scene.raised {
        set(name, &value.to_string());
    }
    for (name, value) in CLOSED {
        set(name, value);
    }
    if scene.version.major() >= 15 {
        set("archive_library", "");
    }
    if scene.version.major() >= 17 {
        set("event_triggers", "off");
        set("sync_replication_slots", "off");
        set("allow_alter_system", "off");
    }
    set("port", &PORT.to_string());
    set("unix_socket_permissions", "0700");
    let mut text = String::from("# Made for a drill; removed with it.\n");
    for (name, value) in all.iter().chain(scene.target) {
        line(&mut text, name, value);
    }
    for (name, path) in [
        ("data_directory", data.to_path_buf()),
        ("hba_file", configuration.join("pg_hba.conf")),
        ("ident_file", configuration.join("pg_ident.conf")),
        ("unix_socket_directories", socket.to_path_buf()),
    ] {
        line(&mut text, name, &path.to_string_lossy());
    }
    text
}

fn line(text: &mut String, name: &str, value: &str) {
    let value = value.replace('\\', "\\\\").replace('\'', "''");
    let _ = writeln!(text, "{name} = '{value}'");
}

#[cfg(test)]
mod tests {
    use hayloft_postgres::conf::{Configuration, Sources};
    use hayloft_postgres::tree::{Nothing, Overlay};

    use super::*;

    fn scene(own: &[(String, String)], version: &str) -> String {
        configuration(&Scene {
            version: ServerVersion::parse(version).unwrap(),
            data: Path::new("/d/it's/data"),
            configuration: Path::new("/d/conf"),
            socket: Path::new("/d/socket"),
            target: &[("recovery_target_name".to_owned(), "it's".to_owned())],
            own,
            raised: &BTreeMap::from([("max_connections".to_owned(), 300)]),
        })
    }

    fn value(text: &str, name: &str) -> Option<String> {
        let tree = Overlay::new(&Nothing).with("/c", text);
        let all = Configuration::load(&Sources::main("/c"), &tree);
        all.get(name).map(|it| String::from_utf8_lossy(&it.value).into_owned())
    }

    #[test]
    fn the_server_touches_nothing_whatever_is_asked_for() {
        let own = [
            ("archive_mode".to_owned(), "on".to_owned()),
            ("shared_buffers".to_owned(), "1GB".to_owned()),
        ];
        let text = scene(&own, "17.2");
        for (name, expected) in [
            ("archive_mode", "off"),
            ("archive_command", ""),
            ("listen_addresses", ""),
            ("max_logical_replication_workers", "0"),
            ("event_triggers", "off"),
            ("shared_buffers", "1GB"),
            ("max_connections", "300"),
            ("recovery_target_name", "it's"),
            ("data_directory", "/d/it's/data"),
        ] {
            assert_eq!(value(&text, name).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn older_servers_get_no_setting_that_they_do_not_know() {
        for (version, name, there) in [
            ("13.4", "archive_library", false),
            ("15.0", "archive_library", true),
            ("16.0", "event_triggers", false),
            ("17.0", "event_triggers", true),
        ] {
            assert_eq!(value(&scene(&[], version), name).is_some(), there, "{version} {name}");
        }
    }

    #[test]
    fn what_keeps_it_apart_cannot_be_set() {
        for (name, closed) in [
            ("Archive_Command", true),
            ("recovery_target_time", true),
            ("include_dir", true),
            ("port", true),
            ("shared_preload_libraries", false),
            ("work_mem", false),
        ] {
            assert_eq!(is_kept_closed(name), closed, "{name}");
        }
    }
}
