//! `hayloft plugin`.

mod new;

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use hayloft_plugin_api::{Error, meta::Metadata};
use serde::Serialize;

use super::Context;
use crate::{
    cli::{PluginCommand, write_json, write_out},
    engine::{TaskEnd, attempt},
    failure::{Failure, Kind},
    plugins::{Entry, Pinned, Registry, SearchRules},
    worker::protocol::Task,
};

/// How long loading a plugin may take; it takes milliseconds.
const LOAD_LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn run(context: &Context, command: &PluginCommand) -> Result<ExitCode, Failure> {
    match command {
        PluginCommand::List => list(context),
        PluginCommand::Show { name } => show(context, name),
        PluginCommand::Check { files } => check(context, files),
        PluginCommand::New(args) => new::run(args),
    }
}

/// A plugin, for scripts.
#[derive(Debug, Serialize)]
struct Listed {
    id: String,
    version: String,
    api: String,
    description: String,
    provides: Vec<String>,
    file: String,
    problems: Vec<String>,
}

fn listed(entry: &Entry) -> Listed {
    let metadata = entry.metadata();
    Listed {
        id: metadata.id.clone(),
        version: metadata.version.clone(),
        api: format!("{}.{}", metadata.api.0, metadata.api.1),
        description: metadata.description.clone(),
        provides: provides(metadata),
        file: entry.place(),
        problems: entry.problems().iter().map(ToString::to_string).collect(),
    }
}

fn provides(metadata: &Metadata) -> Vec<String> {
    metadata.provides.iter().map(|it| format!("{}:{}", it.kind, it.name)).collect()
}

fn list(context: &Context) -> Result<ExitCode, Failure> {
    let registry = context.registry();
    if context.global().json {
        let all: Vec<Listed> = registry.entries().iter().map(listed).collect();
        return write_json(&all);
    }
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["PLUGIN", "VERSION", "OFFERS", "DESCRIPTION"]);
    for entry in registry.entries() {
        let metadata = entry.metadata();
        table.add_row([
            metadata.id.as_str(),
            metadata.version.as_str(),
            &provides(metadata).join(" "),
            metadata.description.as_str(),
        ]);
    }
    if registry.entries().is_empty() {
        return Err(Failure::new(Kind::Failed, "no plugins were found").hint(
            "name their directory with --plugin-dir, HAYLOFT_PLUGIN_PATH or <plugins><dir>",
        ));
    }
    write_out(format!("{table}\n").as_bytes())?;
    complain(context, registry);
    Ok(ExitCode::SUCCESS)
}

/// Says what is wrong with files that are no plugins, or no usable ones.
fn complain(context: &Context, registry: &Registry) {
    let screen = context.log().screen();
    for rejected in registry.rejected() {
        screen.say("warning", &format!("{}: {}", rejected.path.display(), rejected.problem));
    }
    for entry in registry.entries() {
        for problem in entry.problems() {
            screen.say("warning", &format!("{}: {problem}", entry.place()));
        }
        for note in entry.notes() {
            screen.say("warning", &format!("{}: {note}", entry.place()));
        }
    }
}

fn show(context: &Context, name: &str) -> Result<ExitCode, Failure> {
    let registry = context.registry();
    let matches = |entry: &&Entry| {
        let metadata = entry.metadata();
        metadata.id == name || metadata.provides.iter().any(|it| it.name == name)
    };
    let found: Vec<&Entry> = registry.entries().iter().filter(matches).collect();
    if found.is_empty() {
        return Err(Failure::new(Kind::Failed, format!("no plugin is or offers `{name}`"))
            .hint("`hayloft plugin list` shows all"));
    }
    if context.global().json {
        let found: Vec<Listed> = found.into_iter().map(listed).collect();
        return write_json(&found);
    }
    let texts: Vec<String> = found.into_iter().map(describe).collect();
    write_out(texts.join("\n").as_bytes())
}

fn describe(entry: &Entry) -> String {
    let metadata = entry.metadata();
    let (major, minor) = metadata.api;
    let mut text = format!("{} {}\n  {}\n", metadata.id, metadata.version, metadata.description);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  file: {}", entry.place());
    let _ = writeln!(text, "  plugin API {major}.{minor}, built with {}", metadata.compiler);
    for provided in &metadata.provides {
        let _ = writeln!(text, "  offers {} `{}`", provided.kind, provided.name);
        for (fact, value) in provided.facts.iter().filter(|(_, value)| !value.is_empty()) {
            let _ = writeln!(text, "    {fact}: {value}");
        }
    }
    for problem in entry.problems() {
        let _ = writeln!(text, "  problem: {problem}");
    }
    text
}

/// Plugins are loaded in workers: one that crashes when it is loaded is the
/// very thing to be found.
fn check(context: &Context, files: &[PathBuf]) -> Result<ExitCode, Failure> {
    let named;
    let registry = if files.is_empty() {
        context.registry()
    } else {
        let pinned = |path: &PathBuf| Pinned { path: path.clone(), sha256: None };
        let rules = SearchRules { files: files.iter().map(pinned).collect(), ..Default::default() };
        let mut registry = Registry::new();
        registry.discover(&rules);
        named = registry;
        &named
    };
    let screen = context.log().screen();
    let mut bad = registry.rejected().len();
    for rejected in registry.rejected() {
        screen.say("error", &format!("{}: {}", rejected.path.display(), rejected.problem));
    }
    for entry in registry.entries() {
        let Some(file) = entry.path() else { continue };
        match load(context, file)? {
            None if context.global().quiet => {}
            None => {
                let line = format!("{}: {} is good\n", entry.place(), entry.metadata().id);
                write_out(line.as_bytes())?;
            }
            Some(error) => {
                bad += 1;
                screen.say("error", &error.to_string());
            }
        }
        for note in entry.notes() {
            screen.say("warning", &format!("{}: {note}", entry.place()));
        }
    }
    match bad {
        0 => Ok(ExitCode::SUCCESS),
        _ => Err(Failure::silent(Kind::Failed)),
    }
}

fn load(context: &Context, file: &Path) -> Result<Option<Error>, Failure> {
    let task = Task::Verify { file: file.to_owned() };
    let what = format!("the check of {}", file.display());
    match attempt(context, &what, task, Some(LOAD_LIMIT))? {
        TaskEnd::Done(_) => Ok(None),
        TaskEnd::Failed(error) => Ok(Some(error)),
        TaskEnd::Interrupted => Err(Failure::new(Kind::Interrupted, "interrupted")),
    }
}
