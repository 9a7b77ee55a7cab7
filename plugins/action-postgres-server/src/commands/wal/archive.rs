//! The command `hayloft pg wal archive`.

use hayloft_plugin_api::{CommandSpec, Result};
use serde_json::json;

use super::{Call, Subcommand};
use crate::{
    commands::{which_servers, worse},
    config::Server,
    intake::{self, Tally},
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "archive", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Archive what waits in incoming/ and streaming/".to_owned(),
        long_about: "Archives the files of WAL that somebody else has put into the server's \
                     directory incoming (rsync, scp, Barman's own programs), and what was streamed \
                     into streaming and is whole; then removes them there. For a timer or cron; \
                     also an action of a run (walarchive). What cannot be archived goes into the \
                     directory errors, and is never removed. Exit code 0: all is archived; 7: \
                     something that is no WAL, or is damaged, lies in errors now; 1: the archive \
                     has other WAL of the same name, or could not be reached, and the rest waits; \
                     3: somebody else is at it."
            .to_owned(),
        arguments: vec![which_servers()],
        after_help: "Examples:\n  hayloft pg wal archive main\n  hayloft pg wal archive --json"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let mut documents = Vec::new();
    let (mut code, mut text) = (0, String::new());
    for server in call.chosen()? {
        let (its_code, line, document) = one(call, server)?;
        code = worse(code, its_code);
        text.push_str(&line);
        documents.push(document);
    }
    if call.arguments.json {
        let document = json!({ "servers": documents });
        text = serde_json::to_string_pretty(&document)? + "\n";
    }
    call.host.print(text)?;
    Ok(code)
}

fn one(call: &Call<'_>, server: &Server) -> Result<(u8, String, serde_json::Value)> {
    let name = &server.name;
    let tally = match intake::archive(call.host, server)? {
        Ok(tally) => tally,
        Err(who) => {
            let text = format!("{name}: its WAL is being archived already, by {who}\n");
            return Ok((3, text, json!({ "name": name, "held_by": who })));
        }
    };
    call.host.check_cancelled()?;
    intake::complete_backups(call.host, server);
    if let Some(problem) = &tally.failure {
        tracing::error!("{}", describe(name, problem, &tally));
    }
    let text = format!("{name}: {}\n", tally.summary());
    Ok((tally.exit_code(), text, json!({ "name": name, "tally": tally })))
}

fn describe(name: &str, problem: &str, tally: &Tally) -> String {
    let hint = tally.hint.as_ref().map_or_else(String::new, |it| format!(" ({it})"));
    format!("server {name}: {problem}{hint}")
}
