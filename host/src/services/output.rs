//! Files that appear whole or not at all.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use hayloft_plugin_api::{Error, ErrorKind, ObjectMeta, OutputOptions, PutStream, Result};
use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};

use super::{
    direct::{ALIGNMENT, Direct},
    owner::Owner,
    writeback::Writeback,
};

/// What a temporary file's name begins with. What is found under such a name
/// and is locked by nobody is rubbish of a crash.
pub const TEMPORARY: &str = ".hayloft-";

/// What is longer than this goes past the page cache, if that is wanted.
const LONG: u64 = 8 << 20;
const _: () = assert!(LONG.is_multiple_of(ALIGNMENT as u64));

/// A file under its temporary name.
///
/// Writing goes to the temporary name in the same directory; `commit` syncs
/// the file, renames it and syncs the directory. Dropping removes it.
#[derive(Debug)]
pub struct OutputFile {
    file: Option<File>,
    temporary: PathBuf,
    path: PathBuf,
    replace: bool,
    writeback: Writeback,
    /// How much more goes into the page cache.
    cached: u64,
    /// What goes past it.
    direct: Option<Direct>,
}

impl OutputFile {
    /// Begins the file `path`.
    ///
    /// # Errors
    ///
    /// If the directory is not there or not writable; if the file is there
    /// and must not be replaced; if it cannot be given to `owner`.
    pub fn create(path: &Path, options: &OutputOptions, owner: Option<Owner>) -> Result<Self> {
        if !options.replace && path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
        sweep_once(path);
        let (temporary, file) = begin(path)?;
        let output = Self {
            file: Some(file),
            temporary,
            path: path.to_owned(),
            replace: options.replace,
            writeback: Writeback::default(),
            cached: if options.cached { u64::MAX } else { LONG },
            direct: None,
        };
        output.prepare(options, owner)?;
        Ok(output)
    }

    fn prepare(&self, options: &OutputOptions, owner: Option<Owner>) -> Result<()> {
        if let (Some(owner), true) = (owner, options.give_to_backup_user) {
            owner.give(&self.temporary)?;
        }
        if options.mode != 0o600 {
            // After the change of owner, which clears some of the bits.
            let mode = fs::Permissions::from_mode(options.mode & 0o7777);
            fs::set_permissions(&self.temporary, mode).map_err(|e| cannot_create(&self.path, e))?;
        }
        Ok(())
    }

    fn write_on(&mut self, data: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        if let Some(direct) = &mut self.direct {
            return match direct.write(data) {
                Err(error) => Err(self
                    .direct
                    .take()
                    .map_or(io::ErrorKind::Other.into(), |it| it.cause(error))),
                Ok(()) => Ok(()),
            };
        }
        let length = usize::try_from(self.cached).unwrap_or(usize::MAX).min(data.len());
        let (now, rest) = data.split_at(length);
        file.write_all(now)?;
        self.writeback.wrote(file, now.len() as u64);
        self.cached -= now.len() as u64;
        if rest.is_empty() {
            return Ok(());
        }
        self.direct = Direct::begin(file);
        if self.direct.is_none() {
            self.cached = u64::MAX;
        }
        self.write_on(rest)
    }

    fn rename(&self) -> io::Result<()> {
        if self.replace {
            return fs::rename(&self.temporary, &self.path);
        }
        match renameat_with(CWD, &self.temporary, CWD, &self.path, RenameFlags::NOREPLACE) {
            // Some file systems cannot do that; a hard link is as good.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                fs::hard_link(&self.temporary, &self.path)?;
                fs::remove_file(&self.temporary)
            }
            other => other.map_err(Into::into),
        }
    }

    fn failed(&self, error: impl Into<Error>) -> Error {
        error.into().context(format!("cannot write {}", self.path.display()))
    }
}

impl PutStream for OutputFile {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        if self.file.is_none() {
            return Err(self.failed(Error::msg("it is finished already")));
        }
        self.write_on(data).map_err(|e| self.failed(e))
    }

    fn commit(&mut self) -> Result<ObjectMeta> {
        let Some(mut file) = self.file.take() else {
            return Err(self.failed(Error::msg("it is finished already")));
        };
        let written = self.direct.take().map_or(Ok(()), |it| it.finish(&mut file));
        let made = written
            .and_then(|()| self.writeback.finish())
            .and_then(|()| file.sync_all())
            .and_then(|()| self.rename())
            .and_then(|()| sync_directory(&self.path))
            .and_then(|()| file.metadata());
        let metadata = made.map_err(|e| {
            // Nothing can be done if this fails too; the next run sweeps.
            drop(fs::remove_file(&self.temporary));
            if e.kind() == io::ErrorKind::AlreadyExists {
                exists(&self.path)
            } else {
                self.failed(e)
            }
        })?;
        let modified = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        Ok(ObjectMeta {
            key: self.path.to_string_lossy().into_owned(),
            size: metadata.len(),
            modified_ns: modified.and_then(|t| t.as_nanos().try_into().ok()).unwrap_or(0),
            etag: String::new(),
        })
    }

    fn abort(&mut self) -> Result<()> {
        match self.file.take() {
            Some(_) => fs::remove_file(&self.temporary).map_err(|e| self.failed(e)),
            None => Ok(()),
        }
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        // Nobody is left to be told; the next run sweeps what stays.
        drop(self.abort());
    }
}

/// Writes a small file whole.
///
/// # Errors
///
/// As [`OutputFile::create`], and if it cannot be made durable.
pub fn write_file(path: &Path, content: &[u8], owner: Option<Owner>) -> Result<()> {
    let mut output = OutputFile::create(path, &OutputOptions::default(), owner)?;
    output.write(content)?;
    output.commit().map(drop)
}

/// Makes a locked temporary file for `path`. The lock tells sweepers, on other
/// machines too, that this is no rubbish.
fn begin(path: &Path) -> Result<(PathBuf, File)> {
    loop {
        let temporary = temporary_name(path)?;
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&temporary);
        let file = file.map_err(|e| cannot_create(path, e))?;
        // A file system without locks is swept by age alone.
        let _ = file.lock();
        // Before it was locked, a sweeper may have taken it for rubbish.
        let links = file.metadata().map_err(|e| cannot_create(path, e))?.nlink();
        if links > 0 {
            return Ok((temporary, file));
        }
    }
}

fn exists(path: &Path) -> Error {
    Error::new(ErrorKind::ALREADY_EXISTS, format!("{} is there already", path.display()))
}

fn cannot_create(path: &Path, error: io::Error) -> Error {
    let missing = error.kind() == io::ErrorKind::NotFound;
    let error = Error::from(error).context(format!("cannot create {}", path.display()));
    match path.parent() {
        Some(parent) if missing => {
            error.hint(format!("create the directory {} first", parent.display()))
        }
        _ => error,
    }
}

/// `.hayloft-PID-N-NAME`: the numbers keep processes and threads apart, the
/// name tells a person what it is.
fn temporary_name(path: &Path) -> Result<PathBuf> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    const LONGEST_NAME: usize = 255;

    let no_name = || Error::msg(format!("{} is not the name of a file", path.display()));
    let name = path.file_name().ok_or_else(no_name)?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut temporary = OsString::from(format!("{TEMPORARY}{}-{number}-", std::process::id()));
    if temporary.len() + name.len() <= LONGEST_NAME {
        temporary.push(name);
    }
    Ok(path.with_file_name(temporary))
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Removes what crashed processes left in `directory`. Returns how many files
/// that were.
///
/// # Errors
///
/// If the directory cannot be read; a file that cannot be removed is passed
/// over.
pub fn sweep(directory: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let ours = entry.file_name().to_str().is_some_and(is_temporary);
        if ours && remove_abandoned(&entry.path()).unwrap_or(false) {
            tracing::info!("removed {}, left by a run that crashed", entry.path().display());
            removed += 1;
        }
    }
    Ok(removed)
}

/// Sweeps a directory when this process first writes a file there.
fn sweep_once(path: &Path) {
    static SWEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let Some(directory) = path.parent() else { return };
    let mut swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if swept.insert(directory.to_owned())
        && let Err(error) = sweep(directory)
    {
        // Whatever is wrong with the directory shows when the file is made.
        tracing::debug!("cannot sweep {}: {error}", directory.display());
    }
}

fn is_temporary(name: &str) -> bool {
    let numbers = name.strip_prefix(TEMPORARY).map(|it| it.splitn(3, '-'));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    numbers.is_some_and(|parts| parts.take(2).filter(|it| digits(it)).count() == 2)
}

/// Removes a file that nobody holds a lock on. Who has just made one notices,
/// since it is locked while it is removed.
fn remove_abandoned(path: &Path) -> io::Result<bool> {
    // Where there are no locks, nobody writes for so long.
    const AGES: Duration = Duration::from_hours(24);
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    let abandoned = metadata.is_file()
        && match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(_)) => {
                metadata.modified()?.elapsed().is_ok_and(|age| age > AGES)
            }
        };
    if abandoned {
        fs::remove_file(path)?;
    }
    Ok(abandoned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_only_with_commit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dump.txt");
        fs::write(&path, "yesterday").unwrap();

        let mut output = OutputFile::create(&path, &OutputOptions::default(), None).unwrap();
        output.write(b"today").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "yesterday");
        assert_eq!(output.commit().unwrap().size, 5);
        assert_eq!(fs::read_to_string(&path).unwrap(), "today");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(dir.path()), ["dump.txt"]);
    }

    #[test]
    fn what_is_dropped_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dump.txt");
        let mut output = OutputFile::create(&path, &OutputOptions::default(), None).unwrap();
        output.write(b"half").unwrap();
        drop(output);
        assert_eq!(names(dir.path()), [""; 0]);
    }

    #[test]
    fn a_long_file_that_goes_past_the_cache_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long");
        let options = OutputOptions { cached: false, ..OutputOptions::default() };
        let long = usize::try_from(LONG).unwrap();
        let content: Vec<u8> =
            (0..3 * long + 5).map(|it| u8::try_from(it * 7 % 251).unwrap()).collect();
        for length in [0, 1, long - 1, long, long + 1, long + (1 << 20), 2 * long, content.len()] {
            for piece in [1000, 300_001, 5 << 20] {
                let mut output = OutputFile::create(&path, &options, None).unwrap();
                for data in content[..length].chunks(piece) {
                    output.write(data).unwrap();
                }
                assert_eq!(output.commit().unwrap().size, length as u64);
                assert!(fs::read(&path).unwrap() == content[..length], "{length} by {piece}");
            }
        }
        assert_eq!(names(dir.path()), ["long"]);
    }

    #[test]
    fn a_file_that_must_not_be_replaced_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let options = OutputOptions { replace: false, ..OutputOptions::default() };
        let mut first = OutputFile::create(&path, &options, None).unwrap();
        let mut second = OutputFile::create(&path, &options, None).unwrap();
        first.commit().unwrap();
        assert_eq!(second.commit().unwrap_err().kind(), ErrorKind::ALREADY_EXISTS);
        let third = OutputFile::create(&path, &options, None).unwrap_err();
        assert_eq!(third.kind(), ErrorKind::ALREADY_EXISTS);
        drop(second);
        assert_eq!(names(dir.path()), ["x"]);
    }

    #[test]
    fn rubbish_of_dead_processes_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let held = OutputFile::create(&path, &OutputOptions::default(), None).unwrap();
        let held_name = held.temporary.file_name().unwrap().to_str().unwrap().to_owned();
        for name in [".hayloft-7-0-a", ".hayloft-7-1-", ".hayloft-lock", "data"] {
            File::create(dir.path().join(name)).unwrap();
        }
        let pipe = dir.path().join(".hayloft-9-0-pipe");
        rustix::fs::mknodat(
            CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert_eq!(sweep(dir.path()).unwrap(), 2);
        let mut left = [&held_name, ".hayloft-9-0-pipe", ".hayloft-lock", "data"];
        left.sort_unstable();
        assert_eq!(names(dir.path()), left);
    }

    #[test]
    fn a_sweep_never_takes_a_file_from_its_maker() {
        let dir = tempfile::tempdir().unwrap();
        let end = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !end.load(std::sync::atomic::Ordering::Relaxed) {
                    sweep(dir.path()).unwrap();
                }
            });
            for number in 0..500 {
                let path = dir.path().join(number.to_string());
                write_file(&path, b"hay", None).unwrap();
            }
            end.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        assert_eq!(names(dir.path()).len(), 500);
    }
}
