//! What is asked of this machine.

use std::{
    env,
    fs::Metadata,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::Result;
use rustix::fs::Access;

/// What only the host can tell.
pub trait Machine {
    /// Tells whether there is an entry of that name in one of the system's
    /// databases, `passwd` or `group`.
    ///
    /// # Errors
    ///
    /// If that cannot be found out.
    fn has(&self, database: &str, name: &str) -> Result<bool>;

    /// Opens a storage and asks it for something.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    fn try_storage(&self, name: &str) -> Result<()>;

    /// Opens a compressor or encryptor.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    fn try_encoding(&self, kind: &str, name: &str) -> Result<()>;

    /// Tells whether we are root.
    fn is_root(&self) -> bool;
}

/// What is done with a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Files in it are read.
    Read,
    /// Files are created and removed in it.
    Write,
}

/// Returns what keeps a directory from being used.
pub fn objection_to_directory(path: &Path, purpose: Use) -> Option<String> {
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return Some(missing(path, &error)),
    };
    if !metadata.is_dir() {
        return Some(format!("{} is not a directory", path.display()));
    }
    let cases =
        [(Access::READ_OK, "read"), (Access::EXEC_OK, "entered"), (Access::WRITE_OK, "written to")];
    let needed = if purpose == Use::Write { &cases[..] } else { &cases[..2] };
    objection(path, needed)
}

/// Returns what keeps a file from being read. A link counts for itself.
pub fn objection_to_file(path: &Path) -> Option<String> {
    match path.symlink_metadata() {
        Err(error) => Some(missing(path, &error)),
        Ok(it) if it.is_symlink() => None,
        Ok(it) if it.is_dir() => Some(format!("{} is a directory", path.display())),
        Ok(_) => objection(path, &[(Access::READ_OK, "read")]),
    }
}

/// Returns what keeps a device from being written.
pub fn objection_to_device(path: &Path) -> Option<String> {
    match path.metadata() {
        Err(error) => Some(missing(path, &error)),
        Ok(_) => objection(path, &[(Access::READ_OK, "read"), (Access::WRITE_OK, "written to")]),
    }
}

/// Returns what keeps a program from being run.
pub fn objection_to_program(path: &Path) -> Option<String> {
    match path.metadata() {
        Err(error) => Some(missing(path, &error)),
        Ok(metadata) if !is_executable(&metadata) => {
            Some(format!("{} is not an executable file", path.display()))
        }
        Ok(_) => None,
    }
}

/// Finds a program in the search path, as running it would.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let executable = |path: &PathBuf| path.metadata().is_ok_and(|it| is_executable(&it));
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(executable);
    }
    let directories = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&directories).map(|it| it.join(name)).find(executable)
}

fn is_executable(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
}

fn missing(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("there is no {}", path.display()),
        _ => format!("cannot look at {}: {error}", path.display()),
    }
}

fn objection(path: &Path, needed: &[(Access, &str)]) -> Option<String> {
    let refused = needed.iter().find(|(access, _)| rustix::fs::access(path, *access).is_err());
    refused.map(|(_, what)| format!("{} cannot be {what}", path.display()))
}
