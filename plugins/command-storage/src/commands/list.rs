//! The command `hayloft storage list`.

use hayloft_plugin_api::{CommandSpec, Result};
use serde_json::json;

use super::{Call, Subcommand};
use crate::names::{self, Configured};

pub(super) const COMMAND: Subcommand = Subcommand { name: "list", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "List the storages of the configuration".to_owned(),
        long_about: "Lists the storages of the configuration, each with its type. None is \
                     opened; `hayloft storage check` does that."
            .to_owned(),
        after_help: "Examples:\n  hayloft storage list\n  hayloft storage list --json".to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let all = names::all(call.host)?;
    let text = if call.arguments.json {
        let all: Vec<_> = all.iter().map(|it| json!({"name": it.name, "type": it.kind})).collect();
        format!("{}\n", serde_json::to_string(&all)?)
    } else if all.is_empty() {
        "no storage is configured; add <storages><storage> to the configuration\n".to_owned()
    } else {
        let width = all.iter().map(|it| it.name.chars().count()).max().unwrap_or(0);
        let line = |it: &Configured| format!("{:<width$}  {}\n", it.name, it.kind);
        all.iter().map(line).collect::<Vec<_>>().concat()
    };
    call.host.print(text)?;
    Ok(0)
}
