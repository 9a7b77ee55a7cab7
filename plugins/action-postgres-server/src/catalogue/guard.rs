//! One at a time: whoever removes something from a server's catalogue.

use std::{
    fmt::Write as _,
    fs::{self, DirBuilder},
    io::{Read, Write},
    os::unix::fs::DirBuilderExt,
    path::Path,
    time::Duration,
};

use hayloft_lease::{Lease, Terms, acquire};
use hayloft_plugin_api::{Error, ErrorKind, Guarantee, Host, OutputOptions, Result};

use super::{Place, place};
use crate::lock::{Lock, Tried};

/// How long others wait for a machine that has died.
const TTL: Duration = Duration::from_secs(20);
/// How many bytes a machine's token has.
const TOKEN: usize = 16;

/// The right to remove something: alone on this machine, by a lock, and alone
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
        server: &str,
        places: &[Place],
    ) -> Result<std::result::Result<Self, String>> {
        let working = host.settings().ok().map(|it| it.working_dir).filter(|it| it.is_absolute());
        let mut terms = Terms { ttl: TTL, ..Terms::default() };
        let mut lock = None;
        if let Some(directory) = working.map(|it| it.join("postgres").join(server)) {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700).create(&directory)?;
            match Lock::take(&directory.join("catalogue.lock"))? {
                Tried::Taken(it) => lock = Some(it),
                Tried::Held(who) => return Ok(Err(who)),
            }
            // Alone here: whoever else has this token is dead.
            let token = token(host, &directory.join("catalogue.token"))?;
            terms.holder = format!("{}, {token}", machine());
            terms.heir = true;
        }
        let mut leases = Vec::new();
        for it in places {
            let known = it.storage.capabilities()?;
            if known.create != Guarantee::Atomic || known.replace != Guarantee::Atomic {
                tracing::info!(
                    "storage {} can hold no lease: only this machine is locked",
                    it.name
                );
                continue;
            }
            let key = place::lease(server);
            match acquire(it.storage.clone(), &key, &terms, &|| host.cancelled()) {
                Ok(lease) => leases.push(lease),
                Err(error) if error.kind() == ErrorKind::TRANSIENT => {
                    return Ok(Err(error.to_string()));
                }
                Err(error) => {
                    let kind = error.kind();
                    let about = format!("cannot get the lease {key} in storage {}", it.name);
                    return Err(error.context(about).with_kind(kind));
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
