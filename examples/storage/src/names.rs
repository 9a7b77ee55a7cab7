//! The names of files.

use std::path::{Path, PathBuf};

/// Returns where the object of that key is.
pub(crate) fn path(root: &Path, key: &str) -> PathBuf {
    let name = key.replace('%', "%25").replace('/', "%2F");
    // Names that begin with a point are those of temporary files.
    let name = name.strip_prefix('.').map(|rest| format!("%2E{rest}")).unwrap_or(name);
    root.join(name)
}

/// Returns the key of the object that is there; `None` if it is none.
pub(crate) fn key(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str().filter(|name| !name.starts_with('.'))?;
    Some(name.replace("%2E", ".").replace("%2F", "/").replace("%25", "%"))
}
