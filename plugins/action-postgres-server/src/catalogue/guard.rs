//! One at a time: whoever removes something from a server's catalogue, and
//! whoever adds a backup to it.

use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write},
    path::Path,
    time::Duration,
};

use hayloft_lease::{Lease, Terms, acquire, is_held};
use hayloft_plugin_api::{Error, Guarantee, Host, OutputOptions, Result};

use super::{Place, place};
use crate::{
    directories,
    lock::{Lock, Tried},
};

/// How long others wait for a machine that has died.
const TTL: Duration = Duration::from_secs(20);
/// How many bytes a machine's token has.
const TOKEN: usize = 16;

/// What is done by one at a time. Each of them does not keep the other out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Something is removed, or a description is written anew.
    Catalogue,
    /// A base backup is taken.
    Backup,
}

impl Work {
    /// What locks and leases of it are called.
    fn name(self) -> &'static str {
        match self {
            Self::Catalogue => "catalogue",
            Self::Backup => "backup",
        }
    }
}

/// The right to do something: alone on this machine, by a lock, and alone
/// on all machines, by a lease in each storage that can hold one.
#[derive(Debug)]
pub(crate) struct Guard {
    leases: Vec<Lease>,
    _lock: Option<Lock>,
}

impl Guard {
    /// Gets it, or tells who has it.
    ///
    /// # Errors
    ///
    /// If a storage or this machine fails.
    pub(crate) fn take(
        host: &Host,
        (server, work): (&str, Work),
        places: &[Place],
    ) -> Result<std::result::Result<Self, String>> {
        Self::take_where(host, (server, work), places, &mut |_, error| Err(error))
    }

    /// As [`Guard::take`]; `failed` is told of each storage that cannot tell
    /// who has it, and decides whether to go on without.
    ///
    /// # Errors
    ///
    /// Those of `failed`, and if this machine fails.
    pub(crate) fn take_where(
        host: &Host,
        (server, work): (&str, Work),
        places: &[Place],
        failed: &mut dyn FnMut(&str, Error) -> Result<()>,
    ) -> Result<std::result::Result<Self, String>> {
        let mut terms = Terms { ttl: TTL, ..Terms::default() };
        let (mut lock, mut leases) = (None, Vec::new());
        if let Some(directory) = directories::own(host, server)? {
            match Lock::take(&directory.join(format!("{}.lock", work.name())))? {
                Tried::Taken(it) => lock = Some(it),
                Tried::Held(who) => return Ok(Err(who)),
            }
            // Alone here: whoever else has this token is dead.
            let token = token(host, &directory.join(format!("{}.token", work.name())))?;
            terms.holder = format!("{}, {token}", machine());
            terms.heir = true;
        }
        let key = place::lease(server, work.name());
        for place in places {
            match lease(host, place, &key, &terms) {
                Ok(lease) => leases.extend(lease),
                Err(error) if is_held(&error) => return Ok(Err(error.to_string())),
                Err(error) => {
                    let kind = error.kind();
                    let about = format!("cannot get the lease {key} in storage {}", place.name);
                    failed(&place.name, error.context(about).with_kind(kind))?;
                }
            }
        }
        Ok(Ok(Self { leases, _lock: lock }))
    }

    /// Makes sure that it is still ours, before a step that cannot be taken
    /// back.
    ///
    /// # Errors
    ///
    /// If somebody else may have it.
    pub(crate) fn check(&self) -> Result<()> {
        self.leases.iter().try_for_each(Lease::check)
    }

    /// Gives it back.
    pub(crate) fn release(self) {
        for lease in self.leases {
            // Others get it when its time has passed.
            if let Err(error) = lease.release() {
                tracing::info!("a lease was not given back: {error}");
            }
        }
    }
}

/// Gets the lease in a storage; none where nobody can hold one.
fn lease(host: &Host, place: &Place, key: &str, terms: &Terms) -> Result<Option<Lease>> {
    let known = place.storage.capabilities()?;
    if known.create != Guarantee::Atomic || known.replace != Guarantee::Atomic {
        tracing::info!("storage {} can hold no lease: only this machine is locked", place.name);
        return Ok(None);
    }
    acquire(place.storage.clone(), key, terms, &|| host.cancelled()).map(Some)
}

fn machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// What no other machine is called: a number that was drawn once.
fn token(host: &Host, path: &Path) -> Result<String> {
    if let Ok(token) = fs::read_to_string(path) {
        let token = token.trim();
        if token.len() == 2 * TOKEN && token.bytes().all(|it| it.is_ascii_hexdigit()) {
            return Ok(token.to_owned());
        }
    }
    let mut bytes = [0; TOKEN];
    let random = Path::new("/dev/urandom");
    let drawn = fs::File::open(random).and_then(|mut it| it.read_exact(&mut bytes));
    drawn.map_err(|e| Error::from(e).context(format!("cannot read {}", random.display())))?;
    let token = bytes.iter().fold(String::new(), |mut text, it| {
        let _ = write!(text, "{it:02x}");
        text
    });
    let mut output = host.create(path, &OutputOptions::default())?;
    output.write_all(token.as_bytes())?;
    output.commit()?;
    Ok(token)
}
