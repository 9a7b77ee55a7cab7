//! The listing of all files, with owners, permissions and times.
//!
//! It is written as `ls -laR` writes it, but does not look into the kernel's
//! own views (`/proc`), into file systems of other machines, which may not
//! answer, or into what is excluded; and each name stays on its line.

mod line;
mod mounts;
mod walk;

use std::{
    io::{self, Read},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::{Duration, Instant},
};

use hayloft_dump::{Sink, pump, transfer, unfinished};
use hayloft_plugin_api::{Error, ErrorKind, Host, Progress, Result};

pub(crate) use self::line::{Owners, escaped};
use self::{
    mounts::Mounts,
    walk::{Rules, Tally, Walk},
};
use crate::{context::Context, report::End};

/// The kernel's list of what is mounted.
const MOUNTS: &str = "/proc/self/mountinfo";
/// How many pieces wait to be compressed.
const PIECES: usize = 8;
/// How often it is looked whether the action was cancelled.
const PULSE: Duration = Duration::from_millis(100);
/// What an `<override>` names to have the listing made by another program.
const LS: &str = "ls";

/// Saves the listing as the file `base`.
///
/// # Errors
///
/// If it cannot be written, or does not end in time.
pub(crate) fn save(context: &Context<'_>, base: &str) -> Result<End> {
    if context.is_overridden(LS) {
        return by_program(context, base);
    }
    let mounts = std::fs::read(MOUNTS).unwrap_or_default();
    let rules = Rules {
        roots: context.config.list_dirs().into_iter().map(Into::into).collect(),
        mounts: Mounts::read(&mounts, context.config.lists_network()),
        excluded: context.config.excluded_paths().map(Into::into).collect(),
        patterns: context.config.excluded_patterns().cloned().collect(),
    };
    let mut pieces = Pieces::begin(context, rules);
    let sink = context.destination.create(base)?;
    let mut bytes = 0;
    let output = pump(&mut pieces, sink, Sink::finish, |piece| {
        bytes += piece.len() as u64;
        context.host.progress(Progress { what: base, done: bytes, total: 0 });
        context.host.check_cancelled()
    });
    let output = output.map_err(|error| unfinished(base, error))?;
    let Some(tally) = pieces.tally else {
        return Err(Error::msg("the listing ended early"));
    };
    if tally.listed == 0 {
        if tally.complaints.is_empty() {
            return Ok(End::Nothing("everything is left out".to_owned()));
        }
        return Err(Error::msg(tally.complaints.join("; ")));
    }
    let made = context.destination.commit(base, output, bytes)?;
    tracing::info!("listed {} files in {} directories", tally.files, tally.listed);
    let warnings = warnings(&tally, context.is_root);
    Ok(End::Saved { files: 1, made, warnings })
}

/// Ordinary users cannot look everywhere; root should.
fn warnings(tally: &Tally, is_root: bool) -> Vec<String> {
    let mut warnings = tally.complaints.clone();
    if tally.unreadable > 0 {
        let number = tally.unreadable;
        let text = format!("{number} directories could not be listed; the listing says which");
        if is_root {
            warnings.push(text);
        } else {
            tracing::info!("{text}");
        }
    }
    warnings
}

/// As Cedar Backup does it; `ls` complains of whatever vanishes meanwhile, so
/// its exit code says nothing.
fn by_program(context: &Context<'_>, base: &str) -> Result<End> {
    let dirs = context.config.list_dirs();
    let mut arguments = vec!["-laR"];
    arguments.extend(dirs.iter().map(String::as_str));
    let limit = context.config.listing_timeout();
    let start = || {
        let process = context.host.process(LS).args(arguments.iter().copied()).timeout(limit);
        Ok(hayloft_dump::Started { process: process.spawn()?, program: LS.to_owned() })
    };
    let moved = transfer(&context.destination, base, start, |_| {})?;
    if moved.finished.timed_out || moved.finished.code.is_none() {
        Context::expect_good_end(LS, &moved.finished)?;
    }
    if moved.dumped == 0 {
        Context::expect_good_end(LS, &moved.finished)?;
        return Err(Error::msg("ls wrote nothing"));
    }
    moved.commit(&context.destination, base).map(End::saved)
}

/// The listing as it is made by a thread of its own. That thread may hang in
/// a file system that does not answer; whoever reads does not.
struct Pieces<'a> {
    host: &'a Host,
    receiver: Receiver<Message>,
    deadline: Instant,
    limit: Duration,
    /// How long nothing may come.
    patience: Duration,
    piece: Vec<u8>,
    read: usize,
    tally: Option<Tally>,
}

enum Message {
    Piece(Vec<u8>),
    Done(Tally),
}

impl<'a> Pieces<'a> {
    fn begin(context: &Context<'a>, rules: Rules) -> Self {
        let (sender, receiver) = sync_channel(PIECES);
        thread::spawn(move || {
            let tally = Walk::new(rules).run(|piece| sender.send(Message::Piece(piece)).is_ok());
            // Nobody may be listening any more.
            let _ = sender.send(Message::Done(tally));
        });
        let limit = context.config.listing_timeout();
        Self {
            host: context.host,
            receiver,
            deadline: Instant::now() + limit,
            limit,
            patience: context.config.timeout(),
            piece: Vec::new(),
            read: 0,
            tally: None,
        }
    }

    /// Waits for the next message, but not for ever.
    fn next(&self) -> Result<Message> {
        let began = Instant::now();
        loop {
            self.host.check_cancelled()?;
            let late = |what: &str, limit: Duration, setting: &str| {
                let message = format!("the listing {what} within {} s", limit.as_secs());
                Error::new(ErrorKind::TIMED_OUT, message).hint(format!(
                    "a file system may not answer: see /proc/mounts, leave it out with <exclude> \
                     in <sysinfo>, or raise <{setting}>"
                ))
            };
            if Instant::now() >= self.deadline {
                return Err(late("did not end", self.limit, "listing_timeout"));
            }
            if began.elapsed() >= self.patience {
                return Err(late("did not go on", self.patience, "timeout"));
            }
            match self.receiver.recv_timeout(PULSE) {
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::msg("the listing broke off"));
                }
            }
        }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.piece.len() {
            if self.tally.is_some() {
                return Ok(0);
            }
            match self.next().map_err(Error::into_io)? {
                Message::Piece(piece) => (self.piece, self.read) = (piece, 0),
                Message::Done(tally) => self.tally = Some(tally),
            }
        }
        let length = buffer.len().min(self.piece.len() - self.read);
        buffer[..length].copy_from_slice(&self.piece[self.read..self.read + length]);
        self.read += length;
        Ok(length)
    }
}
