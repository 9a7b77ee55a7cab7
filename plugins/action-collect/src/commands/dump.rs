//! A single file of a backup, such as a dump, fetched as it was made.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{
    Arguments, Error, ErrorKind, Host, OutputOptions, Progress, Request, Result, text::size,
};

use super::arguments::{self, usage};
use crate::sources::{Catalogue, Copy, decoded};

/// Fetches the file that `--dump` names.
pub(super) fn fetch(host: &Host, request: &Request, arguments: &Arguments) -> Result<u8> {
    let name = arguments.get("dump").unwrap_or_default();
    let Some(to) = arguments.get("to") else {
        return Err(usage("--dump needs --to, a file or a directory"));
    };
    if !arguments.all("path").is_empty() {
        return Err(usage("--dump and paths do not go together"));
    }
    let catalogue = Catalogue::load(host, arguments.get("from"))?;
    let day = arguments::day(arguments, request)?;
    let peer = arguments.get("peer");
    let fits =
        |it: &&Copy| day.is_none_or(|day| it.day == day) && peer.is_none_or(|peer| it.peer == peer);
    let copies: Vec<_> = catalogue.copies.iter().filter(fits).collect();
    let copy = choose(&copies, name)?;
    let stream = catalogue.open(copy)?;
    let (stream, plain) = if arguments.has("raw") {
        (stream, copy.name.clone())
    } else {
        decoded(host, &copy.name, stream)?
    };
    let target = target(Path::new(to), &plain);
    let from = catalogue.describe(copy);
    if arguments.has("dry-run") || request.dry_run {
        host.print(format!("would write {} from {from}\n", target.display()))?;
        return Ok(0);
    }
    let written = write(host, stream, &target, arguments.has("overwrite"))
        .map_err(|e| failed(e, &format!("cannot restore {} from {from}", target.display())))?;
    host.print(if arguments.json {
        format!(
            "{}\n",
            serde_json::json!({
                "day": copy.day.to_string(),
                "peer": copy.peer,
                "from": from,
                "to": target,
                "bytes": written,
            })
        )
    } else {
        format!("restored {}, {}, from {from}\n", target.display(), size(written))
    })?;
    Ok(0)
}

/// Finds the file of that name, or of that name with suffixes; the newest.
fn choose<'a>(copies: &[&'a Copy], name: &str) -> Result<&'a Copy> {
    let with_suffix =
        |it: &&&Copy| it.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    let found = copies.iter().find(|it| it.name == name);
    let Some(found) = found.or_else(|| copies.iter().find(with_suffix)) else {
        let error = Error::new(ErrorKind::NOT_FOUND, format!("there is no file called {name}"));
        return Err(error.hint("`hayloft list --day DAY` shows the files of a day"));
    };
    let other = copies
        .iter()
        .find(|it| it.day == found.day && it.peer != found.peer && it.name == found.name);
    match other {
        Some(other) => Err(usage(format!(
            "{} and {} both have a file called {}",
            found.peer, other.peer, found.name
        ))
        .hint("choose one with --peer")),
        None => Ok(found),
    }
}

fn failed(error: Error, what: &str) -> Error {
    let there = error.kind() == ErrorKind::ALREADY_EXISTS;
    let error = error.context(what);
    if there { error.hint("--overwrite replaces what is there") } else { error }
}

fn target(to: &Path, name: &str) -> PathBuf {
    if to.is_dir() { to.join(name) } else { to.to_owned() }
}

fn write(
    host: &Host,
    mut stream: Box<dyn Read + Send>,
    target: &Path,
    overwrite: bool,
) -> Result<u64> {
    let options = OutputOptions {
        replace: overwrite,
        give_to_backup_user: false,
        ..OutputOptions::default()
    };
    let mut output = host.create(target, &options)?;
    let mut buffer = vec![0; 256 << 10];
    let what = target.display().to_string();
    loop {
        host.check_cancelled()?;
        let got = match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(got) => got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e.into()),
        };
        output.write_all(&buffer[..got])?;
        host.progress(Progress { what: &what, done: output.written(), total: 0 });
    }
    let written = output.written();
    output.commit()?;
    Ok(written)
}
