//! Directories, links and files below the target.
//!
//! No link that somebody else has made is followed: what is in the way is
//! replaced. The only links are those of tablespaces, which are made here.

use std::{
    collections::HashSet,
    fs, io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown, symlink},
    },
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, Result};

use super::ground::Ground;
use crate::manifest::{Directory, Owner, Tablespace};

/// What was made of a backup.
#[derive(Debug)]
pub(super) struct Tree {
    data: PathBuf,
    delta: bool,
    owner: Option<Owner>,
    /// Everything that belongs there, below the data directory.
    known: HashSet<PathBuf>,
    /// The data directory and those of tablespaces. They are open from before
    /// anything is written: only so each of them tells, when it is synced, of
    /// whatever its disk could not write meanwhile.
    roots: Vec<(PathBuf, fs::File)>,
}

impl Tree {
    /// Begins. As root, everything is given to `owner`.
    pub(super) fn new(ground: &Ground, owner: Option<Owner>) -> Self {
        let owner = owner.filter(|_| rustix::process::geteuid().is_root());
        Self {
            data: ground.data.clone(),
            delta: ground.delta,
            owner,
            known: HashSet::new(),
            roots: Vec::new(),
        }
    }

    /// Makes the data directory itself, and what is missing above it, as
    /// `initdb` and `pg_basebackup` do.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub(super) fn begin(&mut self, mode: u32) -> Result<()> {
        self.root(&self.data.clone(), mode)
    }

    fn root(&mut self, at: &Path, mode: u32) -> Result<()> {
        self.above(at)?;
        make(at, mode).map_err(|e| failed("make", at, e))?;
        self.give(at)?;
        if !self.roots.iter().any(|it| it.0 == at) {
            let opened = fs::File::open(at).map_err(|e| failed("open", at, e))?;
            self.roots.push((at.to_owned(), opened));
        }
        Ok(())
    }

    /// Makes a directory.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub(super) fn directory(&mut self, it: &Directory) -> Result<()> {
        let path = it.path.path();
        if path.as_os_str().is_empty() {
            return self.begin(it.mode);
        }
        let at = self.data.join(path);
        clear_unless(&at, fs::Metadata::is_dir)?;
        make(&at, it.mode).map_err(|e| failed("make", &at, e))?;
        self.known.insert(path.to_owned());
        self.give(&at)
    }

    /// Makes the directory of a tablespace, and the link to it.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub(super) fn tablespace(&mut self, it: &Tablespace, to: &Path) -> Result<()> {
        self.root(to, it.mode)?;
        let path = PathBuf::from(format!("pg_tblspc/{}", it.oid));
        let at = self.data.join(&path);
        clear_unless(&at, |_| false)?;
        symlink(to, &at).map_err(|e| failed("make", &at, e))?;
        self.known.insert(path);
        Ok(())
    }

    /// Makes the directories above one that are missing. The server's account
    /// must get through.
    fn above(&self, at: &Path) -> Result<()> {
        let above: Vec<&Path> = at.ancestors().skip(1).take_while(|it| !it.exists()).collect();
        for path in above.into_iter().rev().filter(|it| !it.as_os_str().is_empty()) {
            make(path, 0o700).map_err(|e| failed("make", path, e))?;
            self.give(path)?;
        }
        Ok(())
    }

    /// Makes a file, or opens the one that is there; tells whether there was
    /// one. It has `size` bytes, and zeros where there was nothing.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub(super) fn file(&mut self, path: &Path, (mode, size): (u32, u64)) -> Result<bool> {
        let at = self.data.join(path);
        let cannot = |e| failed("write", &at, e);
        self.known.insert(path.to_owned());
        let there = self.delta && clear_unless(&at, fs::Metadata::is_file)?;
        let mut options = fs::OpenOptions::new();
        options.write(true).mode(mode).custom_flags(NO_FOLLOW);
        let file = if there { options.open(&at) } else { options.create_new(true).open(&at) };
        let file = file.map_err(cannot)?;
        file.set_len(size).map_err(cannot)?;
        file.set_permissions(fs::Permissions::from_mode(mode)).map_err(cannot)?;
        self.give(&at)?;
        Ok(there)
    }

    /// Removes what the backup does not have.
    ///
    /// # Errors
    ///
    /// If something stays.
    pub(super) fn remove_others(&self) -> Result<u64> {
        let mut removed = 0;
        if self.delta {
            self.sweep(Path::new(""), &mut removed)?;
        }
        Ok(removed)
    }

    fn sweep(&self, path: &Path, removed: &mut u64) -> Result<()> {
        let at = self.data.join(path);
        let entries = fs::read_dir(&at).map_err(|e| failed("look into", &at, e))?;
        for entry in entries {
            let entry = entry.map_err(|e| failed("look into", &at, e))?;
            let below = path.join(entry.file_name());
            let at = entry.path();
            let is_directory = entry.file_type().is_ok_and(|it| it.is_dir());
            let is_space = self.is_tablespace(&below);
            if !self.known.contains(&below) && below != Path::new(super::ground::MARK) {
                *removed += 1;
                let gone =
                    if is_directory { fs::remove_dir_all(&at) } else { fs::remove_file(&at) };
                gone.map_err(|e| failed("remove", &at, e))?;
            } else if is_directory || is_space {
                self.sweep(&below, removed)?;
            }
        }
        Ok(())
    }

    fn is_tablespace(&self, below: &Path) -> bool {
        below.parent() == Some(Path::new("pg_tblspc")) && self.known.contains(below)
    }

    fn give(&self, at: &Path) -> Result<()> {
        let Some(owner) = &self.owner else { return Ok(()) };
        chown(at, Some(owner.uid), Some(owner.gid)).map_err(|e| failed("give away", at, e))
    }

    /// Makes everything durable: when this returns, all data and names on the
    /// file systems that were written to are on their disks, and the disks have
    /// been told to empty their caches.
    ///
    /// # Errors
    ///
    /// If a disk says no.
    pub(super) fn sync(&self) -> Result<()> {
        for (path, opened) in &self.roots {
            rustix::fs::syncfs(opened).map_err(|e| failed("sync", path, e.into()))?;
        }
        Ok(())
    }

    /// Writes a small file whole: under another name first.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub(super) fn write_small(&mut self, path: &Path, mode: u32, content: &[u8]) -> Result<()> {
        use std::io::Write;
        let at = self.data.join(path);
        let mut name = at.as_os_str().to_owned();
        name.push(".hayloft");
        let temporary = PathBuf::from(name);
        let cannot = |e| failed("write", &at, e);
        let _ = clear_unless(&temporary, |_| false)?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(mode).custom_flags(NO_FOLLOW);
        let mut file = options.open(&temporary).map_err(cannot)?;
        file.write_all(content).map_err(cannot)?;
        file.set_permissions(fs::Permissions::from_mode(mode)).map_err(cannot)?;
        self.give(&temporary)?;
        file.sync_all().map_err(cannot)?;
        fs::rename(&temporary, &at).map_err(cannot)?;
        let parent = at.parent().unwrap_or(&self.data);
        fs::File::open(parent).and_then(|it| it.sync_all()).map_err(cannot)?;
        self.known.insert(path.to_owned());
        Ok(())
    }

    /// Makes the directories that a file of the configuration is to lie in.
    ///
    /// # Errors
    ///
    /// If one cannot be made.
    pub(super) fn directories_of(&mut self, path: &Path) -> Result<()> {
        let above: Vec<&Path> = path.ancestors().skip(1).collect();
        for path in above.into_iter().rev().filter(|it| !it.as_os_str().is_empty()) {
            let name = crate::manifest::Name::from(path);
            self.directory(&Directory { path: name, mode: 0o700 })?;
        }
        Ok(())
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    ///
    /// If it stays.
    pub(super) fn remove(&mut self, path: &Path) -> Result<()> {
        self.known.remove(path);
        let at = self.data.join(path);
        match fs::remove_file(&at) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("remove", &at, e)),
            _ => Ok(()),
        }
    }
}

/// Links are not followed.
const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

/// Removes what is in the way, unless it is of the right kind; tells
/// whether something of that kind is there.
fn clear_unless(at: &Path, good: impl Fn(&fs::Metadata) -> bool) -> Result<bool> {
    let meta = match fs::symlink_metadata(at) {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(failed("look at", at, e)),
    };
    if good(&meta) {
        return Ok(true);
    }
    let gone = if meta.is_dir() { fs::remove_dir_all(at) } else { fs::remove_file(at) };
    gone.map_err(|e| failed("replace", at, e))?;
    Ok(false)
}

/// Makes a directory that may be there already.
fn make(at: &Path, mode: u32) -> io::Result<()> {
    match fs::DirBuilder::new().mode(mode | 0o700).create(at) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    fs::set_permissions(at, fs::Permissions::from_mode(mode))
}

fn failed(verb: &str, at: &Path, error: io::Error) -> Error {
    debug_assert!(!at.as_os_str().as_bytes().is_empty(), "a path is not empty");
    Error::from(error).context(format!("cannot {verb} {}", at.display()))
}
