//! What came of each action, as Cedar Backup says it.

use crate::history::{ActionRecord, Status};

/// Shows an error. Each line is a message of its own: none can pass for
/// another.
pub(super) fn lines(text: &str) {
    for line in text.lines() {
        tracing::error!("{line}");
    }
}

/// Tells of an action that was done, maybe in part. One that failed is told of
/// by [`failure`].
pub(super) fn action(record: &ActionRecord) {
    for warning in &record.warnings {
        for line in warning.lines() {
            // What is missing must be seen; the rest is in the log.
            if record.incomplete {
                tracing::error!("{line}");
            } else {
                tracing::warn!("{line}");
            }
        }
    }
    if !record.summary.is_empty() {
        tracing::info!("{}: {}", record.action, record.summary);
    }
    match record.status {
        Status::Ok | Status::Warnings => {
            tracing::info!("Executed the '{}' action successfully.", record.action);
        }
        Status::Failed if record.incomplete => incomplete(record),
        Status::Failed | Status::Skipped => {}
    }
}

fn incomplete(record: &ActionRecord) {
    let mut causes = record.causes.iter();
    if let Some(first) = causes.next() {
        lines(&sentence(first));
    }
    for cause in causes {
        lines(&format!("   because: {cause}"));
    }
    if let Some(hint) = &record.hint {
        lines(&format!("Hint: {hint}"));
    }
}

/// Why a run is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// What is shown before the errors.
    pub(super) before: Vec<String>,
    /// The errors, each with its causes; there are several only of the
    /// configuration.
    pub(super) errors: Vec<Vec<String>>,
}

/// Takes apart why an action failed.
pub(super) fn failure(record: &ActionRecord) -> Failure {
    let error = record.error.as_deref().unwrap_or_default();
    let mut all = error.lines();
    if !record.vetoed {
        let before = Vec::new();
        let several = all.clone().count() > 1 || record.causes.is_empty();
        let errors = if several {
            all.map(|line| vec![line.to_owned()]).collect()
        } else {
            vec![record.causes.clone()]
        };
        return Failure { before, errors };
    }
    let first = all.next().unwrap_or_default();
    let first = first.strip_suffix("; it wrote at last:").unwrap_or(first);
    let mut tail: Vec<String> = all.map(|line| format!("   {}", line.trim_start())).collect();
    if tail.is_empty() {
        tail.push("   <empty>".to_owned());
    }
    tail.insert(0, "Hook failed, tail is:".to_owned());
    Failure { before: tail, errors: vec![vec![first.to_owned()]] }
}

/// Makes a sentence of a message, which is a lower-case fragment.
fn sentence(message: &str) -> String {
    let mut characters = message.chars();
    let first = characters.next().map(|it| it.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn record(error: &str, vetoed: bool) -> ActionRecord {
        ActionRecord {
            action: "collect".to_owned(),
            status: Status::Failed,
            seconds: 0.0,
            summary: String::new(),
            warnings: Vec::new(),
            incomplete: false,
            vetoed,
            error: Some(error.to_owned()),
            causes: vec![error.to_owned()],
            hint: None,
            values: BTreeMap::new(),
        }
    }

    #[test]
    fn the_tail_of_a_hook_comes_before_the_error() {
        let text = "hook script (line 7) stopped it: x ended with exit code 3; it wrote at last:\n  a\n  b";
        let found = failure(&record(text, true));
        assert_eq!(found.before, ["Hook failed, tail is:", "   a", "   b"]);
        let first = "hook script (line 7) stopped it: x ended with exit code 3";
        assert_eq!(found.errors, [[first]]);
        let found = failure(&record("hook x stopped it", true));
        assert_eq!(found.before, ["Hook failed, tail is:", "   <empty>"]);
    }

    #[test]
    fn errors_of_the_configuration_are_one_each() {
        let found = failure(&record("c:1:2: x is missing\nc:3:4: y is missing", false));
        assert_eq!(found.errors, [["c:1:2: x is missing"], ["c:3:4: y is missing"]]);
    }

    #[test]
    fn a_message_becomes_a_sentence() {
        assert_eq!(sentence("failed to execute action [x]"), "Failed to execute action [x].");
        assert_eq!(sentence(""), ".");
    }
}
