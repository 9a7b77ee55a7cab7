//! Copies single files.

use std::{
    ffi::OsStr,
    fs::{File, Metadata, OpenOptions, Permissions},
    io::{self, Read},
    os::{
        fd::{AsFd, AsRawFd},
        unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    },
    path::Path,
};

use rustix::fs::{Mode, OFlags};

use crate::{
    error::{StageError, shown},
    world::World,
};

/// How much is copied before somebody is asked whether to go on, and before
/// the disk is set to work.
const PIECE: u64 = 8 << 20;
/// The size of the two buffers of a comparison.
const BUFFER: usize = 256 << 10;

/// A file that is to be copied, opened and known to be a regular one.
#[derive(Debug)]
pub struct Source<'a> {
    file: File,
    before: Metadata,
    path: &'a Path,
}

impl<'a> Source<'a> {
    /// Opens `name` in `directory`. Neither a link nor a FIFO that somebody
    /// put in its place is followed or waited for. `path` is for messages.
    ///
    /// # Errors
    ///
    /// If it cannot be opened or is no regular file.
    pub fn open(directory: impl AsFd, name: &OsStr, path: &'a Path) -> Result<Self, StageError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(directory, name, flags, Mode::empty());
        let file = match fd {
            Ok(fd) => File::from(fd),
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => {
                return Err(StageError::NotRegular { path: shown(path) });
            }
            Err(error) => return Err(StageError::io("read", path)(error.into())),
        };
        let before = file.metadata().map_err(StageError::io("read", path))?;
        if !before.is_file() {
            return Err(StageError::NotRegular { path: shown(path) });
        }
        Ok(Self { file, before, path })
    }

    /// Returns its size in bytes.
    pub fn size(&self) -> u64 {
        self.before.len()
    }

    /// Tells whether `other` is a regular file with the same content.
    ///
    /// # Errors
    ///
    /// If this file cannot be read; another one that cannot is not the same.
    pub fn is_same_as(&self, other: &Path, world: &dyn World) -> Result<bool, StageError> {
        let mut options = OpenOptions::new();
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.read(true).custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
        let Ok(mut there) = options.open(other) else { return Ok(false) };
        match there.metadata() {
            Ok(it) if it.is_file() && it.len() == self.size() => {}
            _ => return Ok(false),
        }
        let (mut a, mut b) = (vec![0; BUFFER], vec![0; BUFFER]);
        let mut here = &self.file;
        loop {
            stop_if_cancelled(world)?;
            let n = here.read(&mut a).map_err(StageError::io("read", self.path))?;
            if n == 0 {
                break;
            }
            if there.read_exact(&mut b[..n]).is_err() || a[..n] != b[..n] {
                self.rewind()?;
                return Ok(false);
            }
        }
        self.rewind()?;
        self.check_unchanged(self.size())?;
        Ok(true)
    }

    /// Copies it into a new file `to`, which is on disk when this returns.
    ///
    /// The kernel copies where it can, and shares the blocks where the file
    /// system can.
    ///
    /// # Errors
    ///
    /// If it cannot be copied whole, or changed meanwhile.
    pub fn copy_to(&self, to: &Path, world: &dyn World) -> Result<(), StageError> {
        let mut options = OpenOptions::new();
        let created = options.write(true).create_new(true).mode(0o600).open(to);
        let mut target = created.map_err(StageError::io("create", to))?;
        let mut copied = 0;
        loop {
            stop_if_cancelled(world)?;
            let mut piece = (&self.file).take(PIECE);
            let n = io::copy(&mut piece, &mut target).map_err(StageError::io("write", to))?;
            if n == 0 {
                break;
            }
            begin_writeback(&target, copied, n);
            copied += n;
            world.copied(self.path, n);
        }
        self.check_unchanged(copied)?;
        crate::durable::give(to, world)?;
        target.sync_all().map_err(StageError::io("write to disk", to))?;
        let size = target.metadata().map_err(StageError::io("read", to))?.len();
        if size == self.size() {
            return Ok(());
        }
        let source = io::Error::other(format!("it has {size} bytes instead of {}", self.size()));
        Err(StageError::Io { what: "copy to", path: shown(to), source })
    }

    /// Takes it away from everybody but its owner, whatever lies under its name
    /// by now.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn make_private(&self) -> Result<(), StageError> {
        let private = Permissions::from_mode(0o600);
        self.file.set_permissions(private).map_err(StageError::io("change", self.path))
    }

    /// Makes its content durable.
    ///
    /// # Errors
    ///
    /// If the system cannot.
    pub fn sync(&self) -> Result<(), StageError> {
        self.file.sync_all().map_err(StageError::io("write to disk", self.path))
    }

    fn rewind(&self) -> Result<(), StageError> {
        io::Seek::rewind(&mut &self.file).map_err(StageError::io("read", self.path))
    }

    fn check_unchanged(&self, read: u64) -> Result<(), StageError> {
        let after = self.file.metadata().map_err(StageError::io("read", self.path))?;
        let times = |it: &Metadata| (it.mtime(), it.mtime_nsec());
        if read == self.size() && after.len() == read && times(&after) == times(&self.before) {
            return Ok(());
        }
        Err(StageError::Changed { path: shown(self.path) })
    }
}

/// Lets the disk begin with what was just written, so that the sync at the end
/// has little left to do.
#[expect(unsafe_code, reason = "no crate of ours wraps this call")]
fn begin_writeback(file: &File, from: u64, bytes: u64) {
    let (Ok(from), Ok(bytes)) = (from.try_into(), bytes.try_into()) else { return };
    // SAFETY: the descriptor is open as long as `file` is borrowed, and the call
    // touches no memory of this process.
    let result = unsafe {
        libc::sync_file_range(file.as_raw_fd(), from, bytes, libc::SYNC_FILE_RANGE_WRITE)
    };
    // File systems that cannot do it lose nothing: the sync at the end counts,
    // and reports what goes wrong.
    let _ = result;
}

pub(crate) fn stop_if_cancelled(world: &dyn World) -> Result<(), StageError> {
    if world.cancelled() { Err(StageError::Cancelled) } else { Ok(()) }
}
