//! Reloading the configuration, and knowing what came of it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{
    error::ClusterError,
    log::{self, LogMark, Message},
    probe::{Phase, RunningServer, probe},
    wait::Patience,
};
use crate::{
    conf::{Catalogue, Configuration, Sources},
    connection::{Connection, QueryError},
    tree::Disk,
};

/// How long a log must be silent before it is taken for complete.
const SILENCE: Duration = Duration::from_millis(250);
/// What a server writes first when it was told to reload.
const BEGINS: &str = "received SIGHUP, reloading configuration files";

/// What a reload is verified by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The server was asked by SQL.
    Sql,
    /// The server's log tells.
    Log,
    /// Neither could be had: the files were read and have no mistakes that
    /// can be seen from outside, and the server was signalled.
    Files,
}

/// What came of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// The server.
    pub pid: u32,
    /// How it is known.
    pub proof: Proof,
    /// The parameters that have another value now, and which.
    pub applied: Vec<(String, String)>,
    /// What was not taken, with file and line where they are known.
    pub refused: Vec<String>,
    /// Parameters whose new value waits for a restart.
    pub pending_restart: Vec<String>,
}

/// How a reload is done.
#[derive(Default)]
pub struct ReloadOptions<'a> {
    /// A session by which the server can be asked; any role will do, a
    /// superuser sees more.
    pub connection: Option<&'a Connection>,
    /// Who tells the server, if not we by a signal.
    pub tell: Option<&'a dyn Fn() -> Result<(), ClusterError>>,
}

impl std::fmt::Debug for ReloadOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReloadOptions").finish_non_exhaustive()
    }
}

/// Lets the server of a data directory read its configuration again.
///
/// The files are read first as the server would: with a mistake for which it
/// would take nothing of them, it is not told at all.
///
/// # Errors
///
/// [`ClusterError::BadConfiguration`] with file and line, a kind for each
/// state in which there is no server, [`ClusterError::WrongState`] if it is
/// starting or stopping, [`ClusterError::TimedOut`].
pub fn reload(
    data: &Path,
    options: &ReloadOptions<'_>,
    patience: &Patience<'_>,
) -> Result<Reloaded, ClusterError> {
    let server = probe(data)?.into_running(data)?;
    if matches!(server.phase, Phase::Starting | Phase::Stopping) {
        let problem = format!("the server is {}", server.phase);
        return Err(ClusterError::WrongState { problem, remedy: None });
    }
    let mut refused = reload_check(&server)?;
    let before = options.connection.map(Snapshot::read).transpose()?;
    let log = log_of(&server).map(|path| LogMark::now(&path, &server.directory.path));
    match options.tell {
        Some(tell) => tell()?,
        None => server
            .held
            .signal(Signal::HUP)
            .map_err(ClusterError::io("signal the server of", &server.directory.path))?,
    }
    let told = log.and_then(|it| listen(&it, patience));
    let mut result = Reloaded {
        pid: server.pid(),
        proof: Proof::Files,
        applied: Vec::new(),
        refused: Vec::new(),
        pending_restart: Vec::new(),
    };
    if let Some(messages) = &told {
        result.proof = Proof::Log;
        read_log(messages, &mut result);
    }
    if let (Some(before), Some(connection)) = (before, options.connection) {
        let silent = told.is_none();
        let after = wait_for_sql(&before, connection, patience, !silent || !refused.is_empty())?;
        result.proof = Proof::Sql;
        after.compare(&before, &mut result);
    }
    match result.proof {
        Proof::Files => result.refused.append(&mut refused),
        // Of a bad value the log tells neither file nor line; we know them.
        Proof::Log if !refused.is_empty() => {
            result.refused.retain(|it| !it.contains("for parameter \""));
            result.refused.append(&mut refused);
        }
        _ => {}
    }
    Ok(result)
}

/// Reads the files as a server would. Mistakes for which it would take nothing
/// are an error, others are returned.
///
/// # Errors
///
/// [`ClusterError::BadConfiguration`].
pub fn reload_check(server: &RunningServer) -> Result<Vec<String>, ClusterError> {
    let arguments = arguments(server.pid());
    let data = &server.directory.path;
    let sources = Sources::main(main_file(data, &arguments)).data(data);
    let mut sources = sources.arguments(arguments.iter().map(Vec::as_slice));
    // Allowed there, and only there.
    sources.command_line.retain(|it| it.0 != b"config_file");
    let configuration = Configuration::load(&sources, &Disk);
    let catalogue = Catalogue::built_in(server.directory.version.major());
    let problems = catalogue.check(&configuration);
    let mut all: Vec<_> = configuration.problems().iter().chain(&problems).collect();
    all.dedup();
    let stops: Vec<String> =
        all.iter().filter(|it| it.kind.stops_reload()).map(ToString::to_string).collect();
    if stops.is_empty() {
        Ok(all.iter().map(ToString::to_string).collect())
    } else {
        Err(ClusterError::BadConfiguration { lines: stops })
    }
}

/// The arguments that a process was started with.
fn arguments(pid: u32) -> Vec<Vec<u8>> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|it| *it == 0).skip(1).map(<[u8]>::to_vec).collect()
}

/// Where a server's `postgresql.conf` is: `config_file`, or in the directory
/// of `-D`, which need not be the data directory.
pub(super) fn main_file(data: &Path, arguments: &[Vec<u8>]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let path = |bytes: &[u8]| PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
    let given = Sources::main("").arguments(arguments.iter().map(Vec::as_slice)).command_line;
    if let Some((_, file)) = given.iter().rfind(|it| it.0 == b"config_file") {
        return data.join(path(file));
    }
    let mut home = data.to_owned();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix(b"-D") {
            Some(b"") => home = words.next().map_or(home, |it| data.join(path(it))),
            Some(rest) => home = data.join(path(rest)),
            None => {}
        }
    }
    home.join("postgresql.conf")
}

/// Where a server writes: the logging collector's file, or its standard error
/// if that is a file.
fn log_of(server: &RunningServer) -> Option<PathBuf> {
    log::collected(&server.directory.path).or_else(|| {
        let path = fs::read_link(format!("/proc/{}/fd/2", server.pid())).ok()?;
        (path.is_absolute() && path.is_file() && !path.starts_with("/dev")).then_some(path)
    })
}

/// Waits until the log tells that the files were read, and is silent.
fn listen(log: &LogMark, patience: &Patience<'_>) -> Option<Vec<Message>> {
    let patience = patience.at_most(Duration::from_secs(5));
    let mut seen = String::new();
    let mut changed = Instant::now();
    let heard = patience.until(("", ""), |_| {
        let now = log.since();
        if now != seen {
            seen = now;
            changed = Instant::now();
        }
        let complete = seen.contains(BEGINS) && changed.elapsed() >= SILENCE;
        Ok(complete.then(|| log::messages(&seen)))
    });
    heard.ok()
}

fn read_log(messages: &[Message], result: &mut Reloaded) {
    let begins = messages.iter().rposition(|it| it.text == BEGINS).unwrap_or(0);
    for message in &messages[begins..] {
        let text = &message.text;
        let quoted: Vec<&str> = text.split('"').collect();
        match quoted.as_slice() {
            ["parameter ", name, " changed to ", .., ""] => {
                let from = "parameter \"\" changed to \"".len() + name.len();
                let value = text.get(from..text.len() - 1).unwrap_or_default();
                result.applied.push(((*name).to_owned(), value.to_owned()));
            }
            ["parameter ", name, " removed from configuration file, reset to default"] => {
                result.applied.push(((*name).to_owned(), "its default".to_owned()));
            }
            ["parameter ", name, rest, ..] if rest.contains("without restarting the server") => {
                result.pending_restart.push((*name).to_owned());
            }
            _ if text.contains("contains errors") => {}
            _ if is_refusal(message) => result.refused.push(message.line()),
            _ => {}
        }
    }
}

fn is_refusal(message: &Message) -> bool {
    let parts = ["in file \"", "invalid value for parameter", "unrecognized configuration"];
    let more = ["was not reloaded", "is outside the valid range", "could not open configuration"];
    parts.iter().chain(&more).any(|it| message.text.contains(it))
        || message.context.as_deref().is_some_and(|it| it.contains("of configuration file"))
}

/// What a server says of its configuration.
struct Snapshot {
    loaded: String,
    settings: BTreeMap<String, (String, bool)>,
    errors: Vec<String>,
}

const SETTINGS: &str = "SELECT name, setting, pending_restart::text FROM pg_catalog.pg_settings \
                        WHERE source <> 'client' AND source <> 'session'";
const FILE_ERRORS: &str = "SELECT format('%s line %s: %s%s', sourcefile, sourceline, \
                           coalesce(name || ': ', ''), error) FROM pg_catalog.pg_file_settings \
                           WHERE error IS NOT NULL AND (name IS NULL OR name NOT IN (SELECT name \
                           FROM pg_catalog.pg_settings WHERE pending_restart))";
const RULE_ERRORS: &str = "SELECT format('%s line %s: %s', coalesce(current_setting('hba_file', \
                           true), 'pg_hba.conf'), line_number, error) FROM \
                           pg_catalog.pg_hba_file_rules WHERE error IS NOT NULL";

impl Snapshot {
    fn read(connection: &Connection) -> Result<Self, ClusterError> {
        let failed = |error: QueryError| ClusterError::Program {
            program: "asking the server".into(),
            message: error.to_string(),
        };
        let loaded = connection.simple("SELECT pg_catalog.pg_conf_load_time()").map_err(failed)?;
        let mut settings = BTreeMap::new();
        for row in connection.simple(SETTINGS).map_err(failed)? {
            if let [Some(name), Some(value), Some(pending)] = row.as_slice() {
                settings.insert(name.clone(), (value.clone(), pending == "true"));
            }
        }
        let mut errors = Vec::new();
        // Only a superuser may see these.
        for query in [FILE_ERRORS, RULE_ERRORS] {
            let rows = connection.simple(query).unwrap_or_default();
            errors.extend(rows.into_iter().filter_map(|it| it.into_iter().next().flatten()));
        }
        let loaded = loaded.into_iter().flatten().flatten().next().unwrap_or_default();
        Ok(Self { loaded, settings, errors })
    }

    fn compare(&self, before: &Self, result: &mut Reloaded) {
        result.applied.clear();
        result.pending_restart.clear();
        for (name, (value, pending)) in &self.settings {
            if before.settings.get(name).is_some_and(|it| it.0 != *value) {
                result.applied.push((name.clone(), value.clone()));
            }
            if *pending {
                result.pending_restart.push(name.clone());
            }
        }
        if !self.errors.is_empty() {
            result.refused.clone_from(&self.errors);
        }
    }
}

/// Waits until the session has read the files again. If the log has told
/// already, or the server may refuse all, the time does not have to move.
fn wait_for_sql(
    before: &Snapshot,
    connection: &Connection,
    patience: &Patience<'_>,
    lenient: bool,
) -> Result<Snapshot, ClusterError> {
    let limit = if lenient { Duration::from_secs(2) } else { patience.limit() };
    let began = Instant::now();
    loop {
        let now = Snapshot::read(connection)?;
        let moved = now.loaded != before.loaded;
        if moved
            || (lenient || !now.errors.is_empty())
                && began.elapsed() >= limit.min(Duration::from_secs(2))
        {
            return Ok(now);
        }
        if began.elapsed() >= limit {
            return Err(ClusterError::TimedOut {
                what: "the server did not read its configuration again".into(),
                limit,
                last: format!("read last at {}", now.loaded),
            });
        }
        if patience.is_cancelled() {
            return Err(ClusterError::Cancelled { what: "the server reloads".into() });
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_tells_what_came_of_it() {
        let log = format!(
            "LOG:  parameter \"old\" changed to \"1\"\nLOG:  {BEGINS}\n\
             LOG:  parameter \"work_mem\" changed to \"8 \"MB\"\"\n\
             LOG:  parameter \"port\" cannot be changed without restarting the server\n\
             LOG:  parameter \"x\" removed from configuration file, reset to default\n\
             LOG:  invalid value for parameter \"y\": \"z\"\n\
             LOG:  configuration file \"/d/postgresql.conf\" contains errors; unaffected changes were applied\n\
             LOG:  invalid authentication method \"q\"\n\
             CONTEXT:  line 3 of configuration file \"/d/pg_hba.conf\"\n"
        );
        let mut result = Reloaded {
            pid: 1,
            proof: Proof::Log,
            applied: Vec::new(),
            refused: Vec::new(),
            pending_restart: Vec::new(),
        };
        read_log(&log::messages(&log), &mut result);
        let applied: Vec<_> =
            result.applied.iter().map(|it| format!("{}={}", it.0, it.1)).collect();
        assert_eq!(applied, ["work_mem=8 \"MB\"", "x=its default"]);
        assert_eq!(result.pending_restart, ["port"]);
        assert_eq!(result.refused.len(), 2, "{:?}", result.refused);
        assert!(result.refused[1].contains("line 3"));
    }

    #[test]
    fn the_main_file_is_where_the_arguments_say() {
        let file = |words: &[&str]| {
            let words: Vec<Vec<u8>> = words.iter().map(|it| it.as_bytes().to_vec()).collect();
            main_file(Path::new("/data"), &words).display().to_string()
        };
        assert_eq!(file(&["-D", "/data"]), "/data/postgresql.conf");
        assert_eq!(file(&["-D/etc/pg"]), "/etc/pg/postgresql.conf");
        assert_eq!(file(&["-D", "/data", "-c", "config_file=/etc/x.conf"]), "/etc/x.conf");
    }
}
