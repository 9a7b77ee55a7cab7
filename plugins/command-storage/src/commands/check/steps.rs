//! What is tried, one after the other.

use std::{
    io::Read,
    time::{Duration, Instant},
};

use hayloft_plugin_api::{
    ByteRange, Capabilities, Error, ErrorKind, Guarantee, Progress, Result, StorageHandle, Sweep,
    text::size,
};
use rand::RngExt;

use super::{
    probe::{Probe, sweep},
    report::{Report, State},
    right::Right,
};
use crate::{commands::Call, shown::objects};

/// How often a small object is written and read, for the times of a request.
const TIMES: usize = 5;
/// How old what is unfinished must be to be nobody's.
const A_DAY: u64 = 24 * 3600;

const SMALL: &[u8] = b"This object of `hayloft storage check` may be removed.\n";

/// A check of one storage.
pub(super) struct Check<'a> {
    call: &'a Call<'a>,
    storage: &'a StorageHandle,
    report: &'a mut Report,
}

impl<'a> Check<'a> {
    pub(super) fn new(
        call: &'a Call<'a>,
        storage: &'a StorageHandle,
        report: &'a mut Report,
    ) -> Self {
        Self { call, storage, report }
    }

    /// Tries everything that can be tried.
    ///
    /// # Errors
    ///
    /// Only if the work is to end; whatever else happens is in the report.
    pub(super) fn run(&mut self, size: u64, remove_leftovers: bool) -> Result<()> {
        let listed = self.list();
        match &listed {
            Ok(()) => self.sweep_probes(),
            Err(error) => self.report.failed("list", error, Some(Right::List)),
        }
        if listed.as_ref().is_err_and(|it| it.kind() != ErrorKind::PERMISSION) {
            // Where nobody is, or no such place, all else fails as well.
            return Ok(());
        }
        let mut probe = Probe::new(self.storage);
        if self.write(&mut probe) {
            self.call.host.check_cancelled()?;
            self.read(&mut probe);
            if listed.is_ok() {
                self.is_listed(&mut probe);
            }
            self.call.host.check_cancelled()?;
            self.conditions(&mut probe);
            self.call.host.check_cancelled()?;
            self.throughput(&mut probe, size)?;
        }
        self.remove(&mut probe);
        self.leftovers(remove_leftovers);
        self.rules();
        Ok(())
    }

    fn list(&mut self) -> Result<()> {
        let begun = Instant::now();
        self.storage.list("", "", 1)?;
        self.timed("list", begun.elapsed(), "objects may be listed");
        Ok(())
    }

    fn sweep_probes(&mut self) {
        match sweep(self.storage) {
            Ok(0) => {}
            Ok(count) => {
                let detail = format!("{} of a check that was killed are removed", objects(count));
                self.report.ok("sweep", detail);
            }
            Err(error) => self.report.failed("sweep", &error, Some(Right::Remove)),
        }
    }

    fn timed(&mut self, step: &'static str, took: Duration, detail: &str) {
        let detail = format!("{detail}, {}", milliseconds(took));
        self.report.ok(step, detail).seconds = Some(took.as_secs_f64());
    }

    fn write(&mut self, probe: &mut Probe<'_>) -> bool {
        let mut took = Vec::new();
        for _ in 0..TIMES {
            let begun = Instant::now();
            if let Err(error) = probe.put("small", SMALL, false) {
                self.report.failed("write", &error, Some(Right::Write));
                return false;
            }
            took.push(begun.elapsed());
        }
        self.timed("write", median(took), "a small object is written");
        true
    }

    fn read(&mut self, probe: &mut Probe<'_>) {
        let key = probe.key("small");
        let mut took = Vec::new();
        for _ in 0..TIMES {
            let begun = Instant::now();
            let read = self.content(&key, ByteRange::ALL).and_then(|content| {
                let part = self.content(&key, ByteRange { offset: 5, length: Some(6) })?;
                let same = content == SMALL && part == SMALL[5..11];
                if same { Ok(()) } else { Err(other_content()) }
            });
            // There were two requests.
            took.push(begun.elapsed() / 2);
            if let Err(error) = read {
                return self.report.failed("read", &error, Some(Right::Read));
            }
        }
        self.timed("read", median(took), "it is read, and a part of it");
    }

    fn content(&self, key: &str, range: ByteRange) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        self.storage.get(key, range)?.read_to_end(&mut content)?;
        Ok(content)
    }

    fn is_listed(&mut self, probe: &mut Probe<'_>) {
        let key = probe.key("small");
        let size = SMALL.len() as u64;
        let found = self.storage.stat(&key).and_then(|stat| {
            let listed = self.storage.list(&key, "", 10)?;
            Ok((stat, listed.into_iter().find(|it| it.key == key)))
        });
        match found {
            Ok((Some(stat), Some(listed))) if stat.size == size && listed.size == size => {
                self.report.ok("look", "it is found and listed at once".to_owned());
            }
            Ok((Some(_), None)) => self.report.warning(
                "look",
                "what was written is not listed at once".to_owned(),
                "backups that were just made may not be seen by the next command",
            ),
            Ok(other) => {
                let error = Error::new(
                    ErrorKind::CORRUPT,
                    format!("what is known of it is wrong: {other:?}"),
                );
                self.report.failed("look", &error, None);
            }
            Err(error) => self.report.failed("look", &error, Some(Right::Read)),
        }
    }

    /// Finds out whether conditions hold, and compares with what the storage
    /// says itself.
    fn conditions(&mut self, probe: &mut Probe<'_>) {
        const BECAUSE: &str = "two machines that create the same object may not notice; leases \
                               cannot be had here, so let one machine only work with it";
        let known = match self.storage.capabilities() {
            Ok(known) => known,
            Err(error) => return self.report.failed("conditions", &error, None),
        };
        let created = probe.put("small", b"other", true);
        match created {
            Err(error) if error.kind() == ErrorKind::ALREADY_EXISTS => {
                self.claims("create", known.create, "an object that is there is not created again");
            }
            Err(error) if error.kind() == ErrorKind::UNSUPPORTED => {
                self.report.warning("create", error.to_string(), BECAUSE);
            }
            Err(error) => self.report.failed("create", &error, Some(Right::Write)),
            Ok(_) => {
                let detail = "the store accepts the condition and overwrites all the same";
                self.report.warning("create", detail.to_owned(), BECAUSE);
            }
        }
        self.replacing(probe, &known);
    }

    fn replacing(&mut self, probe: &mut Probe<'_>, known: &Capabilities) {
        const BECAUSE: &str =
            "leases cannot be had here, so let one machine only work with this storage";
        match replaces(probe) {
            Ok(true) => {
                let detail = "an object is replaced only if it is as it was";
                self.claims("replace", known.replace, detail);
            }
            Ok(false) => {
                let detail = "the store accepts the condition and overwrites all the same";
                self.report.warning("replace", detail.to_owned(), BECAUSE);
            }
            Err(error) if error.kind() == ErrorKind::UNSUPPORTED => {
                self.report.warning("replace", error.to_string(), BECAUSE);
            }
            Err(error) => self.report.failed("replace", &error, Some(Right::Write)),
        }
    }

    fn claims(&mut self, step: &'static str, guarantee: Guarantee, detail: &str) {
        if guarantee == Guarantee::Atomic {
            self.report.ok(step, detail.to_owned());
            return;
        }
        let hint = "of two machines at the same time both may succeed: leases cannot be had here";
        self.report.warning(step, format!("{detail}, if it is not at the same time"), hint);
    }

    fn throughput(&mut self, probe: &mut Probe<'_>, bytes: u64) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        let key = probe.key("large");
        let mut piece = vec![0; 1 << 20];
        // What cannot be packed: a store or a line may do that.
        rand::rng().fill(&mut piece[..]);
        let begun = Instant::now();
        match self.send(&key, &piece, bytes) {
            Ok(()) => self.speed("upload", bytes, begun.elapsed()),
            Err(error) if error.kind() == ErrorKind::CANCELLED => return Err(error),
            Err(error) => {
                self.report.failed("upload", &error, Some(Right::Write));
                return Ok(());
            }
        }
        let begun = Instant::now();
        match self.receive(&key, &piece, bytes) {
            Ok(()) => self.speed("download", bytes, begun.elapsed()),
            Err(error) if error.kind() == ErrorKind::CANCELLED => return Err(error),
            Err(error) => self.report.failed("download", &error, Some(Right::Read)),
        }
        Ok(())
    }

    fn send(&self, key: &str, piece: &[u8], bytes: u64) -> Result<()> {
        let options = hayloft_plugin_api::PutOptions { create_only: false, size_hint: Some(bytes) };
        let mut put = self.storage.put(key, options)?;
        let mut sent = 0;
        while sent < bytes {
            self.call.host.check_cancelled()?;
            put.write(piece)?;
            sent += piece.len() as u64;
            self.call.host.progress(Progress { what: "sending", done: sent, total: bytes });
        }
        put.commit().map(drop)
    }

    fn receive(&self, key: &str, piece: &[u8], bytes: u64) -> Result<()> {
        let mut reader = self.storage.get(key, ByteRange::ALL)?;
        let (mut got, mut buffer) = (0, vec![0; piece.len()]);
        while got < bytes {
            self.call.host.check_cancelled()?;
            reader.read_exact(&mut buffer)?;
            if buffer != piece {
                return Err(other_content());
            }
            got += piece.len() as u64;
            self.call.host.progress(Progress { what: "receiving", done: got, total: bytes });
        }
        if reader.read(&mut buffer)? == 0 { Ok(()) } else { Err(other_content()) }
    }

    fn speed(&mut self, step: &'static str, bytes: u64, took: Duration) {
        // Nobody is interested in the digits that are lost.
        let rate = u128::from(bytes) * 1_000_000 / took.as_micros().max(1);
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        let detail = format!("{} in {}, {}/s", size(bytes), milliseconds(took), size(rate));
        let line = self.report.ok(step, detail);
        line.seconds = Some(took.as_secs_f64());
        line.bytes_per_second = Some(rate);
    }

    fn remove(&mut self, probe: &mut Probe<'_>) {
        let key = probe.key("small");
        let begun = Instant::now();
        let removed = probe.remove().and_then(|()| self.storage.stat(&key));
        match removed {
            Ok(None) => {
                self.timed("remove", begun.elapsed(), "all of it is removed");
            }
            Ok(Some(_)) => self.report.warning(
                "remove",
                "what was removed is still found".to_owned(),
                "the store answers what was; backups that were just removed may still be seen",
            ),
            Err(error) => self.report.failed("remove", &error, Some(Right::Remove)),
        }
    }

    fn leftovers(&mut self, remove: bool) {
        let request = Sweep { older_than_s: A_DAY, dry_run: !remove };
        match self.storage.sweep(&request) {
            Ok(left) if left.is_empty() => {}
            Ok(left) => {
                let bytes: u64 = left.iter().filter_map(|it| it.size).sum();
                let what = format!("{} writes were begun and never finished", left.len());
                let room = if bytes > 0 { format!(", {}", size(bytes)) } else { String::new() };
                if remove {
                    self.report.ok("leftovers", format!("{what}{room}; they are removed"));
                } else {
                    let hint = "they take room, and may cost money; --sweep removes them";
                    self.report.warning("leftovers", format!("{what}{room}"), hint);
                }
            }
            Err(error) if error.kind() == ErrorKind::PERMISSION => {
                let hint = Right::ListUploads.missing(&self.report.kind);
                self.report.add("leftovers", State::Skipped, error.to_string()).hint = Some(hint);
            }
            Err(error) => self.report.failed("leftovers", &error, Some(Right::ListUploads)),
        }
    }

    /// What the storage does with what is removed or replaced.
    fn rules(&mut self) {
        let Ok(known) = self.storage.capabilities() else { return };
        if let Some(retention) = known.retention {
            let days = retention.seconds / A_DAY;
            let mode = retention.mode;
            self.report.ok("retention", format!("objects are protected for {days} days ({mode})"));
        }
        if known.versions {
            let detail = "what is removed or replaced is kept as an older version";
            self.report.ok("versions", detail.to_owned());
        }
    }
}

/// Replaces an object as it must be, and as it must not be.
fn replaces(probe: &mut Probe<'_>) -> Result<bool> {
    let first = probe.put("replaced", b"first", false)?;
    let second = probe.replace("replaced", &first.etag, b"second")?;
    match probe.replace("replaced", &first.etag, b"third") {
        Err(error) if error.kind() == ErrorKind::CHANGED => {}
        Err(error) => return Err(error),
        Ok(_) => return Ok(false),
    }
    probe.replace("replaced", &second.etag, b"fourth").map(|_| true)
}

fn other_content() -> Error {
    Error::new(ErrorKind::CORRUPT, "what is read is not what was written")
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took.get(took.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}
