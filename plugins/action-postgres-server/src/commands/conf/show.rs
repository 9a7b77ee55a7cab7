//! The command `hayloft pg conf show`.

use std::fmt::Write as _;

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Result};
use hayloft_postgres::{conf::Configuration, tree::Disk};
use serde_json::{Value, json};

use super::text;
use crate::commands::{
    Call, Subcommand,
    place::{self, Stop, What},
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "show", spec, run };

fn spec() -> CommandSpec {
    let mut arguments = place::arguments(What::Conf);
    arguments.push(Argument::flag("overridden", "Show values that others override, too"));
    CommandSpec {
        about: "Show all settings, each with its origin".to_owned(),
        long_about: "Shows every parameter that is set somewhere, with the value that counts and \
                     its place. What is commented out or left to the server's default is not shown."
            .to_owned(),
        arguments,
        after_help: "Examples:\n  hayloft pg conf show -D /var/lib/postgresql/15/main\n  \
                     hayloft pg conf show --file postgresql.conf --overridden\n  \
                     hayloft pg conf show --server main --json"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    place::end(show(call))
}

fn show(call: &Call<'_>) -> Result<u8, Stop> {
    let place = place::find(call, What::Conf)?;
    let configuration = Configuration::load(&place.sources(), &Disk);
    let problems = configuration.problems();
    if configuration.files().is_empty() {
        let why = problems.first().map(ToString::to_string).unwrap_or_default();
        return Err(Error::new(ErrorKind::NOT_FOUND, why).into());
    }
    if !problems.is_empty() {
        tracing::warn!("the files have mistakes; `hayloft pg conf check` lists them");
    }
    if call.arguments.json {
        let catalogue = place.catalogue()?;
        let all: Vec<Value> =
            configuration.names().map(|it| text::setting(&configuration, &catalogue, it)).collect();
        let files: Vec<_> = configuration.files().iter().map(|it| it.to_string_lossy()).collect();
        let document = json!({
            "version": place.version.major_text(), "files": files, "settings": all,
        });
        call.host.print(serde_json::to_string_pretty(&document)? + "\n")?;
        return Ok(0);
    }
    let mut out = String::new();
    for name in configuration.names() {
        let mut all: Vec<_> = configuration.all(name).collect();
        let Some(last) = all.pop() else { continue };
        let (name, value) = (text::lossy(name), text::quoted(&last.value));
        let _ = writeln!(out, "{name} = {value}  # {}", last.origin);
        for earlier in all.iter().rev().filter(|_| call.arguments.has("overridden")) {
            let value = text::quoted(&earlier.value);
            let _ = writeln!(out, "#   overrides {value} at {}", earlier.origin);
        }
    }
    call.host.print(out)?;
    Ok(0)
}
