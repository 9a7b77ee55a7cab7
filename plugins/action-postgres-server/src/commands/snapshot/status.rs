//! The command `hayloft pg snapshot status`.

use hayloft_plugin_api::{CommandSpec, Result};
use hayloft_postgres::snapshot::{Phase, Question, ask};

use super::{Call, Subcommand, begin, end, failed, options, report, source};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "status", spec, run };

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Show the session that is held, or how the last one ended".to_owned(),
        long_about: "Shows the session that is held, or how the last one ended. The exit code is \
                     1 if that was not well. With --json, `null` if none is known."
            .to_owned(),
        arguments: source::arguments().to_vec(),
        after_help: "Examples:\n  hayloft pg snapshot status main\n  \
                     hayloft pg snapshot status main --json"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    let source = options::source(call)?;
    let place = source.place(call.host, call.arguments.get("state-dir"))?;
    let mut record = place.current().map_err(|e| failed(&e))?;
    if let Some(known) = record.as_ref().filter(|it| !it.phase.is_final()) {
        let answer = ask(&place, &Question::Status, &begin::patience());
        let id = known.id.clone();
        let live = answer.map(|it| it.record).ok().or_else(|| end::became(&place, &id));
        record = live.or(record);
    }
    call.host.print(report::text_or_json(record.as_ref(), call.arguments.json)?)?;
    let bad = [Phase::Failed, Phase::Incomplete, Phase::Aborted];
    Ok(u8::from(record.is_some_and(|it| bad.contains(&it.phase))))
}
