//! A command from the opening of its log to its last line there.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use tracing::level_filters::LevelFilter;

use super::{Call, Options, Program, code, complain, report, texts};
use crate::{
    cli::GlobalArgs,
    commands::Context,
    config::{self, Document},
    failure::Failure,
    log::{Bare, Log, LogOptions, NewFile, Output, Screen},
    setup::Setup,
};

const CONFIGURATION: &str = "/etc/cback3.conf";
const LOGFILE: &str = "/var/log/cback3.log";

/// A command whose log is open.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) program: Program,
    pub(super) options: Options,
    pub(super) context: Context,
}

/// What came of the attempt to open one.
#[derive(Debug)]
pub(super) enum Opened {
    Session(Box<Session>),
    /// It ended before there was a log.
    Ended(u8),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// With this exit code, which goes into the log.
    With(u8),
    /// With an error that was shown whole, as `--stack` wants it; the log
    /// ends with what was done last.
    Stack,
}

impl Session {
    /// Opens the log and listens for signals.
    pub(super) fn open(call: &Call, options: Options) -> Opened {
        let (path, log_options) = (logfile(&options), log_options(&options));
        let log = match open_log(&options, &log_options, path) {
            Ok(log) => log,
            Err(reason) => {
                complain(&format!("Error setting up logging: {reason}\n"));
                return Opened::Ended(if options.stack { code::STACK } else { code::LOG });
            }
        };
        let global = global(call, &options);
        match Context::with_log(&global, log, log_options) {
            Ok(context) => {
                let program = call.program;
                Opened::Session(Box::new(Self { program, options, context }))
            }
            Err(failure) => {
                complain(&format!(" *** Error: {failure}\n"));
                Opened::Ended(code::USAGE)
            }
        }
    }

    /// Does what was asked for and returns the exit code.
    pub(super) fn run(&self) -> u8 {
        let what = match self.program {
            Program::Cback3 => "Cedar Backup run",
            Program::Span => "Cedar Backup 'span' utility run",
            Program::Sync => "Cedar Backup Amazon S3 sync run",
        };
        tracing::info!("{what} started.");
        tracing::info!("Options were [{}]", self.options.normalised());
        tracing::info!("Logfile is [{}]", logfile(&self.options).display());
        for fact in texts::diagnostics(self.context.now()) {
            tracing::info!("{fact}");
        }
        let ended = match self.program {
            Program::Cback3 => super::run::run(self),
            Program::Span | Program::Sync => super::tool::run(self),
        };
        match ended {
            Ended::With(code::DONE) if self.context.log().screen().is_incomplete() => {
                tracing::info!("{what} completed with status {}.", code::FAILED);
                code::FAILED
            }
            Ended::With(code) => {
                tracing::info!("{what} completed with status {code}.");
                code
            }
            Ended::Stack => code::STACK,
        }
    }

    /// Reads the configuration and finds the plugins.
    ///
    /// # Errors
    ///
    /// Why that cannot be done; nothing was shown yet.
    pub(super) fn setup(&self) -> Result<&Arc<Setup>, String> {
        let path = self.context.configuration();
        tracing::info!("Configuration path is [{}]", path.display());
        let bytes = config::read(&path).map_err(|e| python_error(&e, &path))?;
        let document = Document::from_bytes(&path, &bytes).map_err(|error| {
            // Cedar Backup counts columns from 0.
            let (line, column) = (error.position.line, error.position.column.saturating_sub(1));
            format!("Unable to parse XML document: {}: line {line}, column {column}", error.flaw)
        })?;
        Ok(self.context.adopt(document))
    }

    /// Tells whether the user wants an end.
    pub(super) fn is_interrupted(&self) -> bool {
        self.context.cancelled().load(Ordering::Relaxed)
    }

    /// Shows why nothing, or no more, is done.
    pub(super) fn failed(&self, failure: &Failure) -> Ended {
        self.failed_because(&[failure.chain()], failure.hints())
    }

    /// Shows errors, each with what caused it, and what can be done.
    pub(super) fn failed_because(&self, errors: &[Vec<String>], hints: &[String]) -> Ended {
        for chain in errors {
            if self.options.stack {
                complain(&format!("Error executing backup: {}\n", chain.join("\n  because: ")));
            } else {
                report::lines(&format!("Error executing backup: {}", chain.join(": ")));
            }
        }
        if self.options.stack {
            return Ended::Stack;
        }
        for hint in hints {
            report::lines(&format!("Hint: {hint}"));
        }
        Ended::With(code::FAILED)
    }
}

/// Shows what is wrong with the configuration or the actions.
pub(super) fn misconfigured<S: AsRef<str>>(messages: impl IntoIterator<Item = S>) -> Ended {
    for message in messages {
        let message = message.as_ref();
        report::lines(&format!("Error reading or handling configuration: {message}"));
    }
    Ended::With(code::CONFIGURATION)
}

fn logfile(options: &Options) -> &Path {
    options.logfile.as_deref().unwrap_or(Path::new(LOGFILE))
}

fn log_options(options: &Options) -> LogOptions {
    let level = if options.debug { LevelFilter::DEBUG } else { LevelFilter::INFO };
    let screen = match (options.quiet, options.verbose) {
        (true, _) => LevelFilter::OFF,
        (false, true) => level,
        (false, false) => LevelFilter::ERROR,
    };
    let raw = options.output || options.debug;
    let output = if raw { Output::Raw } else { Output::Dropped };
    LogOptions { screen, file: level, output, directives: None }
}

fn open_log(options: &Options, log_options: &LogOptions, path: &Path) -> Result<Log, String> {
    let mode = match options.mode.map(u32::try_from) {
        // Beyond are bits for programs, and those that say what kind of file it is.
        Some(Ok(mode)) => Some(mode & 0o1777),
        Some(Err(_)) => return Err(format!("the mode of {} is too large", path.display())),
        None => None,
    };
    let owner = options.owner.clone();
    let owner = owner.unwrap_or_else(|| ("root".to_owned(), "adm".to_owned()));
    let new = NewFile { mode, owner: Some(owner) };
    let screen = Screen::bare(Bare { silent: options.quiet });
    Log::open(log_options, screen, Some((path, &new))).map_err(|error| {
        let (path, source) = error.parts();
        python_error(source, path)
    })
}

/// Says what the system said as Cedar Backup does, for scripts that look.
fn python_error(error: &io::Error, path: &Path) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(number) => {
            let text = text.split(" (os error").next().unwrap_or_default();
            format!("[Errno {number}] {text}: '{}'", path.display())
        }
        None => format!("{text}: '{}'", path.display()),
    }
}

fn global(call: &Call, options: &Options) -> GlobalArgs {
    let config = match call.program {
        Program::Cback3 | Program::Span => {
            Some(options.config.clone().unwrap_or_else(|| PathBuf::from(CONFIGURATION)))
        }
        Program::Sync => None,
    };
    GlobalArgs {
        config,
        plugin_dir: call.plugin_dir.clone(),
        quiet: options.quiet,
        verbose: 0,
        log_file: None,
        log: None,
        json: false,
        now: call.now.clone(),
    }
}
