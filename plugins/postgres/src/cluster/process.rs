//! Processes as `/proc` shows them, and signals that cannot hit another one.

use std::{
    ffi::OsStr,
    fs, io,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

/// Ticks a second in `/proc`; the same on all machines that Rust knows.
const TICKS: u64 = 100;

/// What `/proc` says of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProcessFacts {
    /// `R`, `S`, `Z`, …
    pub(super) state: u8,
    /// Its owner.
    pub(super) uid: u32,
    /// When it started, in seconds since 1970.
    pub(super) started: Option<u64>,
    /// The program; none if we may not see it.
    pub(super) exe: Option<PathBuf>,
    /// Where it works; none if we may not see it.
    pub(super) cwd: Option<Place>,
}

/// A directory: what it is called, and which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) id: (u64, u64),
}

impl ProcessFacts {
    /// Reads them; none if there is no such process.
    pub(super) fn read(pid: u32) -> Option<Self> {
        let home = PathBuf::from(format!("/proc/{pid}"));
        let uid = fs::metadata(&home).ok()?.uid();
        let (state, ticks) = parse_stat(&fs::read(home.join("stat")).ok()?)?;
        let cwd = home.join("cwd");
        let place = fs::read_link(&cwd).ok().zip(fs::metadata(&cwd).ok());
        Some(Self {
            state,
            uid,
            started: boot_time().map(|it| it + ticks / TICKS),
            exe: fs::read_link(home.join("exe")).ok(),
            cwd: place.map(|(path, meta)| Place { path, id: (meta.dev(), meta.ino()) }),
        })
    }

    /// Tells whether it has ended and only waits to be noticed.
    pub(super) fn is_zombie(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }

    /// Tells whether the program is a server's, also one that an upgrade has
    /// replaced since.
    pub(super) fn is_postgres(&self) -> bool {
        self.exe.as_deref().is_some_and(is_postgres)
    }
}

fn is_postgres(exe: &Path) -> bool {
    let name = exe.file_name().map(OsStr::as_bytes).unwrap_or_default();
    let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
    // An upgrade may have put the new file in place by a hidden name first.
    [&b"postgres"[..], b"postmaster", b"edb-postgres"].contains(&name)
        || name.starts_with(b"postgres.")
        || name.starts_with(b".postgres")
}

/// State and start of a line of `/proc/PID/stat`. The name, second and in
/// brackets, may hold anything.
fn parse_stat(line: &[u8]) -> Option<(u8, u64)> {
    let end = line.iter().rposition(|it| *it == b')')?;
    let mut fields = std::str::from_utf8(&line[end + 1..]).ok()?.split_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

fn boot_time() -> Option<u64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|it| it.strip_prefix("btime "))?.trim().parse().ok()
}

/// Returns the processes of a server's program that work in a directory.
pub(super) fn postgres_in(directory: (u64, u64)) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|it| it.file_name().to_str()?.parse().ok());
    let mut found: Vec<u32> = pids
        .filter(|pid| {
            ProcessFacts::read(*pid).is_some_and(|it| {
                !it.is_zombie()
                    && it.is_postgres()
                    && it.cwd.is_some_and(|place| place.id == directory)
            })
        })
        .collect();
    found.sort_unstable();
    found
}

/// Returns the number that a process has in its container; none if it is in
/// none.
pub(super) fn inner_number(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|it| it.strip_prefix("NSpid:"))?;
    let mut numbers = line.split_whitespace();
    numbers.next()?;
    numbers.next_back()?.parse().ok()
}

/// Returns where servers' processes work, each directory once.
pub(super) fn postgres_homes() -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok());
    let mut homes: Vec<(u32, PathBuf)> = pids
        .filter_map(|pid| {
            let facts = ProcessFacts::read(pid).filter(ProcessFacts::is_postgres)?;
            Some((pid, facts.cwd?.path))
        })
        .collect();
    homes.sort_by(|a, b| (&a.1, a.0).cmp(&(&b.1, b.0)));
    homes.dedup_by(|a, b| a.1 == b.1);
    homes
}

/// Tells whether anybody is attached to a shared memory segment.
pub(super) fn is_attached(segment: u64) -> bool {
    let text = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    text.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(1).and_then(|it| it.parse().ok()) == Some(segment)
            && fields.get(6).is_some_and(|it| *it != "0")
    })
}

/// Finds who listens on a TCP port, as far as we may look.
pub(super) fn listener_on(port: u16) -> Option<u32> {
    let wanted = format!(":{port:04X}");
    let mut sockets = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // 0A is LISTEN.
            if let [_, local, _, "0A", _, _, _, _, _, inode, ..] = *fields
                && local.ends_with(&wanted)
            {
                sockets.push(format!("socket:[{inode}]"));
            }
        }
    }
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> =
        entries.filter_map(|it| it.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids.into_iter().find(|pid| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files
            .filter_map(|it| fs::read_link(it.path()).ok())
            .any(|link| link.to_str().is_some_and(|link| sockets.iter().any(|it| it == link)))
    })
}

/// A process held by a descriptor: whatever we do reaches this very process
/// or nobody, also after its number was given to another.
#[derive(Debug)]
pub(super) struct Held {
    pid: u32,
    descriptor: OwnedFd,
}

impl Held {
    /// Takes hold of a process. What is known of its number must be looked at
    /// again afterwards: it may have changed hands just before.
    pub(super) fn take(pid: u32) -> io::Result<Self> {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let number = number.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(Self { pid, descriptor: pidfd_open(number, PidfdFlags::empty())? })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal. A process that ended is no error of its own kind:
    /// [`io::ErrorKind::NotFound`] is not returned for it.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(&self.descriptor, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until it has ended, a zombie included; tells whether it has.
    pub(super) fn has_ended(&self, wait: Duration) -> bool {
        let mut fds = [PollFd::new(&self.descriptor, PollFlags::IN)];
        let limit = Timespec {
            tv_sec: wait.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        };
        matches!(poll(&mut fds, Some(&limit)), Ok(1..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_disturb() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        for name in ["postgres", "a) R 1", "(", "x y"] {
            let line = format!("77 ({name}) {rest}");
            assert_eq!(parse_stat(line.as_bytes()), Some((b'S', 4711)), "{name}");
        }
        assert_eq!(parse_stat(b""), None);
        assert_eq!(parse_stat(b"77 (x) S 1"), None);
    }

    #[test]
    fn a_server_is_known_by_its_program() {
        let cases = [
            ("/usr/lib/postgresql/15/bin/postgres", true),
            ("/usr/lib/postgresql/15/bin/postgres (deleted)", true),
            ("/opt/pg/postmaster", true),
            ("/usr/bin/sleep", false),
            ("/usr/bin/postgrest", false),
            ("/postgres/bin/psql", false),
        ];
        for (exe, yes) in cases {
            assert_eq!(is_postgres(Path::new(exe)), yes, "{exe}");
        }
    }

    #[test]
    fn we_are_seen_as_we_are() {
        let us = ProcessFacts::read(std::process::id()).unwrap();
        assert!(!us.is_zombie() && !us.is_postgres());
        assert_eq!(us.cwd.unwrap().path, std::env::current_dir().unwrap());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert!(us.started.unwrap().abs_diff(now.as_secs()) < 24 * 3600);
    }

    #[test]
    fn one_who_ended_is_noticed_before_anybody_waits_for_him() {
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let held = Held::take(child.id()).unwrap();
        assert!(!held.has_ended(Duration::ZERO));
        held.signal(Signal::KILL).unwrap();
        assert!(held.has_ended(Duration::from_secs(10)));
        assert!(ProcessFacts::read(child.id()).unwrap().is_zombie());
        child.wait().unwrap();
        held.signal(Signal::KILL).unwrap();
    }

    #[test]
    fn who_listens_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(listener_on(port), Some(std::process::id()));
    }
}
