//! The worker's end of the line to its parent.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::fd::AsFd,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rustix::{io::fcntl_dupfd_cloexec, stdio};

use super::protocol::{self, Job, Message};

/// How long a worker whose parent is gone has to come to an end by itself.
const GRACE: Duration = Duration::from_secs(10);

/// Sends messages to the parent, from any thread.
#[derive(Debug)]
pub struct Channel {
    to_parent: Mutex<File>,
    cancelled: Arc<AtomicBool>,
}

impl Channel {
    /// Takes standard input and output over for the parent and reads the job.
    ///
    /// From now on what the plugin writes to standard output goes where
    /// standard error goes, and what it reads from standard input is empty:
    /// neither can disturb the protocol.
    ///
    /// # Errors
    ///
    /// If this process was not started by a parent that speaks the protocol.
    pub fn open() -> io::Result<(Self, Job)> {
        // A session of our own: the parent finds everything that we start.
        rustix::process::setsid()?;
        let mut from_parent = File::from(fcntl_dupfd_cloexec(io::stdin().as_fd(), 3)?);
        let to_parent = File::from(fcntl_dupfd_cloexec(io::stdout().as_fd(), 3)?);
        stdio::dup2_stdin(OpenOptions::new().read(true).open("/dev/null")?)?;
        stdio::dup2_stdout(io::stderr().as_fd())?;

        let mut length = [0; 4];
        from_parent.read_exact(&mut length)?;
        let mut job = vec![0; u32::from_be_bytes(length) as usize];
        from_parent.read_exact(&mut job)?;
        let job = serde_json::from_slice(&job)?;

        let cancelled = Arc::new(AtomicBool::new(false));
        watch_parent(from_parent, Arc::clone(&cancelled));
        Ok((Self { to_parent: Mutex::new(to_parent), cancelled }, job))
    }

    /// Sends a message. A parent that is gone is noticed elsewhere.
    pub fn send(&self, message: &Message) {
        let mut to = self.to_parent.lock().unwrap_or_else(PoisonError::into_inner);
        if protocol::send(&mut *to, message).is_err() {
            self.cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// Returns the flag that is set when the work is to end.
    pub fn cancelled(&self) -> &Arc<AtomicBool> {
        &self.cancelled
    }
}

/// Sets the flag when the parent closes its end, by will or by death. A
/// worker that does not end then must not live on, writing for nobody.
fn watch_parent(mut from_parent: File, cancelled: Arc<AtomicBool>) {
    thread::spawn(move || {
        let mut byte = [0];
        while !matches!(from_parent.read(&mut byte), Ok(0)) {}
        cancelled.store(true, Ordering::Relaxed);
        thread::sleep(GRACE);
        std::process::abort();
    });
}
