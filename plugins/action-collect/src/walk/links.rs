//! Links that are followed, and files whose digest is known.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::{fd::AsFd, unix::ffi::OsStringExt},
};

use rustix::{
    fs::{AtFlags, FileType, statat},
    io::Errno,
};
use sha1::{Digest, Sha1};

use super::{
    Trouble, WalkError, examine, open,
    paths::is_within,
    walker::{Place, Walker, path_of},
};
use crate::{archive::clean, state::Record};

impl Walker<'_> {
    /// Decides whether a link is entered as if it were a directory. With
    /// `dereference` it never is, but where it leads is remembered.
    pub(super) fn follow(
        &mut self,
        place: &Place<'_>,
        name: &[u8],
        path: &[u8],
    ) -> Result<bool, WalkError> {
        if self.rules.dereference {
            self.remember_target(place, path);
            return Ok(false);
        }
        let Ok(stat) = statat(place.fd, name, AtFlags::empty()) else { return Ok(false) };
        if examine::file_type(&stat) != FileType::Directory
            || self.has_ignore_file(place.fd.as_fd(), name)
        {
            return Ok(false);
        }
        let id = (stat.st_dev, stat.st_ino);
        let here = (place.stat.st_dev, place.stat.st_ino);
        if id == here || self.frames.iter().any(|it| it.id == id) {
            self.problem(path, Trouble::Loop)?;
            return Ok(false);
        }
        Ok(self.rules.never != Some(id))
    }

    fn remember_target(&mut self, place: &Place<'_>, path: &[u8]) {
        let target = fs::canonicalize(path_of(&[b"/", path].concat())).ok();
        let target = target.and_then(|it| clean(&it.into_os_string().into_vec()));
        if let Some(target) = target.filter(|it| !is_within(it, &self.top))
            && !self.is_left_out(&target)
        {
            let budget = self.targets.entry(target).or_default();
            *budget = (*budget).max(place.budget - 1);
        }
    }

    /// Collects what links led to, until there is nothing new.
    pub(super) fn follow_targets(&mut self) -> Result<(), WalkError> {
        let mut done: Vec<Vec<u8>> = Vec::new();
        while let Some((target, budget)) = self.targets.pop_first() {
            if done.iter().any(|it| is_within(&target, it)) {
                continue;
            }
            let path = [b"/", target.as_slice()].concat();
            match open::root(&path) {
                Ok(fd) if self.has_ignore_file(fd.as_fd(), b"") => {}
                Ok(fd) => self.tree(fd, target.clone(), budget)?,
                Err(Errno::NOTDIR) => match self.single(&path, false) {
                    Err(WalkError::Root { source, .. }) => {
                        self.problem(&target, Trouble::Unreadable(source))?;
                    }
                    Err(WalkError::Type { .. }) => self.problem(&target, Trouble::Socket)?,
                    other => other?,
                },
                Err(e) => self.problem(&target, examine::trouble(e))?,
            }
            done.push(target);
        }
        Ok(())
    }

    /// Tells whether a file still has the content that Cedar Backup saw.
    pub(super) fn has_digest(&self, place: &Place<'_>, record: &Record) -> bool {
        let directory = if place.path.is_empty() { b"".as_slice() } else { b"/" };
        let path = [directory, place.path, b"/", &record.name].concat();
        let Some(expected) = self.base.digest(&path) else { return false };
        let regular = FileType::from_raw_mode(record.mode) == FileType::RegularFile;
        // A file that cannot be read counts as changed, and is reported then.
        regular
            && open::file(place.fd.as_fd(), &record.name)
                .map_err(io::Error::from)
                .and_then(digest)
                .is_ok_and(|it| it == expected)
    }
}

fn digest(mut file: File) -> io::Result<[u8; 20]> {
    let mut hash = Sha1::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(got) => hash.update(&buffer[..got]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
