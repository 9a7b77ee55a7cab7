//! The drills of a server.

use hayloft_plugin_api::{Host, Result};
use jiff::Timestamp;
use serde::Serialize;

use super::Light;
use crate::{config::Server, drill};

/// A drill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct DrillMark {
    /// When it began.
    pub(crate) at: Timestamp,
    /// The backup that was restored.
    pub(crate) backup: Option<String>,
    /// Whether it proved that the server can be restored, and nothing was left
    /// out.
    pub(crate) light: Light,
    /// Why it did not.
    pub(crate) problem: Option<String>,
    /// How long it takes to have the data back, in seconds.
    pub(crate) recovery_seconds: Option<f64>,
    /// How much would have been lost, in seconds.
    pub(crate) data_loss_seconds: Option<f64>,
}

/// Reads what is kept of drills.
///
/// # Errors
///
/// If it cannot be read.
pub(super) fn marks(host: &Host, server: &Server) -> Result<Vec<DrillMark>> {
    // Without a working directory there are none.
    let Ok(directory) = drill::reports(host, server) else { return Ok(Vec::new()) };
    let reports = drill::all(&directory)?;
    Ok(reports.into_iter().map(mark).collect())
}

fn mark(report: drill::Report) -> DrillMark {
    let light = match (report.proven, report.is_complete()) {
        (true, true) => Light::Good,
        (true, false) => Light::Busy,
        (false, _) => Light::Bad,
    };
    DrillMark {
        at: report.began,
        light,
        backup: report.backup,
        problem: report.problem,
        recovery_seconds: report.recovery_seconds,
        data_loss_seconds: report.data_loss_seconds,
    }
}

/// What somebody should look at: only what was found last counts.
pub(super) fn alarm(drills: &[DrillMark]) -> Option<String> {
    let last = drills.iter().max_by_key(|it| it.at)?;
    (last.light == Light::Bad).then(|| {
        let why = last.problem.as_deref().unwrap_or("it did not say why");
        format!("the last drill failed: {why}")
    })
}

/// Says when the server was last proven restorable.
pub(super) fn proven(drills: &[DrillMark]) -> String {
    let good = drills.iter().filter(|it| it.light != Light::Bad).max_by_key(|it| it.at);
    let Some(last) = good else { return "never proven restorable".to_owned() };
    let minutes =
        |it: Option<f64>| it.map_or_else(|| "?".to_owned(), |it| format!("{:.1} min", it / 60.0));
    format!(
        "last proven restorable {}: {} to recover, {} would have been lost",
        last.at.strftime("%F %H:%M UTC"),
        minutes(last.recovery_seconds),
        minutes(last.data_loss_seconds)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_drill_counts_and_the_last_good_one_is_told() {
        let mark = |day: &str, light| DrillMark {
            at: format!("2026-01-{day}T00:00:00Z").parse().unwrap(),
            backup: None,
            light,
            problem: Some("a gap".to_owned()),
            recovery_seconds: Some(90.0),
            data_loss_seconds: None,
        };
        let (good, bad) = (mark("01", Light::Good), mark("02", Light::Bad));
        assert_eq!(alarm(&[]), None);
        assert_eq!(alarm(std::slice::from_ref(&good)), None);
        let all = [good, bad];
        assert_eq!(alarm(&all).unwrap(), "the last drill failed: a gap");
        let told = proven(&all);
        assert!(told.contains("2026-01-01") && told.contains("1.5 min to recover"), "{told}");
        assert_eq!(proven(&all[1..]), "never proven restorable");
    }
}
