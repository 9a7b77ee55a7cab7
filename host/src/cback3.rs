//! The command lines of Cedar Backup 3: `cback3`, `cback3-span` and
//! `cback3-amazons3-sync`, with its switches, its messages, its log and its
//! exit codes.
//!
//! The rules are those of Cedar Backup 3, found by running it. What it called
//! a success although data is missing is a failure here.

mod actions;
mod getopt;
mod report;
mod run;
mod session;
mod switches;
mod texts;
mod tool;
mod validate;

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::ExitCode,
};

use self::session::{Opened, Session};
pub use self::{
    getopt::{GetoptError, Given, Switch},
    switches::{Options, Sync, UsageError},
    texts::{help, manual},
};
use crate::clock::Moment;

/// A command of Cedar Backup 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Runs actions.
    Cback3,
    /// Writes staged days over several discs.
    Span,
    /// Copies a directory to an S3 bucket.
    Sync,
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cback3, Self::Span, Self::Sync];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cback3 => "cback3",
            Self::Span => "cback3-span",
            Self::Sync => "cback3-amazons3-sync",
        }
    }

    /// Returns the command of that name.
    pub fn of_name(name: &OsStr) -> Option<Self> {
        Self::ALL.into_iter().find(|it| name == it.name())
    }
}

/// A call of one of the commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The command.
    pub program: Program,
    /// Its own arguments.
    pub arguments: Vec<OsString>,
    /// Directories to look for plugins first.
    pub plugin_dir: Vec<PathBuf>,
    /// The time to act as if it were now.
    pub now: Option<String>,
}

impl Call {
    /// Tells which command is meant: the program was called by a link of that
    /// name, or the name is an argument, with nothing but `--now` and
    /// `--plugin-dir` before it.
    pub fn of_arguments(arguments: &[OsString]) -> Option<Self> {
        let (called, mut rest) = arguments.split_first()?;
        let linked = Path::new(called).file_name().and_then(Program::of_name);
        let mut call = Self {
            program: linked.unwrap_or(Program::Cback3),
            arguments: Vec::new(),
            plugin_dir: Vec::new(),
            now: env::var("HAYLOFT_NOW").ok(),
        };
        while linked.is_none() {
            let (word, behind) = rest.split_first()?;
            rest = behind;
            if let Some(program) = Program::of_name(word) {
                call.program = program;
                break;
            }
            let (name, value) = if let Some((name, value)) = word.to_str()?.split_once('=') {
                (name, OsString::from(value))
            } else {
                let (value, behind) = rest.split_first()?;
                rest = behind;
                (word.to_str()?, value.clone())
            };
            match name {
                "--now" => call.now = Some(value.into_string().ok()?),
                "--plugin-dir" => call.plugin_dir.push(value.into()),
                _ => return None,
            }
        }
        call.arguments = rest.to_vec();
        Some(call)
    }
}

/// Cedar Backup's exit codes.
mod code {
    pub(super) const DONE: u8 = 0;
    pub(super) const STACK: u8 = 1;
    pub(super) const USAGE: u8 = 2;
    pub(super) const LOG: u8 = 3;
    pub(super) const CONFIGURATION: u8 = 4;
    pub(super) const INTERRUPTED: u8 = 5;
    pub(super) const FAILED: u8 = 6;
}

/// Runs a command.
pub fn main(call: &Call) -> ExitCode {
    ExitCode::from(dispatch(call))
}

fn dispatch(call: &Call) -> u8 {
    let program = call.program;
    let options = match Options::parse(program, &call.arguments) {
        Ok(options) => options,
        Err(error) => {
            complain(&format!("{} *** Error: {error}\n", help(program)));
            return code::USAGE;
        }
    };
    if options.help {
        complain(&help(program));
        return code::DONE;
    }
    if options.version {
        return show(&texts::version(program));
    }
    if options.diagnostics {
        let facts = texts::diagnostics(&Moment::now()).map(|it| format!("   {it}\n")).concat();
        return show(&format!("\nDiagnostics:\n\n{facts}\n"));
    }
    match Session::open(call, options) {
        Opened::Session(session) => session.run(),
        Opened::Ended(code) => code,
    }
}

/// Writes to standard error.
fn complain(text: &str) {
    use std::io::Write;
    // Nobody is left to be told if standard error is closed.
    drop(anstream::stderr().lock().write_all(text.as_bytes()));
}

fn show(text: &str) -> u8 {
    match crate::log::print(text.as_bytes()) {
        Ok(()) => code::DONE,
        Err(_) => code::FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_called_by_a_link_or_by_its_name() {
        let found = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            let call = Call::of_arguments(&words)?;
            let rest = call.arguments.iter().map(|it| it.to_string_lossy().into_owned());
            let rest: Vec<_> = rest.collect();
            Some(format!("{}: {}", call.program.name(), rest.join(" ")))
        };
        let cases: [(&[&str], Option<&str>); 11] = [
            (&["/usr/bin/cback3", "all"], Some("cback3: all")),
            (&["cback3-span"], Some("cback3-span: ")),
            (&["hayloft", "cback3", "-b", "all"], Some("cback3: -b all")),
            (&["hayloft", "cback3-amazons3-sync"], Some("cback3-amazons3-sync: ")),
            (&["hayloft", "--now", "2026-11-17", "cback3", "all"], Some("cback3: all")),
            (&["hayloft", "--now=x", "--plugin-dir", "cback3", "cback3"], Some("cback3: ")),
            (&["hayloft", "--now", "cback3"], None),
            (&["hayloft", "-c", "x", "cback3", "all"], None),
            (&["hayloft", "run", "cback3"], None),
            (&["hayloft"], None),
            (&[], None),
        ];
        for (words, expected) in cases {
            assert_eq!(found(words).as_deref(), expected, "{words:?}");
        }
    }
}
