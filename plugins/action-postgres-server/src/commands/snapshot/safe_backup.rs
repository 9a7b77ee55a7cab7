//! `pgpre` and `pgpost`, as safe-backup has them.

use std::{env, fs, time::Duration};

use hayloft_plugin_api::{
    Argument, Arguments, Command, CommandSpec, Error, ErrorKind, Host, Request, Result,
};
use hayloft_postgres::{
    connection::Connection,
    snapshot::{Phase, Place, Record, SnapshotError, Table, TableState},
};

use super::{
    begin, chain,
    end::{self, Asked},
    failed, judge,
    options::Options,
    source::Source,
};
use crate::config::PostgresServers;

/// How long safe-backup waits until the WAL is archived.
const WAIT: Duration = Duration::from_mins(1);

/// How long the table may take to hear of a failure.
const TABLE: Duration = Duration::from_secs(5);

const ENVIRONMENT: &str = "The server is that of PGHOST, PGPORT, PGUSER (postgres if unset) and \
    PGDATABASE (postgres if unset), and of the other variables and files of libpq.";

/// The command `pgpre`: begins a backup. It takes nothing from the section.
#[derive(Debug)]
pub struct PgPre;

/// The command `pgpost`: ends it. It takes nothing from the section.
#[derive(Debug)]
pub struct PgPost;

impl Command for PgPre {
    type Config = PostgresServers;

    fn spec() -> CommandSpec {
        CommandSpec {
            about: "Begin a backup as safe-backup's pgpre.sh does".to_owned(),
            long_about: format!(
                "Begins a backup, prints `backup starting location: ` and the position, and \
                 returns; pgpost ends it. {ENVIRONMENT} A backup that runs longer than \
                 backup_timeout seconds is given up; 0 or unset is never. The table `backup` says \
                 how it is, as safe-backup's does."
            ),
            after_help: "Examples:\n  PGHOST=/run/postgresql backup_timeout=3600 pgpre".to_owned(),
            ..CommandSpec::default()
        }
    }

    fn new(_: PostgresServers) -> Result<Self> {
        Ok(Self)
    }

    fn run(&self, host: &Host, request: &Request, _: &Arguments) -> Result<u8> {
        let now = &request.now;
        let options = Options {
            label: format!(
                "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
                now.year, now.month, now.day, now.hour, now.minute, now.second
            ),
            output: None,
            deadline: timeout()?,
            wait: WAIT,
            spread: false,
            table: true,
        };
        let (source, place) = place(host)?;
        let record = begin::begin(host, &source, &place, &options, &request.run_id)?;
        let start = record.start_lsn.clone().unwrap_or_default();
        let text = format!("backup starting location: {start}\n");
        begin::tell(host, &source, &place, &record, text.as_bytes())?;
        Ok(0)
    }
}

impl Command for PgPost {
    type Config = PostgresServers;

    fn spec() -> CommandSpec {
        CommandSpec {
            about: "End a backup as safe-backup's pgpost.sh does".to_owned(),
            long_about: format!(
                "Ends the backup that pgpre has begun, and prints the label, byte for byte. It \
                 waits up to a minute until all WAL is archived. Called again, it prints the \
                 same. {ENVIRONMENT}"
            ),
            arguments: vec![
                Argument::positional(
                    "start",
                    "LSN",
                    "The position that pgpre printed: fail unless it is this backup's",
                ),
                Argument::option("label-file", "FILE", "Put the label there too"),
                Argument::option(
                    "map-file",
                    "FILE",
                    "Put the tablespace map there, if there is one",
                ),
            ],
            after_help: "Examples:\n  pgpost > /backup/data/backup_label".to_owned(),
            ..CommandSpec::default()
        }
    }

    fn new(_: PostgresServers) -> Result<Self> {
        Ok(Self)
    }

    fn run(&self, host: &Host, _: &Request, arguments: &Arguments) -> Result<u8> {
        let (source, place) = place(host)?;
        let record = finish(host, &source, &place, arguments.get("start"))
            .map_err(|error| error.context("Backup failed"))?;
        let label = text(record.label_file.as_deref())?;
        for (name, file) in [("label-file", &record.label_file), ("map-file", &record.map_file)] {
            if let (Some(path), Some(_)) = (arguments.get(name), file) {
                write(host, path, &text(file.as_deref())?)?;
            }
        }
        if arguments.json {
            host.print(super::report::text_or_json(Some(&record), true)?)?;
        } else {
            host.print(label)?;
        }
        Ok(0)
    }
}

/// Reads `backup_timeout`: seconds, 0 for never.
fn timeout() -> Result<Option<Duration>> {
    let text = env::var("backup_timeout").unwrap_or_default();
    if text.trim().is_empty() {
        return Ok(None);
    }
    let seconds: u64 = text.trim().parse().map_err(|_| {
        Error::new(ErrorKind::CONFIGURATION, format!("backup_timeout is `{text}`"))
            .hint("set it to a number of seconds, or to 0 for no limit")
    })?;
    Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
}

fn place(host: &Host) -> Result<(Source, Place)> {
    let source = Source::Environment(true);
    let place = source.place(host, None)?;
    Ok((source, place))
}

/// Ends the session if it is held, and returns what came of it if that is good.
fn finish(host: &Host, source: &Source, place: &Place, start: Option<&str>) -> Result<Record> {
    let known = place.current().map_err(|e| failed(&e))?;
    let known = known
        .ok_or_else(|| failed(&SnapshotError::None(String::new())).hint("begin one with pgpre"))?;
    if let Some(start) = start
        && known.start_lsn.as_deref() != Some(start)
    {
        let its = known.start_lsn.unwrap_or_else(|| "nowhere".to_owned());
        return Err(Error::msg(format!("the backup began at {its}, not at {start}"))
            .hint("somebody else has begun one since: throw the copy away"));
    }
    let asked = Asked { id: Some(known.id), ..Asked::default() };
    let record = end::end(host, source, place, asked)?;
    if record.phase == Phase::Complete {
        return Ok(record);
    }
    tell_table(source, &record);
    Err(judge::judge(&record).err().unwrap_or_else(|| Error::msg("it is not complete")))
}

/// Lets the table say that the backup failed: a process that was killed could
/// not. It is a report, so what goes wrong here changes nothing.
fn tell_table(source: &Source, record: &Record) {
    let Some(pid) = record.backend_pid.filter(|_| !record.standby) else { return };
    let told = source.target().map_err(|e| e.to_string()).and_then(|target| {
        let connection = Connection::open_within(&target, Some(TABLE)).map_err(|e| chain(&e))?;
        connection.set_limit(TABLE);
        Table.end(&connection, pid, TableState::Failed, None).map_err(|e| chain(&e))
    });
    if let Err(why) = told {
        tracing::warn!("the table `backup` does not say that the backup failed: {why}");
    }
}

fn text(path: Option<&std::path::Path>) -> Result<Vec<u8>> {
    let path = path.ok_or_else(|| Error::msg("there is no label"))?;
    fs::read(path).map_err(|e| Error::from(e).context(format!("cannot read {}", path.display())))
}

fn write(host: &Host, path: &str, content: &[u8]) -> Result<()> {
    use std::io::Write;
    let options =
        hayloft_plugin_api::OutputOptions { give_to_backup_user: false, ..Default::default() };
    let mut file = host.create(&std::path::absolute(path)?, &options)?;
    file.write_all(content)?;
    file.commit().map(drop)
}
