//! Debian keeps the configuration of a cluster apart from its data:
//! `/etc/postgresql/VERSION/NAME`.

use std::path::{Path, PathBuf};

use hayloft_postgres::version::ServerVersion;

const TOP: &str = "/etc/postgresql";

/// Returns the main file of the cluster with this data directory.
pub(super) fn conf_of(data: &Path) -> Option<PathBuf> {
    let data = data.canonicalize().ok()?;
    let below = |it: &Path| -> Vec<PathBuf> {
        it.read_dir().into_iter().flatten().flatten().map(|it| it.path()).collect()
    };
    let clusters = below(Path::new(TOP)).into_iter().flat_map(|it| below(&it));
    let mut files = clusters.map(|it| it.join("postgresql.conf"));
    files.find(|it| {
        let named = super::data_setting(it).and_then(|it| it.canonicalize().ok());
        named.is_some_and(|it| it == data)
    })
}

/// Returns the version that a file is for, by its place.
pub(super) fn version_of(file: &Path) -> Option<ServerVersion> {
    let file = file.canonicalize().ok()?;
    let first = file.strip_prefix(TOP).ok()?.iter().next()?;
    ServerVersion::parse(first.to_str()?)
}
