//! Earlier dumps of a repository in the collect directory: they would be
//! staged day after day, each time as those of that day.

use std::{
    fs::{self, File},
    io::{self, Read},
    ops::RangeInclusive,
    path::Path,
};

use hayloft_dump::{Destination, Staged};
use hayloft_plugin_api::{DecodeReader, Host, Result};

use crate::{context::Context, names, repository::Report, svnlook};

/// The head of a dump, with the UUID in it, is no longer.
const HEAD: u64 = 512;

/// An earlier dump.
#[derive(Debug)]
struct Earlier {
    file: String,
    revisions: RangeInclusive<u64>,
}

/// Removes the earlier dumps of the repository at `path` that are safe
/// elsewhere: those that were staged, and those whose revisions are all in a
/// dump that was just made of the same repository. What cannot be removed is
/// logged.
pub(crate) fn tidy(context: &Context<'_>, path: &[u8], report: Option<&Report>) {
    let Some(destination) = context.any_destination() else { return };
    let directory = destination.directory();
    let new = report.map_or(&[] as &[String], |it| &it.files);
    let earlier = match find(directory, &context.names.stem(path), new) {
        Ok(earlier) => earlier,
        Err(error) => {
            tracing::warn!("cannot look for earlier dumps in {}: {error}", directory.display());
            return;
        }
    };
    let staged = Staged::read(directory);
    for it in earlier {
        let file = directory.join(&it.file);
        let why = if staged.has(&file) {
            "it is staged"
        } else if report.is_some_and(|report| is_in(context, path, report, &it, &file)) {
            "a new dump has all of it"
        } else {
            if report.is_none() {
                tracing::info!("{} is an earlier dump, never staged; it is kept", it.file);
            }
            continue;
        };
        match fs::remove_file(&file) {
            Ok(()) => tracing::info!("removed the earlier {}: {why}", it.file),
            Err(error) => tracing::warn!("the earlier {} is still there: {error}", it.file),
        }
    }
}

/// Tells whether there are earlier dumps of the repository at `path`.
pub(crate) fn exist(context: &Context<'_>, path: &[u8]) -> bool {
    let stem = context.names.stem(path);
    let directory = context.any_destination().map(Destination::directory);
    let found = directory.map(|it| find(it, &stem, &[]));
    found.is_some_and(|it| it.is_ok_and(|it| !it.is_empty()))
}

fn find(directory: &Path, stem: &str, new: &[String]) -> io::Result<Vec<Earlier>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(file) = entry.file_name().into_string() else { continue };
        if let Some((from, to)) = names::revisions(&file, stem)
            && !new.contains(&file)
            && entry.file_type()?.is_file()
        {
            found.push(Earlier { file, revisions: from..=to });
        }
    }
    Ok(found)
}

/// Tells whether a dump that was just made has all that an earlier one has. If
/// the repository is not what it was, the earlier one may be all that is left.
fn is_in(
    context: &Context<'_>,
    path: &[u8],
    report: &Report,
    earlier: &Earlier,
    file: &Path,
) -> bool {
    let has = |it: &RangeInclusive<u64>| {
        it.contains(earlier.revisions.start()) && it.contains(earlier.revisions.end())
    };
    if !report.warnings.is_empty() || !report.dumped.iter().any(has) {
        return false;
    }
    let now = context.address(path).and_then(|it| svnlook::uuid(context, &it));
    let then = uuid(context.host, file);
    matches!((now, then), (Ok(now), Ok(Some(then))) if now == then)
}

/// Returns the UUID of the repository that a dump was made of.
fn uuid(host: &Host, file: &Path) -> Result<Option<String>> {
    let mut head = Vec::new();
    File::open(file)?.take(64).read_to_end(&mut head)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut text = Vec::new();
    match host.recognise(&name, &head)? {
        Some(transform) => {
            let decoder = DecodeReader::new(transform.decoder()?, File::open(file)?);
            decoder.take(HEAD).read_to_end(&mut text)?
        }
        None => File::open(file)?.take(HEAD).read_to_end(&mut text)?,
    };
    let line = text.split(|it| *it == b'\n').find_map(|it| it.strip_prefix(b"UUID: "));
    Ok(line.and_then(|it| String::from_utf8(it.to_owned()).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dumps_of_that_name_are_found() {
        let directory = tempfile::tempdir().unwrap();
        for name in [
            "svndump-0:3-x.txt",
            "svndump-0:3-x.txt.gz",
            "svndump-4:4-x.txt",
            "svndump-0:3-x-y.txt",
            "mysqldump-x.txt",
        ] {
            File::create(directory.path().join(name)).unwrap();
        }
        fs::create_dir(directory.path().join("svndump-5:6-x.txt")).unwrap();
        let mut found: Vec<_> = find(directory.path(), "x", &["svndump-4:4-x.txt".to_owned()])
            .unwrap()
            .into_iter()
            .map(|it| it.file)
            .collect();
        found.sort();
        assert_eq!(found, ["svndump-0:3-x.txt", "svndump-0:3-x.txt.gz"]);
    }
}
