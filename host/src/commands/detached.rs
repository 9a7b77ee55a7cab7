//! The other side of `services/detach`: this process goes on when whoever
//! started it has ended.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::fd::{AsFd, RawFd},
    process::ExitCode,
};

use rustix::stdio;

use super::{Context, plugin_command};
use crate::{
    cli::GlobalArgs,
    failure::{Failure, Kind},
    services::detach::{Detached, LEFT},
    worker::protocol,
};

/// Leaves the caller, reads what is to be done, and does it.
pub(crate) fn run() -> ExitCode {
    match leave() {
        Ok(detached) => match call(&detached) {
            Ok(code) => ExitCode::from(code),
            Err(failure) => failure.exit_code(),
        },
        Err(error) => {
            eprint(&format!("this command is for the program itself: {error}"));
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stderr, reason = "there is no log yet")]
fn eprint(text: &str) {
    eprintln!("error: {text}");
}

/// Nothing of the caller is kept: not its session, its terminal, its
/// directory, nor a descriptor, by which it would wait for us.
fn leave() -> io::Result<Detached> {
    close_inherited()?;
    rustix::process::setsid()?;
    let detached = protocol::hear(&mut io::stdin().lock())?;
    io::stdout().write_all(LEFT)?;
    io::stdout().flush()?;
    std::env::set_current_dir("/")?;
    let nothing = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    stdio::dup2_stdin(nothing.as_fd())?;
    stdio::dup2_stdout(nothing.as_fd())?;
    stdio::dup2_stderr(nothing.as_fd())?;
    Ok(detached)
}

fn close_inherited() -> io::Result<()> {
    let mut found: Vec<RawFd> = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        found.extend(entry?.file_name().to_str().and_then(|it| it.parse::<RawFd>().ok()));
    }
    for descriptor in found.into_iter().filter(|it| *it > 2) {
        // One that has gone meanwhile, that of the list itself, is no harm.
        #[expect(unsafe_code, reason = "descriptors that nobody in this process owns")]
        // SAFETY: this is the first thing that this process does, in its only
        // thread: no descriptor above 2 has been opened here but the list's,
        // which is closed. What is left came from the caller.
        unsafe {
            libc::close(descriptor);
        }
    }
    Ok(())
}

fn call(detached: &Detached) -> Result<u8, Failure> {
    let global = GlobalArgs {
        config: detached.configuration.clone(),
        plugin_dir: detached.plugin_dirs.clone(),
        quiet: false,
        verbose: 0,
        log_file: Some(detached.log_file.clone()),
        log: Some(detached.log_filter.clone()),
        json: false,
        now: None,
    };
    let context = Context::new(&global)?;
    let done = plugin_command::call(&context, &detached.command, &detached.arguments);
    if let Err(failure) = &done
        && failure.kind() != Kind::Interrupted
    {
        tracing::error!("{}", failure.chain().join(": "));
    }
    done
}
