//! Packs a dump in the directory format into one file.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::Path,
};

use tar::{Builder, EntryType, Header};

/// How every table of contents begins.
const MAGIC: &[u8] = b"PGDMP";
const TABLE_OF_CONTENTS: &str = "toc.dat";

/// Tells whether `pg_dump` has written its table of contents, which it does
/// last of all.
///
/// # Errors
///
/// If it is not there or cannot be read.
pub(crate) fn is_complete(directory: &Path) -> io::Result<bool> {
    let mut head = [0; MAGIC.len()];
    let mut file = File::open(directory.join(TABLE_OF_CONTENTS))?;
    match file.read_exact(&mut head) {
        Ok(()) => Ok(head == MAGIC),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns the number of bytes in the files of a directory.
///
/// # Errors
///
/// If it cannot be read.
pub(crate) fn size(directory: &Path) -> io::Result<u64> {
    fs::read_dir(directory)?.map(|entry| entry?.metadata().map(|it| it.len())).sum()
}

/// Writes a directory of files as a tar file in which they lie below `name`,
/// and calls `seen` for each piece. GNU tar and bsdtar unpack it.
///
/// # Errors
///
/// If a file cannot be read, `sink` not written, or `seen` fails.
pub(crate) fn pack<W: Write>(
    directory: &Path,
    name: &str,
    sink: W,
    seen: impl FnMut(u64) -> io::Result<()>,
) -> io::Result<W> {
    let mut files: Vec<_> = fs::read_dir(directory)?.collect::<io::Result<_>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    let mut builder = Builder::new(sink);
    let modified = fs::metadata(directory)?.mtime();
    let mut header = header(0, modified, 0o700, EntryType::Directory);
    builder.append_data(&mut header, format!("{name}/"), io::empty())?;
    let mut seen = seen;
    for entry in files {
        append(&mut builder, &entry, name, &mut seen)?;
    }
    builder.into_inner()
}

fn append<W: Write>(
    builder: &mut Builder<W>,
    entry: &fs::DirEntry,
    name: &str,
    seen: &mut impl FnMut(u64) -> io::Result<()>,
) -> io::Result<()> {
    let file = File::open(entry.path())?;
    let metadata = file.metadata()?;
    let mut header = header(metadata.len(), metadata.mtime(), 0o600, EntryType::Regular);
    let path = Path::new(name).join(entry.file_name());
    let file = Seen { inner: io::BufReader::with_capacity(256 << 10, file), seen };
    builder.append_data(&mut header, path, file)
}

fn header(size: u64, modified: i64, mode: u32, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(size);
    header.set_mtime(modified.try_into().unwrap_or(0));
    header.set_mode(mode);
    header.set_entry_type(kind);
    header
}

/// Tells of what is read.
struct Seen<R, F> {
    inner: R,
    seen: F,
}

impl<R: Read, F: FnMut(u64) -> io::Result<()>> Read for Seen<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        (self.seen)(n as u64)?;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_packed_and_gnu_tar_unpacks_it() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("d");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("toc.dat"), b"PGDMP\x01").unwrap();
        fs::write(directory.join("1.dat"), vec![7; 1_000_000]).unwrap();
        assert!(is_complete(&directory).unwrap());
        assert_eq!(size(&directory).unwrap(), 1_000_006);

        let long = "x".repeat(150);
        let file = File::create(root.path().join("t.tar")).unwrap();
        pack(&directory, &long, file, |_| Ok(())).unwrap();

        let out = root.path().join("out");
        fs::create_dir(&out).unwrap();
        let status = std::process::Command::new("tar")
            .args(["-x", "-f", "../t.tar"])
            .current_dir(&out)
            .status();
        assert!(status.unwrap().success());
        assert_eq!(fs::read(out.join(&long).join("1.dat")).unwrap(), vec![7; 1_000_000]);
    }

    #[test]
    fn a_directory_without_its_table_of_contents_is_not_complete() {
        let directory = tempfile::tempdir().unwrap();
        assert!(is_complete(directory.path()).is_err());
        fs::write(directory.path().join("toc.dat"), b"PG").unwrap();
        assert!(!is_complete(directory.path()).unwrap());
    }
}
