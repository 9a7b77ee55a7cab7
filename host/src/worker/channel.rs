//! The worker's end of the line to its parent.

use std::{
    fs::{File, OpenOptions},
    io,
    os::fd::AsFd,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use hayloft_plugin_api::{Error, ErrorKind, Result};
use rustix::{io::fcntl_dupfd_cloexec, stdio};

use super::{
    protocol::{self, Job, Message},
    streams::Streams,
};
use crate::log::Log;

/// How long a worker whose parent is gone has to come to an end by itself.
pub const GRACE: Duration = Duration::from_secs(10);

/// Where the messages of a plugin at work go, from any thread.
#[derive(Debug)]
pub struct Channel {
    to: To,
    cancelled: Arc<AtomicBool>,
    streams: Streams,
}

#[derive(Debug)]
enum To {
    /// To the parent of this worker.
    Parent {
        line: Mutex<File>,
        /// What the user has answered.
        answers: Mutex<Receiver<Answer>>,
    },
    /// Nowhere: the plugin is in the program's own process.
    Here(Arc<Log>),
}

/// A line, or none at the end of the input.
type Answer = Option<String>;

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

        let job: Job = protocol::hear(&mut from_parent)?;
        let streams = Streams::take(job.streams)?;

        let cancelled = Arc::new(AtomicBool::new(false));
        let (sender, answers) = mpsc::channel();
        watch_parent(from_parent, sender, Arc::clone(&cancelled));
        let to = To::Parent { line: Mutex::new(to_parent), answers: Mutex::new(answers) };
        Ok((Self { to, cancelled, streams }, job))
    }

    /// Makes a channel for a plugin that is in the program's own process.
    pub fn here(log: &Arc<Log>, cancelled: &Arc<AtomicBool>) -> Self {
        let (to, cancelled) = (To::Here(Arc::clone(log)), Arc::clone(cancelled));
        Self { to, cancelled, streams: Streams::of_the_program() }
    }

    /// Sends a message. A parent that is gone is noticed elsewhere.
    pub fn send(&self, message: &Message) {
        match &self.to {
            To::Parent { line, .. } => {
                let mut to = line.lock().unwrap_or_else(PoisonError::into_inner);
                if protocol::send(&mut *to, message).is_err() {
                    self.cancelled.store(true, Ordering::Relaxed);
                }
            }
            To::Here(log) => log.show(message),
        }
    }

    /// Asks the user and waits for the line that is the answer; `None` if the
    /// input has ended.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CANCELLED`] if the work is to end meanwhile, and
    /// [`ErrorKind::UNSUPPORTED`] in the program's own process.
    pub fn ask(&self, question: &str) -> Result<Option<String>> {
        let To::Parent { answers, .. } = &self.to else {
            let why = "a command that starts in milliseconds asks nothing";
            return Err(Error::new(ErrorKind::UNSUPPORTED, why));
        };
        // Whoever asks while another waits gets the next answer.
        let answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
        self.send(&Message::Ask(question.to_owned()));
        answers.recv().map_err(|_| Error::new(ErrorKind::CANCELLED, "interrupted"))
    }

    /// Returns the program's standard input.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UNSUPPORTED`] if this is no command.
    pub fn standard_input(&self) -> Result<File> {
        given(self.streams.input.as_ref(), "input")
    }

    /// Returns the program's standard output.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UNSUPPORTED`] if this is no command.
    pub fn standard_output(&self) -> Result<File> {
        given(self.streams.output.as_ref(), "output")
    }

    /// Returns the flag that is set when the work is to end.
    pub fn cancelled(&self) -> &Arc<AtomicBool> {
        &self.cancelled
    }
}

fn given(stream: Option<&File>, name: &str) -> Result<File> {
    let file = stream.ok_or_else(|| {
        Error::new(ErrorKind::UNSUPPORTED, format!("only a command has a standard {name}"))
    })?;
    Ok(file.try_clone()?)
}

/// Passes answers on, and sets the flag when the parent closes its end, by
/// will or by death. A worker that does not end then must not live on, writing
/// for nobody.
fn watch_parent(mut from_parent: File, answers: Sender<Answer>, cancelled: Arc<AtomicBool>) {
    thread::spawn(move || {
        while let Ok(answer) = protocol::hear(&mut from_parent) {
            // Nobody waits for it any more if this fails.
            drop(answers.send(answer));
        }
        cancelled.store(true, Ordering::Relaxed);
        drop(answers);
        thread::sleep(GRACE);
        std::process::abort();
    });
}
