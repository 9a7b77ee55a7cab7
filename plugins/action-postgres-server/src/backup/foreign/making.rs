//! Makes the manifest of a backup of Barman's.

use std::{
    collections::HashSet,
    fs,
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use hayloft_plugin_api::{
    ByteRange, DecodeReader, Error, ErrorKind, Host, ObjectMeta, Result, StorageHandle,
};
use hayloft_postgres::{
    cluster::ControlFile,
    files::RelationFile,
    page::{PAGE, PageState},
    version::ServerVersion,
    wal::Lsn,
};

use super::{
    Step,
    piece::{self, Piece},
};
use crate::{
    backup::walk,
    catalogue::{BackupId, BackupInfo},
    manifest::{
        Blocks, Directory, Entry, FORMAT, FRAME, File, Frame, Header, Kind, Part, Place, Spool,
        Tablespace,
    },
};

const CONTROL: &str = "global/pg_control";
/// Files without which a server does not start, or starts with wrong data.
const INDISPENSABLE: [&str; 2] = ["PG_VERSION", "backup_label"];
/// How many bytes tell what a stream was encoded with.
const HEAD: usize = 64;
/// Directories that a server needs, and that a storage of objects does not
/// have since they are empty.
const EMPTY: [&str; 15] = [
    "pg_commit_ts",
    "pg_dynshmem",
    "pg_logical/mappings",
    "pg_logical/snapshots",
    "pg_multixact/members",
    "pg_multixact/offsets",
    "pg_notify",
    "pg_replslot",
    "pg_serial",
    "pg_snapshots",
    "pg_stat",
    "pg_stat_tmp",
    "pg_subtrans",
    "pg_twophase",
    "pg_wal/archive_status",
];

/// A manifest that is being made.
pub(super) struct Making<'a> {
    host: &'a Host,
    storage: &'a StorageHandle,
    directory: &'a str,
    id: BackupId,
    info: &'a BackupInfo,
    step: Step<'a>,
    spool: Spool,
    parts: Vec<Part>,
    known: HashSet<PathBuf>,
    system_identifier: Option<u64>,
    /// What is still missing.
    missing: Vec<&'static str>,
    damaged: Vec<(String, String)>,
}

/// A file of the server, wherever it comes from.
struct Found<'a> {
    path: &'a Path,
    mode: u32,
    modified: i64,
    size: u64,
    /// The part that it is in, and where.
    part: u32,
    offset: u64,
}

impl<'a> Making<'a> {
    /// Begins.
    pub(super) fn new(
        (host, storage): (&'a Host, &'a StorageHandle),
        (directory, id): (&'a str, BackupId),
        info: &'a BackupInfo,
        step: Step<'a>,
    ) -> Result<Self> {
        let spool = Spool::new(tempfile::tempfile()?);
        let (parts, known, damaged) = (Vec::new(), HashSet::new(), Vec::new());
        let mut it = Self {
            host,
            storage,
            directory,
            id,
            info,
            step,
            spool,
            parts,
            known,
            system_identifier: None,
            missing: INDISPENSABLE.to_vec(),
            damaged,
        };
        it.spool.add(Entry::Directory(Directory { path: PathBuf::new().into(), mode: 0o700 }))?;
        it.directory(Path::new("pg_tblspc"))?;
        for space in info.tablespaces.iter().flatten() {
            it.known.insert(PathBuf::from(format!("pg_tblspc/{}", space.oid)));
            it.spool.add(Entry::Tablespace(Tablespace {
                oid: space.oid,
                name: space.name.clone(),
                path: space.location.clone().into(),
                mode: 0o700,
            }))?;
        }
        for path in EMPTY {
            it.directory(Path::new(path))?;
        }
        Ok(it)
    }

    /// Adds a directory, and those above it.
    fn directory(&mut self, path: &Path) -> Result<()> {
        let above: Vec<&Path> = path.ancestors().filter(|it| !it.as_os_str().is_empty()).collect();
        for path in above.into_iter().rev() {
            if self.known.insert(path.to_owned()) {
                let it = Directory { path: path.to_owned().into(), mode: 0o700 };
                self.spool.add(Entry::Directory(it))?;
            }
        }
        Ok(())
    }

    /// Adds what is in an object, if that has files of the server.
    pub(super) fn object(&mut self, object: &ObjectMeta) -> Result<()> {
        let rest = object.key.strip_prefix(self.directory).unwrap_or_default();
        let Some(piece) = piece::of(rest) else { return Ok(()) };
        let part = u32::try_from(self.parts.len()).map_err(|_| Error::msg("too many objects"))?;
        let encrypted = match &piece {
            Piece::Archive(_, suffix) => suffix.clone(),
            Piece::File(_) => String::new(),
        };
        self.parts.push(Part {
            backup: self.id.to_string(),
            name: format!("/{rest}"),
            size: object.size,
            blake3: String::new(),
            compressed: String::new(),
            encrypted,
        });
        let step = self.step;
        let raw = self.storage.get(&object.key, ByteRange::ALL)?;
        let mut raw = Counted { from: raw, key: object.key.clone(), step };
        let done = match piece {
            Piece::File(path) => {
                let modified = object.modified_ns / 1_000_000_000;
                let (path, size) = (placed("", Path::new(&path))?, object.size);
                let file = Found { path: &path, mode: 0o600, modified, size, part, offset: 0 };
                self.file(&file, &mut raw)
            }
            Piece::Archive(below, suffix) if suffix.is_empty() => {
                self.archive(part, &below, &mut raw)
            }
            Piece::Archive(below, _) => {
                let mut decoded = self.decoded(rest, &mut raw)?;
                self.archive(part, &below, &mut decoded)
            }
        };
        let key = &object.key;
        done.map_err(|e| {
            let kind = e.kind();
            e.context(format!("cannot use {key}")).with_kind(kind)
        })
    }

    fn decoded<'b>(&self, name: &str, raw: &'b mut dyn Read) -> Result<Box<dyn Read + 'b>> {
        let mut head = Vec::with_capacity(HEAD);
        raw.take(HEAD as u64).read_to_end(&mut head)?;
        let transform = self.host.recognise(name, &head)?.ok_or_else(|| {
            Error::new(ErrorKind::UNSUPPORTED, format!("no plugin can read {name}"))
                .hint("`hayloft plugin list` shows the compressors that there are")
        })?;
        Ok(Box::new(DecodeReader::new(transform.decoder()?, io::Cursor::new(head).chain(raw))))
    }

    fn archive(&mut self, part: u32, below: &str, from: &mut dyn Read) -> Result<()> {
        let mut archive = tar::Archive::new(&mut *from);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = placed(below, &entry.path()?)?;
            let header = entry.header();
            if header.entry_type().is_dir() {
                self.directory(&path)?;
                continue;
            }
            // Links of tablespaces: those are known.
            if !header.entry_type().is_file() || path.ends_with("backup_manifest") {
                continue;
            }
            let file = Found {
                path: &path,
                mode: header.mode()? & 0o777,
                modified: i64::try_from(header.mtime()?).unwrap_or_default(),
                size: entry.size(),
                part,
                offset: entry.raw_file_position(),
            };
            self.file(&file, &mut entry)?;
        }
        // What is behind the archive's end belongs to the stream.
        io::copy(from, &mut io::sink())?;
        Ok(())
    }

    fn file(&mut self, found: &Found<'_>, from: &mut dyn Read) -> Result<()> {
        if let Some(parent) = found.path.parent() {
            self.directory(parent)?;
        }
        let mut file = File {
            path: found.path.to_owned().into(),
            kind: Kind::Data,
            mode: found.mode | 0o600,
            modified: found.modified,
            size: found.size,
            frames: Vec::new(),
            blocks: Blocks::default(),
            damaged: Vec::new(),
        };
        self.missing.retain(|it| Path::new(it) != found.path);
        let mut wrong = Vec::new();
        let count = usize::try_from(found.size.div_ceil(FRAME)).unwrap_or(usize::MAX);
        for index in 0..count {
            let (start, length) = file.span(index);
            let mut content = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
            from.take(length).read_to_end(&mut content)?;
            if content.len() as u64 != length {
                let message = format!("{} ends too early", found.path.display());
                return Err(Error::new(ErrorKind::CORRUPT, message));
            }
            self.pages((found.path, start), &content, &mut wrong);
            if found.path == Path::new(CONTROL) {
                self.system_identifier = Some(ControlFile::parse(&content)?.system_identifier);
            }
            file.frames.push(frame(found, start, &content));
        }
        if let Some(first) = wrong.first() {
            let why = format!("{} pages have a wrong checksum, the first is {first}", wrong.len());
            self.damaged.push((found.path.display().to_string(), why));
        }
        self.spool.add(Entry::File(file))
    }

    /// Notes the pages that are damaged: those that were written during the
    /// backup may be torn, and are in the WAL.
    fn pages(&self, (path, start): (&Path, u64), content: &[u8], wrong: &mut Vec<u32>) {
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        let relation = RelationFile::parse(name)
            .filter(|_| path.parent().is_some_and(walk::holds_relations))
            .filter(|_| self.info.data_checksums.as_deref() == Some("on"));
        let (Some(relation), Some(begin)) = (relation, self.info.begin_xlog) else { return };
        let first = u32::try_from(start / PAGE as u64).unwrap_or_default();
        let first = relation.first_page().wrapping_add(first);
        for (number, page) in (first..).zip(content.chunks_exact(PAGE)) {
            if is_damaged(page, number, begin) {
                wrong.push(number);
            }
        }
    }

    /// Writes the manifest, and returns it with what is damaged.
    pub(super) fn finish(self, server: &str) -> Result<(fs::File, Vec<(String, String)>)> {
        let info = self.info;
        let lacks = |file: &str| {
            Error::new(ErrorKind::CORRUPT, format!("backup {} has no {file}", self.id))
        };
        if let Some(file) = self.missing.first() {
            return Err(lacks(file));
        }
        let header = Header {
            format: FORMAT,
            id: self.id.to_string(),
            server: server.to_owned(),
            system_identifier: self.system_identifier.ok_or_else(|| lacks(CONTROL))?,
            version: info.version.map_or(0, ServerVersion::number),
            checksums: info.data_checksums.as_deref() == Some("on"),
            segment_size: info.xlog_segment_size.bytes(),
            method: "barman".to_owned(),
            data: info.pgdata.clone().unwrap_or_default().into(),
            owner: None,
            frame: FRAME,
            parent: None,
            databases: Vec::new(),
            subscriptions: Vec::new(),
            resumed: false,
            parts: 0,
        };
        let mut manifest = tempfile::tempfile()?;
        self.spool.finish(header, &self.parts, io::BufWriter::new(&mut manifest))?;
        Ok((manifest, self.damaged))
    }
}

fn frame(found: &Found<'_>, start: u64, content: &[u8]) -> Frame {
    if content.iter().all(|it| *it == 0) {
        return Frame::Zeros;
    }
    let stored = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let place = Place { part: found.part, offset: found.offset + start, stored };
    Frame::Stored { hash: blake3::hash(content), place }
}

fn is_damaged(page: &[u8], number: u32, begin: Lsn) -> bool {
    match PageState::of(page, number) {
        PageState::Wrong { changed_at } => changed_at < begin,
        _ => false,
    }
}

/// Returns the path of a member.
fn placed(below: &str, name: &Path) -> Result<PathBuf> {
    let mut path = PathBuf::from(below);
    for component in name.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(name) => path.push(name),
            _ => {
                let message = format!("`{}` leads elsewhere", name.display());
                return Err(Error::new(ErrorKind::CORRUPT, message));
            }
        }
    }
    Ok(path)
}

/// Tells what is read.
struct Counted<'a> {
    from: Box<dyn Read + Send>,
    key: String,
    step: Step<'a>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        (self.step)(&self.key, read as u64).map_err(Error::into_io)?;
        Ok(read)
    }
}
