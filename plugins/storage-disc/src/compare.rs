//! Compares what was to be written with what is on the disc.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, ErrorKind, Result, Tree};

/// What is to be on the disc.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// The directories of the disc that are looked at, relative to its top;
    /// nothing else may be in them.
    pub directories: Vec<PathBuf>,
    /// Everything in them: the place on the disc, and where it was taken from.
    files: BTreeMap<PathBuf, PathBuf>,
    /// Whether the directories may have more in them.
    behind_earlier: bool,
}

/// What something in a directory is.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Directory,
    File,
    Link(PathBuf),
    /// A pipe, a device: there is nothing in it to compare.
    Other,
}

impl Expected {
    /// Whole trees, as they are now.
    ///
    /// # Errors
    ///
    /// If a directory cannot be read.
    pub fn of_trees(trees: &[Tree]) -> Result<Self> {
        let mut expected = Self::default();
        for tree in trees {
            let at = PathBuf::from(&tree.name);
            let found = listed(&tree.path)?;
            let files = found.into_keys().map(|it| (at.join(&it), tree.path.join(it)));
            expected.files.extend(files);
            expected.directories.push(at);
        }
        Ok(expected)
    }

    /// Single files, each with its place on a disc that has nothing else.
    pub fn of_files(files: impl IntoIterator<Item = (PathBuf, PathBuf)>) -> Self {
        Self {
            directories: vec![PathBuf::new()],
            files: files.into_iter().collect(),
            behind_earlier: false,
        }
    }

    /// Lets earlier sessions have had more in the directories: nothing can be taken
    /// from a disc.
    #[must_use]
    pub fn behind_earlier(mut self) -> Self {
        self.behind_earlier = true;
        self
    }

    /// Makes sure that a disc whose top is at `top` has all of it, and nothing
    /// else, and returns what it has else if earlier sessions may have
    /// written that. `check_cancelled` is asked now and then.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CORRUPT`] with the first difference.
    pub fn compare(
        &self,
        top: &Path,
        check_cancelled: &dyn Fn() -> Result<()>,
    ) -> Result<Vec<PathBuf>> {
        let mut found = BTreeMap::new();
        for directory in &self.directories {
            let entries = listed(&top.join(directory)).map_err(|error| {
                let missing = error.kind() == ErrorKind::NOT_FOUND;
                if missing { differs(directory, "is not on the disc") } else { error }
            })?;
            found.extend(entries.into_iter().map(|(at, entry)| (directory.join(at), entry)));
        }
        for (place, source) in &self.files {
            check_cancelled()?;
            let entry = found.remove(place).ok_or_else(|| differs(place, "is not on the disc"))?;
            let on_disc = top.join(place);
            match (kind(source)?, entry) {
                (Entry::File, Entry::File) => {
                    if !same(source, &on_disc, check_cancelled)? {
                        return Err(differs(place, "has other content on the disc"));
                    }
                }
                (wanted, got) if wanted == got => {}
                _ => return Err(differs(place, "is something else on the disc")),
            }
        }
        let more = found.into_iter().filter(|(_, entry)| *entry != Entry::Directory);
        let more: Vec<PathBuf> = more.map(|(place, _)| place).collect();
        match more.first() {
            Some(place) if !self.behind_earlier => {
                Err(differs(place, "is on the disc and should not be"))
            }
            _ => Ok(more),
        }
    }
}

fn differs(place: &Path, how: &str) -> Error {
    let place = place.to_string_lossy();
    Error::new(ErrorKind::CORRUPT, format!("{} {how}", place.escape_debug()))
}

/// Lists everything below a directory, relative to it.
fn listed(directory: &Path) -> Result<BTreeMap<PathBuf, Entry>> {
    let mut all = BTreeMap::new();
    descend(directory, &PathBuf::new(), &mut all)?;
    Ok(all)
}

fn descend(directory: &Path, at: &Path, all: &mut BTreeMap<PathBuf, Entry>) -> Result<()> {
    let here = directory.join(at);
    let failed = |e: io::Error| Error::from(e).context(format!("cannot read {}", here.display()));
    for entry in fs::read_dir(&here).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let place = at.join(entry.file_name());
        let kind = kind(&entry.path())?;
        if kind == Entry::Directory {
            descend(directory, &place, all)?;
        }
        all.insert(place, kind);
    }
    Ok(())
}

fn kind(path: &Path) -> Result<Entry> {
    let failed = |e: io::Error| Error::from(e).context(format!("cannot read {}", path.display()));
    let metadata = path.symlink_metadata().map_err(failed)?;
    Ok(if metadata.is_dir() {
        Entry::Directory
    } else if metadata.is_file() {
        Entry::File
    } else if metadata.is_symlink() {
        Entry::Link(fs::read_link(path).map_err(failed)?)
    } else {
        Entry::Other
    })
}

/// Compares two files, byte by byte.
fn same(one: &Path, other: &Path, check_cancelled: &dyn Fn() -> Result<()>) -> Result<bool> {
    const BUFFER: usize = 256 << 10;
    let open = |path: &Path| {
        let file = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        file.map_err(|e| Error::from(e).context(format!("cannot read {}", path.display())))
    };
    let ((size, mut one_file), (other_size, mut other_file)) = (open(one)?, open(other)?);
    if size != other_size {
        return Ok(false);
    }
    let (mut a, mut b) = (vec![0; BUFFER], vec![0; BUFFER]);
    loop {
        check_cancelled()?;
        let n = fill(&mut one_file, &mut a)
            .map_err(|e| Error::from(e).context(format!("cannot read {}", one.display())))?;
        let m = fill(&mut other_file, &mut b)
            .map_err(|e| Error::from(e).context(format!("cannot read {}", other.display())))?;
        if a[..n] != b[..m] {
            return Ok(false);
        }
        if n == 0 {
            return Ok(true);
        }
    }
}

fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    use super::*;

    fn day() -> (tempfile::TempDir, Tree) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        fs::create_dir_all(path.join("box/sub")).unwrap();
        fs::write(path.join("box/a.tar"), "content").unwrap();
        fs::write(path.join(OsStr::from_bytes(b"box/new\nline \xe9")), "x").unwrap();
        std::os::unix::fs::symlink("a.tar", path.join("box/link")).unwrap();
        fs::write(path.join("cback.stage"), "").unwrap();
        (directory, Tree { name: "2026/11/17".to_owned(), path })
    }

    fn copy(tree: &Tree, top: &Path) {
        let to = top.join(&tree.name);
        fs::create_dir_all(to.join("box/sub")).unwrap();
        for (place, entry) in listed(&tree.path).unwrap() {
            match entry {
                Entry::File => drop(fs::copy(tree.path.join(&place), to.join(&place)).unwrap()),
                Entry::Link(target) => {
                    std::os::unix::fs::symlink(target, to.join(&place)).unwrap();
                }
                _ => {}
            }
        }
    }

    fn difference(change: impl Fn(&Path)) -> Option<String> {
        let (_day, tree) = day();
        let disc = tempfile::tempdir().unwrap();
        copy(&tree, disc.path());
        fs::create_dir_all(disc.path().join("2026/11/16")).unwrap();
        fs::write(disc.path().join("2026/11/16/other"), "another day").unwrap();
        let expected = Expected::of_trees(&[tree]).unwrap();
        change(&disc.path().join("2026/11/17"));
        expected.compare(disc.path(), &|| Ok(())).err().map(|it| it.to_string())
    }

    #[test]
    fn a_disc_with_everything_on_it_is_good_and_every_difference_is_named() {
        type Change = fn(&Path);
        assert_eq!(difference(|_| {}), None);
        let cases: [(Change, &str); 7] = [
            (|it| fs::remove_file(it.join("box/a.tar")).unwrap(), "box/a.tar is not on the disc"),
            (|it| fs::write(it.join("box/a.tar"), "Content").unwrap(), "box/a.tar has other"),
            (|it| fs::write(it.join("box/a.tar"), "conten").unwrap(), "box/a.tar has other"),
            (|it| fs::write(it.join("box/b"), "").unwrap(), "box/b is on the disc and should not"),
            (|it| fs::remove_dir_all(it).unwrap(), "2026/11/17 is not on the disc"),
            (
                |it| {
                    fs::remove_file(it.join("box/link")).unwrap();
                    fs::write(it.join("box/link"), "content").unwrap();
                },
                "box/link is something else",
            ),
            (
                |it| fs::write(it.join(OsStr::from_bytes(b"box/new\nline \xe9")), "y").unwrap(),
                "box/new\\nline",
            ),
        ];
        for (change, message) in cases {
            let found = difference(change).unwrap();
            assert!(found.contains(message), "{message}: {found}");
        }
    }

    #[test]
    fn what_an_earlier_session_had_may_stay_and_is_named() {
        let (_day, tree) = day();
        let disc = tempfile::tempdir().unwrap();
        copy(&tree, disc.path());
        fs::write(disc.path().join("2026/11/17/box/old"), "").unwrap();
        let expected = Expected::of_trees(&[tree]).unwrap().behind_earlier();
        let more = expected.compare(disc.path(), &|| Ok(())).unwrap();
        assert_eq!(more, [PathBuf::from("2026/11/17/box/old")]);
        fs::remove_file(disc.path().join("2026/11/17/box/a.tar")).unwrap();
        let error = expected.compare(disc.path(), &|| Ok(())).unwrap_err().to_string();
        assert!(error.contains("box/a.tar is not on the disc"), "{error}");
    }

    #[test]
    fn single_files_are_all_that_a_disc_of_theirs_has() {
        let (_day, tree) = day();
        let disc = tempfile::tempdir().unwrap();
        copy(&tree, disc.path());
        let place = PathBuf::from("2026/11/17/box/a.tar");
        let expected = Expected::of_files([(place, tree.path.join("box/a.tar"))]);
        let error = expected.compare(disc.path(), &|| Ok(())).unwrap_err().to_string();
        assert!(error.contains("should not be"), "{error}");
    }
}
