//! What hooks and `hayloft status` are told of a drill.

use hayloft_plugin_api::{ErrorKind, Event, Host, Note, Result};

use super::report::Report;

/// Asks whether there may be one.
///
/// # Errors
///
/// [`ErrorKind::VETOED`](hayloft_plugin_api::ErrorKind::VETOED).
pub(super) fn before(host: &Host, server: &str) -> Result<()> {
    host.emit(&Event::new("pre_drill").field("server", server))
}

/// Tells how it ended.
pub(super) fn after(host: &Host, report: &Report) {
    let outcome = if report.proven { "done" } else { "failed" };
    let seconds = |it: Option<f64>| it.map(|it| format!("{it:.3}")).unwrap_or_default();
    let event = Event::new("post_drill")
        .field("server", report.server.as_str())
        .field("outcome", outcome)
        .field("error", report.problem.clone().unwrap_or_default())
        .field("backup_id", report.backup.clone().unwrap_or_default())
        .field("storage", report.storage.clone().unwrap_or_default())
        .field("recovery_seconds", seconds(report.recovery_seconds))
        .field("data_loss_seconds", seconds(report.data_loss_seconds));
    // Hooks behind it cannot fail it; what they say was logged.
    if let Err(error) = host.emit(&event) {
        tracing::warn!("{error}");
    }
}

/// Lets `hayloft status` tell when the server was last proven restorable.
///
/// # Errors
///
/// If that cannot be kept.
pub(super) fn note(host: &Host, report: &Report) -> Result<()> {
    let note = Note {
        what: format!("server {} was proven restorable", report.server),
        done_unix: report.proven.then(|| report.began.as_second()),
        trouble: report.problem.clone(),
    };
    match host.note(&format!("drill.{}", report.server), &note) {
        Err(error) if error.kind() == ErrorKind::UNSUPPORTED => {
            tracing::info!("{error}");
            Ok(())
        }
        other => other,
    }
}
