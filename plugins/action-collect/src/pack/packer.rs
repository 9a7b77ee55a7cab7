//! What was found, laid out as an archive.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
};

use super::{Buffers, PackError, Packed, Report, directories::Directories};
use crate::{
    archive::{END, Entry, Facts, Kind, Segment, header, padding},
    state::{Record, StateError, StateWriter},
    walk::{Changed, Content, Found, Problem, Trouble, paths::join},
};

pub(super) struct Packer<S> {
    buffers: Buffers,
    state: Option<StateWriter<S>>,
    /// The directory that is being packed, and what is remembered of it.
    directory: (Vec<u8>, Vec<Record>),
    /// The member that has a file's content, and whether it has all of it,
    /// for files with several names.
    names: HashMap<(u64, u64), (Vec<u8>, bool)>,
    directories: Directories,
    report: Report,
    scratch: Vec<u8>,
}

impl<S: Write> Packer<S> {
    pub(super) fn new(buffers: Buffers, state: Option<StateWriter<S>>) -> Self {
        Self {
            buffers,
            state,
            directory: (Vec::new(), Vec::new()),
            names: HashMap::new(),
            directories: Directories::default(),
            report: Report::default(),
            scratch: Vec::new(),
        }
    }

    pub(super) fn begin(&mut self, facts: &Facts) -> Result<(), PackError> {
        self.buffers.put(&facts.header())
    }

    pub(super) fn take(&mut self, found: Found) -> Result<(), PackError> {
        match found {
            Found::Directory { path, entry, unchanged } => {
                self.remember()?;
                self.report.counts.unchanged += unchanged.len() as u64;
                // A new name of an unchanged file is a link to where that is.
                for it in unchanged.iter().filter(|it| it.has_other_names) {
                    let name = || (join(&path, &it.name), true);
                    self.names.entry((it.dev, it.ino)).or_insert_with(name);
                }
                self.directory = (path, unchanged);
                if let Some(entry) = entry {
                    self.report.counts.directories += 1;
                    if self.state.is_some() {
                        self.directories.add(&entry);
                    }
                    self.header(&entry)?;
                }
                Ok(())
            }
            Found::Changed(changed) => self.changed(*changed),
            Found::Problem(problem) => {
                self.report.problem(&problem);
                Ok(())
            }
        }
    }

    pub(super) fn finish(mut self) -> Result<Packed<S>, PackError> {
        self.remember()?;
        self.buffers.put(&END)?;
        self.buffers.finish()?;
        let directories = self.directories.finish();
        let state = self.state.map(|it| it.finish(directories));
        let state = state.transpose().map_err(state_error)?;
        Ok(Packed { report: self.report, state })
    }

    fn remember(&mut self) -> Result<(), PackError> {
        let (path, files) = &mut self.directory;
        if let Some(state) = &mut self.state {
            state.directory(path, files).map_err(state_error)?;
        }
        files.clear();
        Ok(())
    }

    fn header(&mut self, entry: &Entry) -> Result<u64, PackError> {
        self.scratch.clear();
        let content = header(entry, &mut self.scratch);
        self.buffers.put(&self.scratch)?;
        Ok(content)
    }

    fn changed(&mut self, changed: Changed) -> Result<(), PackError> {
        let Changed { mut entry, record, content } = changed;
        let has_other_names = record.has_other_names;
        self.report.counts.stored += 1;
        let id = (record.dev, record.ino);
        if has_other_names && let Some((first, whole)) = self.names.get(&id) {
            entry.kind = Kind::HardLink(first.clone());
            (entry.size, entry.segments) = (0, None);
            if *whole {
                self.directory.1.push(record);
            }
            return self.header(&entry).map(drop);
        }
        let stored = self.header(&entry)?;
        self.report.counts.bytes += stored;
        let whole = match content {
            Content::None => true,
            Content::Read(data) => {
                self.buffers.put(&data)?;
                true
            }
            Content::Open(file) => self.file(&file, &entry)?,
        };
        self.buffers.zeros(padding(stored) as u64)?;
        if has_other_names {
            self.names.insert(id, (entry.path, whole));
        }
        // What is not whole in the archive is collected again next time.
        if whole {
            self.directory.1.push(record);
        }
        Ok(())
    }

    /// Copies a file's content; what cannot be read is zeros, so that nothing
    /// behind it is damaged. Tells whether all of it was there.
    fn file(&mut self, file: &File, entry: &Entry) -> Result<bool, PackError> {
        let all = [Segment { offset: 0, length: entry.size }];
        let mut missing = 0;
        let mut failure = None;
        for segment in entry.segments.as_deref().unwrap_or(&all) {
            let copied =
                if failure.is_none() { self.copy(file, *segment, &mut failure)? } else { 0 };
            self.buffers.zeros(segment.length - copied)?;
            missing += segment.length - copied;
        }
        let trouble = match failure {
            Some(error) => Trouble::Unreadable(error),
            None if missing > 0 => Trouble::Shrank { missing },
            None if file.read_at(&mut [0], entry.size).is_ok_and(|it| it > 0) => Trouble::Grew,
            None => return Ok(true),
        };
        self.report.problem(&Problem { path: entry.path.clone(), trouble });
        Ok(false)
    }

    /// Copies up to the segment's end, the file's end or the first error.
    fn copy(
        &mut self,
        file: &File,
        segment: Segment,
        failure: &mut Option<io::Error>,
    ) -> Result<u64, PackError> {
        let mut copied = 0;
        while copied < segment.length {
            let room = self.buffers.room()?;
            let left = usize::try_from(segment.length - copied).unwrap_or(usize::MAX);
            let length = room.len().min(left);
            match file.read_at(&mut room[..length], segment.offset + copied) {
                Ok(0) => break,
                Ok(got) => {
                    self.buffers.advance(got);
                    copied += got as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    *failure = Some(e);
                    break;
                }
            }
        }
        Ok(copied)
    }
}

fn state_error(error: StateError) -> PackError {
    match error {
        StateError::Io(e) => PackError::State(e),
        StateError::Damaged => PackError::State(io::ErrorKind::InvalidData.into()),
    }
}
