//! The commands `hayloft pg ident …`.

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Result};
use hayloft_postgres::{
    ident::{Mappings, Permission},
    tree::Disk,
};
use serde_json::json;

use super::{
    Call, Subcommand, group,
    hba::{
        self, Finding, Ident, add_spec, find_spec, insert_spec, list_spec, remove_spec,
        replace_spec,
    },
    place::{self, Stop, What, failed},
};

/// See the module.
pub(super) const COMMAND: Subcommand = Subcommand { name: "ident", spec, run };

/// What there is below.
const BELOW: &[Subcommand] = &[
    Subcommand { name: "list", spec: list_spec::<Ident>, run: |it| hba::run_ident("list", it) },
    Subcommand { name: "find", spec: find_spec::<Ident>, run: |it| hba::run_ident("find", it) },
    Subcommand { name: "add", spec: add_spec::<Ident>, run: |it| hba::run_ident("add", it) },
    Subcommand {
        name: "insert",
        spec: insert_spec::<Ident>,
        run: |it| hba::run_ident("insert", it),
    },
    Subcommand {
        name: "replace",
        spec: replace_spec::<Ident>,
        run: |it| hba::run_ident("replace", it),
    },
    Subcommand {
        name: "remove",
        spec: remove_spec::<Ident>,
        run: |it| hba::run_ident("remove", it),
    },
    Subcommand { name: "check", spec: check_spec, run: |it| place::end(check(it)) },
    Subcommand { name: "effective", spec: effective_spec, run: |it| place::end(effective(it)) },
];

fn spec() -> CommandSpec {
    CommandSpec {
        about: "Read, check and edit pg_ident.conf: who is which role".to_owned(),
        ..group(BELOW)
    }
}

fn run(call: &Call<'_>) -> Result<u8> {
    call.enter(BELOW)
}

fn check_spec() -> CommandSpec {
    CommandSpec {
        about: "List every mistake".to_owned(),
        long_about: "Reads all mappings as the server would, and lists every line that it would \
                     refuse, with file and line. The exit code is then 4."
            .to_owned(),
        arguments: place::arguments(What::Ident),
        after_help: "Examples:\n  hayloft pg ident check -D /var/lib/postgresql/15/main\n  \
                     hayloft pg ident check --file pg_ident.conf --json"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn check(call: &Call<'_>) -> Result<u8, Stop> {
    let place = place::find(call, What::Ident)?;
    let mappings =
        Mappings::load(&place.main, &place.hba_server(), &Disk).map_err(|e| failed(&e))?;
    let mistakes = mappings.problems().into_iter();
    let findings: Vec<Finding> = mistakes.map(|text| Finding { is_warning: false, text }).collect();
    let count = mappings.lines().iter().filter(|it| it.mapping.is_ok()).count();
    Ok(hba::report(call, &place, &findings, count, "mapping")?)
}

fn effective_spec() -> CommandSpec {
    let mut arguments = place::arguments(What::Ident);
    arguments.extend([
        Argument::option("role-of", "ROLE", "A role that ROLE is a member of").multiple(),
        Argument::positional("map", "MAP", "The map, as rules name it (map=…)").required(),
        Argument::positional("system-user", "SYSTEM-USER", "Who it is outside").required(),
        Argument::positional("role", "ROLE", "The role to connect as").required(),
    ]);
    CommandSpec {
        about: "Tell whether somebody may connect as a role, and by which mapping".to_owned(),
        long_about: "The exit code is 0 if a mapping allows it, 1 if none does, 7 if it cannot be \
                     told, 4 if the files have mistakes."
            .to_owned(),
        arguments,
        after_help: "Examples:\n  hayloft pg ident effective -D DIR staff ann app\n  \
                     hayloft pg ident effective --file pg_ident.conf staff ann@EXAMPLE.COM ann"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn effective(call: &Call<'_>) -> Result<u8, Stop> {
    let given = |name| call.arguments.get(name).unwrap_or_default().as_bytes();
    let place = place::find(call, What::Ident)?;
    let mappings =
        Mappings::load(&place.main, &place.hba_server(), &Disk).map_err(|e| failed(&e))?;
    let problems = mappings.problems();
    if !problems.is_empty() {
        let error = Error::new(ErrorKind::CONFIGURATION, problems.join("\n  "));
        return Err(error.context("the server would refuse the file").into());
    }
    let roles: Option<Vec<Vec<u8>>> = call
        .arguments
        .has("role-of")
        .then(|| call.arguments.all("role-of").iter().map(|it| it.as_bytes().to_vec()).collect());
    let permission =
        mappings.permits(given("map"), given("system-user"), given("role"), roles.as_deref());
    let (code, decision, index, why) = match &permission {
        Permission::Granted { index } => (0, "allowed", Some(*index), None),
        Permission::Denied => (1, "refused", None, None),
        Permission::Undecided { index, why } => (7, "undecided", Some(*index), Some(why)),
    };
    let line = index.and_then(|it| mappings.lines().get(it));
    let text = if call.arguments.json {
        let document = json!({
            "decision": decision, "why": why,
            "file": line.map(|it| it.file.to_string_lossy()), "line": line.map(|it| it.line),
        });
        serde_json::to_string_pretty(&document)? + "\n"
    } else {
        let at = line.map(|it| format!(" by {}:{}", it.file.display(), it.line));
        let why = why.map(|it| format!(": it depends on {it}"));
        let why =
            why.or_else(|| (code == 1).then(|| ": no mapping of this map matches".to_owned()));
        format!("{decision}{}{}\n", at.unwrap_or_default(), why.unwrap_or_default())
    };
    call.host.print(text)?;
    Ok(code)
}
