//! Handing WAL to a scratch server.
//!
//! The server's `restore_command` is a script in its own directory that asks
//! us by a pipe and takes the file from beside it. So the server needs neither
//! the network nor a key nor the right to read the archive, and we see what it
//! asked for and what it got.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use hayloft_plugin_api::{Error, Result};
use hayloft_postgres::wal::FileName;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{CWD, FileType, Mode, OFlags, mknodat},
};

use super::scratch::Scratch;
use crate::archive::{
    Archive,
    deliver::{self, Delivery},
};

/// How often it is looked whether there is to be an end.
const TICK: Duration = Duration::from_millis(100);
/// Its working directory is the data directory.
const SCRIPT: &str = r#"# Asks the drill for a file of WAL: $1 its name, $2 where it is to be.
exec 3<>../ask 4<>../answer || exit 255
printf '%s\n' "$1" >&3 || exit 255
read -r answer <&4 || exit 255
case $answer in
there) mv "../wal/$1" "$2" || exit 255 ;;
absent) exit 1 ;;
*) exit 255 ;;
esac
"#;

/// What was asked for and given.
#[derive(Debug, Clone)]
pub(super) struct Fed {
    /// How many files were given.
    pub(super) files: u64,
    /// The last segment that was given.
    pub(super) last: Option<FileName>,
    /// When something was asked for last.
    pub(super) active: Instant,
    /// Why a file could not be had that is there.
    pub(super) problem: Option<String>,
}

/// Both pipes, and where files go.
#[derive(Debug)]
pub(super) struct Feed {
    ask: File,
    answer: File,
    wal: PathBuf,
    fed: Mutex<Fed>,
}

impl Feed {
    /// Puts the script and the pipes into the scratch directory.
    ///
    /// # Errors
    ///
    /// If that is impossible.
    pub(super) fn open(scratch: &Scratch) -> Result<Self> {
        let script = scratch.root().join("fetch");
        fs::write(&script, SCRIPT)
            .map_err(|e| Error::from(e).context(format!("cannot write {}", script.display())))?;
        scratch.give(&script)?;
        let fed = Fed { files: 0, last: None, active: Instant::now(), problem: None };
        Ok(Self {
            ask: pipe(scratch, "ask")?,
            answer: pipe(scratch, "answer")?,
            wal: scratch.wal(),
            fed: Mutex::new(fed),
        })
    }

    /// Returns what was given so far.
    pub(super) fn fed(&self) -> Fed {
        self.fed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers until there is to be an end. One file is asked for at a time.
    pub(super) fn serve(&self, archive: &Archive<'_>, scratch: &Scratch, end: &AtomicBool) {
        let mut pending = Vec::new();
        while !end.load(Ordering::Relaxed) {
            if !self.is_asked() {
                continue;
            }
            let mut buffer = [0; 256];
            let Ok(read) = (&self.ask).read(&mut buffer) else { continue };
            pending.extend_from_slice(&buffer[..read]);
            while let Some(at) = pending.iter().position(|it| *it == b'\n') {
                let line: Vec<u8> = pending.drain(..=at).collect();
                let answer = self.give(archive, scratch, line.trim_ascii());
                // A server that is gone does not read it.
                drop((&self.answer).write_all(answer.as_bytes()));
            }
        }
    }

    fn is_asked(&self) -> bool {
        let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
        let mut fds = [PollFd::new(&self.ask, PollFlags::IN)];
        poll(&mut fds, Some(&tick)).is_ok_and(|it| it > 0)
    }

    fn give(&self, archive: &Archive<'_>, scratch: &Scratch, name: &[u8]) -> &'static str {
        let parsed = std::str::from_utf8(name).ok().and_then(FileName::parse);
        let Some(parsed) = parsed else { return "wrong\n" };
        let path = self.wal.join(parsed.to_string());
        let had = deliver::fetch(archive, parsed, &Delivery::to(&path))
            .and_then(|there| if there { scratch.give(&path).map(|()| true) } else { Ok(false) });
        let mut fed = self.fed.lock().unwrap_or_else(PoisonError::into_inner);
        fed.active = Instant::now();
        match had {
            Ok(true) => {
                fed.files += 1;
                if matches!(parsed, FileName::Segment(_)) {
                    fed.last = Some(parsed);
                }
                "there\n"
            }
            Ok(false) => "absent\n",
            Err(error) => {
                fed.problem = Some(error.to_string());
                "wrong\n"
            }
        }
    }
}

/// Makes a named pipe and opens both of its ends, so that neither side waits
/// for the other, or sees an end.
fn pipe(scratch: &Scratch, name: &str) -> Result<File> {
    let path: &Path = &scratch.root().join(name);
    let made = mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
        .and_then(|()| rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()));
    let file = made.map_err(|e| {
        Error::from(std::io::Error::from(e)).context(format!("cannot make {}", path.display()))
    })?;
    scratch.give(path)?;
    Ok(file.into())
}
