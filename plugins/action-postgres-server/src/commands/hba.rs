//! The commands `hayloft pg hba …`, and what `hayloft pg ident …` has in
//! common with them.

mod check;
mod edit;
mod effective;
mod kind;
mod list;
mod words;

use hayloft_plugin_api::{CommandSpec, Result};

pub(super) use self::{
    check::{Finding, report},
    edit::{add_spec, insert_spec, remove_spec, replace_spec},
    kind::Ident,
    list::{find_spec, list_spec},
};
use super::{Call, Subcommand, group, place};
use kind::Hba;

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "hba", spec, run };

/// What there is below.
const BELOW: &[Subcommand] = &[
    Subcommand {
        name: "list",
        spec: list_spec::<Hba>,
        run: |call| place::end(list::list::<Hba>(call)),
    },
    Subcommand {
        name: "find",
        spec: find_spec::<Hba>,
        run: |call| place::end(list::find::<Hba>(call)),
    },
    Subcommand {
        name: "add",
        spec: add_spec::<Hba>,
        run: |call| place::end(edit::add::<Hba>(call)),
    },
    Subcommand {
        name: "insert",
        spec: insert_spec::<Hba>,
        run: |call| place::end(edit::insert::<Hba>(call)),
    },
    Subcommand {
        name: "replace",
        spec: replace_spec::<Hba>,
        run: |call| place::end(edit::replace::<Hba>(call)),
    },
    Subcommand {
        name: "remove",
        spec: remove_spec::<Hba>,
        run: |call| place::end(edit::remove::<Hba>(call)),
    },
    check::COMMAND,
    effective::COMMAND,
];

/// `hayloft pg ident list`, and so on.
pub(super) fn run_ident(name: &str, call: &Call<'_>) -> Result<u8> {
    place::end(match name {
        "list" => list::list::<Ident>(call),
        "find" => list::find::<Ident>(call),
        "add" => edit::add::<Ident>(call),
        "insert" => edit::insert::<Ident>(call),
        "replace" => edit::replace::<Ident>(call),
        _ => edit::remove::<Ident>(call),
    })
}

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Read, check and edit pg_hba.conf: who may connect".to_owned(),
        ..group(BELOW)
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    call.enter(BELOW)
}
