//! A plan carried out.

use std::{
    fs::File,
    io::{self, Read},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::FileExt,
    },
    sync::Arc,
};

use rustix::{
    fs::{
        AtFlags, FileType, Mode, OFlags, RenameFlags, linkat, makedev, mknodat, openat, renameat,
        renameat_with, symlinkat, syncfs, unlinkat,
    },
    io::Errno,
};
use thiserror::Error;

use super::{
    Beneath, Plan,
    apply::{self, Skipped},
    plan::Planned,
};
use crate::{
    archive::{ArchiveError, Device, Entry, Kind, Reader},
    owners::Owners,
    shown::shown,
    walk::paths::split,
};

/// Why a plan could not be carried out. What was put back before stays.
#[derive(Debug, Error)]
pub enum ExtractError {
    /// Files are there already.
    #[error("{} is there already{}", shown(first), more(*count))]
    Exists {
        /// Which target it is in.
        target: usize,
        /// One of them, below its target.
        first: Vec<u8>,
        /// How many there are.
        count: usize,
    },
    /// A file cannot be written.
    #[error("cannot restore {}", shown(path))]
    Write {
        /// Which target it is in.
        target: usize,
        /// Its path below the target.
        path: Vec<u8>,
        /// What the system says.
        source: io::Error,
    },
    /// An archive cannot be read.
    #[error("cannot read archive {archive}")]
    Archive {
        /// Its place among those that were given.
        archive: usize,
        /// What is wrong with it.
        source: ArchiveError,
    },
    /// An archive is not the one that the plan was made from any more.
    #[error("archive {archive} has changed meanwhile")]
    Changed {
        /// Its place among those that were given.
        archive: usize,
    },
    /// The caller said so.
    #[error("interrupted")]
    Cancelled,
}

fn more(count: usize) -> String {
    if count > 1 { format!(", and {} more", count - 1) } else { String::new() }
}

/// Opens an archive, decoded, by its place.
pub type Open<'a> = dyn FnMut(usize) -> io::Result<Box<dyn Read + Send>> + 'a;

/// How a plan is carried out.
pub struct Extraction<'a> {
    /// Where the targets of the plan are.
    pub targets: &'a mut [Beneath],
    /// Whether files that are there already are replaced.
    pub overwrite: bool,
    /// Opens an archive.
    pub open: &'a mut Open<'a>,
    /// Called often, with the bytes written so far; returning false ends it.
    pub going_on: &'a mut dyn FnMut(u64) -> bool,
}

impl std::fmt::Debug for Extraction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extraction").field("overwrite", &self.overwrite).finish_non_exhaustive()
    }
}

/// What was put back.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Extracted {
    /// Files, links, pipes and devices.
    pub files: u64,
    /// Directories that were made.
    pub directories: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Files that keep our owner, because only root can give them to others.
    pub owners_kept: u64,
    /// Attributes that the system did not take.
    pub attributes_refused: u64,
    /// Devices that only root can make.
    pub devices_left_out: u64,
}

/// Carries out a plan. Nothing is written if a file is in the way and may not
/// be replaced.
///
/// # Errors
///
/// Every [`ExtractError`].
pub fn extract(plan: &Plan<'_>, how: Extraction<'_>) -> Result<Extracted, ExtractError> {
    let Extraction { targets, overwrite, open, going_on } = how;
    let mut work = Work {
        targets,
        overwrite,
        owners: Owners::default(),
        skipped: Skipped::default(),
        done: Extracted::default(),
        temporary: 0,
    };
    work.refuse_existing(plan)?;
    let made = work.make_directories(plan)?;
    for same in plan.simple.values() {
        going_on(work.done.bytes).then_some(()).ok_or(ExtractError::Cancelled)?;
        work.simple(same)?;
    }
    for archive in plan.needed() {
        let input = open(archive)
            .map_err(|e| ExtractError::Archive { archive, source: ArchiveError::Read(e) })?;
        work.contents(plan, archive, input, going_on)?;
    }
    work.finish_directories(plan, &made)?;
    for (target, directory) in work.targets.iter().enumerate() {
        syncfs(directory.top()).map_err(|e| ExtractError::Write {
            target,
            path: Vec::new(),
            source: e.into(),
        })?;
    }
    work.done.owners_kept = work.skipped.owners;
    work.done.attributes_refused = work.skipped.attributes;
    Ok(work.done)
}

fn write_error(planned: &Planned<'_>, source: io::Error) -> ExtractError {
    ExtractError::Write { target: planned.target, path: planned.path.to_vec(), source }
}

struct Work<'a> {
    targets: &'a mut [Beneath],
    overwrite: bool,
    owners: Owners,
    skipped: Skipped,
    done: Extracted,
    temporary: u64,
}

/// A name in a directory.
struct Spot {
    directory: Arc<OwnedFd>,
    name: Vec<u8>,
}

impl Work<'_> {
    fn refuse_existing(&mut self, plan: &Plan<'_>) -> Result<(), ExtractError> {
        if self.overwrite {
            return Ok(());
        }
        let mut existing = Vec::new();
        let directories = plan.directories.iter().map(|it| (it, true));
        for (planned, directory) in plan.files().map(|it| (it, false)).chain(directories) {
            // A link or file in the way further up is found there, or when
            // this one is written.
            let Ok(Some(stat)) = self.targets[planned.target].look(planned.path) else {
                continue;
            };
            let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if !(directory && is_directory) {
                existing.push(planned);
            }
        }
        match existing.first() {
            Some(first) => Err(ExtractError::Exists {
                target: first.target,
                first: first.path.to_vec(),
                count: existing.len(),
            }),
            None => Ok(()),
        }
    }

    /// Makes all directories, and tells which of the plan's were not there.
    fn make_directories(&mut self, plan: &Plan<'_>) -> Result<Vec<bool>, ExtractError> {
        let mut made = Vec::with_capacity(plan.directories.len());
        for planned in &plan.directories {
            made.push(self.make_directory(planned).map_err(|e| write_error(planned, e))?);
        }
        // Those around single files are in no archive.
        for planned in plan.files() {
            let target = &mut self.targets[planned.target];
            target.make(split(planned.path).0).map_err(|e| write_error(planned, e))?;
        }
        self.done.directories = made.iter().filter(|it| **it).count() as u64;
        Ok(made)
    }

    fn make_directory(&mut self, planned: &Planned<'_>) -> io::Result<bool> {
        let target = &mut self.targets[planned.target];
        if self.overwrite
            && let Ok(Some(stat)) = target.look(planned.path)
            && FileType::from_raw_mode(stat.st_mode) != FileType::Directory
        {
            let (parent, name) = target.parent(planned.path)?;
            unlinkat(&*parent, name, AtFlags::empty())?;
        }
        target.make(planned.path)
    }

    fn finish_directories(&mut self, plan: &Plan<'_>, made: &[bool]) -> Result<(), ExtractError> {
        for (planned, made) in plan.directories.iter().zip(made).rev() {
            if *made || self.overwrite && !planned.above {
                let finished =
                    self.targets[planned.target].directory(planned.path).and_then(|fd| {
                        apply::to_file(
                            fd.as_fd(),
                            planned.entry,
                            &mut self.owners,
                            &mut self.skipped,
                        )
                    });
                finished.map_err(|e| write_error(planned, e))?;
            }
        }
        Ok(())
    }

    fn spot(&mut self, planned: &Planned<'_>) -> io::Result<Spot> {
        let (directory, name) = self.targets[planned.target].parent(planned.path)?;
        Ok(Spot { directory, name: name.to_vec() })
    }

    fn temporary(&mut self) -> Vec<u8> {
        self.temporary += 1;
        format!(".hayloft-restore-{}-{}", std::process::id(), self.temporary).into_bytes()
    }

    /// Makes a link, pipe or device with all of its names.
    fn simple(&mut self, same: &[Planned<'_>]) -> Result<(), ExtractError> {
        let Some((first, others)) = same.split_first() else { return Ok(()) };
        if self.node(first).map_err(|e| write_error(first, e))? {
            for other in others {
                self.link(first, other).map_err(|e| write_error(other, e))?;
            }
        }
        Ok(())
    }

    /// Makes a link, pipe or device; tells whether it may be made.
    fn node(&mut self, planned: &Planned<'_>) -> io::Result<bool> {
        let spot = self.spot(planned)?;
        let name = self.temporary();
        let directory = &*spot.directory;
        let node = |kind, Device { major, minor }| {
            mknodat(directory, name.as_slice(), kind, Mode::RUSR, makedev(major, minor))
        };
        let made = match &planned.entry.kind {
            Kind::Symlink(target) => symlinkat(target.as_slice(), directory, name.as_slice()),
            Kind::Fifo => node(FileType::Fifo, Device::default()),
            Kind::Character(device) => node(FileType::CharacterDevice, *device),
            Kind::Block(device) => node(FileType::BlockDevice, *device),
            Kind::File | Kind::Directory | Kind::HardLink(_) => Ok(()),
        };
        let is_device = matches!(planned.entry.kind, Kind::Character(_) | Kind::Block(_));
        if is_device && made == Err(Errno::PERM) {
            self.done.devices_left_out += 1;
            return Ok(false);
        }
        made?;
        self.done.files += 1;
        let finished = self.finish_simple(&spot, &name, planned.entry);
        self.settle(&spot, &name, finished).map(|()| true)
    }

    fn finish_simple(&mut self, spot: &Spot, name: &[u8], entry: &Entry) -> io::Result<()> {
        let directory = spot.directory.as_fd();
        apply::to_name((directory, name), entry, &mut self.owners, &mut self.skipped)?;
        if !matches!(entry.kind, Kind::Symlink(_)) {
            apply::mode_of_name(directory, name, entry)?;
        }
        Ok(())
    }

    /// Gives a finished file its name, or takes an unfinished one away.
    fn settle(&self, spot: &Spot, temporary: &[u8], so_far: io::Result<()>) -> io::Result<()> {
        let settled = so_far.and_then(|()| self.rename(spot, temporary));
        if settled.is_err() {
            let _ = unlinkat(&*spot.directory, temporary, AtFlags::empty());
        }
        settled
    }

    fn rename(&self, spot: &Spot, temporary: &[u8]) -> io::Result<()> {
        let (directory, name) = (&*spot.directory, spot.name.as_slice());
        if !self.overwrite {
            let flags = RenameFlags::NOREPLACE;
            return match renameat_with(directory, temporary, directory, name, flags) {
                // Not every file system can; then somebody may be quicker.
                Err(Errno::INVAL | Errno::NOSYS) => {
                    Ok(renameat(directory, temporary, directory, name)?)
                }
                other => Ok(other?),
            };
        }
        match renameat(directory, temporary, directory, name) {
            // Only an empty directory makes way.
            Err(Errno::ISDIR) => {
                unlinkat(directory, name, AtFlags::REMOVEDIR)?;
                Ok(renameat(directory, temporary, directory, name)?)
            }
            other => Ok(other?),
        }
    }

    fn contents(
        &mut self,
        plan: &Plan<'_>,
        archive: usize,
        input: Box<dyn Read + Send>,
        going_on: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(), ExtractError> {
        let broken = |source| ExtractError::Archive { archive, source };
        let mut reader = Reader::new(input);
        let mut left = plan.contents[archive].len();
        let mut number = 0;
        while let Some(entry) = reader.next_entry().map_err(broken)? {
            if let Some(wanted) = plan.contents[archive].get(&number)
                && let Some((first, others)) = wanted.split_first()
            {
                if entry != *first.entry {
                    return Err(ExtractError::Changed { archive });
                }
                left -= 1;
                self.file(first, archive, &mut reader, going_on)?;
                for other in others {
                    self.link(first, other).map_err(|e| write_error(other, e))?;
                }
            }
            number += 1;
            going_on(self.done.bytes).then_some(()).ok_or(ExtractError::Cancelled)?;
        }
        if left > 0 { Err(ExtractError::Changed { archive }) } else { Ok(()) }
    }

    fn file(
        &mut self,
        planned: &Planned<'_>,
        archive: usize,
        reader: &mut Reader<Box<dyn Read + Send>>,
        going_on: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(), ExtractError> {
        let failed = |e| write_error(planned, e);
        let spot = self.spot(planned).map_err(failed)?;
        let name = self.temporary();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = openat(&*spot.directory, name.as_slice(), flags, mode);
        let file = File::from(file.map_err(|e| failed(e.into()))?);
        let copied = self.copy(&file, planned, reader, going_on);
        let result = match copied {
            Ok(()) => {
                let entry = planned.entry;
                let (owners, skipped) = (&mut self.owners, &mut self.skipped);
                let applied = apply::to_file(file.as_fd(), entry, owners, skipped);
                return self.settle(&spot, &name, applied).map_err(failed);
            }
            Err(Copying::Write(e)) => failed(e),
            Err(Copying::Read(source)) => ExtractError::Archive { archive, source },
            Err(Copying::Cancelled) => ExtractError::Cancelled,
        };
        let _ = unlinkat(&*spot.directory, name.as_slice(), AtFlags::empty());
        Err(result)
    }

    fn copy(
        &mut self,
        file: &File,
        planned: &Planned<'_>,
        reader: &mut Reader<Box<dyn Read + Send>>,
        going_on: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(), Copying> {
        let mut trouble = None;
        let bytes = &mut self.done.bytes;
        let stop = || io::Error::from(io::ErrorKind::Other);
        let read = reader.content(|offset, data| {
            file.write_all_at(data, offset).map_err(|e| {
                trouble = Some(Copying::Write(e));
                stop()
            })?;
            *bytes += data.len() as u64;
            if !going_on(*bytes) {
                trouble = Some(Copying::Cancelled);
                return Err(stop());
            }
            Ok(())
        });
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        read.map_err(Copying::Read)?;
        if planned.entry.segments.is_some() {
            file.set_len(planned.entry.size).map_err(Copying::Write)?;
        }
        self.done.files += 1;
        Ok(())
    }

    /// Gives a file that was just written a further name.
    fn link(&mut self, first: &Planned<'_>, other: &Planned<'_>) -> io::Result<()> {
        let from = self.spot(first)?;
        let to = self.spot(other)?;
        let name = self.temporary();
        linkat(
            &*from.directory,
            from.name.as_slice(),
            &*to.directory,
            name.as_slice(),
            AtFlags::empty(),
        )?;
        self.settle(&to, &name, Ok(()))?;
        // Renaming one name of a file to another of the same file does nothing.
        let _ = unlinkat(&*to.directory, name.as_slice(), AtFlags::empty());
        self.done.files += 1;
        Ok(())
    }
}

enum Copying {
    Read(ArchiveError),
    Write(io::Error),
    Cancelled,
}
