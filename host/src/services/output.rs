//! Files that appear whole or not at all.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use hayloft_plugin_api::{Error, ErrorKind, ObjectMeta, OutputOptions, PutStream, Result};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::owner::Owner;

/// What a temporary file's name begins with. What is found under such a name
/// and belongs to no living process is rubbish of a crash.
pub const TEMPORARY: &str = ".hayloft-";

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
    written: u64,
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
        let temporary = temporary_name(path)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(|e| cannot_create(path, e))?;
        let output = Self {
            file: Some(file),
            temporary,
            path: path.to_owned(),
            replace: options.replace,
            written: 0,
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
        let Some(file) = &mut self.file else {
            return Err(self.failed(Error::msg("it is finished already")));
        };
        let written = file.write_all(data);
        written.map_err(|e| self.failed(e))?;
        self.written += data.len() as u64;
        Ok(())
    }

    fn commit(&mut self) -> Result<ObjectMeta> {
        let Some(file) = self.file.take() else {
            return Err(self.failed(Error::msg("it is finished already")));
        };
        let made = file
            .sync_all()
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

/// `.hayloft-PID-N-NAME`: the process tells whether it is rubbish, the number
/// keeps threads apart, the name tells a person what it is.
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
        let dead = entry.file_name().to_str().and_then(owner_process).is_some_and(|p| !alive(p));
        if dead && fs::remove_file(entry.path()).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

fn owner_process(name: &str) -> Option<u32> {
    name.strip_prefix(TEMPORARY)?.split('-').next()?.parse().ok()
}

fn alive(process: u32) -> bool {
    Path::new("/proc").join(process.to_string()).exists()
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
        let alive = format!("{TEMPORARY}{}-0-a", std::process::id());
        for name in [".hayloft-4194305-0-a", alive.as_str(), ".hayloft-lock", "data"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(sweep(dir.path()).unwrap(), 1);
        assert_eq!(names(dir.path()), [alive.as_str(), ".hayloft-lock", "data"]);
    }
}
