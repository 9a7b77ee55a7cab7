//! A regular file that stands for a disc: an ISO 9660 image that grows by a
//! session at a time.
//!
//! The file is never changed. A new one is made beside it, with what it has
//! and what is added, and takes its name when it is whole, on disk and, if
//! that is wanted, checked.
//!
//! A session is appended as growisofs does it on rewritable DVDs: the image
//! of the session, which mkisofs made for that place, goes to the end, and its
//! volume descriptors go to the beginning, where everybody looks for them.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, ErrorKind, Result};

use crate::{
    media::{DVD_BLOCK, SECTOR, Session},
    scratch::Scratch,
};

/// The sector of the first volume descriptor.
const FIRST: u64 = 16;
/// The size of a sector.
const BYTES: usize = 2048;
const _: () = assert!(BYTES as u64 == SECTOR, "both are the size of a sector");
/// More descriptors than any image has.
const MOST: u64 = 64;
const PRIMARY: u8 = 1;
const SUPPLEMENTARY: u8 = 2;
const END: u8 = 255;
/// Where a descriptor has the label of the disc.
const LABEL: std::ops::Range<usize> = 40..72;
/// Where it has the size of the disc in sectors, in both byte orders.
const SIZE: std::ops::Range<usize> = 80..88;

/// What is in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The label.
    pub label: String,
    /// Where the next session goes, in sectors.
    pub next: u64,
    descriptors: u64,
}

impl Image {
    /// Returns what mkisofs has to know to make another session.
    pub fn session(&self) -> Session {
        Session { last: 0, next: self.next }
    }
}

type Sector = [u8; BYTES];

/// Looks at an image; `None` if the file is empty or not there.
///
/// # Errors
///
/// [`ErrorKind::CORRUPT`] if it is something else: it is not overwritten.
pub fn inspect(path: &Path) -> Result<Option<Image>> {
    let read = || -> io::Result<Option<(Vec<Sector>, u64)>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let length = file.metadata()?.len();
        if length == 0 {
            return Ok(None);
        }
        Ok(Some((descriptors(&file)?, length)))
    };
    let read = read().map_err(|e| cannot("read", path, e))?;
    let Some((descriptors, length)) = read else { return Ok(None) };
    let Some(primary) = descriptors.iter().find(|it| it[0] == PRIMARY) else {
        let message = format!("{} is neither empty nor an ISO 9660 image", path.display());
        return Err(Error::new(ErrorKind::CORRUPT, message)
            .hint("nothing is written over it; name an empty file as the target device"));
    };
    let label = String::from_utf8_lossy(&primary[LABEL]).trim_end().to_owned();
    let end = length.div_ceil(SECTOR).max(u64::from(size_in(primary)));
    let next = end.next_multiple_of(DVD_BLOCK);
    Ok(Some(Image { label, next, descriptors: descriptors.len() as u64 }))
}

/// Reads the volume descriptors with the one that ends them; none if there is
/// no such end.
fn descriptors(file: &File) -> io::Result<Vec<Sector>> {
    let mut all = Vec::new();
    for at in FIRST..FIRST + MOST {
        let mut sector = [0; BYTES];
        match file.read_exact_at(&mut sector, at * SECTOR) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            other => other?,
        }
        if &sector[1..6] != b"CD001" {
            break;
        }
        all.push(sector);
        if sector[0] == END {
            return Ok(all);
        }
    }
    Ok(Vec::new())
}

fn size_in(descriptor: &Sector) -> u32 {
    let mut little = [0; 4];
    little.copy_from_slice(&descriptor[SIZE][..4]);
    u32::from_le_bytes(little)
}

fn set_size(descriptor: &mut Sector, sectors: u32) {
    let both = &mut descriptor[SIZE];
    both[..4].copy_from_slice(&sectors.to_le_bytes());
    both[4..].copy_from_slice(&sectors.to_be_bytes());
}

fn cannot(what: &str, path: &Path, error: io::Error) -> Error {
    Error::from(error).context(format!("cannot {what} {}", path.display()))
}

/// A file that is to take the place of the target.
#[derive(Debug)]
pub struct Successor {
    scratch: Scratch,
    target: PathBuf,
}

impl Successor {
    /// Begins an empty one.
    ///
    /// # Errors
    ///
    /// If there is no room for it beside the target.
    pub fn new(target: &Path) -> Result<Self> {
        // Else the link would be replaced, and not the file.
        let target = target.canonicalize().unwrap_or_else(|_| target.to_owned());
        let directory = target.parent().unwrap_or(Path::new("/"));
        Ok(Self { scratch: Scratch::image(directory)?, target })
    }

    /// Returns where it is now.
    pub fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// Makes it the target's content with an image behind it that was made for
    /// that place. `check_cancelled` is asked now and then.
    ///
    /// # Errors
    ///
    /// If the image is none, or something cannot be read or written.
    pub fn append(
        &self,
        image: &Path,
        onto: &Image,
        check_cancelled: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        fs::copy(&self.target, self.path()).map_err(|e| cannot("copy", &self.target, e))?;
        fs::set_permissions(self.path(), Permissions::from_mode(0o600))
            .map_err(|e| cannot("change", self.path(), e))?;
        check_cancelled()?;
        let mut source = File::open(image).map_err(|e| cannot("read", image, e))?;
        let mut descriptors = descriptors(&source).map_err(|e| cannot("read", image, e))?;
        // More than there were would run over what comes behind them.
        if descriptors.is_empty() || descriptors.len() as u64 > onto.descriptors {
            let message = format!("the image {} cannot be appended", image.display());
            return Err(Error::new(ErrorKind::CORRUPT, message));
        }
        for descriptor in &mut descriptors {
            if matches!(descriptor[0], PRIMARY | SUPPLEMENTARY) {
                let grown = u32::try_from(onto.next + u64::from(size_in(descriptor)));
                set_size(descriptor, grown.map_err(Error::from)?);
            }
        }
        let written = self.write(&mut source, &descriptors, onto.next, check_cancelled);
        written.map_err(|e| e.context(format!("cannot append to {}", self.target.display())))
    }

    fn write(
        &self,
        source: &mut File,
        descriptors: &[Sector],
        next: u64,
        check_cancelled: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        let mut file = OpenOptions::new().write(true).open(self.path())?;
        file.set_len(next * SECTOR)?;
        file.seek(SeekFrom::End(0))?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            check_cancelled()?;
            let n = source.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            file.write_all(&buffer[..n])?;
        }
        for (at, descriptor) in (FIRST..).zip(descriptors) {
            file.write_all_at(descriptor, at * SECTOR)?;
        }
        Ok(())
    }

    /// Puts it into the place of the target, durably, with its owner and mode.
    ///
    /// # Errors
    ///
    /// If that is not possible; the target is as it was then.
    pub fn commit(self) -> Result<()> {
        let failed = |e| cannot("replace", &self.target, e);
        let file = File::open(self.path()).map_err(failed)?;
        if let Ok(before) = self.target.metadata() {
            let mode = Permissions::from_mode(before.mode() & 0o7777);
            let now = file.metadata().map_err(failed)?;
            if (before.uid(), before.gid()) != (now.uid(), now.gid()) {
                std::os::unix::fs::fchown(&file, Some(before.uid()), Some(before.gid()))
                    .map_err(failed)?;
            }
            file.set_permissions(mode).map_err(failed)?;
        }
        file.sync_all().map_err(failed)?;
        fs::rename(self.path(), &self.target).map_err(failed)?;
        let directory = self.target.parent().unwrap_or(Path::new("/"));
        File::open(directory).and_then(|it| it.sync_all()).map_err(failed)?;
        self.scratch.release();
        Ok(())
    }
}
