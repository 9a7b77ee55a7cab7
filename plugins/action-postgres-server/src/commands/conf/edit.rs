//! The commands `hayloft pg conf set`, `unset` and `remove`.

mod report;

use std::path::Path;

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind, Result};
use hayloft_postgres::{
    conf::{AUTO_CONF, Catalogue, Check, ConfError, ConfFile, Configuration, Edit, Plan, Policy},
    tree::Disk,
};

use super::text;
use crate::commands::{
    Call, Subcommand,
    after_edit::{self, More},
    place::{self, Place, Stop, What, failed},
};

/// Gives parameters values.
pub(super) const SET: Subcommand =
    Subcommand { name: "set", spec: set_spec, run: |call| place::end(set(call)) };
/// Comments settings out.
pub(super) const UNSET: Subcommand = Subcommand {
    name: "unset",
    spec: || {
        cleared_spec(
            "unset",
            "Comment settings out",
            "Comments out every setting of the parameters in the file; comments and all other \
             lines stay.",
        )
    },
    run: |call| place::end(clear(call, |name| Edit::unset(name))),
};
/// Deletes settings.
pub(super) const REMOVE: Subcommand = Subcommand {
    name: "remove",
    spec: || {
        cleared_spec(
            "remove",
            "Delete settings",
            "Deletes every line of the file that sets the parameters; comments stay.",
        )
    },
    run: |call| place::end(clear(call, |name| Edit::remove(name))),
};

fn common() -> Vec<Argument> {
    let mut arguments = place::arguments(What::Conf);
    arguments.extend([
        Argument::flag("dry-run", "Show what would be changed, and change nothing").short('n'),
        Argument::flag("auto", "Print ALTER SYSTEM statements instead, for postgresql.auto.conf"),
        Argument::flag("force", "Write the file although the server would refuse it"),
        Argument::option(
            "postgres",
            "PROGRAM",
            "Let this program of the server read the new file before it replaces the old one",
        ),
    ]);
    arguments.extend(after_edit::arguments());
    arguments
}

fn set_spec() -> CommandSpec {
    let mut arguments = common();
    arguments.extend([
        Argument::option(
            "below",
            "TEXT",
            "Where a new setting goes: below the first line with this",
        ),
        Argument::flag("comment-out-earlier", "Comment out earlier settings, which have no effect"),
        Argument::positional("setting", "NAME=VALUE", "What to set").required().multiple(),
    ]);
    CommandSpec {
        about: "Give parameters values, all of them or none".to_owned(),
        long_about: "Puts values into the file: each where the parameter's last setting is, or \
                     where it is commented out, or at the end. VALUE is the value itself, without \
                     the quotes of the file. Everything else in the file stays as it is. Names, \
                     types, ranges and units are checked first, for the server's version; the file \
                     is replaced as a whole or not at all. What changed is shown, with what makes \
                     it count. The exit code is 7 if a value has no effect because something \
                     elsewhere overrides it, and 4 if the files have mistakes already."
            .to_owned(),
        arguments,
        after_help: "Examples:\n  \
             hayloft pg conf set -D /var/lib/postgresql/15/main work_mem=16MB wal_level=replica\n  \
             hayloft pg conf set --file postgresql.conf --dry-run 'log_line_prefix=%m [%p] '\n  \
             hayloft pg conf set --server main -f /etc/postgresql/15/main/conf.d/10.conf work_mem=16MB\n  \
             hayloft pg conf set -D DIR --auto work_mem=16MB | psql"
            .to_owned(),
        ..CommandSpec::default()
    }
}

fn cleared_spec(name: &str, about: &str, long_about: &str) -> CommandSpec {
    let mut arguments = common();
    arguments.push(Argument::positional("name", "NAME", "The parameters").required().multiple());
    CommandSpec {
        about: about.to_owned(),
        long_about: format!(
            "{long_about} The exit code is 7 if a parameter is still set elsewhere."
        ),
        arguments,
        after_help: format!(
            "Examples:\n  hayloft pg conf {name} -D /var/lib/postgresql/15/main work_mem\n  \
             hayloft pg conf {name} --file postgresql.conf --dry-run work_mem port"
        ),
        ..CommandSpec::default()
    }
}

fn set(call: &Call<'_>) -> Result<u8, Stop> {
    let mut edits = Vec::new();
    for setting in call.arguments.all("setting") {
        let parts = setting.split_once('=').filter(|it| !it.0.trim().is_empty());
        let Some((name, value)) = parts else {
            return Err(Stop::Usage(format!("`{setting}` is not NAME=VALUE")));
        };
        let name = name.trim();
        let same = |it: &Edit| it.name().eq_ignore_ascii_case(name.as_bytes());
        if edits.iter().any(same) {
            return Err(Stop::Usage(format!("{name} is given twice")));
        }
        edits.push(Edit::set(name, value));
    }
    let place = place::find(call, What::Conf)?;
    let catalogue = place.catalogue()?;
    if !call.arguments.has("force") {
        check_values(&edits, &catalogue, &place)?;
    }
    edit(call, &place, &catalogue, &edits)
}

fn clear(call: &Call<'_>, edit_of: fn(&str) -> Edit) -> Result<u8, Stop> {
    let edits: Vec<Edit> = call.arguments.all("name").iter().map(|it| edit_of(it)).collect();
    let place = place::find(call, What::Conf)?;
    let catalogue = place.catalogue()?;
    let configuration = Configuration::load(&place.sources(), &Disk);
    for name in call.arguments.all("name") {
        let is_set = configuration.get(name).is_some();
        if !is_set && catalogue.get(name).is_none() && !name.contains('.') {
            return Err(text::unknown(&catalogue, name).into());
        }
    }
    edit(call, &place, &catalogue, &edits)
}

/// Refuses what the server would refuse, all of it at once.
fn check_values(edits: &[Edit], catalogue: &Catalogue, place: &Place) -> Result<(), Error> {
    let mut wrong = Vec::new();
    let mut hint = None;
    for edit in edits {
        let Edit::Set { name, value } = edit else { continue };
        if let Err(kind) = catalogue.check_value(name, value) {
            if catalogue.get(name).is_none() {
                hint = hint.or_else(|| text::similar(catalogue, name));
            }
            wrong.push(kind.to_string());
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let known = if place.version_known { "" } else { ", which is assumed (see --server-version)" };
    let message = wrong.join("; ");
    let error = Error::msg(message).context(format!(
        "nothing was changed: PostgreSQL {} would refuse it{known}",
        place.version.major_text()
    ));
    Err(match hint {
        Some(hint) => error.hint(hint),
        None => error,
    })
}

fn edit(call: &Call<'_>, place: &Place, catalogue: &Catalogue, edits: &[Edit]) -> Result<u8, Stop> {
    if call.arguments.has("auto") {
        return alter_system(call, edits);
    }
    after_edit::check(call, place)?;
    let file = open(place)?;
    let policy = Policy {
        comment_out_earlier: call.arguments.has("comment-out-earlier"),
        below: call.arguments.get("below").map(|it| it.as_bytes().to_vec()),
    };
    let plan = file.plan(edits, &policy).map_err(|e| failed(&e))?;
    let force = call.arguments.has("force");
    if !force {
        check(&plan, place, catalogue)?;
    }
    let dry_run = call.arguments.has("dry-run") || call.request.dry_run;
    let mut more = More::default();
    // After it the plan no longer knows what changed.
    let report = report::Report::of(edits, &plan, place, catalogue, dry_run);
    if !dry_run {
        let backup = after_edit::backup(call, place).filter(|_| plan.is_change());
        write(call, &plan, place, backup.as_deref())?;
        if plan.is_change() {
            more = More::after(call, place, backup)?;
        }
    }
    call.host.print(if call.arguments.json { report.json(&more)? } else { report.text(&more) })?;
    Ok(if report.warns() || more.warns() { 7 } else { 0 })
}

/// A file that is included need not be there yet.
fn open(place: &Place) -> Result<ConfFile, Error> {
    let path = &place.edited;
    let opened =
        if place.edited == place.main { ConfFile::open(path) } else { ConfFile::open_or_new(path) };
    opened.map_err(|error| match error {
        ConfError::AutoConf { path } => {
            let message = format!("{} is never edited: the server writes it", path.display());
            let hint =
                "use --auto, which prints the ALTER SYSTEM statements, and run them with psql";
            Error::new(ErrorKind::UNSUPPORTED, message).hint(hint)
        }
        other => failed(&other),
    })
}

fn alter_system(call: &Call<'_>, edits: &[Edit]) -> Result<u8, Stop> {
    let mut out = format!(
        "-- {AUTO_CONF} belongs to the server and is never edited from outside.\n\
         -- A superuser runs these statements; they beat postgresql.conf.\n"
    );
    for edit in edits {
        out += &edit.alter_system().map_err(|e| failed(&e))?;
        out += ";\n";
    }
    out += "SELECT pg_reload_conf();\n";
    call.host.print(out)?;
    Ok(0)
}

/// Refuses an edit that leaves files which the server would refuse: with them
/// it would have no effect, and the server would not start.
fn check(plan: &Plan<'_>, place: &Place, catalogue: &Catalogue) -> Result<(), Error> {
    let sources = place.sources();
    let problems = plan.check(&sources, catalogue, &Disk);
    let mut own = plan.document().invalid_lines().peekable();
    if problems.is_empty() && own.peek().is_none() {
        return Ok(());
    }
    let before = catalogue.check(&Configuration::load(&sources, &Disk));
    let is_new = problems.len() > before.len();
    // Those that are there already are told with the lines that they have now.
    let shown = if is_new { &problems } else { &before };
    let mut lines: Vec<String> = shown.iter().map(ToString::to_string).collect();
    if lines.is_empty() {
        lines.extend(own.map(|it| format!("{}:{it}: syntax error", place.edited.display())));
    }
    let (message, hint) = if is_new {
        ("nothing was changed: the files would have mistakes", "mend them, or write with --force")
    } else {
        (
            "nothing was changed: the files have mistakes, with which the server ignores the edit",
            "mend them first (`hayloft pg conf check`), or write with --force",
        )
    };
    let error = Error::new(ErrorKind::CONFIGURATION, lines.join("\n  "));
    Err(error.context(message).hint(hint))
}

fn write(
    call: &Call<'_>,
    plan: &Plan<'_>,
    place: &Place,
    backup: Option<&Path>,
) -> Result<(), Stop> {
    let program = call.arguments.get("postgres").map(Path::new);
    let check = match (program, &place.data) {
        (Some(_), None) => {
            let message = "--postgres needs the data directory (--data-directory)";
            return Err(Stop::Usage(message.to_owned()));
        }
        (Some(_), _) if place.edited != place.main => {
            let message = "--postgres reads the main file only, not one that it includes";
            return Err(Stop::Usage(message.to_owned()));
        }
        (Some(postgres), Some(data)) => Check::Program { postgres, data },
        // Checked before, with better messages.
        (None, _) => Check::Nothing,
    };
    plan.write_keeping(check, backup).map_err(|e| failed(&e))?;
    Ok(())
}
