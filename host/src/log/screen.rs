//! What a person sees while a command runs.

use std::{
    fmt,
    io::{IsTerminal, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::one_line;
use crate::worker::protocol::{LogRecord, ProgressReport};

/// Standard error, with a line of progress at its end if it is a terminal; or
/// standard output with nothing but messages.
pub struct Screen {
    bars: Option<MultiProgress>,
    current: Mutex<Option<ProgressBar>>,
    bare: Option<Bare>,
    /// Whether something that was to go to standard output did not.
    unwritten: AtomicBool,
}

/// How Cedar Backup shows messages: without a word in front, on standard
/// output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bare {
    /// Whether nothing at all is shown.
    pub silent: bool,
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").finish_non_exhaustive()
    }
}

impl Screen {
    /// Looks whether there is a terminal. `quiet` asks for no progress.
    pub fn new(quiet: bool) -> Self {
        let terminal = !quiet && std::io::stderr().is_terminal();
        let bars = terminal.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Self { bars, current: Mutex::new(None), bare: None, unwritten: AtomicBool::new(false) }
    }

    /// Shows messages as Cedar Backup does.
    pub fn bare(bare: Bare) -> Self {
        Self { bare: Some(bare), ..Self::new(true) }
    }

    /// Shows a record.
    pub fn message(&self, record: &LogRecord) {
        let prefix = match record.level {
            _ if self.bare.is_some() => "",
            1 => "error: ",
            2 => "warning: ",
            4 | 5 => "debug: ",
            _ => "",
        };
        self.line(&format!("{prefix}{}", one_line(&record.text_with_program())));
    }

    /// Shows a line with a word in front, such as `hint`.
    pub fn say(&self, word: &str, text: &str) {
        let mut lines = text.lines();
        self.line(&format!("{word}: {}", one_line(lines.next().unwrap_or_default())));
        for line in lines {
            self.line(&format!("  {}", one_line(line)));
        }
    }

    /// Shows text as it is, which is nobody else's.
    pub fn raw(&self, text: &str) {
        if !text.is_empty() {
            self.line(text.trim_end_matches('\n'));
        }
    }

    /// Shows that something is wrong with showing or logging itself.
    pub fn trouble(&self, text: &str) {
        match self.bare {
            None => self.line(&format!("warning: {text}")),
            Some(_) => self.line(text),
        }
    }

    /// Writes to standard output. What cannot be written is told once, on
    /// standard error, and remembered: work goes on, and the program fails at
    /// its end. A reader that went away is no error.
    pub fn print(&self, bytes: &[u8]) {
        let Err(error) = self.aside(|| super::print(bytes)) else { return };
        if !self.unwritten.swap(true, Ordering::Relaxed) {
            self.complain(&format!("error: cannot write the output: {error}"));
        }
    }

    /// Tells whether something did not get to standard output.
    pub fn is_incomplete(&self) -> bool {
        self.unwritten.load(Ordering::Relaxed)
    }

    fn line(&self, text: &str) {
        match self.bare {
            None => self.complain(text),
            Some(Bare { silent: true }) => {}
            Some(Bare { silent: false }) => self.print(format!("{text}\n").as_bytes()),
        }
    }

    fn complain(&self, text: &str) {
        // Nobody is left to be told if the line cannot be written.
        self.aside(|| drop(writeln!(anstream::stderr().lock(), "{text}")));
    }

    /// Writes something while the progress is out of the way.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    /// Begins to show the progress of `action`; ends when the guard is
    /// dropped.
    pub fn begin(&self, action: &str) -> ProgressGuard<'_> {
        if let Some(bars) = &self.bars {
            let bar = bars.add(ProgressBar::new_spinner().with_prefix(action.to_owned()));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar.set_style(style(false));
            *self.current() = Some(bar);
        }
        ProgressGuard { screen: self }
    }

    /// Shows how far it is.
    pub fn progress(&self, report: &ProgressReport) {
        let current = self.current();
        let Some(bar) = current.as_ref() else { return };
        if report.total > 0 && bar.length() != Some(report.total) {
            bar.set_length(report.total);
            bar.set_style(style(true));
        }
        bar.set_position(report.done);
        bar.set_message(one_line(&report.what).into_owned());
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<ProgressBar>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn style(with_total: bool) -> ProgressStyle {
    let template = if with_total {
        "{prefix:12} {bar:24} {bytes:>10}/{total_bytes} {bytes_per_sec:>12} {eta:>4} {wide_msg}"
    } else {
        "{prefix:12} {spinner} {bytes:>10} {bytes_per_sec:>12} {wide_msg}"
    };
    // The templates are ours; a wrong one shows as the default style.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Shows progress as long as it lives.
#[derive(Debug)]
pub struct ProgressGuard<'a> {
    screen: &'a Screen,
}

impl Drop for ProgressGuard<'_> {
    fn drop(&mut self) {
        if let Some(bar) = self.screen.current().take() {
            bar.finish_and_clear();
        }
    }
}
