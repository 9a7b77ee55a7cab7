//! The command `hayloft pg conf diff`.

use std::fmt::Write as _;

use std::{collections::BTreeSet, path::Path};

use hayloft_plugin_api::{Argument, CommandSpec, Result};
use hayloft_postgres::{
    conf::{Catalogue, Configuration, Setting, Sources, canonical_name},
    tree::Disk,
};
use serde_json::{Value, json};

use super::text;
use crate::commands::{
    Call, Subcommand,
    place::{self, Place, Stop, What},
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "diff", spec, run };

fn spec() -> CommandSpec {
    let mut arguments = place::arguments(What::Conf);
    arguments.push(Argument::positional(
        "other",
        "OTHER",
        "Another data directory or file; without it the running server (--server)",
    ));
    CommandSpec {
        about: "Compare the settings with those of another file or of the running server"
            .to_owned(),
        long_about: "Compares values that count, not lines: order, comments and spelling do not \
                     matter, and `8MB` is `8192kB`. Without OTHER the files are compared with what \
                     the running server uses. The exit code is 1 if there are differences."
            .to_owned(),
        arguments,
        after_help: "Examples:\n  hayloft pg conf diff -D /srv/pg/a /srv/pg/b\n  \
                     hayloft pg conf diff --file postgresql.conf postgresql.conf.sample\n  \
                     hayloft pg conf diff --server main"
            .to_owned(),
        ..CommandSpec::default()
    }
}

/// One side: what a parameter is, and where.
type Side = Option<(Vec<u8>, String)>;

fn run(call: &Call<'_>) -> Result<u8> {
    place::end(diff(call))
}

fn diff(call: &Call<'_>) -> Result<u8, Stop> {
    let place = place::find(call, What::Conf)?;
    let catalogue = place.catalogue()?;
    let ours = Configuration::load(&place.sources(), &Disk);
    readable(&ours)?;
    let differences = match call.arguments.get("other") {
        Some(other) => between(&catalogue, &ours, &configuration_of(Path::new(other))?),
        None => running(&place, &catalogue, &ours)?,
    };
    let text = if call.arguments.json {
        let side = |it: &Side| {
            it.as_ref().map(|it| json!({ "value": text::lossy(&it.0), "origin": it.1 }))
        };
        let all: Vec<Value> = differences
            .iter()
            .map(|(name, a, b)| json!({ "name": name, "left": side(a), "right": side(b) }))
            .collect();
        serde_json::to_string_pretty(&json!({ "differences": all }))? + "\n"
    } else {
        let mut out = String::new();
        for (name, left, right) in &differences {
            for (sign, side) in [("-", left), ("+", right)] {
                if let Some((value, at)) = side {
                    let _ = writeln!(out, "{sign}{name} = {}  # {at}", text::quoted(value));
                }
            }
        }
        out
    };
    call.host.print(text)?;
    Ok(u8::from(!differences.is_empty()))
}

fn readable(configuration: &Configuration) -> Result<(), Stop> {
    match configuration.problems().first() {
        Some(problem) if configuration.files().is_empty() => {
            Err(hayloft_plugin_api::Error::msg(problem.to_string()).into())
        }
        _ => Ok(()),
    }
}

fn configuration_of(path: &Path) -> Result<Configuration, Stop> {
    let sources = if path.is_dir() {
        place::of_directory(path, What::Conf)?.sources()
    } else {
        Sources::main(path)
    };
    let configuration = Configuration::load(&sources, &Disk);
    readable(&configuration)?;
    Ok(configuration)
}

fn side(setting: Option<&Setting>) -> Side {
    setting.map(|it| (it.value.clone(), it.origin.to_string()))
}

/// Tells whether two values mean the same.
fn is_same(catalogue: &Catalogue, name: &[u8], a: &[u8], b: &[u8]) -> bool {
    let read = |value: &[u8]| catalogue.get(name).and_then(|it| it.read(value).ok());
    // The server writes these in its own way.
    let loose = [&b"datestyle"[..], b"timezone", b"log_timezone"].contains(&name);
    a == b || loose && a.eq_ignore_ascii_case(b) || read(a).is_some_and(|a| Some(a) == read(b))
}

fn between(
    catalogue: &Catalogue,
    left: &Configuration,
    right: &Configuration,
) -> Vec<(String, Side, Side)> {
    let names: BTreeSet<&[u8]> = left.names().chain(right.names()).collect();
    let mut differences = Vec::new();
    for name in names {
        let (a, b) = (left.get(name), right.get(name));
        let same = match (a, b) {
            (Some(a), Some(b)) => is_same(catalogue, name, &a.value, &b.value),
            _ => false,
        };
        if !same {
            differences.push((text::lossy(name), side(a), side(b)));
        }
    }
    differences
}

/// Compares the files with what the server uses now.
fn running(
    place: &Place,
    catalogue: &Catalogue,
    files: &Configuration,
) -> Result<Vec<(String, Side, Side)>, Stop> {
    let Some(session) = &place.session else {
        let message = "with what is it to be compared? Give OTHER, or --server for the running one";
        return Err(Stop::Usage(message.to_owned()));
    };
    // What a session, a role or a database sets for itself does not count.
    let sql = "SELECT name, reset_val, boot_val, source FROM pg_catalog.pg_settings \
               WHERE context <> 'internal'";
    let rows = session.simple(sql).map_err(|e| place::failed(&e))?;
    let mut differences = Vec::new();
    for row in rows {
        let row: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
        let [name, now, boot, source] = row.as_slice() else { continue };
        let set = files.get(name);
        let from_file = source == "configuration file";
        let same = match set {
            Some(set) if set.value.is_empty() => now.is_empty(),
            Some(set) => {
                // Read in the base unit, as the server shows it.
                let bare = canonical_name(name);
                is_same(catalogue, &bare, &set.value, now.as_bytes())
            }
            None => !from_file || now == boot,
        };
        let elsewhere = !from_file && !["default", "command line"].contains(&source.as_str());
        if !same && !elsewhere {
            let running = Some((now.clone().into_bytes(), "the running server".to_owned()));
            differences.push((name.clone(), side(set), running));
        }
    }
    differences.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(differences)
}
