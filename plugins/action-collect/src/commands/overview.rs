//! Days, and what each has.

use std::collections::{BTreeMap, BTreeSet};

use hayloft_plugin_api::{Arguments, Error, ErrorKind, Result, text::size};
use serde_json::json;

use super::table::table;
use crate::sources::{Catalogue, Copy, Day, FileKind};

/// What a machine has on a day.
#[derive(Default)]
struct Summary<'a> {
    places: BTreeSet<usize>,
    /// Name and size of each file; several places may have it.
    files: BTreeMap<&'a str, (FileKind, u64)>,
}

fn wanted(copy: &Copy, arguments: &Arguments) -> bool {
    arguments.get("peer").is_none_or(|it| it == copy.peer)
}

/// A machine without a name is this one.
fn shown(peer: &str) -> String {
    if peer.is_empty() { "(this)".to_owned() } else { crate::shown::shown(peer.as_bytes()) }
}

/// Lists all days.
pub(super) fn days(catalogue: &Catalogue<'_>, arguments: &Arguments) -> Result<String> {
    let mut days: BTreeMap<(Day, &str), Summary<'_>> = BTreeMap::new();
    for copy in catalogue.copies.iter().filter(|it| wanted(it, arguments)) {
        let day = days.entry((copy.day, &copy.peer)).or_default();
        day.places.insert(copy.source);
        day.files.entry(&copy.name).or_insert((copy.kind(), copy.size));
    }
    let places = |it: &Summary<'_>| -> Vec<_> {
        it.places.iter().map(|place| catalogue.sources[*place].clone()).collect()
    };
    let bytes = |it: &Summary<'_>| it.files.values().map(|(_, size)| size).sum::<u64>();
    let count = |it: &Summary<'_>, kind| it.files.values().filter(|it| it.0 == kind).count();
    if arguments.json {
        let all = days.iter().map(|((day, peer), it)| {
            json!({
                "day": day.to_string(),
                "peer": peer,
                "places": places(it),
                "archives": count(it, FileKind::Archive),
                "dumps": count(it, FileKind::Dump),
                "others": count(it, FileKind::Other),
                "bytes": bytes(it),
            })
        });
        return document(&all.collect());
    }
    let head = ["DAY", "MACHINE", "ARCHIVES", "DUMPS", "OTHERS", "SIZE", "IN"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(days.iter().map(|((day, peer), it)| {
        vec![
            day.to_string(),
            shown(peer),
            count(it, FileKind::Archive).to_string(),
            count(it, FileKind::Dump).to_string(),
            count(it, FileKind::Other).to_string(),
            size(bytes(it)),
            places(it).join(", "),
        ]
    }));
    Ok(table(&rows, &[2, 3, 4, 5]))
}

/// Lists the files of one day.
pub(super) fn files(catalogue: &Catalogue<'_>, day: Day, arguments: &Arguments) -> Result<String> {
    let mut files: BTreeMap<(&str, &str), Vec<&Copy>> = BTreeMap::new();
    for copy in catalogue.copies.iter().filter(|it| it.day == day && wanted(it, arguments)) {
        files.entry((&copy.peer, &copy.name)).or_default().push(copy);
    }
    if files.is_empty() {
        let error = Error::new(ErrorKind::NOT_FOUND, format!("there is no backup of {day}"));
        let near = catalogue.copies.iter().map(|it| it.day).find(|it| *it < day);
        return Err(match near {
            Some(near) => error.hint(format!("the last one before is of {near}")),
            None => error,
        });
    }
    let places = |copies: &[&Copy]| -> Vec<_> {
        copies.iter().map(|it| catalogue.sources[it.source].clone()).collect()
    };
    if arguments.json {
        let all = files.iter().map(|((peer, name), copies)| {
            json!({
                "day": day.to_string(),
                "peer": peer,
                "name": name,
                "kind": copies[0].kind().name(),
                "bytes": copies[0].size,
                "parts": copies[0].parts.len(),
                "places": places(copies),
            })
        });
        return document(&all.collect());
    }
    let head = ["MACHINE", "KIND", "SIZE", "NAME", "IN"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(files.iter().map(|((peer, name), copies)| {
        vec![
            shown(peer),
            copies[0].kind().name().to_owned(),
            size(copies[0].size),
            crate::shown::shown(name.as_bytes()),
            places(copies).join(", "),
        ]
    }));
    Ok(table(&rows, &[2]))
}

/// Returns a list as JSON, on lines that people can read too.
pub(super) fn document(all: &Vec<serde_json::Value>) -> Result<String> {
    Ok(serde_json::to_string_pretty(all)? + "\n")
}
