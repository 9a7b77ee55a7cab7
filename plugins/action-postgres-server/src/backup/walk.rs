//! What of a data directory is backed up, in the order in which it is.
//!
//! The same as by PostgreSQL's own tool, with one difference: a link in the
//! data directory that is neither `pg_wal` nor that of a tablespace is not
//! left out with a warning, but what it leads to is backed up in its place.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use hayloft_plugin_api::{Error, Result};
use hayloft_postgres::files::{Fork, MADE_IN_WAL, RelationFile, is_backed_up_empty, is_left_out};

use crate::manifest::{Directory, Tablespace};

/// What is found.
#[derive(Debug)]
pub(crate) enum Found {
    /// A directory.
    Directory(Directory),
    /// A tablespace; what is in it comes next.
    Tablespace(Tablespace),
    /// A file.
    File(FoundFile),
}

/// A file, not yet opened.
#[derive(Debug)]
pub(crate) struct FoundFile {
    /// Its path below the data directory.
    pub(crate) path: PathBuf,
    /// Where it is.
    pub(crate) at: PathBuf,
    /// Which part of a relation it is, if it is one.
    pub(crate) relation: Option<RelationFile>,
}

/// A data directory.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    /// Where it is.
    pub(crate) data: PathBuf,
    /// What the directory of this server in a tablespace is called, such as
    /// `PG_15_202209061`.
    pub(crate) version_directory: String,
    /// The names of tablespaces by their numbers, as far as they are known.
    pub(crate) tablespaces: Vec<(u32, String)>,
}

/// Files that are not gone through: `pg_control` is read last.
const LAST: &str = "global/pg_control";

type Visit<'a> = &'a mut dyn FnMut(Found) -> Result<()>;

impl Walk {
    /// Goes through everything, sorted by the names along the paths. What
    /// vanishes meanwhile is left out.
    ///
    /// # Errors
    ///
    /// What cannot be read, and those of `visit`.
    pub(crate) fn run(&self, visit: Visit<'_>) -> Result<()> {
        let data = fs::canonicalize(&self.data).map_err(|e| failed(&self.data, e))?;
        let elsewhere = tablespaces_of(&data)?;
        let mut inside = Inside { walk: self, above: vec![data.clone()], elsewhere };
        let mode = mode_of(&fs::metadata(&data).map_err(|e| failed(&data, e))?);
        visit(Found::Directory(Directory { path: PathBuf::new().into(), mode }))?;
        inside.directory(Path::new(""), &data, visit)
    }
}

struct Inside<'a> {
    walk: &'a Walk,
    /// The directories that we are in, free of links.
    above: Vec<PathBuf>,
    /// Directories of tablespaces: one of them may lie in the data directory,
    /// and is not gone through twice.
    elsewhere: HashSet<PathBuf>,
}

impl Inside<'_> {
    fn directory(&mut self, path: &Path, at: &Path, visit: Visit<'_>) -> Result<()> {
        let entries = entries(at)?;
        let relations = holds_relations(path);
        let unlogged: HashSet<u32> =
            if relations { initial_forks(&entries) } else { HashSet::new() };
        for (name, known) in entries {
            let (path, at) = (path.join(&name), at.join(&name));
            let text = name.to_str().unwrap_or_default();
            if is_left_out(text) || path == Path::new(LAST) {
                continue;
            }
            let relation = known.filter(|_| relations);
            let leave = |it: RelationFile| {
                it.temporary || (it.fork != Fork::Initial && unlogged.contains(&it.node))
            };
            if relation.is_some_and(leave) {
                continue;
            }
            self.entry(path, at, relation, visit)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        path: PathBuf,
        at: PathBuf,
        relation: Option<RelationFile>,
        visit: Visit<'_>,
    ) -> Result<()> {
        let meta = match fs::symlink_metadata(&at) {
            Ok(meta) => meta,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(failed(&at, e)),
        };
        let is_link = meta.is_symlink();
        if is_link && path.parent() == Some(Path::new("pg_tblspc")) {
            return self.tablespace(&path, &at, visit);
        }
        let meta = match fs::metadata(&at) {
            Ok(meta) => meta,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                if is_link {
                    tracing::warn!("{} leads nowhere: it is left out", at.display());
                }
                return Ok(());
            }
            Err(e) => return Err(failed(&at, e)),
        };
        if meta.is_dir() {
            return self.below(&path, &at, mode_of(&meta), visit);
        }
        if meta.is_file() {
            return visit(Found::File(FoundFile { path, at, relation }));
        }
        tracing::warn!("{} is no file: it is left out", at.display());
        Ok(())
    }

    fn below(&mut self, path: &Path, at: &Path, mode: u32, visit: Visit<'_>) -> Result<()> {
        let real = match fs::canonicalize(at) {
            Ok(real) => real,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(failed(at, e)),
        };
        if self.above.contains(&real) {
            tracing::warn!("{} leads to itself: it is left out", at.display());
            return Ok(());
        }
        if self.elsewhere.contains(&real) {
            return Ok(());
        }
        let directory = |path: PathBuf| Found::Directory(Directory { path: path.into(), mode });
        visit(directory(path.to_owned()))?;
        let text = path.to_str().unwrap_or_default();
        if is_backed_up_empty(text) {
            let inner = MADE_IN_WAL.iter().filter(|_| text == "pg_wal");
            return inner.into_iter().try_for_each(|it| visit(directory(path.join(it))));
        }
        self.above.push(real);
        let done = self.directory(path, at, visit);
        self.above.pop();
        done
    }

    /// Only what this server has in it: clusters of other versions may share a
    /// tablespace.
    fn tablespace(&mut self, path: &Path, at: &Path, visit: Visit<'_>) -> Result<()> {
        let text = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        let (Ok(oid), Ok(to)) = (text.parse::<u32>(), fs::read_link(at)) else {
            tracing::warn!("{} is no link to a tablespace: it is left out", at.display());
            return Ok(());
        };
        let meta = fs::metadata(at).map_err(|e| {
            failed(at, e).hint("a tablespace must be there, or the backup lacks its tables")
        })?;
        let name = self.walk.tablespaces.iter().find(|it| it.0 == oid);
        let name = name.map(|it| it.1.clone()).unwrap_or_default();
        let mode = mode_of(&meta);
        visit(Found::Tablespace(Tablespace { oid, name, path: to.into(), mode }))?;
        let version = &self.walk.version_directory;
        let (path, at) = (path.join(version), at.join(version));
        match fs::metadata(&at) {
            Ok(meta) => self.below(&path, &at, mode_of(&meta), visit),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(failed(&at, e)),
        }
    }
}

/// Returns where tablespaces are.
fn tablespaces_of(data: &Path) -> Result<HashSet<PathBuf>> {
    let directory = data.join("pg_tblspc");
    let mut found = HashSet::new();
    for (name, _) in entries(&directory)? {
        let at = directory.join(name);
        let is_link = fs::symlink_metadata(&at).is_ok_and(|it| it.is_symlink());
        if let Some(path) = fs::canonicalize(&at).ok().filter(|_| is_link) {
            found.insert(path);
        }
    }
    Ok(found)
}

/// The names in a directory, sorted; none if it has vanished.
fn entries(at: &Path) -> Result<Vec<(OsString, Option<RelationFile>)>> {
    let listing = match fs::read_dir(at) {
        Ok(listing) => listing,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(at, e)),
    };
    let mut names = listing
        .map(|it| Ok(it?.file_name()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(|e| failed(at, e))?;
    names.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
    let relation = |name: &OsString| name.to_str().and_then(RelationFile::parse);
    Ok(names.into_iter().map(|it| (it.clone(), relation(&it))).collect())
}

/// The relations that are unlogged: only what they look like when they are
/// empty is of use after a crash, and so after a restore.
fn initial_forks(entries: &[(OsString, Option<RelationFile>)]) -> HashSet<u32> {
    let relations = entries.iter().filter_map(|it| it.1);
    relations.filter(|it| it.fork == Fork::Initial && !it.temporary).map(|it| it.node).collect()
}

/// Tells whether a directory holds relations: `global`, `base/1`,
/// `pg_tblspc/16384/PG_15_202209061/1`.
pub(super) fn holds_relations(path: &Path) -> bool {
    let names: Vec<&str> = path.iter().filter_map(|it| it.to_str()).collect();
    let number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    match names.as_slice() {
        ["global"] => true,
        ["base", database] => number(database),
        ["pg_tblspc", oid, version, database] => {
            number(oid) && version.starts_with("PG_") && number(database)
        }
        _ => false,
    }
}

/// The permission bits.
pub(crate) fn mode_of(meta: &fs::Metadata) -> u32 {
    meta.mode() & 0o7777
}

fn failed(path: &Path, error: io::Error) -> Error {
    let denied = error.kind() == io::ErrorKind::PermissionDenied;
    let error = Error::from(error).context(format!("cannot read {}", path.display()));
    if !denied {
        return error;
    }
    error.hint("run it as the account of the server or as root, or set <method>stream</method>")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(root: &Path, path: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }

    fn walked(data: &Path) -> Vec<String> {
        let walk = Walk {
            data: data.to_owned(),
            version_directory: "PG_15_202209061".to_owned(),
            tablespaces: vec![(16384, "fast".to_owned())],
        };
        let mut found = Vec::new();
        walk.run(&mut |it| {
            found.push(match it {
                Found::Directory(it) => format!("{}/", it.path.path().display()),
                Found::Tablespace(it) => format!("{} at {}", it.name, it.oid),
                Found::File(it) => it.path.display().to_string(),
            });
            Ok(())
        })
        .unwrap();
        found
    }

    #[test]
    fn what_is_of_use_to_a_restored_server_is_found_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let (data, elsewhere) = (directory.path().join("data"), directory.path().join("ts"));
        for path in [
            "PG_VERSION",
            "postmaster.pid",
            "base/1/PG_VERSION",
            "base/1/16384",
            "base/1/16385",
            "base/1/16385_init",
            "base/1/16385_vm",
            "base/1/t3_16390",
            "base/1/pg_internal.init",
            "base/pgsql_tmp/x",
            "global/1260",
            "global/pg_control",
            "pg_wal/000000010000000000000001",
            "pg_wal/archive_status/x.done",
            "pg_xact/0000",
            "pg_replslot/slot/state",
            "base/10/16384",
        ] {
            write(&data, path);
        }
        write(&elsewhere, "PG_15_202209061/1/16400");
        write(&elsewhere, "PG_14_202107181/1/16400");
        write(directory.path(), "server.key");
        fs::create_dir(data.join("pg_tblspc")).unwrap();
        symlink(&elsewhere, data.join("pg_tblspc/16384")).unwrap();
        symlink(directory.path().join("server.key"), data.join("server.key")).unwrap();
        symlink("nowhere", data.join("dangling")).unwrap();
        symlink("..", data.join("base/again")).unwrap();
        let expected = [
            "/",
            "PG_VERSION",
            "base/",
            "base/1/",
            "base/1/16384",
            "base/1/16385_init",
            "base/1/PG_VERSION",
            "base/10/",
            "base/10/16384",
            "global/",
            "global/1260",
            "pg_replslot/",
            "pg_tblspc/",
            "fast at 16384",
            "pg_tblspc/16384/PG_15_202209061/",
            "pg_tblspc/16384/PG_15_202209061/1/",
            "pg_tblspc/16384/PG_15_202209061/1/16400",
            "pg_wal/",
            "pg_wal/archive_status/",
            "pg_xact/",
            "pg_xact/0000",
            "server.key",
        ];
        assert_eq!(walked(&data), expected);
    }
}
