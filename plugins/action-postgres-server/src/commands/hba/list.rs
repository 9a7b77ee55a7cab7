//! The commands `hayloft pg hba list` and `find`, and those of `pg ident`.

use std::fmt::Write as _;

use std::path::Path;

use hayloft_plugin_api::{Argument, CommandSpec, Error, ErrorKind};
use hayloft_postgres::hba::{Record, RuleError, Slot};
use serde_json::{Map, Value, json};

use super::kind::{Kind, Line};
use crate::commands::{
    Call,
    place::{self, Place, Stop, failed},
};

pub(crate) fn list_spec<K: Kind>() -> CommandSpec {
    let (noun, command) = (K::NOUN, K::COMMAND);
    CommandSpec {
        about: format!("List the {noun}s with their indexes"),
        long_about: format!(
            "Lists every {noun} in the order in which the server goes through them, files that are \
             included too. INDEX counts the {noun}s of the file that is edited, from 0; those of \
             other files have none. Lines that the server would refuse are listed with the reason, \
             and the exit code is then 4."
        ),
        arguments: place::arguments(K::WHAT),
        after_help: format!(
            "Examples:\n  hayloft pg {command} list -D /var/lib/postgresql/15/main\n  \
             hayloft pg {command} list --file {} --json",
            K::WHAT.file_name()
        ),
        ..CommandSpec::default()
    }
}

pub(crate) fn find_spec<K: Kind>() -> CommandSpec {
    let (noun, command) = (K::NOUN, K::COMMAND);
    let mut arguments = place::arguments(K::WHAT);
    arguments.push(
        Argument::positional("field", "FIELD", "The first fields of a line; '*' is anything")
            .required()
            .multiple(),
    );
    CommandSpec {
        about: format!("Find {noun}s by their fields"),
        long_about: format!(
            "Lists the {noun}s whose fields begin with those given, in the order of the file: {}. \
             '*' stands for anything. Addresses are compared by what they mean, lists as sets, and \
             quotes count where they change the meaning. The exit code is 1 if there is none.",
            K::FIELDS
        ),
        arguments,
        after_help: format!(
            "Examples:\n  hayloft pg {command} find -D DIR {}\n  \
             hayloft pg {command} find --file {} '* app' --json",
            K::EXAMPLE,
            K::WHAT.file_name()
        ),
        ..CommandSpec::default()
    }
}

/// A record with its place.
struct Listed<R> {
    /// In the file that is edited.
    index: Option<usize>,
    line: Line<R>,
}

/// Everything that the server reads; records of the edited file stand as in
/// that file, not with what `@` files hold.
fn listed<K: Kind>(place: &Place) -> Result<Vec<Listed<K::Record>>, Error> {
    let server = place.hba_server();
    let file = K::open(&place.edited, &server).map_err(|e| failed(&e))?;
    let own = K::records(&K::document(&file));
    let edited = place.edited.canonicalize().unwrap_or_else(|_| place.edited.clone());
    let is_edited = |it: &Path| it == edited || it.canonicalize().is_ok_and(|it| it == edited);
    let lines = K::load(&place.main, &server).map_err(|e| failed(&e))?;
    let mut all = Vec::new();
    for mut line in lines {
        let index = if is_edited(&line.file) {
            own.iter().position(|it| it.0 == line.number)
        } else {
            None
        };
        if let (Some(index), Ok(record)) = (index, &mut line.record) {
            *record = own[index].1.clone();
        }
        all.push(Listed { index, line });
    }
    Ok(all)
}

pub(super) fn list<K: Kind>(call: &Call<'_>) -> Result<u8, Stop> {
    let place = place::find(call, K::WHAT)?;
    let all = listed::<K>(&place)?;
    print::<K>(call, &place, &all)?;
    Ok(if all.iter().any(|it| it.line.record.is_err()) { 4 } else { 0 })
}

pub(super) fn find<K: Kind>(call: &Call<'_>) -> Result<u8, Stop> {
    let place = place::find(call, K::WHAT)?;
    let fields = K::fields(call.arguments.all("field")).map_err(Stop::Usage)?;
    let mut all = listed::<K>(&place)?;
    all.retain(|it| it.line.record.as_ref().is_ok_and(|it| it.has(&fields)));
    if all.is_empty() && !call.arguments.json {
        let message = format!("no {} has these fields", K::NOUN);
        return Err(Error::new(ErrorKind::NOT_FOUND, message).into());
    }
    print::<K>(call, &place, &all)?;
    Ok(u8::from(all.is_empty()))
}

/// The texts under each heading.
fn columns<K: Kind>(record: &K::Record) -> Vec<String> {
    let fields = record.to_fields().unwrap_or_default();
    let text = |slots: &&[Slot]| {
        let texts: Vec<_> = fields
            .iter()
            .filter(|it| slots.contains(&it.0))
            .map(|it| String::from_utf8_lossy(&it.1).into_owned())
            .collect();
        texts.join(" ")
    };
    K::HEADINGS.iter().map(|it| text(&it.1)).collect()
}

/// A record as one line.
pub(super) fn shown<K: Kind>(record: &K::Record) -> String {
    let mut columns = columns::<K>(record);
    columns.retain(|it| !it.is_empty());
    columns.join(" ")
}

fn reasons(errors: &[RuleError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn print<K: Kind>(call: &Call<'_>, place: &Place, all: &[Listed<K::Record>]) -> Result<(), Error> {
    if call.arguments.json {
        let rows: Vec<Value> = all.iter().map(json::<K>).collect();
        let document = json!({
            "file": place.edited.to_string_lossy(),
            "version": place.version.major_text(),
            (format!("{}s", K::NOUN)): rows,
        });
        return call.host.print(serde_json::to_string_pretty(&document)? + "\n");
    }
    let several = all.iter().any(|it| it.index.is_none() && it.line.record.is_ok());
    let at = |it: &Line<K::Record>| {
        if several { format!("{}:{}", it.file.display(), it.number) } else { it.number.to_string() }
    };
    let mut rows = vec![vec!["INDEX".to_owned(), "LINE".to_owned()]];
    rows[0].extend(K::HEADINGS.iter().map(|it| it.0.to_owned()));
    let mut mistakes = String::new();
    for it in all {
        match &it.line.record {
            Ok(record) => {
                let index = it.index.map_or_else(|| "-".to_owned(), |it| it.to_string());
                rows.push([vec![index, at(&it.line)], columns::<K>(record)].concat());
            }
            Err(errors) => {
                let (file, line) = (it.line.file.display(), it.line.number);
                let _ = writeln!(mistakes, "{file}:{line}: {}", reasons(errors));
            }
        }
    }
    call.host.print(table(&rows) + &mistakes)
}

fn json<K: Kind>(it: &Listed<K::Record>) -> Value {
    let mut row = Map::new();
    row.insert("index".to_owned(), json!(it.index));
    row.insert("file".to_owned(), json!(it.line.file.to_string_lossy()));
    row.insert("line".to_owned(), json!(it.line.number));
    match &it.line.record {
        Err(errors) => {
            row.insert("error".to_owned(), json!(reasons(errors)));
        }
        Ok(record) => {
            for (heading, text) in K::HEADINGS.iter().zip(columns::<K>(record)) {
                let name = heading.0.to_ascii_lowercase().replace('-', "_");
                let value = if text.is_empty() { Value::Null } else { Value::String(text) };
                row.insert(name, value);
            }
        }
    }
    Value::Object(row)
}

/// Columns as wide as their widest text.
fn table(rows: &[Vec<String>]) -> String {
    let count = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|it| it[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (text, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{text:width$}  ");
        }
        out += line.trim_end();
        out += "\n";
    }
    out
}
