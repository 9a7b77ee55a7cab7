//! The mailboxes in a directory.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::OsStrExt,
    path::Path,
};

use hayloft_plugin_api::{
    Error, ErrorKind, Result,
    cedar::{Exclude, Pattern},
};

/// What of a directory is left out, as Cedar Backup does it.
#[derive(Debug, Default)]
pub(crate) struct Exclusions {
    paths: Vec<String>,
    patterns: Vec<Pattern>,
}

impl Exclusions {
    /// Compiles the exclusions of the directory `path`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CONFIGURATION`] for a pattern that cannot be used.
    pub(crate) fn new(path: &str, exclude: &Exclude) -> Result<Self> {
        let join = |relative: &str| match relative.strip_prefix('/') {
            Some(_) => relative.to_owned(),
            None => format!("{}/{relative}", path.trim_end_matches('/')),
        };
        let pattern = |it: &String| {
            Pattern::exclusion(it).map_err(|e| {
                let message = format!("the pattern `{it}` cannot be used to leave out mailboxes");
                Error::from(e).context(message).with_kind(ErrorKind::CONFIGURATION)
            })
        };
        Ok(Self {
            paths: exclude.rel_paths.iter().map(|it| join(&it.value)).collect(),
            patterns: exclude
                .patterns
                .iter()
                .map(|it| pattern(&it.value))
                .collect::<Result<_>>()?,
        })
    }

    fn has(&self, path: &Path) -> bool {
        let text = path.to_string_lossy();
        self.paths.iter().any(|it| path == Path::new(it))
            || self.patterns.iter().any(|it| it.is_match(&text).unwrap_or(false))
    }
}

/// Returns the names of the files in a directory, links to files included, in
/// order, without lock files.
///
/// # Errors
///
/// If it cannot be read.
pub(crate) fn mailboxes(directory: &Path, exclusions: &Exclusions) -> Result<Vec<OsString>> {
    let read = || -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            // What a link points to counts; one that leads nowhere is none.
            let is_file = fs::metadata(entry.path()).is_ok_and(|it| it.is_file());
            if is_file && !exclusions.has(&entry.path()) {
                names.push(entry.file_name());
            }
        }
        names.sort();
        Ok(names)
    };
    let failed =
        |e: io::Error| Error::from(e).context(format!("cannot list {}", directory.display()));
    let names = read().map_err(failed)?;
    let is_lock = |it: &OsString| {
        let of = it.as_bytes().strip_suffix(b".lock").map(OsStr::from_bytes);
        of.is_some_and(|of| names.iter().any(|it| it == of))
    };
    Ok(names.iter().filter(|it| !is_lock(it)).cloned().collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use hayloft_plugin_api::cedar::Located;

    use super::*;

    #[test]
    fn files_and_links_to_files_are_listed_and_what_is_excluded_is_not() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for name in ["inbox", "inbox.lock", "sent", "trash", "index.msf", "only.lock"] {
            fs::write(path(name), "").unwrap();
        }
        fs::create_dir(path("sub")).unwrap();
        symlink("sent", path("link")).unwrap();
        symlink("sub", path("dir-link")).unwrap();
        symlink("nowhere", path("dangling")).unwrap();
        let located = |it: &str| Located { value: it.to_owned(), ..Located::default() };
        let exclude = Exclude {
            rel_paths: vec![located("trash")],
            patterns: vec![located(r".*\.msf")],
            ..Exclude::default()
        };
        let exclusions = Exclusions::new(root.path().to_str().unwrap(), &exclude).unwrap();
        let names = mailboxes(root.path(), &exclusions).unwrap();
        assert_eq!(names, ["inbox", "link", "only.lock", "sent"]);
        assert!(mailboxes(&path("nowhere"), &exclusions).is_err());
    }
}
