//! The command `hayloft pg snapshot run`.

use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Host, Result};
use hayloft_postgres::snapshot::{HoldOptions, Place, Question, Record, SnapshotError, ask, hold};

use super::{
    Call, Subcommand, begin, chain, end, failed,
    hold::hold_options,
    judge,
    options::{self, Options},
    report,
    source::{self, Source},
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "run", spec, run };

fn spec() -> CommandSpec {
    let command = Argument::positional(
        "command",
        "COMMAND",
        "The program that makes the snapshot, and its arguments; no shell is in between",
    );
    let arguments = source::arguments().into_iter().chain(options::arguments());
    CommandSpec {
        about: "Begin a backup, run a command that makes a snapshot, end the backup".to_owned(),
        long_about: "Begins a backup, runs a command, and ends the backup. If the command fails, \
                     the backup is given up. The session ends with this program, so nothing stays \
                     behind. The command gets HAYLOFT_SNAPSHOT_ID, HAYLOFT_SNAPSHOT_SERVER, \
                     HAYLOFT_SNAPSHOT_START_LSN, HAYLOFT_SNAPSHOT_START_WAL and \
                     HAYLOFT_SNAPSHOT_OUTPUT, the directory that backup_label and tablespace_map \
                     are put into when it has ended well. What it writes is shown; with --json it \
                     goes to the log. Exit codes are those of `end`."
            .to_owned(),
        arguments: arguments.chain([command.required().multiple()]).collect(),
        after_help:
            "Examples:\n  hayloft pg snapshot run main -- zfs snapshot -r tank/pg@night\n  \
                     hayloft pg snapshot run main --output /mnt/label -- \\\n    \
                     lvcreate --snapshot --size 5G --name night vg/pg\n  \
                     hayloft pg snapshot run main -- btrfs subvolume snapshot -r /pg /snap/night"
                .to_owned(),
        ..CommandSpec::default()
    }
}

/// A session that is held by this process.
struct Own {
    thread: JoinHandle<std::result::Result<Record, SnapshotError>>,
    over: Arc<AtomicBool>,
}

impl Own {
    fn begin(place: &Place, options: HoldOptions) -> Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let (place, cancelled) = (place.clone(), Arc::clone(&over));
        let work = move || {
            let cancelled = || cancelled.load(Ordering::Acquire);
            hold(&place, &options, &cancelled, &|text| tracing::info!("{text}"))
        };
        let thread = thread::Builder::new().name("snapshot".to_owned()).spawn(work)?;
        Ok(Self { thread, over })
    }

    fn is_alive(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Returns what became of it; it is told to end if it has not.
    fn finish(self) -> Result<Record> {
        self.over.store(true, Ordering::Release);
        match self.thread.join() {
            Ok(record) => record.map_err(|e| failed(&e)),
            Err(_) => Err(Error::msg("the thread that held the session crashed")),
        }
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let host = call.host;
    let source = options::source(call)?;
    let place = source.place(host, call.arguments.get("state-dir"))?;
    let options = Options::read(call, &source.name())?;
    let id = call.request.run_id.as_str();
    begin::prepare(host, &source, &place, &options, id)?;
    let own = Own::begin(&place, hold_options(&source, &options, id, &place)?)?;
    let done = inside(call, &source, &place, &own, id);
    let ended = own.finish();
    let outcome = ended.as_ref().map_or("failed", |it| it.phase.as_str());
    begin::emit_end(host, &source, id, outcome);
    // Why it is not good is worth more than that it is not.
    let record = match done {
        Ok(record) => record,
        Err(error) => return Err(ended.err().unwrap_or(error)),
    };
    host.print(report::text_or_json(Some(&record), call.arguments.json)?)?;
    judge::judge(&record)
}

fn inside(call: &Call<'_>, source: &Source, place: &Place, own: &Own, id: &str) -> Result<Record> {
    let host = call.host;
    let record = begin::wait(host, place, id, &|| own.is_alive())?;
    let done = command(call, source, &record);
    if let Err(error) = done {
        let question = Question::Abort { id: Some(id.to_owned()) };
        let lost = match ask(place, &question, &begin::patience()) {
            Ok(_) => None,
            Err(_) => end::became(place, id).and_then(|it| judge::judge(&it).err()),
        };
        let void = lost.map(|it| it.to_string());
        let text =
            void.map_or("the backup was given up".to_owned(), |it| format!("meanwhile {it}"));
        return Err(error.context(text));
    }
    let question = Question::End { id: Some(id.to_owned()), output: None, wait: None };
    match ask(place, &question, &|| !host.cancelled()) {
        Ok(answer) => match answer.refused {
            None => Ok(answer.record),
            Some(why) => Err(Error::msg(why).context("the backup was not ended")),
        },
        Err(_) if host.cancelled() => Err(Error::new(ErrorKind::CANCELLED, "interrupted")),
        Err(error) => end::became(place, id)
            .ok_or_else(|| Error::msg(chain(&error)).context("the backup was not ended")),
    }
}

/// Runs the command that makes the snapshot.
fn command(call: &Call<'_>, source: &Source, record: &Record) -> Result<()> {
    let words = call.arguments.all("command");
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| Error::msg("no command is given that makes the snapshot"))?;
    let start = |it: &Option<String>| it.clone().unwrap_or_default();
    let command = call
        .host
        .process(program)
        .args(arguments.to_vec())
        .env("HAYLOFT_SNAPSHOT_ID", record.id.as_str())
        .env("HAYLOFT_SNAPSHOT_SERVER", source.name())
        .env("HAYLOFT_SNAPSHOT_START_LSN", start(&record.start_lsn))
        .env("HAYLOFT_SNAPSHOT_START_WAL", start(&record.start_wal))
        .env("HAYLOFT_SNAPSHOT_OUTPUT", record.output.to_string_lossy());
    if call.arguments.json {
        return command.run();
    }
    let mut process = command.spawn()?;
    show(call.host, &mut process)?;
    process.finish()
}

fn show(host: &Host, from: &mut impl Read) -> Result<()> {
    let mut buffer = [0; 8192];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            n => host.print(&buffer[..n])?,
        }
    }
}
