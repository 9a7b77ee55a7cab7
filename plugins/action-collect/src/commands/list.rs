//! The command `list`.

use hayloft_plugin_api::{Argument, Arguments, Command, CommandSpec, Host, Request, Result};

use super::{
    arguments::{self, AnyConfiguration, member_path},
    entries::{Entries, versions},
    overview,
};
use crate::{
    days::Archives,
    sources::{Catalogue, Day},
};

/// The `list` command: which days there are, what each has, and what a path
/// looked like.
#[derive(Debug)]
pub struct List;

impl Command for List {
    type Config = AnyConfiguration;

    fn spec() -> CommandSpec {
        let [day, peer, from] = arguments::places();
        CommandSpec {
            about: "List backups, and the files in them".to_owned(),
            long_about: "Without a path: the days of which there are backups; with --day, the \
                         files of that day. With a path: what was there on that day, as `ls -l` \
                         would have shown it."
                .to_owned(),
            arguments: vec![
                Argument::positional("path", "PATH", "A file or directory that was collected"),
                day,
                peer,
                from,
                Argument::flag("recursive", "Show everything below the path").short('r'),
                Argument::flag("versions", "Show how the path changed over all days"),
            ],
            after_help:
                "Examples:\n  hayloft list\n  hayloft list --day yesterday\n  hayloft list \
                         /etc --day 2026-11-17\n  hayloft list --versions /etc/passwd"
                    .to_owned(),
            ..CommandSpec::default()
        }
    }

    fn new(_: AnyConfiguration) -> Result<Self> {
        Ok(Self)
    }

    fn run(&self, host: &Host, request: &Request, arguments: &Arguments) -> Result<u8> {
        let catalogue = Catalogue::load(host, arguments.get("from"))?;
        for problem in &catalogue.problems {
            tracing::warn!("{problem}");
        }
        let day = arguments::day(arguments, request)?;
        let warned = u8::from(!catalogue.problems.is_empty()) * 7;
        if catalogue.copies.is_empty() {
            return Err(arguments::nothing(&catalogue));
        }
        let Some(path) = arguments.get("path") else {
            let text = match day {
                Some(day) => overview::files(&catalogue, day, arguments)?,
                None => overview::days(&catalogue, arguments)?,
            };
            host.print(text)?;
            return Ok(warned);
        };
        let wanted = [member_path(path)?];
        let peer = arguments::peer(&catalogue, arguments)?;
        let mut archives = Archives::new(host, &catalogue, peer, &wanted);
        archives.allow_missing(true);
        if arguments.has("versions") {
            host.print(versions(&mut archives, &catalogue, arguments.json)?)?;
            return Ok(warned);
        }
        let newest = || newest(&catalogue, peer);
        let day = day.or_else(newest).ok_or_else(|| arguments::nothing(&catalogue))?;
        let state = archives.state(day)?;
        for warning in &state.warnings {
            tracing::warn!("{warning}");
        }
        let entries = Entries::new(&archives, &state, arguments.has("recursive"));
        host.print(entries.text(arguments.json, day)?)?;
        Ok(if state.warnings.is_empty() { warned } else { 7 })
    }
}

/// Returns the newest day of which there are archives of a machine.
pub(super) fn newest(catalogue: &Catalogue<'_>, peer: &str) -> Option<Day> {
    let mut copies = catalogue.copies.iter();
    copies.find(|it| it.peer == peer && it.series().is_some()).map(|it| it.day)
}
