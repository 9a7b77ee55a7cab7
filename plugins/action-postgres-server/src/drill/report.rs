//! What a drill has found out, kept as a file.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, ErrorKind, Host, OutputOptions, Result, text};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::checks::{Check, Outcome};
use crate::directories;

/// The version of the document.
const FORMAT: u32 = 1;
/// What reports end with.
const SUFFIX: &str = ".json";

/// One drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The version of this document.
    pub(crate) format: u32,
    /// The server.
    pub(crate) server: String,
    /// When it began.
    pub(crate) began: Timestamp,
    /// Whether everything asked for was restored, and all of it is well.
    pub(crate) proven: bool,
    /// Why not.
    pub(crate) problem: Option<String>,
    /// The backup that was restored.
    pub(crate) backup: Option<String>,
    /// The storage that it came from.
    pub(crate) storage: Option<String>,
    /// What was to be recovered to.
    pub(crate) target: String,
    /// Bytes of the restored files.
    pub(crate) restored_bytes: u64,
    /// Files of WAL that were replayed.
    pub(crate) wal_files: u64,
    /// The position that the replay came to.
    pub(crate) replayed_to: Option<String>,
    /// The last transaction that was replayed, in the server's words.
    pub(crate) last_transaction: Option<String>,
    /// How long the parts took.
    pub(crate) durations: Durations,
    /// How long it takes to have the data back: restore and replay, in seconds.
    pub(crate) recovery_seconds: Option<f64>,
    /// How old the newest archived WAL was when the drill began, in seconds:
    /// what would have been lost.
    pub(crate) data_loss_seconds: Option<f64>,
    /// What was looked at.
    pub(crate) checks: Vec<Check>,
    /// How the server was kept apart.
    pub(crate) isolation: Vec<String>,
    /// What a person should know.
    pub(crate) warnings: Vec<String>,
}

/// How long the parts of a drill took, in seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Durations {
    /// Restoring files.
    pub(crate) restore: f64,
    /// Replaying WAL.
    pub(crate) replay: f64,
    /// Looking at the result.
    pub(crate) checks: f64,
}

impl Report {
    /// Begins one.
    pub(super) fn begin(server: &str, began: Timestamp, target: String) -> Self {
        Self {
            format: FORMAT,
            server: server.to_owned(),
            began,
            proven: false,
            problem: None,
            backup: None,
            storage: None,
            target,
            restored_bytes: 0,
            wal_files: 0,
            replayed_to: None,
            last_transaction: None,
            durations: Durations::default(),
            recovery_seconds: None,
            data_loss_seconds: None,
            checks: Vec::new(),
            isolation: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Judges by the checks.
    pub(super) fn judge(&mut self) {
        let failed = |it: &&Check| it.outcome == Outcome::Failed;
        self.problem = self.checks.iter().find(failed).map(|it| {
            let database = it.database.as_ref().map(|it| format!(" of database {it}"));
            format!("{}{} failed: {}", it.name, database.unwrap_or_default(), it.detail)
        });
        self.proven = self.problem.is_none();
        let not_run = self.checks.iter().filter(|it| it.outcome == Outcome::NotRun);
        self.warnings.extend(not_run.map(|it| format!("{} was not run: {}", it.name, it.detail)));
    }

    /// Tells whether everything that was to be looked at was.
    pub(crate) fn is_complete(&self) -> bool {
        self.checks.iter().all(|it| it.outcome != Outcome::NotRun)
    }

    /// Returns it for people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut row = |name: &str, value: &str| {
            let _ = writeln!(text, "  {name:<18}{value}");
        };
        let absent = || "unknown".to_owned();
        let seconds = |it: Option<f64>| it.map_or_else(absent, shown_seconds);
        row("proven", if self.proven { "yes" } else { "NO" });
        if let Some(problem) = &self.problem {
            row("problem", problem);
        }
        row("began", &self.began.strftime("%F %T UTC").to_string());
        row("backup", self.backup.as_deref().unwrap_or("none"));
        row("storage", self.storage.as_deref().unwrap_or("none"));
        row("target", &self.target);
        row("restored", &text::size(self.restored_bytes));
        row("replayed", &format!("{} files of WAL", self.wal_files));
        row("replayed to", self.replayed_to.as_deref().unwrap_or("unknown"));
        row("last transaction", self.last_transaction.as_deref().unwrap_or("unknown"));
        row("recovery time", &seconds(self.recovery_seconds));
        row("data loss", &seconds(self.data_loss_seconds));
        for check in &self.checks {
            let outcome = match check.outcome {
                Outcome::Passed => "ok",
                Outcome::Failed => "FAILED",
                Outcome::NotRun => "not run",
            };
            let database = check.database.as_ref().map(|it| format!(" of {it}"));
            let name = format!("{}{}", check.name, database.unwrap_or_default());
            row("check", &format!("{name}: {outcome}, {}", check.detail));
        }
        for it in &self.isolation {
            row("kept apart", it);
        }
        for it in &self.warnings {
            row("warning", it);
        }
        format!("{}:\n{text}", self.server)
    }
}

fn shown_seconds(seconds: f64) -> String {
    if seconds < 120.0 {
        return format!("{seconds:.1} s");
    }
    let minutes = seconds / 60.0;
    if minutes < 120.0 { format!("{minutes:.0} min") } else { format!("{:.1} h", minutes / 60.0) }
}

/// Keeps a report, and removes the oldest ones beyond `keep`.
///
/// # Errors
///
/// If it cannot be written.
pub(super) fn keep(host: &Host, directory: &Path, report: &Report, keep: usize) -> Result<()> {
    directories::make(directory, 0o700)?;
    let name = format!("{}{SUFFIX}", report.began.strftime("%Y%m%dT%H%M%SZ"));
    let mut output = host.create(&directory.join(name), &OutputOptions::default())?;
    io::Write::write_all(&mut output, serde_json::to_string_pretty(report)?.as_bytes())?;
    output.commit()?;
    let mut all = files(directory)?;
    let surplus = all.len().saturating_sub(keep);
    for path in all.drain(..surplus) {
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!("cannot remove {}: {error}", path.display());
        }
    }
    Ok(())
}

/// Returns all reports that are kept, oldest first.
///
/// # Errors
///
/// If one cannot be read.
pub(crate) fn all(directory: &Path) -> Result<Vec<Report>> {
    files(directory)?
        .iter()
        .map(|path| {
            let about = || format!("cannot read {}", path.display());
            let text = fs::read(path).map_err(|e| Error::from(e).context(about()))?;
            serde_json::from_slice(&text)
                .map_err(|e| Error::new(ErrorKind::CORRUPT, e.to_string()).context(about()))
        })
        .collect()
}

/// The files of reports, oldest first.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => {
            return Err(Error::from(e).context(format!("cannot read {}", directory.display())));
        }
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(SUFFIX) && !name.starts_with('.') {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Returns what a server's reports tell, for Prometheus: of the last drill, and
/// when one last succeeded.
pub(crate) fn prometheus(reports: &[Report]) -> String {
    let mut text = String::new();
    let Some(last) = reports.last() else { return text };
    let server = last.server.replace('\\', "\\\\").replace('"', "\\\"");
    let mut line = |name: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            let name = format!("hayloft_drill_{name}");
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
            let _ = writeln!(text, "{name}{{server=\"{server}\"}} {value}");
        }
    };
    let time = |it: &Report| it.began.as_duration().as_secs_f64().floor();
    let proven = reports.iter().rev().find(|it| it.proven);
    line("proven", "Whether the last drill proved a restore.", Some(f64::from(last.proven)));
    line("last_timestamp_seconds", "When the last drill began.", Some(time(last)));
    line("proven_timestamp_seconds", "When a restore was last proven.", proven.map(time));
    line("recovery_seconds", "How long restore and replay took.", last.recovery_seconds);
    line("data_loss_seconds", "How old the newest archived WAL was.", last.data_loss_seconds);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(began: &str, proven: bool) -> Report {
        let began = began.parse().unwrap();
        Report { proven, ..Report::begin("main", began, "the last archived WAL".to_owned()) }
    }

    fn check(name: &str, outcome: Outcome) -> Check {
        Check {
            name: name.to_owned(),
            database: Some("db".to_owned()),
            outcome,
            detail: "why".to_owned(),
            seconds: 0.5,
        }
    }

    #[test]
    fn one_failed_check_is_enough() {
        let mut it = report("2026-11-30T07:00:00Z", false);
        it.checks = vec![check("rows", Outcome::Passed), check("amcheck", Outcome::NotRun)];
        it.judge();
        assert!(it.proven);
        assert_eq!(it.warnings, ["amcheck was not run: why"]);
        it.checks.push(check("checksums", Outcome::Failed));
        it.judge();
        assert!(!it.proven);
        assert_eq!(it.problem.as_deref(), Some("checksums of database db failed: why"));
    }

    #[test]
    fn a_report_comes_back_as_it_was() {
        let mut it = report("2026-11-30T07:00:00Z", true);
        it.checks = vec![check("rows", Outcome::NotRun)];
        it.recovery_seconds = Some(3.25);
        let text = serde_json::to_string(&it).unwrap();
        assert!(text.contains("\"outcome\":\"not-run\""), "{text}");
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), it);
    }

    #[test]
    fn prometheus_hears_of_the_last_one_and_of_the_last_good_one() {
        let reports = [report("2026-11-30T07:00:00Z", true), report("2026-11-30T08:00:00Z", false)];
        let text = prometheus(&reports);
        assert!(text.contains("hayloft_drill_proven{server=\"main\"} 0\n"), "{text}");
        assert!(
            text.contains("hayloft_drill_last_timestamp_seconds{server=\"main\"} 1796025600\n")
        );
        assert!(
            text.contains("hayloft_drill_proven_timestamp_seconds{server=\"main\"} 1796022000\n")
        );
        assert!(!text.contains("recovery_seconds"));
        assert_eq!(prometheus(&[]), "");
    }
}
