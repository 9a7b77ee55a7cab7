//! `hayloft config`, and how every command shows what is wrong there.

use std::process::ExitCode;

use hayloft_plugin_api::{Diagnostic, Error, ErrorKind};
use serde::Serialize;

use super::Context;
use crate::{
    cli::{ConfigCommand, write_json, write_out},
    config::{self, Document},
    engine::run_task,
    failure::{Failure, Kind},
    worker::protocol::{Done, Task},
};

pub(crate) fn run(context: &Context, command: &ConfigCommand) -> Result<ExitCode, Failure> {
    match command {
        ConfigCommand::Check => check(context),
        ConfigCommand::Show => show(context),
        ConfigCommand::Schema { markdown } => schema(context, *markdown),
    }
}

/// One finding, for scripts.
#[derive(Debug, Serialize)]
struct Finding {
    severity: &'static str,
    file: String,
    line: u32,
    column: u32,
    path: String,
    message: String,
    help: Option<String>,
}

fn check(context: &Context) -> Result<ExitCode, Failure> {
    let setup = context.setup()?;
    let document = setup.document();
    let found = findings(context)?;
    let errors = found.iter().filter(|it| it.is_error()).count();
    let warnings = found.len() - errors;
    if context.global().json {
        let file = document.path.display().to_string();
        let found: Vec<Finding> = found.iter().map(|it| finding(&file, it)).collect();
        write_json(&found)?;
    } else {
        let quiet = context.global().quiet;
        let shown = found.iter().filter(|it| it.is_error() || !quiet);
        context.log().screen().raw(&config::pictures(document, shown));
        if errors == 0 && !quiet {
            let path = document.path.display();
            let end = match warnings {
                0 => String::new(),
                n => format!(", {n} {}", if n == 1 { "warning" } else { "warnings" }),
            };
            write_out(format!("{path}: the configuration is good{end}\n").as_bytes())?;
        }
    }
    match errors {
        0 => Ok(ExitCode::SUCCESS),
        _ if context.global().json => Err(Failure::silent(Kind::Configuration)),
        n => Err(too_many(n)),
    }
}

fn too_many(errors: usize) -> Failure {
    let errors = format!("{errors} {}", if errors == 1 { "error" } else { "errors" });
    Failure::new(Kind::Configuration, format!("{errors} in the configuration"))
}

fn finding(file: &str, it: &Diagnostic) -> Finding {
    Finding {
        severity: if it.is_error() { "error" } else { "warning" },
        file: file.to_owned(),
        line: it.position.line,
        column: it.position.column,
        path: it.path.clone(),
        message: it.message.clone(),
        help: it.help.clone(),
    }
}

/// Everything that is wrong: with the standard sections, the host's own, and
/// each plugin's.
pub(crate) fn findings(context: &Context) -> Result<Vec<Diagnostic>, Failure> {
    let setup = context.setup()?;
    let modes = setup.modes();
    let mut found = config::check_with(setup.document(), &setup.claims(), &modes);
    found.extend(config::check_modes(setup.document(), &modes));
    match run_task(context, "check of the configuration", Task::Check, None)? {
        Done::Check(of_plugins) => {
            for diagnostic in of_plugins.into_iter().map(Diagnostic::from) {
                let known = |it: &Diagnostic| {
                    it.position == diagnostic.position && it.severity == diagnostic.severity
                };
                if !found.iter().any(known) {
                    found.push(diagnostic);
                }
            }
        }
        other => {
            let text = format!("a worker answered something else: {other:?}");
            return Err(Failure::new(Kind::Failed, text));
        }
    }
    found.sort_by_key(|it| it.position);
    Ok(found)
}

/// Fails if the standard sections have errors, before anything is done.
/// Sections of plugins are checked by their actions.
pub(crate) fn refuse_errors(context: &Context) -> Result<(), Failure> {
    let setup = context.setup()?;
    let found = config::check_with(setup.document(), &setup.claims(), &setup.modes());
    let errors: Vec<&Diagnostic> = found.iter().filter(|it| it.is_error()).collect();
    if errors.is_empty() {
        return Ok(());
    }
    let picture = config::pictures(setup.document(), errors.iter().copied());
    Err(too_many(errors.len()).picture(picture).hint("`hayloft config check` shows warnings too"))
}

/// Shows an error; one of the configuration with the lines it is about.
pub(crate) fn failure(document: Option<&Document>, error: Error) -> Failure {
    let picture = match document {
        Some(document) => config::pictures(document, error.diagnostics()),
        None => String::new(),
    };
    let configuration = error.kind() == ErrorKind::CONFIGURATION;
    // The picture says it already, with its place.
    if configuration
        && !picture.is_empty()
        && let [only] = error.diagnostics()
        && error.remedy().is_none()
        && error.to_string() == only.message
    {
        return too_many(1).picture(picture);
    }
    let failure = Failure::from(error).picture(picture);
    if configuration { failure.with_kind(Kind::Configuration) } else { failure }
}

fn show(context: &Context) -> Result<ExitCode, Failure> {
    let shown = config::effective(context.setup()?.document());
    if context.global().json {
        return write_json(&shown);
    }
    write_out(config::effective_text(&shown).as_bytes())
}

fn schema(context: &Context, markdown: bool) -> Result<ExitCode, Failure> {
    if context.global().json {
        return write_json(&config::schema::json());
    }
    if markdown {
        return write_out(config::schema::markdown().as_bytes());
    }
    write_out(config::schema::text().as_bytes())
}
