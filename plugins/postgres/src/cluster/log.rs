//! What a server's log says since we started it.

use std::path::{Path, PathBuf};

use super::{error::ClusterError, process, small_file};

mod formats;

/// As much as is read of a log.
const MOST: u64 = 256 * 1024;

/// A place in a log, from which on it is of interest.
#[derive(Debug, Clone)]
pub(super) struct LogMark {
    path: PathBuf,
    offset: u64,
    data: PathBuf,
    collected: Option<(PathBuf, u64)>,
}

impl LogMark {
    /// Marks the end of a log, and of the one that the logging collector of a
    /// data directory writes.
    pub(super) fn now(path: &Path, data: &Path) -> Self {
        let collected = collected(data).map(|path| {
            let length = small_file::length(&path);
            (path, length)
        });
        Self {
            path: path.to_owned(),
            offset: small_file::length(path),
            data: data.to_owned(),
            collected,
        }
    }

    /// Returns what was written since.
    pub(super) fn since(&self) -> String {
        let read = |path: &Path, offset| {
            let bytes = small_file::read_from(path, offset, MOST).unwrap_or_default();
            formats::plain(path, &bytes)
        };
        let mut text = read(&self.path, self.offset);
        if let Some(now) = collected(&self.data).filter(|it| *it != self.path) {
            let from = match &self.collected {
                Some((before, length)) if *before == now => *length,
                _ => 0,
            };
            text.push_str(&read(&now, from));
        }
        text
    }
}

/// The file of the logging collector: the plain one if there is one, or one
/// for programs.
pub(super) fn collected(data: &Path) -> Option<PathBuf> {
    let text = small_file::read(&data.join("current_logfiles")).ok()?;
    let text = String::from_utf8(text).ok()?;
    let file = |format| text.lines().find_map(|it| it.strip_prefix(format));
    let file = file("stderr ").or_else(|| file("csvlog ")).or_else(|| file("jsonlog "))?;
    Some(data.join(file))
}

/// A message of a server with what belongs to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) severity: String,
    pub(super) text: String,
    pub(super) detail: Option<String>,
    pub(super) hint: Option<String>,
    pub(super) context: Option<String>,
}

impl Message {
    /// The message with its detail and context, on one line.
    pub(super) fn line(&self) -> String {
        let mut line = self.text.clone();
        for more in [&self.detail, &self.context].into_iter().flatten() {
            line.push_str(" (");
            line.push_str(more);
            line.push(')');
        }
        line
    }
}

const SEVERITIES: [&str; 5] = ["LOG", "WARNING", "ERROR", "FATAL", "PANIC"];

/// Reads the messages of a log, whatever stands before the severity.
pub(super) fn messages(log: &str) -> Vec<Message> {
    let mut all: Vec<Message> = Vec::new();
    for line in log.lines() {
        if let Some((severity, text)) =
            SEVERITIES.iter().find_map(|it| Some((it, after(line, it)?)))
        {
            let severity = (*severity).to_owned();
            all.push(Message { severity, text: text.to_owned(), ..Message::default() });
        } else if let Some(last) = all.last_mut() {
            if let Some(text) = after(line, "DETAIL") {
                last.detail = Some(text.to_owned());
            } else if let Some(text) = after(line, "HINT") {
                last.hint = Some(text.to_owned());
            } else if let Some(text) = after(line, "CONTEXT") {
                last.context = Some(text.to_owned());
            }
        }
    }
    all
}

/// Finds `WORD:  ` where nothing but a log line's prefix is before it.
fn after<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let at = line.find(&format!("{word}:  "))?;
    let before = line[..at].bytes().last();
    let separate = before.is_none_or(|it| !it.is_ascii_alphanumeric());
    // A message that quotes another has its own severity first.
    let first = !SEVERITIES.iter().any(|it| line[..at].contains(&format!("{it}:  ")));
    (separate && first && !line.starts_with('\t')).then(|| line[at + word.len() + 3..].trim())
}

/// Why a server ended, by its log.
pub(super) fn failure(log: &str, data: &Path, exit: Option<String>) -> ClusterError {
    let all = messages(log);
    let is_fatal = |it: &Message| it.severity == "FATAL" && !is_of_session(&it.text);
    let panic = all.iter().position(|it| it.severity == "PANIC");
    let fatal = panic.or_else(|| all.iter().rposition(is_fatal));
    let Some(at) = fatal else {
        let last = log.lines().rev().find(|it| !it.trim().is_empty()).unwrap_or_default().trim();
        let how = exit.unwrap_or_else(|| "it ended".to_owned());
        let message = if last.is_empty() { how } else { format!("{how}; its last words: {last}") };
        return ClusterError::StartFailed { message, remedy: None };
    };
    classify(&all[at], &all[..at], data)
}

/// Tells whether a message ended a session, ours among them, and not the
/// server.
fn is_of_session(text: &str) -> bool {
    let parts = [
        "the database system is ",
        "authentication failed",
        "no pg_hba.conf entry",
        "too many clients",
        "remaining connection slots",
        "terminating connection",
        "terminating walreceiver",
        "terminating background worker",
        "terminating autovacuum",
        "terminating logical replication",
        "could not connect to the primary server",
        "could not receive data from WAL stream",
    ];
    let names_nobody = (text.starts_with("role \"") || text.starts_with("database \""))
        && text.ends_with("does not exist");
    names_nobody || parts.iter().any(|it| text.contains(it))
}

fn classify(fatal: &Message, before: &[Message], data: &Path) -> ClusterError {
    let text = &fatal.text;
    let has = |parts: &[&str]| parts.iter().any(|it| text.contains(it));
    let data = data.to_owned();
    if has(&["lock file \"postmaster.pid\" already exists", "pre-existing shared memory block"]) {
        return match pid_in(fatal) {
            Some(pid) if text.contains("postmaster.pid") => {
                ClusterError::AlreadyRunning { data, pid }
            }
            pid => ClusterError::Orphans { data, pids: pid.into_iter().collect() },
        };
    }
    if has(&["could not create any TCP/IP sockets", "could not create any Unix-domain sockets"])
        || text.starts_with("lock file \"") && text.ends_with("already exists")
    {
        return no_socket(fatal, before);
    }
    if has(&["incompatible with server", "database files are incompatible"]) {
        let detail = fatal.detail.clone().unwrap_or_else(|| text.clone());
        return ClusterError::VersionMismatch {
            what: "the cluster".into(),
            found: detail,
            needed: "that of the programs".into(),
        };
    }
    if let Some(remedy) = denied(fatal) {
        return ClusterError::Denied { message: text.clone(), remedy };
    }
    if let Some(lines) = configuration(fatal, before) {
        return ClusterError::BadConfiguration { lines };
    }
    let (message, remedy) = (fatal.line(), fatal.hint.clone());
    if has(RECOVERY) {
        ClusterError::RecoveryFailed { message, remedy }
    } else {
        ClusterError::StartFailed { message, remedy }
    }
}

/// Why the server has no socket to listen on: the line before says it.
fn no_socket(fatal: &Message, before: &[Message]) -> ClusterError {
    let reasons = ["could not bind", "could not translate host name", "Unix-domain socket path"];
    let is_reason = |it: &&Message| reasons.iter().any(|reason| it.text.starts_with(reason));
    let reason = before.iter().rev().find(is_reason);
    let is_lock = fatal.text.starts_with("lock file \"");
    let message = if is_lock { fatal } else { reason.unwrap_or(fatal) }.text.clone();
    if is_lock || message.contains("Address already in use") {
        let port = reason.and_then(|it| port_in(it.hint.as_deref()?));
        let pid = pid_in(fatal).or_else(|| port.and_then(process::listener_on));
        return ClusterError::PortInUse { message, pid };
    }
    if message.contains("Permission denied") {
        let remedy = "ports below 1024 are for root; set another `port`".to_owned();
        return ClusterError::Denied { message, remedy };
    }
    ClusterError::BadConfiguration { lines: vec![message] }
}

/// What helps where the system or the server itself minds rights.
fn denied(fatal: &Message) -> Option<String> {
    let text = &fatal.text;
    let parts = ["has invalid permissions", "has wrong ownership", "has group or world access"];
    let is_socket = text.contains("lock file \"") && text.contains("Permission denied");
    if parts.iter().any(|it| text.contains(it)) {
        return Some(fatal.detail.as_ref().or(fatal.hint.as_ref()).cloned().unwrap_or_default());
    }
    is_socket.then(|| "set another `unix_socket_directories`, or let the server write there".into())
}

/// Parts of messages about recovery.
const RECOVERY: &[&str] = &[
    "recovery ended before",
    "restore_command",
    "checkpoint record",
    "insufficient parameter settings",
    "recovery aborted",
    "is not a child of",
    "requested timeline",
    "recovery target",
    "recovery_target",
    "backup_label",
    "backup label",
    "tablespace_map",
    "WAL ends before",
    "standby mode is not supported",
    "recovery command file",
    "could not restore file",
    "requested recovery stop point",
    "max_prepared_transactions",
];

/// The mistakes in configuration files that a fatal message sums up.
fn configuration(fatal: &Message, before: &[Message]) -> Option<Vec<String>> {
    let text = &fatal.text;
    let sums_up = text.starts_with("configuration file \"") && text.contains("contains errors");
    let of_rules = text.starts_with("could not load ");
    let direct = [
        "unrecognized configuration parameter",
        "invalid value for parameter",
        "is outside the valid range for parameter",
        "requires a",
        "requires wal_level",
        "requires \"wal_level\"",
        "must be at least twice",
        "cannot be enabled when",
        "multiple recovery targets specified",
        "could not create lock file",
        "data directory \"",
        "could not load library",
        "could not access the server configuration file",
        "conflicting configuration",
        "cannot be changed",
        "must be less than",
        "must not exceed",
        "Unix-domain socket path",
        "could not access file",
        "private key file",
        "server certificate",
        "could not open configuration",
    ];
    let lines: Vec<String> = before
        .iter()
        .filter(|it| {
            let about_file = it.text.contains("in file \"")
                || it.context.as_deref().is_some_and(|it| it.contains("configuration file"));
            let about_value = direct.iter().take(3).any(|part| it.text.contains(part));
            it.severity == "LOG"
                && (about_file || about_value || it.text.contains("could not open"))
        })
        .map(Message::line)
        .collect();
    if sums_up || of_rules {
        return Some(if lines.is_empty() { vec![fatal.line()] } else { lines });
    }
    direct.iter().any(|it| text.contains(it)).then(|| vec![fatal.line()])
}

fn pid_in(message: &Message) -> Option<u32> {
    let hint = message.hint.as_deref().unwrap_or_default();
    let texts = [hint, message.text.as_str()];
    texts.iter().find_map(|text| {
        let after = text.split("(PID ").nth(1).or_else(|| text.split("ID ").nth(1))?;
        digits(after)
    })
}

fn port_in(hint: &str) -> Option<u16> {
    digits(hint.split("port ").nth(1)?).and_then(|it| u16::try_from(it).ok())
}

fn digits(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
