//! The command `hayloft pg snapshot begin`.

use std::{io::Write, thread, time::Duration};

use hayloft_plugin_api::{CommandSpec, Error, ErrorKind, Event, Host, Result};
use hayloft_postgres::snapshot::{
    Phase, Place, Process, Question, Record, SnapshotError, ask, check_output,
};

use super::{
    Call, Subcommand, failed, judge,
    options::{self, Options},
    report,
    source::{self, Source},
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "begin", spec, run };

/// How often it is looked whether the session is there.
const PULSE: Duration = Duration::from_millis(20);

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Begin a backup; a process of its own holds the session".to_owned(),
        long_about: "Begins a backup. When this returns with exit code 0, the files can be copied \
                     or snapshotted; `end` ends it. The session is held by a process that goes on \
                     by itself, so this can be called from scripts and pipes. A second session is \
                     refused while one is held. If the session is lost, or the deadline passes, \
                     the backup is void, and `end` says so."
            .to_owned(),
        arguments: source::arguments().into_iter().chain(options::arguments()).collect(),
        after_help:
            "Examples:\n  hayloft pg snapshot begin main --output /backup/label && \\\n    \
                     zfs snapshot -r tank/pg@night && hayloft pg snapshot end main\n  \
                     hayloft pg snapshot begin main --deadline 30m --json"
                .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let source = options::source(call)?;
    let place = source.place(call.host, call.arguments.get("state-dir"))?;
    let options = Options::read(call, &source.name())?;
    let record = begin(call.host, &source, &place, &options, &call.request.run_id)?;
    let text = report::text_or_json(Some(&record), call.arguments.json)?;
    tell(call.host, &source, &place, &record, text.as_bytes())?;
    Ok(0)
}

/// Tells that the session has begun. Whoever cannot be told takes it for
/// failed and does not end it, so it is given up; a reader that has seen enough
/// is another thing.
pub(super) fn tell(
    host: &Host,
    source: &Source,
    place: &Place,
    record: &Record,
    text: &[u8],
) -> Result<()> {
    let mut output = host.standard_output()?;
    let Err(error) = output.write_all(text).and_then(|()| output.flush()).map_err(Error::from)
    else {
        return Ok(());
    };
    if error.kind() == ErrorKind::CANCELLED {
        return Ok(());
    }
    let question = Question::Abort { id: Some(record.id.clone()) };
    // It is not held any more if nobody answers.
    drop(ask(place, &question, &patience()));
    emit_end(host, source, &record.id, "failed");
    Err(error.context("the backup was given up"))
}

/// Begins a session in a process of its own; returns when files can be copied.
pub(super) fn begin(
    host: &Host,
    source: &Source,
    place: &Place,
    options: &Options,
    id: &str,
) -> Result<Record> {
    prepare(host, source, place, options, id)?;
    let state = place.directory().to_string_lossy();
    let arguments = options.for_holder(source, id, &state);
    let pid = host.detach("pg", &arguments, &place.log_file())?;
    let process = Process::read(pid);
    let alive = || process.is_some_and(Process::is_alive);
    let begun = wait(host, place, id, &alive);
    if begun.is_err() {
        emit_end(host, source, id, "failed");
    }
    begun
}

/// Looks whether a session can begin, and asks the hooks.
pub(super) fn prepare(
    host: &Host,
    source: &Source,
    place: &Place,
    options: &Options,
    id: &str,
) -> Result<()> {
    options.check()?;
    if let Some(output) = &options.output {
        check_output(output).map_err(|e| failed(&e))?;
    }
    if let Some(record) = place.current().map_err(|e| failed(&e))?
        && !record.phase.is_final()
    {
        return Err(failed(&SnapshotError::Held(report::who(&record))).hint(format!(
            "end it with `hayloft pg snapshot end {0}`, or give it up with \
                           `hayloft pg snapshot abort {0}`",
            source.word()
        )));
    }
    host.emit(&Event::new("pre_snapshot").field("server", source.name()).field("id", id))
}

/// Tells the hooks how it ended.
pub(super) fn emit_end(host: &Host, source: &Source, id: &str, outcome: &str) {
    let event = Event::new("post_snapshot").field("server", source.name()).field("id", id);
    if let Err(error) = host.emit(&event.field("outcome", outcome)) {
        tracing::warn!("{error}");
    }
}

/// Waits until the session has begun, or did not.
pub(super) fn wait(
    host: &Host,
    place: &Place,
    id: &str,
    alive: &dyn Fn() -> bool,
) -> Result<Record> {
    loop {
        let was_alive = alive();
        let record = if was_alive { place.record() } else { place.current() };
        let record = record.map_err(|e| failed(&e))?.filter(|it| it.id == id);
        if let Some(record) = record {
            match record.phase {
                Phase::Starting => {}
                phase if phase.is_final() => return Err(judge::not_begun(&record)),
                _ => return Ok(record),
            }
        }
        if let Some(why) = place.take_refusal(id) {
            return Err(Error::msg(why).context("the snapshot session did not begin"));
        }
        if !was_alive {
            return Err(Error::msg("the process that was to hold the session ended at once")
                .hint(format!("look into {}", place.log_file().display())));
        }
        if host.cancelled() {
            // It ends by itself if it cannot be asked: it sees no end otherwise.
            let question = Question::Abort { id: Some(id.to_owned()) };
            drop(ask(place, &question, &patience()));
            return Err(Error::new(ErrorKind::CANCELLED, "interrupted"));
        }
        thread::sleep(PULSE);
    }
}

/// A few seconds.
pub(super) fn patience() -> impl Fn() -> bool {
    let began = std::time::Instant::now();
    move || began.elapsed() < Duration::from_secs(5)
}
