//! The command `hayloft pg snapshot end`.

use std::path::PathBuf;

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Host, Result};
use hayloft_postgres::snapshot::{Phase, Place, Question, Record, SnapshotError, ask};

use super::{
    Call, Subcommand, begin, failed, judge, options, report,
    source::{self, Source},
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "end", spec, run };

fn spec() -> CommandSpec {
    let more = [
        Argument::option("id", "ID", "The session that is meant, as `begin` has told it"),
        Argument::option("output", "DIR", "Where backup_label and tablespace_map are put")
            .short('o'),
        Argument::option("wait", "TIME", "How long to wait until the WAL is archived"),
    ];
    CommandSpec {
        about: "End the backup: label, tablespace map, WAL range".to_owned(),
        long_about: "Ends the backup, writes what the server says into the files backup_label and \
                     tablespace_map, and waits until all its WAL is archived. Exit code 0 means \
                     that the snapshot is a backup once these files are put into it, 7 that it is \
                     one if its WAL is kept elsewhere, which nobody could check. Anything else \
                     means that it is none. Called again with the same --id, it tells the same."
            .to_owned(),
        arguments: source::arguments().into_iter().chain(more).collect(),
        after_help: "Examples:\n  hayloft pg snapshot end main\n  \
                     hayloft pg snapshot end main --output /backup/label --wait 10m --json"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let source = options::source(call)?;
    let place = source.place(call.host, call.arguments.get("state-dir"))?;
    let asked = Asked {
        id: call.arguments.get("id").map(ToOwned::to_owned),
        output: options::path(call.arguments, "output")?,
        wait: options::time(call.arguments, "wait")?.map(|it| it.as_secs()),
    };
    let record = end(call.host, &source, &place, asked)?;
    call.host.print(report::text_or_json(Some(&record), call.arguments.json)?)?;
    judge::judge(&record)
}

/// What is asked of the end.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) id: Option<String>,
    pub(super) output: Option<PathBuf>,
    pub(super) wait: Option<u64>,
}

/// Ends the session and returns what came of it, good or not.
pub(super) fn end(host: &Host, source: &Source, place: &Place, asked: Asked) -> Result<Record> {
    let known = place.current().map_err(|e| failed(&e))?;
    let known = known.ok_or_else(|| failed(&SnapshotError::None(String::new())))?;
    if known.phase == Phase::Complete && !known.is_of_here() {
        let text =
            format!("; {} was held on another machine, or before this one started", known.id);
        let hint = "a clone has the files of the original, but its backup is not this server's: \
                    begin one here";
        return Err(failed(&SnapshotError::None(text)).hint(hint));
    }
    if known.phase.is_final() {
        return if asked.id.as_ref() == Some(&known.id) || known.phase != Phase::Complete {
            Ok(known)
        } else {
            let text = format!("; the last one, {}, came to its end already", known.id);
            let hint = format!("name it with `--id {}` to see what came of it", known.id);
            Err(failed(&SnapshotError::None(text)).hint(hint))
        };
    }
    let id = known.id.clone();
    let Asked { id: meant, output, wait } = asked;
    let answer = ask(place, &Question::End { id: meant, output, wait }, &|| !host.cancelled());
    let record = match answer {
        Ok(answer) => match answer.refused {
            Some(why) => return Err(Error::msg(why).context("the backup was not ended")),
            None => answer.record,
        },
        Err(_) if host.cancelled() => return Err(Error::new(ErrorKind::CANCELLED, "interrupted")),
        Err(error) => became(place, &id).ok_or_else(|| failed(&error))?,
    };
    begin::emit_end(host, source, &record.id, record.phase.as_str());
    Ok(record)
}

/// What became of a session whose process did not answer.
pub(super) fn became(place: &Place, id: &str) -> Option<Record> {
    let wanted = begin::patience();
    while wanted() {
        let record = place.current().ok().flatten();
        if let Some(record) = record.filter(|it| it.id == id && it.phase.is_final()) {
            return Some(record);
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    None
}
