//! `hayloft status`.

use std::{collections::BTreeMap, fmt::Write, process::ExitCode};

use hayloft_plugin_api::{Event, Note, Verdict};
use serde::Serialize;

use super::Context;
use crate::{
    cli::{StatusArgs, write_json, write_out},
    engine::{TaskEnd, attempt},
    failure::{Failure, Kind},
    history::{History, RunRecord, Status},
    notes::Notes,
    worker::protocol::{Done, Task},
};

/// What is known of one action.
#[derive(Debug, Default, Serialize)]
struct ActionState {
    last_run: Option<i64>,
    last_status: Option<Status>,
    last_done: Option<i64>,
    last_seconds: f64,
    last_summary: String,
    last_error: Option<String>,
    /// Until when what it wrote cannot be removed, as it was told by whoever
    /// keeps it: the latest time of all runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    protected_until: Option<String>,
    overdue: bool,
}

/// The whole answer.
#[derive(Debug, Serialize)]
struct Report<'a> {
    actions: &'a BTreeMap<String, ActionState>,
    notes: &'a [Note],
    runs: &'a [RunRecord],
}

pub(crate) fn run(context: &Context, args: &StatusArgs) -> Result<ExitCode, Failure> {
    let setup = context.setup()?;
    let settings =
        setup.settings().map_err(|error| super::config::failure(Some(setup.document()), error))?;
    let records = History::new(&settings.working_dir).all()?;
    let patience = i64::from(args.overdue_after) * 3600;
    let actions = states(&records, context.now().unix_seconds(), patience);
    let notes = Notes::new(&settings.working_dir).all()?;
    let last = &records[records.len().saturating_sub(args.last)..];
    if context.global().json {
        write_json(&Report { actions: &actions, notes: &notes, runs: last })?;
    } else if args.prometheus {
        write_out((prometheus(&actions) + &figures(&notes)).as_bytes())?;
    } else if !context.global().quiet {
        write_out((table(&actions, last) + &shown(&notes)).as_bytes())?;
    }
    tell_overdue(context, &actions)?;
    let bad = actions.values().any(|it| it.overdue || it.last_status == Some(Status::Failed))
        || notes.iter().any(|it| it.trouble.is_some());
    Ok(ExitCode::from(if bad { Kind::Warnings.code() } else { 0 }))
}

fn states(records: &[RunRecord], now: i64, patience: i64) -> BTreeMap<String, ActionState> {
    let mut states: BTreeMap<String, ActionState> = BTreeMap::new();
    for record in records {
        for action in record.actions.iter().filter(|it| it.status != Status::Skipped) {
            let state = states.entry(action.action.clone()).or_default();
            state.last_run = Some(record.started_unix);
            state.last_status = Some(action.status);
            state.last_seconds = action.seconds;
            state.last_summary.clone_from(&action.summary);
            state.last_error.clone_from(&action.error);
            // Both are written in the same way, so that the later one is greater.
            let until = action.values.get("protected_until");
            if until > state.protected_until.as_ref() {
                state.protected_until = until.cloned();
            }
            if action.status.is_done() {
                state.last_done = Some(record.started_unix);
            }
        }
    }
    for state in states.values_mut() {
        state.overdue = state.last_done.is_none_or(|done| now - done > patience);
    }
    states
}

fn table(actions: &BTreeMap<String, ActionState>, runs: &[RunRecord]) -> String {
    if actions.is_empty() {
        return "nothing has run yet; try `hayloft run collect`\n".to_owned();
    }
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["ACTION", "LAST", "ENDED", "TOOK", ""]);
    for (name, state) in actions {
        let note = match (state.overdue, &state.last_error) {
            (_, Some(error)) => error.lines().next().unwrap_or_default().to_owned(),
            (true, None) => "OVERDUE".to_owned(),
            (false, None) => state.last_summary.clone(),
        };
        table.add_row([
            name.clone(),
            state.last_run.map(when).unwrap_or_default(),
            state.last_status.map_or("", Status::word).to_owned(),
            format!("{:.1} s", state.last_seconds),
            note,
        ]);
    }
    let mut text = format!("{table}\n\n");
    for (name, state) in actions {
        if let Some(until) = &state.protected_until {
            text.extend([format!("what {name} wrote is protected until {until}\n\n")]);
        }
    }
    text.push_str("last runs:\n");
    for run in runs {
        let names: Vec<&str> = run.actions.iter().map(|it| it.action.as_str()).collect();
        let names = names.join(" ");
        text.extend([format!(
            "  {}  exit code {}  {:.1} s  {names}\n",
            run.started, run.exit_code, run.seconds
        )]);
    }
    text
}

fn when(unix_seconds: i64) -> String {
    jiff::Timestamp::from_second(unix_seconds)
        .map(|at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string())
        .unwrap_or_default()
}

/// What plugins have told.
fn shown(notes: &[Note]) -> String {
    let mut text = if notes.is_empty() { String::new() } else { "\nlast known:\n".to_owned() };
    for note in notes {
        let done = note.done_unix.map_or_else(|| "never".to_owned(), when);
        let trouble = note.trouble.as_ref().map(|it| format!("; the last try failed: {it}"));
        text.extend([format!("  {}: {done}{}\n", note.what, trouble.unwrap_or_default())]);
    }
    text
}

/// When what plugins have told was last done, in the text format of Prometheus.
fn figures(notes: &[Note]) -> String {
    let mut text = String::new();
    if !notes.is_empty() {
        text.push_str("# HELP hayloft_note_done_seconds When it was last done.\n");
        text.push_str("# TYPE hayloft_note_done_seconds gauge\n");
    }
    for note in notes {
        let what = note.what.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        if let Some(done) = note.done_unix {
            text.extend([format!("hayloft_note_done_seconds{{what=\"{what}\"}} {done}\n")]);
        }
    }
    text
}

/// Metrics in the text format of Prometheus.
fn prometheus(actions: &BTreeMap<String, ActionState>) -> String {
    let mut text = String::new();
    let mut metric = |name: &str, help: &str, value: &dyn Fn(&ActionState) -> Option<f64>| {
        let mut lines = String::new();
        for (action, state) in actions {
            if let Some(value) = value(state) {
                // Writing to a string cannot fail.
                let _ = writeln!(lines, "hayloft_{name}{{action=\"{action}\"}} {value}");
            }
        }
        let _ = write!(text, "# HELP hayloft_{name} {help}\n# TYPE hayloft_{name} gauge\n{lines}");
    };
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
    let seconds = |at: Option<i64>| at.map(|at| at as f64);
    metric("action_last_run_seconds", "When the action last ran.", &|it| seconds(it.last_run));
    metric("action_last_success_seconds", "When the action was last done.", &|it| {
        seconds(it.last_done)
    });
    metric("action_duration_seconds", "How long its last run took.", &|it| Some(it.last_seconds));
    metric("action_ok", "Whether its last run did everything.", &|it| {
        it.last_status.map(|status| f64::from(u8::from(status.is_done())))
    });
    metric("action_overdue", "Whether it was last done too long ago.", &|it| {
        Some(f64::from(u8::from(it.overdue)))
    });
    text
}

/// Runs the hooks of `on_overdue`.
fn tell_overdue(context: &Context, actions: &BTreeMap<String, ActionState>) -> Result<(), Failure> {
    for (name, state) in actions.iter().filter(|(_, it)| it.overdue) {
        let event = Event::new("on_overdue")
            .field("action", name)
            .field("last_done", state.last_done.map(|it| it.to_string()).unwrap_or_default());
        if context.setup()?.hooks_for(&event).is_empty() {
            continue;
        }
        let end =
            attempt(context, "hooks of on_overdue", Task::Event { event, strict: false }, None)?;
        let trouble = match end {
            TaskEnd::Failed(error) => Some(error.to_string()),
            TaskEnd::Done(done) => match *done {
                Done::Event(Verdict::Veto(reason)) => Some(reason),
                _ => None,
            },
            TaskEnd::Interrupted => None,
        };
        if let Some(trouble) = trouble {
            context.log().screen().trouble(&trouble);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::ActionRecord;

    fn record(started_unix: i64, status: Status) -> RunRecord {
        let action = ActionRecord {
            action: "collect".to_owned(),
            status,
            seconds: 2.0,
            summary: "3 files".to_owned(),
            warnings: Vec::new(),
            incomplete: false,
            vetoed: false,
            causes: Vec::new(),
            error: None,
            hint: None,
            values: BTreeMap::new(),
        };
        RunRecord {
            run: "x".to_owned(),
            started: String::new(),
            started_unix,
            seconds: 2.0,
            full: false,
            exit_code: 0,
            actions: vec![action],
        }
    }

    #[test]
    fn an_action_is_overdue_when_it_was_last_done_too_long_ago() {
        let records = [record(1000, Status::Ok), record(2000, Status::Failed)];
        for (now, overdue) in [(1500, false), (2000, false), (2001, true)] {
            let states = states(&records, now, 1000);
            assert_eq!(states["collect"].overdue, overdue, "{now}");
            assert_eq!(states["collect"].last_status, Some(Status::Failed));
            assert_eq!(states["collect"].last_done, Some(1000));
        }
    }

    #[test]
    fn the_latest_time_of_protection_is_shown() {
        let until = |started, until: Option<&str>| {
            let mut record = record(started, Status::Ok);
            let values = until.map(|it| ("protected_until".to_owned(), it.to_owned()));
            record.actions[0].values = values.into_iter().collect();
            record
        };
        let (early, late) = ("2026-12-01T02:00:00Z", "2027-01-01T02:00:00Z");
        let records = [until(1, Some(early)), until(2, Some(late)), until(3, None)];
        let states = states(&records, 1000, 10_000);
        assert_eq!(states["collect"].protected_until.as_deref(), Some(late));
        let text = table(&states, &records);
        assert!(text.contains(&format!("what collect wrote is protected until {late}")), "{text}");
    }

    #[test]
    fn what_plugins_have_told_is_shown_with_what_came_in_the_way() {
        let note = |what: &str, done_unix, trouble: Option<&str>| Note {
            what: what.to_owned(),
            done_unix,
            trouble: trouble.map(ToOwned::to_owned),
        };
        assert_eq!((shown(&[]), figures(&[])), (String::new(), String::new()));
        let notes = [note("\"a\" was proven", Some(0), None), note("b", None, Some("a gap"))];
        let text = shown(&notes);
        assert!(text.contains("  \"a\" was proven: 19"), "{text}");
        assert!(text.ends_with("  b: never; the last try failed: a gap\n"), "{text}");
        let last = "hayloft_note_done_seconds{what=\"\\\"a\\\" was proven\"} 0\n";
        assert!(figures(&notes).ends_with(last), "{}", figures(&notes));
    }

    #[test]
    fn metrics_have_the_form_that_prometheus_reads() {
        let text = prometheus(&states(&[record(1000, Status::Ok)], 1000, 10));
        assert!(
            text.contains(
                "# TYPE hayloft_action_ok gauge\nhayloft_action_ok{action=\"collect\"} 1\n"
            )
        );
    }
}
