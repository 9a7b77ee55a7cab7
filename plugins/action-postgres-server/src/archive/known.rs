//! Which archives were found to be this cluster's, so that storages are not
//! asked for each segment.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{identity::Identity, spool::Spool};

/// The file in the spool.
const FILE: &str = "identity.json";

/// What is remembered. It holds for one directory of segments (4 GiB of WAL),
/// so that storages are asked again from time to time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    directory: String,
    identity: Identity,
    storages: BTreeSet<String>,
}

/// Tells whether the archive in a storage was found to be this cluster's.
pub(super) fn is(spool: &Spool, directory: &str, identity: &Identity, storage: &str) -> bool {
    read(spool).is_some_and(|it| {
        it.directory == directory && it.identity == *identity && it.storages.contains(storage)
    })
}

/// Remembers that it was.
pub(super) fn remember(spool: &Spool, directory: &str, identity: &Identity, storage: &str) {
    let same = |it: &Known| it.directory == directory && it.identity == *identity;
    let mut known = read(spool).filter(same).unwrap_or_else(|| Known {
        directory: directory.to_owned(),
        identity: identity.clone(),
        storages: BTreeSet::new(),
    });
    known.storages.insert(storage.to_owned());
    let written = serde_json::to_vec(&known)
        .map_err(std::io::Error::other)
        .and_then(|text| spool.write(FILE, &text));
    if let Err(error) = written {
        tracing::info!("{FILE} is not remembered: {error}");
    }
}

fn read(spool: &Spool) -> Option<Known> {
    serde_json::from_slice(&spool.read(FILE)?).ok()
}
