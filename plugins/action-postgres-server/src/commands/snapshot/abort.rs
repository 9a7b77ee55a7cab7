//! The command `hayloft pg snapshot abort`.

use hayloft_plugin_api::{CommandSpec, Error, Result};
use hayloft_postgres::snapshot::{Question, ask};

use super::{Call, Subcommand, begin, end, failed, options, report, source};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "abort", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Give the backup up".to_owned(),
        long_about: "Ends the session without a backup. There is nothing to do, and exit code 0, \
                     if none is held."
            .to_owned(),
        arguments: source::arguments().to_vec(),
        after_help: "Examples:\n  hayloft pg snapshot abort main".to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let source = options::source(call)?;
    let place = source.place(call.host, call.arguments.get("state-dir"))?;
    let known = place.current().map_err(|e| failed(&e))?;
    let Some(known) = known.filter(|it| !it.phase.is_final()) else {
        let json = call.arguments.json;
        let none = || "no snapshot session is running\n".to_owned();
        call.host.print(if json { "null\n".to_owned() } else { none() })?;
        return Ok(0);
    };
    let question = Question::Abort { id: Some(known.id.clone()) };
    let record = match ask(&place, &question, &|| !call.host.cancelled()) {
        Ok(answer) if answer.refused.is_none() => answer.record,
        Ok(answer) => return Err(Error::msg(answer.refused.unwrap_or_default())),
        Err(error) => end::became(&place, &known.id).ok_or_else(|| failed(&error))?,
    };
    begin::emit_end(call.host, &source, &record.id, record.phase.as_str());
    call.host.print(report::text_or_json(Some(&record), call.arguments.json)?)?;
    Ok(0)
}
