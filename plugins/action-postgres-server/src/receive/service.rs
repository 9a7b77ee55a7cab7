//! Word to the service manager: `sd_notify(3)`, in the few lines that it
//! takes.
//!
//! The crate `sd-notify` knows no sockets without a file, which containers
//! have, and takes a watchdog for its own only if the process is the one that
//! was started, which a worker is not.

use std::{
    env, io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

/// The service manager, if one wants to be told.
#[derive(Debug)]
pub(crate) struct Service {
    line: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Service {
    /// Finds it: `NOTIFY_SOCKET` and `WATCHDOG_USEC`.
    pub(crate) fn of_environment() -> Self {
        let socket = env::var_os("NOTIFY_SOCKET");
        let line = socket.and_then(|it| open(it.as_bytes()).ok());
        let microseconds = env::var("WATCHDOG_USEC").ok().and_then(|it| it.parse().ok());
        let ours = line.is_some() && env::var("WATCHDOG_PID").ok().is_none_or(|it| is_ours(&it));
        let watchdog = microseconds.filter(|it| ours && *it > 0).map(Duration::from_micros);
        Self { line, watchdog }
    }

    /// Returns how often it wants a sign of life: twice in its limit.
    pub(crate) fn pulse(&self) -> Option<Duration> {
        self.watchdog.map(|it| it / 2)
    }

    /// Tells that the service does what it is for.
    pub(crate) fn ready(&self) {
        self.tell("READY=1");
    }

    /// Tells that the service is about to end.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Gives a sign of life.
    pub(crate) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// Says how it is, in a line.
    pub(crate) fn status(&self, text: &str) {
        self.tell(&format!("STATUS={}", text.replace('\n', " ")));
    }

    fn tell(&self, text: &str) {
        let Some((socket, to)) = &self.line else { return };
        if let Err(error) = socket.send_to_addr(text.as_bytes(), to) {
            tracing::debug!("cannot tell the service manager {text}: {error}");
        }
    }
}

fn open(name: &[u8]) -> io::Result<(UnixDatagram, SocketAddr)> {
    let to = match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that does not listen must not hold us up.
    socket.set_nonblocking(true)?;
    Ok((socket, to))
}

/// The program that was started is this worker's parent.
fn is_ours(pid: &str) -> bool {
    let parent = rustix::process::getppid().map(|it| it.as_raw_nonzero().get().unsigned_abs());
    let pid = pid.parse().ok();
    pid.is_some() && (pid == parent || pid == Some(std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_arrives_at_sockets_with_and_without_a_file() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("notify");
        let name = format!("hayloft-test-{}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
        let sockets = [
            (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned()),
            (UnixDatagram::bind_addr(&abstract_address).unwrap(), format!("@{name}")),
        ];
        for (socket, name) in sockets {
            let line = open(name.as_bytes()).unwrap();
            let service = Service { line: Some(line), watchdog: Some(Duration::from_secs(8)) };
            service.status("a\nb");
            let mut buffer = [0; 100];
            let read = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..read], b"STATUS=a b");
            assert_eq!(service.pulse(), Some(Duration::from_secs(4)));
        }
    }

    #[test]
    fn a_watchdog_of_somebody_else_is_not_fed() {
        assert!(is_ours(&std::process::id().to_string()));
        for other in ["1", "", "x", "-1"] {
            assert!(!is_ours(other) || std::os::unix::process::parent_id() == 1, "{other}");
        }
    }
}
