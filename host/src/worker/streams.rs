//! The program's own standard input and output, for a command that runs in a
//! worker: bytes go where they are to go without a detour, as fast as whoever
//! is at the other end takes or gives them.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use serde::{Deserialize, Serialize};

use super::protocol::Task;

/// Which descriptors a worker was started with, besides the usual three.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Passed {
    input: Option<RawFd>,
    output: Option<RawFd>,
}

/// Descriptors that a process inherits which is started while this lives.
#[derive(Debug, Default)]
pub(super) struct Lent {
    input: Option<OwnedFd>,
    output: Option<OwnedFd>,
}

impl Lent {
    /// Takes what the task needs. Commands run one at a time, so nothing else
    /// is started that would keep them open.
    pub(super) fn to(task: &Task) -> Self {
        if !matches!(task, Task::Command { .. }) {
            return Self::default();
        }
        // The standard library sees to it that all three are open; what is
        // not there is missed by whoever asks for it.
        Self {
            input: rustix::io::dup(io::stdin()).ok(),
            output: rustix::io::dup(io::stdout()).ok(),
        }
    }

    pub(super) fn passed(&self) -> Passed {
        let number = |it: &Option<OwnedFd>| it.as_ref().map(AsRawFd::as_raw_fd);
        Passed { input: number(&self.input), output: number(&self.output) }
    }
}

/// The worker's side.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) input: Option<File>,
    pub(super) output: Option<File>,
}

impl Streams {
    /// Those of this process, which is the program itself.
    pub(super) fn of_the_program() -> Self {
        let input = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3);
        let output = rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3);
        Self { input: input.ok().map(File::from), output: output.ok().map(File::from) }
    }

    /// Takes over what the parent has passed.
    pub(super) fn take(passed: Passed) -> io::Result<Self> {
        let take = |number: Option<RawFd>| number.map(own).transpose();
        Ok(Self { input: take(passed.input)?, output: take(passed.output)? })
    }
}

#[expect(unsafe_code, reason = "a descriptor that was inherited is known by its number only")]
fn own(number: RawFd) -> io::Result<File> {
    // SAFETY: the parent says that it has opened this one for us, this runs
    // once, and nobody else knows the number.
    let file = File::from(unsafe { OwnedFd::from_raw_fd(number) });
    // What we start in turn must not keep it open.
    let flags = fcntl_getfd(&file)?;
    fcntl_setfd(&file, flags | FdFlags::CLOEXEC)?;
    Ok(file)
}
