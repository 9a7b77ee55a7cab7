//! The files of a day, found without following links.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            ffi::OsStrExt,
            fs::{MetadataExt, OpenOptionsExt},
        },
    },
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, ErrorKind, Host, Result};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, statat};

use sha2::{Digest, Sha256};

use crate::{
    day::{ENCRYPTED, SPLIT, STAGED, STORED, UPLOADED},
    names,
    upload::hexadecimal,
};

/// Says that a collection is finished.
const COLLECTED: &str = "cback.collect";
/// How the names of files begin that are still being written.
pub(crate) const TEMPORARY: &str = ".hayloft-";
/// How much is read at a time.
const BUFFER: usize = 1 << 20;
/// Nobody stages deeper trees.
const DEEPEST: usize = 64;

/// A regular file of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Where it is below the day's directory.
    pub relative: PathBuf,
    /// What it was when it was found.
    pub identity: Identity,
}

/// What changes with the content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The file system.
    pub device: u64,
    /// The number on it.
    pub inode: u64,
    /// The size in bytes.
    pub size: u64,
    /// When it was last written to, in nanoseconds since 1970.
    pub modified_ns: i128,
}

/// Everything in a day's directory but indicators and what is being written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// Regular files, sorted by path.
    pub files: Vec<Found>,
    /// Links, sockets and the like, sorted.
    pub others: Vec<PathBuf>,
    /// What other runs were writing when they ended, or still are, sorted.
    pub temporary: Vec<PathBuf>,
}

impl Identity {
    /// Returns that of an open file.
    pub fn of(metadata: &Metadata) -> Self {
        let modified_ns = moment(metadata.mtime(), metadata.mtime_nsec());
        let (device, inode, size) = (metadata.dev(), metadata.ino(), metadata.len());
        Self { device, inode, size, modified_ns }
    }

    fn of_stat(stat: &Stat) -> Self {
        let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or_default();
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            modified_ns: moment(stat.st_mtime, nanoseconds),
        }
    }
}

fn moment(seconds: i64, nanoseconds: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}

impl Found {
    /// Returns the place below the day's directory as text from which the
    /// name's bytes can be had back.
    pub fn key(&self) -> String {
        key(&self.relative)
    }

    /// Opens the file for reading, if it is still the one that was found.
    ///
    /// # Errors
    ///
    /// If it is not, or cannot be read.
    pub fn open(&self) -> Result<File> {
        let file = open(&self.path).map_err(|e| unreadable(&self.path, e))?;
        self.check(&file)?;
        Ok(file)
    }

    /// Makes sure that the open file has not changed since it was found.
    ///
    /// # Errors
    ///
    /// If it has.
    pub fn check(&self, file: &File) -> Result<()> {
        let now = file.metadata().map_err(|e| unreadable(&self.path, e))?;
        if now.is_file() && Identity::of(&now) == self.identity {
            return Ok(());
        }
        Err(unreadable(&self.path, io::Error::other("it changed while it was read")))
    }

    /// Removes the file durably, if it is still the one that was found.
    ///
    /// # Errors
    ///
    /// If it is not, or is still there.
    pub fn remove(&self) -> Result<()> {
        let failed = |e: Error| e.context(format!("cannot remove {}", self.path.display()));
        let there = fs::symlink_metadata(&self.path).map_err(|e| failed(e.into()))?;
        if Identity::of(&there) != self.identity {
            let message = "it is another file than it was";
            return Err(failed(Error::msg(message).hint("run it again")));
        }
        fs::remove_file(&self.path).map_err(|e| failed(e.into()))?;
        sync_directory(&self.path).map_err(|e| failed(e.into()))
    }
}

/// Opens a file for reading, unless it is a link.
///
/// # Errors
///
/// Those of the system.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Returns the size and the SHA-256 of a file.
///
/// # Errors
///
/// If it cannot be read to its end.
pub fn hash_of(host: &Host, path: &Path) -> Result<(u64, String)> {
    let failed = |e: io::Error| Error::from(e).context(format!("cannot read {}", path.display()));
    let mut file = open(path).map_err(failed)?;
    let mut buffer = vec![0; BUFFER];
    let (mut hash, mut size) = (Sha256::new(), 0);
    loop {
        host.check_cancelled()?;
        match file.read(&mut buffer) {
            Ok(0) => return Ok((size, hexadecimal(hash))),
            Ok(n) => {
                hash.update(&buffer[..n]);
                size += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Makes durable which names the directory of `path` has.
///
/// # Errors
///
/// Those of the system.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Returns a path as text from which its bytes can be had back, see
/// [`names`].
pub fn key(relative: &Path) -> String {
    let segments: Vec<_> =
        relative.iter().map(|segment| names::escaped(segment.as_bytes())).collect();
    segments.join("/")
}

/// Tells whether a name is one of an indicator file, which speaks of the
/// staging area and is no data.
pub fn is_indicator(name: &OsStr) -> bool {
    [COLLECTED, STAGED, STORED, UPLOADED, ENCRYPTED, SPLIT].iter().any(|it| name == *it)
}

/// Finds one file; `relative` is its name.
///
/// # Errors
///
/// If it is not there, or is no regular file.
pub fn single(path: &Path) -> Result<Found> {
    let there = fs::symlink_metadata(path).map_err(|e| unreadable(path, e))?;
    let (true, Some(name)) = (there.is_file(), path.file_name()) else {
        return Err(unreadable(path, io::Error::other("it is no regular file")));
    };
    let identity = Identity::of(&there);
    Ok(Found { path: path.to_owned(), relative: name.into(), identity })
}

/// Finds everything below a day's directory. No link is followed.
///
/// # Errors
///
/// If a directory cannot be read.
pub fn walk(day: &Path) -> Result<Walk> {
    let opened = open_directory(CWD, day).map_err(|e| unreadable(day, e))?;
    let mut walk = Walk::default();
    let mut pending = vec![(opened, PathBuf::new())];
    while let Some((directory, relative)) = pending.pop() {
        for name in names_in(&directory).map_err(|e| unreadable(&day.join(&relative), e))? {
            let (path, below) = (day.join(&relative).join(&name), relative.join(&name));
            let Some(stat) = status(&directory, &name).map_err(|e| unreadable(&path, e))? else {
                continue;
            };
            let kind = FileType::from_raw_mode(stat.st_mode);
            if is_temporary(&name, pending_depth(&below)) {
                walk.temporary.push(path);
            } else if kind.is_dir() {
                if pending_depth(&below) > DEEPEST {
                    return Err(Error::msg(format!("{} is too deep", path.display())));
                }
                let below_it =
                    open_directory(&directory, &name).map_err(|e| unreadable(&path, e))?;
                pending.push((below_it, below));
            } else if !kind.is_file() {
                walk.others.push(path);
            } else if !is_indicator(&name) {
                walk.files.push(Found {
                    path,
                    relative: below,
                    identity: Identity::of_stat(&stat),
                });
            }
        }
    }
    walk.files.sort_by(|a, b| a.path.cmp(&b.path));
    walk.others.sort();
    walk.temporary.sort();
    Ok(walk)
}

fn pending_depth(relative: &Path) -> usize {
    relative.iter().count()
}

fn open_directory(at: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty())
}

fn names_in(directory: &OwnedFd) -> rustix::io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?;
        let name = OsStr::from_bytes(name.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// What is gone meanwhile is not there.
fn status(directory: &OwnedFd, name: &OsStr) -> rustix::io::Result<Option<Stat>> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(rustix::io::Errno::NOENT) => Ok(None),
        other => other.map(Some),
    }
}

/// In the day's directory itself all such names are ours; a peer may have
/// collected a file that only looks so.
fn is_temporary(name: &OsStr, depth: usize) -> bool {
    let Some(rest) = name.as_bytes().strip_prefix(TEMPORARY.as_bytes()) else { return false };
    if depth == 1 {
        return true;
    }
    let mut numbers = rest.splitn(3, |it| *it == b'-');
    let mut number =
        || numbers.next().is_some_and(|it| !it.is_empty() && it.iter().all(u8::is_ascii_digit));
    number() && number() && numbers.next().is_some()
}

fn unreadable(path: &Path, error: impl Into<io::Error>) -> Error {
    let error: io::Error = error.into();
    let missing = error.kind() == io::ErrorKind::NotFound;
    let error = Error::from(error).context(format!("cannot read {}", path.display()));
    if missing { error.with_kind(ErrorKind::NOT_FOUND) } else { error }
}

#[cfg(test)]
mod tests {
    use std::os::unix::{ffi::OsStringExt, fs::symlink};

    use super::*;

    #[test]
    fn all_regular_files_are_found_whatever_their_names() {
        let day = tempfile::tempdir().unwrap();
        let odd = OsString::from_vec(b"box/new\nline \xff".to_vec());
        for path in [
            OsStr::new("cback.stage"),
            OsStr::new("note"),
            OsStr::new("box/cback.collect"),
            OsStr::new("box/cback.tar"),
            OsStr::new("box/.hayloft-notes"),
            OsStr::new("box/.hayloft-12-0-a.tar"),
            OsStr::new(".hayloft-stage-0/x"),
            &odd,
        ] {
            let path = day.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "12345").unwrap();
        }
        let away = tempfile::tempdir().unwrap();
        fs::write(away.path().join("secret"), "").unwrap();
        symlink(away.path(), day.path().join("box/link")).unwrap();

        let walk = walk(day.path()).unwrap();
        let keys: Vec<_> = walk.files.iter().map(Found::key).collect();
        assert_eq!(keys, ["box/.hayloft-notes", "box/cback.tar", "box/new%0Aline %FF", "note"]);
        assert_eq!(walk.others, [day.path().join("box/link")]);
        let temporary = [".hayloft-stage-0", "box/.hayloft-12-0-a.tar"];
        assert_eq!(walk.temporary, temporary.map(|it| day.path().join(it)));
    }

    #[test]
    fn a_file_that_became_another_is_not_removed() {
        let day = tempfile::tempdir().unwrap();
        fs::write(day.path().join("a"), "1").unwrap();
        let found = walk(day.path()).unwrap().files.remove(0);
        fs::write(day.path().join("a"), "12").unwrap();
        let error = found.remove().unwrap_err();
        assert!(error.to_string().contains("another file"), "{error}");
        let found = walk(day.path()).unwrap().files.remove(0);
        found.remove().unwrap();
        assert!(!day.path().join("a").exists());
    }
}
