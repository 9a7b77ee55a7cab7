//! The command `hayloft pg conf get`.

use std::fmt::Write as _;

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Result};
use hayloft_postgres::{
    conf::{Catalogue, Configuration},
    tree::Disk,
};
use serde_json::{Value, json};

use super::text;
use crate::commands::{
    Call, Subcommand,
    place::{self, Stop, What},
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "get", spec, run };

fn spec() -> CommandSpec {
    let mut arguments = place::arguments(What::Conf);
    arguments
        .push(Argument::flag("origin", "Tell where each value comes from, and what it overrides"));
    arguments.push(Argument::positional("name", "NAME", "The parameters").required().multiple());
    CommandSpec {
        about: "Print the values that count".to_owned(),
        long_about:
            "Prints the value that counts after all includes, postgresql.auto.conf and the \
                     command line of the running server: for one parameter the value alone, for \
                     several `name = 'value'`. The exit code is 1 if a parameter is not set \
                     (then the server's default holds), or does not exist."
                .to_owned(),
        arguments,
        after_help: "Examples:\n  hayloft pg conf get -D /var/lib/postgresql/15/main work_mem\n  \
                     hayloft pg conf get --file postgresql.conf port work_mem --origin\n  \
                     hayloft pg conf get --server main archive_command --json"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    place::end(get(call))
}

fn get(call: &Call<'_>) -> Result<u8, Stop> {
    let place = place::find(call, What::Conf)?;
    let mut sources = place.sources();
    if call.arguments.has("file") && place.edited != place.main {
        // One of the files that are included, by itself.
        sources = hayloft_postgres::conf::Sources::main(&place.edited);
    }
    let configuration = Configuration::load(&sources, &Disk);
    if configuration.files().is_empty() {
        let why = configuration.problems().first().map(ToString::to_string);
        return Err(Error::new(ErrorKind::NOT_FOUND, why.unwrap_or_default()).into());
    }
    if !configuration.problems().is_empty() {
        tracing::warn!("the files have mistakes; `hayloft pg conf check` lists them");
    }
    let catalogue = place.catalogue()?;
    let names = call.arguments.all("name");
    let missing = missing(names, &configuration, &catalogue)?;
    let text = if call.arguments.json {
        let all: Vec<Value> = names
            .iter()
            .map(|it| text::setting(&configuration, &catalogue, it.as_bytes()))
            .collect();
        serde_json::to_string_pretty(&json!({ "settings": all }))? + "\n"
    } else {
        plain(call, names, &configuration)
    };
    call.host.print(text)?;
    for name in &missing {
        tracing::error!("{name} is not set: the server's default holds");
    }
    Ok(u8::from(!missing.is_empty()))
}

/// Those that are not set; one that does not exist is an error.
fn missing<'a>(
    names: &'a [String],
    configuration: &Configuration,
    catalogue: &Catalogue,
) -> Result<Vec<&'a str>, Error> {
    let mut missing = Vec::new();
    for name in names {
        if configuration.get(name).is_some() {
            continue;
        }
        if catalogue.get(name).is_none() && !name.contains('.') {
            return Err(text::unknown(catalogue, name));
        }
        missing.push(name.as_str());
    }
    Ok(missing)
}

fn plain(call: &Call<'_>, names: &[String], configuration: &Configuration) -> String {
    let with_origin = call.arguments.has("origin");
    let mut out = String::new();
    for name in names {
        let mut all: Vec<_> = configuration.all(name).collect();
        let Some(last) = all.pop() else { continue };
        if names.len() == 1 && !with_origin {
            let _ = writeln!(out, "{}", text::lossy(&last.value));
            continue;
        }
        let _ = writeln!(out, "{} = {}", name.to_ascii_lowercase(), text::quoted(&last.value));
        if with_origin {
            let _ = writeln!(out, "    {}", last.origin);
            for earlier in all.iter().rev() {
                let value = text::quoted(&earlier.value);
                let _ = writeln!(out, "    overrides {value} at {}", earlier.origin);
            }
        }
    }
    out
}
