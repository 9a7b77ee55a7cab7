//! The files that are spread, and how they get onto a disc.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, Result};
use hayloft_staging::day::{self, Day, STAGED, STORED};

use crate::{
    commands::{Contents, Graft},
    compare::Expected,
    scratch::Scratch,
};

/// How the names of files begin that are still being written.
const TEMPORARY: &[u8] = b".hayloft-";
/// How many bytes of file names a command line may have; the system takes
/// twice as many, together with the environment.
const MOST_BYTES: usize = 1 << 20;

/// A file of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanFile {
    /// Where it is.
    pub path: PathBuf,
    /// Where it goes, relative to the top of the disc: where it is below the
    /// staging area.
    pub place: PathBuf,
    /// Its size in bytes.
    pub size: u64,
}

/// What is to be spread.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    /// The days that are not stored, the oldest first.
    pub days: Vec<Day>,
    /// Their files, sorted.
    pub files: Vec<SpanFile>,
    /// Links and the like, which are not written.
    pub others: Vec<PathBuf>,
}

impl Pending {
    /// Finds the days that are not stored, and what is in them. Those that are
    /// not staged well are only taken with `unfinished`.
    ///
    /// # Errors
    ///
    /// If a directory cannot be read.
    pub fn find(source: &Path, unfinished: bool) -> Result<Self> {
        let mut pending = Self::default();
        for day in day::all(source)? {
            if day.has(STORED) || !unfinished && !day.has(STAGED) {
                continue;
            }
            pending.descend(source, &day.path)?;
            pending.days.push(day);
        }
        pending.files.sort_by(|a, b| a.place.cmp(&b.place));
        Ok(pending)
    }

    fn descend(&mut self, source: &Path, directory: &Path) -> Result<()> {
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |e: std::io::Error| Error::from(e).context(format!("cannot read {path}"))
        };
        for entry in fs::read_dir(directory).map_err(failed(directory))? {
            let entry = entry.map_err(failed(directory))?;
            let path = entry.path();
            if entry.file_name().as_bytes().starts_with(TEMPORARY) {
                continue;
            }
            let metadata = entry.metadata().map_err(failed(&path))?;
            if metadata.is_dir() {
                self.descend(source, &path)?;
            } else if metadata.is_file() {
                let place = path.strip_prefix(source).map_err(Error::from)?.to_owned();
                self.files.push(SpanFile { path, place, size: metadata.len() });
            } else {
                self.others.push(path);
            }
        }
        Ok(())
    }

    /// Returns the size of all files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|it| it.size).sum()
    }
}

/// What goes onto one disc, ready to be written.
#[derive(Debug)]
pub struct Load {
    /// As mkisofs is told.
    pub contents: Contents,
    /// As it is to be found afterwards.
    pub expected: Expected,
    /// The links that stand for the files, if there are any.
    _links: Option<Scratch>,
}

impl Load {
    /// Prepares files. Those whose names cannot be arguments, and those that
    /// are too many for a command line, are given to mkisofs by links.
    ///
    /// # Errors
    ///
    /// If a file is not there any more, or no links can be made.
    pub fn new(label: String, files: &[&SpanFile], working_dir: &Path) -> Result<Self> {
        for file in files {
            let metadata = file.path.symlink_metadata();
            let good = metadata.is_ok_and(|it| it.is_file() && it.len() == file.size);
            if !good {
                let path = file.path.to_string_lossy().escape_debug().to_string();
                return Err(Error::msg(format!("{path} has changed since it was found")));
            }
        }
        let pairs = files.iter().map(|it| (it.place.clone(), it.path.clone()));
        let expected = Expected::of_files(pairs);
        let label = Some(label);
        if let Some(grafts) = as_arguments(files) {
            let contents = Contents { label, grafts, follow_links: false };
            return Ok(Self { contents, expected, _links: None });
        }
        let links = Scratch::tree(working_dir)?;
        let failed = |e: std::io::Error| {
            Error::from(e).context(format!("cannot make links in {}", links.path().display()))
        };
        for file in files {
            let link = links.path().join(&file.place);
            fs::create_dir_all(link.parent().unwrap_or(links.path())).map_err(failed)?;
            symlink(&file.path, link).map_err(failed)?;
        }
        let path = crate::drive::text(links.path())?;
        let grafts = vec![Graft { at: None, path }];
        let contents = Contents { label, grafts, follow_links: true };
        Ok(Self { contents, expected, _links: Some(links) })
    }
}

/// Each file with its directory, if they can all be arguments.
fn as_arguments(files: &[&SpanFile]) -> Option<Vec<Graft>> {
    let mut bytes = 0;
    let grafts = files.iter().map(|file| {
        let at = file.place.parent().and_then(Path::to_str)?;
        let path = file.path.to_str()?;
        bytes += at.len() + path.len() + "/=".len() + size_of::<usize>();
        let plain = |text: &str| !text.chars().any(char::is_control);
        (plain(path) && bytes <= MOST_BYTES).then(|| Graft::new(at, path))
    });
    grafts.collect()
}

/// Shows a path of any bytes in one line.
pub fn shown(path: &OsStr) -> String {
    path.to_string_lossy().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area() -> tempfile::TempDir {
        let area = tempfile::tempdir().unwrap();
        let files: [&[u8]; 6] = [
            b"2026/11/16/box/a.tar",
            b"2026/11/16/cback.stage",
            b"2026/11/16/cback.store",
            b"2026/11/17/box/b.tar",
            b"2026/11/17/cback.stage",
            b"2026/11/18/box/half.tar",
        ];
        for file in files {
            let path = area.path().join(OsStr::from_bytes(file));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "12345").unwrap();
        }
        symlink("b.tar", area.path().join("2026/11/17/box/link")).unwrap();
        fs::write(area.path().join("2026/11/17/.hayloft-x"), "half").unwrap();
        area
    }

    #[test]
    fn days_that_are_not_stored_are_found_with_their_files() {
        let area = area();
        let pending = Pending::find(area.path(), false).unwrap();
        let places: Vec<_> = pending.files.iter().map(|it| it.place.to_str().unwrap()).collect();
        assert_eq!(places, ["2026/11/17/box/b.tar", "2026/11/17/cback.stage"]);
        assert_eq!((pending.days.len(), pending.size(), pending.others.len()), (1, 10, 1));
        let all = Pending::find(area.path(), true).unwrap();
        assert_eq!((all.days.len(), all.files.len()), (2, 3));
    }

    #[test]
    fn files_are_arguments_if_they_can_be_and_links_otherwise() {
        let area = area();
        let working = tempfile::tempdir().unwrap();
        let load = |area: &Path| {
            let pending = Pending::find(area, false).unwrap();
            let files: Vec<&SpanFile> = pending.files.iter().collect();
            Load::new("LABEL".to_owned(), &files, working.path()).unwrap()
        };
        let plain = load(area.path());
        let box_b = area.path().join("2026/11/17/box/b.tar");
        assert_eq!(plain.contents.grafts[0], Graft::new("2026/11/17/box", box_b.to_str().unwrap()));
        assert!(!plain.contents.follow_links);
        fs::write(area.path().join(OsStr::from_bytes(b"2026/11/17/\xe9\n")), "x").unwrap();
        let odd = load(area.path());
        assert!(odd.contents.follow_links && odd.contents.grafts.len() == 1);
        let links = PathBuf::from(&odd.contents.grafts[0].path);
        assert!(links.join("2026/11/17/box/b.tar").is_symlink());
        drop(odd);
        assert!(!links.exists());
    }

    #[test]
    fn a_file_that_has_changed_is_not_taken() {
        let area = area();
        let pending = Pending::find(area.path(), false).unwrap();
        fs::write(area.path().join("2026/11/17/box/b.tar"), "changed").unwrap();
        let files: Vec<&SpanFile> = pending.files.iter().collect();
        let error = Load::new("L".to_owned(), &files, area.path()).unwrap_err().to_string();
        assert!(error.contains("b.tar has changed"), "{error}");
    }
}
