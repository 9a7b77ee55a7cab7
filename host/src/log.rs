//! Where messages go: the screen and the log file.
//!
//! Spans and events of this process and, through the worker protocol, of the
//! workers end in one [`Log`].

mod file;
mod layer;
mod screen;

use std::{io, path::Path, sync::Arc};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt, util::SubscriberInitExt};

pub use self::{
    file::{FileError, LogFile, NewFile},
    layer::{Forward, RecordLayer, level_name},
    screen::{Bare, Screen},
};
use crate::worker::protocol::{LogRecord, Message, OUTPUT};

/// What the user wants to see and to keep.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// The most verbose level that goes to the screen.
    pub screen: LevelFilter,
    /// The most verbose level that goes to the log file.
    pub file: LevelFilter,
    /// What becomes of the output of programs that we run.
    pub output: Output,
    /// Directives such as `hayloft_action_collect=debug`, which win.
    pub directives: Option<String>,
}

/// What becomes of the output of programs that we run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    /// They are messages of level info.
    #[default]
    Messages,
    /// Their lines go into the log file as they are, as Cedar Backup's
    /// `--output` wants it.
    Raw,
    /// It is dropped.
    Dropped,
}

impl LogOptions {
    /// Returns the filter for this process and its workers, in the form of
    /// `RUST_LOG`.
    pub fn filter(&self) -> String {
        let mut filter = vec![self.screen.max(self.file).to_string()];
        match self.output {
            Output::Messages => {}
            Output::Raw => filter.push(format!("{OUTPUT}=debug")),
            Output::Dropped => filter.push(format!("{OUTPUT}=off")),
        }
        filter.extend(self.directives.clone());
        filter.join(",")
    }
}

/// The screen and the log file of a command.
#[derive(Debug)]
pub struct Log {
    screen: Screen,
    file: Option<LogFile>,
    screen_level: LevelFilter,
    file_level: LevelFilter,
    output: Output,
}

impl Log {
    /// Opens the log. Nothing is written yet.
    ///
    /// # Errors
    ///
    /// If the log file cannot be opened.
    pub fn open(
        options: &LogOptions,
        screen: Screen,
        file: Option<(&Path, &NewFile)>,
    ) -> Result<Self, FileError> {
        Ok(Self {
            screen,
            file: file.map(|(path, new)| LogFile::open(path, new)).transpose()?,
            screen_level: options.screen,
            file_level: options.file,
            output: options.output,
        })
    }

    /// Returns the screen.
    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Shows what a plugin at work has to say. What is for the program, such as
    /// a result, is not shown.
    pub fn show(&self, message: &Message) {
        match message {
            Message::Log(record) => self.write(record),
            Message::Progress(report) => self.screen.progress(report),
            Message::Print(bytes) => self.screen.print(bytes),
            Message::Ask(_) | Message::Entering(_) | Message::Done(_) => {}
        }
    }

    /// Writes a record to wherever it is wanted.
    pub fn write(&self, record: &LogRecord) {
        let level = hayloft_plugin_api::log::filter_from_wire(record.level);
        let raw = self.output != Output::Messages && record.is_output();
        if level <= self.screen_level && !raw {
            self.screen.message(record);
        }
        let Some(file) = &self.file else { return };
        let written = match self.output {
            Output::Raw if raw => file.write_output(record),
            _ if raw || level > self.file_level => Ok(()),
            _ => file.write(record),
        };
        if let Err(error) = written {
            self.screen.trouble(&format!("cannot write the log: {error}"));
        }
    }
}

/// Makes `log` the place where this process's events go.
pub fn install(log: &Arc<Log>, options: &LogOptions) {
    let log = Arc::clone(log);
    install_layer(RecordLayer::new(move |record| log.write(&record)), &options.filter());
}

/// Sends this process's events as records to `forward`.
pub fn install_forwarding(forward: Forward, filter: &str) {
    install_layer(RecordLayer::new(forward), filter);
}

fn install_layer<F>(layer: RecordLayer<F>, filter: &str)
where
    F: Fn(LogRecord) + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse_lossy(filter);
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
    // There is one already in a program that uses this library: it stays.
    drop(subscriber.try_init());
}

/// Makes text safe for a line: file names may hold line ends and escape
/// sequences, which would forge other lines or drive the terminal.
pub fn one_line(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains(|c: char| c.is_control()) {
        return text.into();
    }
    hayloft_plugin_api::text::one_line(text).into()
}

/// Writes to standard output; a reader that went away is no error.
///
/// # Errors
///
/// If the output cannot be written for another reason.
pub fn print(bytes: &[u8]) -> io::Result<()> {
    use io::Write;
    let mut out = anstream::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_a_line() {
        let cases = [
            ("plain ü", "plain ü"),
            ("new\nline", "new\\nline"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
        ];
        for (text, safe) in cases {
            assert_eq!(one_line(text), safe);
        }
    }
}
