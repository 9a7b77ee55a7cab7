//! What can go with an edit of a server's file: a copy of the old one, and a
//! reload whose outcome is known.

use std::{ffi::OsString, path::PathBuf};

use hayloft_plugin_api::Argument;
use serde_json::Value;

use super::{
    Call,
    cluster::{self, AfterEdit},
    place::{Place, Stop},
};

/// The arguments.
pub(super) fn arguments() -> [Argument; 2] {
    [
        Argument::flag("backup", "Keep the old file beside the new one, as FILE.TIME.bak"),
        Argument::flag(
            "reload",
            "Let the server read the new file, and show what it took (as pg cluster reload does)",
        ),
    ]
}

/// Refuses a command line that cannot be followed to its end, before anything
/// is changed.
pub(super) fn check(call: &Call<'_>, place: &Place) -> Result<(), Stop> {
    if call.arguments.has("reload") && place.data.is_none() {
        let message = "--reload needs the data directory (--data-directory), or --server";
        return Err(Stop::Usage(message.to_owned()));
    }
    Ok(())
}

/// Where the old file is kept, if it is to be: no `include_dir` takes the name.
pub(super) fn backup(call: &Call<'_>, place: &Place) -> Option<PathBuf> {
    if !call.arguments.has("backup") {
        return None;
    }
    let file = place.edited.canonicalize().unwrap_or_else(|_| place.edited.clone());
    let now = &call.request.now;
    let time = format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}",
        now.year, now.month, now.day, now.hour, now.minute, now.second
    );
    let named = |more: String| {
        let mut name = OsString::from(file.file_name().unwrap_or_default());
        name.push(format!(".{time}{more}.bak"));
        file.with_file_name(name)
    };
    let others = (1..1000).map(|it| format!("-{it}"));
    let mut free = std::iter::once(String::new()).chain(others).map(named);
    free.find(|it| std::fs::symlink_metadata(it).is_err())
}

/// Tells what happened besides the edit.
#[derive(Debug, Default)]
pub(super) struct More {
    backup: Option<PathBuf>,
    reload: Option<AfterEdit>,
}

impl More {
    /// Does what is to be done after a file was replaced.
    pub(super) fn after(
        call: &Call<'_>,
        place: &Place,
        backup: Option<PathBuf>,
    ) -> Result<Self, Stop> {
        let data = place.data.as_deref().filter(|_| call.arguments.has("reload"));
        let reload = data.map(|it| cluster::after_edit(call, it, place.session.as_ref()));
        Ok(Self { backup, reload: reload.transpose()? })
    }

    /// Tells whether the server has read the file.
    pub(super) fn is_reloaded(&self) -> bool {
        self.reload.as_ref().is_some_and(|it| it.told)
    }

    /// Tells whether there is something that a person should see.
    pub(super) fn warns(&self) -> bool {
        self.reload.as_ref().is_some_and(|it| !it.good)
    }

    pub(super) fn text(&self) -> String {
        let kept = self.backup.as_ref().map(|it| format!("kept: {}\n", it.display()));
        let reload = self.reload.as_ref().map(|it| it.text.as_str());
        kept.unwrap_or_default() + reload.unwrap_or_default()
    }

    /// Adds it to a document.
    pub(super) fn add_to(&self, document: &mut Value) {
        if let Some(kept) = &self.backup {
            document["backup"] = kept.to_string_lossy().into();
        }
        if let Some(reload) = &self.reload {
            document["reload"] = reload.json.clone();
        }
    }
}
