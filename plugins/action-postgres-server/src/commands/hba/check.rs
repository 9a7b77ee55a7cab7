//! The command `hayloft pg hba check`.

use std::fmt::Write as _;

use hayloft_plugin_api::{CommandSpec, Error, Result};
use hayloft_postgres::{hba::Rules, tree::Disk};
use serde_json::json;

use crate::commands::{
    Call, Subcommand,
    place::{self, Place, Stop, What, failed},
};

/// See the module.
pub(super) const COMMAND: Subcommand =
    Subcommand { name: "check", spec, run: |call| place::end(check(call)) };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "List every mistake, and what is suspicious".to_owned(),
        long_about: "Reads all rules as the server would, and lists every line that it would \
                     refuse, with file and line: one is enough for it to keep the old rules, or not \
                     to start. Warnings are about rules that work and yet may not be meant: trust, \
                     open to the world, weak or clear-text passwords, never reached, odd addresses. \
                     The exit code is 4 if there are mistakes, and 7 if there are warnings."
            .to_owned(),
        arguments: place::arguments(What::Hba),
        after_help: "Examples:\n  hayloft pg hba check -D /var/lib/postgresql/15/main\n  \
                     hayloft pg hba check --file pg_hba.conf --server-version 16 --json"
            .to_owned(),
        ..CommandSpec::default()
    }
}

/// Something that a check found.
#[derive(Debug)]
pub(crate) struct Finding {
    /// Whether the server takes the file all the same.
    pub(crate) is_warning: bool,
    /// What, with file and line in front.
    pub(crate) text: String,
}

fn check(call: &Call<'_>) -> Result<u8, Stop> {
    let place = place::find(call, What::Hba)?;
    let rules = Rules::load(&place.main, &place.hba_server(), &Disk).map_err(|e| failed(&e))?;
    let mistakes = rules.problems().into_iter().map(|text| Finding { is_warning: false, text });
    let mut findings: Vec<Finding> = mistakes.collect();
    findings.extend(rules.warnings().into_iter().map(|it| Finding {
        is_warning: true,
        text: format!("{}:{}: {}", it.file.display(), it.line, it.kind),
    }));
    Ok(report(call, &place, &findings, rules.rules().count(), "rule")?)
}

/// Prints findings; returns the exit code.
pub(crate) fn report(
    call: &Call<'_>,
    place: &Place,
    findings: &[Finding],
    count: usize,
    noun: &str,
) -> Result<u8, Error> {
    let texts = |warning: bool| -> Vec<&str> {
        findings.iter().filter(|it| it.is_warning == warning).map(|it| it.text.as_str()).collect()
    };
    let (mistakes, warnings) = (texts(false), texts(true));
    let text = if call.arguments.json {
        let document = json!({
            "ok": mistakes.is_empty(), "file": place.main.to_string_lossy(),
            "version": place.version.major_text(), "version_known": place.version_known,
            "problems": mistakes, "warnings": warnings, (format!("{noun}s")): count,
        });
        serde_json::to_string_pretty(&document)? + "\n"
    } else {
        let mut out = place::lines(&mistakes);
        out.extend(warnings.iter().map(|it| format!("warning: {it}\n")));
        let assumed = if place.version_known { "" } else { " (assumed; see --server-version)" };
        let _ = writeln!(
            out,
            "{}: {count} {noun}s, {} mistakes, {} warnings for PostgreSQL {}{assumed}",
            place.main.display(),
            mistakes.len(),
            warnings.len(),
            place.version.major_text(),
        );
        out
    };
    call.host.print(text)?;
    Ok(match (mistakes.is_empty(), warnings.is_empty()) {
        (false, _) => 4,
        (true, false) => 7,
        (true, true) => 0,
    })
}
