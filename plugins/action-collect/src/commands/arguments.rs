//! What both commands take.

use std::path::{Component, Path};

use hayloft_plugin_api::{
    Argument, Arguments, Configuration, Error, ErrorKind, Node, Request, Result, config::Decoded,
};

use crate::sources::{Catalogue, Day};

/// The commands look at the whole configuration, and work without a
/// `<collect>` section: backups are also listed where they are only stored.
#[derive(Debug, Clone, Copy)]
pub struct AnyConfiguration;

impl Configuration for AnyConfiguration {
    fn decode(_: &Node) -> Decoded<Self> {
        Decoded { value: Some(Self), diagnostics: Vec::new() }
    }
}

/// Describes the options that say where to look.
pub(super) fn places() -> [Argument; 3] {
    [
        Argument::option(
            "day",
            "DAY",
            "The day, as 2026-11-17, 2026/11/17, today or yesterday; the newest if not given",
        ),
        Argument::option("peer", "NAME", "The machine; needed only if there are several"),
        Argument::option(
            "from",
            "PLACE",
            "Look only there: collect, staging, or the name of a storage",
        ),
    ]
}

/// A wrong command line.
pub(super) fn usage(message: impl Into<String>) -> Error {
    Error::msg(message)
}

pub(super) fn day(arguments: &Arguments, request: &Request) -> Result<Option<Day>> {
    let Some(text) = arguments.get("day") else { return Ok(None) };
    let day = Day::of_user(text, &request.now);
    let day = day.ok_or_else(|| {
        usage(format!("`{text}` is no day")).hint("write 2026-11-17, today or yesterday")
    })?;
    Ok(Some(day))
}

/// Returns the machine that is meant.
pub(super) fn peer<'a>(catalogue: &'a Catalogue<'_>, arguments: &Arguments) -> Result<&'a str> {
    let peers = catalogue.peers();
    if let Some(wanted) = arguments.get("peer") {
        return peers.get(wanted).copied().ok_or_else(|| {
            let message = format!("there is nothing of a machine called {wanted}");
            let known = peers.iter().copied().collect::<Vec<_>>().join(", ");
            Error::new(ErrorKind::NOT_FOUND, message).hint(format!("there is: {known}"))
        });
    }
    // A collect directory that no peer has belongs to this machine, which is
    // most likely the one that is staged.
    let named = peers.iter().copied().filter(|it| !it.is_empty());
    let unnamed = peers.iter().copied().filter(|it| it.is_empty() && peers.len() == 1);
    let mut all = named.chain(unnamed);
    match (all.next(), all.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => {
            let known = peers.iter().copied().filter(|it| !it.is_empty());
            let known = known.collect::<Vec<_>>().join(", ");
            Err(usage("there are backups of several machines")
                .hint(format!("choose one with --peer: {known}")))
        }
        (None, _) => Err(nothing(catalogue)),
    }
}

/// Says that there is no backup at all, and why that may be.
pub(super) fn nothing(catalogue: &Catalogue<'_>) -> Error {
    let places = catalogue.sources.join(", ");
    let error = Error::new(ErrorKind::NOT_FOUND, "there are no backups");
    match catalogue.problems.first() {
        Some(problem) => error.context(problem.clone()),
        None if places.is_empty() => error.hint(
            "the configuration has no collect directory, staging directory or storage that exists",
        ),
        None => error.hint(format!("looked in: {places}")),
    }
}

/// Makes a path absolute and plain, without looking at the disk; returns it
/// without the leading `/`.
pub(super) fn member_path(text: &str) -> Result<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::path::absolute(text)
        .map_err(|e| Error::from(e).context(format!("`{text}` is no path")))?;
    let mut plain = Vec::new();
    for component in Path::new(&path).components() {
        match component {
            Component::Normal(name) => plain.push(name.as_bytes()),
            Component::ParentDir => drop(plain.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(plain.join(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_absolute_and_plain() {
        for (text, expected) in [("/", ""), ("/a//b/../c/.", "a/c"), ("/..", "")] {
            assert_eq!(member_path(text).unwrap(), expected.as_bytes(), "{text}");
        }
        assert!(member_path("x").unwrap().ends_with(b"/x"));
    }
}
