//! Backups of other days in the collect directory: they would be staged day
//! after day, each time as those of that day.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use hayloft_dump::Staged;

use crate::{context::Context, items::Item};

/// Removes the backups of an item that are of other days and were staged. What
/// cannot be removed is logged.
pub(crate) fn tidy(context: &Context<'_>, item: &Item) {
    let Ok(destination) = context.destination(item) else { return };
    let directory = destination.directory();
    let found = match find(directory, item, &context.day) {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!("cannot look for earlier backups in {}: {error}", directory.display());
            return;
        }
    };
    let staged = Staged::read(directory);
    for path in found.iter().filter(|it| staged.has(it)) {
        match fs::remove_file(path) {
            Ok(()) => tracing::info!("removed the earlier {}: it is staged", path.display()),
            Err(error) => {
                tracing::warn!("the earlier {} is still there: {error}", path.display());
            }
        }
    }
}

fn find(directory: &Path, item: &Item, today: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let day = entry.file_name().to_str().and_then(|it| item.day_of(it)).map(ToOwned::to_owned);
        if day.is_some_and(|it| it != today) && entry.file_type()?.is_file() {
            found.push(entry.path());
        }
    }
    Ok(found)
}
