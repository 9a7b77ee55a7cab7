//! What a restored server is told: how to recover, and what it must not do.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, Result};
use hayloft_postgres::conf::{Document, Edit, Policy};

use super::target::Target;

/// Settings of files that a restored server would take from the original's
/// place: they are commented out, as the files are in its own directory.
const PLACES: [&str; 4] = ["data_directory", "hba_file", "ident_file", "external_pid_file"];
/// What may stand in a configuration of an earlier recovery; a server with two
/// targets does not start.
const TARGETS: [&str; 5] = [
    "recovery_target",
    "recovery_target_lsn",
    "recovery_target_name",
    "recovery_target_time",
    "recovery_target_xid",
];
/// Files without which a server does not start, and directories.
const NEEDED: [&str; 8] = [
    "krb_server_keyfile",
    "log_directory",
    "ssl_ca_file",
    "ssl_cert_file",
    "ssl_crl_dir",
    "ssl_crl_file",
    "ssl_key_file",
    "unix_socket_directories",
];
/// Settings that say more of a target.
const OF_TARGETS: [&str; 3] =
    ["recovery_target_action", "recovery_target_inclusive", "recovery_target_timeline"];

/// How the server fetches WAL.
#[derive(Debug, Clone)]
pub(super) struct Fetching {
    /// The program.
    pub(super) program: PathBuf,
    /// The configuration file.
    pub(super) configuration: PathBuf,
    /// The server's name.
    pub(super) server: String,
}

impl Fetching {
    /// Returns the command for `restore_command`.
    ///
    /// # Errors
    ///
    /// If a path is no text.
    pub(super) fn command(&self) -> Result<String> {
        let text = |path: &Path| {
            let text = path.to_str().filter(|it| !it.contains(['\n', '\r', '\0']));
            text.map(quoted).ok_or_else(|| {
                Error::msg(format!("{} cannot be written into restore_command", path.display()))
            })
        };
        Ok(format!(
            "{} -c {} pg wal get {} %f %p",
            text(&self.program)?,
            text(&self.configuration)?,
            quoted(&self.server)
        ))
    }
}

/// Quotes for the shell, and for the server, to which `%` says something.
fn quoted(text: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "/._-+,:=@".contains(it);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''").replace('%', "%%"))
}

/// Changes `postgresql.conf`, and returns what the administrator must know.
///
/// # Errors
///
/// If it cannot be edited.
pub(super) fn main_file(content: &[u8], moved: bool) -> Result<(Vec<u8>, Vec<String>)> {
    let mut document = Document::parse(content);
    let warnings = warnings(&document);
    let places = PLACES.iter().filter(|_| moved);
    let edits: Vec<Edit> = places.chain(&TARGETS).chain(&OF_TARGETS).map(Edit::unset).collect();
    document.apply(&edits, &Policy::default()).map_err(|e| Error::msg(e.to_string()))?;
    Ok((document.to_bytes(), warnings))
}

/// Changes `postgresql.auto.conf`, which overrides everything else.
///
/// # Errors
///
/// If it cannot be edited.
pub(super) fn automatic_file(
    content: &[u8],
    target: &Target,
    restore_command: &str,
) -> Result<(Vec<u8>, Vec<String>)> {
    let mut document = Document::parse(content);
    let warnings = warnings(&document);
    let mut edits: Vec<Edit> = TARGETS.iter().chain(&OF_TARGETS).map(Edit::remove).collect();
    let mut settings: BTreeMap<&str, String> = target.settings().into_iter().collect();
    settings.insert("restore_command", restore_command.to_owned());
    // What it archived would lie in the archive of the one it is a copy of.
    settings.insert("archive_mode", "off".to_owned());
    // These would remove WAL from an archive, or run who knows what.
    settings.insert("archive_cleanup_command", String::new());
    settings.insert("recovery_end_command", String::new());
    // It would wait before it replays.
    settings.insert("recovery_min_apply_delay", "0".to_owned());
    edits.extend(settings.iter().map(|(name, value)| Edit::set(name, value)));
    let policy = Policy { comment_out_earlier: true, ..Policy::default() };
    document.apply(&edits, &policy).map_err(|e| Error::msg(e.to_string()))?;
    Ok((document.to_bytes(), warnings))
}

/// What in a configuration reaches out of a restored server.
fn warnings(document: &Document) -> Vec<String> {
    let get = |name: &str| {
        let value = document.get(name).map(|it| String::from_utf8_lossy(&it).into_owned());
        value.filter(|it| !it.is_empty())
    };
    let mut warnings = Vec::new();
    if get("synchronous_standby_names").is_some() {
        warnings.push(
            "synchronous_standby_names is set: once it works, commits wait for these standbys"
                .to_owned(),
        );
    }
    let libraries = get("shared_preload_libraries").unwrap_or_default();
    if libraries.contains("pg_cron") {
        warnings.push("pg_cron is loaded: its jobs run as soon as the server works".to_owned());
    }
    for name in NEEDED {
        let value = get(name).unwrap_or_default();
        for path in value.split(',').map(|it| it.trim().trim_matches('"')) {
            if path.starts_with('/') && !Path::new(path).exists() {
                warnings.push(format!("{name} names {path}, which is not on this machine"));
            }
        }
    }
    warnings
}

/// What must be known of subscriptions of the original.
pub(super) fn subscriptions(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| {
        format!(
            "it has subscriptions ({}): as soon as it works, it takes from the publishers what is \
             meant for the original; start it with max_logical_replication_workers = 0, and \
             disable or drop them there, unless it takes the original's place",
            names.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::target::{Action, Goal, Timeline};
    use super::*;

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_command_is_quoted_for_the_shell_and_the_server() {
        let fetching = Fetching {
            program: "/opt/a b/hayloft".into(),
            configuration: "/etc/it's 100%.conf".into(),
            server: "main".to_owned(),
        };
        let command = fetching.command().unwrap();
        assert_eq!(
            command,
            "'/opt/a b/hayloft' -c '/etc/it'\\''s 100%%.conf' pg wal get main %f %p"
        );
        let bad = Fetching { program: "/a\nb".into(), ..fetching };
        assert!(bad.command().is_err());
    }

    #[test]
    fn a_restored_server_has_one_target_and_does_not_archive() {
        let target = Target {
            goal: Goal::Name("it's".to_owned()),
            timeline: Timeline::Latest,
            exclusive: false,
            action: Action::Pause,
        };
        let before = b"recovery_target_xid = '7'\narchive_mode = 'on'\nwork_mem = '1MB'\n";
        let (after, _) = automatic_file(before, &target, "get 'x' %f").unwrap();
        let after = text(&after);
        assert!(!after.contains("recovery_target_xid"), "{after}");
        for line in [
            "archive_mode = 'off'",
            "work_mem = '1MB'",
            "recovery_target_name = 'it''s'",
            "recovery_target_action = 'pause'",
            "restore_command = 'get ''x'' %f'",
            "recovery_end_command = ''",
        ] {
            assert!(after.lines().any(|it| it == line), "{line} is not in:\n{after}");
        }
    }

    #[test]
    fn places_of_the_original_are_not_used() {
        let before = b"data_directory = '/srv/data'\nport = 5432\nrecovery_target_time = 'x'\n\
            synchronous_standby_names = 'a'\n\
            ssl_key_file = '/nowhere/key'\nssl_cert_file = 'server.crt'\n\
            unix_socket_directories = '/tmp, \"/nowhere/run\"'\n";
        let (moved, warnings) = main_file(before, true).unwrap();
        let document = Document::parse(&moved);
        assert!(document.get("data_directory").is_none() && document.get("port").is_some());
        assert!(document.get("recovery_target_time").is_none());
        for (at, part) in ["standbys", "/nowhere/key", "/nowhere/run"].into_iter().enumerate() {
            assert!(warnings[at].contains(part), "{part}: {warnings:?}");
        }
        assert_eq!(warnings.len(), 3);
        assert_eq!(subscriptions(&[]), None);
        assert!(subscriptions(&["a".to_owned(), "b".to_owned()]).unwrap().contains("(a, b)"));
        let (same, _) = main_file(before, false).unwrap();
        assert!(Document::parse(&same).get("data_directory").is_some());
    }
}
