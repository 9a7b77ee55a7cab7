//! Files below a directory, and never outside of it: no link is followed, no
//! `..` is taken.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use rustix::{
    fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat, mkdirat, openat, openat2, statat},
    io::Errno,
};

use crate::walk::paths::{join, split};

/// The kernel takes paths up to 4,095 bytes at once.
const AT_ONCE: usize = 2048;

/// A directory, and everything below it.
#[derive(Debug)]
pub struct Beneath {
    top: Arc<OwnedFd>,
    /// The directory that was asked for last, which is mostly the next one.
    last: Option<(Vec<u8>, Arc<OwnedFd>)>,
}

impl Beneath {
    /// Opens `path`; links on the way there are followed.
    ///
    /// # Errors
    ///
    /// If it is not a directory that can be entered.
    pub fn open(path: &std::path::Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { top: Arc::new(rustix::fs::open(path, flags, Mode::empty())?), last: None })
    }

    /// Returns the directory itself.
    pub fn top(&self) -> BorrowedFd<'_> {
        self.top.as_fd()
    }

    /// Opens a directory.
    ///
    /// # Errors
    ///
    /// If it is not there, is no directory, or a link is in the way.
    pub fn directory(&mut self, path: &[u8]) -> io::Result<Arc<OwnedFd>> {
        if path.is_empty() {
            return Ok(Arc::clone(&self.top));
        }
        if let Some((last, fd)) = &self.last
            && last == path
        {
            return Ok(Arc::clone(fd));
        }
        let fd = Arc::new(open(self.top.as_fd(), path)?);
        self.last = Some((path.to_vec(), Arc::clone(&fd)));
        Ok(fd)
    }

    /// Opens the directory that a path is in, and returns its last name.
    ///
    /// # Errors
    ///
    /// As [`Beneath::directory`].
    pub fn parent<'a>(&mut self, path: &'a [u8]) -> io::Result<(Arc<OwnedFd>, &'a [u8])> {
        let (parent, name) = split(path);
        Ok((self.directory(parent)?, name))
    }

    /// Returns what is at a path, or `None` if nothing is.
    ///
    /// # Errors
    ///
    /// If a link is in the way, or the system refuses.
    pub fn look(&mut self, path: &[u8]) -> io::Result<Option<Stat>> {
        let found = if path.is_empty() {
            statat(&*self.top, ".", AtFlags::empty())
        } else {
            match self.parent(path) {
                Ok((parent, name)) => statat(&*parent, name, AtFlags::SYMLINK_NOFOLLOW),
                Err(e) => Err(Errno::from_io_error(&e).unwrap_or(Errno::IO)),
            }
        };
        match found {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Makes a directory, and those above it, where there are none yet.
    /// Returns whether it was made.
    ///
    /// # Errors
    ///
    /// If something else is in the way.
    pub fn make(&mut self, path: &[u8]) -> io::Result<bool> {
        let mut made = false;
        let mut done = Vec::new();
        for name in path.split(|&b| b == b'/').filter(|it| !it.is_empty()) {
            let parent = self.directory(&done)?;
            made = match mkdirat(&*parent, name, Mode::RWXU) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(e) => return Err(e.into()),
            };
            done = join(&done, name);
        }
        self.directory(&done)?;
        Ok(made)
    }

    /// Forgets what is open, because it may be replaced.
    pub fn forget(&mut self) {
        self.last = None;
    }
}

fn open(top: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
    let mut at: Option<OwnedFd> = None;
    let mut rest = path;
    loop {
        let (piece, more) = first_piece(rest);
        let from = at.as_ref().map_or(top, AsFd::as_fd);
        let next = open_piece(from, piece)?;
        if more.is_empty() {
            return Ok(next);
        }
        (at, rest) = (Some(next), more);
    }
}

/// Splits a long path where one name ends.
fn first_piece(path: &[u8]) -> (&[u8], &[u8]) {
    if path.len() <= AT_ONCE {
        return (path, b"");
    }
    match path[..AT_ONCE].iter().rposition(|&b| b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (path, b""),
    }
}

fn open_piece(from: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(from, path, flags, Mode::empty(), resolve) {
        // An old kernel, or a sandbox that does not know it: name by name.
        Err(Errno::NOSYS | Errno::PERM) => open_slowly(from, path),
        other => Ok(other?),
    }
}

fn open_slowly(from: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at: Option<OwnedFd> = None;
    for name in path.split(|&b| b == b'/') {
        if matches!(name, b"" | b"." | b"..") {
            return Err(Errno::XDEV.into());
        }
        let from = at.as_ref().map_or(from, AsFd::as_fd);
        at = Some(openat(from, name, flags, Mode::empty())?);
    }
    at.ok_or_else(|| Errno::NOENT.into())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn nothing_leads_out() {
        let scratch = tempfile::tempdir().unwrap();
        let top = scratch.path().join("top");
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::create_dir(scratch.path().join("outside")).unwrap();
        symlink("../outside", top.join("link")).unwrap();
        symlink("/", top.join("a/root")).unwrap();
        symlink("b", top.join("a/inner")).unwrap();
        let mut beneath = Beneath::open(&top).unwrap();
        assert!(beneath.directory(b"a/b").is_ok());
        for path in ["link", "a/root", "a/inner", "..", "a/../../outside", "a/root/etc"] {
            assert!(beneath.directory(path.as_bytes()).is_err(), "{path}");
            let from = beneath.top.as_fd();
            assert!(open_slowly(from, path.as_bytes()).is_err(), "{path}, slowly");
        }
        assert!(beneath.make(b"link/x").is_err());
        assert!(!scratch.path().join("outside/x").exists());
        assert!(beneath.make(b"a/new/newer").unwrap());
        assert!(!beneath.make(b"a/new").unwrap());
    }

    #[test]
    fn long_paths_are_opened_piece_by_piece() {
        let scratch = tempfile::tempdir().unwrap();
        let mut beneath = Beneath::open(scratch.path()).unwrap();
        let path = vec![b"n".repeat(250); 40].join(&b'/');
        assert!(beneath.make(&path).unwrap());
        beneath.forget();
        assert!(beneath.directory(&path).is_ok());
        // Too long to be removed by its path.
        assert!(std::process::Command::new("rm").arg("-rf").arg(scratch.path()).status().is_ok());
    }
}
