//! The directory that everything is kept in, and ways through it that never
//! leave it.
//!
//! A link is never followed: whoever may write somewhere below the root cannot
//! make us read or write elsewhere. The kernel sees to that where it can; else
//! every directory on the way is opened relative to the one before.

use std::{fs, io, os::fd::OwnedFd, path::Path, sync::Arc};

use hayloft_plugin_api::{Error, ErrorKind, Result};
use rustix::{
    fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat},
    io::Errno,
};

use crate::{
    Config,
    durable::{Durable, Unsure},
    is_file, name,
};

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The configured root. It is opened anew for each call: a disk may have been
/// mounted meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    config: Arc<Config>,
}

/// Tells whether the error means that there is no such object. Links and
/// files on the way to it are none.
pub(crate) fn is_absence(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}

impl Root {
    pub(crate) fn new(config: Config) -> Self {
        Self { config: Arc::new(config) }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Makes an error out of what went wrong with an object.
    pub(crate) fn failed(&self, verb: &str, key: &str, error: io::Error) -> Error {
        let path = self.config.root.join(key);
        Error::from(error).context(format!("cannot {verb} {}", path.display()))
    }

    /// Opens the root; creates it if that is configured.
    pub(crate) fn open(&self) -> Result<OwnedFd> {
        let path = &self.config.root;
        // The root itself is the administrator's: it may be a link.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = || rustix::fs::open(path, flags, Mode::empty());
        let opened = match open() {
            Err(Errno::NOENT) if self.config.create => {
                create_all(path, self.config.mode.of_directories())?;
                open()
            }
            other => other,
        };
        opened.map_err(|e| match e {
            Errno::NOENT => {
                let message = format!("directory {} of the storage does not exist", path.display());
                // It is no object that is missing.
                Error::new(ErrorKind::OTHER, message)
                    .hint("mount it, create it, or set <create>Y</create>")
            }
            e => Error::from(io::Error::from(e))
                .context(format!("cannot open directory {} of the storage", path.display())),
        })
    }

    /// Finds an object's file; `None` if there is none.
    pub(crate) fn find(&self, root: &OwnedFd, key: &str) -> Result<Option<Stat>> {
        let found = look(root, key).map_err(|e| self.failed("look at", key, e.into()))?;
        Ok(found.map(|(.., stat)| stat))
    }

    /// Opens the directory that an object is to be put in; creates what is
    /// missing. Tells of which directories on the way it is not known that
    /// they survive a power cut.
    pub(crate) fn make_parent(
        &self,
        root: &OwnedFd,
        key: &str,
        durable: &Durable,
    ) -> Result<(OwnedFd, String, Vec<Unsure>), Errno> {
        let (above, name) = split(key);
        let mut unsure = Vec::new();
        let mut directory = rustix::io::fcntl_dupfd_cloexec(root, 0)?;
        for segment in segments(above) {
            let segment = name::on_disk(segment?);
            let mode = self.config.mode.of_directories();
            let created = match rustix::fs::mkdirat(&directory, &*segment, mode) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(e) => return Err(e),
            };
            let child = rustix::fs::openat(&directory, &*segment, DIRECTORY, Mode::empty())?;
            if created {
                // The mode exactly, whatever the process masks.
                rustix::fs::fchmod(&child, mode)?;
            }
            unsure.extend(durable.doubt(&directory, &child)?);
            directory = child;
        }
        Ok((directory, name::on_disk(name).into_owned(), unsure))
    }
}

/// Finds an object's file with its directory and its name there; `None` if
/// there is none.
pub(crate) fn look(root: &OwnedFd, key: &str) -> Result<Option<(OwnedFd, String, Stat)>, Errno> {
    let absent = |e: Errno| if is_absence(e) { Ok(None) } else { Err(e) };
    let (above, name) = split(key);
    let parent = match directory(root, above) {
        Ok(parent) => parent,
        Err(e) => return absent(e),
    };
    let name = name::on_disk(name).into_owned();
    match rustix::fs::statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(is_file(&stat).then_some((parent, name, stat))),
        Err(e) => absent(e),
    }
}

/// Removes the directories above an object that is not there any more, as far
/// as they are empty. One that cannot be removed does no harm.
pub(crate) fn prune(root: &OwnedFd, key: &str) {
    let (mut key, _) = split(key);
    while !key.is_empty() {
        let (above, name) = split(key);
        let removed = directory(root, above).and_then(|parent| {
            rustix::fs::unlinkat(&parent, &*name::on_disk(name), AtFlags::REMOVEDIR)
        });
        if removed.is_err() {
            return;
        }
        key = above;
    }
}

/// Returns the key of the directory, and the rest.
pub(crate) fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('/').unwrap_or(("", key))
}

/// Opens a directory by its key, which is empty for the root.
pub(crate) fn directory(root: &OwnedFd, key: &str) -> Result<OwnedFd, Errno> {
    if key.is_empty() {
        return rustix::io::fcntl_dupfd_cloexec(root, 0);
    }
    open_below(root, key, DIRECTORY)
}

/// Opens what is at a key. `flags` say that a link is not followed.
pub(crate) fn open_below(root: &OwnedFd, key: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    match in_one_step(root, key, flags) {
        // An old kernel, a filter of system calls that was made for one, or a
        // way that is too long for one step.
        Err(Errno::NOSYS | Errno::PERM | Errno::NAMETOOLONG) => step_by_step(root, key, flags),
        other => other,
    }
}

fn in_one_step(root: &OwnedFd, key: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut path = String::with_capacity(key.len());
    for segment in segments(key) {
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(&name::on_disk(segment?));
    }
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(root, path, flags, Mode::empty(), within)
}

fn step_by_step(root: &OwnedFd, key: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut above: Option<OwnedFd> = None;
    let mut segments = segments(key).peekable();
    loop {
        let name = name::on_disk(segments.next().ok_or(Errno::NOENT)??);
        let ends = segments.peek().is_none();
        let flags = if ends { flags } else { DIRECTORY };
        let from = above.as_ref().unwrap_or(root);
        let opened = rustix::fs::openat(from, &*name, flags, Mode::empty())?;
        if ends {
            return Ok(opened);
        }
        above = Some(opened);
    }
}

/// What is no segment leads nowhere, above all not up.
fn segments(key: &str) -> impl Iterator<Item = Result<&str, Errno>> {
    let key = Some(key).filter(|key| !key.is_empty());
    key.into_iter().flat_map(|key| key.split('/')).map(|segment| match segment {
        "" | "." | ".." => Err(Errno::NOENT),
        segment => Ok(segment),
    })
}

fn create_all(path: &Path, mode: Mode) -> Result<()> {
    let failed = |e: io::Error| {
        Error::from(e).context(format!("cannot create directory {}", path.display()))
    };
    let missing: Vec<_> = path.ancestors().take_while(|it| !it.exists()).collect();
    for directory in missing.iter().rev() {
        match rustix::fs::mkdir(*directory, mode) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(failed(e.into())),
        }
        if let Some(parent) = directory.parent() {
            fs::File::open(parent).and_then(|it| it.sync_all()).map_err(failed)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    const FILE: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

    /// A way from the root to what is at a key.
    type Way = fn(&OwnedFd, &str, OFlags) -> Result<OwnedFd, Errno>;

    #[test]
    fn each_way_leads_to_the_same_place_and_none_out_of_the_root() {
        let place = tempfile::tempdir().unwrap();
        let (root, outside) = (place.path().join("root"), place.path().join("outside"));
        fs::create_dir_all(root.join("a/b/%2Ehayloft-staging")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(root.join("a/b/file"), "").unwrap();
        fs::write(outside.join("file"), "").unwrap();
        symlink(&outside, root.join("a/out")).unwrap();
        symlink("b", root.join("a/in")).unwrap();
        symlink("file", root.join("a/b/link")).unwrap();
        let long = "a/".repeat(3000);
        let cases = [
            ("a/b/file", FILE, Some("a/b/file")),
            ("a", DIRECTORY, Some("a")),
            ("a/b/.hayloft-staging", DIRECTORY, Some("a/b/%2Ehayloft-staging")),
            ("a/b/file", DIRECTORY, None),
            ("a/b/file/x", FILE, None),
            ("a/b/absent", FILE, None),
            ("a/out/file", FILE, None),
            ("a/out", DIRECTORY, None),
            ("a/in/file", FILE, None),
            ("a/b/link", FILE, None),
            ("../outside/file", FILE, None),
            ("a/../a/b/file", FILE, None),
            ("/a", DIRECTORY, None),
            ("a/", DIRECTORY, None),
            ("", DIRECTORY, None),
            (long.as_str(), FILE, None),
        ];
        let opened = OwnedFd::from(fs::File::open(&root).unwrap());
        let inode = |it: OwnedFd| fs::File::from(it).metadata().unwrap().ino();
        for (key, flags, expected) in cases {
            let expected = expected.map(|it| fs::metadata(root.join(it)).unwrap().ino());
            for way in [open_below as Way, step_by_step] {
                match way(&opened, key, flags) {
                    Ok(found) => assert_eq!(Some(inode(found)), expected, "{key}"),
                    Err(e) => assert!(expected.is_none() && is_absence(e), "{key}: {e}"),
                }
            }
        }
    }

    #[test]
    fn a_way_that_is_too_long_for_one_step_is_gone_all_the_same() {
        let place = tempfile::tempdir().unwrap();
        let root = OwnedFd::from(fs::File::open(place.path()).unwrap());
        let (mut at, mut key) = (rustix::io::dup(&root).unwrap(), String::new());
        let name = "n".repeat(200);
        for _ in 0..25 {
            rustix::fs::mkdirat(&at, &name, Mode::RWXU).unwrap();
            at = rustix::fs::openat(&at, &name, DIRECTORY, Mode::empty()).unwrap();
            key.push_str(&name);
            key.push('/');
        }
        key.pop();
        assert_eq!(in_one_step(&root, &key, DIRECTORY).unwrap_err(), Errno::NAMETOOLONG);
        directory(&root, &key).unwrap();
    }
}
