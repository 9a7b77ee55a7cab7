//! What the system says about a file, made into an entry and a record.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::{
    fs::{FileType, SeekFrom, Stat, fstat, major, minor, readlinkat, seek},
    io::Errno,
};

use super::{Changed, Content, Trouble, attributes, open};
use crate::{
    archive::{Device, Entry, Kind, Segment, Time},
    owners::Owners,
    state::Record,
};

/// Files up to this size are read at once.
const SMALL: u64 = 64 << 10;

/// When the walk looked, to tell which files were young then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Files that changed after this may change again unnoticed.
    settled: Time,
}

impl Moment {
    pub(super) fn now(window: Duration) -> Self {
        let before = SystemTime::now() - window;
        let since = before.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs().cast_signed();
        Self { settled: Time { seconds, nanoseconds: since.subsec_nanos() } }
    }
}

pub(super) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

pub(super) fn record(name: &[u8], stat: &Stat, moment: Moment) -> Record {
    let ctime = time(stat.st_ctime, stat.st_ctime_nsec);
    Record {
        name: name.to_vec(),
        mode: stat.st_mode,
        size: size(stat),
        mtime: time(stat.st_mtime, stat.st_mtime_nsec),
        ctime,
        ino: stat.st_ino,
        dev: stat.st_dev,
        uid: stat.st_uid,
        gid: stat.st_gid,
        rdev: stat.st_rdev,
        racy: ctime > moment.settled,
        has_other_names: stat.st_nlink > 1,
    }
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

fn time(seconds: i64, nanoseconds: impl TryInto<u32>) -> Time {
    Time { seconds, nanoseconds: nanoseconds.try_into().unwrap_or(0) }
}

/// Makes an entry without content, attributes and listing.
pub(super) fn entry(path: Vec<u8>, stat: &Stat, kind: Kind, owners: &mut Owners) -> Entry {
    Entry {
        path,
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        user: owners.user(stat.st_uid),
        group: owners.group(stat.st_gid),
        mtime: time(stat.st_mtime, stat.st_mtime_nsec),
        ..Entry::default()
    }
}

/// Where a file is, and what was seen of it when its directory was listed.
pub(super) struct Seen<'a> {
    pub(super) directory: BorrowedFd<'a>,
    pub(super) path: Vec<u8>,
    pub(super) stat: Stat,
    pub(super) record: Record,
    pub(super) moment: Moment,
}

/// Opens a file and gets everything that an archive needs; what is merely
/// worth a word goes to `note`.
pub(super) fn take(
    seen: Seen<'_>,
    owners: &mut Owners,
    note: &mut Vec<Trouble>,
) -> Result<Changed, Trouble> {
    let (directory, name) = (seen.directory, seen.record.name.as_slice());
    let device = || {
        let number = seen.stat.st_rdev;
        Device { major: major(number), minor: minor(number) }
    };
    let kind = match file_type(&seen.stat) {
        FileType::RegularFile => return regular(seen, owners, note),
        FileType::Symlink => {
            let target = readlinkat(directory, name, Vec::new()).map_err(trouble)?;
            Kind::Symlink(target.into_bytes())
        }
        FileType::Fifo => Kind::Fifo,
        FileType::CharacterDevice => Kind::Character(device()),
        FileType::BlockDevice => Kind::Block(device()),
        _ => return Err(Trouble::Socket),
    };
    let xattrs = attributes::of_name(directory, name);
    let mut entry = entry(seen.path, &seen.stat, kind, owners);
    entry.xattrs = xattrs.unwrap_or_else(|e| {
        note.push(Trouble::Attributes(e));
        Vec::new()
    });
    Ok(Changed { entry, record: seen.record, content: Content::None })
}

fn regular(
    seen: Seen<'_>,
    owners: &mut Owners,
    note: &mut Vec<Trouble>,
) -> Result<Changed, Trouble> {
    let name = seen.record.name.as_slice();
    let file = open::file(seen.directory, name).map_err(trouble)?;
    // From here on only the open file counts, whatever happens to its name.
    let stat = fstat(&file).map_err(trouble)?;
    if file_type(&stat) != FileType::RegularFile {
        return Err(Trouble::Vanished);
    }
    let mut record = record(name, &stat, seen.moment);
    let mut entry = entry(seen.path, &stat, Kind::File, owners);
    entry.size = record.size;
    entry.xattrs = attributes::of_file(file.as_fd()).unwrap_or_else(|e| {
        note.push(Trouble::Attributes(e));
        Vec::new()
    });
    let has_holes = u64::try_from(stat.st_blocks).unwrap_or(0) * 512 < record.size;
    let content = if record.size == 0 {
        Content::None
    } else if record.size <= SMALL {
        let mut data = read_small(&file, record.size).map_err(Trouble::Unreadable)?;
        if data.len() as u64 > record.size {
            note.push(Trouble::Grew);
            data.pop();
            record.racy = true;
        }
        record.racy |= data.len() as u64 != record.size;
        entry.size = data.len() as u64;
        Content::Read(data)
    } else {
        entry.segments = if has_holes { segments(&file, record.size) } else { None };
        Content::Open(file)
    };
    Ok(Changed { entry, record, content })
}

/// Reads a small file, and one byte more if there is one.
fn read_small(file: &File, size: u64) -> io::Result<Vec<u8>> {
    let mut data = vec![0; usize::try_from(size + 1).unwrap_or(0)];
    let mut filled = 0;
    loop {
        match (&*file).read(&mut data[filled..]) {
            // Regular files give less than was asked for only at their end.
            Ok(got) if got == 0 || filled + got >= data.len() - 1 => {
                data.truncate(filled + got);
                return Ok(data);
            }
            Ok(got) => filled += got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Finds where a file has data; `None` if it has no holes after all, or the
/// file system cannot tell.
fn segments(file: &File, size: u64) -> Option<Vec<Segment>> {
    let mut all = Vec::new();
    let mut end = 0;
    while end < size {
        let offset = match seek(file, SeekFrom::Data(end)) {
            Ok(offset) if offset < size => offset,
            Ok(_) | Err(Errno::NXIO) => break,
            Err(_) => return None,
        };
        end = seek(file, SeekFrom::Hole(offset)).ok()?.min(size);
        if end <= offset {
            return None;
        }
        all.push(Segment { offset, length: end - offset });
    }
    let data: u64 = all.iter().map(|it| it.length).sum();
    (data < size).then_some(all)
}

pub(super) fn trouble(error: Errno) -> Trouble {
    match error {
        // A link or another thing has taken the file's place.
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO | Errno::STALE => {
            Trouble::Vanished
        }
        _ => Trouble::Unreadable(error.into()),
    }
}
