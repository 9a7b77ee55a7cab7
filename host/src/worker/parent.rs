//! Starts a worker and watches over it to its end.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read},
    os::unix::process::ExitStatusExt,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    COMMAND,
    protocol::{self, Done, Job, LogRecord, Message, Task},
    session,
    streams::Lent,
};
use crate::log::Log;

/// How often cancellation and time limits are looked at.
const PULSE: Duration = Duration::from_millis(50);
/// How long a worker has to end after it was told to.
const GRACE: Duration = Duration::from_secs(8);
/// How long a worker has to end after it has reported its result.
const FAREWELL: Duration = Duration::from_secs(2);

/// A job for a worker, and what watches over it.
#[derive(Debug)]
pub struct Call<'a> {
    /// What is to be done.
    pub job: &'a Job,
    /// Where its messages go.
    pub log: &'a Log,
    /// Set when the user wants an end.
    pub cancelled: &'a AtomicBool,
    /// How long it may take.
    pub limit: Option<Duration>,
}

/// How a worker ended.
#[derive(Debug)]
pub enum End {
    /// It reported a result.
    Done(Box<Done>),
    /// It ended without one.
    Crashed {
        /// How, such as `crashed with SIGSEGV`.
        how: String,
        /// The plugin that was at work.
        plugin: Option<String>,
    },
    /// It took too long and was killed.
    TimedOut {
        /// The limit.
        limit: Duration,
        /// The plugin that was at work.
        plugin: Option<String>,
    },
    /// The user wanted an end.
    Interrupted,
}

/// Runs a worker to its end. Nothing that it has started is left afterwards.
///
/// # Errors
///
/// If no process can be started.
pub fn run(call: &Call<'_>) -> io::Result<End> {
    let mut child = start(call.job)?;
    let leader = child.id();
    let frames = listen(&mut child);
    let line = Line(Arc::new(Mutex::new(child.stdin.take())));
    let mut watched = Watched { call, leader, line, plugin: None, done: None };
    let stopped = watched.watch(&frames);
    watched.line.close();

    let status = match stopped {
        // Whatever it did, it is to end now, and quickly.
        Some(_) => {
            session::kill(leader);
            child.wait()
        }
        None => farewell(&mut child),
    };
    session::kill(leader);
    watched.last_words(&frames);
    Ok(watched.end(stopped, status?))
}

/// Why a worker was stopped from outside.
#[derive(Debug, Clone, Copy)]
enum Stopped {
    Interrupted,
    TimedOut(Duration),
}

/// The line to the worker's standard input. The end of it tells the worker to
/// end.
#[derive(Debug, Clone)]
struct Line(Arc<Mutex<Option<ChildStdin>>>);

impl Line {
    fn close(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Puts a question to the user, and sends the answer when it comes. That
    /// may be never, so a thread waits for it; it ends with the process.
    fn ask(&self, log: &Log, question: &str) {
        log.screen().print(question.as_bytes());
        let line = self.clone();
        thread::spawn(move || {
            let answer = read_answer(&mut io::stdin().lock());
            let mut line = line.0.lock().unwrap_or_else(PoisonError::into_inner);
            // A worker that is gone needs no answer.
            drop(line.as_mut().map(|to| protocol::tell(to, &answer)));
        });
    }
}

/// Reads a line; one that cannot be read is the end as well.
fn read_answer(from: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    if from.read_until(b'\n', &mut line).ok()? == 0 {
        return None;
    }
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Some(String::from_utf8_lossy(line).into_owned())
}

struct Watched<'a> {
    call: &'a Call<'a>,
    leader: u32,
    line: Line,
    plugin: Option<String>,
    done: Option<Box<Done>>,
}

impl Watched<'_> {
    /// Handles messages until there will be no more.
    fn watch(&mut self, frames: &Receiver<Incoming>) -> Option<Stopped> {
        let started = Instant::now();
        let mut told: Option<(Instant, Stopped)> = None;
        loop {
            match frames.recv_timeout(PULSE) {
                Ok(Incoming::Message(message)) => self.take(message),
                Ok(Incoming::Closed) | Err(RecvTimeoutError::Disconnected) => {
                    return told.map(|(_, why)| why).filter(|_| self.done.is_none());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.done.is_some() {
                return None;
            }
            match told {
                None => {
                    told = self.reason(started).map(|why| (Instant::now(), why));
                    if told.is_some() {
                        self.line.close();
                        // A hook is not asked whether it is to end.
                        if matches!(self.call.job.task, Task::Event { .. }) {
                            session::terminate_others(self.leader);
                        }
                    }
                }
                Some((since, why)) if since.elapsed() > GRACE => return Some(why),
                Some(_) => {}
            }
        }
    }

    /// Takes what was written to standard error just before the end. Something
    /// that left the session may hold it open, so this does not wait for long.
    fn last_words(&mut self, frames: &Receiver<Incoming>) {
        while let Ok(incoming) = frames.recv_timeout(PULSE) {
            if let Incoming::Message(message @ Message::Log(_)) = incoming {
                self.take(message);
            }
        }
    }

    fn reason(&self, started: Instant) -> Option<Stopped> {
        if self.call.cancelled.load(Ordering::Relaxed) {
            return Some(Stopped::Interrupted);
        }
        let limit = self.call.limit.filter(|limit| started.elapsed() > *limit);
        limit.map(Stopped::TimedOut)
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Ask(question) => self.line.ask(self.call.log, &question),
            Message::Entering(facts) => self.plugin = plugin(&facts),
            Message::Done(done) => self.done = Some(done),
            message => self.call.log.show(&message),
        }
    }

    fn end(self, stopped: Option<Stopped>, status: ExitStatus) -> End {
        match (self.done, stopped) {
            (Some(done), _) => End::Done(done),
            (None, Some(Stopped::Interrupted)) => End::Interrupted,
            (None, Some(Stopped::TimedOut(limit))) => End::TimedOut { limit, plugin: self.plugin },
            (None, None) => End::Crashed { how: describe(status), plugin: self.plugin },
        }
    }
}

fn plugin(facts: &BTreeMap<String, String>) -> Option<String> {
    facts.get("plugin").cloned()
}

fn start(job: &Job) -> io::Result<Child> {
    let lent = Lent::to(&job.task);
    let job = &Job { streams: lent.passed(), ..job.clone() };
    let mut child = Command::new("/proc/self/exe")
        .arg(COMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(stdin) = &mut child.stdin {
        protocol::tell(stdin, job)?;
    }
    Ok(child)
}

/// What comes from a worker.
enum Incoming {
    Message(Message),
    /// There will be no more frames.
    Closed,
}

fn listen(child: &mut Child) -> Receiver<Incoming> {
    /// Enough for a burst, little enough to slow a plugin that floods us.
    const QUEUE: usize = 1024;
    let (sender, receiver) = mpsc::sync_channel(QUEUE);
    if let Some(stderr) = child.stderr.take() {
        let sender = sender.clone();
        thread::spawn(move || forward_output(stderr, &sender));
    }
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || forward_frames(stdout, &sender));
    }
    receiver
}

fn forward_frames(from: impl Read, to: &SyncSender<Incoming>) {
    let mut from = BufReader::new(from);
    while let Ok(Some(message)) = protocol::receive(&mut from) {
        if to.send(Incoming::Message(message)).is_err() {
            return;
        }
    }
    // Nobody listens any more if this fails, which is what it says.
    drop(to.send(Incoming::Closed));
}

/// What a plugin, or a library in it, writes to standard output or error
/// belongs into the log.
fn forward_output(from: impl Read, to: &SyncSender<Incoming>) {
    const INFO: u8 = 3;
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while matches!(from.read_until(b'\n', &mut line), Ok(n) if n > 0) {
        let text = String::from_utf8_lossy(line.trim_ascii_end());
        let (target, text) = (protocol::OUTPUT.to_owned(), text.into_owned());
        let record = LogRecord { level: INFO, target, text, program: String::new() };
        if to.send(Incoming::Message(Message::Log(record))).is_err() {
            return;
        }
        line.clear();
    }
}

/// Lets a worker that has reported its result end by itself; threads that a
/// plugin has leaked may keep it from that.
fn farewell(child: &mut Child) -> io::Result<ExitStatus> {
    let deadline = Instant::now() + FAREWELL;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            child.kill()?;
            return child.wait();
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("crashed with {}", signal_name(signal)),
        (None, Some(code)) => {
            format!("ended the process with exit code {code} before its work was done")
        }
        (None, None) => "ended in an unknown way".to_owned(),
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGILL => "SIGILL",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGTERM => "SIGTERM",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGXFSZ => "SIGXFSZ",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_line_and_the_end_is_none() {
        let mut input = &b"yes\r\n\nla\xffst"[..];
        let answers = std::iter::from_fn(|| read_answer(&mut input));
        assert_eq!(answers.collect::<Vec<_>>(), ["yes", "", "la\u{fffd}st"]);
    }

    #[test]
    fn an_end_without_a_result_is_described() {
        let cases = [
            (11, "crashed with SIGSEGV"),
            (6, "crashed with SIGABRT"),
            (0, "ended the process with exit code 0 before its work was done"),
            (3 << 8, "ended the process with exit code 3 before its work was done"),
        ];
        for (raw, text) in cases {
            assert_eq!(describe(ExitStatus::from_raw(raw)), text);
        }
    }
}
