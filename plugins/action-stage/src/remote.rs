//! Stages from other machines, with a program that copies files.
//!
//! The command lines are Cedar Backup's, since people have them in filters on
//! their machines: `scp -f DIR/cback.collect`, `scp -f DIR/*`,
//! `scp -t DIR/cback.stage`.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use hayloft_plugin_api::cedar::{command_for_shell, command_words, shell_word};
use tracing::warn;

use crate::{
    copy::stop_if_cancelled,
    day::{COLLECTED, Day, STAGED, is_regular},
    durable,
    error::StageError,
    incoming::{Arrived, Incoming},
    peer::Peer,
    quoting,
    world::{Failure, World},
};

/// How long to wait, and how often to try.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The time limit of copying an indicator.
    pub indicator: Duration,
    /// The time limit of copying everything.
    pub files: Duration,
    /// The least pause before another try; it grows, and part of it is chance.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            indicator: Duration::from_mins(2),
            files: Duration::from_hours(24),
            pause: Duration::from_secs(2),
        }
    }
}

const TRIES: u32 = 3;

/// How to copy from and to other machines.
#[derive(Debug)]
pub struct Remote<'a> {
    /// Where indicators are copied to and from.
    pub working_dir: &'a Path,
    /// The user to become for copying; `None` stays who we are.
    pub switch_user: Option<&'a str>,
    /// How long to wait.
    pub patience: Patience,
    /// Held while an indicator of that one name lies in the working directory.
    pub indicators: Mutex<()>,
}

/// A peer's own part of the command lines.
#[derive(Debug, Clone, Copy)]
pub struct Address<'a> {
    /// The peer.
    pub peer: &'a Peer,
    /// The user to log in as.
    pub user: &'a str,
    /// The program and its first arguments, as the configuration has them.
    pub copy_command: &'a str,
}

impl Address<'_> {
    /// Returns the address of a file in the collect directory.
    fn of(&self, name: &str) -> String {
        let directory = self.peer.collect_dir.to_string_lossy();
        let directory = quoting::remote(directory.trim_end_matches('/'));
        format!("{}@{}:{directory}/{name}", self.user, self.peer.name)
    }

    /// Returns the same address without backslashes, if they stand in front of
    /// nothing but blanks: a shell over there would take it for two words, but
    /// for nothing worse.
    fn of_unquoted(&self, name: &str) -> Option<String> {
        let directory = self.peer.collect_dir.to_str()?.trim_end_matches('/');
        let harmless = quoting::remote(directory) == directory.replace(' ', "\\ ");
        let text = || format!("{}@{}:{directory}/{name}", self.user, self.peer.name);
        (harmless && directory.contains(' ')).then(text)
    }
}

impl Remote<'_> {
    /// Stages one peer.
    ///
    /// # Errors
    ///
    /// Why it was not staged. An error that comes after everything was put
    /// into place is one all the same: the peer does not know that it was.
    pub fn stage(
        &self,
        day: &Day,
        number: usize,
        address: Address<'_>,
        world: &dyn World,
    ) -> Result<Arrived, StageError> {
        self.check_ready(address, world)?;
        let name = &address.peer.name;
        let incoming = Incoming::create_for(day, number, name, world)?;
        self.fetch(&incoming, address, world)?;
        let arrived = incoming.take_stock(&day.of_peer(name), world)?;
        if incoming.is_in_place() {
            day.changes(&arrived.changed)?;
            incoming.keep()?;
        } else {
            day.place(name, incoming.path(), &arrived.changed, world)?;
        }
        self.push_indicator(address, world)?;
        Ok(arrived)
    }

    fn check_ready(&self, address: Address<'_>, world: &dyn World) -> Result<(), StageError> {
        let _alone = self.indicators.lock().unwrap_or_else(PoisonError::into_inner);
        let copied = self.working_dir.join(COLLECTED);
        durable::remove(&copied)?;
        let from = Argument::plain(address.of(COLLECTED));
        let command = Command {
            words: self.words(address, &[from, Argument::path(&copied)]),
            limit: self.patience.indicator,
            // Anything else than this means that the file is not there.
            retry: had_no_connection,
        };
        let outcome = self.run(&command, world, &|| Ok(()));
        let there = is_regular(&copied);
        durable::remove(&copied)?;
        match outcome {
            Ok(()) if there => Ok(()),
            Ok(()) => Err(StageError::NotReady { why: format!("{COLLECTED} was not copied") }),
            Err(StageError::Command { failure, .. }) => Err(StageError::NotReady { why: failure }),
            Err(error) => Err(error),
        }
    }

    fn fetch(
        &self,
        incoming: &Incoming,
        address: Address<'_>,
        world: &dyn World,
    ) -> Result<(), StageError> {
        let from = Argument { text: address.of(""), form: Form::Asterisk };
        let command = Command {
            words: self.words(address, &[from, Argument::path(incoming.path())]),
            limit: self.patience.files,
            retry: |_, _| true,
        };
        self.run(&command, world, &|| incoming.empty())
    }

    fn push_indicator(&self, address: Address<'_>, world: &dyn World) -> Result<(), StageError> {
        let _alone = self.indicators.lock().unwrap_or_else(PoisonError::into_inner);
        durable::touch(self.working_dir, STAGED, world)?;
        let path = self.working_dir.join(STAGED);
        let outcome = self.push_to(&path, address, address.of(STAGED), world);
        let outcome = match (outcome, address.of_unquoted(STAGED)) {
            // Since OpenSSH 9 no shell is there to remove the backslashes.
            (Err(StageError::Command { what, failure }), Some(other)) => self
                .push_to(&path, address, other, world)
                .map_err(|_| StageError::Command { what, failure }),
            (outcome, _) => outcome,
        };
        durable::remove(&path)?;
        outcome
    }

    fn push_to(
        &self,
        path: &Path,
        address: Address<'_>,
        to: String,
        world: &dyn World,
    ) -> Result<(), StageError> {
        let quoted = |it: Argument| Argument { form: Form::Quoted, ..it };
        let last = [Argument::path(path), Argument::plain(to)].map(quoted);
        let ambiguous = address.of_unquoted(STAGED).is_some();
        let command = Command {
            words: self.words(address, &last),
            limit: self.patience.indicator,
            retry: if ambiguous { had_no_connection } else { |_, _| true },
        };
        self.run(&command, world, &|| Ok(()))
    }

    /// Returns the words to be run: the copy command itself, or `su` with one
    /// line for the user's shell.
    fn words(&self, address: Address<'_>, last: &[Argument]) -> Vec<String> {
        let Some(user) = self.switch_user else {
            let last = last.iter().map(Argument::word);
            return command_words(address.copy_command).into_iter().chain(last).collect();
        };
        let mut line = command_for_shell(address.copy_command);
        for argument in last {
            line.push(' ');
            line.push_str(&argument.quoted());
        }
        vec!["su".to_owned(), user.to_owned(), "-c".to_owned(), line]
    }

    /// Runs a command until it succeeds, or another try is of no use, or the
    /// tries are used up; calls `clean` before each further try.
    fn run(
        &self,
        command: &Command,
        world: &dyn World,
        clean: &dyn Fn() -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        let failed = |failure| Err(StageError::Command { what: command.words.join(" "), failure });
        for attempt in 1.. {
            match world.run(&command.words, command.limit) {
                Ok(()) => return Ok(()),
                Err(Failure::Cancelled) => return Err(StageError::Cancelled),
                Err(Failure::NotStarted(failure)) => return Err(StageError::Program { failure }),
                Err(Failure::TimedOut(text)) => return failed(text),
                // That is how a shell says it.
                Err(Failure::Ended { code: Some(126 | 127), text: failure }) => {
                    return Err(StageError::Program { failure });
                }
                Err(Failure::Ended { code, text }) if !(command.retry)(code, &text) => {
                    return failed(text);
                }
                Err(Failure::Ended { text, .. }) if attempt == TRIES => {
                    return failed(format!("{text} (tried {attempt} times)"));
                }
                Err(Failure::Ended { text, .. }) => warn!("trying again: {text}"),
            }
            self.pause(attempt, world)?;
            clean()?;
        }
        Ok(())
    }

    /// Waits before another try, so that several machines do not all come
    /// back at once.
    fn pause(&self, attempt: u32, world: &dyn World) -> Result<(), StageError> {
        const SLICE: Duration = Duration::from_millis(100);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let chance = f64::from(now.map_or(0, |it| it.subsec_micros()) % 1000) / 1000.0;
        let mut left = self.patience.pause.mul_f64(f64::from(attempt) * (0.5 + chance));
        while !left.is_zero() {
            stop_if_cancelled(world)?;
            let slice = left.min(SLICE);
            std::thread::sleep(slice);
            left -= slice;
        }
        Ok(())
    }
}

/// A command and what to do if it fails.
struct Command {
    words: Vec<String>,
    limit: Duration,
    /// Tells by the exit code and the last output whether to try again.
    retry: fn(Option<i32>, &str) -> bool,
}

/// Tells whether the other machine was not reached. `ssh` ends with 255 then, but
/// `scp -O` with 1, as it does for a file that is not there.
fn had_no_connection(code: Option<i32>, text: &str) -> bool {
    const SIGNS: [&str; 4] = ["ssh: ", "kex_exchange", "onnection", "timed out"];
    code == Some(255) || SIGNS.iter().any(|it| text.contains(it))
}

/// An argument, as Cedar Backup would write it on a command line.
struct Argument {
    text: String,
    form: Form,
}

/// How an argument is written if a shell is in between.
enum Form {
    /// Quoted if it has to be.
    Plain,
    /// Always quoted.
    Quoted,
    /// Followed by an asterisk, for the other machine to resolve.
    Asterisk,
}

impl Argument {
    fn plain(text: String) -> Self {
        Self { text, form: Form::Plain }
    }

    fn path(path: &Path) -> Self {
        Self::plain(path.to_string_lossy().into_owned())
    }

    fn word(&self) -> String {
        match self.form {
            Form::Asterisk => format!("{}*", self.text),
            Form::Plain | Form::Quoted => self.text.clone(),
        }
    }

    fn quoted(&self) -> String {
        match self.form {
            Form::Plain => shell_word(&self.text),
            Form::Quoted => quoting::quoted(&self.text),
            Form::Asterisk => quoting::with_asterisk(&self.text),
        }
    }
}

/// Returns the directory that a peer's files would be copied from, for
/// messages.
pub fn described(user: &str, peer: &Peer) -> String {
    Address { peer, user, copy_command: "" }.of("*")
}
