//! One archive, from the walk to the file in the collect directory.

use std::{io::Write, path::Path, time::Duration};

use hayloft_plugin_api::{
    EncodeWriter, Host, Output, OutputOptions, Progress, Request, Result, StreamOptions,
};
use sha2::{Digest, Sha256};

use super::{
    item_error,
    items::Unit,
    memory::{Known, Memory, Waiting},
    summary::Made,
};
use crate::{
    archive::{CEDAR, Coverage, Facts, Reader},
    hex::hexadecimal,
    pack::{PackError, Packed, Source, is_unchanged, pack},
    shown::shown,
    sources::plain,
    state::{StateHeader, StateWriter},
    walk::Base,
};

/// Makes archives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Archiver<'a> {
    pub(super) host: &'a Host,
    pub(super) request: &'a Request,
    pub(super) working_dir: &'a Path,
    pub(super) collect_dir: &'a Path,
    /// Whether what was in the collect directory has been staged.
    pub(super) staged: bool,
}

impl Archiver<'_> {
    /// Makes an archive, under its final name only when all of it is there.
    pub(super) fn make(&self, unit: &Unit<'_>) -> Result<Made> {
        let target = self.collect_dir.join(&unit.archive);
        let mut warnings = Vec::new();
        let memory = Memory::new(self.working_dir, &unit.base_name);
        let known = if unit.is_incremental() {
            let today = self.request.now.day_path();
            let waiting = memory.settle(&target, self.staged, &today, &mut warnings)?;
            if let Some(waiting) = waiting
                && let Some(files) = self.still_good(unit, &target, waiting)?
            {
                tracing::info!("{} is unchanged, {} stays", shown(&unit.path), target.display());
                return Ok(Made::Kept { files });
            }
            if self.request.full || self.request.start_of_week {
                Known::nothing()
            } else {
                memory.load(unit.item.effective.dereference, &mut warnings)?
            }
        } else {
            Known::nothing()
        };
        let facts = self.facts(unit, &known);
        let state = if unit.is_incremental() {
            let output = self.host.create(memory.pending(), &OutputOptions::default())?;
            let header = self.state_header(unit, &facts);
            Some(StateWriter::new(output, &header).map_err(|e| {
                hayloft_plugin_api::Error::from(e).context("cannot write the state")
            })?)
        } else {
            None
        };
        let mut sink = Sink::open(self.host, unit, &target)?;
        let packed = self.pack(unit, &facts, known.base, (&mut sink, state))?;
        let Some(Packed { report, state }) = packed else {
            tracing::info!("{} is left out", shown(&unit.path));
            return Ok(Made::Nothing);
        };
        let output = sink.finish()?;
        // The state on disk never speaks of an archive that is not there: the
        // old one goes, the archive comes, the new one comes.
        memory.forget_pending()?;
        let bytes = output.commit()?.size;
        state.map(Output::commit).transpose()?;
        tracing::info!("collected {} into {}", shown(&unit.path), target.display());
        Ok(Made::Archive { report, bytes, warnings })
    }

    /// Tells whether the archive that is there already has everything as it
    /// is now, and how many files that are.
    fn still_good(&self, unit: &Unit<'_>, target: &Path, waiting: Waiting) -> Result<Option<u64>> {
        let header = waiting.header().clone();
        let full = header.id == header.full;
        let made_of_this =
            header.archive == unit.archive && self.id_of(unit, target) == Some(header.id);
        if self.request.full || self.request.start_of_week && !full || !made_of_this {
            return Ok(None);
        }
        let totals = waiting.totals();
        let base = Base::of_state(waiting, unit.item.effective.dereference)?;
        let same = unit.with_rules(|rules| is_unchanged(unit.start(), rules, base, totals));
        let same = same.map_err(|e| item_error(&unit.path, e.into()))?;
        Ok(same.then_some(totals.files))
    }

    /// Reads which archive it is, from its beginning.
    fn id_of(&self, unit: &Unit<'_>, target: &Path) -> Option<String> {
        let file = std::fs::File::open(target).ok()?;
        let plain = plain(self.host, &unit.archive, Box::new(file)).ok()?;
        let mut reader = Reader::new(plain);
        reader.next_entry().ok()?;
        reader.facts().map(|it| it.id.clone())
    }

    fn pack(
        &self,
        unit: &Unit<'_>,
        facts: &Facts,
        base: Base,
        (sink, state): (&mut Sink, Option<StateWriter<Output>>),
    ) -> Result<Option<Packed<Output>>> {
        let what = shown(&unit.path);
        let mut going_on = |done| {
            self.host.progress(Progress { what: &what, done, total: 0 });
            !self.host.cancelled()
        };
        let packed = unit.with_rules(|rules| {
            let source = Source { start: unit.start(), rules, facts, base };
            pack(source, sink, state, &mut going_on)
        });
        packed.map_err(|e: PackError| item_error(&unit.path, e))
    }

    fn facts(&self, unit: &Unit<'_>, known: &Known) -> Facts {
        let identity = format!("{}\n{}", self.request.run_id, unit.archive);
        let digest = Sha256::digest(identity.as_bytes());
        let id = hexadecimal(&digest[..12]);
        let (previous, full) = match (&known.archive, &known.base) {
            (Some((previous, full)), _) => (Some(previous.clone()), full.clone()),
            (None, Base::Cedar(_)) => (Some(CEDAR.to_owned()), CEDAR.to_owned()),
            (None, _) => (None, id.clone()),
        };
        Facts {
            mode: if previous.is_some() { Coverage::Incr } else { Coverage::Full },
            id,
            full,
            previous,
            root: Facts::escape(&unit.path),
            date: date(self.request),
        }
    }

    fn state_header(&self, unit: &Unit<'_>, facts: &Facts) -> StateHeader {
        StateHeader {
            id: facts.id.clone(),
            full: facts.full.clone(),
            archive: unit.archive.clone(),
            day: self.request.now.day_path(),
            made: self.request.now.unix_seconds,
            root: facts.root.clone(),
        }
    }
}

fn date(request: &Request) -> String {
    let since = Duration::from_secs(request.now.unix_seconds.try_into().unwrap_or(0));
    let at = std::time::UNIX_EPOCH + since;
    jiff::Timestamp::try_from(at).map(|it| it.to_string()).unwrap_or_default()
}

/// Where an archive goes: through the compressor into the file.
enum Sink {
    Plain(Output),
    Encoded(Box<EncodeWriter<Output>>),
}

impl Sink {
    fn open(host: &Host, unit: &Unit<'_>, target: &Path) -> Result<Self> {
        let output = host.create(target, &OutputOptions::default())?;
        if unit.compressor == "none" {
            return Ok(Self::Plain(output));
        }
        let level = unit.item.effective.compression_level.and_then(|it| it.try_into().ok());
        let options = StreamOptions { level, ..StreamOptions::default() };
        let codec = host.compressor(&unit.compressor)?.encoder(options)?;
        Ok(Self::Encoded(Box::new(EncodeWriter::new(codec, output))))
    }

    fn finish(self) -> Result<Output> {
        match self {
            Self::Plain(output) => Ok(output),
            Self::Encoded(writer) => Ok(writer.finish()?),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(output) => output.write(data),
            Self::Encoded(writer) => writer.write(data),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        // Flushing a compressor costs ratio, and nobody reads before the end.
        Ok(())
    }
}
