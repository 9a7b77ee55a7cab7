//! What a server would say of its files, without a server.

use std::{collections::BTreeSet, path::PathBuf};

use super::{Catalogue, Configuration, Location, Origin, ProblemKind, expand::ToldProblem};

/// A row of `pg_file_settings`: what a running server would make of a line if
/// it were reloaded now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSetting {
    /// The line; nothing for a main file that cannot be read. Of a last line
    /// that ends too early and has no newline it is, as with the server, the
    /// line before, be that 0.
    pub at: Option<Location>,
    /// Name and value of a setting; nothing where a line is none.
    pub setting: Option<(Vec<u8>, Vec<u8>)>,
    /// Whether it would be applied. A parameter that needs a restart counts
    /// as applied here; whether the running value differs only the server
    /// knows, and it then shows an error in this row.
    pub applied: bool,
    /// What is wrong.
    pub problem: Option<ProblemKind>,
}

impl Catalogue {
    /// Returns what `pg_file_settings` would show, in its order.
    ///
    /// As a server's session does, this reads no more of a file after its
    /// first syntax error, and nothing of `postgresql.auto.conf` if there is a
    /// mistake in the other files that stops the whole.
    pub fn file_settings(&self, configuration: &Configuration) -> Vec<FileSetting> {
        let mut rows = Vec::new();
        let mut problems = configuration.told_problems().peekable();
        let mut broken = BTreeSet::new();
        let stops_before_auto = configuration.problems().iter().any(|it| it.kind.stops_reload());
        for (index, setting) in configuration.settings().iter().enumerate() {
            while let Some(told) = problems.next_if(|it| it.settings <= index) {
                push_problem(&mut rows, told, &mut broken);
            }
            let Some(at) = setting.origin.location() else { continue };
            let is_auto = matches!(setting.origin, Origin::AlterSystem(_));
            if !configuration.is_read(index)
                || broken.contains(&at.file)
                || is_auto && stops_before_auto
            {
                continue;
            }
            rows.push(FileSetting {
                at: Some(at.clone()),
                setting: Some((setting.name.clone(), setting.value.clone())),
                applied: true,
                problem: None,
            });
        }
        problems.for_each(|it| push_problem(&mut rows, it, &mut broken));
        if !rows.iter().any(|it| it.problem.is_some()) {
            self.judge(&mut rows);
        }
        if rows.iter().any(|it| it.problem.as_ref().is_some_and(ProblemKind::stops_reload)) {
            for row in &mut rows {
                row.applied = false;
            }
        }
        rows
    }

    /// Looks at names and values; the server does so only if every file could
    /// be read.
    fn judge(&self, rows: &mut [FileSetting]) {
        let mut seen: BTreeSet<Vec<u8>> = BTreeSet::new();
        for row in rows.iter_mut().rev() {
            let Some((name, value)) = &row.setting else { continue };
            let overridden = self.get(name).is_some() && !seen.insert(name.clone());
            let problem = self.check_value(name, value).err();
            row.problem = problem.filter(|it| it.stops_reload() || !overridden);
            row.applied = row.problem.is_none() && !overridden;
        }
        let stopped =
            rows.iter().any(|it| it.problem.as_ref().is_some_and(ProblemKind::stops_reload));
        if stopped {
            // Values are not looked at then.
            for row in rows {
                row.problem = row.problem.take().filter(ProblemKind::stops_reload);
            }
        }
    }
}

fn push_problem(
    rows: &mut Vec<FileSetting>,
    told: ToldProblem<'_>,
    broken: &mut BTreeSet<PathBuf>,
) {
    let problem = told.problem;
    if let Some(at) = &problem.at {
        if broken.contains(&at.file) {
            return;
        }
        if problem.kind == ProblemKind::Syntax {
            broken.insert(at.file.clone());
        }
    }
    let at = problem.at.as_ref().map(|it| Location { line: told.line, ..it.clone() });
    let kind = problem.kind.clone();
    rows.push(FileSetting { at, setting: None, applied: false, problem: Some(kind) });
}
