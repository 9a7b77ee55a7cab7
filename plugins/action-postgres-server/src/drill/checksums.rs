//! The checksums of all pages of a stopped cluster.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use hayloft_plugin_api::{Error, Host, Result};
use hayloft_postgres::{
    files::RelationFile,
    page::{PAGE, PageState},
};

use super::checks::{Check, Findings};

/// Pages that are read at once.
const BATCH: usize = 64;

/// Reads every page of every relation, in several threads.
///
/// # Errors
///
/// If a file cannot be read, or the user wants an end.
pub(super) fn look(host: &Host, data: &Path, workers: usize) -> Result<Check> {
    let began = Instant::now();
    let files = Mutex::new(relations(data)?);
    let (pages, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let wrong = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let next = files.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(file) = next else { return Ok(()) };
            if stop.load(Ordering::Relaxed) || host.cancelled() {
                return host.check_cancelled();
            }
            let found = read(&file, &pages).map_err(|e| {
                Error::from(e).context(format!("cannot read {}", file.path.display()))
            });
            match found {
                Ok(found) => {
                    let name = file.path.strip_prefix(data).unwrap_or(&file.path);
                    let mut wrong = wrong.lock().unwrap_or_else(PoisonError::into_inner);
                    wrong.extend(found.iter().map(|it| format!("{}: page {it}", name.display())));
                }
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    };
    thread::scope(|scope| {
        let all: Vec<_> = (0..workers.max(1)).map(|_| scope.spawn(work)).collect();
        all.into_iter().try_for_each(|it| {
            it.join().unwrap_or_else(|_| Err(Error::msg("a thread that reads pages has failed")))
        })
    })?;
    host.check_cancelled()?;
    let wrong = wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
    let found = Findings { looked_at: pages.into_inner(), wrong, impossible: None };
    Ok(found.into_check("checksums", None, "pages", began.elapsed()))
}

/// A file of a relation.
#[derive(Debug)]
struct Relation {
    path: PathBuf,
    /// The number of its first page.
    first: u32,
}

/// Finds the files of relations: below `global`, `base` and the tablespaces.
fn relations(data: &Path) -> Result<Vec<Relation>> {
    let mut found = Vec::new();
    let mut directories = vec![data.join("global")];
    below(&data.join("base"), &mut directories)?;
    for tablespace in entries(&data.join("pg_tblspc"))? {
        for version in entries(&tablespace)? {
            below(&version, &mut directories)?;
        }
    }
    for directory in directories {
        for path in entries(&directory)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if let Some(file) = RelationFile::parse(&name).filter(|it| !it.temporary) {
                let first = file.first_page();
                found.push(Relation { path, first });
            }
        }
    }
    Ok(found)
}

fn below(directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    found.extend(entries(directory)?.into_iter().filter(|it| it.is_dir()));
    Ok(())
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let failed =
        |e: io::Error| Error::from(e).context(format!("cannot look into {}", directory.display()));
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let all = fs::read_dir(directory).map_err(failed)?;
    all.map(|it| Ok(it.map_err(failed)?.path())).collect()
}

/// Returns the numbers of the pages that are wrong.
fn read(relation: &Relation, pages: &AtomicU64) -> io::Result<Vec<u32>> {
    let mut file = File::open(&relation.path)?;
    let mut buffer = vec![0; PAGE * BATCH];
    let (mut number, mut wrong) = (relation.first, Vec::new());
    loop {
        let mut length = 0;
        while length < buffer.len() {
            match file.read(&mut buffer[length..])? {
                0 => break,
                read => length += read,
            }
        }
        for page in buffer[..length].chunks(PAGE) {
            // One that was cut off is wrong as well.
            let whole = page.len() == PAGE;
            if !whole || matches!(PageState::of(page, number), PageState::Wrong { .. }) {
                wrong.push(number);
            }
            number = number.wrapping_add(1);
            pages.fetch_add(1, Ordering::Relaxed);
        }
        if length < buffer.len() {
            return Ok(wrong);
        }
    }
}
