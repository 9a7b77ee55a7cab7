//! Splits the large files of days.

use std::{ops::Range, path::Path};

use hayloft_plugin_api::{Error, Host, Result};
use hayloft_staging::{
    content::Recogniser,
    day::{self, Day, SPLIT},
    failures::Failures,
    files::{self, Found, Identity},
    leftovers, parts,
    record::Records,
};
use tracing::info;

use crate::{
    parts::{Parts, remove_file},
    plan::Sizes,
    record::{SplitFile, is_part},
};

/// What splitting came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Days that have the indicator now.
    pub(crate) days: u64,
    /// Files that were split.
    pub(crate) files: u64,
    /// Into how many parts.
    pub(crate) parts: u64,
    /// Their size in bytes.
    pub(crate) bytes: u64,
}

/// Splits the large files of all days that are not split yet.
///
/// # Errors
///
/// All files that could not be split, in one. Their days are not marked.
pub(crate) fn split(host: &Host, root: &Path, sizes: Sizes, dry_run: bool) -> Result<Done> {
    let mut work = Work {
        host,
        sizes,
        recogniser: Recogniser::new(host),
        records: Records::load(host),
        done: Done::default(),
        failures: Failures::default(),
    };
    for day in day::all(root)?.into_iter().filter(|it| !it.has(SPLIT)) {
        host.check_cancelled()?;
        let walk = files::walk(&day.path)?;
        if !dry_run {
            leftovers::sweep(&walk);
        }
        let files = walk.files;
        let large = work.large(&day, &files);
        if dry_run {
            for file in &large {
                info!("would split {} ({} bytes)", file.path.display(), file.identity.size);
            }
            work.done.files += large.len() as u64;
            work.done.days += 1;
        } else {
            work.split_day(&day, &files, &large)?;
        }
    }
    let done = work.done;
    work.failures.into_result(|n| format!("{n} files were not split"))?;
    Ok(done)
}

struct Work<'a> {
    host: &'a Host,
    sizes: Sizes,
    recogniser: Recogniser,
    records: Records<SplitFile>,
    done: Done,
    failures: Failures,
}

impl Work<'_> {
    /// Returns the files that are to be split. A part of a file that is split
    /// as well comes before the file whose part it seems to be, so that its
    /// name is free by then.
    fn large(&self, day: &Day, files: &[Found]) -> Vec<Found> {
        let record = self.records.of(&day.path);
        let is_large = |it: &&Found| self.sizes.is_large(it.identity.size) && !is_part(record, it);
        files.iter().rev().filter(is_large).cloned().collect()
    }

    fn split_day(&mut self, day: &Day, files: &[Found], large: &[Found]) -> Result<()> {
        let before = self.failures.count();
        self.forget_small(day, files)?;
        for file in large {
            if let Err(error) = self.split_file(day, file, files) {
                self.failures.add(error)?;
            }
        }
        if self.failures.count() == before {
            self.host.touch(&day.path.join(SPLIT))?;
            self.done.days += 1;
        }
        Ok(())
    }

    /// A file that was split may have been staged anew and be small now: its
    /// old parts are of no use.
    fn forget_small(&mut self, day: &Day, files: &[Found]) -> Result<()> {
        let mut forgotten = false;
        for file in files.iter().filter(|it| !self.sizes.is_large(it.identity.size)) {
            // It may be a part itself, in the place of a file that was split.
            if is_part(self.records.of(&day.path), file) {
                continue;
            }
            let key = file.key();
            let record = self.records.of(&day.path).and_then(|it| it.get(&key));
            let Some(record) = record else { continue };
            for number in 0..record.owned {
                let path = parts::part_path(&file.path, number);
                let there = path.symlink_metadata();
                if there.is_ok_and(|it| record.is_ours(number, &Identity::of(&it))) {
                    remove_file(&path)?;
                }
            }
            self.remove_encrypted(file, files, &(0..record.owned))?;
            self.records.forget(&day.path, &key);
            forgotten = true;
        }
        if forgotten { self.records.save(self.host) } else { Ok(()) }
    }

    /// Removes parts that were encrypted after they were made.
    fn remove_encrypted(&self, file: &Found, all: &[Found], numbers: &Range<u32>) -> Result<()> {
        for other in all.iter().filter(|it| it.relative.parent() == file.relative.parent()) {
            let part = other.path.file_stem().and_then(parts::parse);
            let Some((base, number)) = part else { continue };
            let ours = numbers.contains(&number)
                && other.path.extension().is_some()
                && file.path.file_name() == Some(base.as_os_str());
            if ours && self.recogniser.kind(self.host, &mut other.open()?)?.is_some() {
                info!("removing {}, a part of an older file", other.path.display());
                other.remove()?;
            }
        }
        Ok(())
    }

    fn split_file(&mut self, day: &Day, file: &Found, all: &[Found]) -> Result<()> {
        let context = |e: Error| e.context(format!("cannot split {}", file.path.display()));
        let size = file.identity.size;
        let count = self.sizes.count(&file.path, size).map_err(|e| {
            context(e.into()).hint("give a larger <split_size>, or a larger <size_limit>")
        })?;
        let key = file.key();
        let before = self.records.of(&day.path).and_then(|it| it.get(&key)).cloned();
        let owned = before.as_ref().map_or(0, |it| it.owned);
        let (host, part) = (self.host, self.sizes.part);
        let parts = Parts { host, found: file, source: file.open()?, size: part, count, before };
        parts.check_room()?;
        let planned = SplitFile {
            size,
            part_size: part,
            parts: count,
            owned: owned.max(count),
            sha256: Vec::new(),
            modified_ns: Vec::new(),
        };
        // From now on files in the places of parts are ours, whenever this ends.
        self.records.of_mut(day).insert(key.clone(), planned.clone());
        self.records.save(self.host)?;
        let parts = Parts { before: Some(planned.clone()), ..parts };
        let written = parts.write()?;
        parts.remove_surplus().map_err(context)?;
        self.remove_encrypted(file, all, &(count..owned.max(count)))?;
        let (sha256, modified_ns) = written.into_iter().unzip();
        let split = SplitFile { owned: count, sha256, modified_ns, ..planned };
        self.records.of_mut(day).insert(key, split);
        self.records.save(self.host)?;
        file.remove()?;
        info!("split {} into {count} parts", file.path.display());
        self.done.files += 1;
        self.done.parts += u64::from(count);
        self.done.bytes += size;
        Ok(())
    }
}
