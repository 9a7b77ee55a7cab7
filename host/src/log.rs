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
    file::{FileError, LogFile},
    layer::{Forward, RecordLayer, level_name},
    screen::Screen,
};
use crate::worker::protocol::LogRecord;

/// What the user wants to see and to keep.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// The most verbose level that goes to the screen.
    pub screen: LevelFilter,
    /// The most verbose level that goes to the log file.
    pub file: LevelFilter,
    /// Directives such as `hayloft_action_collect=debug`, which win.
    pub directives: Option<String>,
}

impl LogOptions {
    /// Returns the filter for this process and its workers, in the form of
    /// `RUST_LOG`.
    pub fn filter(&self) -> String {
        let level = self.screen.max(self.file);
        match &self.directives {
            Some(directives) => format!("{level},{directives}"),
            None => level.to_string(),
        }
    }
}

/// The screen and the log file of a command.
#[derive(Debug)]
pub struct Log {
    screen: Screen,
    file: Option<LogFile>,
    screen_level: LevelFilter,
    file_level: LevelFilter,
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
        file: Option<&Path>,
    ) -> Result<Self, FileError> {
        Ok(Self {
            screen,
            file: file.map(LogFile::open).transpose()?,
            screen_level: options.screen,
            file_level: options.file,
        })
    }

    /// Returns the screen.
    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Writes a record to wherever it is wanted.
    pub fn write(&self, record: &LogRecord) {
        let level = hayloft_plugin_api::log::filter_from_wire(record.level);
        if level <= self.screen_level {
            self.screen.message(record);
        }
        if let Some(file) = &self.file
            && level <= self.file_level
            && let Err(error) = file.write(record)
        {
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
    text.chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            let plain = (!c.is_control()).then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect::<String>()
        .into()
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
