//! `postmaster.pid`: what a server writes down about itself.

use std::{
    io,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use super::small_file;

/// The name of the file in a data directory.
pub(super) const NAME: &str = "postmaster.pid";
/// How long a file may stay incomplete while it is being written.
const PATIENCE: Duration = Duration::from_secs(1);

/// The eighth line: what the server says it is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusLine {
    /// `starting`: not up yet, or replaying and not yet consistent.
    Starting,
    /// `stopping`.
    Stopping,
    /// `ready`: it takes connections.
    Ready,
    /// `standby`: it replays and takes no connections.
    Standby,
}

/// The lines of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PidFile {
    /// The number of the process.
    pub pid: u32,
    /// Whether it is a single-user backend, not a server: the file has a
    /// negative number then.
    pub single_user: bool,
    /// The data directory, as the server was told.
    pub data: Option<PathBuf>,
    /// When it started, in seconds since 1970.
    pub started: Option<u64>,
    /// The port, which names the sockets too.
    pub port: Option<u16>,
    /// The first directory with a socket.
    pub socket_directory: Option<PathBuf>,
    /// The first address it listens on; `*` for all.
    pub listen_address: Option<String>,
    /// Key and number of the shared memory segment by which PostgreSQL sees
    /// whether anybody of an old server still lives.
    pub shared_memory: Option<(u64, u64)>,
    /// What it does.
    pub status: Option<StatusLine>,
}

/// What there is in place of a pid file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PidFileContent {
    /// None.
    Absent,
    /// One with at least a number.
    Present(PidFile),
    /// Not even a number; the first bytes.
    Garbage(String),
}

impl PidFile {
    /// Reads the lines; none if the first is no number but 0.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let lines: Vec<&[u8]> = bytes.split(|it| *it == b'\n').collect();
        let text = |at: usize| lines.get(at).and_then(|it| std::str::from_utf8(it).ok());
        let path = |at: usize| {
            let line = lines.get(at).filter(|it| !it.is_empty())?;
            Some(PathBuf::from(std::ffi::OsString::from_vec(line.to_vec())))
        };
        let number: i64 = text(0)?.trim().parse().ok()?;
        let pid = u32::try_from(number.unsigned_abs()).ok().filter(|it| *it != 0)?;
        i32::try_from(pid).ok()?;
        let shared_memory = text(6).and_then(|line| {
            let mut numbers = line.split_whitespace().map(str::parse::<u64>);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        });
        Some(Self {
            pid,
            single_user: number < 0,
            data: path(1),
            started: text(2).and_then(|it| it.trim().parse().ok()),
            port: text(3).and_then(|it| it.trim().parse().ok()).filter(|it| *it != 0),
            socket_directory: path(4),
            listen_address: text(5).filter(|it| !it.is_empty()).map(ToOwned::to_owned),
            shared_memory,
            status: text(7).and_then(status),
        })
    }

    /// Tells whether everything that a server writes first is there.
    fn is_complete(&self) -> bool {
        self.started.is_some() && (self.single_user || self.status.is_some())
    }

    /// Reads the file of a data directory. An incomplete one is read again for
    /// up to a second: the lines come one after the other.
    ///
    /// # Errors
    ///
    /// Of reading.
    pub fn read(data: &Path) -> io::Result<PidFileContent> {
        let began = Instant::now();
        loop {
            let content = Self::read_once(data)?;
            let settled = match &content {
                PidFileContent::Absent => true,
                PidFileContent::Present(it) => it.is_complete(),
                PidFileContent::Garbage(_) => false,
            };
            if settled || began.elapsed() >= PATIENCE {
                return Ok(content);
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// Reads the file as it is at this moment.
    pub(super) fn read_once(data: &Path) -> io::Result<PidFileContent> {
        let bytes = match small_file::read(&data.join(NAME)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(PidFileContent::Absent);
            }
            Err(error) => return Err(error),
        };
        Ok(Self::parse(&bytes).map_or_else(
            || {
                let head = &bytes[..bytes.len().min(40)];
                PidFileContent::Garbage(head.escape_ascii().to_string())
            },
            PidFileContent::Present,
        ))
    }
}

fn status(line: &str) -> Option<StatusLine> {
    match line.trim_end() {
        "starting" => Some(StatusLine::Starting),
        "stopping" => Some(StatusLine::Stopping),
        "ready" => Some(StatusLine::Ready),
        "standby" => Some(StatusLine::Standby),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_is_read() {
        let text =
            "71\n/srv/data\n1700000000\n5433\n/run/pg\nlocalhost\n  16712190        12\nready   \n";
        let it = PidFile::parse(text.as_bytes()).unwrap();
        assert_eq!((it.pid, it.single_user, it.started), (71, false, Some(1_700_000_000)));
        assert_eq!(it.data.as_deref(), Some(Path::new("/srv/data")));
        assert_eq!((it.port, it.status), (Some(5433), Some(StatusLine::Ready)));
        assert_eq!(it.shared_memory, Some((16_712_190, 12)));
        assert!(it.is_complete());
    }

    #[test]
    fn lines_may_be_missing_or_empty() {
        let it = PidFile::parse(b"-5\n/d\n17\n0\n\n\n").unwrap();
        assert!(it.single_user && it.is_complete());
        assert_eq!((it.pid, it.port, it.socket_directory), (5, None, None));
        let it = PidFile::parse(b"5\n/d\n").unwrap();
        assert!(!it.is_complete());
    }

    #[test]
    fn what_has_no_number_is_none() {
        for text in ["", "\n", "0", "-0", "x", "5x", "99999999999", "4294967295", "- 5", "\0"] {
            assert_eq!(PidFile::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_fall_over(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = PidFile::parse(&bytes);
        }
    }
}
