//! The walk itself.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    time::Duration,
    vec,
};

use rustix::{
    fs::{AtFlags, FileType, Stat, fstat, statat},
    io::Errno,
};
use thiserror::Error;

use super::{
    Base, Found, Problem, Rules, Trouble, attributes,
    examine::{self, Moment, Seen},
    open,
    paths::{join, split},
};
use crate::{
    archive::{Kind, Listing, Presence, clean},
    owners::Owners,
    shown::shown,
    state::{Record, StateError},
};

/// Above this many levels, directories are closed and opened again.
const OPEN_LEVELS: usize = 200;

/// Why nothing, or only part of a tree, could be walked.
#[derive(Debug, Error)]
pub enum WalkError {
    /// What was to be collected is not there or cannot be read.
    #[error("cannot collect {}", shown(path))]
    Root {
        /// The configured path.
        path: Vec<u8>,
        /// What the system says.
        source: io::Error,
    },
    /// A directory is to be collected as a file, or the other way round.
    #[error("cannot collect {}: it is {what}", shown(path))]
    Type {
        /// The configured path.
        path: Vec<u8>,
        /// What it is.
        what: &'static str,
    },
    /// What was known of the files cannot be read.
    #[error("cannot compare with the last run")]
    State(#[from] StateError),
    /// Nobody takes what is found.
    #[error("the walk was stopped")]
    Stopped,
}

/// What to walk.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The absolute path.
    pub path: &'a [u8],
    /// Whether it is a directory, or a single file.
    pub directory: bool,
    /// A file that changed this shortly before it was looked at counts as
    /// changed next time too: its times may not show the next change.
    pub settle: Duration,
}

impl<'a> Start<'a> {
    /// Walks `path`; the coarsest clock of a file system counts two seconds
    /// at a time.
    pub fn new(path: &'a [u8], directory: bool) -> Self {
        Self { path, directory, settle: Duration::from_secs(2) }
    }
}

/// Walks a tree, or looks at a single file, and hands over everything found.
/// Returns whether there was anything: a tree whose root is left out has
/// nothing.
///
/// # Errors
///
/// Every [`WalkError`]; [`WalkError::Stopped`] once `emit` returns false.
pub fn walk(
    start: Start<'_>,
    rules: Rules<'_>,
    base: &mut Base,
    emit: &mut dyn FnMut(Found) -> bool,
) -> Result<bool, WalkError> {
    let top = clean(start.path)
        .or_else(|| clean(fs::canonicalize(path_of(start.path)).ok()?.as_os_str().as_bytes()))
        .ok_or_else(|| root_error(start.path, Errno::NOENT))?;
    let (owners, frames, targets) = (Owners::default(), Vec::new(), BTreeMap::new());
    let settle = start.settle;
    let archived = HashSet::new();
    let mut walker = Walker { rules, base, emit, owners, frames, targets, top, settle, archived };
    if !start.directory {
        walker.single(start.path, true)?;
        return Ok(true);
    }
    let fd = open::root(start.path).map_err(|e| root_error(start.path, e))?;
    let path = walker.top.clone();
    if walker.is_left_out(&path) || walker.has_ignore_file(fd.as_fd(), b"") {
        return Ok(false);
    }
    walker.tree(fd, path, rules.link_depth)?;
    walker.follow_targets()?;
    Ok(true)
}

pub(super) fn root_error(root: &[u8], error: Errno) -> WalkError {
    let path = root.to_vec();
    if error == Errno::NOTDIR {
        return WalkError::Type { path, what: "not a directory" };
    }
    WalkError::Root { path, source: error.into() }
}

pub(super) fn path_of(path: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(path))
}

pub(super) struct Walker<'a> {
    pub(super) rules: Rules<'a>,
    pub(super) base: &'a mut Base,
    emit: &'a mut dyn FnMut(Found) -> bool,
    owners: Owners,
    pub(super) frames: Vec<Frame>,
    /// What links lead to outside of the tree, and how many levels of links
    /// are left there.
    pub(super) targets: BTreeMap<Vec<u8>, u32>,
    /// The path of the walk's beginning, without the leading `/`.
    pub(super) top: Vec<u8>,
    settle: Duration,
    /// Files with several names of which one is archived: then all are, or it
    /// would not be known that they belong together.
    archived: HashSet<(u64, u64)>,
}

/// A directory whose subdirectories are being walked.
pub(super) struct Frame {
    path: Vec<u8>,
    /// `None` if it is so far up that it was closed.
    fd: Option<OwnedFd>,
    subdirectories: vec::IntoIter<Subdirectory>,
    budget: u32,
    pub(super) id: (u64, u64),
}

struct Subdirectory {
    name: Vec<u8>,
    /// Whether it is a link that is followed.
    link: bool,
    /// Whether another file system begins there, which is not entered.
    foreign: bool,
}

/// A directory that is being listed.
pub(super) struct Place<'a> {
    pub(super) fd: &'a OwnedFd,
    pub(super) path: &'a [u8],
    pub(super) stat: &'a Stat,
    known: &'a [Record],
    /// How many levels of links may still be followed.
    pub(super) budget: u32,
    moment: Moment,
}

/// A directory's names, sorted out.
#[derive(Default)]
struct Sorted {
    listing: Listing,
    unchanged: Vec<Record>,
    changed: Vec<(Stat, Record)>,
    subdirectories: Vec<Subdirectory>,
}

impl Walker<'_> {
    fn emit(&mut self, found: Found) -> Result<(), WalkError> {
        if (self.emit)(found) { Ok(()) } else { Err(WalkError::Stopped) }
    }

    pub(super) fn problem(&mut self, path: &[u8], trouble: Trouble) -> Result<(), WalkError> {
        self.emit(Found::Problem(Problem { path: path.to_vec(), trouble }))
    }

    pub(super) fn is_left_out(&self, path: &[u8]) -> bool {
        (self.rules.exclude)(&[b"/", path].concat())
    }

    /// Tells whether a directory has the ignore file in it.
    pub(super) fn has_ignore_file(&self, parent: BorrowedFd<'_>, name: &[u8]) -> bool {
        let Some(ignore) = self.rules.ignore_file else { return false };
        statat(parent, join(name, ignore), AtFlags::empty()).is_ok()
    }

    pub(super) fn tree(
        &mut self,
        fd: OwnedFd,
        path: Vec<u8>,
        budget: u32,
    ) -> Result<(), WalkError> {
        self.visit(fd, path, budget)?;
        while let Some(frame) = self.frames.last_mut() {
            let Some(subdirectory) = frame.subdirectories.next() else {
                self.frames.pop();
                self.reopen();
                continue;
            };
            let path = join(&frame.path, &subdirectory.name);
            let budget = frame.budget.saturating_sub(1);
            let Some(parent) = &frame.fd else {
                self.problem(&path, Trouble::Vanished)?;
                continue;
            };
            match open::directory(parent.as_fd(), &subdirectory.name, subdirectory.link) {
                Ok(fd) if subdirectory.foreign => self.mount_point(&fd, &path)?,
                Ok(fd) => self.visit(fd, path, budget)?,
                Err(e) => self.problem(&path, examine::trouble(e))?,
            }
            self.close_far();
        }
        Ok(())
    }

    /// Keeps the number of open directories bounded in a deep tree.
    fn close_far(&mut self) {
        if let Some(far) = self.frames.len().checked_sub(OPEN_LEVELS)
            && far > 0
        {
            self.frames[far].fd = None;
        }
    }

    fn reopen(&mut self) {
        let (Some(first), Some(last)) = (self.frames.first(), self.frames.last()) else { return };
        if last.fd.is_some() {
            return;
        }
        let below = &last.path[first.path.len()..];
        let below = below.strip_prefix(b"/").unwrap_or(below);
        let fd = first.fd.as_ref().and_then(|top| open::far(top.as_fd(), below).ok());
        // Another directory may have taken its place.
        let same = |fd: &OwnedFd| fstat(fd).is_ok_and(|it| (it.st_dev, it.st_ino) == last.id);
        let fd = fd.filter(same);
        if let Some(last) = self.frames.last_mut() {
            last.fd = fd;
        }
    }

    /// Hands over a directory and what is in it, and goes on to its
    /// subdirectories later.
    fn visit(&mut self, fd: OwnedFd, path: Vec<u8>, budget: u32) -> Result<(), WalkError> {
        let moment = Moment::now(self.settle);
        let read = fstat(&fd).map_err(io::Error::from).and_then(|stat| {
            let names = open::names(fd.as_fd())?;
            Ok((stat, names))
        });
        let (stat, names) = match read {
            Ok(read) => read,
            Err(e) => return self.problem(&path, Trouble::Unreadable(e)),
        };
        let known = self.base.directory(&path)?;
        let mut sorted = Sorted::default();
        let place = Place { fd: &fd, path: &path, stat: &stat, known: &known, budget, moment };
        for name in names {
            self.sort(&place, name, &mut sorted)?;
        }
        let Sorted { listing, unchanged, changed, subdirectories } = sorted;
        self.directory(&fd, (&path, &stat), Some(listing), unchanged)?;
        for (stat, record) in changed {
            let path = join(&path, &record.name);
            self.changed(Seen { directory: fd.as_fd(), path, stat, record, moment })?;
        }
        let id = (stat.st_dev, stat.st_ino);
        let subdirectories = subdirectories.into_iter();
        self.frames.push(Frame { path, fd: Some(fd), subdirectories, budget, id });
        Ok(())
    }

    fn directory(
        &mut self,
        fd: &OwnedFd,
        (path, stat): (&[u8], &Stat),
        listing: Option<Listing>,
        unchanged: Vec<Record>,
    ) -> Result<(), WalkError> {
        let mut entry = examine::entry(path.to_vec(), stat, Kind::Directory, &mut self.owners);
        entry.listing = listing;
        match attributes::of_file(fd.as_fd()) {
            Ok(xattrs) => entry.xattrs = xattrs,
            Err(e) => self.problem(path, Trouble::Attributes(e))?,
        }
        let entry = Some(Box::new(entry));
        self.emit(Found::Directory { path: path.to_vec(), entry, unchanged })
    }

    fn mount_point(&mut self, fd: &OwnedFd, path: &[u8]) -> Result<(), WalkError> {
        match fstat(fd) {
            Ok(stat) => self.directory(fd, (path, &stat), None, Vec::new()),
            Err(e) => self.problem(path, examine::trouble(e)),
        }
    }

    fn changed(&mut self, seen: Seen<'_>) -> Result<(), WalkError> {
        let path = seen.path.clone();
        let mut notes = Vec::new();
        let taken = examine::take(seen, &mut self.owners, &mut notes);
        for trouble in notes {
            self.problem(&path, trouble)?;
        }
        match taken {
            Ok(changed) => self.emit(Found::Changed(Box::new(changed))),
            Err(trouble) => self.problem(&path, trouble),
        }
    }

    /// Decides what becomes of a name in a directory.
    fn sort(
        &mut self,
        place: &Place<'_>,
        name: Vec<u8>,
        sorted: &mut Sorted,
    ) -> Result<(), WalkError> {
        let path = join(place.path, &name);
        let presence = if self.is_left_out(&path) {
            Presence::LeftOut
        } else {
            let stat = match statat(place.fd, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(e) => return self.problem(&path, examine::trouble(e)),
            };
            match examine::file_type(&stat) {
                FileType::Directory => {
                    self.subdirectory(place, &name, &stat, &mut sorted.subdirectories)
                }
                FileType::Socket | FileType::Unknown => {
                    self.problem(&path, Trouble::Socket)?;
                    Presence::LeftOut
                }
                FileType::Symlink if place.budget > 0 && self.follow(place, &name, &path)? => {
                    let name = name.clone();
                    sorted.subdirectories.push(Subdirectory { name, link: true, foreign: false });
                    Presence::Directory
                }
                _ => self.file(place, &name, stat, sorted),
            }
        };
        sorted.listing.names.push((name, presence));
        Ok(())
    }

    fn subdirectory(
        &mut self,
        place: &Place<'_>,
        name: &[u8],
        stat: &Stat,
        subdirectories: &mut Vec<Subdirectory>,
    ) -> Presence {
        if self.rules.shallow
            || self.rules.never == Some((stat.st_dev, stat.st_ino))
            || self.has_ignore_file(place.fd.as_fd(), name)
        {
            return Presence::LeftOut;
        }
        let foreign = self.rules.one_file_system && stat.st_dev != place.stat.st_dev;
        subdirectories.push(Subdirectory { name: name.to_vec(), link: false, foreign });
        Presence::Directory
    }

    fn file(
        &mut self,
        place: &Place<'_>,
        name: &[u8],
        stat: Stat,
        sorted: &mut Sorted,
    ) -> Presence {
        let record = examine::record(name, &stat, place.moment);
        let known = place.known.binary_search_by(|it| it.name.as_slice().cmp(name));
        let unchanged = match known {
            Ok(at) => place.known[at].is_unchanged(&record),
            Err(_) => self.has_digest(place, &record),
        };
        let id = (record.dev, record.ino);
        if unchanged && !self.archived.contains(&id) {
            sorted.unchanged.push(record);
            return Presence::Unchanged;
        }
        if record.has_other_names {
            self.archived.insert(id);
        }
        sorted.changed.push((stat, record));
        Presence::Stored
    }

    /// Hands over a single file. `configured` says that it must be there, and
    /// that it may be left out if it is unchanged.
    pub(super) fn single(&mut self, path: &[u8], configured: bool) -> Result<(), WalkError> {
        let member = if configured { self.top.clone() } else { clean(path).unwrap_or_default() };
        let (parent, name) = split(&member);
        let root_error = |e| root_error(path, e);
        let fd = open::root(&[b"/", parent].concat()).map_err(root_error)?;
        let stat = statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW).map_err(root_error)?;
        let wrong = match examine::file_type(&stat) {
            FileType::Directory => Some("a directory, not a file"),
            FileType::Socket => Some("a socket"),
            _ => None,
        };
        if let Some(what) = wrong {
            return Err(WalkError::Type { path: path.to_vec(), what });
        }
        let known = if configured { self.base.directory(parent)? } else { Vec::new() };
        let moment = Moment::now(self.settle);
        let place = Place { fd: &fd, path: parent, stat: &stat, known: &known, budget: 0, moment };
        let mut sorted = Sorted::default();
        self.file(&place, name, stat, &mut sorted);
        let Sorted { unchanged, changed, .. } = sorted;
        self.emit(Found::Directory { path: parent.to_vec(), entry: None, unchanged })?;
        for (stat, record) in changed {
            let directory = fd.as_fd();
            self.changed(Seen { directory, path: member.clone(), stat, record, moment })?;
        }
        Ok(())
    }
}
