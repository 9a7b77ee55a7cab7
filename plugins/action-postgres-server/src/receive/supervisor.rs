//! Who watches over a receiver: log, figures for others, service manager.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use hayloft_plugin_api::{Host, Result, text::size};
use hayloft_postgres::{
    receive::{End, Figures, News, Phase, Supervisor},
    wal::FileName,
};

use super::{record::Record, service::Service, storer::Storer};

/// How often figures are written that change all the time.
const EVERY: Duration = Duration::from_secs(1);
/// How often the service manager is told how it is.
const STATUS: Duration = Duration::from_secs(5);

/// Watches over a receiver.
pub(super) struct Watch<'a> {
    host: &'a Host,
    storer: &'a Storer<'a>,
    path: PathBuf,
    service: Service,
    said: Mutex<Said>,
}

/// What was said last, and when.
#[derive(Debug, Default)]
struct Said {
    record: Record,
    written: Option<Instant>,
    status: Option<(Instant, String)>,
    alive: Option<Instant>,
    ready: bool,
    stopping: bool,
    figures: Figures,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        host: &'a Host,
        storer: &'a Storer<'a>,
        path: PathBuf,
        service: Service,
    ) -> Self {
        Self { host, storer, path, service, said: Mutex::default() }
    }

    /// It has ended: says so for good.
    pub(super) fn ended(&self, end: &Result<End>) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = end {
            said.figures.problem = Some(error.to_string());
        }
        let figures = Figures { phase: Phase::Ended, ..said.figures.clone() };
        self.write(&mut said, &figures);
    }

    fn write(&self, said: &mut Said, figures: &Figures) {
        let now = SystemTime::now();
        let mut record = Record::of(figures, now);
        self.storer.describe(&mut record);
        said.written = Some(Instant::now());
        said.figures = figures.clone();
        let unchanged = Record { updated: said.record.updated, ..record.clone() } == said.record;
        if unchanged {
            return;
        }
        if let Err(error) = record.write(&self.path) {
            tracing::debug!("cannot write {}: {error}", self.path.display());
        }
        said.record = record;
    }

    fn tell_manager(&self, said: &mut Said, figures: &Figures) {
        if !said.ready && matches!(figures.phase, Phase::Streaming | Phase::Waiting) {
            said.ready = true;
            self.service.ready();
        }
        if !said.stopping && (self.host.cancelled() || figures.phase == Phase::Ended) {
            said.stopping = true;
            self.service.stopping();
        }
        let pulse = self.service.pulse();
        if pulse.is_some_and(|pulse| said.alive.is_none_or(|it| it.elapsed() >= pulse / 2)) {
            said.alive = Some(Instant::now());
            self.service.alive();
        }
        let text = line(figures, &said.record);
        let due = said.status.as_ref().is_none_or(|(at, before)| {
            *before != text && (at.elapsed() >= STATUS || phase_changed(before, &text))
        });
        if due {
            self.service.status(&text);
            said.status = Some((Instant::now(), text));
        }
    }
}

/// The first word says what it does.
fn phase_changed(before: &str, now: &str) -> bool {
    before.split(' ').next() != now.split(' ').next()
}

/// How it is, in a line.
fn line(figures: &Figures, record: &Record) -> String {
    let mut text = figures.phase.as_str().to_owned();
    if figures.flushed.is_valid() {
        text = format!("{text}; safe up to {}, {} behind", figures.flushed, size(figures.lag()));
    }
    if record.waiting > 0 {
        text = format!("{text}; {} to archive", record.waiting);
    }
    if let Some(problem) = figures.problem.as_ref().or(record.archive_problem.as_ref()) {
        text = format!("{text}; {problem}");
    }
    text
}

impl Supervisor for Watch<'_> {
    fn cancelled(&self) -> bool {
        self.host.cancelled()
    }

    fn observe(&self, figures: &Figures) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = said.figures.phase != figures.phase;
        if changed || said.written.is_none_or(|it| it.elapsed() >= EVERY) {
            self.write(&mut said, figures);
        }
        self.tell_manager(&mut said, figures);
    }

    fn say(&self, news: &News) {
        if news.is_warning() {
            tracing::warn!("{news}");
        } else if news.is_chatter() {
            tracing::debug!("{news}");
        } else {
            tracing::info!("{news}");
        }
    }

    fn complete(&self, _: FileName) {
        self.storer.wake();
    }
}

#[cfg(test)]
mod tests {
    use hayloft_postgres::wal::Lsn;

    use super::*;

    #[test]
    fn a_line_says_how_it_is() {
        let mut figures = Figures { phase: Phase::Streaming, ..Figures::default() };
        let mut record = Record::default();
        assert_eq!(line(&figures, &record), "streaming");
        figures.flushed = Lsn::new(0x300_0000);
        figures.server_end = Lsn::new(0x300_07D0);
        assert_eq!(line(&figures, &record), "streaming; safe up to 0/3000000, 2.0 kB behind");
        record.waiting = 2;
        record.archive_problem = Some("no room".to_owned());
        assert!(line(&figures, &record).ends_with("; 2 to archive; no room"));
    }
}
