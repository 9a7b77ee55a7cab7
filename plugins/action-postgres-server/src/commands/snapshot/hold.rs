//! The process that holds a session: hidden, started by `begin`.

use hayloft_plugin_api::{CommandSpec, Error, Result};
use hayloft_postgres::snapshot::{HoldOptions, Phase, Place, hold};

use super::{
    Call, Subcommand, chain, failed,
    options::{self, Options},
    source::Source,
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "hold", spec: CommandSpec::default, run };

fn run(call: &Call<'_>) -> Result<u8> {
    let source = options::source(call)?;
    let place = source.place(call.host, call.arguments.get("state-dir"))?;
    let id = call.arguments.get("id").ok_or_else(|| Error::msg("it is for the program itself"))?;
    let refuse = |error: &Error| {
        if let Err(e) = place.refuse(id, &error.to_string()) {
            tracing::error!("{}", chain(&e));
        }
    };
    let asked = Options::read(call, &source.name());
    let options =
        asked.and_then(|it| hold_options(&source, &it, id, &place)).inspect_err(refuse)?;
    let cancelled = || call.host.cancelled();
    let record = hold(&place, &options, &cancelled, &|text| tracing::info!("{text}"));
    let record = record.map_err(|e| failed(&e)).inspect_err(refuse)?;
    Ok(u8::from(record.phase != Phase::Complete))
}

/// Returns what the library is given.
pub(super) fn hold_options(
    source: &Source,
    options: &Options,
    id: &str,
    place: &Place,
) -> Result<HoldOptions> {
    Ok(HoldOptions {
        id: id.to_owned(),
        server: source.name(),
        label: options.label.clone(),
        output: options.output.clone().unwrap_or_else(|| place.directory().to_owned()),
        target: source.target()?,
        primary: source.primary()?,
        fast: !options.spread,
        deadline: options.deadline,
        heartbeat: source.heartbeat(),
        archive_wait: options.wait,
        table: options.table,
    })
}
