//! Stages what lies in the file system of this machine.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    copy::Source,
    day::{COLLECTED, Day, STAGED, is_regular, is_temporary},
    durable,
    error::{StageError, shown},
    incoming::{Arrived, Incoming},
    peer::Peer,
    world::World,
};

/// How many files are copied at a time. The kernel does the copying; what the
/// workers do is to wait for the disk.
pub const WORKERS: usize = 4;

/// Lists what is to be staged from a collect directory, sorted by name.
///
/// # Errors
///
/// [`StageError::NotReady`] if the collection is not finished;
/// [`StageError::NotRegular`] for a directory or link, in which Cedar Backup
/// would leave half of the files behind.
pub fn list(collect_dir: &Path) -> Result<Vec<OsString>, StageError> {
    let entries = match fs::read_dir(collect_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StageError::NotReady {
                why: format!("there is no {}", shown(collect_dir)),
            });
        }
        Err(error) => return Err(StageError::io("read", collect_dir)(error)),
    };
    if !is_regular(&collect_dir.join(COLLECTED)) {
        let why = format!("there is no {COLLECTED} in {}", shown(collect_dir));
        return Err(StageError::NotReady { why });
    }
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StageError::io("read", collect_dir))?;
        // A collection that was killed leaves such a file; it is not whole.
        if is_temporary(&entry.file_name()) {
            continue;
        }
        if !entry.file_type().map_err(StageError::io("read", &entry.path()))?.is_file() {
            return Err(StageError::NotRegular { path: shown(entry.path()) });
        }
        names.push(entry.file_name());
    }
    names.sort();
    Ok(names)
}

/// A peer whose files are being copied.
struct Job<'a> {
    index: usize,
    peer: &'a Peer,
    directory: File,
    names: Vec<OsString>,
    incoming: Incoming,
    target: PathBuf,
    /// How many of its files nobody has finished yet.
    left: AtomicUsize,
    so_far: Mutex<Result<Arrived, StageError>>,
}

/// Stages local peers, several files at a time; gives `done` the outcome of
/// each as soon as it is known.
pub fn stage<'a>(
    day: &Day,
    peers: impl Iterator<Item = (usize, &'a Peer)>,
    world: &dyn World,
    done: &(dyn Fn(usize, Result<Arrived, StageError>) + Sync),
) {
    let mut jobs = Vec::new();
    for (index, peer) in peers {
        match Job::prepare(day, index, peer, world) {
            Ok(job) => jobs.push(job),
            Err(error) => done(index, Err(error)),
        }
    }
    let mut order = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        order.extend((0..job.names.len()).map(|name| (index, name)));
    }
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(&(job, name)) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let job = &jobs[job];
            job.copy(name, world);
            if job.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                done(job.index, job.finish(day, world));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..WORKERS {
            scope.spawn(work);
        }
        work();
    });
}

impl<'a> Job<'a> {
    fn prepare(
        day: &Day,
        index: usize,
        peer: &'a Peer,
        world: &dyn World,
    ) -> Result<Self, StageError> {
        let names = list(&peer.collect_dir)?;
        let directory =
            File::open(&peer.collect_dir).map_err(StageError::io("read", &peer.collect_dir))?;
        Ok(Self {
            index,
            peer,
            directory,
            left: AtomicUsize::new(names.len()),
            names,
            incoming: Incoming::create(day, index, world)?,
            target: day.of_peer(&peer.name),
            so_far: Mutex::new(Ok(Arrived::default())),
        })
    }

    fn copy(&self, index: usize, world: &dyn World) {
        let so_far = || self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing of a peer is staged if one of its files cannot be.
        if so_far().is_err() {
            return;
        }
        let result = self.copy_one(index, world);
        let mut so_far = so_far();
        match (&mut *so_far, result) {
            (Ok(arrived), Ok((size, changed))) => {
                arrived.files += 1;
                arrived.bytes += size;
                arrived.changed.extend(changed.then(|| self.names[index].clone()));
            }
            (Ok(_), Err(error)) => *so_far = Err(error),
            (Err(_), _) => {}
        }
    }

    fn copy_one(&self, index: usize, world: &dyn World) -> Result<(u64, bool), StageError> {
        let name = &self.names[index];
        let path = self.peer.collect_dir.join(name);
        let source = Source::open(&self.directory, name, &path)?;
        let same = source.is_same_as(&self.target.join(name), world)?;
        if !same {
            source.copy_to(&self.incoming.path().join(name), world)?;
        }
        Ok((source.size(), !same))
    }

    fn finish(&self, day: &Day, world: &dyn World) -> Result<Arrived, StageError> {
        let mut so_far = self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        let arrived = std::mem::replace(&mut *so_far, Ok(Arrived::default()))?;
        // A collection that began meanwhile has removed it, and the files
        // that were copied may be of two days.
        if !is_regular(&self.peer.collect_dir.join(COLLECTED)) {
            return Err(StageError::Changed { path: shown(&self.peer.collect_dir) });
        }
        day.place(&self.peer.name, self.incoming.path(), &arrived.changed, world)?;
        durable::touch(&self.peer.collect_dir, STAGED, world)?;
        Ok(arrived)
    }
}
