//! Whether the directories of this machine are there, or can be made.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use hayloft_plugin_api::Host;
use hayloft_postgres::check::CheckLine;
use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::{config::Server, directories::Directories};

const NAME: &str = "directories";
const WHY: &str = "what comes to this machine cannot be put there, and does not get into a storage";

/// A directory: the element that names it, and where it is.
type Named = (&'static str, PathBuf);

/// The line; none for a server that needs no directory of this machine.
/// Nothing is made.
pub(super) fn line(host: &Host, server: &Server) -> Option<CheckLine> {
    let needed = needed(host, server);
    if needed.is_empty() {
        return None;
    }
    let bad: Vec<(&Named, String)> =
        needed.iter().filter_map(|it| Some((it, fault(&it.1, it.0 == "spool")?))).collect();
    let Some(((element, _), _)) = bad.first() else {
        let shown: Vec<String> = needed.iter().map(|it| it.1.display().to_string()).collect();
        return Some(CheckLine::ok(NAME, shown.join(", ")));
    };
    let found: Vec<String> =
        bad.iter().map(|((_, path), fault)| format!("{} {fault}", path.display())).collect();
    let remedy = format!(
        "let the user that runs this write to it (chown, chmod), or name another one in <{element}>"
    );
    Some(CheckLine::failed(NAME, found.join("; "), WHY, remedy))
}

/// The directories that a server needs on this machine.
fn needed(host: &Host, server: &Server) -> Vec<Named> {
    let mut needed = Vec::new();
    if let Ok(all) = Directories::of(host, server) {
        if server.streaming_archiver {
            needed.push(("streaming_wals_directory", all.streaming));
        }
        // An archive command that calls us brings nothing there.
        if server.archiver && (server.incoming_wals_directory.is_some() || all.incoming.exists()) {
            needed.push(("incoming_wals_directory", all.incoming));
        }
        if !needed.is_empty() {
            needed.push(("errors_directory", all.errors));
        }
    }
    needed.extend(server.wal.spool.clone().map(|it| ("spool", it)));
    needed
}

/// Tells what is wrong with a directory: it is none, cannot be written or
/// cannot be made. `private`: nor may others write to it.
fn fault(path: &Path, private: bool) -> Option<String> {
    match fs::metadata(path) {
        Ok(meta) if !meta.is_dir() => Some("is no directory".to_owned()),
        Ok(meta) if private && meta.mode() & 0o022 != 0 => {
            Some("can be written by others".to_owned())
        }
        Ok(_) => access(path).err().map(|e| format!("cannot be used: {e}")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if fs::symlink_metadata(path).is_ok() {
                return Some("is a link that leads nowhere".to_owned());
            }
            let parent = path.parent()?;
            fault(parent, false).map(|why| format!("cannot be made: {} {why}", parent.display()))
        }
        Err(error) => Some(format!("cannot be used: {error}")),
    }
}

/// Tells whether we, as whom we act, may write into a directory.
fn access(path: &Path) -> io::Result<()> {
    let all = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    Ok(accessat(CWD, path, all, AtFlags::EACCESS)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_cannot_be_used_or_made_is_told() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::write(at("file"), "").unwrap();
        fs::create_dir(at("open")).unwrap();
        fs::set_permissions(at("open"), fs::Permissions::from_mode(0o777)).unwrap();
        symlink("nowhere", at("link")).unwrap();
        let cases = [
            ("", false, None),
            ("new/and/newer", false, None),
            ("open", false, None),
            ("open", true, Some("can be written by others")),
            ("open/below", true, None),
            ("file", false, Some("is no directory")),
            ("file/below", false, Some("cannot be used")),
            ("link", false, Some("leads nowhere")),
            ("link/below", false, Some("leads nowhere")),
        ];
        for (name, private, expected) in cases {
            let found = fault(&at(name), private);
            match expected {
                None => assert_eq!(found, None, "{name}"),
                Some(text) => assert!(found.unwrap().contains(text), "{name}"),
            }
        }
    }
}
