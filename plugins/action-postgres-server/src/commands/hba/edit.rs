//! The commands `hayloft pg hba add`, `insert` and `remove`, and those of
//! `pg ident`.

use std::fmt::Write as _;

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind};
use hayloft_postgres::hba::{self, Position, Record, Server, Warning, WarningKind};
use serde_json::json;

use super::{kind::Kind, list::shown, words};
use crate::commands::{
    Call,
    after_edit::{self, More},
    place::{self, Place, Stop, What, failed},
};

fn common<K: Kind>() -> Vec<Argument> {
    let mut arguments = place::arguments(K::WHAT);
    arguments.push(
        Argument::flag("dry-run", "Show what would be changed, and change nothing").short('n'),
    );
    arguments.extend(after_edit::arguments());
    arguments
}

fn record_argument<K: Kind>() -> Argument {
    let help = format!("The {}: {}", K::NOUN, K::FIELDS);
    Argument::positional("record", "FIELD", &help).required().multiple()
}

pub(crate) fn add_spec<K: Kind>() -> CommandSpec {
    let (noun, command) = (K::NOUN, K::COMMAND);
    let mut arguments = common::<K>();
    arguments.push(record_argument::<K>());
    CommandSpec {
        about: format!("Add a {noun} at the end, if it is not there yet"),
        long_about: format!(
            "Adds a {noun} after the last one, laid out like its neighbours. If there is one that \
             means the same already, nothing is done. The file is replaced as a whole, and only if \
             the server would take it. The exit code is 7 if there is something to be seen to, \
             such as a {noun} that is never reached."
        ),
        arguments,
        after_help: format!(
            "Examples:\n  hayloft pg {command} add -D /var/lib/postgresql/15/main {0}\n  \
             hayloft pg {command} add --file {1} --dry-run '{0}'",
            K::EXAMPLE,
            K::WHAT.file_name()
        ),
        ..CommandSpec::default()
    }
}

pub(crate) fn insert_spec<K: Kind>() -> CommandSpec {
    let (noun, command) = (K::NOUN, K::COMMAND);
    let mut arguments = common::<K>();
    arguments.extend([
        Argument::option("before", "WHERE", "Before the one with this index, or with these fields"),
        Argument::option("after", "WHERE", "After the one with this index, or with these fields"),
        Argument::option("index", "N", "Such that it gets this index; negative ones as --index=-1"),
        record_argument::<K>(),
    ]);
    CommandSpec {
        about: format!("Insert a {noun} before or after another one"),
        long_about: format!(
            "Inserts a {noun}. WHERE is an index of `hayloft pg {command} list`, or the first \
             fields of a line ('*' is anything): then the first such {noun} is meant. Comments \
             directly above a {noun} stay with it. The file is replaced as a whole, and only if \
             the server would take it."
        ),
        arguments,
        after_help: format!(
            "Examples:\n  hayloft pg {command} insert -D DIR --index 0 {0}\n  \
             hayloft pg {command} insert --file {1} --before '{2}' {0}",
            K::EXAMPLE,
            K::WHAT.file_name(),
            K::EXAMPLE.split(' ').next().unwrap_or_default(),
        ),
        ..CommandSpec::default()
    }
}

pub(crate) fn replace_spec<K: Kind>() -> CommandSpec {
    let (noun, command) = (K::NOUN, K::COMMAND);
    let mut arguments = common::<K>();
    arguments.push(
        Argument::positional("where", "WHERE", "Its index, or its first fields as one word")
            .required(),
    );
    arguments.push(record_argument::<K>());
    CommandSpec {
        about: format!("Replace a {noun} by another one"),
        long_about: format!(
            "Puts a {noun} in the place of another one; layout and comment stay. WHERE is an \
             index of `hayloft pg {command} list`, or the first fields of a line ('*' is \
             anything), which only one {noun} may have."
        ),
        arguments,
        after_help: format!(
            "Examples:\n  hayloft pg {command} replace -D DIR 3 {}\n  \
             hayloft pg {command} replace --file {} '{}' {}",
            K::EXAMPLE,
            K::WHAT.file_name(),
            K::EXAMPLE.split(' ').take(2).collect::<Vec<_>>().join(" "),
            K::EXAMPLE
        ),
        ..CommandSpec::default()
    }
}

pub(crate) fn remove_spec<K: Kind>() -> CommandSpec {
    let (noun, command) = (K::NOUN, K::COMMAND);
    let mut arguments = common::<K>();
    arguments.extend([
        Argument::flag("all", "Remove all that have the fields, not just the only one"),
        Argument::positional("which", "WHICH", "Indexes, or the first fields of a line")
            .required()
            .multiple(),
    ]);
    CommandSpec {
        about: format!("Remove {noun}s"),
        long_about: format!(
            "Removes {noun}s with all their lines; comments stay. WHICH are indexes of `hayloft pg \
             {command} list` (negative ones after `--`), or the first fields of a line ('*' is \
             anything). If several have these fields, nothing is removed without --all. The exit \
             code is 1 if there is none."
        ),
        arguments,
        after_help: format!(
            "Examples:\n  hayloft pg {command} remove -D DIR 3 4\n  \
             hayloft pg {command} remove --file {} {}\n  \
             hayloft pg {command} remove -D DIR -- -1",
            K::WHAT.file_name(),
            K::EXAMPLE
        ),
        ..CommandSpec::default()
    }
}

/// An edit in the making.
struct Work<K: Kind> {
    place: Place,
    server: Server,
    file: K::File,
    document: K::Document,
}

/// What was done: words for people, and the indexes.
struct Done {
    verb: &'static str,
    records: Vec<(usize, String)>,
}

fn open<K: Kind>(call: &Call<'_>) -> Result<Work<K>, Stop> {
    let place = place::find(call, K::WHAT)?;
    after_edit::check(call, &place)?;
    let server = place.hba_server();
    let file = K::open(&place.edited, &server).map_err(|e| failed(&e))?;
    let document = K::document(&file);
    Ok(Work { place, server, file, document })
}

fn record<K: Kind>(call: &Call<'_>, server: &Server) -> Result<K::Record, Error> {
    let text = words::line(call.arguments.all("record"));
    K::parse(text.as_bytes(), server).map_err(|error| {
        let it = failed(&error).context(format!("`{text}` is no {} that can be added", K::NOUN));
        it.hint(format!("the fields are {}", K::FIELDS))
    })
}

pub(super) fn add<K: Kind>(call: &Call<'_>) -> Result<u8, Stop> {
    let mut work = open::<K>(call)?;
    let record = record::<K>(call, &work.server)?;
    let added = K::ensure(&mut work.document, &record);
    let (index, is_new) = added.map_err(|e| failed(&e))?;
    let verb = if is_new { "added" } else { "there already" };
    finish(call, work, &Done { verb, records: vec![(index, shown::<K>(&record))] })
}

pub(super) fn insert<K: Kind>(call: &Call<'_>) -> Result<u8, Stop> {
    let given = |name| call.arguments.get(name);
    let (place, position) = match (given("before"), given("after"), given("index")) {
        (Some(it), None, None) => (it, Position::Before),
        (None, Some(it), None) => (it, Position::After),
        (None, None, Some(it)) if it.parse::<isize>().is_ok() => (it, Position::Before),
        (None, None, Some(it)) => return Err(Stop::Usage(format!("`{it}` is no index"))),
        _ => return Err(Stop::Usage("give one of --before, --after and --index".to_owned())),
    };
    let mut work = open::<K>(call)?;
    let record = record::<K>(call, &work.server)?;
    let at = match place.parse::<isize>() {
        Ok(index) => index,
        Err(_) => first::<K>(&work, place)?,
    };
    let index = K::insert(&mut work.document, at, &record, position).map_err(|e| failed(&e))?;
    finish(call, work, &Done { verb: "inserted", records: vec![(index, shown::<K>(&record))] })
}

fn first<K: Kind>(work: &Work<K>, text: &str) -> Result<isize, Stop> {
    let matching = matching::<K>(work, &[text.to_owned()])?;
    matching.first().map(|it| it.cast_signed()).ok_or_else(|| none_matches::<K>(text))
}

fn matching<K: Kind>(work: &Work<K>, words: &[String]) -> Result<Vec<usize>, Stop> {
    let fields = K::fields(words).map_err(Stop::Usage)?;
    let records = K::records(&work.document);
    let found = records.iter().enumerate().filter(|it| it.1.1.has(&fields));
    Ok(found.map(|it| it.0).collect())
}

fn none_matches<K: Kind>(text: &str) -> Stop {
    let message = format!("no {} begins with `{text}`", K::NOUN);
    let hint = format!("`hayloft pg {} list` shows them with their indexes", K::COMMAND);
    Error::new(ErrorKind::NOT_FOUND, message).hint(hint).into()
}

pub(super) fn replace<K: Kind>(call: &Call<'_>) -> Result<u8, Stop> {
    let mut work = open::<K>(call)?;
    let record = record::<K>(call, &work.server)?;
    let place = call.arguments.get("where").unwrap_or_default();
    let at = if let Ok(index) = place.parse::<isize>() {
        index
    } else {
        let matching = matching::<K>(&work, &[place.to_owned()])?;
        if matching.len() > 1 {
            let message = format!("{} {}s begin with `{place}`", matching.len(), K::NOUN);
            return Err(Error::msg(message).hint("give more fields, or the index").into());
        }
        matching.first().map(|it| it.cast_signed()).ok_or_else(|| none_matches::<K>(place))?
    };
    K::replace(&mut work.document, at, &record).map_err(|e| failed(&e))?;
    let count = K::records(&work.document).len();
    let index = if at < 0 { count.saturating_add_signed(at) } else { at.unsigned_abs() };
    finish(call, work, &Done { verb: "replaced", records: vec![(index, shown::<K>(&record))] })
}

pub(super) fn remove<K: Kind>(call: &Call<'_>) -> Result<u8, Stop> {
    let mut work = open::<K>(call)?;
    let which = call.arguments.all("which");
    let indexes: Result<Vec<isize>, _> = which.iter().map(|it| it.parse::<isize>()).collect();
    let records = K::records(&work.document);
    let mut indexes: Vec<usize> = match indexes {
        Ok(given) => resolved(&given, records.len()).map_err(|e| failed(&e))?,
        Err(_) => matching::<K>(&work, which)?,
    };
    if indexes.is_empty() {
        return Err(none_matches::<K>(&words::line(which)));
    }
    let by_fields = which.iter().any(|it| it.parse::<isize>().is_err());
    if by_fields && indexes.len() > 1 && !call.arguments.has("all") {
        let count = indexes.len();
        let shown: Vec<String> =
            indexes.iter().map(|it| format!("{it}: {}", shown::<K>(&records[*it].1))).collect();
        let message = format!("{count} {}s have these fields: {}", K::NOUN, shown.join("; "));
        return Err(Error::msg(message).hint("give --all, more fields, or the index").into());
    }
    indexes.sort_unstable();
    indexes.dedup();
    for index in indexes.iter().rev() {
        K::pop(&mut work.document, index.cast_signed()).map_err(|e| failed(&e))?;
    }
    let removed = indexes.iter().map(|it| (*it, shown::<K>(&records[*it].1))).collect();
    finish(call, work, &Done { verb: "removed", records: removed })
}

fn resolved(given: &[isize], count: usize) -> Result<Vec<usize>, hba::HbaError> {
    let resolve = |index: &isize| {
        let at =
            if *index < 0 { count.checked_add_signed(*index) } else { Some(index.unsigned_abs()) };
        let missing = hba::HbaError::NoSuchIndex { index: *index, count };
        at.filter(|it| *it < count).ok_or(missing)
    };
    given.iter().map(resolve).collect()
}

/// Checks, writes and tells.
fn finish<K: Kind>(call: &Call<'_>, work: Work<K>, done: &Done) -> Result<u8, Stop> {
    let Work { place, server, file, document } = work;
    let problems_of = |document: &K::Document| {
        K::problems(&file, &place.edited, document, &place.main, &server).map_err(|e| failed(&e))
    };
    // Those that are there already are told with the lines that they have now.
    let mut problems = problems_of(&K::document(&file))?;
    if problems.is_empty() {
        problems = problems_of(&document)?;
    }
    if !problems.is_empty() {
        let error = Error::new(ErrorKind::CONFIGURATION, problems.join("\n  "));
        let message = "nothing was changed: the server would refuse the file";
        return Err(error.context(message).hint("mend these lines first").into());
    }
    let diff = String::from_utf8_lossy(&K::diff(&file, &document)).into_owned();
    let warnings = new_warnings::<K>(&file, &document, &place)?;
    let dry_run = call.arguments.has("dry-run") || call.request.dry_run;
    let mut more = More::default();
    let changed = !diff.is_empty();
    if !dry_run {
        let backup = after_edit::backup(call, &place).filter(|_| changed);
        K::write(&file, document, &place.main, backup.as_deref()).map_err(|e| failed(&e))?;
        if changed {
            more = More::after(call, &place, backup)?;
        }
    }
    let mut texts: Vec<String> = warnings
        .iter()
        .map(|it| format!("{}:{}: {}", it.file.display(), it.line, it.kind))
        .collect();
    texts.extend(octal::<K>(call));
    let text = if call.arguments.json {
        let records: Vec<_> =
            done.records.iter().map(|it| json!({ "index": it.0, K::NOUN: it.1 })).collect();
        let mut document = json!({
            "file": place.edited.to_string_lossy(), "effect": done.verb, "dry_run": dry_run,
            "written": changed && !dry_run, "diff": diff, (format!("{}s", K::NOUN)): records,
            "warnings": texts,
        });
        more.add_to(&mut document);
        serde_json::to_string_pretty(&document)? + "\n"
    } else {
        let mut out = diff;
        for (index, shown) in &done.records {
            let _ = writeln!(out, "{}: {} {index}: {shown}", done.verb, K::NOUN);
        }
        out.extend(texts.iter().map(|it| format!("warning: {it}\n")));
        out += match (changed, dry_run) {
            (false, _) => "nothing to change\n",
            (true, true) => "dry run: nothing was changed\n",
            (true, false) if more.is_reloaded() => "",
            (true, false) => "counts after a reload of the server, for new connections\n",
        };
        out + &more.text()
    };
    call.host.print(text)?;
    Ok(if texts.is_empty() && !more.warns() { 0 } else { 7 })
}

/// An address is written as it is read: of one with an octal number, the file
/// does not show what was typed.
fn octal<K: Kind>(call: &Call<'_>) -> Option<String> {
    let words = words::split(call.arguments.all("record"));
    let address = words.get(3).filter(|_| K::WHAT == What::Hba)?;
    hba::is_octal_address(address)
        .then(|| format!("{address}: a number of the address with a leading 0 is octal"))
}

/// The warnings that the edit causes.
fn new_warnings<K: Kind>(
    file: &K::File,
    document: &K::Document,
    place: &Place,
) -> Result<Vec<Warning>, Error> {
    let all =
        |document: &K::Document| K::warnings(file, document, &place.main).map_err(|e| failed(&e));
    // Lines have moved: those that were there are told by what they are about.
    let mut before: Vec<String> =
        all(&K::document(file))?.iter().map(|it| about(&it.kind)).collect();
    let mut new = all(document)?;
    new.retain(|it| {
        let known = before.iter().position(|before| *before == about(&it.kind));
        known.map(|at| before.swap_remove(at)).is_none()
    });
    Ok(new)
}

fn about(kind: &WarningKind) -> String {
    match kind {
        WarningKind::Unreachable { .. } => "unreachable".to_owned(),
        WarningKind::Duplicate { .. } => "duplicate".to_owned(),
        other => format!("{other:?}"),
    }
}
