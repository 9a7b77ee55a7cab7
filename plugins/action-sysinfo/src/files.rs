//! Parts that are files of the machine: copied as they are, or packed.

use std::{
    fs::{self, Metadata},
    io::{self, Write},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use hayloft_dump::{Sink, unfinished};
use hayloft_plugin_api::{Error, Result};
use tar::{Builder, EntryType, Header};

use crate::{
    context::Context,
    listing::{Owners, escaped},
    report::End,
};

/// A larger file is not one that a person wrote, and is left out.
const LARGEST: u64 = 16 << 20;

/// Saves a copy of a file.
///
/// # Errors
///
/// If it is there but cannot be read, or the copy not written.
pub(crate) fn copy(context: &Context<'_>, path: &str, base: &str) -> Result<End> {
    let bytes = match fs::read(path) {
        Ok(bytes) if bytes.is_empty() => return Ok(End::Nothing(format!("{path} is empty"))),
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(End::Nothing(format!("there is no {path}")));
        }
        Err(error) => return Err(Error::from(error).context(format!("cannot read {path}"))),
    };
    let mut sink = context.destination.create(base)?;
    let written = sink.write_all(&bytes).and_then(|()| sink.finish());
    let output = written.map_err(|error| unfinished(base, error.into()))?;
    context.destination.commit(base, output, bytes.len() as u64).map(End::saved)
}

/// Saves files and directories with all that is in them as a tar file.
///
/// # Errors
///
/// If it cannot be written. What cannot be read is left out, with a warning.
pub(crate) fn pack(context: &Context<'_>, paths: &[&str], base: &str) -> Result<End> {
    let mut packer = Packer {
        builder: Builder::new(context.destination.create(base)?),
        owners: Owners::default(),
        entries: 0,
        bytes: 0,
        warnings: Vec::new(),
        is_root: context.is_root,
    };
    let failed = |error: io::Error| unfinished(base, error.into());
    for path in paths {
        context.host.check_cancelled()?;
        packer.add(Path::new(path), true).map_err(failed)?;
    }
    let Packer { builder, entries, bytes, mut warnings, .. } = packer;
    if entries == 0 {
        let none = End::Nothing(format!("there is nothing in {}", paths.join(", ")));
        return Ok(warnings.pop().map_or(none, End::Withheld));
    }
    let output = builder.into_inner().and_then(Sink::finish).map_err(failed)?;
    let made = context.destination.commit(base, output, bytes)?;
    Ok(End::Saved { files: 1, made, warnings })
}

struct Packer {
    builder: Builder<Sink>,
    owners: Owners,
    entries: u32,
    bytes: u64,
    warnings: Vec<String>,
    is_root: bool,
}

impl Packer {
    /// Adds what is at a path. Only errors of the archive are returned.
    fn add(&mut self, path: &Path, first: bool) -> io::Result<()> {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                self.leave_out(path, &error);
                return Ok(());
            }
        };
        // A directory by way of a link, such as /var/spool/cron, is meant.
        let target = first.then(|| fs::metadata(path).ok()).flatten();
        let metadata = target.filter(Metadata::is_dir).unwrap_or(metadata);
        let kind = metadata.file_type();
        if kind.is_dir() {
            self.add_directory(path, &metadata)
        } else if kind.is_symlink() {
            match fs::read_link(path) {
                Ok(target) => self.add_link(path, &metadata, &target),
                Err(error) => {
                    self.leave_out(path, &error);
                    Ok(())
                }
            }
        } else if kind.is_file() {
            self.add_file(path, &metadata)
        } else {
            Ok(())
        }
    }

    fn add_directory(&mut self, path: &Path, metadata: &Metadata) -> io::Result<()> {
        let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut below: Vec<PathBuf> = match entries {
            Ok(entries) => entries.iter().map(fs::DirEntry::path).collect(),
            Err(error) => {
                self.leave_out(path, &error);
                return Ok(());
            }
        };
        below.sort();
        let mut header = self.header(metadata, EntryType::Directory);
        self.entries += 1;
        self.builder.append_data(&mut header, member(path), io::empty())?;
        below.iter().try_for_each(|it| self.add(it, false))
    }

    fn add_link(&mut self, path: &Path, metadata: &Metadata, target: &Path) -> io::Result<()> {
        let mut header = self.header(metadata, EntryType::Symlink);
        self.entries += 1;
        self.builder.append_link(&mut header, member(path), target)
    }

    fn add_file(&mut self, path: &Path, metadata: &Metadata) -> io::Result<()> {
        if metadata.len() > LARGEST {
            self.leave_out(path, &io::ErrorKind::FileTooLarge.into());
            return Ok(());
        }
        // Read first: it may be shorter or longer by now.
        let content = match fs::read(path) {
            Ok(content) => content,
            Err(error) => {
                self.leave_out(path, &error);
                return Ok(());
            }
        };
        let mut header = self.header(metadata, EntryType::Regular);
        header.set_size(content.len() as u64);
        self.entries += 1;
        self.bytes += content.len() as u64;
        self.builder.append_data(&mut header, member(path), content.as_slice())
    }

    fn leave_out(&mut self, path: &Path, error: &io::Error) {
        let text = format!("{} is left out: {error}", escaped(path.as_os_str().as_bytes()));
        if error.kind() == io::ErrorKind::PermissionDenied && !self.is_root {
            // An ordinary user is not shown everything, every day.
            tracing::info!("{text}");
        } else {
            self.warnings.push(text);
        }
    }

    fn header(&mut self, metadata: &Metadata, kind: EntryType) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(metadata.mode() & 0o7777);
        header.set_uid(metadata.uid().into());
        header.set_gid(metadata.gid().into());
        header.set_mtime(metadata.mtime().try_into().unwrap_or(0));
        // A name that is too long is left out; the number is there.
        let _ = header.set_username(&self.owners.user(metadata.uid()));
        let _ = header.set_groupname(&self.owners.group(metadata.gid()));
        header
    }
}

fn member(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}
