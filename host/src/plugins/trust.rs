//! Decides whether code from a file may run: the rules of sudo for its own
//! plugins. Whoever can change the file, or a directory above it, could
//! otherwise run anything as the user of this program.

use std::{
    fmt,
    fs::{File, Metadata, OpenOptions},
    io::{self, Read, Seek},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use super::problem::Problem;

/// Why code from a file is not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distrust {
    /// The file, or the directory above it, that is at fault.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What makes a file or directory changeable by others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It belongs to somebody who is neither root nor us.
    Owner {
        /// The owner.
        uid: u32,
        /// Who we are.
        we: u32,
    },
    /// Its permission bits let the group or everybody write.
    Mode(u32),
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.fault {
            Fault::Owner { uid, we: 0 } => write!(
                f,
                "it is not trusted, because {path} belongs to user {uid}, not to root; run `chown root {path}`"
            ),
            Fault::Owner { uid, we } => write!(
                f,
                "it is not trusted, because {path} belongs to user {uid}, not to root or to user {we}; \
                 run `chown {we} {path}` as root"
            ),
            Fault::Mode(mode) => write!(
                f,
                "it is not trusted, because others can change {path} (mode {mode:04o}); run `chmod go-w {path}`"
            ),
        }
    }
}

impl std::error::Error for Distrust {}

/// A file that was opened once and is looked at, checked and loaded through
/// that one descriptor.
#[derive(Debug)]
pub struct Opened {
    /// The descriptor.
    pub file: File,
    /// Where it is, all links resolved.
    pub real: PathBuf,
    /// What the descriptor says of it.
    pub status: Metadata,
}

impl Opened {
    /// Opens a file for reading, whether it is trusted or not.
    ///
    /// # Errors
    ///
    /// [`Problem::Unreadable`] and [`Problem::NotRegular`].
    pub fn open(path: &Path) -> Result<Self, Problem> {
        let unreadable = |e: io::Error| Problem::Unreadable(e.to_string());
        let real = path.canonicalize().map_err(unreadable)?;
        // Without NONBLOCK a FIFO would keep us waiting for its writer.
        let flags = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(&real)
            .map_err(unreadable)?;
        let status = file.metadata().map_err(unreadable)?;
        if !status.is_file() {
            return Err(Problem::NotRegular);
        }
        Ok(Self { file, real, status })
    }

    /// Checks that only root and we can change the file or put another one in
    /// its place.
    ///
    /// # Errors
    ///
    /// The first file or directory that others can change.
    pub fn check_trust(&self) -> Result<(), Problem> {
        judge(&self.real, &self.status, our_uid())?;
        self.real.parent().map_or(Ok(()), check_directory)
    }

    /// Compares the content with the checksum of the configuration.
    ///
    /// # Errors
    ///
    /// [`Problem::WrongChecksum`], [`Problem::BadChecksum`] and
    /// [`Problem::Unreadable`].
    pub fn check_sha256(&self, pinned: &str) -> Result<(), Problem> {
        let pinned = pinned.trim();
        if pinned.len() != 64 || !pinned.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Problem::BadChecksum(pinned.to_owned()));
        }
        let is = sha256(&self.file).map_err(|e| Problem::Unreadable(e.to_string()))?;
        if is.eq_ignore_ascii_case(pinned) {
            return Ok(());
        }
        Err(Problem::WrongChecksum { is, pinned: pinned.to_owned() })
    }
}

/// Checks that only root and we can change a directory and those above it. A
/// sticky directory such as `/tmp` is good enough: nobody can replace
/// somebody else's file in it.
///
/// # Errors
///
/// The first directory, from the innermost, that others can change.
pub fn check_directory(directory: &Path) -> Result<(), Problem> {
    let we = our_uid();
    let unreadable = |e: io::Error| Problem::Unreadable(e.to_string());
    let real = directory.canonicalize().map_err(unreadable)?;
    for ancestor in real.ancestors() {
        judge(ancestor, &ancestor.metadata().map_err(unreadable)?, we)?;
    }
    Ok(())
}

fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn judge(path: &Path, status: &Metadata, we: u32) -> Result<(), Distrust> {
    match fault(status.uid(), status.mode(), status.is_dir(), we) {
        Some(fault) => Err(Distrust { path: path.to_owned(), fault }),
        None => Ok(()),
    }
}

fn fault(uid: u32, mode: u32, is_directory: bool, we: u32) -> Option<Fault> {
    const STICKY: u32 = 0o1000;
    const OTHERS_WRITE: u32 = 0o022;
    if uid != 0 && uid != we {
        return Some(Fault::Owner { uid, we });
    }
    let sticky = is_directory && mode & STICKY != 0;
    (mode & OTHERS_WRITE != 0 && !sticky).then_some(Fault::Mode(mode & 0o7777))
}

fn sha256(mut file: &File) -> io::Result<String> {
    const BUFFER: usize = 256 << 10;
    file.rewind()?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}")).map_err(io::Error::other)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_root_and_we_alone_can_change_is_trusted() {
        let (mode, owner) = (Fault::Mode, |uid, we| Fault::Owner { uid, we });
        let cases = [
            // uid, mode, directory, we, fault
            (0, 0o644, false, 0, None),
            (0, 0o755, true, 1000, None),
            (1000, 0o700, true, 1000, None),
            (1000, 0o644, false, 0, Some(owner(1000, 0))),
            (33, 0o644, false, 1000, Some(owner(33, 1000))),
            (0, 0o664, false, 0, Some(mode(0o664))),
            (0, 0o646, false, 0, Some(mode(0o646))),
            (0, 0o775, true, 0, Some(mode(0o775))),
            (0, 0o1777, true, 0, None),
            (33, 0o1777, true, 0, Some(owner(33, 0))),
            (0, 0o1666, false, 0, Some(mode(0o1666))),
        ];
        for (uid, mode, directory, we, expected) in cases {
            assert_eq!(fault(uid, mode, directory, we), expected, "{uid} {mode:o} {directory}");
        }
    }

    #[test]
    fn what_is_at_fault_is_said_with_the_command_that_mends_it() {
        let distrust = |fault| Distrust { path: "/opt/x".into(), fault }.to_string();
        assert_eq!(
            distrust(Fault::Mode(0o777)),
            "it is not trusted, because others can change /opt/x (mode 0777); run `chmod go-w /opt/x`"
        );
        assert_eq!(
            distrust(Fault::Owner { uid: 33, we: 0 }),
            "it is not trusted, because /opt/x belongs to user 33, not to root; run `chown root /opt/x`"
        );
    }

    #[test]
    fn a_checksum_is_compared_whatever_the_case_of_its_letters() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut file, b"abc").unwrap();
        let opened = Opened::open(file.path()).unwrap();
        let right = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
        assert_eq!(opened.check_sha256(right), Ok(()));
        assert!(matches!(
            opened.check_sha256(&right.replace('B', "c")),
            Err(Problem::WrongChecksum { .. })
        ));
        assert_eq!(opened.check_sha256("abc"), Err(Problem::BadChecksum("abc".to_owned())));
    }

    #[test]
    fn what_is_no_file_is_not_opened_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo.so");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert_eq!(Opened::open(&fifo).unwrap_err(), Problem::NotRegular);
        assert_eq!(Opened::open(directory.path()).unwrap_err(), Problem::NotRegular);
        let gone = Opened::open(&directory.path().join("gone.so")).unwrap_err();
        assert_eq!(gone.to_string(), "it cannot be read: No such file or directory (os error 2)");
    }
}
