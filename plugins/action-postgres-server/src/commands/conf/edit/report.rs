//! What an edit did, and what makes it count.

use std::{fmt::Write as _, path::PathBuf};

use hayloft_plugin_api::Result;
use hayloft_postgres::{
    conf::{Catalogue, Edit, Effect, Plan, Shadow, canonical_name},
    tree::Disk,
};
use serde_json::{Value, json};

use crate::commands::{after_edit::More, conf::text, place::Place};

/// What is told after an edit.
#[derive(Debug)]
pub(super) struct Report {
    file: String,
    dry_run: bool,
    diff: String,
    rows: Vec<Row>,
    /// What has no effect because of something elsewhere.
    shadows: Vec<Shadow>,
    /// Whether the server reads the file at all.
    read: bool,
    /// Whether a server runs with these files, if that can be known.
    running: Option<bool>,
    data: Option<String>,
}

#[derive(Debug)]
struct Row {
    name: String,
    effect: &'static str,
    lines: Vec<usize>,
    /// Nothing if nothing changed.
    needs: Option<&'static str>,
}

fn effect(effect: &Effect) -> (&'static str, Vec<usize>) {
    match effect {
        Effect::Unchanged => ("unchanged", Vec::new()),
        Effect::Altered { line } => ("altered", vec![*line]),
        Effect::Uncommented { line } => ("uncommented", vec![*line]),
        Effect::Added { line } => ("added", vec![*line]),
        Effect::CommentedOut { lines } => ("commented out", lines.clone()),
        Effect::Removed { lines } => ("removed", lines.clone()),
    }
}

impl Report {
    pub(super) fn of(
        edits: &[Edit],
        plan: &Plan<'_>,
        place: &Place,
        catalogue: &Catalogue,
        dry_run: bool,
    ) -> Self {
        let row = |(edit, done): (&Edit, &Effect)| {
            let (effect, lines) = effect(done);
            let parameter = catalogue.get(edit.name());
            let needs = (*done != Effect::Unchanged).then(|| text::needs(parameter));
            let name = text::lossy(&canonical_name(edit.name()));
            Row { name, effect, lines, needs }
        };
        // After a dry run the files are as they were, and the plan knows better.
        let shadows = plan.shadows(&place.sources(), &Disk);
        let files = plan.configuration(&place.sources(), &Disk).files().to_vec();
        let edited = place.edited.canonicalize().ok();
        let is_edited = |it: &PathBuf| *it == place.edited || it.canonicalize().ok() == edited;
        Self {
            read: files.iter().any(is_edited),
            file: place.edited.display().to_string(),
            dry_run,
            diff: text::lossy(&plan.diff()),
            rows: edits.iter().zip(plan.effects()).map(row).collect(),
            shadows,
            running: place.data.as_ref().map(|_| place.running.is_some()),
            data: place.data.as_ref().map(|it| it.display().to_string()),
        }
    }

    /// Tells whether there is something that a person should see.
    pub(super) fn warns(&self) -> bool {
        !self.shadows.is_empty() || !self.read
    }

    fn changed(&self) -> bool {
        self.rows.iter().any(|it| it.needs.is_some())
    }

    pub(super) fn json(&self, more: &More) -> Result<String> {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|it| {
                let shadow = self.shadows.iter().find(|shadow| shadow.name == it.name.as_bytes());
                json!({
                    "name": it.name, "effect": it.effect, "lines": it.lines,
                    "needs": it.needs,
                    "overridden_by": shadow.map(|it| json!({
                        "value": text::lossy(&it.by.value), "origin": text::origin(&it.by.origin),
                    })),
                })
            })
            .collect();
        let mut document = json!({
            "file": self.file, "read_by_server": self.read, "dry_run": self.dry_run,
            "written": self.changed() && !self.dry_run,
            "diff": self.diff, "settings": rows, "server_running": self.running,
        });
        more.add_to(&mut document);
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }

    pub(super) fn text(&self, more: &More) -> String {
        let mut out = self.diff.clone();
        for row in &self.rows {
            out += &row.text(self.running);
        }
        for shadow in &self.shadows {
            let (name, value) = (text::lossy(&shadow.name), text::quoted(&shadow.by.value));
            let _ =
                writeln!(out, "warning: {name} stays {value}: {} overrides it", shadow.by.origin);
        }
        if !self.read {
            let _ = writeln!(
                out,
                "warning: the server does not read {}: no file includes it",
                self.file
            );
        }
        if !self.changed() {
            out += "nothing to change\n";
        } else if self.dry_run {
            out += "dry run: nothing was changed\n";
        } else {
            out += &more.text();
            if let (Some(true), Some(data)) = (self.running, &self.data)
                && (self.needs_restart() || !more.is_reloaded())
            {
                out += &self.next(data);
            }
        }
        out
    }

    fn needs_restart(&self) -> bool {
        self.rows.iter().any(|it| it.needs == Some("restart"))
    }

    fn next(&self, data: &str) -> String {
        let verb = if self.needs_restart() { "restart" } else { "reload" };
        format!("next: hayloft pg cluster {verb} {data}\n")
    }
}

impl Row {
    fn text(&self, running: Option<bool>) -> String {
        let lines: Vec<String> = self.lines.iter().map(ToString::to_string).collect();
        let lines = match lines.as_slice() {
            [] => String::new(),
            [line] => format!(", line {line}"),
            lines => format!(", lines {}", lines.join(", ")),
        };
        let counts = match (self.needs, running) {
            (None, _) => "",
            (Some(_), Some(false)) => "; counts when the server is started",
            (Some("restart"), _) => "; counts after a restart of the server",
            (Some("reload"), _) => "; counts after a reload",
            (Some(_), _) => "; counts after a reload, for new connections",
        };
        format!("{}: {}{lines}{counts}\n", self.name, self.effect)
    }
}
