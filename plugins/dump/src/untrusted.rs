//! Small files that somebody else may have put there: state in a working
//! directory that belongs to the backup user, lock files beside mailboxes.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Does not wait for whoever writes into a pipe.
const O_NONBLOCK: i32 = 0o4000;
/// Does not follow a link.
const O_NOFOLLOW: i32 = 0o400_000;

/// Opens a regular file for reading. It never waits, and follows no link.
///
/// # Errors
///
/// If it is anything else, and those of opening.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK | O_NOFOLLOW).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file")) }
}

/// Reads a regular file, as [`open_regular`], of at most `most` bytes.
///
/// # Errors
///
/// [`io::ErrorKind::FileTooLarge`] if it has more, and as [`open_regular`].
pub fn read_small(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    open_regular(path)?.take(most.saturating_add(1)).read_to_end(&mut data)?;
    if data.len() as u64 > most { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(data) }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, process::Command};

    use super::*;

    #[test]
    fn only_small_regular_files_are_read_and_nothing_makes_it_wait() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("small"), "12345").unwrap();
        fs::create_dir(at("directory")).unwrap();
        symlink("small", at("link")).unwrap();
        symlink("/dev/zero", at("zeros")).unwrap();
        assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        assert_eq!(read_small(&at("small"), 5).unwrap(), b"12345");
        let error = read_small(&at("small"), 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        for name in ["directory", "link", "zeros", "pipe", "nothing"] {
            assert!(read_small(&at(name), 5).is_err(), "{name}");
        }
    }
}
