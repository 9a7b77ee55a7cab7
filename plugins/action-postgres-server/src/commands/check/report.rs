//! What the checks found, for people, programs and Nagios.

use std::fmt::Write as _;

use hayloft_plugin_api::{Error, Result};
use hayloft_postgres::check::{CheckLine, Outcome};
use serde::Serialize;

/// What was found at one server.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) name: String,
    #[serde(rename = "checks")]
    pub(super) lines: Vec<CheckLine>,
}

impl Report {
    fn outcome(&self) -> Outcome {
        self.lines.iter().map(|it| it.outcome).max().unwrap_or(Outcome::Ok)
    }

    fn bad(&self) -> impl Iterator<Item = &CheckLine> {
        self.lines.iter().filter(|it| it.outcome != Outcome::Ok)
    }
}

fn worst(reports: &[Report]) -> Outcome {
    reports.iter().map(Report::outcome).max().unwrap_or(Outcome::Ok)
}

/// The exit code of the command.
pub(super) fn exit_code(reports: &[Report]) -> u8 {
    match worst(reports) {
        Outcome::Ok => 0,
        Outcome::Warning => 7,
        Outcome::Failed => 1,
    }
}

/// A table for each server, and below each bad line why and what to do.
pub(super) fn text(reports: &[Report]) -> String {
    let widths = reports.iter().flat_map(|it| &it.lines).map(|it| it.name.len());
    let width = widths.max().unwrap_or_default();
    let mut text = String::new();
    for (i, report) in reports.iter().enumerate() {
        let blank = if i == 0 { "" } else { "\n" };
        let _ = writeln!(text, "{blank}Server {}: {}", report.name, report.outcome());
        for line in &report.lines {
            let name = line.name.replace('_', " ");
            let found = one_line(&line.found);
            let _ = writeln!(text, "  {name:width$}  {:7}  {found}", line.outcome.to_string());
            for (head, more) in [("why:", &line.why), ("do: ", &line.remedy)] {
                if let Some(more) = more {
                    let _ = writeln!(text, "  {:width$}           {head} {}", "", one_line(more));
                }
            }
        }
    }
    text
}

/// The same for programs.
pub(super) fn json(reports: &[Report]) -> Result<String> {
    #[derive(Serialize)]
    struct All<'a> {
        outcome: Outcome,
        servers: Vec<One<'a>>,
    }
    #[derive(Serialize)]
    struct One<'a> {
        name: &'a str,
        outcome: Outcome,
        checks: &'a [CheckLine],
    }
    let one = |it: &'_ Report| -> Outcome { it.outcome() };
    let servers = reports
        .iter()
        .map(|it| One { name: &it.name, outcome: one(it), checks: &it.lines })
        .collect();
    Ok(serde_json::to_string_pretty(&All { outcome: worst(reports), servers })? + "\n")
}

/// The exit code that Nagios expects.
pub(super) fn nagios_code(reports: &[Report]) -> u8 {
    match worst(reports) {
        Outcome::Ok => 0,
        Outcome::Warning => 1,
        Outcome::Failed => 2,
    }
}

/// One line: the worst, what is bad, and how many lines of each server are.
pub(super) fn nagios(reports: &[Report]) -> String {
    let state = match worst(reports) {
        Outcome::Ok => "OK",
        Outcome::Warning => "WARNING",
        Outcome::Failed => "CRITICAL",
    };
    let mut bad: Vec<String> = Vec::new();
    for wanted in [Outcome::Failed, Outcome::Warning] {
        for report in reports {
            let lines = report.bad().filter(|it| it.outcome == wanted);
            bad.extend(lines.map(|it| {
                format!("{}: {}: {}", report.name, it.name.replace('_', " "), one_line(&it.found))
            }));
        }
    }
    let what = match (bad.is_empty(), reports.len()) {
        (true, 1) => format!("server {} is in order", reports[0].name),
        (true, many) => format!("{many} servers are in order"),
        (false, _) => bad.join("; "),
    };
    // A bar begins the data for graphs.
    let what = what.replace('|', "/");
    let data = reports.iter().map(|it| format!("{}={}", it.name, it.bad().count()));
    format!("HAYLOFT {state} - {what} | {}\n", data.collect::<Vec<_>>().join(" "))
}

/// The line if nothing can be checked.
pub(super) fn nagios_unknown(error: &Error) -> String {
    format!("HAYLOFT UNKNOWN - {}\n", one_line(&error.to_string()).replace('|', "/"))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str, outcomes: &[Outcome]) -> Report {
        let line = |outcome: &Outcome| match outcome {
            Outcome::Ok => CheckLine::ok("version", "15.1"),
            Outcome::Warning => CheckLine::warning("clock", "late\nby | 3", "it counts", "set it"),
            Outcome::Failed => CheckLine::failed("wal_level", "minimal", "no WAL", "raise it"),
        };
        Report { name: name.to_owned(), lines: outcomes.iter().map(line).collect() }
    }

    #[test]
    fn the_worst_decides() {
        use Outcome::{Failed, Ok, Warning};
        let cases = [
            (vec![report("a", &[Ok])], 0, 0, "HAYLOFT OK - server a is in order | a=0\n"),
            (
                vec![report("a", &[Ok]), report("b", &[])],
                0,
                0,
                "HAYLOFT OK - 2 servers are in order | a=0 b=0\n",
            ),
            (
                vec![report("a", &[Warning, Ok])],
                7,
                1,
                "HAYLOFT WARNING - a: clock: late by / 3 | a=1\n",
            ),
            (
                vec![report("a", &[Warning]), report("b", &[Failed])],
                1,
                2,
                "HAYLOFT CRITICAL - b: wal level: minimal; a: clock: late by / 3 | a=1 b=1\n",
            ),
        ];
        for (reports, code, for_nagios, line) in cases {
            assert_eq!(exit_code(&reports), code);
            assert_eq!(nagios_code(&reports), for_nagios);
            assert_eq!(nagios(&reports), line);
        }
    }

    #[test]
    fn people_see_what_to_do() {
        let text = text(&[report("a", &[Outcome::Ok, Outcome::Failed])]);
        let expected = "Server a: FAILED\n  version    ok       15.1\n  wal level  FAILED   minimal\n\
                        \x20                     why: no WAL\n                      do:  raise it\n";
        assert_eq!(text, expected);
    }
}
