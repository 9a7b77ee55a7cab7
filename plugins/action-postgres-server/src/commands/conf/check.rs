//! The command `hayloft pg conf check`.

use std::fmt::Write as _;

use std::path::PathBuf;

use hayloft_plugin_api::{CommandSpec, Result};
use hayloft_postgres::{
    conf::{Configuration, Context, Location, Problem},
    tree::Disk,
};
use serde_json::{Value, json};

use super::text;
use crate::commands::{
    Call, Subcommand,
    place::{self, Place, Stop, What},
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "check", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "List every mistake in the files".to_owned(),
        long_about: "Reads everything that the server would read, and lists every mistake with \
                     file and line: lines that are no settings, files that are missing, unknown \
                     parameters, values that cannot be. The server need not run; with --server it \
                     is asked as well, for what only it knows. The exit code is 4 if there are \
                     mistakes."
            .to_owned(),
        arguments: place::arguments(What::Conf),
        after_help: "Examples:\n  hayloft pg conf check -D /var/lib/postgresql/15/main\n  \
                     hayloft pg conf check --file postgresql.conf --server-version 18 --json\n  \
                     hayloft pg conf check --server main"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    place::end(check(call))
}

fn check(call: &Call<'_>) -> Result<u8, Stop> {
    let place = place::find(call, What::Conf)?;
    let mut sources = place.sources();
    if place.edited != place.main {
        sources = hayloft_postgres::conf::Sources::main(&place.edited);
    }
    let configuration = Configuration::load(&sources, &Disk);
    let catalogue = place.catalogue()?;
    let mut problems = catalogue.check(&configuration);
    problems.sort_by(|a, b| a.at.cmp(&b.at));
    let told = told_by_server(&place, &problems, &catalogue);
    let pending = pending(&place)?;
    let bad = problems.len() + told.len();
    let text = if call.arguments.json {
        let told = told.iter().map(|(at, message)| {
            json!({ "file": at.file.to_string_lossy(), "line": at.line, "message": message })
        });
        let all: Vec<Value> = problems.iter().map(text::problem).chain(told).collect();
        let files: Vec<_> = configuration.files().iter().map(|it| it.to_string_lossy()).collect();
        let document = json!({
            "ok": bad == 0,
            "version": place.version.major_text(),
            "version_known": place.version_known,
            "files": files,
            "problems": all,
            "pending_restart": pending,
        });
        serde_json::to_string_pretty(&document)? + "\n"
    } else {
        let mut out = place::lines(&problems);
        out.extend(told.iter().map(|(at, message)| format!("{at}: the server says: {message}\n")));
        out.extend(pending.iter().map(|it| format!("{it} waits for a restart of the server\n")));
        let assumed = if place.version_known { "" } else { " (assumed; see --server-version)" };
        let _ = writeln!(
            out,
            "{} in {} for PostgreSQL {}{assumed}",
            counted(bad, "mistake"),
            counted(configuration.files().len(), "file"),
            place.version.major_text(),
        );
        out
    };
    call.host.print(text)?;
    Ok(if bad == 0 { 0 } else { 4 })
}

fn counted(count: usize, noun: &str) -> String {
    match count {
        0 => format!("no {noun}"),
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// What a running server finds besides: it re-reads the files when asked.
fn told_by_server(
    place: &Place,
    known: &[Problem],
    catalogue: &hayloft_postgres::conf::Catalogue,
) -> Vec<(Location, String)> {
    let Some(session) = &place.session else { return Vec::new() };
    let sql = "SELECT sourcefile, sourceline, coalesce(name, ''), error FROM \
               pg_catalog.pg_file_settings WHERE error IS NOT NULL AND sourcefile IS NOT NULL";
    // The view is for superusers; others do without it.
    let Ok(rows) = session.simple(sql) else {
        tracing::warn!(
            "the role may not read pg_file_settings: the server's own check is left out"
        );
        return Vec::new();
    };
    let mut told = Vec::new();
    for row in rows {
        let row: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
        let [file, line, name, message] = row.as_slice() else { continue };
        let at = Location { file: PathBuf::from(file), line: line.parse().unwrap_or_default() };
        // The server does not tell a value that waits for a restart from a bad one.
        let waits = catalogue.get(name).is_some_and(|it| it.context == Context::Restart);
        let is_known = known.iter().any(|it| it.at.as_ref() == Some(&at));
        if !waits && !is_known {
            told.push((at, format!("{name}: {message}")));
        }
    }
    told
}

fn pending(place: &Place) -> Result<Vec<String>, Stop> {
    let Some(session) = &place.session else { return Ok(Vec::new()) };
    let sql = "SELECT name FROM pg_catalog.pg_settings WHERE pending_restart ORDER BY 1";
    let rows = session.simple(sql).map_err(|e| place::failed(&e))?;
    Ok(rows.into_iter().flatten().flatten().collect())
}
