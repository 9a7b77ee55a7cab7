//! Stages all peers of a day.

use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    day::Day,
    error::StageError,
    incoming::Arrived,
    local,
    peer::{self, Peer, PeerError, Place},
    remote::{self, Address, Patience, Remote},
    world::World,
};

/// How many machines are copied from at a time.
const CONNECTIONS: usize = 4;

/// What is to be staged, and where.
#[derive(Debug, Clone)]
pub struct Order {
    /// Where days are staged.
    pub staging_dir: PathBuf,
    /// The day, `YYYY/MM/DD`.
    pub day: String,
    /// Where indicators for other machines are written.
    pub working_dir: PathBuf,
    /// Where from.
    pub peers: Vec<Peer>,
    /// Whether it is the week's first day, or a full backup.
    pub full: bool,
    /// The user to become for copying from other machines.
    pub switch_user: Option<String>,
    /// How long to wait for other machines.
    pub patience: Patience,
}

/// What became of a peer.
#[derive(Debug)]
pub struct Staged {
    /// The peer's name.
    pub name: String,
    /// What arrived, or why nothing is staged.
    pub result: Result<Arrived, StageError>,
    /// Whether a failure is to be ignored.
    pub ignored: bool,
}

/// What became of the day.
#[derive(Debug)]
pub struct Report {
    /// The day's directory.
    pub day: PathBuf,
    /// The peers, in the order of the configuration.
    pub peers: Vec<Staged>,
    /// Whether the day may be stored.
    pub good: bool,
}

impl Order {
    /// Checks everything that can be wrong with it.
    ///
    /// # Errors
    ///
    /// The first peer that cannot be used.
    pub fn check(&self) -> Result<(), PeerError> {
        peer::check(&self.peers)
    }

    /// Stages all peers. One that fails keeps no other from being staged.
    ///
    /// # Errors
    ///
    /// Only what concerns the day as a whole.
    pub fn stage(&self, world: &dyn World) -> Result<Report, StageError> {
        let day = Day::open(self.staging_dir.join(&self.day), world)?;
        let results = self.peers.iter().map(|_| Mutex::new(None)).collect::<Vec<_>>();
        let done = |index: usize, result: Result<Arrived, StageError>| {
            *results[index].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        };
        std::thread::scope(|scope| {
            scope.spawn(|| self.stage_remote(&day, world, &done));
            let peers = self.peers.iter().enumerate();
            let peers = peers.filter(|(_, it)| it.place == Place::Local);
            local::stage(&day, peers, world, &done);
        });
        let results = results.into_iter().map(|it| {
            let result = it.into_inner().unwrap_or_else(PoisonError::into_inner);
            result.unwrap_or(Err(StageError::Cancelled))
        });
        let staged = |(peer, result): (&Peer, _)| Staged {
            name: peer.name.clone(),
            result,
            ignored: peer.ignore.ignores(self.full),
        };
        let peers: Vec<_> = self.peers.iter().zip(results).map(staged).collect();
        if world.cancelled() {
            return Err(StageError::Cancelled);
        }
        let good = is_good(&peers, &day);
        if good {
            day.mark_staged(world)?;
        }
        Ok(Report { day: day.path().to_owned(), peers, good })
    }

    fn stage_remote(
        &self,
        day: &Day,
        world: &dyn World,
        done: &(dyn Fn(usize, Result<Arrived, StageError>) + Sync),
    ) {
        let mut addresses = Vec::new();
        for (index, peer) in self.peers.iter().enumerate() {
            if let Place::Remote { user, copy_command } = &peer.place {
                addresses.push((index, Address { peer, user, copy_command }));
            }
        }
        let remote = Remote {
            working_dir: &self.working_dir,
            switch_user: self.switch_user.as_deref(),
            patience: self.patience,
            indicators: Mutex::new(()),
        };
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(&(index, address)) = addresses.get(next.fetch_add(1, Ordering::Relaxed))
            {
                done(index, remote.stage(day, index, address, world));
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..addresses.len().min(CONNECTIONS) {
                scope.spawn(work);
            }
        });
    }

    /// Says what would be staged, one line a peer, without changing anything
    /// or asking other machines.
    pub fn preview(&self) -> Vec<String> {
        let each = |peer: &Peer| match &peer.place {
            Place::Local => match local::list(&peer.collect_dir) {
                Ok(names) => format!("would stage {} files of {}", names.len(), peer.name),
                Err(error) => format!("could not stage {}: {}", peer.name, error.line()),
            },
            Place::Remote { user, .. } => {
                format!("would stage {} from {}", peer.name, remote::described(user, peer))
            }
        };
        self.peers.iter().map(each).collect()
    }
}

/// A day is good if every peer is in it, now or from earlier today, or need
/// not be; and at least one is.
fn is_good(peers: &[Staged], day: &Day) -> bool {
    let mut any = false;
    for peer in peers {
        let there = peer.result.is_ok() || day.has(&peer.name);
        if !there && !peer.ignored {
            return false;
        }
        any |= there;
    }
    any
}
